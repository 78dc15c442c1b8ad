//! Multi-frame DICOM ultrasound clips and stills.
//!
//! - **Transfer syntaxes**: implicit and explicit little endian, RLE Lossless, JPEG Baseline.
//!   Others are refused by name.
//! - **Photometric interpretations**: MONOCHROME1 and 2 (8 or 16 allocated bits, any number of them
//!   stored, signed or not), PALETTE COLOR, RGB, YBR_FULL and YBR_FULL_422 (8 bit, by pixel or by
//!   plane). How grey values get 8 bits: the window of the file, else unsigned 8-bit values stay as
//!   they are and others are stretched over the range of the first frame.
//! - **Pixel spacing**: Pixel Spacing, else the largest ultrasound region that is measured in
//!   centimetres both ways, else Nominal Scanned Pixel Spacing, else Imager Pixel Spacing.
//! - **Time between frames**: Frame Time, else the mean of Frame Time Vector, else Cine Rate, else
//!   Recommended Display Frame Rate.
//!
//! The attributes are read with `dicom-object`. Frames are cut out of the file and decoded here: of
//! a damaged frame `dicom-pixeldata` makes a panic or an allocation of the frame's own choosing, it
//! copies the whole clip for every frame, and calls RLE frames RGB that are YBR.

mod attributes;
mod codec;
mod layout;
mod pixels;

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dicom_object::OpenFileOptions;

use self::attributes::Attributes;
use self::layout::{PixelData, Syntax, header_range, layout, mark_position};
use self::pixels::{Colours, Photometric, PixelFormat};
use super::{Clip, FeedError, images::file_name};
use crate::frame::{Frame, PixelSpacing};

/// Whether the file at `path` is DICOM: it has the mark `DICM`, or its name ends in `dcm`. Folders
/// are not.
///
/// # Errors
/// [`FeedError::Io`] where it can't be read.
pub fn looks_like_dicom(path: &Path) -> Result<bool, FeedError> {
    let io = |error| FeedError::io(path, error);
    if path.metadata().map_err(io)?.is_dir() {
        return Ok(false);
    }
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(132).read_to_end(&mut start)).map_err(io)?;
    let named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("dcm"));
    Ok(named || mark_position(&start).is_some())
}

/// The number of frames that the DICOM file at `path` says it has. Its header alone is read.
///
/// # Errors
/// [`FeedError::Io`] where the file can't be read, [`FeedError::Decode`] where it is no DICOM file,
/// its header is damaged or uses what is not supported, or it is too short for so many frames.
pub fn frame_count(path: &Path) -> Result<u64, FeedError> {
    let io = |error| FeedError::io(path, error);
    let decode = |reason: String| FeedError::decode(path, reason);
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len().min(DicomClip::MAX_FILE_BYTES);
    let mut bytes = Vec::new();
    // Most headers are short; a palette or somebody's own data may make them long.
    let mut wanted = 1 << 16;
    let header = loop {
        (&mut file).take(wanted - bytes.len() as u64).read_to_end(&mut bytes).map_err(io)?;
        match header_range(&bytes, length as usize) {
            Err(no) if no.goes_on && wanted < length => wanted = (wanted * 16).min(length),
            header => break header.map_err(|no| decode(no.reason))?,
        }
    };
    let object = OpenFileOptions::new()
        .from_reader(&bytes[header])
        .map_err(|error| decode(with_causes(&error)))?;
    let count = Attributes::new(&object).frame_count().map_err(decode)?;
    match count.checked_mul(LEAST_FRAME_BYTES) {
        Some(least) if count == 1 || least <= length => Ok(count),
        _ => Err(decode(format!(
            "it says it has {count} frames, which don't fit into {length} bytes"
        ))),
    }
}

/// No frame is smaller: a native one of 8 x 8 pixels, a JPEG stream or the header of an RLE one.
const LEAST_FRAME_BYTES: u64 = 64;

/// A DICOM file as a clip. The file is held in memory as it is; frames are decoded when they are
/// asked for.
pub struct DicomClip {
    path: PathBuf,
    name: String,
    bytes: Vec<u8>,
    frames: Frames,
    format: PixelFormat,
    colours: Colours,
    interval: Option<Duration>,
    spacing: Option<PixelSpacing>,
}

impl DicomClip {
    /// The largest file accepted: 1 GiB.
    pub const MAX_FILE_BYTES: u64 = 1 << 30;

