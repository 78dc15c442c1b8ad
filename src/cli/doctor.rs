//! `tapseg doctor`: what this machine has, and what is wrong with it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::Args;
use tapseg::board::doctor::{Finding, State, examine};

use super::arguments::LibraryArguments;
use super::{feeds, output};

/// Tell what this machine has, what is wrong with it, and how to mend that
///
/// Looks at processor, memory, clock, temperature, cameras, panels and the size of buttons on them,
/// touch, who may use them, and model packages. Ends with 1 where something does not work; warnings alone end with 0.
#[derive(Args)]
#[command(after_help = "Example:  tapseg doctor\n          tapseg doctor --json")]
pub struct Doctor {
    /// Look at another machine's /proc, /sys and /dev, copied to this folder
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,

    #[command(flatten)]
    library: LibraryArguments,
}

impl Doctor {
    pub fn run(self, json: bool) -> Result<()> {
        let root = &self.root;
        ensure!(root.is_dir(), "--root {}: there is no such folder", root.display());
        let mut findings = examine(root);
        if root == Path::new("/") {
            findings.extend(feeds::findings());
        }
        findings.push(self.models()?);
        if json {
            output::json(&findings)?;
        } else {
            for finding in &findings {
                print(finding)?;
            }
        }
        match findings.iter().filter(|f| f.state == State::Fault).count() {
            0 => Ok(()),
            1 => bail!("one thing needs mending"),
            faults => bail!("{faults} things need mending"),
        }
    }

    /// Every package on the search path is read and verified.
    fn models(&self) -> Result<Finding> {
        let entries = self.library.library()?.entries();
        let (mut sound, mut broken) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.place.open() {
                Ok(_) => sound.push(entry.name),
                Err(error) => broken.push(format!("{}: {error}", entry.name)),
            }
        }
        if broken.is_empty() {
            return Ok(Finding::ok("models", sound.join(", ")));
        }
        let remedy = "tapseg models remove NAME, then add or convert it again";
        Ok(Finding::fault("models", broken.join("; "), remedy))
    }
}

fn print(finding: &Finding) -> Result<()> {
    let mark = match finding.state {
        State::Ok => "ok",
        State::Warning => "look",
        State::Fault => "WRONG",
    };
    output::line(format_args!("{mark:<6}{:<12} {}", finding.part, finding.found))?;
    match &finding.remedy {
        Some(remedy) => output::line(format_args!("{:<19}to mend it: {remedy}", "")),
        None => Ok(()),
    }
}
