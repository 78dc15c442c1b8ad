//! `tapseg convert`: a checkpoint becomes a package.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;
use tapseg::convert::{ConvertOptions, WeightPrecision, convert};

use super::arguments::milliseconds;
use super::output;

/// Make a model package from a PyTorch checkpoint, without Python
///
/// Reads LiteMedSAM's checkpoint (nothing in it is ever executed) and writes model.toml,
/// encoder.onnx and decoder.onnx.
#[derive(Args)]
#[command(after_help = "Example:  tapseg convert lite_medsam.pth -o models/litemedsam")]
pub struct Convert {
    /// The checkpoint, as torch.save wrote it
    checkpoint: PathBuf,

    /// The package's folder
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// The model's name; the output folder's where not given
    #[arg(long)]
    name: Option<String>,

    /// How weights are stored; calculation is in f32 with either
    #[arg(long, value_enum, default_value = "f16")]
    weights: Weights,
}

#[derive(Clone, Copy, ValueEnum)]
enum Weights {
    F32,
    F16,
}

impl Convert {
    pub fn run(self, json: bool) -> Result<()> {
        let start = Instant::now();
        let mut options = ConvertOptions {
            weights: match self.weights {
                Weights::F32 => WeightPrecision::F32,
                Weights::F16 => WeightPrecision::F16,
            },
            ..ConvertOptions::default()
        };
        let folder = self.output.file_name().map(|n| n.to_string_lossy().into_owned());
        if let Some(name) = self.name.or(folder) {
            options.name = name;
        }
        let package = convert(&self.checkpoint, &options, &self.output)?;
        let bytes = package.encoder().len() + package.decoder().len();
        if json {
            let report = json!({
                "package": self.output.display().to_string(),
                "manifest": package.manifest(),
                "bytes": bytes,
                "seconds": start.elapsed().as_secs_f64(),
            });
            output::json(&report)?;
        } else {
            output::line(format_args!(
                "{}: {} {} {}, {:.1} MB, made in {} ms",
                self.output.display(),
                package.manifest().name,
                package.manifest().architecture,
                package.manifest().weights,
                bytes as f64 / 1e6,
                milliseconds(start.elapsed()),
            ))?;
        }
        Ok(())
    }
}
