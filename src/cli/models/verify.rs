//! `tapseg models verify`.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;
use tapseg::Segmenter;
use tapseg::model::{ModelError, Place};

use super::super::arguments::LibraryArguments;
use super::super::output;

/// Verify the checksums of packages, and that they load; the exit code is 1 if one of them can't be used
#[derive(Args)]
#[command(after_help = "Example:  tapseg models verify\n          tapseg models verify sam-vit-b")]
pub struct Verify {
    /// Their names or folders; all that are found where none is given
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Verify {
    pub fn run(self, library: &LibraryArguments, json: bool) -> Result<()> {
        let library = library.library()?;
        let places: Vec<(String, Place)> = if self.names.is_empty() {
            library.entries().into_iter().map(|entry| (entry.name, entry.place)).collect()
        } else {
            let found = self.names.into_iter().map(|name| library.find(&name).map(|p| (name, p)));
            found.collect::<Result<_, _>>()?
        };
        let mut report = Vec::new();
        let mut broken = 0;
        for (name, place) in &places {
            let package = place.open().map_err(ModelError::from);
            let loaded = package.and_then(|package| Segmenter::load(&package));
            let error = loaded.err().map(|e| e.to_string());
            broken += usize::from(error.is_some());
            if !json {
                let verdict = error.as_deref().unwrap_or("sound");
                output::line(format_args!("{name:<20} {place}: {verdict}"))?;
            }
            report.push(json!({
                "name": name, "place": place.to_string(), "ok": error.is_none(), "error": error,
            }));
        }
        if json {
            output::json(&report)?;
        }
        if broken > 0 {
            bail!("{broken} of {} packages can't be used", places.len());
        }
        Ok(())
    }
}
