//! A clip as a record: the last seconds of the live picture.

use std::path::{Path, PathBuf};

use image::DynamicImage;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Blanking, RecordError, RecordFile, RecordOptions, dicom, encode, keep, sync_file, write_file,
    written,
};
use crate::cine::CineFrame;
use crate::frame::PixelSpacing;
use crate::geometry::FrameSize;
use crate::session::Scale;

/// A clip that is to be kept.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Its frames, oldest first, all of one size; at least one.
    pub frames: Vec<CineFrame>,
    /// The pixel spacing, where it is known.
    pub pixel_spacing: Option<PixelSpacing>,
}

impl Clip {
    /// One of `frames`, oldest first. A `scale` that was read from a ruler holds for those that show the ruler,
    /// from the newest backwards, and the others are left out. One without ticks holds from the frame on that
    /// has the sequence number `since`, and for none of them where some are older. Where it doesn't hold, the
    /// spacing is that which is stated of the newest, and frames of another are left out: they show another
    /// depth.
    ///
    /// # Errors
    /// [`RecordError::Encode`] where a frame can't be read.
    pub fn of(
        mut frames: Vec<CineFrame>,
        scale: Option<&Scale>,
        since: u64,
    ) -> Result<Self, RecordError> {
        if let Some(scale) = scale {
            let first = match scale.ruler {
                Some(_) => first_with_ruler(&frames, scale)?,
                None if frames.iter().any(|frame| frame.sequence < since) => frames.len(),
                None => 0,
            };
            if first < frames.len() {
                frames.drain(..first);
                return Ok(Self { frames, pixel_spacing: Some(scale.spacing) });
            }
        }
        let pixel_spacing = frames.last().and_then(|last| last.pixel_spacing);
        frames.retain(|frame| frame.pixel_spacing == pixel_spacing);
        Ok(Self { frames, pixel_spacing })
    }

    /// The time from the first frame to the last.
    pub fn seconds(&self) -> f64 {
        match (self.frames.first(), self.frames.last()) {
            (Some(first), Some(last)) => (last.captured_at - first.captured_at).as_secs_f64(),
            _ => 0.0,
        }
    }

    /// How many frames of the feed are not in it, though they came between its first and its last.
    pub fn left_out(&self) -> u64 {
        match (self.frames.first(), self.frames.last()) {
            (Some(first), Some(last)) => {
                (last.sequence - first.sequence + 1).saturating_sub(self.frames.len() as u64)
            }
            _ => 0,
        }
    }
}

/// The index of the oldest frame from which on all show the ruler of `scale`; their number where the newest
/// doesn't.
fn first_with_ruler(frames: &[CineFrame], scale: &Scale) -> Result<usize, RecordError> {
    for (index, frame) in frames.iter().enumerate().rev() {
        let picture = frame.picture().map_err(|reason| encode("a frame of the clip", reason))?;
        if !scale.has_its_ruler(&picture) {
            return Ok(index + 1);
        }
    }
    Ok(0)
}

/// The content of `record.json`.
#[derive(Serialize)]
struct Record<'a> {
    kind: &'static str,
    saved_at: String,
    /// As in a picture's record.
    source: Option<&'a str>,
    tapseg_version: &'a str,
    size: FrameSize,
    pixel_spacing: Option<PixelSpacing>,
    blanking: Option<serde_json::Value>,
    seconds: f64,
    left_out: u64,
    frames: Vec<RecordFrame>,
    /// The files beside this one.
    files: Vec<RecordFile>,
}

#[derive(Serialize)]
struct RecordFrame {
    file: String,
    sequence: u64,
    captured_at_s: f64,
}

/// Writes `clip` into a new folder in `parent`, as [`write_record`](super::write_record) does a
/// picture: `frame-0001.png` …, the frames as they were, without loss; `clip.dcm`, a DICOM multi-frame
/// Secondary Capture in baseline JPEG, with the times of the frames; and `record.json`.
///
/// # Errors
/// [`RecordError`]; nothing is left behind then.
pub fn write_clip(
    parent: &Path,
    clip: &Clip,
    options: &RecordOptions,
) -> Result<PathBuf, RecordError> {
    keep(parent, (options.clock.wall)(), |folder, now| fill(folder, now, clip, options.blanking))
}

