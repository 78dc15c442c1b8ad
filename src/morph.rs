//! A mask on its way to another one.

use crate::distance::distances;
use crate::geometry::FrameSize;
use crate::mask::Mask;

/// The finest grid that shapes between two masks are computed on: larger ones take every second point
/// of the frame, or every third, and so on.
const MAX_GRID: usize = 256;

/// Shapes between two masks: where the mean of the distances to both outlines, weighed by how far it
/// is, is inside. (Payne and Toga, *Distance Field Manipulation of Surface Models*, 1992, section
/// "Metamorphosis".)
#[derive(Clone, Debug)]
pub(crate) struct Morph {
    frame: FrameSize,
    /// The part of the frame that both masks lie in, with a margin: left, top, width, height.
    part: [usize; 4],
    /// Frame pixels from one point of the grid to the next.
    step: usize,
    /// Points of the grid in a row.
    columns: usize,
    /// Signed distances from both outlines, row by row, negative inside.
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Morph {
    /// None where there is no way from one to the other: an empty mask, or two frame sizes.
    pub fn new(from: &Mask, to: &Mask) -> Option<Self> {
        let frame = from.size();
        if frame != to.size() {
            return None;
        }
        let (a, b) = (from.bounding_box()?, to.bounding_box()?);
        let margin = |low: f32| (low as usize).saturating_sub(1);
        let (left, top) = (margin(a.x0.min(b.x0)), margin(a.y0.min(b.y0)));
        let right = (a.x1.max(b.x1) as usize + 2).min(frame.width as usize);
        let bottom = (a.y1.max(b.y1) as usize + 2).min(frame.height as usize);
        let (width, height) = (right - left, bottom - top);
        let step = width.max(height).div_ceil(MAX_GRID);
        let (columns, rows) = (width.div_ceil(step), height.div_ceil(step));
        let signed = |mask: &Mask| {
            let points = (0..rows).flat_map(|row| {
                let line = &mask.row((top + row * step) as u32)[left..right];
                line.iter().step_by(step).map(|inside| *inside != 0)
            });
            let inside: Vec<bool> = points.collect();
            let outside: Vec<bool> = inside.iter().map(|inside| !inside).collect();
            let to_inside = distances(columns, rows, [1.0; 2], &inside);
            let to_outside = distances(columns, rows, [1.0; 2], &outside);
            // Where the part is all inside, or the grid misses a speck, the farthest that can be.
            let most = (columns + rows) as f64;
            let sides = to_inside.iter().zip(&to_outside);
            sides.map(|(i, o)| (i.min(most) - o.min(most)) as f32).collect::<Vec<_>>()
        };
        let (from, to) = (signed(from), signed(to));
        Some(Self { frame, part: [left, top, width, height], step, columns, from, to })
    }

    /// The shape at `share` of the way, from 0 to 1.
    pub fn at(&self, share: f32) -> Mask {
        let [left, top, width, height] = self.part;
        let mixed: Vec<f32> =
            self.from.iter().zip(&self.to).map(|(a, b)| a + (b - a) * share).collect();
        let rows = mixed.len() / self.columns;
        let mut pixels = vec![0u8; self.frame.pixels()];
        for y in 0..height {
            let (row, down) = self.place(y, rows);
            let line = &mut pixels[(top + y) * self.frame.width as usize + left..][..width];
            for (x, pixel) in line.iter_mut().enumerate() {
                let (column, across) = self.place(x, self.columns);
                let value = |row: usize, column: usize| mixed[row * self.columns + column];
                let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
                let ends = [row, (row + 1).min(rows - 1)].map(|row| {
                    let next = (column + 1).min(self.columns - 1);
                    between(value(row, column), value(row, next), across)
                });
                *pixel = u8::from(between(ends[0], ends[1], down) < 0.0);
            }
        }
        Mask::from_pixels(self.frame, pixels)
    }

    /// The grid point before a pixel, and how far it is to the next one.
    fn place(&self, pixel: usize, count: usize) -> (usize, f32) {
        let before = (pixel / self.step).min(count - 1);
        (before, (pixel - before * self.step) as f32 / self.step as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(size: FrameSize, x: f32, y: f32, radius: f32) -> Mask {
        let inside = |i: usize| {
            let (px, py) = (i % size.width as usize, i / size.width as usize);
            u8::from((px as f32 - x).hypot(py as f32 - y) <= radius)
        };
        Mask::from_pixels(size, (0..size.pixels()).map(inside).collect())
    }

    #[test]
    fn the_way_begins_and_ends_with_the_masks() {
        let size = FrameSize::new(90, 70);
        let all = Mask::from_pixels(size, vec![1; size.pixels()]);
        let (a, b) = (disc(size, 40.0, 30.0, 20.0), disc(size, 46.0, 33.0, 12.0));
        let edge = disc(size, 0.0, 0.0, 9.0);
        for (from, to) in [(&a, &b), (&b, &a), (&a, &edge), (&all, &a), (&a, &all)] {
            let morph = Morph::new(from, to).unwrap();
            assert!(morph.at(0.0) == *from && morph.at(1.0) == *to);
        }
    }

    #[test]
    fn half_the_way_is_between() {
        let size = FrameSize::new(200, 200);
        let (small, large) = (disc(size, 100.0, 100.0, 20.0), disc(size, 100.0, 100.0, 60.0));
        let between = Morph::new(&small, &large).unwrap().at(0.5);
        assert!(between.iou(&disc(size, 100.0, 100.0, 40.0)) > 0.97);
    }

    #[test]
    fn large_masks_keep_their_shape_on_a_coarser_grid() {
        let size = FrameSize::new(1280, 720);
        let (a, b) = (disc(size, 600.0, 360.0, 300.0), disc(size, 640.0, 350.0, 280.0));
        let morph = Morph::new(&a, &b).unwrap();
        assert!(morph.step == 3, "{}", morph.step);
        assert!(morph.at(0.0).iou(&a) > 0.98 && morph.at(1.0).iou(&b) > 0.98);
    }

    #[test]
    fn there_is_no_way_to_nothing() {
        let size = FrameSize::new(20, 10);
        let (some, none) = (disc(size, 9.0, 5.0, 3.0), Mask::from_pixels(size, vec![0; 200]));
        let other = disc(FrameSize::new(21, 10), 9.0, 5.0, 3.0);
        for to in [&none, &other] {
            assert!(Morph::new(&some, to).is_none() && Morph::new(to, &some).is_none());
        }
    }
}
