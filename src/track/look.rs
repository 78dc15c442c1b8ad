//! How a structure looked, to be found again by.

use crate::frame::Frame;
use crate::geometry::FrameBox;

use super::motion::grown;
use super::patch::Patch;

/// Cells along the longer side of the structure.
const CELLS: f32 = 12.0;
/// What of its surroundings it is recognised by, as a share of its longer side.
const AROUND: f32 = 0.25;
/// A structure that is smaller than this share of the frame's longer side is recognised by so much of
/// its surroundings: a small dark spot is like any other, and to look for it pixel by pixel would take
/// seconds.
const LEAST: f32 = 0.1;

/// A structure with its surroundings, coarse.
#[derive(Clone, Debug)]
pub(super) struct Look {
    patch: Patch,
    bounds: FrameBox,
}

impl Look {
    pub fn of(frame: &Frame, bounds: FrameBox) -> Self {
        let longest = bounds.width().max(bounds.height());
        let side = longest.max(LEAST * frame.size().longest_side() as f32);
        let step = (side / CELLS).round().max(1.0) as usize;
        let around = side * AROUND + (side - longest) / 2.0;
        Self { patch: Patch::of(frame, grown(bounds, around), step), bounds }
    }

    /// How like it the picture in `bounds` of `frame` is, by normalised cross-correlation, -1 to 1; none
    /// where it has nothing to be recognised by.
    pub fn likeness_in(&self, frame: &Frame, bounds: FrameBox) -> Option<f32> {
        let step = self.patch.step;
        let own = self.patch.block(self.patch.origin, self.patch.size)?;
        let moments = own.moments()?;
        let middle = |b: FrameBox| [b.x0 + b.x1, b.y0 + b.y1].map(|sum| sum / 2.0);
        let (from, to) = (middle(self.bounds), middle(bounds));
        let at =
            [0, 1].map(|k| self.patch.origin[k] + ((to[k] - from[k]) / step as f32).round() as i32);
        let corner = |k: usize, cells: usize| ((at[k] + cells as i32) * step as i32) as f32;
        let area = FrameBox {
            x0: corner(0, 0),
            y0: corner(1, 0),
            x1: corner(0, self.patch.size[0]),
            y1: corner(1, self.patch.size[1]),
        };
        let picture = Patch::of(frame, area, step);
        Some(own.correlation(moments, &picture.block(at, self.patch.size)?))
    }

    /// Where on `frame` the picture is most like it: the box there, if its normalised
    /// cross-correlation is at least `least`.
    pub fn found_on(&self, frame: &Frame, least: f32) -> Option<FrameBox> {
        let step = self.patch.step;
        let own = self.patch.block(self.patch.origin, self.patch.size)?;
        let moments = own.moments()?;
        let (width, height) = (frame.size().width as f32, frame.size().height as f32);
        // What was cut off by the frame's rim may come back further in.
        let beyond = AROUND * self.bounds.width().max(self.bounds.height());
        let all = FrameBox { x0: 0.0, y0: 0.0, x1: width - 1.0, y1: height - 1.0 };
        let picture = Patch::of(frame, grown(all, beyond), step);
        let last =
            [0, 1].map(|k| picture.origin[k] + picture.size[k] as i32 - self.patch.size[k] as i32);
        let mut best = (least, None);
        for y in picture.origin[1]..=last[1] {
            for x in picture.origin[0]..=last[0] {
                let Some(block) = picture.block([x, y], self.patch.size) else { continue };
                let likeness = own.correlation(moments, &block);
                if likeness >= best.0 {
                    best = (likeness, Some([x, y]));
                }
            }
        }
        let at = best.1?;
        let moved = [0, 1].map(|k| ((at[k] - self.patch.origin[k]) * step as i32) as f32);
        let b = self.bounds;
        Some(FrameBox {
            x0: b.x0 + moved[0],
            y0: b.y0 + moved[1],
            x1: b.x1 + moved[0],
            y1: b.y1 + moved[1],
        })
    }
}
