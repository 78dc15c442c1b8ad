//! How closely a picture is looked at, and where.

use embedded_graphics::geometry::Point;

use crate::geometry::FrameSize;

use super::viewport::{Region, Viewport};

/// The part of a picture that is looked at, in shares of its width and height, so that it outlives a
/// change of the picture's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zoom {
    /// How many times larger than the whole picture: 1 and more.
    scale: f32,
    left: f32,
    top: f32,
}

impl Default for Zoom {
    /// The whole picture.
    fn default() -> Self {
        Self { scale: 1.0, left: 0.0, top: 0.0 }
    }
}

impl Zoom {
    /// The closest look: a pixel of a small frame is a finger's breadth then.
    pub const CLOSEST: f32 = 8.0;

    /// How many times larger than the whole picture.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// What is looked at when two fingers went from `from` to `to` on `viewport`: what was between
    /// them is between them again, and larger by as much as they parted. It ends at the picture's
    /// edges.
    #[must_use]
    pub fn pinched(self, from: [Point; 2], to: [Point; 2], viewport: &Viewport) -> Self {
        let area = viewport.area();
        if area.is_zero_sized() {
            return self;
        }
        let [far, near] = [from, to].map(|[a, b]| {
            let (dx, dy) = (b.x as f32 - a.x as f32, b.y as f32 - a.y as f32);
            dx.hypot(dy).max(1.0)
        });
        // Between the fingers, in shares of the viewport.
        let middle = |[a, b]: [Point; 2]| {
            let along = |a: i32, b: i32, start: i32, length: u32| {
                ((a as f32 + b as f32) / 2.0 - start as f32) / length as f32
            };
            (
                along(a.x, b.x, area.top_left.x, area.size.width),
                along(a.y, b.y, area.top_left.y, area.size.height),
            )
        };
        let scale = (self.scale * near / far).clamp(1.0, Self::CLOSEST);
        let (before, after) = (middle(from), middle(to));
        let start = |start: f32, before: f32, after: f32| {
            (start + before / self.scale - after / scale).clamp(0.0, 1.0 - 1.0 / scale)
        };
        Self {
            scale,
            left: start(self.left, before.0, after.0),
            top: start(self.top, before.1, after.1),
        }
    }

    /// The pixels of a frame that are looked at.
    pub fn region(&self, frame: FrameSize) -> Region {
        let along = |start: f32, length: u32| {
            let shown = (length as f32 / self.scale).round().max(1.0) as u32;
            let shown = shown.min(length);
            (((start * length as f32).round() as u32).min(length - shown), shown)
        };
        let (left, width) = along(self.left, frame.width);
        let (top, height) = along(self.top, frame.height);
        Region { left, top, size: FrameSize::new(width, height) }
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::geometry::Size;
    use embedded_graphics::primitives::Rectangle;

    use super::*;

    const FRAME: FrameSize = FrameSize { width: 400, height: 300 };

    fn viewport() -> Viewport {
        Viewport::fit(Rectangle::new(Point::new(10, 20), Size::new(800, 600)), FRAME)
    }

    fn points(ax: i32, ay: i32, bx: i32, by: i32) -> [Point; 2] {
        [Point::new(ax, ay), Point::new(bx, by)]
    }

    #[test]
    fn what_is_between_the_fingers_stays_there() {
        let viewport = viewport();
        let (from, to) = (points(200, 200, 300, 200), points(300, 250, 500, 250));
        let zoom = Zoom::default().pinched(from, to, &viewport);
        assert_eq!(zoom.scale(), 2.0);
        let closer = viewport.showing(zoom.region(FRAME));
        let (before, after) =
            (viewport.to_frame(Point::new(250, 200)), closer.to_frame(Point::new(400, 250)));
        assert!((before.x - after.x).hypot(before.y - after.y) < 1.0, "{before:?} {after:?}");
        let moved = zoom.pinched(to, points(320, 230, 520, 230), &viewport);
        assert_eq!(moved.scale(), 2.0);
        assert_eq!(moved.region(FRAME).left + 5, zoom.region(FRAME).left);
        assert_eq!(moved.region(FRAME).top, zoom.region(FRAME).top + 5);
    }

    #[test]
    fn it_ends_at_the_edges_and_at_the_whole_picture() {
        let viewport = viewport();
        let close = Zoom::default().pinched(points(5, 5, 6, 6), points(5, 5, 900, 900), &viewport);
        assert_eq!(close.scale(), Zoom::CLOSEST);
        let pushed = close.pinched(points(0, 0, 9, 9), points(9000, 9000, 9009, 9009), &viewport);
        assert_eq!((pushed.region(FRAME).left, pushed.region(FRAME).top), (0, 0));
        let pulled =
            close.pinched(points(0, 0, 9, 9), points(-9000, -9000, -8991, -8991), &viewport);
        assert_eq!((pulled.region(FRAME).left, pulled.region(FRAME).top), (350, 262));
        let back = pulled.pinched(points(0, 0, 500, 0), points(0, 0, 5, 0), &viewport);
        assert_eq!(back.region(FRAME), Region::whole(FRAME));
    }

    #[test]
    fn nothing_is_too_odd_to_be_looked_at() {
        let zoom = Zoom::default().pinched(points(5, 5, 6, 6), points(5, 5, 90, 90), &viewport());
        for (w, h) in [(0, 0), (1, 1), (1, 5000), (3, 2)] {
            let region = zoom.region(FrameSize::new(w, h));
            assert!(region.left + region.size.width <= w && region.top + region.size.height <= h);
        }
        let far = points(i32::MIN, i32::MAX, i32::MAX, i32::MIN);
        let zoom = zoom.pinched(far, points(0, 0, 0, 0), &viewport());
        assert!(zoom.scale().is_finite() && zoom.pinched(far, far, &viewport()).left.is_finite());
        let empty = Viewport::fit(Rectangle::zero(), FRAME);
        assert_eq!(zoom.pinched(far, far, &empty), zoom);
    }
}
