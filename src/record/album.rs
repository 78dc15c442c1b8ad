//! Records as a screen shows them: pages of small pictures, and one of them large.

use std::path::Path;

use image::RgbImage;
use image::imageops::thumbnail;

use super::{Kept, RecordError, encode, open, records};
use crate::feed::read_still;
use crate::frame::Frame;
use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::measure::Calliper;
use crate::overlay::SceneObject;

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
}

/// Up to `count` of the records in `parent`, newest first, after the first `first`. A folder that
/// is not there has none.
///
/// # Errors
/// [`RecordError::Io`] where the folder can't be read.
pub fn album_page(parent: &Path, first: usize, count: usize) -> Result<AlbumPage, RecordError> {
    if !parent.exists() {
        return Ok(AlbumPage::default());
    }
    let kept = records(parent)?;
    let shown = kept.iter().rev().skip(first).take(count);
    let entries = shown.map(|kept| AlbumEntry {
        name: kept.name.clone(),
        title: title(kept),
        note: note(kept),
        picture: small(kept),
    });
    Ok(AlbumPage { total: kept.len(), first, entries: entries.collect() })
}

/// The record `name` in `parent`.
///
/// # Errors
/// [`RecordError`] where it is not there, or damaged.
pub fn album_view(parent: &Path, name: &str) -> Result<AlbumView, RecordError> {
    let kept = open(&parent.join(name))?;
    kept.verify()?;
    let read = |file: &str| {
        read_still(&kept.folder.join(file)).map_err(|error| encode(file, error.to_string()))
    };
    let mut frame = read(if kept.is_clip() { "frame-0001.png" } else { "frame.png" })?;
    frame.pixel_spacing = field(&kept, "pixel_spacing").unwrap_or_default();
    let files = kept.record["objects"].as_array().into_iter().flatten();
    let text = |object: &serde_json::Value, key: &str| object[key].as_str().map(str::to_owned);
    let files = files.filter_map(|o| Some((text(o, "file")?, text(o, "label")))).enumerate();
    let object = |(colour, (file, label)): (usize, (String, Option<String>))| {
        let grey = read(&file)?;
        let inside = grey.rgb().chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
        let mask = Some(Mask::from_pixels(grey.size(), inside));
        let (points, bounding_box) = (Vec::new(), None);
        Ok(SceneObject { mask, points, bounding_box, colour, active: true, label })
    };
    Ok(AlbumView {
        title: format!("{}: {}", title(&kept), note(&kept)),
        frame,
        objects: files.map(object).collect::<Result<_, RecordError>>()?,
        callipers: field(&kept, "callipers").unwrap_or_default(),
        name: kept.name,
    })
}

fn field<T: serde::de::DeserializeOwned>(kept: &Kept, name: &str) -> Option<T> {
    serde_json::from_value(kept.record.get(name)?.clone()).ok()
}

/// `2026-11-27 08:15 UTC`.
fn title(kept: &Kept) -> String {
    let at = kept.record["saved_at"].as_str().and_then(|at| at.get(..16));
    at.map_or_else(|| kept.name.clone(), |at| format!("{} UTC", at.replace('T', " ")))
}

fn note(kept: &Kept) -> String {
    let exported = if kept.is_exported() { ", exported" } else { "" };
    format!("{}{exported}", kept.content())
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
