//! `tapseg embed`: the image embedding as a NumPy file.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use tapseg::feed;

use super::arguments::{ModelArguments, milliseconds};
use super::output;

/// Write a picture's image embedding as a NumPy file
///
/// For checking this encoder against another: float32, 1 × channels × rows × columns.
#[derive(Args)]
#[command(after_help = "Example:  tapseg embed breast.png -o embedding.npy")]
pub struct Embed {
    /// PNG, JPEG, BMP, TIFF or DICOM (its first frame)
    image: PathBuf,

    /// The file to write
    #[arg(short, long, value_name = "NPY")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArguments,
}

impl Embed {
    pub fn run(self, json: bool) -> Result<()> {
        let frame = feed::read_still(&self.image)?;
        let (segmenter, load) = self.model.load()?;
        let embedding = segmenter.set_image(&frame)?;
        let features = embedding.features()?;
        ndarray_npy::write_npy(&self.output, &features)
            .with_context(|| format!("can't write {}", self.output.display()))?;
        let report = json!({
            "file": self.output.display().to_string(),
            "model": segmenter.manifest().name,
            "shape": features.shape(),
            "timings_ms": {
                "load": milliseconds(load),
                "preprocess": milliseconds(embedding.preprocess_time),
                "encode": milliseconds(embedding.encode_time),
            },
        });
        if json {
            output::json(&report)?;
        } else {
            output::line(format_args!(
                "{}: float32 {:?}, encoded in {} ms",
                self.output.display(),
                features.shape(),
                milliseconds(embedding.encode_time)
            ))?;
        }
        Ok(())
    }
}
