//! How pixels lie in a capture device's buffer.

use std::fmt;

use crate::frame::Frame;
use crate::geometry::FrameSize;

use super::{ColourMatrix, PixelError, Range};

/// How a pixel is stored. Names are those of Video4Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Two pixels in four bytes: Y U Y V.
    Yuyv,
    /// Two pixels in four bytes: U Y V Y.
    Uyvy,
    /// A plane of Y, and one of U and V in turn, half as wide and high.
    Nv12,
    /// As [`Nv12`](Self::Nv12), with V before U.
    Nv21,
    /// A plane of Y, then one of U and one of V, each half as wide and high.
    Yu12,
    /// A byte of grey.
    Grey,
    /// Grey of 10 bits in two bytes, the lower first.
    Y10,
    /// Grey of 12 bits in two bytes, the lower first.
    Y12,
    /// Grey of 16 bits in two bytes, the lower first.
    Y16,
    /// Red, green, blue.
    Rgb3,
    /// Blue, green, red.
    Bgr3,
    /// Five bits of red, six of green and five of blue in two bytes, the lower first.
    Rgb565,
    /// Every frame is a JPEG stream.
    Mjpeg,
}

impl PixelFormat {
    /// All, those that keep the colours best first.
    pub const ALL: [Self; 13] = [
        Self::Rgb3,
        Self::Bgr3,
        Self::Yuyv,
        Self::Uyvy,
        Self::Nv12,
        Self::Nv21,
        Self::Yu12,
        Self::Rgb565,
        Self::Mjpeg,
        Self::Y16,
        Self::Y12,
        Self::Y10,
        Self::Grey,
    ];

    /// The four characters by which Video4Linux knows it.
    pub fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Yuyv => b"YUYV",
            Self::Uyvy => b"UYVY",
            Self::Nv12 => b"NV12",
            Self::Nv21 => b"NV21",
            Self::Yu12 => b"YU12",
            Self::Grey => b"GREY",
            Self::Y10 => b"Y10 ",
            Self::Y12 => b"Y12 ",
            Self::Y16 => b"Y16 ",
            Self::Rgb3 => b"RGB3",
            Self::Bgr3 => b"BGR3",
            Self::Rgb565 => b"RGBP",
            Self::Mjpeg => b"MJPG",
        }
    }

    /// The format with these four characters, where it is one of these.
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.fourcc() == fourcc)
    }

    /// The format of this [name](fmt::Display), in large or small letters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.to_string().eq_ignore_ascii_case(name))
    }

    /// Whether it is made of luma and chroma.
    pub fn has_chroma(self) -> bool {
        matches!(self, Self::Yuyv | Self::Uyvy | Self::Nv12 | Self::Nv21 | Self::Yu12)
    }

    /// Bytes that a row of `width` pixels takes in the first plane; 0 for JPEG, which has no rows.
    pub(super) fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::Yuyv | Self::Uyvy => width.div_ceil(2) * 4,
            Self::Nv12 | Self::Nv21 | Self::Yu12 | Self::Grey => width,
            Self::Y10 | Self::Y12 | Self::Y16 | Self::Rgb565 => width * 2,
            Self::Rgb3 | Self::Bgr3 => width * 3,
            Self::Mjpeg => 0,
        }
    }
}

/// The four characters, or what they stand for where they are hard to guess.
impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rgb565 => f.pad("RGB565"),
            other => f.pad(String::from_utf8_lossy(&other.fourcc()).trim_end()),
        }
    }
}

/// How the two fields of an interlaced picture are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fields {
    /// The picture is not interlaced, or its fields are woven into each other already.
    #[default]
    Woven,
    /// All lines of the field with the topmost line, then those of the other: they are woven.
    TopThenBottom,
    /// All lines of the field without the topmost line, then those of the other: they are woven.
    BottomThenTop,
    /// One field alone: each of its lines is shown twice.
    Single,
}

/// All that must be known to read a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferLayout {
    /// How pixels are stored.
    pub format: PixelFormat,
    /// Width and lines in the buffer: of one field where there is only one in it.
    pub size: FrameSize,
    /// Bytes from one line to the next, in the first plane; chroma planes of one value a place have
    /// half of it.
    pub stride: u32,
    /// How fields are stored.
    pub fields: Fields,
    /// How luma and chroma were made.
    pub matrix: ColourMatrix,
    /// The levels that are used.
    pub range: Range,
}

/// A rectangle of values in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    pub offset: usize,
    pub stride: usize,
    pub row_bytes: usize,
    pub rows: usize,
}

impl Plane {
    /// Bytes up to the end of its last row. Saturating: no buffer is that long.
    fn end(self) -> usize {
        let last = self.stride.saturating_mul(self.rows.saturating_sub(1));
        self.offset.saturating_add(last).saturating_add(self.row_bytes)
    }
}

impl BufferLayout {
    /// The size of the picture in it.
    pub fn picture_size(&self) -> FrameSize {
        match self.fields {
            Fields::Single => FrameSize::new(self.size.width, self.size.height.saturating_mul(2)),
            _ => self.size,
        }
    }

    /// Refuses sizes that no picture has, and lines that overlap.
    ///
    /// # Errors
    /// [`PixelError::Size`] or [`PixelError::Stride`].
    pub fn check(&self) -> Result<(), PixelError> {
        Frame::check_size(self.picture_size()).map_err(PixelError::Size)?;
        let needed = self.format.row_bytes(self.size.width as usize);
        if (self.stride as usize) < needed {
            return Err(PixelError::Stride { stride: self.stride, needed });
        }
        Ok(())
    }

    /// Bytes that a buffer must have at least; 0 for JPEG.
    pub fn bytes(&self) -> usize {
        self.planes().into_iter().flatten().map(Plane::end).max().unwrap_or(0)
    }

    /// The planes; one for packed formats.
    pub(super) fn planes(&self) -> [Option<Plane>; 3] {
        let (width, rows) = (self.size.width as usize, self.size.height as usize);
        let stride = self.stride as usize;
        let row_bytes = self.format.row_bytes(width);
        let first = Plane { offset: 0, stride, row_bytes, rows };
        let after = stride.saturating_mul(rows);
        let (columns, chroma_rows) = (width.div_ceil(2), rows.div_ceil(2));
        match self.format {
            PixelFormat::Mjpeg => [None; 3],
            PixelFormat::Nv12 | PixelFormat::Nv21 => {
                // An odd width has a last pair that reaches beyond an odd stride.
                let stride = stride.max(2 * columns);
                let row_bytes = 2 * columns;
                let chroma = Plane { offset: after, stride, row_bytes, rows: chroma_rows };
                [Some(first), Some(chroma), None]
            }
            PixelFormat::Yu12 => {
                let stride = stride.div_ceil(2);
                let u = Plane { offset: after, stride, row_bytes: columns, rows: chroma_rows };
                let offset = after.saturating_add(stride.saturating_mul(chroma_rows));
                [Some(first), Some(u), Some(Plane { offset, ..u })]
            }
            _ => [Some(first), None, None],
        }
    }

    /// The line in the buffer that line `y` of the picture is from.
    pub(super) fn source_row(&self, y: usize) -> usize {
        let rows = self.size.height as usize;
        // The field with the topmost line has one more where their number is odd.
        match (self.fields, y % 2) {
            (Fields::Woven, _) => y,
            (Fields::Single, _) | (Fields::TopThenBottom, 0) => y / 2,
            (Fields::TopThenBottom, _) => rows.div_ceil(2) + y / 2,
            (Fields::BottomThenTop, 0) => rows / 2 + y / 2,
            (Fields::BottomThenTop, _) => y / 2,
        }
    }
}