    /// Opens the file at `path`. Its header is read and checked, and all frames must be there; one
    /// that is damaged shows only when it is asked for, unless it is the first and the range of
    /// grey values depends on it.
    ///
    /// # Errors
    /// [`FeedError::Io`] where the file can't be read, [`FeedError::Size`] for frames of a size that
    /// is not allowed, [`FeedError::Decode`] where it is no DICOM file, is damaged or truncated, or
    /// uses what is not supported.
    pub fn open(path: &Path) -> Result<Self, FeedError> {
        let io = |error| FeedError::io(path, error);
        let decode = |reason: String| FeedError::decode(path, reason);
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() > Self::MAX_FILE_BYTES {
            return Err(FeedError::decode(path, "larger than 1 GiB: cut the clip into parts"));
        }
        file.take(Self::MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(io)?;

        let layout = layout(&bytes).map_err(decode)?;
        let object = OpenFileOptions::new()
            .from_reader(&bytes[layout.header])
            .map_err(|error| decode(with_causes(&error)))?;
        let attributes = Attributes::new(&object);
        let format = PixelFormat::read(&attributes).map_err(decode)?;
        Frame::check_size(format.size)
            .map_err(|source| FeedError::Size { path: path.into(), source })?;
        let count = attributes.frame_count().map_err(decode)?;
        let frames = Frames::new(&bytes, layout.syntax, layout.pixel_data, &format, count);
        let frames = frames.map_err(decode)?;

        let colours = match format.photometric {
            Photometric::Monochrome1 | Photometric::Monochrome2 => {
                Colours::grey(&format, &attributes, || frames.samples(&bytes, &format, 0))
            }
            Photometric::Palette => Colours::palette(&format, &attributes),
            // The JPEG decoder has made RGB of it.
            Photometric::YbrFull | Photometric::YbrFull422
                if layout.syntax != Syntax::JpegBaseline =>
            {
                Ok(Colours::Ybr)
            }
            _ => Ok(Colours::Rgb),
        };
        Ok(Self {
            colours: colours.map_err(decode)?,
            name: file_name(path),
            path: path.into(),
            interval: attributes.frame_interval(),
            spacing: attributes.pixel_spacing(),
            bytes,
            frames,
            format,
        })
    }
}

impl Clip for DicomClip {
    fn name(&self) -> &str {
        &self.name
    }

    fn frame_count(&self) -> Option<u64> {
        Some(self.frames.count())
    }

    fn frame_interval(&self) -> Option<Duration> {
        self.interval
    }

    fn frame(&mut self, index: u64) -> Result<Frame, FeedError> {
        let samples = self.frames.samples(&self.bytes, &self.format, index).map_err(|reason| {
            FeedError::decode(&self.path, format!("frame {}: {reason}", index + 1))
        })?;
        let rgb = self.colours.rgb(&self.format, samples);
        let mut frame = Frame::from_rgb(self.format.size, rgb)
            .map_err(|source| FeedError::Size { path: self.path.clone(), source })?;
        frame.sequence = index;
        frame.pixel_spacing = self.spacing;
        frame.source = self.name.as_str().into();
        Ok(frame)
    }
}

/// Where each frame lies in the file.
enum Frames {
    Native { first: Range<usize>, count: u64 },
    Rle(Vec<Range<usize>>),
    Jpeg(Vec<Vec<Range<usize>>>),
}

impl Frames {
    fn new(
        bytes: &[u8],
        syntax: Syntax,
        pixel_data: PixelData,
        format: &PixelFormat,
        count: u64,
    ) -> Result<Self, String> {
        let (frames, found) = match pixel_data {
            PixelData::Native(range) => {
                if format.photometric == Photometric::YbrFull422
                    && !format.size.width.is_multiple_of(2)
                {
                    return Err("its YBR_FULL_422 rows have an odd number of pixels".into());
                }
                let length = format.native_frame_bytes();
                let found = (range.len() / length) as u64;
                (Self::Native { first: range.start..range.start + length, count }, found)
            }
            PixelData::Encapsulated(mut fragments) if syntax == Syntax::Rle => {
                let found = fragments.len() as u64;
                fragments.truncate(count as usize);
                (Self::Rle(fragments), found)
            }
            PixelData::Encapsulated(_) if format.sample_bytes() != 1 => {
                return Err("its JPEG frames have 8 bits, but its header allocates 16".into());
            }
            PixelData::Encapsulated(fragments) => {
                // A frame may be spread over fragments; only its first begins as a JPEG stream does.
                let mut frames: Vec<Vec<Range<usize>>> = Vec::new();
                for fragment in fragments {
                    match frames.last_mut() {
                        Some(frame) if !bytes[fragment.clone()].starts_with(&[0xFF, 0xD8]) => {
                            frame.push(fragment);
                        }
                        _ => frames.push(vec![fragment]),
                    }
                }
                let found = frames.len() as u64;
                frames.truncate(count as usize);
                (Self::Jpeg(frames), found)
            }
        };
        if found < count {
            return Err(format!(
                "it says it has {count} frames of {}, but there is data for {found}",
                format.size
            ));
        }
        Ok(frames)
    }

    fn count(&self) -> u64 {
        match self {
            Self::Native { count, .. } => *count,
            Self::Rle(fragments) => fragments.len() as u64,
            Self::Jpeg(frames) => frames.len() as u64,
        }
    }

    /// The samples of frame `index`, those of a pixel beside each other.
    fn samples(&self, bytes: &[u8], format: &PixelFormat, index: u64) -> Result<Vec<u8>, String> {
        let index = index as usize;
        match self {
            Self::Native { first, .. } => {
                let start = first.start + first.len() * index;
                Ok(format.interleaved(&bytes[start..start + first.len()]))
            }
            Self::Rle(fragments) => codec::rle(
                &bytes[fragments[index].clone()],
                format.size.pixels(),
                format.pixel_bytes(),
                format.sample_bytes(),
            ),
            Self::Jpeg(frames) => {
                let stream = match &frames[index][..] {
                    [one] => Cow::Borrowed(&bytes[one.clone()]),
                    parts => parts.iter().flat_map(|part| &bytes[part.clone()]).copied().collect(),
                };
                let rgb = format.photometric == Photometric::Rgb;
                codec::jpeg(stream, format.size, format.photometric.samples(), rgb)
            }
        }
    }
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
