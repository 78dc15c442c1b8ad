//! `tapseg segment`: one picture, one prompt, its masks.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use image::GrayImage;
use serde::Serialize;
use tapseg::geometry::{FrameBox, FrameSize};
use tapseg::measure::Measurements;
use tapseg::overlay::{SceneObject, draw_still};
use tapseg::prompt::PromptPoint;
use tapseg::region::{RegionChoice, RegionFinder};
use tapseg::{Frame, Mask, Masks, PixelSpacing, Prompt};

use super::arguments::{ModelArguments, RegionArguments, VolumeArguments, milliseconds, whole};
use super::output;
use super::prompts::{PriorArguments, PromptArguments};
use super::scale::ScaleArguments;

/// Outline a structure on one picture
///
/// Writes mask-1.png, mask-2.png… (best first, less so the more a mask contradicts a point; at the picture's
/// size, 0 and 255), overlay.png and result.json, which tells the sizes of the masks and what they were made of: model,
/// prompt, region and pixel spacing. Coordinates are pixels of the picture, (0, 0) the centre of its top left one.
#[derive(Args)]
#[command(
    after_help = "Example:  tapseg segment breast.png --box 120,80,340,260 -o out\n          \
    tapseg segment clip.dcm --point 310,222 --point 400,300,0 -o out\n          \
    tapseg segment breast.png --box 120,80,340,260 --spacing 0.12 -o out\n          \
    tapseg segment breast.png --scribble \"150,120 200,180 260,200\" -o out\n          \
    tapseg segment breast.png --gaze gaze.csv --prior atlas.png -o out\n          \
    tapseg segment liver.nii.gz --axis axial --slice 40 --window 40,400 --box 90,80,200,190 -o out"
)]
pub struct Segment {
    /// PNG, JPEG, BMP, TIFF, DICOM or NIfTI (.nii, .nii.gz)
    image: PathBuf,

    /// The slice of a volume or frame of a clip, from 0; a volume's middle one or a clip's first where
    /// not given
    #[arg(long, value_name = "N", value_parser = whole)]
    slice: Option<u64>,

    #[command(flatten)]
    prompt: PromptArguments,

    #[command(flatten)]
    prior: PriorArguments,

    #[command(flatten)]
    volume: VolumeArguments,

    #[command(flatten)]
    region: RegionArguments,

    #[command(flatten)]
    scale: ScaleArguments,

    /// The folder to write to
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArguments,
}

/// The content of `result.json`; what `record.json` tells too has the same names there.
#[derive(Serialize)]
struct Report {
    image: String,
    model: String,
    model_sha256: Option<String>,
    size: FrameSize,
    pixel_spacing: Option<PixelSpacing>,
    /// Who says so, where it is known.
    pixel_spacing_from: Option<&'static str>,
    prompt: PromptReport,
    /// What the network was shown; `None` of all of the picture.
    region: Option<FrameBox>,
    /// What it would have been shown, did the prompt not lie outside.
    unused_region: Option<FrameBox>,
    masks: Vec<MaskReport>,
    timings_ms: Timings,
}

/// What was pointed at, and the files that more was read from.
#[derive(Serialize)]
struct PromptReport {
    /// Those of strokes and gaze, too.
    points: Vec<PromptPoint>,
    bounding_box: Option<FrameBox>,
    mask: Option<PathBuf>,
    text_embedding: Option<PathBuf>,
    prior: Option<PathBuf>,
}

#[derive(Serialize)]
struct MaskReport {
    file: String,
    predicted_iou: f32,
    stability_score: f32,
    area_px: u64,
    /// `None` where the picture states no pixel spacing.
    area_mm2: Option<f32>,
    /// In millimetres where the pixel spacing is known; `None` of an empty mask.
    measurements: Option<Measurements>,
}

#[derive(Serialize)]
struct Timings {
    load: f64,
    preprocess: f64,
    encode: f64,
    decode: f64,
}

