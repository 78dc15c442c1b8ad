//! Records as a screen shows them: pages of small pictures, and one of them large.

use std::path::Path;
use std::time::Duration;

use image::RgbImage;
use image::imageops::thumbnail;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Kept, RecordError, encode, open, record_names};
use crate::feed::read_still;
use crate::frame::Frame;
use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::measure::Calliper;
use crate::overlay::SceneObject;
use crate::words::{Word, Words};

/// No small picture is wider or higher.
const SMALL: FrameSize = FrameSize::new(320, 240);

/// A record in a list.
#[derive(Clone, Debug)]
pub struct AlbumEntry {
    /// See [`Kept::name`].
    pub name: String,
    /// When it was saved.
    pub title: String,
    /// What is in it, and whether it was exported.
    pub note: String,
    /// It, small; none where the picture can't be read.
    pub picture: Option<Frame>,
}

/// A part of the list of records, newest first.
#[derive(Clone, Debug, Default)]
pub struct AlbumPage {
    /// How many records there are.
    pub total: usize,
    /// How many come before the page.
    pub first: usize,
    /// Those on it.
    pub entries: Vec<AlbumEntry>,
}

/// A record as it was on the screen when it was saved.
#[derive(Clone, Debug)]
pub struct AlbumView {
    /// See [`Kept::name`].
    pub name: String,
    /// When it was saved, and what is in it.
    pub title: String,
    /// The picture, or a clip's first one, with its pixel spacing.
    pub frame: Frame,
    /// The outlined structures.
    pub objects: Vec<SceneObject>,
    /// The distances that were measured.
    pub callipers: Vec<Calliper>,
    /// How long each frame of a clip stays; a picture has none.
    pub stays: Vec<Duration>,
}

/// Up to `count` of the records in `parent`, newest first, after the first `first`, told in `words`. A folder
/// that is not there has none.
///
/// # Errors
/// [`RecordError::Io`] where the folder can't be read.
pub fn album_page(
    parent: &Path,
    first: usize,
    count: usize,
    words: &Words,
) -> Result<AlbumPage, RecordError> {
    let names = record_names(parent)?;
    let shown = names.iter().rev().skip(first).take(count);
    let entries = shown.map(|name| match open(&parent.join(name)) {
        Ok(kept) => AlbumEntry {
            title: title(&kept, zone()),
            note: note(&kept, words),
            picture: small(&kept),
            name: kept.name,
        },
        Err(_) => AlbumEntry {
            name: name.clone(),
            title: name.clone(),
            note: words.get(Word::Damaged).into(),
            picture: None,
        },
    });
    Ok(AlbumPage { total: names.len(), first, entries: entries.collect() })
}

/// The record `name` in `parent`, told in `words`.
///
/// # Errors
/// [`RecordError`] where it is not there, or damaged.
pub fn album_view(parent: &Path, name: &str, words: &Words) -> Result<AlbumView, RecordError> {
    let kept = open(&parent.join(name))?;
    let frame = match kept.is_clip() {
        // The others are looked at when they are shown.
        true => clip_frame(&kept, 0)?,
        false => {
            kept.verify()?;
            read(&kept, "frame.png")?
        }
    };
    let files = kept.record["objects"].as_array().into_iter().flatten();
    let text = |object: &serde_json::Value, key: &str| object[key].as_str().map(str::to_owned);
    let files = files.filter_map(|o| Some((text(o, "file")?, text(o, "label")))).enumerate();
    let object = |(colour, (file, label)): (usize, (String, Option<String>))| {
        let grey = read(&kept, &file)?;
        let inside = grey.rgb().chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
        let mask = Some(Mask::from_pixels(grey.size(), inside));
        let (points, bounding_box) = (Vec::new(), None);
        let (active, proposed) = (true, false);
        Ok(SceneObject { mask, points, bounding_box, colour, active, proposed, label })
    };
    Ok(AlbumView {
        title: format!("{}: {}", title(&kept, zone()), note(&kept, words)),
        frame,
        objects: files.map(object).collect::<Result<_, RecordError>>()?,
        callipers: field(&kept, "callipers").unwrap_or_default(),
        stays: stays(&kept),
        name: kept.name,
    })
}

/// Up to `count` frames of the clip `name` in `parent`, after the first `first`.
///
/// # Errors
/// [`RecordError`] where they are not there, or damaged.
pub fn album_frames(
    parent: &Path,
    name: &str,
    first: usize,
    count: usize,
) -> Result<Vec<Frame>, RecordError> {
    let kept = open(&parent.join(name))?;
    let all = kept.record["frames"].as_array().map_or(0, Vec::len);
    (first..first.saturating_add(count).min(all)).map(|index| clip_frame(&kept, index)).collect()
}

