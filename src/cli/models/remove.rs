//! `tapseg models remove`.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use tapseg::Package;
use tapseg::model::{Place, remove_package};

use super::super::arguments::LibraryArguments;
use super::super::output;

/// Remove a package from the disk
///
/// Its three files are removed, and its folder if nothing else is in it.
#[derive(Args)]
#[command(after_help = "Example:  tapseg models remove sam-vit-b --yes")]
pub struct Remove {
    /// Its name, or its folder
    #[arg(value_name = "NAME")]
    name: String,

    /// Don't ask
    #[arg(long)]
    yes: bool,
}

impl Remove {
    pub fn run(self, library: &LibraryArguments, json: bool) -> Result<()> {
        let Place::Folder(folder) = library.library()?.find(&self.name)? else {
            bail!("{} is inside the program and can't be removed", self.name);
        };
        let no_package = || format!("{} is not a package; nothing was removed", folder.display());
        let manifest = Package::manifest_in(&folder).with_context(no_package)?;
        if !self.yes {
            let question = format!("Remove {} from {}?", manifest.name, folder.display());
            if !confirmed(&question)? {
                bail!("nothing was removed");
            }
        }
        let (removed, left) = remove_package(&folder)?;
        if json {
            return output::json(&json!({
                "name": self.name, "place": folder.display().to_string(),
                "removed": removed, "left": left,
            }));
        }
        output::line(format_args!("{}: removed {}", folder.display(), removed.join(", ")))?;
        if !left.is_empty() {
            output::line(format_args!("left there: {}", left.join(", ")))?;
        }
        Ok(())
    }
}

/// Asks the person at the terminal.
fn confirmed(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody can be asked here: give --yes to remove the package");
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("can't read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
