//! How a box moves on the picture: each axis is shifted and stretched.

use crate::geometry::{FrameBox, FrameSize};
use crate::mask::Mask;

/// A map of frame positions, the same for all rows and for all columns: `scale · v + shift` along each
/// axis (x, y).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shift {
    pub scale: [f32; 2],
    pub shift: [f32; 2],
}

impl Shift {
    /// The map that takes one box to another. A side of less than a pixel counts as one.
    pub fn between(from: FrameBox, to: FrameBox) -> Self {
        let axis = |a: [f32; 2], b: [f32; 2]| {
            let scale = (b[1] - b[0]).max(1.0) / (a[1] - a[0]).max(1.0);
            (scale, (b[0] + b[1]) / 2.0 - scale * (a[0] + a[1]) / 2.0)
        };
        let x = axis([from.x0, from.x1], [to.x0, to.x1]);
        let y = axis([from.y0, from.y1], [to.y0, to.y1]);
        Self { scale: [x.0, y.0], shift: [x.1, y.1] }
    }

    /// Where a box comes to lie.
    pub fn of_box(self, b: FrameBox) -> FrameBox {
        let at = |v: f32, axis: usize| self.scale[axis] * v + self.shift[axis];
        FrameBox { x0: at(b.x0, 0), y0: at(b.y0, 1), x1: at(b.x1, 0), y1: at(b.y1, 1) }
    }

    /// Where a mask comes to lie, its pixels taken from the nearest ones; what leaves the frame is
    /// cut off. `bounds` is the mask's box.
    pub fn of_mask(self, mask: &Mask, bounds: FrameBox) -> Mask {
        let size = mask.size();
        let mut pixels = vec![0u8; size.pixels()];
        let half = |b: FrameBox| FrameBox {
            x0: b.x0 - 0.5,
            y0: b.y0 - 0.5,
            x1: b.x1 + 0.5,
            y1: b.y1 + 0.5,
        };
        let Some(to) = self.of_box(half(bounds)).clipped(size) else {
            return Mask::from_pixels(size, pixels);
        };
        let origin = |v: u32, axis: usize, length: u32| {
            let at = ((v as f32 - self.shift[axis]) / self.scale[axis]).round();
            (at >= 0.0 && at < length as f32).then_some(at as usize)
        };
        let FrameSize { width, height } = size;
        let columns: Vec<_> =
            (to.x0 as u32..=to.x1 as u32).map(|x| (x as usize, origin(x, 0, width))).collect();
        for y in to.y0 as u32..=to.y1 as u32 {
            let Some(from) = origin(y, 1, height) else { continue };
            let (from, row) = (mask.row(from as u32), y as usize * width as usize);
            for (x, at) in &columns {
                pixels[row + x] = at.map_or(0, |at| from[at]);
            }
        }
        Mask::from_pixels(size, pixels)
    }
}
