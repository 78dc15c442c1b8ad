//! What is kept when a person presses Save or Clip: a folder of its own for each time, complete or
//! not there at all.

mod album;
mod clip;
mod dicom;
mod retention;
mod shelf;

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use jiff::Timestamp;
use serde::Serialize;

pub use album::{AlbumEntry, AlbumPage, AlbumView, album_page, album_view};
pub use clip::{Clip, write_clip};
pub use retention::{Retention, Room};
pub use shelf::{Kept, RecordFile, open, records};

use crate::files;
use crate::frame::PixelSpacing;
use crate::geometry::{FrameBox, FrameSize};
use crate::measure::{Calliper, Measurements};
use crate::model::MaskCandidate;
use crate::overlay::{SceneObject, draw_still};
use crate::prompt::PromptPoint;
use crate::screen::Canvas;
use crate::session::{Snapshot, SnapshotObject};

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
    /// A picture can't be encoded.
    #[error("{file}: {reason}")]
    Encode {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
}

/// The content of `record.json`.
#[derive(Serialize)]
struct Record<'a> {
    kind: &'static str,
    saved_at: String,
    model: &'a str,
    source: &'a str,
    tapseg_version: &'a str,
    sequence: u64,
    captured_at_s: f64,
    size: FrameSize,
    pixel_spacing: Option<PixelSpacing>,
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
    points: &'a [PromptPoint],
    bounding_box: Option<FrameBox>,
    /// Rank of the mask among the candidates, counted from 1, and their number.
    rank: usize,
    candidates: usize,
    predicted_iou: f32,
    stability_score: f32,
    /// The model that drew it.
    model: &'a str,
    area_px: u64,
    area_mm2: Option<f32>,
    measurements: Option<Measurements>,
}

/// Writes `snapshot` into a new folder in `parent`, which is made where it does not exist, and
/// returns its path. The folder is named after the time (UTC) and readable by its owner alone. In
/// it are `frame.png`; `overlay.png`, the same with masks and prompts; `mask-1.png` …, one a
/// structure, at frame size, 0 and 255; `frame.dcm`, a DICOM Secondary Capture; `masks.dcm`, a
/// Segmentation that refers to it, where there are masks; and `record.json`. It appears under its name when all is
/// written and on the disk.
///
/// # Errors
/// [`RecordError`]; nothing is left behind then.
pub fn write_record(parent: &Path, snapshot: &Snapshot) -> Result<PathBuf, RecordError> {
    keep(parent, |folder, now| fill(folder, now, snapshot))
}

/// Makes a record of what `fill` writes into a new folder, which is told with the time.
fn keep(
    parent: &Path,
    fill: impl FnOnce(&Path, Timestamp) -> Result<(), RecordError>,
) -> Result<PathBuf, RecordError> {
    let now = Timestamp::now();
    let name = now.strftime("%Y%m%dT%H%M%S.%3fZ").to_string();
    let unfinished = parent.join(format!(".{name}.part"));
    if !parent.exists() {
        fs::create_dir_all(parent).map_err(|source| io(parent, source))?;
        // Its own name as well must outlive a power cut.
        sync_folder(parent.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new(".")))?;
    }
    private_folder(&unfinished)?;
    let finished = fill(&unfinished, now).and_then(|()| {
        let folder = parent.join(name);
        // The names of the files first, then the folder's own: after a power cut it is whole or gone.
        sync_folder(&unfinished)?;
        fs::rename(&unfinished, &folder).map_err(|source| io(&folder, source))?;
        sync_folder(parent)?;
        Ok(folder)
    });
    if finished.is_err() {
        // Best effort: the error that is reported is the one that matters.
        let _ = fs::remove_dir_all(&unfinished);
    }
    finished
}

fn io(path: &Path, source: std::io::Error) -> RecordError {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => RecordError::Full(path.into()),
        _ => RecordError::Io { path: path.into(), source },
    }
}

