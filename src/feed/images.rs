//! Folders and lists of pictures.
//!
//! PNG, JPEG, BMP and TIFF, grey or colour. What a picture has beyond 8-bit RGB is brought to it:
//!
//! - 16-bit and float samples are stretched so that the picture's smallest value becomes 0 and its
//!   greatest 255, all channels alike, so that colours keep their hue; a flat picture becomes black.
//!   8-bit samples stay as they are.
//! - Transparency is dropped: every pixel shows the colour that is stored for it, which is how the
//!   Segment Anything programs read pictures.
//! - A JPEG that says how the camera was held (EXIF orientation) is turned upright.
//! - TIFFs with a palette or with grey float samples are refused: the decoder does not know them.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::error::UnsupportedErrorKind;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::{Clip, FeedError, jpeg};
use crate::frame::Frame;
use crate::geometry::FrameSize;

/// Pictures as a clip, read from their files when they are asked for. Each frame has its picture's
/// own size, and its file's name as source.
pub struct ImageClip {
    name: String,
    files: Vec<PathBuf>,
}

impl ImageClip {
    /// One folder, or any number of picture files in the order given.
    ///
    /// A folder's pictures are those that end in png, jpg, jpeg, bmp, tif or tiff, in natural order
    /// (`f2` before `f10`). Hidden files are left out, and so are outlines that stand beside the
    /// pictures they belong to: names that contain `_mask` and end in `.png`.
    ///
    /// # Errors
    /// [`FeedError::Io`] for a path that does not exist, [`FeedError::NoPictures`] where there are
    /// none. The pictures themselves are not looked at before they are played.
    pub fn open(paths: &[PathBuf]) -> Result<Self, FeedError> {
        let is_folder = |path: &Path| match path.metadata() {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(error) => Err(FeedError::io(path, error)),
        };
        let files = match paths {
            [folder] if is_folder(folder)? => pictures_in(folder)?,
            files => {
                for path in files {
                    if is_folder(path)? {
                        let reason = "a folder among several paths: give one folder or only files";
                        return Err(FeedError::decode(path, reason));
                    }
                }
                files.to_vec()
            }
        };
        if files.is_empty() {
            return Err(FeedError::NoPictures(paths.first().cloned().unwrap_or_default()));
        }
        let name = match paths {
            [one] => file_name(one),
            several => format!("{} and {} more", file_name(&several[0]), several.len() - 1),
        };
        Ok(Self { name, files })
    }
}

impl Clip for ImageClip {
    fn name(&self) -> &str {
        &self.name
    }

    fn frame_count(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn frame_interval(&self) -> Option<Duration> {
        None
    }

    fn frame(&mut self, index: u64) -> Result<Frame, FeedError> {
        let mut frame = read_picture(&self.files[index as usize])?;
        frame.sequence = index;
        Ok(frame)
    }
}

/// Reads a picture file. Its format is told from its content rather than from its name.
///
/// # Errors
/// [`FeedError::Io`] where the file can't be read, [`FeedError::Size`] for a size that no frame can
/// have (judged by the header, before anything is decoded), [`FeedError::Decode`] otherwise.
pub fn read_picture(path: &Path) -> Result<Frame, FeedError> {
    let picture = decode(path)?;
    let size = FrameSize::new(picture.width(), picture.height());
    let mut frame = Frame::from_rgb(size, to_rgb8(picture))
        .map_err(|source| FeedError::Size { path: path.into(), source })?;
    frame.source = file_name(path).into();
    Ok(frame)
}

/// The samples of a picture file as they are stored (a palette's indices as their colours),
/// upright. Errors are those of [`read_picture`].
pub(crate) fn decode(path: &Path) -> Result<DynamicImage, FeedError> {
    // The largest frame of the widest samples, 4 × 32 bit.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(Frame::MAX_PIXELS as u64 * 16);

    let decode_error = |error| decode_error(path, error);
    // Not opened by name: what the name says would count where the content is of no known format.
    let reader = File::open(path).map(|file| ImageReader::new(BufReader::new(file)));
    let reader = reader.and_then(ImageReader::with_guessed_format);
    let mut reader = reader.map_err(|error| FeedError::io(path, error))?;
    let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(decode_error)?;
    let (width, height) = decoder.dimensions();
    Frame::check_size(FrameSize::new(width, height))
        .map_err(|source| FeedError::Size { path: path.into(), source })?;
    if is_jpeg {
        let stream = std::fs::read(path).map_err(|error| FeedError::io(path, error))?;
        jpeg::check_is_whole(&stream).map_err(|reason| FeedError::decode(path, reason))?;
    }
    let orientation = decoder.orientation().map_err(decode_error)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(decode_error)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// What a decoder says, with the remedy. Decoders report the damage they find as I/O errors too,
/// but as ones that the system knows nothing about.
fn decode_error(path: &Path, error: ImageError) -> FeedError {
    let reason = match error {
        ImageError::IoError(e) if e.raw_os_error().is_some() => return FeedError::io(path, e),
        ImageError::IoError(_) | ImageError::Decoding(_) => {
            format!("damaged or cut short: copy it again ({error})")
        }
        _ if path.metadata().is_ok_and(|file| file.len() == 0) => "empty: copy it again".into(),
        ImageError::Unsupported(e) if matches!(e.kind(), UnsupportedErrorKind::Format(_)) => {
            "no picture of a known format: give a PNG, JPEG, BMP, TIFF, DICOM or NIfTI file".into()
        }
        ImageError::Unsupported(_) => {
            format!("of a kind that can't be decoded: save it as an 8- or 16-bit PNG ({error})")
        }
        ImageError::Limits(_) => format!("too large: scale it down ({error})"),
        other => other.to_string(),
    };
    FeedError::decode(path, reason)
}

/// The picture's pixels as 8-bit RGB; see the module for what becomes of deeper samples.
fn to_rgb8(picture: DynamicImage) -> Vec<u8> {
    use DynamicImage::*;
    match picture {
        ImageLuma16(_) | ImageLumaA16(_) | ImageRgb16(_) | ImageRgba16(_) => {
            stretch(picture.into_rgb16().into_raw(), f32::from)
        }
        ImageRgb32F(_) | ImageRgba32F(_) => stretch(picture.into_rgb32f().into_raw(), |v| v),
        _ => picture.into_rgb8().into_raw(),
    }
}

/// Stretches the range of the finite samples to 0..=255.
fn stretch<T: Copy>(samples: Vec<T>, value: impl Fn(T) -> f32) -> Vec<u8> {
    let finite = samples.iter().map(|&s| value(s)).filter(|v| v.is_finite());
    let (low, high) = finite.fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(v), h.max(v)));
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    samples.iter().map(|&s| ((value(s) - low) * scale).round() as u8).collect()
}