fn fill(
    folder: &Path,
    now: Timestamp,
    clip: &Clip,
    blanking: Option<Blanking>,
) -> Result<(), RecordError> {
    let Some(first) = clip.frames.first() else {
        return Err(encode("clip.dcm", "there is no frame yet"));
    };
    let failed = |error: String| encode("clip.dcm", error);
    let is_grey = clip.frames.iter().all(|frame| frame.is_grey);
    let mut file = dicom::ClipFile::new(first.size, is_grey).map_err(failed)?;
    let (mut frames, mut files, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = first.captured_at;
    for frame in &clip.frames {
        let name = format!("frame-{:04}.png", frames.len() + 1);
        let frame = &blanking.map_or(Ok(frame.clone()), |b| b.blanked_of_clip(frame))?;
        written(folder, &name, &frame.png)?;
        files.push(RecordFile::of(&name, &frame.png));
        let picture = image::load_from_memory(&frame.png).map_err(|e| encode(&name, e))?;
        file.push(&pixels(picture, is_grey)).map_err(failed)?;
        steps.push((frame.captured_at - before).as_secs_f64() * 1e3);
        before = frame.captured_at;
        let captured_at_s = frame.captured_at.as_secs_f64();
        frames.push(RecordFrame { file: name, sequence: frame.sequence, captured_at_s });
    }
    // All were on their way to the disk by now, so that this waits for little.
    frames.iter().try_for_each(|frame| sync_file(folder, &frame.file))?;
    let dicom = file.written(&steps, clip.pixel_spacing, blanking, now).map_err(failed)?;
    files.push(write_file(folder, "clip.dcm", &dicom)?);
    let record = Record {
        kind: "clip",
        saved_at: now.to_string(),
        source: blanking.is_none().then_some(&first.source),
        tapseg_version: env!("CARGO_PKG_VERSION"),
        size: first.size,
        pixel_spacing: clip.pixel_spacing,
        blanking: blanking.map(Blanking::told),
        seconds: clip.seconds(),
        left_out: clip.left_out(),
        frames,
        files,
    };
    let json = serde_json::to_vec_pretty(&record).map_err(|error| encode("record.json", error))?;
    write_file(folder, "record.json", &json).map(|_| ())
}

fn pixels(picture: DynamicImage, is_grey: bool) -> Vec<u8> {
    if is_grey { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::feed::Clip as _;
    use crate::frame::Frame;
    use crate::geometry::FramePoint;
    use crate::measure::Ruler;
    use crate::record::open;

    /// Frames of a ramp that brightens; one frame was left out, and the second comes late.
    fn clip(colour: bool) -> Clip {
        let size = FrameSize::new(48, 33);
        let frame = |(sequence, ms): (u64, u64)| {
            let grey = |i: usize| (i % 48 * 3) as u8 + 20 * sequence as u8;
            let rgb: Vec<u8> = (0..size.pixels())
                .flat_map(|i| [grey(i), grey(i), grey(i) + if colour { 30 } else { 0 }])
                .collect();
            let mut frame = Frame::from_rgb(size, rgb).unwrap();
            frame.sequence = sequence;
            frame.captured_at = Duration::from_millis(ms);
            frame.source = "scanner".into();
            CineFrame::of(&frame).unwrap()
        };
        Clip {
            frames: [(1, 40), (2, 90), (4, 160)].map(frame).to_vec(),
            pixel_spacing: Some(PixelSpacing { row_mm: 0.25, column_mm: 0.5 }),
        }
    }

    #[test]
    fn a_clip_is_kept_with_the_times_of_its_frames() {
        let parent = tempfile::tempdir().unwrap();
        for colour in [false, true] {
            let clip = clip(colour);
            let folder = write_clip(parent.path(), &clip, &RecordOptions::default()).unwrap();
            let kept = open(&folder).unwrap();
            kept.verify().unwrap();
            assert_eq!(kept.files().unwrap().len(), 4);
            assert_eq!(kept.record["kind"], "clip");
            assert_eq!(
                (&kept.record["seconds"], &kept.record["left_out"]),
                (&0.12.into(), &1.into())
            );
            assert_eq!(kept.record["frames"][2]["captured_at_s"], 0.16);
            assert_eq!(fs::read(folder.join("frame-0002.png")).unwrap(), *clip.frames[1].png);

            let mut read = crate::feed::dicom::DicomClip::open(&folder.join("clip.dcm")).unwrap();
            assert_eq!(read.frame_count(), Some(3));
            for (i, frame) in clip.frames.iter().enumerate() {
                let written = image::load_from_memory(&frame.png).unwrap().into_rgb8();
                let found = read.frame(i as u64).unwrap();
                assert_eq!(found.pixel_spacing, clip.pixel_spacing);
                let off = found.rgb().iter().zip(written.as_raw()).map(|(a, b)| a.abs_diff(*b));
                assert!(off.max().unwrap() <= 12, "frame {i}, colour: {colour}");
            }
            let file = dicom_object::open_file(folder.join("clip.dcm")).unwrap();
            let steps =
                file.element_by_name("FrameTimeVector").unwrap().to_multi_float64().unwrap();
            assert_eq!(steps, [0.0, 50.0, 70.0]);
        }
    }

    #[test]
    fn a_clip_of_one_frame_has_no_time_from_frame_to_frame() {
        let parent = tempfile::tempdir().unwrap();
        let one = Clip::of(clip(false).frames[..1].to_vec(), None, 0).unwrap();
        let folder = write_clip(parent.path(), &one, &RecordOptions::default()).unwrap();
        let path = folder.join("clip.dcm");
        let file = dicom_object::open_file(&path).unwrap();
        assert!(file.element_by_name("FrameIncrementPointer").is_err());
        let read = crate::feed::dicom::DicomClip::open(&path).unwrap();
        assert_eq!(read.frame_count(), Some(1));
    }

    /// Frame `sequence`, with a tick every `period` rows at its right side.
    fn with_ruler(sequence: u64, period: usize) -> CineFrame {
        let size = FrameSize::new(64, 240);
        let bright = |i: usize| i % 64 > 50 && (i / 64) % period == 5;
        let rgb = (0..size.pixels()).flat_map(|i| [if bright(i) { 230 } else { 0 }; 3]);
        let mut frame = Frame::from_rgb(size, rgb.collect::<Vec<_>>()).unwrap();
        (frame.sequence, frame.captured_at) = (sequence, Duration::from_millis(40 * sequence));
        CineFrame::of(&frame).unwrap()
    }

    /// Whoever changes the scanner's depth and sets the scale again has frames of the old depth in memory.
    #[test]
    fn a_scale_is_put_on_no_frame_of_another_depth() {
        let ends = [7.0, 203.0].map(|y| FramePoint::new(56.0, y));
        let newest = with_ruler(9, 20).picture().unwrap();
        let ruler = Ruler::between(&newest, ends[0], ends[1]);
        let spacing = PixelSpacing { row_mm: 0.5, column_mm: 0.5 };
        let read = Scale { size: Some(newest.size()), spacing, ruler };
        let chosen = Scale { ruler: None, ..read.clone() };
        let of = |periods: &[usize], scale: &Scale, since: u64| {
            let frames = (0..).zip(periods).map(|(sequence, &period)| with_ruler(sequence, period));
            let clip = Clip::of(frames.collect(), Some(scale), since).unwrap();
            let sequences: Vec<u64> = clip.frames.iter().map(|frame| frame.sequence).collect();
            (sequences, clip.pixel_spacing)
        };
        let scaled = Some(spacing);
        assert_eq!(of(&[20, 14, 20, 20], &read, 3), (vec![2, 3], scaled), "of this depth alone");
        assert_eq!(of(&[20, 20, 20], &read, 2), (vec![0, 1, 2], scaled), "the ruler tells");
        assert_eq!(of(&[20, 14], &read, 0), (vec![0, 1], None), "it has just changed");
        assert_eq!(of(&[20, 20], &chosen, 0), (vec![0, 1], scaled), "as it was from the start");
        assert_eq!(of(&[20, 20], &chosen, 1), (vec![0, 1], None), "nobody knows of the first");
    }

    #[test]
    fn a_clip_without_frames_is_none() {
        let parent = tempfile::tempdir().unwrap();
        let nothing = Clip { frames: Vec::new(), pixel_spacing: None };
        let error = write_clip(parent.path(), &nothing, &RecordOptions::default()).unwrap_err();
        assert!(error.to_string().contains("no frame"));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
