//! `tapseg volume`: a structure in 3-D, from a prompt on one slice.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use tapseg::feed::Clip;
use tapseg::model::PromptKind;
use tapseg::prompt::Prompt;
use tapseg::propagate::{Limits, Propagated, SliceMask, Stop, propagate};
use tapseg::{Frame, Segmenter};

use super::arguments::{ModelArguments, Recording, VolumeArguments, whole};
use super::prompts::PromptArguments;
use super::segment::{overlay_picture, write_mask};
use super::{output, progress};

/// Outline a structure in a volume or clip, from a prompt on one slice
///
/// The mask is carried to the neighbouring slices as their prompt, in both directions, until there
/// is no more evidence of the structure. Writes mask.nii.gz with the volume's geometry (of clips and
/// folders, which have none, mask-0000.png… per frame), overlay-0000.png… of the slices it was found
/// on, and result.json. Coordinates are pixels of the slice as it is shown: the patient's left on
/// the right.
#[derive(Args)]
#[command(
    after_help = "Example:  tapseg volume liver.nii.gz --slice 40 --box 90,80,200,190 -o out\n          \
    tapseg volume breast.nii --axis coronal --slice 61 --point 120,88 -o out\n          \
    tapseg volume clip.dcm --slice 12 --box 310,222,400,300 -o out"
)]
pub struct Volume {
    /// A NIfTI volume (.nii, .nii.gz), a DICOM clip, or a folder of pictures
    input: String,

    /// The slice (or frame) that the prompt is on, from 0; a volume's middle one or a clip's first
    /// where not given
    #[arg(long, value_name = "N", value_parser = whole)]
    slice: Option<u64>,

    #[command(flatten)]
    prompt: PromptArguments,

    #[command(flatten)]
    volume: VolumeArguments,

    /// The folder to write to
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArguments,
}

/// The content of `result.json`.
#[derive(Serialize)]
struct Report {
    input: String,
    model: String,
    prompted_slice: u64,
    /// `None` where the input is no volume.
    volume_ml: Option<f64>,
    /// The mask of all slices; `None` where the input is no volume.
    mask: Option<String>,
    slices: Vec<SliceReport>,
    /// Why it was carried no further towards slice 0, and towards the last.
    stopped_before: Stop,
    stopped_after: Stop,
    seconds: f64,
    ms_per_slice: f64,
}

#[derive(Serialize)]
struct SliceReport {
    slice: u64,
    predicted_iou: f32,
    area_px: u64,
    /// `None` where the slice states no pixel spacing.
    area_mm2: Option<f32>,
}

impl Volume {
    pub fn run(self, json: bool) -> Result<()> {
        let mut recording = self.volume.open(std::slice::from_ref(&self.input))?;
        let start = recording.index(self.slice)?;
        let Some(count) = recording.clip().frame_count() else {
            bail!("{} never ends: give a volume, a clip or a folder", self.input)
        };
        let frame = recording.clip().frame(start)?;
        let prompt = self.prompt.prompt(frame.size())?;
        output::folder(&self.output)?;
        let (segmenter, _) = self.model.load()?;
        self.prompt.check_for(segmenter.manifest())?;
        let begun = Instant::now();
        let found = find(recording.clip(), count, start, &prompt, &segmenter)?;
        let seconds = begun.elapsed().as_secs_f64();
        if found.slices.is_empty() {
            bail!("nothing was found at the prompt on slice {start}: try another point or a box");
        }

        let result = self.output.join("result.json");
        output::remove_report(&result)?;
        remove_pictures(&self.output);
        let slices = self.write_slices(&mut recording, &found, start, &prompt)?;
        let volume = self.write_volume(&recording, &found)?;
        let (mask, volume_ml) = volume.unzip();
        let report = Report {
            input: self.input.clone(),
            model: segmenter.manifest().name.clone(),
            prompted_slice: start,
            volume_ml,
            mask,
            ms_per_slice: 1000.0 * seconds / slices.len() as f64,
            slices,
            stopped_before: found.before,
            stopped_after: found.after,
            seconds,
        };
        let text = serde_json::to_string_pretty(&report)?;
        output::file(&result, text.as_bytes())?;
        if json { output::line(&text) } else { print_table(&report, &self.output) }
    }

