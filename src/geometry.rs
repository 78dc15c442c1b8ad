//! Positions and sizes in frame pixels, the space that prompts, masks and measurements share.
//!
//! A coordinate is a pixel index as in the Segment Anything code: `(0, 0)` is the centre of the
//! top left pixel, x grows to the right, y downwards. Positions are signed floats, sizes unsigned.

use serde::{Deserialize, Serialize};

/// Width and height of a frame in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FrameSize {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl FrameSize {
    /// A size of `width` × `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// The number of pixels.
    pub const fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The longer of the two sides.
    pub fn longest_side(self) -> u32 {
        self.width.max(self.height)
    }
}

impl std::fmt::Display for FrameSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A position in frame pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FramePoint {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl FramePoint {
    /// The point `(x, y)`.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// Whether both coordinates are finite and the point lies on a pixel of a frame of `size`.
    pub fn is_inside(self, size: FrameSize) -> bool {
        let within = |v: f32, length: u32| v >= -0.5 && v < length as f32 - 0.5;
        within(self.x, size.width) && within(self.y, size.height)
    }
}

/// An axis-parallel box in frame pixels whose corners are in order: `x0 <= x1`, `y0 <= y1`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameBox {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl FrameBox {
    /// The box spanned by two opposite corners, in whatever order they come.
    pub fn from_corners(a: FramePoint, b: FramePoint) -> Self {
        Self { x0: a.x.min(b.x), y0: a.y.min(b.y), x1: a.x.max(b.x), y1: a.y.max(b.y) }
    }

    /// The box of `width` × `height` centred on `centre`.
    pub fn centred(centre: FramePoint, width: f32, height: f32) -> Self {
        let (right, down) = (width / 2.0, height / 2.0);
        Self {
            x0: centre.x - right,
            y0: centre.y - down,
            x1: centre.x + right,
            y1: centre.y + down,
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> f32 {
        self.x1 - self.x0
    }

    /// Height in pixels.
    pub fn height(&self) -> f32 {
        self.y1 - self.y0
    }

    /// The part of the box that lies on a frame of `size` (edges at the centres of the outermost
    /// pixels), or `None` where nothing of it does or a coordinate is not finite.
    pub fn clipped(&self, size: FrameSize) -> Option<FrameBox> {
        let corners = [self.x0, self.y0, self.x1, self.y1];
        let (right, bottom) = (size.width as f32 - 1.0, size.height as f32 - 1.0);
        let outside = self.x1 < 0.0 || self.y1 < 0.0 || self.x0 > right || self.y0 > bottom;
        (corners.iter().all(|v| v.is_finite()) && !outside).then(|| FrameBox {
            x0: self.x0.max(0.0),
            y0: self.y0.max(0.0),
            x1: self.x1.min(right),
            y1: self.y1.min(bottom),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_corners_are_put_in_order() {
        let b = FrameBox::from_corners(FramePoint::new(9.0, 2.0), FramePoint::new(3.0, 8.0));
        assert_eq!(b, FrameBox { x0: 3.0, y0: 2.0, x1: 9.0, y1: 8.0 });
    }

    #[test]
    fn clipping_keeps_what_is_on_the_frame() {
        let size = FrameSize::new(10, 10);
        let b = FrameBox { x0: -5.0, y0: 2.0, x1: 50.0, y1: 8.0 };
        assert_eq!(b.clipped(size), Some(FrameBox { x0: 0.0, y0: 2.0, x1: 9.0, y1: 8.0 }));
        assert_eq!(FrameBox { x0: 20.0, ..b }.clipped(size), None);
        assert_eq!(FrameBox { x0: f32::NAN, ..b }.clipped(size), None);
    }

    #[test]
    fn points_are_inside_up_to_the_outer_pixels_edges() {
        let size = FrameSize::new(10, 10);
        assert!(FramePoint::new(9.0, 0.0).is_inside(size));
        assert!(!FramePoint::new(10.0, 0.0).is_inside(size));
        assert!(!FramePoint::new(-1.0, 0.0).is_inside(size));
        assert!(!FramePoint::new(f32::NAN, 0.0).is_inside(size));
    }
}
