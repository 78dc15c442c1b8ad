//! `tapseg records`: what was saved.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use tapseg::record::{self, Kept};

use super::{output, run};

/// List, show, verify and export what was saved
#[derive(Args)]
#[command(after_help = "Example:  tapseg records list\n          \
    tapseg records show 20261127T081502.123Z\n          \
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
        let folder = self.save_dir.or_else(run::default_save_dir);
        let folder = folder.context("there is no home folder: give --save-dir")?;
        let named = |names: Vec<String>| -> Result<Vec<Kept>> {
            if names.is_empty() {
                return Ok(record::records(&folder)?);
            }
            names.iter().map(|name| Ok(record::open(&folder.join(name))?)).collect()
        };
        match self.what {
            What::List if json => output::json(&named(Vec::new())?),
            What::List => named(Vec::new())?.iter().try_for_each(|kept| {
                let objects = kept.record["objects"].as_array().map_or(0, Vec::len);
                let source = kept.record["source"].as_str().unwrap_or("-");
                output::line(format_args!("{}  {objects} structures  {source}", kept.name))
            }),
            What::Show { name } => {
                named(vec![name])?.iter().try_for_each(|kept| output::json(&kept.record))
            }
            What::Verify { names } => {
                let records = named(names)?;
                let mut damaged = 0;
                for kept in &records {
                    match kept.verify() {
                        Ok(()) => output::line(format_args!("{}  whole", kept.name))?,
                        Err(error) => {
                            damaged += 1;
                            output::line(format_args!("{}  DAMAGED: {error}", kept.name))?;
                        }
                    }
                }
                if damaged > 0 {
                    bail!("{damaged} of {} records are damaged", records.len());
                }
                Ok(())
            }
            What::Export { names, to } => named(names)?.iter().try_for_each(|kept| {
                let copy = kept.export(&to)?;
                output::line(copy.display())
            }),
        }
    }
}
