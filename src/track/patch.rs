//! A part of a frame in grey, in whole cells of several pixels.

use crate::frame::Frame;
use crate::geometry::FrameBox;

/// Grey values on a grid whose cells are squares of `step` frame pixels. Cell (0, 0) of every grid of
/// one step is at the frame's top left corner, so that two patches of one step can be compared cell by
/// cell; beyond the frame its rim goes on.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    /// Frame pixels along a side of a cell.
    pub step: usize,
    /// The grid's column and row of the first value.
    pub origin: [i32; 2],
    /// Columns and rows.
    pub size: [usize; 2],
    /// Row-major, 0 to 255.
    values: Vec<f32>,
}

impl Patch {
    /// What of `frame` lies in `area`, which may reach beyond the frame.
    ///
    /// Of each cell at most 4 × 4 pixels are read.
    pub fn of(frame: &Frame, area: FrameBox, step: usize) -> Self {
        let cell = |v: f32| (v / step as f32).floor() as i32;
        let origin = [cell(area.x0), cell(area.y0)];
        let size = [cell(area.x1) - origin[0] + 1, cell(area.y1) - origin[1] + 1];
        let size = size.map(|length| length.max(1) as usize);
        let (width, height) = (frame.size().width as usize, frame.size().height as usize);
        let rgb = frame.rgb();
        let every = step.div_ceil(4);
        let reads = |at: i32, length: usize| -> Vec<usize> {
            let first = at as i64 * step as i64;
            let within = |v: usize| (first + v as i64).clamp(0, length as i64 - 1) as usize;
            (every / 2..step).step_by(every).map(within).collect()
        };
        let columns: Vec<Vec<usize>> =
            (0..size[0]).map(|i| reads(origin[0] + i as i32, width)).collect();
        let mut values = Vec::with_capacity(size[0] * size[1]);
        for j in 0..size[1] {
            let rows = reads(origin[1] + j as i32, height);
            for columns in &columns {
                let mut sum = 0u32;
                for y in &rows {
                    for x in columns {
                        let pixel = &rgb[(y * width + x) * 3..][..3];
                        sum += pixel.iter().map(|&v| u32::from(v)).sum::<u32>();
                    }
                }
                values.push(sum as f32 / (3 * rows.len() * columns.len()) as f32);
            }
        }
        Self { step, origin, size, values }
    }

    /// The cells of a patch that covers the same area in cells `factor` times as large. Those that
    /// the patch covers in part are left out.
    pub fn coarser(&self, factor: usize) -> Self {
        let f = factor as i32;
        let origin = self.origin.map(|v| v.div_euclid(f) + i32::from(v.rem_euclid(f) != 0));
        let skipped = [0, 1].map(|axis| (origin[axis] * f - self.origin[axis]) as usize);
        let size = [0, 1].map(|axis| self.size[axis].saturating_sub(skipped[axis]) / factor);
        let mut values = Vec::with_capacity(size[0] * size[1]);
        for j in 0..size[1] {
            for i in 0..size[0] {
                let sum: f32 = (0..factor)
                    .flat_map(|y| {
                        let row = (skipped[1] + j * factor + y) * self.size[0];
                        &self.values[row + skipped[0] + i * factor..][..factor]
                    })
                    .sum();
                values.push(sum / (factor * factor) as f32);
            }
        }
        Self { step: self.step * factor, origin, size, values }
    }

    /// A row of the patch: `length` values from the grid's column `x` of its row `y` on, where the
    /// patch holds them.
    fn row(&self, x: i32, y: i32, length: usize) -> Option<&[f32]> {
        let at = [x - self.origin[0], y - self.origin[1]];
        let inside = at[0] >= 0
            && at[1] >= 0
            && at[0] as usize + length <= self.size[0]
            && (at[1] as usize) < self.size[1];
        inside.then(|| &self.values[at[1] as usize * self.size[0] + at[0] as usize..][..length])
    }

    /// The block of `size` cells from the grid's cell `at` on, where the patch holds it.
    pub fn block(&self, at: [i32; 2], size: [usize; 2]) -> Option<Block<'_>> {
        let rows: Option<Vec<&[f32]>> =
            (0..size[1]).map(|j| self.row(at[0], at[1] + j as i32, size[0])).collect();
        Some(Block { rows: rows? })
    }
}

/// A part of a patch.
pub(super) struct Block<'a> {
    rows: Vec<&'a [f32]>,
}

/// The variance of grey values below which a block has nothing to be recognised by: that of noise in
/// the last bits.
const FLAT: f32 = 4.0;

impl Block<'_> {
    fn count(&self) -> f32 {
        (self.rows.len() * self.rows.first().map_or(0, |row| row.len())) as f32
    }

    /// The mean, and the variance where that is not [`FLAT`].
    pub fn moments(&self) -> Option<(f32, f32)> {
        let values = || self.rows.iter().flat_map(|row| row.iter());
        let mean = values().sum::<f32>() / self.count();
        let variance = values().map(|v| (v - mean).powi(2)).sum::<f32>() / self.count();
        (variance >= FLAT).then_some((mean, variance))
    }

    /// The mean squared difference of neighbours along x and along y: how well a shift along either
    /// axis shows.
    pub fn steepness(&self) -> [f32; 2] {
        let along_x = |row: &&[f32]| row.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum::<f32>();
        let along_y = |pair: &[&[f32]]| -> f32 {
            pair[0].iter().zip(pair[1]).map(|(a, b)| (a - b).powi(2)).sum()
        };
        [
            self.rows.iter().map(along_x).sum::<f32>() / self.count(),
            self.rows.windows(2).map(along_y).sum::<f32>() / self.count(),
        ]
    }

    /// The normalised cross-correlation with a block of the same size, -1 to 1; 0 with a flat one.
    /// `moments` are this block's.
    pub fn correlation(&self, moments: (f32, f32), other: &Block<'_>) -> f32 {
        let Some((mean, variance)) = other.moments() else { return 0.0 };
        let products: f32 = self
            .rows
            .iter()
            .zip(&other.rows)
            .flat_map(|(a, b)| a.iter().zip(b.iter()))
            .map(|(a, b)| (a - moments.0) * (b - mean))
            .sum();
        products / (self.count() * (variance * moments.1).sqrt())
    }
}
