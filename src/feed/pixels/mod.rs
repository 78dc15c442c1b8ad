//! What capture devices deliver becomes RGB. No device is known here.
//!
//! A [`BufferLayout`] says how pixels lie in a buffer; a [`Converter`] reads buffers. Rows are
//! converted sixteen pixels at a time by the processor's [instructions](crate::kernels::Isa), all of
//! which give the same bytes as `Coefficients` does for a pixel alone.

mod colour;
mod format;
mod motion_jpeg;
mod rows;
#[cfg(test)]
mod tests;
mod vectors;

use crate::frame::FrameError;
use crate::geometry::FrameSize;
use crate::kernels::{Isa, IsaError};

pub use colour::{ColourMatrix, Range};
pub use format::{BufferLayout, Fields, PixelFormat};

use colour::Coefficients;
use format::Plane;
use rows::Row;
use vectors::{Task, Vectors};

/// Why a buffer holds no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PixelError {
    /// No picture has this size.
    #[error("{0}")]
    Size(FrameError),
    /// Lines overlap.
    #[error("its lines are {stride} bytes apart and take {needed}")]
    Stride {
        /// Bytes from one line to the next.
        stride: u32,
        /// Bytes that a line takes.
        needed: usize,
    },
    /// The buffer ends before the picture does.
    #[error("the frame came with {found} of {needed} bytes")]
    Short {
        /// Bytes there are.
        found: usize,
        /// Bytes of a whole picture.
        needed: usize,
    },
    /// The JPEG stream is damaged.
    #[error("the frame's JPEG data is damaged: {0}")]
    Jpeg(String),
}

/// Converts buffers to RGB.
#[derive(Clone, Copy, Debug)]
pub struct Converter {
    isa: Isa,
}

impl Converter {
    /// A converter for this processor.
    ///
    /// # Errors
    /// [`IsaError`] where an instruction set is asked for that can't be had.
    pub fn new() -> Result<Self, IsaError> {
        Isa::chosen().map(Self::with)
    }

    /// A converter with these instructions.
    pub fn with(isa: Isa) -> Self {
        Self { isa }
    }

    /// The picture in `buffer`: its size, and RGB as [`Frame`](crate::Frame) has it. A JPEG stream
    /// has a size of its own, which may be another than the layout's.
    ///
    /// # Errors
    /// [`PixelError`] where there is no whole picture in it.
    pub fn convert(
        self,
        layout: &BufferLayout,
        buffer: &[u8],
    ) -> Result<(FrameSize, Vec<u8>), PixelError> {
        if layout.format == PixelFormat::Mjpeg {
            return motion_jpeg::decode(buffer, layout.fields);
        }
        layout.check()?;
        let needed = layout.bytes();
        if buffer.len() < needed {
            return Err(PixelError::Short { found: buffer.len(), needed });
        }
        let size = layout.picture_size();
        let mut rgb = vec![0; size.pixels() * 3];
        self.isa.run_vectors(Convert { layout, buffer, rgb: &mut rgb });
        Ok((size, rgb))
    }
}

/// The rows of a picture, one after the other.
struct Convert<'a> {
    layout: &'a BufferLayout,
    buffer: &'a [u8],
    rgb: &'a mut [u8],
}

impl Task for Convert<'_> {
    #[inline(always)]
    fn run<S: Vectors>(self, simd: S) {
        let coefficients = Coefficients::new(self.layout.matrix, self.layout.range);
        let width = self.layout.size.width as usize * 3;
        for y in 0..self.layout.picture_size().height as usize {
            if self.layout.fields == Fields::Single && y % 2 == 1 {
                self.rgb.copy_within((y - 1) * width..y * width, y * width);
                continue;
            }
            let out = &mut self.rgb[y * width..][..width];
            row_of(self.layout, self.buffer, y).convert(simd, &coefficients, out);
        }
    }
}

/// What line `y` of the picture is made of.
///
/// # Panics
/// If the buffer is shorter than the layout says.
#[inline(always)]
fn row_of<'a>(layout: &BufferLayout, buffer: &'a [u8], y: usize) -> Row<'a> {
    let source = layout.source_row(y);
    let planes = layout.planes();
    let row = |plane: usize, row: usize| match planes[plane] {
        Some(Plane { offset, stride, row_bytes, .. }) => {
            &buffer[offset + row * stride..][..row_bytes]
        }
        None => &[],
    };
    let (first, chroma) = (row(0, source), source / 2);
    match layout.format {
        PixelFormat::Yuyv => Row::Yuyv(first),
        PixelFormat::Uyvy => Row::Uyvy(first),
        PixelFormat::Nv12 => Row::Nv12(first, row(1, chroma)),
        PixelFormat::Nv21 => Row::Nv21(first, row(1, chroma)),
        PixelFormat::Yu12 => Row::Planar(first, row(1, chroma), row(2, chroma)),
        PixelFormat::Y10 => Row::Deep(first, 2),
        PixelFormat::Y12 => Row::Deep(first, 4),
        PixelFormat::Y16 => Row::Deep(first, 8),
        PixelFormat::Rgb565 => Row::Rgb565(first),
        PixelFormat::Rgb3 => Row::Rgb(first),
        PixelFormat::Bgr3 => Row::Bgr(first),
        // JPEG has no rows.
        PixelFormat::Grey | PixelFormat::Mjpeg => Row::Grey(first),
    }
}
