//! `tapseg records`: what was saved.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use tapseg::measure::{TwoViews, ellipsoid_volume};
use tapseg::record::{self, RecordError};

use super::{keeping, output};

/// List, show, verify and export what was saved
#[derive(Args)]
#[command(after_help = "Example:  tapseg records list\n          \
    tapseg records show 20261127T081502.123Z\n          \
    tapseg records volume 20261127T081502.123Z 20261127T081610.456Z:2\n          \
    tapseg records verify\n          \
    tapseg records export --to /media/usb")]
pub struct Records {
    /// Where Save wrote to; ~/.local/share/tapseg/records where not given
    #[arg(long, value_name = "DIR", global = true)]
    save_dir: Option<PathBuf>,

    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// All records, oldest first
    List,
    /// What record.json says
    Show {
        /// The record's name
        name: String,
    },
    /// Check that every file has the bytes that were written
    Verify {
        /// The records' names; all where not given
        names: Vec<String>,
    },
    /// The volume of the ellipsoid that two views at right angles show. Of the diameters of each, the
    /// longest and the one across it, those that agree best are the axis that both planes share; how far they
    /// disagree is told
    Volume {
        /// A record's name, with :2 at its end for its second structure
        first: String,
        /// That of the other view; it may be the same record's other structure
        second: String,
    },
    /// Copy records, whole or not at all, and read the copy back
    Export {
        /// The records' names; all where not given
        names: Vec<String>,
        /// The folder to copy to, as that of a USB stick
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

impl Records {
    pub fn run(self, json: bool) -> Result<()> {
        let folder = self.save_dir.or_else(keeping::default_save_dir);
        let folder = folder.context("there is no home folder: give --save-dir")?;
        let named = |names: Vec<String>| -> Result<Vec<String>> {
            if names.is_empty() {
                let names = record::record_names(&folder)?;
                if names.is_empty() {
                    let place = folder.display();
                    eprintln!("nothing was saved in {place} yet; --save-dir names another folder");
                }
                return Ok(names);
            }
            match names.iter().map(|name| folder.join(name)).find(|record| !record.is_dir()) {
                Some(absent) => Err(RecordError::Unknown(absent).into()),
                None => Ok(names),
            }
        };
        let open = |name: &str| record::open(&folder.join(name));
        match self.what {
            What::List => {
                let (mut records, mut damaged) = (Vec::new(), 0);
                for name in named(Vec::new())? {
                    match open(&name) {
                        Ok(kept) if json => records.push(kept),
                        Ok(kept) => {
                            let source = kept.record["source"].as_str().unwrap_or("-");
                            let exported = if kept.is_exported() { "  exported" } else { "" };
                            let content = kept.content();
                            output::line(format_args!("{name}  {content}  {source}{exported}"))?;
                        }
                        Err(error) => {
                            damaged += 1;
                            eprintln!("{name}  DAMAGED: {error}");
                        }
                    }
                }
                if json {
                    output::json(&records)?;
                }
                ensure!(damaged == 0, "{damaged} records are damaged");
                Ok(())
            }
            What::Show { name } => output::json(&open(&name)?.record),
            What::Verify { names } => {
                let names = named(names)?;
                let mut damaged = 0;
                for name in &names {
                    match open(name).and_then(|kept| kept.verify()) {
                        Ok(()) => output::line(format_args!("{name}  whole"))?,
                        Err(error) => {
                            damaged += 1;
                            output::line(format_args!("{name}  DAMAGED: {error}"))?;
                        }
                    }
                }
                ensure!(damaged == 0, "{damaged} of {} records are damaged", names.len());
                Ok(())
            }
            What::Volume { first, second } => {
                let view = |text: &String| -> Result<_> {
                    let (name, number) = text.split_once(':').unwrap_or((text, "1"));
                    let number = number.parse();
                    let number = number.with_context(|| format!("{text}: give NAME or NAME:2"))?;
                    let kept = open(name)?;
                    let sizes = kept.measurements(number)?;
                    Ok(((kept.name, number), sizes))
                };
                let ((one, one_sizes), (other, other_sizes)) = (view(&first)?, view(&second)?);
                ensure!(
                    one != other,
                    "{first} and {second} are one and the same view: give another one of the structure, at \
                     right angles to it"
                );
                let found = ellipsoid_volume(&one_sizes, &other_sizes).context(
                    "a view is measured in pixels: save it with a pixel spacing (--spacing)",
                )?;
                let TwoViews { volume, shared_axis: [one, other], disagreement } = found;
                let percent = 100.0 * disagreement;
                if disagreement > TwoViews::MOST_DISAGREEMENT {
                    eprintln!(
                        "the views disagree by {percent:.0} % on the axis that they share: they may be of \
                         different structures, or not at right angles"
                    );
                }
                if json {
                    return output::json(&found);
                }
                output::line(format_args!(
                    "{volume}; the shared axis is {one} in the first view and {other} in the second, \
                     {percent:.0} % apart"
                ))
            }
            What::Export { names, to } => {
                let names = named(names)?;
                let mut failed = 0;
                for name in &names {
                    match open(name).and_then(|kept| kept.export(&to)) {
                        Ok(copy) => output::line(copy.display())?,
                        Err(error @ RecordError::NoFolder(_)) => return Err(error.into()),
                        // One that is damaged keeps no other back.
                        Err(error) => {
                            failed += 1;
                            eprintln!("{name}  NOT EXPORTED: {error}");
                        }
                    }
                }
                if failed < names.len() && !record::is_another_disk(&to, &folder) {
                    let place = to.display();
                    eprintln!("{place} is on no other disk: these copies don't count as exports");
                }
                ensure!(failed == 0, "{failed} of {} records were not exported", names.len());
                Ok(())
            }
        }
    }
}