    fn write_slices(
        &self,
        recording: &mut Recording,
        found: &Propagated,
        start: u64,
        prompt: &Prompt,
    ) -> Result<Vec<SliceReport>> {
        let masks = !matches!(recording, Recording::Volume(_));
        let mut reports = Vec::with_capacity(found.slices.len());
        for SliceMask { index, mask, predicted_iou } in &found.slices {
            let frame = recording.clip().frame(*index)?;
            let shown = if *index == start { prompt.clone() } else { Prompt::default() };
            let path = self.output.join(format!("overlay-{index:04}.png"));
            output::png(&path, &overlay_picture(&frame, shown, mask))?;
            if masks {
                write_mask(mask, &self.output.join(format!("mask-{index:04}.png")))?;
            }
            let area_px = mask.area_px();
            let area_mm2 = frame.pixel_spacing.map(|s| s.pixel_area_mm2() * area_px as f32);
            let predicted_iou = *predicted_iou;
            reports.push(SliceReport { slice: *index, predicted_iou, area_px, area_mm2 });
        }
        Ok(reports)
    }

    /// The mask's file and volume, where the input is a volume.
    fn write_volume(
        &self,
        recording: &Recording,
        found: &Propagated,
    ) -> Result<Option<(String, f64)>> {
        let Recording::Volume(volume) = recording else { return Ok(None) };
        let mut mask = volume.empty_mask();
        found.slices.iter().for_each(|slice| mask.set_slice(slice.index, &slice.mask));
        let file = "mask.nii.gz".to_string();
        mask.write(&self.output.join(&file))?;
        Ok(Some((file, mask.volume_ml())))
    }
}

fn find(
    clip: &mut dyn Clip,
    count: u64,
    start: u64,
    prompt: &Prompt,
    segmenter: &Segmenter,
) -> Result<Propagated> {
    let bar = progress::bar("outlining slices", "{pos} of at most {len}", count);
    let refine = segmenter.manifest().was_trained_for(PromptKind::Mask);
    let predict = |frame: &Frame, prompt: &Prompt| -> Result<_> {
        let embedding = segmenter.set_image(frame)?;
        Ok(segmenter.predict(&embedding, prompt)?.best().clone())
    };
    let limits = Limits::default();
    let found = propagate(clip, start, prompt, limits, refine, predict, |_| bar.inc(1));
    bar.finish_and_clear();
    found
}

/// Removes the pictures of an earlier run, which may have found other slices.
fn remove_pictures(folder: &Path) {
    let numbered = |name: &str| {
        let number = name
            .strip_suffix(".png")
            .and_then(|n| n.strip_prefix("overlay-").or_else(|| n.strip_prefix("mask-")));
        number.is_some_and(|n| n.len() >= 4 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if numbered(&entry.file_name().to_string_lossy()) {
            // One that stays is written over, or stands beside the report that doesn't name it.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn print_table(report: &Report, folder: &Path) -> Result<()> {
    output::line(format_args!(
        "{} on {}, written to {}",
        report.model,
        report.input,
        folder.display()
    ))?;
    output::line(format_args!(
        "{:>6} {:>13} {:>10} {:>10}",
        "slice", "predicted IoU", "px", "mm²"
    ))?;
    for s in &report.slices {
        let mm2 = s.area_mm2.map_or("-".into(), |a| format!("{a:.1}"));
        output::line(format_args!(
            "{:>6} {:>13.3} {:>10} {mm2:>10}",
            s.slice, s.predicted_iou, s.area_px
        ))?;
    }
    output::line(format_args!(
        "stopped before: {}; after: {}",
        report.stopped_before, report.stopped_after
    ))?;
    if let Some(ml) = report.volume_ml {
        output::line(format_args!("volume {ml:.2} ml"))?;
    }
    output::line(format_args!("{:.1} s, {:.0} ms a slice", report.seconds, report.ms_per_slice))
}
