//! `tapseg models list`.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use tapseg::model::Entry;

use super::super::arguments::LibraryArguments;
use super::super::output;
use super::show::words;

/// List the packages there are, where they are, and which are hidden by another of their name
///
/// Their networks are not read; tapseg models verify does that.
#[derive(Args)]
#[command(
    after_help = "Example:  tapseg models list\n          tapseg models --models-dir ~/packages"
)]
pub struct List {}

impl List {
    pub fn run(self, library: &LibraryArguments, json: bool) -> Result<()> {
        let entries = library.library()?.entries();
        if json {
            return output::json(&entries.iter().map(describe).collect::<Vec<_>>());
        }
        let width = entries.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
        output::line(format_args!(
            "{:<width$} {:>9} {:>7} {:>8}  {:<18} place",
            "name", "input", "weights", "MB", "trained for"
        ))?;
        for entry in &entries {
            print(entry, width)?;
        }
        Ok(())
    }
}

fn describe(entry: &Entry) -> Value {
    let mut described = json!({
        "name": entry.name, "place": entry.place.to_string(), "shadowed": entry.shadowed,
    });
    match entry.place.summary() {
        Ok((manifest, bytes)) => {
            described["bytes"] = bytes.into();
            described["manifest"] = json!(manifest);
        }
        Err(e) => described["error"] = e.to_string().into(),
    }
    described
}

fn print(entry: &Entry, width: usize) -> Result<()> {
    let shadowed = if entry.shadowed { " (another of this name comes first)" } else { "" };
    match entry.place.summary() {
        Ok((manifest, bytes)) => output::line(format_args!(
            "{:<width$} {:>9} {:>7} {:>8.1}  {:<18} {}{shadowed}",
            entry.name,
            format!("{0}x{0}", manifest.preprocessing.input_size),
            manifest.weights,
            bytes as f64 / 1e6,
            words(&manifest.prompts).join(", "),
            entry.place,
        )),
        Err(e) => output::line(format_args!("{:<width$} can't be used: {e}{shadowed}", entry.name)),
    }
}