/// Frame `index` of a clip.
fn clip_frame(kept: &Kept, index: usize) -> Result<Frame, RecordError> {
    let listed = &kept.record["frames"][index];
    let mut frame = read(kept, listed["file"].as_str().unwrap_or_default())?;
    frame.sequence = listed["sequence"].as_u64().unwrap_or_default();
    Ok(frame)
}

/// How long a frame of a clip stays at least and at most, whatever its record says.
const STAYS: [f64; 2] = [0.001, 5.0];

/// How long each frame of a clip stays: until the next was taken, and the last one as long as the others
/// on average.
fn stays(kept: &Kept) -> Vec<Duration> {
    let frames = kept.record["frames"].as_array().into_iter().flatten();
    let times: Vec<f64> = frames.filter_map(|frame| frame["captured_at_s"].as_f64()).collect();
    let steps = times.windows(2).map(|pair| (pair[1] - pair[0]).clamp(STAYS[0], STAYS[1]));
    let mut steps: Vec<f64> = steps.collect();
    if !steps.is_empty() {
        steps.push(steps.iter().sum::<f64>() / steps.len() as f64);
    }
    steps.into_iter().filter_map(|s| Duration::try_from_secs_f64(s).ok()).collect()
}

/// A picture of a record, with its pixel spacing; one that was changed since is an error.
fn read(kept: &Kept, file: &str) -> Result<Frame, RecordError> {
    let bytes = kept.content_of(file)?;
    let picture = image::load_from_memory(&bytes).map_err(|error| encode(file, error))?.into_rgb8();
    let size = FrameSize::new(picture.width(), picture.height());
    let mut frame = Frame::from_rgb(size, picture.into_raw()).map_err(|e| encode(file, e))?;
    frame.pixel_spacing = field(kept, "pixel_spacing").unwrap_or_default();
    Ok(frame)
}

fn field<T: serde::de::DeserializeOwned>(kept: &Kept, name: &str) -> Option<T> {
    serde_json::from_value(kept.record.get(name)?.clone()).ok()
}

/// Where the clock on the wall is that the system knows.
fn zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// When it was saved, by the clock on a wall in `zone`: `2026-11-27 09:15`. That it is none on a wall is told.
fn title(kept: &Kept, zone: TimeZone) -> String {
    let at = kept.record["saved_at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let Some(at) = at.map(|at| at.to_zoned(zone)) else { return kept.name.clone() };
    let universal = at.strftime("%Z").to_string() == "UTC";
    let zone = if universal { " UTC" } else { "" };
    format!("{}{zone}", at.strftime("%Y-%m-%d %H:%M"))
}

fn note(kept: &Kept, words: &Words) -> String {
    let content = kept.content_in(words);
    match kept.is_exported() {
        true => words.fill(Word::WasExported, &[("content", &content)]),
        false => content,
    }
}

/// The picture with its outlines, or a clip's first one, in little.
fn small(kept: &Kept) -> Option<Frame> {
    let file = if kept.is_clip() { "frame-0001.png" } else { "overlay.png" };
    let large = read_still(&kept.folder.join(file)).ok()?;
    let FrameSize { width, height } = large.size();
    let scale = (SMALL.width as f32 / width as f32).min(SMALL.height as f32 / height as f32);
    if scale >= 1.0 {
        return Some(large);
    }
    let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
    let pixels = RgbImage::from_raw(width, height, large.rgb().to_vec())?;
    let small = thumbnail(&pixels, side(width), side(height));
    Frame::from_rgb(FrameSize::new(small.width(), small.height()), small.into_raw()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::tz::offset;

    use super::*;

    fn kept(record: serde_json::Value) -> Kept {
        Kept { name: "a".into(), folder: "/nowhere".into(), record }
    }

    #[test]
    fn times_are_those_of_the_wall() {
        let kept = kept(serde_json::json!({ "saved_at": "2026-11-27T23:15:02.123Z" }));
        assert_eq!(title(&kept, TimeZone::UTC), "2026-11-27 23:15 UTC");
        assert_eq!(title(&kept, TimeZone::fixed(offset(1))), "2026-11-28 00:15");
        let other = Kept { record: serde_json::json!({}), ..kept };
        assert_eq!(title(&other, TimeZone::UTC), "a");
    }

    #[test]
    fn frames_stay_as_long_as_they_did() {
        let of = |times: &[f64]| {
            let frame = |at: &f64| serde_json::json!({ "captured_at_s": at });
            let frames: Vec<_> = times.iter().map(frame).collect();
            let stays = stays(&kept(serde_json::json!({ "frames": frames })));
            stays.iter().map(|stay| stay.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(of(&[2.0, 2.04, 2.12]), [40, 80, 60]);
        assert_eq!(of(&[2.0, 1.0, 99.0]), [1, 5000, 2500], "a damaged record");
        assert_eq!((of(&[1.0]), of(&[])), (vec![], vec![]));
    }
}
