//! `tapseg man`: the manual pages, for who packages the program.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};

use super::Cli;

/// Write the manual pages, one for each verb
#[derive(Args)]
#[command(after_help = "Example:  tapseg man target/man")]
pub struct Man {
    /// The folder to write to
    folder: PathBuf,
}

impl Man {
    pub fn run(self) -> Result<()> {
        let write = || {
            fs::create_dir_all(&self.folder)?;
            clap_mangen::generate_to(Cli::command(), &self.folder)
        };
        write().with_context(|| format!("can't write to {}", self.folder.display()))
    }
}