/// Has the names in a folder written to the disk.
fn sync_folder(path: &Path) -> Result<(), RecordError> {
    files::sync_folder(path).map_err(|source| io(path, source))
}

fn private_folder(path: &Path) -> Result<(), RecordError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| io(path, source))
}

fn fill(folder: &Path, now: Timestamp, snapshot: &Snapshot) -> Result<(), RecordError> {
    let Snapshot { frame, objects, callipers, model, refiner } = snapshot;
    let model_of = |object: &SnapshotObject| match refiner {
        Some(refiner) if object.refined => refiner.as_str(),
        _ => model.as_str(),
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
            points: &object.prompt.points,
            bounding_box: object.prompt.bounding_box,
            rank: object.chosen + 1,
            candidates: object.masks.candidates.len(),
            predicted_iou: chosen.predicted_iou,
            stability_score: chosen.stability_score,
            model: model_of(object),
            area_px,
            area_mm2: frame.pixel_spacing.map(|s| area_px as f32 * s.pixel_area_mm2()),
            measurements: Measurements::on(frame, &chosen.mask),
        });
    }
    let segment = |o| {
        let object: &SnapshotObject = o;
        let (mask, label) = (&chosen(object)?.mask, object.label.as_deref());
        Some(dicom::Segment { mask, model: model_of(object), label })
    };
    let masks: Vec<dicom::Segment> = objects.iter().filter_map(segment).collect();
    let dicom::Files { picture, segmentation } =
        dicom::files(frame, &masks, now).map_err(|error| encode("frame.dcm", error))?;
    files.push(write_file(folder, "frame.dcm", &picture)?);
    if let Some(segmentation) = segmentation {
        files.push(write_file(folder, "masks.dcm", &segmentation)?);
    }
    let record = Record {
        kind: "picture",
        saved_at: now.to_string(),
        model,
        source: &frame.source,
        tapseg_version: env!("CARGO_PKG_VERSION"),
        sequence: frame.sequence,
        captured_at_s: frame.captured_at.as_secs_f64(),
        size,
        pixel_spacing: frame.pixel_spacing,
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

fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<RecordFile, RecordError> {
    let file = written(folder, name, bytes)?;
    file.sync_all().map_err(|source| io(&folder.join(name), source))?;
    Ok(RecordFile::of(name, bytes))
}

/// Writes a new file, which may not be on the disk yet.
fn written(folder: &Path, name: &str, bytes: &[u8]) -> Result<fs::File, RecordError> {
    let path = folder.join(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(bytes).map(|()| file));
    written.map_err(|source| io(&path, source))
}

/// Has a file that was [`written`] on the disk.
fn sync_file(folder: &Path, name: &str) -> Result<(), RecordError> {
    let path = folder.join(name);
    fs::File::open(&path).and_then(|file| file.sync_all()).map_err(|source| io(&path, source))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array2;

    use super::*;
    use crate::frame::Frame;
    use crate::geometry::FramePoint;
    use crate::mask::Mask;
    use crate::measure::calliper;
    use crate::model::Masks;
    use crate::prompt::Prompt;

    fn snapshot() -> Snapshot {
        let size = FrameSize::new(40, 30);
        let mut frame = Frame::from_rgb(size, vec![100; size.pixels() * 3]).unwrap();
        frame.pixel_spacing = Some(PixelSpacing { row_mm: 0.5, column_mm: 0.5 });
        frame.sequence = 7;
        let candidate = |rows: usize| MaskCandidate {
            mask: Mask::from_pixels(size, (0..1200).map(|i| u8::from(i < rows * 40)).collect()),
            low_res_logits: Arc::new(Array2::zeros((4, 4))),
            predicted_iou: 0.75,
            stability_score: 0.5,
        };
        let object = SnapshotObject {
            refined: false,
            prompt: Prompt::default().positive(3.0, 4.0),
            masks: Masks { candidates: vec![candidate(20), candidate(10)] },
            chosen: 1,
            colour: 0,
            label: Some("囊肿".into()),
        };
        let ends = [FramePoint::new(4.0, 4.0), FramePoint::new(34.0, 4.0)];
        let callipers = vec![calliper(ends[0], ends[1], frame.pixel_spacing)];
        Snapshot { frame, objects: vec![object], callipers, model: "fake".into(), refiner: None }
    }

    #[test]
    fn a_record_is_complete_and_private() {
        let parent = tempfile::tempdir().unwrap();
        let folder = write_record(&parent.path().join("kept"), &snapshot()).unwrap();
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["frame.dcm", "frame.png", "mask-1.png", "masks.dcm", "overlay.png", "record.json"]
        );
        let mask = image::open(folder.join("mask-1.png")).unwrap().into_luma8();
        assert_eq!((mask.get_pixel(5, 9).0, mask.get_pixel(5, 10).0), ([255], [0]));
        let capture = crate::feed::read_still(&folder.join("frame.dcm")).unwrap();
        assert_eq!(capture.rgb(), snapshot().frame.rgb());
        assert_eq!(capture.pixel_spacing, snapshot().frame.pixel_spacing);
        let segmentation = dicom_object::open_file(folder.join("masks.dcm")).unwrap();
        let segments = segmentation.element_by_name("SegmentSequence").unwrap().items().unwrap();
        let label = segments[0].element_by_name("SegmentLabel").unwrap();
        assert_eq!(label.to_str().unwrap(), "囊肿");
        let packed = segmentation.element_by_name("PixelData").unwrap().to_bytes().unwrap();
        // Ten rows of 40 pixels, of 30.
        assert_eq!(*packed, [[0xFF; 50].as_slice(), &[0; 100]].concat());
        let frame = image::open(folder.join("frame.png")).unwrap().into_rgb8();
        assert!(frame.pixels().all(|p| p.0 == [100; 3]));
        let overlay = image::open(folder.join("overlay.png")).unwrap().into_rgb8();
        assert_eq!(overlay.dimensions(), (40, 30));
        assert_ne!(overlay.get_pixel(20, 5).0, [100; 3], "tinted");
        let bare = super::overlay(&Snapshot { callipers: Vec::new(), ..snapshot() }).to_image();
        assert_ne!(bare, overlay, "the calliper is on it");
        assert_eq!(bare.get_pixel(20, 25).0, [100; 3], "outside the mask");
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join("record.json")).unwrap()).unwrap();
        assert_eq!(json["sequence"], 7);
        assert_eq!(json["objects"][0]["area_px"], 400);
        assert_eq!(json["objects"][0]["area_mm2"], 100.0);
        let sizes = &json["objects"][0]["measurements"];
        assert_eq!(sizes["area"], serde_json::json!({ "value": 100.0, "unit": "mm2" }));
        assert_eq!(sizes["longest_diameter"]["length"]["unit"], "mm");
        let length = &json["callipers"][0]["length"];
        assert_eq!(*length, serde_json::json!({ "value": 15.0, "unit": "mm" }));
        assert_eq!(json["objects"][0]["rank"], 2);
        assert_eq!(json["objects"][0]["points"][0]["label"], "positive");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&folder), 0o700);
            names.iter().for_each(|name| assert_eq!(mode(&folder.join(name)), 0o600, "{name}"));
        }
    }

    #[test]
    fn records_are_listed_verified_and_exported() {
        let parent = tempfile::tempdir().unwrap();
        let folder = write_record(parent.path(), &snapshot()).unwrap();
        fs::create_dir(parent.path().join(".20260101T000000.000Z.part")).unwrap();
        fs::create_dir(parent.path().join("empty")).unwrap();
        let kept = records(parent.path()).unwrap();
        assert_eq!(kept.iter().map(|kept| &kept.folder).collect::<Vec<_>>(), [&folder]);
        kept[0].verify().unwrap();
        assert_eq!(kept[0].measurements(1).unwrap().area.value, 100.0);
        assert!(!kept[0].is_exported());

        let page = album_page(parent.path(), 0, 6).unwrap();
        assert_eq!((page.total, page.entries.len()), (1, 1));
        assert_eq!(page.entries[0].note, "1 structure");
        assert_eq!(page.entries[0].picture.as_ref().unwrap().size(), FrameSize::new(40, 30));
        assert!(album_page(parent.path(), 1, 6).unwrap().entries.is_empty());
        assert_eq!(album_page(&parent.path().join("none"), 0, 6).unwrap().total, 0);
        let view = album_view(parent.path(), &kept[0].name).unwrap();
        assert_eq!(view.frame.rgb(), snapshot().frame.rgb());
        assert_eq!(view.frame.pixel_spacing, snapshot().frame.pixel_spacing);
        let mask = view.objects[0].mask.as_ref().unwrap();
        assert_eq!((view.objects.len(), mask.area_px()), (1, 400));
        assert_eq!(view.callipers, snapshot().callipers);
        assert!(album_view(parent.path(), "none").is_err());
        assert!(kept[0].measurements(2).unwrap_err().to_string().contains("structure 2"));
        assert!(kept[0].measurements(0).is_err());

        let near = tempfile::tempdir_in(parent.path().parent().unwrap()).unwrap();
        kept[0].export(near.path()).unwrap();
        assert!(kept[0].is_exported() && !kept[0].is_elsewhere(), "it is on the same disk");

        let stick = tempfile::tempdir_in("/dev/shm").unwrap();
        // As a stick that was pulled out left it.
        let unfinished = stick.path().join(format!(".{}.part", kept[0].name));
        fs::create_dir(&unfinished).unwrap();
        fs::write(unfinished.join("frame.png"), "half").unwrap();
        let copy = kept[0].export(stick.path()).unwrap();
        open(&copy).unwrap().verify().unwrap();
        assert!(kept[0].is_elsewhere());
        assert_eq!(
            album_page(parent.path(), 0, 6).unwrap().entries[0].note,
            "1 structure, exported"
        );
        let retention =
            |unexported| Retention { free: Some(Room::Share(1.0)), keep: None, unexported };
        assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 1);
        assert!(kept[0].export(stick.path()).unwrap_err().to_string().contains("already"));
        let away = stick.path().join("away");
        assert!(kept[0].export(&away).unwrap_err().to_string().contains("away"));

        let mask = folder.join("mask-1.png");
        let mut bytes = fs::read(&mask).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&mask, bytes).unwrap();
        assert!(kept[0].verify().unwrap_err().to_string().contains("mask-1.png"));
        let other = tempfile::tempdir().unwrap();
        kept[0].export(other.path()).unwrap_err();
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
        assert!(
            album_view(parent.path(), &kept[0].name).unwrap_err().to_string().contains("mask-1")
        );

        // No disk is ever all free: whatever may be deleted is.
        let newer = write_record(parent.path(), &snapshot()).unwrap();
        assert_eq!(Retention::default().tidy(parent.path()).unwrap(), [""; 0]);
        assert_eq!(retention(false).tidy(parent.path()).unwrap(), [kept[0].name.clone()]);
        assert!(!folder.exists() && newer.exists());
        assert_eq!(retention(false).tidy(parent.path()).unwrap(), [""; 0]);
        assert_eq!(retention(true).tidy(parent.path()).unwrap().len(), 1);
        assert!(!newer.exists());
    }

    #[test]
    fn a_full_disk_is_told_with_what_to_do() {
        let full = io(Path::new("/kept/frame.png"), ErrorKind::StorageFull.into()).to_string();
        assert!(
            full.starts_with("the disk is full: make room") && full.contains("frame.png"),
            "{full}"
        );
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write_record(&file, &snapshot()).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
