//! Where a frame lies on the screen, and which pixel of the one is which of the other.

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use crate::geometry::{FramePoint, FrameSize};

/// Screen positions beyond this are cut to it, so that sums of a few of them can't overflow.
const FAR: f32 = 1e6;

/// The pixels of a frame that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The first column.
    pub left: u32,
    /// The first row.
    pub top: u32,
    /// Columns and rows.
    pub size: FrameSize,
}

impl Region {
    /// All of a frame.
    pub fn whole(frame: FrameSize) -> Self {
        Self { left: 0, top: 0, size: frame }
    }
}

/// A frame, or a region of it, scaled to a rectangle on the screen. The edges of both coincide, so
/// that of a whole frame the centre of pixel `x`, the coordinate `x`, lies `x + ½` frame pixels from
/// the left edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    area: Rectangle,
    frame: FrameSize,
    region: Region,
}

impl Viewport {
    /// The largest viewport in `room` that keeps the aspect ratio of `frame` (to the nearest
    /// screen pixel), centred. It is empty where either is.
    pub fn fit(room: Rectangle, frame: FrameSize) -> Self {
        let (width, height) = (room.size.width as f32, room.size.height as f32);
        let scale = (width / frame.width as f32).min(height / frame.height as f32);
        let side = |length: u32, limit: u32| {
            let scaled = (length as f32 * scale).round() as u32;
            scaled.clamp(limit.min(1), limit)
        };
        let size = if frame.pixels() == 0 || room.is_zero_sized() {
            Size::zero()
        } else {
            Size::new(side(frame.width, room.size.width), side(frame.height, room.size.height))
        };
        let margin = (room.size - size) / 2;
        let area = Rectangle::new(room.top_left + margin, size);
        Self { area, frame, region: Region::whole(frame) }
    }

    /// The same rectangle with a part of the frame in it, cut to the frame.
    pub(super) fn showing(self, region: Region) -> Self {
        let FrameSize { width, height } = self.frame;
        let (left, top) = (region.left.min(width.max(1) - 1), region.top.min(height.max(1) - 1));
        let size = FrameSize::new(
            region.size.width.clamp(width.min(1), width - left.min(width)),
            region.size.height.clamp(height.min(1), height - top.min(height)),
        );
        Self { region: Region { left, top, size }, ..self }
    }

    /// The rectangle on the screen.
    pub fn area(&self) -> Rectangle {
        self.area
    }

    /// The frame's size.
    pub fn frame(&self) -> FrameSize {
        self.frame
    }

    /// The part of the frame that is shown.
    pub fn region(&self) -> Region {
        self.region
    }

    /// The screen pixel on which a frame position falls. Positions off the frame fall off the
    /// viewport; what is not a number falls on a pixel nonetheless.
    pub fn to_screen(&self, position: FramePoint) -> Point {
        let along = |v: f32, first: u32, from: u32, to: u32| {
            let inside = v - first as f32 + 0.5;
            (inside * to as f32 / from.max(1) as f32).floor().clamp(-FAR, FAR) as i32
        };
        let Size { width, height } = self.area.size;
        let Region { left, top, size } = self.region;
        let x = along(position.x, left, size.width, width);
        self.area.top_left + Point::new(x, along(position.y, top, size.height, height))
    }

    /// The frame position at the centre of a screen pixel; off the frame where the pixel is off
    /// the viewport. In an empty viewport all pixels are at `(-½, -½)`.
    pub fn to_frame(&self, pixel: Point) -> FramePoint {
        let along = |v: i32, start: i32, from: u32, to: u32| match from {
            0 => -0.5,
            _ => (v as f32 - start as f32 + 0.5) * to as f32 / from as f32 - 0.5,
        };
        let Rectangle { top_left, size } = self.area;
        let Region { left, top, size: shown } = self.region;
        FramePoint::new(
            left as f32 + along(pixel.x, top_left.x, size.width, shown.width),
            top as f32 + along(pixel.y, top_left.y, size.height, shown.height),
        )
    }

    /// The frame position at the centre of a screen pixel, `None` off the picture.
    pub fn frame_point_at(&self, pixel: Point) -> Option<FramePoint> {
        self.area.contains(pixel).then(|| self.to_frame(pixel))
    }

