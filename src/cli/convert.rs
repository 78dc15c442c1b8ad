//! `tapseg convert`: a checkpoint becomes a package.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use tapseg::convert::{
    Calibration, ConvertError, ConvertOptions, Converted, Preset, Quantization, WeightPrecision,
    convert,
};
use tapseg::model::MANIFEST_FILE;

use super::arguments::PresetName;
use super::progress::Bar;
use super::{fidelity, output};

/// Make a model package from a checkpoint, without Python
///
/// Reads the checkpoints of SAM (ViT-B, L, H), MedSAM, MobileSAM, LiteMedSAM and what was fine-tuned
/// from them, as torch.save (.pth, .pt) or Hugging Face (.safetensors) wrote them. Nothing in them
/// is ever executed. Writes model.toml, encoder.onnx and decoder.onnx; a package that is there is left as it
/// is, and refused.
#[derive(Args)]
#[command(after_help = "Example:  tapseg convert sam_vit_b_01ec64.pth -o sam-vit-b\n          \
    tapseg convert medsam_vit_b.pth --preset medsam --weights int8 -o medsam")]
pub struct Convert {
    /// The checkpoint: .pth, .pt or .safetensors
    checkpoint: PathBuf,

    /// The package's folder
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// The model's name; the output folder's where not given
    #[arg(long)]
    name: Option<String>,

    /// How the model was trained to be fed; needed where its shapes don't tell
    #[arg(long, value_enum)]
    preset: Option<PresetName>,

    /// Side of the input in pixels, for TinyViT, whose weights don't tell; as published where not
    /// given
    #[arg(long, value_name = "PX")]
    input_size: Option<usize>,

    /// How weights are stored
    #[arg(long, value_enum, default_value = "f16")]
    weights: Weights,

    /// What finds the boxes for a tap, for a model that was trained on boxes alone: an ONNX file made
    /// as models/tap_head says; LiteMedSAM as published gets the one that ships where not given
    #[arg(long, value_name = "ONNX")]
    tap_head: Option<PathBuf>,

    /// What makes prompt tokens of a text's embedding, for a model that was trained with texts: an ONNX
    /// file, text_embedding 1xN to prompt_tokens 1xTOKENSxCHANNELS
    #[arg(long, value_name = "ONNX")]
    text_encoder: Option<PathBuf>,

    /// Use standard ONNX operators alone, so that any engine runs the graphs
    #[arg(long)]
    plain: bool,

    /// Fit int8 to the pictures of a folder, or to simulated ultrasound with `phantom`: activations
    /// are centred, channels with outliers smoothed, and weights rounded so that the errors cancel;
    /// convolutions are then int8 too
    #[arg(long, value_name = "DIR")]
    calibrate: Option<PathBuf>,

    /// Leave layers in f16, those that int8 costs most first, until the masks of the calibration
    /// pictures agree with f32 to this mean IoU
    #[arg(long, value_name = "IOU", requires = "calibrate", value_parser = iou)]
    target_iou: Option<f64>,

    /// Measure what storing it so cost against f32: a table, and fidelity.json and fidelity.svg in
    /// the package's folder
    #[arg(long)]
    report: bool,

    /// Pictures to measure on (NAME.png, with outlines as NAME_mask0.png…), or `phantom` for
    /// simulated ones; those of --calibrate, or else simulated ones, where not given
    #[arg(long, value_name = "DIR", requires = "report")]
    images: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Weights {
    /// As they are in the checkpoint
    F32,
    /// Half the size; calculation is in f32
    F16,
    /// A quarter of the size in linear layers, which calculate in whole numbers
    Int8,
}

impl Convert {
    pub fn run(self, json: bool) -> Result<()> {
        let start = Instant::now();
        if self.output.join(MANIFEST_FILE).exists() {
            return Err(ConvertError::Exists { path: self.output }.into());
        }
        let folder = self.output.file_name().map(|n| n.to_string_lossy().into_owned());
        let name = self.name.or(folder).unwrap_or_else(|| "model".into());
        let int8 = matches!(self.weights, Weights::Int8);
        if self.calibrate.is_some() && !int8 {
            bail!("--calibrate is for --weights int8: nothing else needs it");
        }
        let calibration = self.calibrate.as_deref().map(|folder| {
            let cases = fidelity::cases(folder)?;
            anyhow::Ok(Calibration { cases, target_iou: self.target_iou })
        });
        let calibration = calibration.transpose()?;
        // Read first, so that nothing is written where they are not there.
        let images = self.images.as_deref().or(self.calibrate.as_deref());
        let images = images.unwrap_or(fidelity::PHANTOM.as_ref());
        let cases = self.report.then(|| fidelity::cases(images)).transpose()?;
        let read = |path: &PathBuf| {
            std::fs::read(path).with_context(|| format!("can't read {}", path.display()))
        };
        let options = ConvertOptions {
            tap_head: self.tap_head.as_ref().map(read).transpose()?,
            text_encoder: self.text_encoder.as_ref().map(read).transpose()?,
            preset: self.preset.map(Preset::from),
            input_size: self.input_size,
            quantization: Quantization {
                weights: match self.weights {
                    Weights::F32 => WeightPrecision::F32,
                    Weights::F16 => WeightPrecision::F16,
                    Weights::Int8 => WeightPrecision::Int8,
                },
                plain: self.plain,
                calibration,
            },
            ..ConvertOptions::new(name)
        };
        let mut bar = Bar::new();
        let converted = convert(&self.checkpoint, &options, &self.output, &mut |s, done, total| {
            bar.show(s, done, total);
        });
        bar.clear();
        let Converted { package, assumptions, kept, mask_iou } = converted?;
        let bytes = package.size_bytes();
        let seconds = start.elapsed().as_secs_f64();
        let fidelity = cases.map(|cases| {
            let reference = fidelity::in_f32(&self.checkpoint, package.manifest())?;
            let fidelity = fidelity::measure(&reference, &package, cases)?;
            fidelity::write(&fidelity, &self.output)?;
            anyhow::Ok(fidelity)
        });
        let fidelity = fidelity.transpose()?;
        if json {
            let report = json!({
                "package": self.output.display().to_string(),
                "manifest": package.manifest(),
                "assumed": assumptions,
                "kept_in_f16": kept,
                "calibration_mask_iou": mask_iou,
                "bytes": bytes,
                "seconds": seconds,
                "fidelity": fidelity,
            });
            return output::json(&report);
        }
        for assumption in assumptions {
            output::line(format_args!("assumed {assumption}"))?;
        }
        output::line(format_args!(
            "{}: {} {} {}, {:.1} MB, made in {seconds:.1} s",
            self.output.display(),
            package.manifest().name,
            package.manifest().architecture,
            package.manifest().weights,
            bytes as f64 / 1e6,
        ))?;
        if let (Some(target), Some(reached)) = (self.target_iou, mask_iou) {
            let missed = if reached < target { ", which is less than asked for" } else { "" };
            output::line(format_args!(
                "mean mask IoU on the calibration pictures {reached:.4}{missed}"
            ))?;
        }
        if !kept.is_empty() {
            output::line(format_args!("kept in f16: {}", kept.join(", ")))?;
        }
        fidelity.as_ref().map_or(Ok(()), fidelity::print)
    }
}

/// Reads a mask IoU that can be asked for.
fn iou(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    let possible = (0.0..=1.0).contains(&value);
    possible.then_some(value).ok_or_else(|| format!("{value} is not from 0 to 1"))
}