impl Segment {
    pub fn run(self, json: bool) -> Result<()> {
        let mut recording = self.volume.open(&[self.image.display().to_string()])?;
        let index = recording.index(self.slice)?;
        let frame = recording.clip().frame(index)?;
        let stated = frame.pixel_spacing.map(|_| "file");
        let frame = self.scale.applied_to(frame)?;
        // Checked before the model is loaded, so that a slip of the hand is told at once.
        let prompt = self.prompt.prompt(frame.size())?;
        let region = self.region.choice().on(frame.size())?;
        let input = self.prior.blended_into(&frame)?;
        let (segmenter, load) = self.model.load()?;
        self.prompt.check_for(segmenter.manifest())?;
        let found = RegionFinder::new(region).of(&input)?;
        // What was found is for the better; a prompt outside is answered on the whole picture.
        let kept = found.filter(|f| region != RegionChoice::Auto || f.prompt(&prompt).is_ok());
        let unused_region = found.filter(|_| kept.is_none()).map(|found| found.bounding_box());
        if let Some(FrameBox { x0, y0, x1, y1 }) = unused_region {
            eprintln!(
                "the prompt is outside of the picture that was found, {x0},{y0},{x1},{y1}: the network is \
                 shown all of the frame"
            );
        }
        let embedding = segmenter.set_image_in(&input, kept)?;
        let start = Instant::now();
        let masks = segmenter.predict(&embedding, &prompt)?;
        let decode = start.elapsed();

        output::folder(&self.output)?;
        let result = self.output.join("result.json");
        output::remove_report(&result)?;
        let report = Report {
            image: self.image.display().to_string(),
            model: segmenter.id().name.clone(),
            model_sha256: segmenter.id().sha256.clone(),
            size: frame.size(),
            pixel_spacing: frame.pixel_spacing,
            pixel_spacing_from: self.scale.spacing.map(|_| "--spacing").or(stated),
            prompt: PromptReport {
                points: prompt.points.clone(),
                bounding_box: prompt.bounding_box,
                mask: self.prompt.mask.clone(),
                text_embedding: self.prompt.text_embedding.clone(),
                prior: self.prior.prior.clone(),
            },
            region: embedding.region().map(|region| region.bounding_box()),
            unused_region,
            masks: self.write_masks(&frame, &masks)?,
            timings_ms: Timings {
                load: milliseconds(load),
                preprocess: milliseconds(embedding.preprocess_time),
                encode: milliseconds(embedding.encode_time),
                decode: milliseconds(decode),
            },
        };
        let overlay = overlay_picture(&frame, prompt, &masks.best().mask);
        output::png(&self.output.join("overlay.png"), &overlay)?;
        let text = serde_json::to_string_pretty(&report)?;
        output::file(&result, text.as_bytes())?;
        if json {
            output::line(&text)?;
        } else {
            print_table(&report, &self.output)?;
        }
        Ok(())
    }

    fn write_masks(&self, frame: &Frame, masks: &Masks) -> Result<Vec<MaskReport>> {
        let pixel_area = frame.pixel_spacing.map(|s| s.pixel_area_mm2());
        let mut reports = Vec::new();
        for (index, candidate) in masks.candidates.iter().enumerate() {
            let file = format!("mask-{}.png", index + 1);
            write_mask(&candidate.mask, &self.output.join(&file))?;
            let area_px = candidate.mask.area_px();
            reports.push(MaskReport {
                file,
                predicted_iou: candidate.predicted_iou,
                stability_score: candidate.stability_score,
                area_px,
                area_mm2: pixel_area.map(|area| area * area_px as f32),
                measurements: Measurements::on(frame, &candidate.mask),
            });
        }
        // An earlier run may have proposed more masks for another prompt.
        for left_over in (masks.candidates.len() + 1..).map(|n| format!("mask-{n}.png")) {
            if std::fs::remove_file(self.output.join(left_over)).is_err() {
                break;
            }
        }
        Ok(reports)
    }
}

pub fn write_mask(mask: &Mask, path: &Path) -> Result<()> {
    let (width, height) = (mask.size().width, mask.size().height);
    let picture = GrayImage::from_raw(width, height, mask.to_grey())
        .context("a mask has one byte a pixel")?;
    output::png(path, &picture)
}

/// The picture with a mask and the prompt drawn over it.
pub fn overlay_picture(frame: &Frame, prompt: Prompt, mask: &Mask) -> image::RgbImage {
    let object = SceneObject {
        mask: Some(mask.clone()),
        points: prompt.points,
        bounding_box: prompt.bounding_box,
        colour: 0,
        active: true,
        proposed: false,
        label: None,
    };
    draw_still(frame, vec![object], Vec::new()).to_image()
}

fn print_table(report: &Report, folder: &Path) -> Result<()> {
    output::line(format_args!(
        "{} on {}, written to {}",
        report.model,
        report.image,
        folder.display()
    ))?;
    output::line(format_args!(
        "{:<12} {:>13} {:>9} {:>14} {:>21} {:>12}",
        "mask", "predicted IoU", "stability", "area", "diameters", "perimeter"
    ))?;
    for m in &report.masks {
        let [area, diameters, perimeter] = match &m.measurements {
            Some(sizes) => {
                let across = sizes.perpendicular_diameter.length;
                let diameters = format!("{} x {across}", sizes.longest_diameter.length);
                [sizes.area.to_string(), diameters, sizes.perimeter.to_string()]
            }
            None => ["-", "-", "-"].map(String::from),
        };
        output::line(format_args!(
            "{:<12} {:>13.3} {:>9.3} {area:>14} {diameters:>21} {perimeter:>12}",
            m.file, m.predicted_iou, m.stability_score
        ))?;
    }
    let t = &report.timings_ms;
    output::line(format_args!(
        "load {:.0} ms, preprocess {:.1} ms, encode {:.0} ms, decode {:.0} ms",
        t.load, t.preprocess, t.encode, t.decode
    ))
}
