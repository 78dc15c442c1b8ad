//! A picture from a feed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::geometry::FrameSize;

/// Distance between the centres of neighbouring pixels in millimetres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelSpacing {
    /// Between rows (vertical).
    pub row_mm: f32,
    /// Between columns (horizontal).
    pub column_mm: f32,
}

impl PixelSpacing {
    /// The area of one pixel in mm².
    pub fn pixel_area_mm2(self) -> f32 {
        self.row_mm * self.column_mm
    }
}

/// A size that no frame can have.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A side is zero.
    #[error("the picture is {0}: it has no pixels")]
    Empty(FrameSize),
    /// More than [`Frame::MAX_PIXELS`] pixels.
    #[error("the picture is {0}: more than the limit of {max} pixels; scale it down first", max = Frame::MAX_PIXELS)]
    TooLarge(FrameSize),
    /// The pixel buffer does not hold `width × height × 3` bytes.
    #[error("a picture of {size} needs {expected} bytes of RGB, found {found}")]
    WrongLength {
        /// The size that was claimed.
        size: FrameSize,
        /// Bytes a picture of that size takes.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
}

/// One picture of a feed: 8-bit RGB pixels and what is known about them. Cloning shares the pixels.
#[derive(Clone)]
pub struct Frame {
    rgb: Arc<[u8]>,
    size: FrameSize,
    /// Position in the feed, counted from 0; it goes on counting when a clip loops.
    pub sequence: u64,
    /// When the frame was taken, since the feed's first frame.
    pub captured_at: Duration,
    /// When the frame was taken, by this machine's clock: of live sources alone.
    pub taken_at: Option<Instant>,
    /// Pixel spacing, where the source states it, or a scale was set.
    pub pixel_spacing: Option<PixelSpacing>,
    /// What the source stated, where a session may have set a scale in its place.
    pub(crate) stated_spacing: Option<PixelSpacing>,
    /// The row of the transducer's face, from which depth is counted, where it is known.
    pub transducer_y: Option<f32>,
    /// Where the frame came from: a file name or a device.
    pub source: Arc<str>,
}

impl Frame {
    /// The largest picture accepted, in pixels (8192 × 4096).
    pub const MAX_PIXELS: usize = 8192 * 4096;

    /// Refuses sizes that no frame can have; decoders call it before they allocate.
    ///
    /// # Errors
    /// [`FrameError::Empty`] or [`FrameError::TooLarge`].
    pub fn check_size(size: FrameSize) -> Result<(), FrameError> {
        if size.pixels() == 0 {
            Err(FrameError::Empty(size))
        } else if size.pixels() > Self::MAX_PIXELS {
            Err(FrameError::TooLarge(size))
        } else {
            Ok(())
        }
    }

    /// A frame over `rgb`: row-major, 3 bytes a pixel, no row padding. Sequence and time are 0,
    /// the spacing is unknown and the source empty: set the fields where they are known.
    ///
    /// # Errors
    /// [`FrameError`] where the size is not allowed or does not match the buffer's length.
    pub fn from_rgb(size: FrameSize, rgb: impl Into<Arc<[u8]>>) -> Result<Self, FrameError> {
        Self::check_size(size)?;
        let rgb = rgb.into();
        let expected = size.pixels() * 3;
        if rgb.len() != expected {
            return Err(FrameError::WrongLength { size, expected, found: rgb.len() });
        }
        Ok(Self {
            rgb,
            size,
            sequence: 0,
            captured_at: Duration::ZERO,
            taken_at: None,
            pixel_spacing: None,
            stated_spacing: None,
            transducer_y: None,
            source: "".into(),
        })
    }

    /// The same frame with other pixels.
    ///
    /// # Panics
    /// If `rgb` has another length.
    pub(crate) fn repainted(&self, rgb: Vec<u8>) -> Self {
        assert_eq!(rgb.len(), self.rgb.len(), "a frame keeps its size");
        Self { rgb: rgb.into(), ..self.clone() }
    }

    /// Width and height.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The pixels, row-major, 3 bytes each (red, green, blue).
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The part of `size` whose top left pixel is (`left`, `top`); what else is known stays.
    ///
    /// # Errors
    /// [`FrameError::Empty`] where it has no pixels or reaches beyond the frame.
    pub fn cropped(&self, left: u32, top: u32, size: FrameSize) -> Result<Self, FrameError> {
        let fits = |from: u32, length: u32, whole: u32| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= whole)
        };
        if !fits(left, size.width, self.size.width) || !fits(top, size.height, self.size.height) {
            return Err(FrameError::Empty(size));
        }
        let rows = self.rgb.chunks_exact(self.size.width as usize * 3);
        let (first, length) = (left as usize * 3, size.width as usize * 3);
        let rows = rows.skip(top as usize).take(size.height as usize);
        let rgb: Vec<u8> = rows.flat_map(|row| &row[first..first + length]).copied().collect();
        Ok(Self { rgb: rgb.into(), size, ..self.clone() })
    }

    /// SHA-256 over size and pixels: equal for frames that show the same picture.
    pub fn content_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.size.width.to_le_bytes());
        hash.update(self.size.height.to_le_bytes());
        hash.update(&self.rgb);
        hash.finalize().into()
    }
}

/// Sizes and provenance only: pixels never reach a log.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} #{} of {:?})", self.size, self.sequence, self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_sizes_are_refused_before_allocation() {
        let refused = |w, h| Frame::check_size(FrameSize::new(w, h)).unwrap_err().to_string();
        assert!(refused(0, 5).contains("no pixels"));
        assert!(refused(u32::MAX, u32::MAX).contains("limit"));
        assert!(Frame::from_rgb(FrameSize::new(2, 2), vec![0; 11]).is_err());
    }

    #[test]
    fn a_crop_has_the_pixels_there_and_stays_on_the_frame() {
        let frame = Frame::from_rgb(FrameSize::new(4, 3), (0..36).collect::<Vec<u8>>()).unwrap();
        let crop = frame.cropped(1, 1, FrameSize::new(2, 2)).unwrap();
        assert_eq!(crop.rgb(), [15, 16, 17, 18, 19, 20, 27, 28, 29, 30, 31, 32]);
        for (left, top, w, h) in [(3, 0, 2, 1), (0, 0, 0, 1), (u32::MAX, 0, 2, 1)] {
            assert!(frame.cropped(left, top, FrameSize::new(w, h)).is_err());
        }
    }

    #[test]
    fn the_hash_tells_pictures_apart_and_ignores_the_time() {
        let frame = |v, w, h| Frame::from_rgb(FrameSize::new(w, h), vec![v; 12]).unwrap();
        let later = Frame { sequence: 7, captured_at: Duration::from_secs(1), ..frame(1, 2, 2) };
        assert_eq!(frame(1, 2, 2).content_hash(), later.content_hash());
        assert_ne!(frame(1, 2, 2).content_hash(), frame(2, 2, 2).content_hash());
        assert_ne!(frame(1, 4, 1).content_hash(), frame(1, 2, 2).content_hash());
    }
}