    /// The position on the shown part of the frame nearest to a screen pixel, between the centres of
    /// the outermost pixels; `None` where there is no picture.
    pub fn nearest_frame_point(&self, pixel: Point) -> Option<FramePoint> {
        (!self.area.is_zero_sized()).then(|| {
            let FramePoint { x, y } = self.to_frame(pixel);
            let Region { left, top, size } = self.region;
            let within = |v: f32, first: u32, length: u32| {
                v.clamp(first as f32, (first + length.max(1) - 1) as f32)
            };
            FramePoint::new(within(x, left, size.width), within(y, top, size.height))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> [(&'static str, Viewport); 6] {
        let at = |x, y, w, h, fw, fh| {
            let room = Rectangle::new(Point::new(x, y), Size::new(w, h));
            Viewport::fit(room, FrameSize::new(fw, fh))
        };
        [
            ("enlarged", at(7, 5, 900, 700, 320, 240)),
            ("as it is", at(0, 0, 320, 240, 320, 240)),
            ("shrunk", at(-3, 9, 300, 900, 1280, 960)),
            ("a column", at(1, 1, 5, 400, 1, 999)),
            ("a pixel", at(3, 3, 50, 40, 1, 1)),
            (
                "a part",
                at(7, 5, 900, 700, 320, 240).showing(Region {
                    left: 100,
                    top: 33,
                    size: FrameSize::new(160, 120),
                }),
            ),
        ]
    }

    #[test]
    fn screen_pixels_survive_the_round_trip() {
        for (name, viewport) in cases() {
            for pixel in viewport.area.points_of_the_edges() {
                assert_eq!(viewport.to_screen(viewport.to_frame(pixel)), pixel, "{name}");
            }
        }
    }

    #[test]
    fn frame_points_survive_the_round_trip_within_half_a_screen_pixel() {
        for (name, viewport) in cases() {
            let (scale_x, scale_y) = (
                viewport.area.size.width as f32 / viewport.region.size.width as f32,
                viewport.area.size.height as f32 / viewport.region.size.height as f32,
            );
            for (fx, fy) in [(0.0, 0.0), (0.13, 0.77), (0.5, 0.5), (1.0, 1.0)] {
                let x = fx * (viewport.frame.width - 1) as f32;
                let y = fy * (viewport.frame.height - 1) as f32;
                let back = viewport.to_frame(viewport.to_screen(FramePoint::new(x, y)));
                let off = ((back.x - x) * scale_x).abs().max(((back.y - y) * scale_y).abs());
                assert!(off <= 0.501, "{name}: off by {off} screen pixels");
            }
        }
    }

    #[test]
    fn integer_positions_are_pixel_centres() {
        let room = Rectangle::new(Point::new(10, 20), Size::new(40, 40));
        let viewport = Viewport::fit(room, FrameSize::new(10, 10));
        // Frame pixel 0 covers the screen pixels 10 to 13, so its centre is the edge of 11 and 12.
        assert_eq!(viewport.to_frame(Point::new(10, 20)), FramePoint::new(-0.375, -0.375));
        assert_eq!(viewport.to_frame(Point::new(49, 59)), FramePoint::new(9.375, 9.375));
        assert_eq!(viewport.to_screen(FramePoint::new(0.0, 9.0)), Point::new(12, 58));
        assert_eq!(viewport.to_screen(FramePoint::new(-0.5, -0.5)), Point::new(10, 20));
    }

    #[test]
    fn the_aspect_ratio_is_kept_in_the_middle_of_the_room() {
        let room = Rectangle::new(Point::new(0, 0), Size::new(1000, 400));
        let viewport = Viewport::fit(room, FrameSize::new(640, 480));
        assert_eq!(viewport.area, Rectangle::new(Point::new(233, 0), Size::new(533, 400)));
    }

    #[test]
    fn off_the_picture_there_is_no_point_but_a_nearest_one() {
        let room = Rectangle::new(Point::new(10, 0), Size::new(20, 20));
        let viewport = Viewport::fit(room, FrameSize::new(40, 40));
        assert_eq!(viewport.frame_point_at(Point::new(9, 5)), None);
        assert_eq!(viewport.frame_point_at(Point::new(10, 5)), Some(FramePoint::new(0.5, 10.5)));
        let far = viewport.nearest_frame_point(Point::new(-900, 5));
        assert_eq!(far, Some(FramePoint::new(0.0, 10.5)));
        let empty = Viewport::fit(Rectangle::zero(), FrameSize::new(40, 40));
        assert_eq!(empty.nearest_frame_point(Point::zero()), None);
    }

    #[test]
    fn a_part_is_cut_to_the_frame_and_drags_end_at_its_edge() {
        let room = Rectangle::new(Point::zero(), Size::new(100, 100));
        let whole = Viewport::fit(room, FrameSize::new(10, 10));
        let region = |left, top, w, h| Region { left, top, size: FrameSize::new(w, h) };
        let part = whole.showing(region(5, 0, 5, 5));
        assert_eq!(part.nearest_frame_point(Point::new(-50, 500)), Some(FramePoint::new(5.0, 4.0)));
        assert_eq!(part.to_screen(FramePoint::new(5.0, 0.0)), Point::new(10, 10));
        assert_eq!(whole.showing(region(8, 99, 5, 0)).region(), region(8, 9, 2, 1));
        let empty = Viewport::fit(room, FrameSize::new(0, 0));
        assert_eq!(empty.showing(region(3, 3, 3, 3)).region(), region(0, 0, 0, 0));
    }

    #[test]
    fn nothing_is_too_odd_to_be_placed() {
        let sizes = [0, 1, 2, u32::MAX];
        for (w, fw) in sizes.iter().flat_map(|&w| sizes.map(|fw| (w, fw))) {
            let room = Rectangle::new(Point::zero(), Size::new(w.min(9999), 3));
            let viewport = Viewport::fit(room, FrameSize::new(fw, 7));
            assert!(viewport.area.size.width <= room.size.width);
            for v in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
                let _ = viewport.to_screen(FramePoint::new(v, v)) + Point::new(9999, 9999);
            }
            let _ = viewport.to_frame(Point::new(i32::MIN, i32::MAX));
        }
    }

    trait Edges {
        fn points_of_the_edges(&self) -> Vec<Point>;
    }

    impl Edges for Rectangle {
        /// The left and top edges and the diagonal.
        fn points_of_the_edges(&self) -> Vec<Point> {
            let Size { width, height } = self.size;
            let across = (0..width as i32).map(|x| (x, 0));
            let down = (0..height as i32).map(|y| (0, y));
            let diagonal = (0..width.min(height) as i32).map(|i| (i, i));
            let all = across.chain(down).chain(diagonal);
            all.map(|(x, y)| self.top_left + Point::new(x, y)).collect()
        }
    }
}