/// The picture files of a folder in natural order.
fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, FeedError> {
    let io = |error| FeedError::io(folder, error);
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(io)? {
        let path = entry.map_err(io)?.path();
        if is_picture_name(&file_name(&path)) && path.is_file() {
            files.push(path);
        }
    }
    files.sort_by_cached_key(|path| natural_key(&file_name(path)));
    Ok(files)
}

fn is_picture_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let extension = Path::new(&name).extension().and_then(|e| e.to_str()).unwrap_or_default();
    let picture = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"].contains(&extension);
    picture && !name.starts_with('.') && !(extension == "png" && name.contains("_mask"))
}

/// The last part of a path.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A part of a file name, ordered as people count. A number's length without leading zeros goes
/// before its digits, so that numbers of any length compare by value.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum NamePart {
    Number(usize, String),
    Text(String),
}

/// Splits a name into texts and numbers; the name itself decides between `f1` and `f01`.
fn natural_key(name: &str) -> (Vec<NamePart>, String) {
    let same_kind = |a: &u8, b: &u8| a.is_ascii_digit() == b.is_ascii_digit();
    let part = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return NamePart::Text(text);
        }
        let digits = text.trim_start_matches('0');
        NamePart::Number(digits.len(), digits.into())
    };
    (name.as_bytes().chunk_by(same_kind).map(part).collect(), name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_people_count() {
        let sorted = [
            "1.png",
            "02.png",
            "2.png",
            "10.png",
            "a.png",
            "f1b.png",
            "f2.png",
            "f2b1.png",
            "f010.png",
            "f18446744073709551617.png",
            "g.png",
            "é3.png",
        ];
        let mut names = sorted;
        names.reverse();
        names.sort_by_cached_key(|name| natural_key(name));
        assert_eq!(names, sorted);
    }

    #[test]
    fn pictures_are_told_from_the_rest_by_name() {
        let taken = ["a.png", "A.PNG", "b.jpeg", "c.Tif", "x_mask.jpg", "mask.png"];
        let left = [".a.png", "a.txt", "png", "a_mask0.png", "a_mask.png", "a.png.bak", "a.dcm"];
        assert_eq!(taken.map(is_picture_name), [true; 6]);
        assert_eq!(left.map(is_picture_name), [false; 7]);
    }

    #[test]
    fn stretching_ends_at_0_and_255_whatever_the_samples() {
        let inf = f32::INFINITY;
        let cases: [(&str, &[f32], &[u8]); 4] = [
            ("range", &[-1.0, 0.0, 1.0], &[0, 128, 255]),
            ("flat", &[7.0, 7.0], &[0, 0]),
            ("not finite", &[f32::NAN, -inf, 0.0, 2.0, inf], &[0, 0, 0, 255, 255]),
            ("none finite", &[f32::NAN], &[0]),
        ];
        for (name, samples, expected) in cases {
            assert_eq!(stretch(samples.to_vec(), |v| v), expected, "{name}");
        }
    }
}
