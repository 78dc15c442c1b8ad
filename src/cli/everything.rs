//! `tapseg everything`: all masks of one picture, without a prompt.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use image::{ImageBuffer, Luma};
use serde::Serialize;
use tapseg::automatic::{
    AutomaticMask, AutomaticOptions, Everything as Found, label_map, segment_everything,
};
use tapseg::model::Manifest;
use tapseg::overlay::draw_labels;
use tapseg::{Frame, Rle, feed};

use super::arguments::{ModelArguments, milliseconds, share};
use super::interrupt::Interrupt;
use super::{output, progress};

/// Outline everything on one picture
///
/// Decodes a grid of points, as Segment Anything's automatic mask generator does, and keeps the
/// masks that are sure, stable and not there twice; a model that was trained on boxes alone is asked
/// with a grid of boxes. Writes masks.json (COCO RLE, the generator's own fields), labels.png (16
/// bits; the number of the mask in masks.json, from 1; the smallest one where masks overlap) and
/// overlay.png. Ctrl-C keeps the masks found so far.
#[derive(Args)]
#[command(after_help = "Example:  tapseg everything breast.png -o out\n          \
    tapseg everything scan.dcm --model sam-vit-b --crop-n-layers 1 --min-mask-region-area 100 -o out")]
pub struct Everything {
    /// PNG, JPEG, BMP, TIFF, DICOM (its first frame) or NIfTI (its middle slice)
    image: PathBuf,

    /// The folder to write to
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    grid: GridArguments,

    #[command(flatten)]
    model: ModelArguments,
}

/// How masks are generated: the official generator's names and defaults.
#[derive(Args, Debug)]
struct GridArguments {
    /// Points along each side of the grid; a grid of boxes has half as many places
    #[arg(long, value_name = "N", default_value_t = AutomaticOptions::default().points_per_side,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    points_per_side: u32,

    /// Leave out masks with this predicted IoU or less, 0 keeps all; 0.88 where not given, and 0.85
    /// for a model that was trained on boxes alone
    #[arg(long, value_name = "IOU", value_parser = share)]
    pred_iou_thresh: Option<f64>,

    /// Leave out masks less stable than this, 0 keeps all; 0.95 where not given, and 0.85 for a
    /// model that was trained on boxes alone
    #[arg(long, value_name = "SCORE", value_parser = share)]
    stability_score_thresh: Option<f64>,

    /// How far the threshold is moved to see how stable a mask is, in logits
    #[arg(long, value_name = "LOGITS",
        default_value_t = AutomaticOptions::default().stability_score_offset)]
    stability_score_offset: f32,

    /// Of two masks whose boxes have a larger IoU, keep the better one
    #[arg(long, value_name = "IOU", value_parser = share,
        default_value_t = AutomaticOptions::default().box_nms_thresh)]
    box_nms_thresh: f64,

    /// Layers of crops to look at as well: 1 for 2 × 2, 2 for 4 × 4 more; each crop is encoded
    #[arg(long, value_name = "N", default_value_t = AutomaticOptions::default().crop_n_layers,
        value_parser = clap::value_parser!(u32).range(0..=4))]
    crop_n_layers: u32,

    /// Of two masks of different crops whose boxes have a larger IoU, keep the smaller crop's
    #[arg(long, value_name = "IOU", value_parser = share,
        default_value_t = AutomaticOptions::default().crop_nms_thresh)]
    crop_nms_thresh: f64,

    /// How far crops overlap, as a share of the picture's shorter side
    #[arg(long, value_name = "SHARE", value_parser = share,
        default_value_t = AutomaticOptions::default().crop_overlap_ratio)]
    crop_overlap_ratio: f64,

    /// A crop's grid has so many times fewer points a side with each layer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = AutomaticOptions::default().crop_n_points_downscale_factor)]
    crop_n_points_downscale_factor: u32,

    /// Remove holes and islands of fewer pixels
    #[arg(long, value_name = "PX", default_value_t = 0)]
    min_mask_region_area: u64,
}

impl GridArguments {
    fn options(&self, manifest: &Manifest) -> AutomaticOptions {
        let model = AutomaticOptions::for_model(manifest);
        AutomaticOptions {
            points_per_side: self.points_per_side,
            pred_iou_thresh: self.pred_iou_thresh.map_or(model.pred_iou_thresh, |t| t as f32),
            stability_score_thresh: self
                .stability_score_thresh
                .map_or(model.stability_score_thresh, |t| t as f32),
            stability_score_offset: self.stability_score_offset,
            box_nms_thresh: self.box_nms_thresh,
            crop_n_layers: self.crop_n_layers,
            crop_nms_thresh: self.crop_nms_thresh,
            crop_overlap_ratio: self.crop_overlap_ratio,
            crop_n_points_downscale_factor: self.crop_n_points_downscale_factor,
            min_mask_region_area: self.min_mask_region_area,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    image: String,
    model: &'a str,
    /// Whether all prompts were decoded.
    complete: bool,
    decoded: u64,
    prompts: u64,
    masks: &'a [AutomaticMask],
    timings_ms: Timings,
}

#[derive(Serialize)]
struct Timings {
    load: f64,
    everything: f64,
}

impl Everything {
    pub fn run(self, json: bool) -> Result<()> {
        let frame = feed::read_still(&self.image)?;
        output::folder(&self.output)?;
        let (segmenter, load) = self.model.load()?;
        let interrupt = Interrupt::watch()?;
        let bar = progress::counted("prompts");
        let options = self.grid.options(segmenter.manifest());
        log::info!("decoding the grid");
        let start = Instant::now();
        let found = segment_everything(&segmenter, &frame, &options, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
            interrupt.flow()
        })?;
        let took = start.elapsed();
        bar.finish_and_clear();
        write(&frame, &found, &self.output)?;
        let complete = found.decoded == found.prompts;
        let model = &*segmenter.manifest().name;
        if !complete {
            eprintln!(
                "stopped after {} of {} prompts: what was found until then is written",
                found.decoded, found.prompts
            );
        }
        if json {
            return output::json(&Report {
                image: self.image.display().to_string(),
                model,
                complete,
                decoded: found.decoded,
                prompts: found.prompts,
                masks: &found.masks,
                timings_ms: Timings { load: milliseconds(load), everything: milliseconds(took) },
            });
        }
        output::line(format_args!(
            "{model} on {}: {} masks of {} prompts in {:.1} s, written to {}",
            self.image.display(),
            found.masks.len(),
            found.decoded,
            took.as_secs_f64(),
            self.output.display()
        ))
    }
}

fn write(frame: &Frame, found: &Found, folder: &Path) -> Result<()> {
    let report = folder.join("masks.json");
    output::remove_report(&report)?;
    let size = frame.size();
    let masks: Vec<&Rle> = found.masks.iter().map(|m| &m.segmentation).collect();
    let labels = label_map(size, &masks);
    output::png(&folder.join("overlay.png"), &draw_labels(frame, &labels))?;
    let labels = ImageBuffer::<Luma<u16>, _>::from_raw(size.width, size.height, labels)
        .context("there is one label a pixel")?;
    output::png(&folder.join("labels.png"), &labels)?;
    output::file(&report, &serde_json::to_vec(&found.masks)?)
}
