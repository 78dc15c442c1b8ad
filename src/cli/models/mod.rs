//! `tapseg models`: which packages there are, adding and removing them.

mod add;
mod check;
mod list;
mod remove;
mod show;
mod verify;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::arguments::LibraryArguments;

/// List, show, verify, check, add and remove model packages
///
/// A package is called by its folder's name. It is looked for in the folders given as --models-dir,
/// those in TAPSEG_MODELS (separated like PATH), the user's (~/.local/share/tapseg/models), and the
/// system's (/usr/local/share/tapseg/models, /usr/share/tapseg/models). The first of a name wins;
/// the model inside the program comes before them all.
#[derive(Args)]
#[command(after_help = "Example:  tapseg models\n          tapseg models show litemedsam")]
pub struct Models {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    library: LibraryArguments,
}

#[derive(Subcommand)]
enum Verb {
    Add(add::Add),
    Check(check::Check),
    List(list::List),
    Show(show::Show),
    Verify(verify::Verify),
    Remove(remove::Remove),
}

impl Models {
    pub fn run(self, json: bool) -> Result<()> {
        match self.verb.unwrap_or(Verb::List(list::List {})) {
            Verb::Check(verb) => verb.run(&self.library, json),
            Verb::Add(verb) => verb.run(&self.library, json),
            Verb::List(verb) => verb.run(&self.library, json),
            Verb::Show(verb) => verb.run(&self.library, json),
            Verb::Verify(verb) => verb.run(&self.library, json),
            Verb::Remove(verb) => verb.run(&self.library, json),
        }
    }
}
