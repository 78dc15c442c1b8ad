//! `tapseg models show`.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tapseg::model::{MANIFEST_FILE, Normalisation};

use super::super::arguments::LibraryArguments;
use super::super::output;

/// Show what a package says about itself, after verifying its checksums
#[derive(Args)]
#[command(after_help = "Example:  tapseg models show litemedsam")]
pub struct Show {
    /// Its name, or its folder
    #[arg(value_name = "NAME")]
    name: String,
}

impl Show {
    pub fn run(self, library: &LibraryArguments, json: bool) -> Result<()> {
        let place = library.library()?.find(&self.name)?;
        let package = place.open()?;
        let (manifest, parameters) = (package.manifest(), package.parameters());
        let extras = [package.tap_head(), package.text_encoder()].into_iter().flatten();
        let lengths = [package.encoder(), package.decoder()].into_iter().chain(extras);
        let files = manifest.files().zip(lengths.map(<[u8]>::len));
        let bytes = package.size_bytes();
        if json {
            return output::json(&json!({
                "name": self.name, "place": place.to_string(), "bytes": bytes,
                "parameters": parameters, "manifest_sha256": package.id().sha256, "manifest": manifest,
            }));
        }
        let p = manifest.preprocessing;
        let normalisation = match p.normalisation {
            Normalisation::MinMax => "min-max to 0…1".into(),
            Normalisation::MeanStd { mean, std } => format!("mean {mean:?}, std {std:?}"),
        };
        let millions = |n: u64| format!("{:.2} million", n as f64 / 1e6);
        let lines = [
            ("name", manifest.name.clone()),
            ("place", place.to_string()),
            ("architecture", manifest.architecture.clone()),
            ("parameters", parameters.map_or("unknown".into(), millions)),
            ("weights", manifest.weights.clone()),
            ("size", format!("{:.1} MB", bytes as f64 / 1e6)),
            ("licence", manifest.licence.clone()),
            ("source", manifest.source.clone()),
            ("input", format!("{0}x{0}, {1}, {2}", p.input_size, word(p.resize), word(p.filter))),
            ("coordinates", word(p.coordinate_scale)),
            ("normalisation", normalisation),
            ("trained for", words(&manifest.prompts).join(", ")),
            ("mask tokens", word(manifest.mask_tokens)),
        ];
        let tuned = manifest.tuned.as_ref().map(|t| {
            let text = format!(
                "{} on {} pictures of {}, {} epochs, seed {}; Dice on {} others {:.3}, {:.3} before",
                t.from, t.pictures, t.dataset, t.epochs, t.seed, t.held_out, t.dice_after,
                t.dice_before
            );
            ("tuned from", text)
        });
        for (title, text) in lines.into_iter().chain(tuned) {
            output::line(format_args!("{title:<14} {text}"))?;
        }
        let id = package.id().sha256.unwrap_or_default();
        output::line(format_args!("{MANIFEST_FILE:<14} sha256 {id}"))?;
        for (file, bytes) in files {
            let megabytes = bytes as f64 / 1e6;
            let (name, sha256) = (&file.name, &file.sha256);
            output::line(format_args!("{name:<14} {megabytes:.1} MB, sha256 {sha256}"))?;
        }
        Ok(())
    }
}

/// A value's word in `model.toml`.
fn word(value: impl Serialize) -> String {
    match json!(value) {
        Value::String(word) => word,
        other => other.to_string(),
    }
}

/// Some values' words in `model.toml`.
pub fn words(values: &[impl Serialize]) -> Vec<String> {
    values.iter().map(word).collect()
}
