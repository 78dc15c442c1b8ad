//! `tapseg models add`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use tapseg::convert::{ForeignOptions, add_onnx};
use tapseg::model::{Place, check_name};

use super::super::arguments::{LibraryArguments, PresetName, milliseconds};
use super::super::output;

/// Make a package of an ONNX pair that somebody exported
///
/// The encoder takes a normalised picture 1×3×S×S, or H×W×3 pixels as samexporter's
/// --use-preprocess has it; the decoder is what Segment Anything's export_onnx_model.py writes. Files
/// with weights, such as encoder.onnx.data, must be beside them. The package is written to the first
/// --models-dir, or else to the user's folder.
#[derive(Args)]
#[command(after_help = "Example:  tapseg models add --encoder sam_vit_b.encoder.onnx --decoder \
    sam_vit_b.decoder.onnx --preset sam --name sam-vit-b")]
pub struct Add {
    /// The image encoder
    #[arg(long, value_name = "ONNX")]
    encoder: PathBuf,

    /// The prompt encoder and mask decoder
    #[arg(long, value_name = "ONNX")]
    decoder: PathBuf,

    /// How the model was trained to be fed and asked, which the files do not tell
    #[arg(long, value_enum)]
    preset: PresetName,

    /// What to call it; the encoder file's name where not given
    #[arg(long)]
    name: Option<String>,
}

impl Add {
    pub fn run(self, library: &LibraryArguments, json: bool) -> Result<()> {
        let start = Instant::now();
        let stem = self.encoder.file_stem().unwrap_or_default().to_string_lossy();
        let name = self.name.unwrap_or_else(|| stem.into_owned());
        check_name(&name).context("give another --name")?;
        let folder = library.destination()?;
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("can't make the folder {}", folder.display()))?;
        let out = folder.join(&name);
        let options = ForeignOptions { name: name.clone(), preset: self.preset.into() };
        let package = add_onnx(&self.encoder, &self.decoder, &options, &out)?;
        let manifest = package.manifest();
        let bytes = package.size_bytes();
        let found = library.library()?.find(&name)?;
        let shadowed = found != Place::Folder(out.clone());
        if json {
            return output::json(&json!({
                "name": name, "place": out.display().to_string(), "shadowed": shadowed,
                "bytes": bytes, "seconds": start.elapsed().as_secs_f64(), "manifest": manifest,
            }));
        }
        output::line(format_args!(
            "{}: {} {name}, input {px}x{px}, {:.1} MB, made and loaded in {} ms",
            out.display(),
            manifest.weights,
            bytes as f64 / 1e6,
            milliseconds(start.elapsed()),
            px = manifest.preprocessing.input_size,
        ))?;
        if shadowed {
            output::line(format_args!("another of this name comes first: {found}"))?;
        }
        Ok(())
    }
}
