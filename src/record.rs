//! What is kept when a person presses Save or Clip: a folder of its own for each time, complete or
//! not there at all.

mod ages;
mod album;
mod blank;
mod clip;
mod dicom;
mod folder;
mod retention;
mod shelf;

use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use jiff::Timestamp;
use serde::Serialize;

pub use album::{AlbumEntry, AlbumPage, AlbumView, album_frames, album_page, album_view};
pub use blank::Blanking;
pub use clip::{Clip, write_clip};
pub use retention::{Retention, Room, Tidied};
pub use shelf::{Kept, RecordFile, is_another_disk, open, record_names, records};

use crate::clock::Clock;
use crate::files;
use crate::frame::PixelSpacing;
use crate::geometry::{FrameBox, FrameSize};
use crate::measure::{Calliper, Measurements};
use crate::model::{MaskCandidate, ModelId};
use crate::overlay::{SceneObject, draw_still};
use crate::prompt::PromptPoint;
use crate::region::RegionError;
use crate::screen::Canvas;
use crate::session::{Origin, Snapshot, SnapshotObject};
use crate::words::{Word, Words};

use folder::{io, keep, private_folder, sync_file, sync_folder, write_file, written};

/// How records are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordOptions {
    /// Tells when they are saved; the machine's.
    pub clock: Clock,
    /// What is blanked, where that was asked for; it wasn't.
    pub blanking: Option<Blanking>,
}

/// Why a record could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder or a file in it can't be written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No room is left.
    #[error("the disk is full: make room on it and try again ({path})", path = .0.display())]
    Full(PathBuf),
    /// A record, or a file of it, is not what was written.
    #[error("{path}: {reason}", path = .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No record has this name.
    #[error("{path}: no such record; `tapseg records list` tells which there are", path = .0.display())]
    Unknown(PathBuf),
    /// The folder to copy to is not there.
    #[error("{path}: no such folder: make it, or plug in the disk that it is on", path = .0.display())]
    NoFolder(PathBuf),
    /// A picture can't be encoded.
    #[error("{file}: {reason}")]
    Encode {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
    /// Where the picture is said to be, there is none: nothing would be blanked as it was meant.
    #[error(transparent)]
    Region(#[from] RegionError),
}

impl RecordError {
    /// For the person at the screen; what disks say stays as they say it.
    pub(crate) fn told(&self, words: &Words) -> String {
        match self {
            Self::Full(path) => words.fill(Word::DiskFull, &[("place", &path.display())]),
            other => other.to_string(),
        }
    }
}

/// The content of `record.json`.
#[derive(Serialize)]
struct Record<'a> {
    kind: &'static str,
    saved_at: String,
    model: &'a str,
    /// What tells it from others of that name.
    model_sha256: Option<&'a str>,
    /// The feed's name; none where text is blanked, as files are often named after who is on them.
    source: Option<&'a str>,
    tapseg_version: &'a str,
    sequence: u64,
    captured_at_s: f64,
    size: FrameSize,
    pixel_spacing: Option<PixelSpacing>,
    /// What was blanked; nothing is told where that was not asked for.
    blanking: Option<serde_json::Value>,
    objects: Vec<RecordObject<'a>>,
    callipers: &'a [Calliper],
    /// The files beside this one.
    files: Vec<RecordFile>,
}

#[derive(Serialize)]
struct RecordObject<'a> {
    file: String,
    /// What it was called.
    label: Option<&'a str>,
    origin: Origin,
    points: &'a [PromptPoint],
    bounding_box: Option<FrameBox>,
    /// Rank of the mask among the candidates, counted from 1, and their number.
    rank: usize,
    candidates: usize,
    predicted_iou: f32,
    stability_score: f32,
    /// The model that drew it.
    model: &'a str,
    model_sha256: Option<&'a str>,
    area_px: u64,
    area_mm2: Option<f32>,
    measurements: Option<Measurements>,
}

/// Writes `snapshot` into a new folder in `parent`, which is made where it does not exist, and
/// returns its path. The folder is named after the time (UTC) and readable by its owner alone. In
/// it are `frame.png`; `overlay.png`, the same with masks and prompts; `mask-1.png` …, one a
/// structure, at frame size, 0 and 255; `frame.dcm`, a DICOM Secondary Capture; where there are masks
/// `masks.dcm`, a Segmentation that refers to it; where something was measured `measurements.dcm`, a
/// structured report of sizes and callipers that refers to both; and `record.json`. It appears under its
/// name when all is written and on the disk.
///
/// # Errors
/// [`RecordError`]; nothing is left behind then.
pub fn write_record(
    parent: &Path,
    snapshot: &Snapshot,
    options: &RecordOptions,
) -> Result<PathBuf, RecordError> {
    keep(parent, (options.clock.wall)(), |folder, now| {
        fill(folder, now, snapshot, options.blanking)
    })
}

fn fill(
    folder: &Path,
    now: Timestamp,
    snapshot: &Snapshot,
    blanking: Option<Blanking>,
) -> Result<(), RecordError> {
    let frame = blanking.map_or(snapshot.frame.clone(), |b| b.blanked(&snapshot.frame));
    let snapshot = &Snapshot { frame, ..snapshot.clone() };
    let Snapshot { frame, objects, callipers, model, refiner } = snapshot;
    let model_of = |object: &SnapshotObject| -> &ModelId {
        refiner.as_ref().filter(|_| object.refined).unwrap_or(model)
    };
    let size = frame.size();
    let rgb = ExtendedColorType::Rgb8;
    let mut files = vec![write_png(folder, "frame.png", frame.rgb(), size, rgb)?];
    let overlay = overlay(snapshot).to_image();
    let overlay_size = FrameSize::new(overlay.width(), overlay.height());
    files.push(write_png(folder, "overlay.png", overlay.as_raw(), overlay_size, rgb)?);
    let mut listed = Vec::with_capacity(objects.len());
    for (object, chosen) in objects.iter().filter_map(|o| Some((o, chosen(o)?))) {
        let file = format!("mask-{}.png", listed.len() + 1);
        let grey = chosen.mask.to_grey();
        files.push(write_png(folder, &file, &grey, size, ExtendedColorType::L8)?);
        let area_px = chosen.mask.area_px();
        listed.push(RecordObject {
            file,
            label: object.label.as_deref(),
            origin: object.origin,
            points: &object.prompt.points,
            bounding_box: object.prompt.bounding_box,
            rank: object.chosen + 1,
            candidates: object.masks.candidates.len(),
            predicted_iou: chosen.predicted_iou,
            stability_score: chosen.stability_score,
            model: &model_of(object).name,
            model_sha256: model_of(object).sha256.as_deref(),
            area_px,
            area_mm2: frame.pixel_spacing.map(|s| area_px as f32 * s.pixel_area_mm2()),
            measurements: Measurements::on(frame, &chosen.mask),
        });
    }
    let segment = |o| {
        let object: &SnapshotObject = o;
        let (mask, label) = (&chosen(object)?.mask, object.label.as_deref());
        Some(dicom::Segment { mask, model: &model_of(object).name, label })
    };
    let masks: Vec<dicom::Segment> = objects.iter().filter_map(segment).collect();
    let sizes: Vec<_> = listed.iter().map(|object| object.measurements.as_ref()).collect();
    let dicom = dicom::files(frame, &masks, &sizes, callipers, blanking, now);
    for (name, bytes) in dicom.map_err(|error| encode("frame.dcm", error))? {
        files.push(write_file(folder, name, &bytes)?);
    }
    let record = Record {
        kind: "picture",
        saved_at: now.to_string(),
        model: &model.name,
        model_sha256: model.sha256.as_deref(),
        source: blanking.is_none().then_some(&frame.source),
        tapseg_version: env!("CARGO_PKG_VERSION"),
        sequence: frame.sequence,
        captured_at_s: frame.captured_at.as_secs_f64(),
        size,
        pixel_spacing: frame.pixel_spacing,
        blanking: blanking.map(Blanking::told),
        objects: listed,
        callipers,
        files,
    };
    let json = serde_json::to_vec_pretty(&record).map_err(|error| encode("record.json", error))?;
    write_file(folder, "record.json", &json).map(|_| ())
}

fn chosen(object: &SnapshotObject) -> Option<&MaskCandidate> {
    object.masks.candidates.get(object.chosen)
}

/// The frame with masks and prompts, at its own size.
fn overlay(snapshot: &Snapshot) -> Canvas {
    let object = |o: &SnapshotObject| SceneObject {
        mask: chosen(o).map(|candidate| candidate.mask.clone()),
        points: o.prompt.points.clone(),
        bounding_box: o.prompt.bounding_box,
        colour: o.colour,
        active: true,
        proposed: false,
        label: o.label.clone(),
    };
    let objects = snapshot.objects.iter().map(object).collect();
    draw_still(&snapshot.frame, objects, snapshot.callipers.clone())
}

fn encode(file: &str, reason: impl ToString) -> RecordError {
    RecordError::Encode { file: file.into(), reason: reason.to_string() }
}

fn write_png(
    folder: &Path,
    file: &str,
    pixels: &[u8],
    size: FrameSize,
    colour: ExtendedColorType,
) -> Result<RecordFile, RecordError> {
    let png = files::png(pixels, size, colour).map_err(|error| encode(file, error))?;
    write_file(folder, file, &png)
}

#[cfg(test)]
mod tests;
