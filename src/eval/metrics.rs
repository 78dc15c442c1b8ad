//! How well a mask fits the true one.

use serde::{Deserialize, Serialize};

use crate::distance::distances;
use crate::frame::PixelSpacing;
use crate::mask::Mask;

/// The tolerance of the normalised surface Dice, in pixels and, where the spacing is known, in
/// millimetres.
pub const NSD_TOLERANCE: f64 = 2.0;

/// How well a mask fits the true one: 1 where they are the same, 0 where they have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The share of the picture's pixels that are rightly inside or outside.
    pub pixel_accuracy: f64,
    /// Intersection over union.
    pub iou: f64,
    /// The Dice coefficient.
    pub dice: f64,
    /// [Normalised surface Dice](surface_dice) at a tolerance of 2 pixels.
    pub nsd_2px: f64,
    /// The same at 2 mm, where the picture states its pixel spacing.
    pub nsd_2mm: Option<f64>,
}

impl Scores {
    /// The scores of `found` where `truth` is true.
    ///
    /// # Panics
    /// If the masks are of different sizes.
    pub fn of(found: &Mask, truth: &Mask, spacing: Option<PixelSpacing>) -> Self {
        let equal = found.pixels().iter().zip(truth.pixels()).filter(|(a, b)| a == b).count();
        let in_mm = |spacing: PixelSpacing| {
            let along = [spacing.row_mm, spacing.column_mm].map(f64::from);
            surface_dice(found, truth, along, NSD_TOLERANCE)
        };
        Self {
            pixel_accuracy: equal as f64 / truth.size().pixels() as f64,
            iou: found.iou(truth),
            dice: found.dice(truth),
            nsd_2px: surface_dice(found, truth, [1.0; 2], NSD_TOLERANCE),
            nsd_2mm: spacing.map(in_mm),
        }
    }
}

/// Pixels of a mask and of the true one; those of several slices add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// In the mask that was found.
    pub found_px: u64,
    /// In the true one.
    pub true_px: u64,
    /// In both.
    pub both_px: u64,
}

impl Overlap {
    /// The pixels of `found` where `truth` is true.
    ///
    /// # Panics
    /// If the masks are of different sizes.
    pub fn of(found: &Mask, truth: &Mask) -> Self {
        assert_eq!(found.size(), truth.size(), "only masks of the same frame can be compared");
        let both = found.pixels().iter().zip(truth.pixels()).map(|(a, b)| u64::from(a & b)).sum();
        Self { found_px: found.area_px(), true_px: truth.area_px(), both_px: both }
    }

    /// Adds those of another slice.
    pub fn add(&mut self, other: Self) {
        self.found_px += other.found_px;
        self.true_px += other.true_px;
        self.both_px += other.both_px;
    }

    /// The Dice coefficient; 1 where both masks are empty.
    pub fn dice(self) -> f64 {
        let all = self.found_px + self.true_px;
        if all == 0 { 1.0 } else { 2.0 * self.both_px as f64 / all as f64 }
    }
}

/// Normalised surface Dice (Nikolov et al., *Deep learning to achieve clinically applicable
/// segmentation of head and neck anatomy*, 2018), as their program `surface-distance`, which the
/// MedSAM challenges use too, computes it in two dimensions: the share of both outlines' length that
/// lies within `tolerance` of the other outline. Outlines run between pixels; `spacing` is that
/// between rows and between columns, in the tolerance's unit. 1 where both masks are empty, for which
/// theirs has no number.
///
/// # Panics
/// If the masks are of different sizes.
pub fn surface_dice(a: &Mask, b: &Mask, spacing: [f64; 2], tolerance: f64) -> f64 {
    assert_eq!(a.size(), b.size(), "only masks of the same frame can be compared");
    let Some(window) = Window::round([a, b]) else { return 1.0 };
    let lengths = [a, b].map(|mask| window.contour_lengths(mask, spacing));
    let on_contour = |lengths: &[f64]| lengths.iter().map(|l| *l > 0.0).collect::<Vec<_>>();
    let (mut near, mut whole) = (0.0, 0.0);
    for (own, other) in [(&lengths[0], &lengths[1]), (&lengths[1], &lengths[0])] {
        let away = distances(window.columns, window.rows, spacing, &on_contour(other));
        whole += own.iter().sum::<f64>();
        near +=
            own.iter().zip(&away).filter(|(_, d)| **d <= tolerance).map(|(l, _)| l).sum::<f64>();
    }
    near / whole
}

/// The corners between pixels that outlines of some masks can touch.
struct Window {
    left: usize,
    top: usize,
    columns: usize,
    rows: usize,
}

impl Window {
    /// `None` where nothing is inside any of `masks`.
    fn round<const N: usize>(masks: [&Mask; N]) -> Option<Self> {
        let boxes = masks.into_iter().filter_map(Mask::bounding_box);
        let all = boxes.reduce(|a, b| crate::FrameBox {
            x0: a.x0.min(b.x0),
            y0: a.y0.min(b.y0),
            x1: a.x1.max(b.x1),
            y1: a.y1.max(b.y1),
        })?;
        Some(Self {
            left: all.x0 as usize,
            top: all.y0 as usize,
            columns: all.width() as usize + 2,
            rows: all.height() as usize + 2,
        })
    }

    /// The length of the outline at each corner between four pixels: half a diagonal where it cuts
    /// off one pixel, a side where it runs straight, two half diagonals where it does so twice.
    fn contour_lengths(&self, mask: &Mask, [row, column]: [f64; 2]) -> Vec<f64> {
        let half_diagonal = row.hypot(column) / 2.0;
        let inside = |x: usize, y: usize| {
            // Corner (x, y) has the pixels x − 1 and x, y − 1 and y round it.
            let (x, y) = (x.checked_sub(1), y.checked_sub(1));
            let (Some(x), Some(y)) = (x, y) else { return false };
            let within = x < mask.size().width as usize && y < mask.size().height as usize;
            within && mask.row(y as u32)[x] != 0
        };
        let mut lengths = Vec::with_capacity(self.columns * self.rows);
        for y in self.top..self.top + self.rows {
            for x in self.left..self.left + self.columns {
                let four = [inside(x, y), inside(x + 1, y), inside(x, y + 1), inside(x + 1, y + 1)];
                let count = four.iter().filter(|inside| **inside).count();
                lengths.push(match count {
                    0 | 4 => 0.0,
                    1 | 3 => half_diagonal,
                    _ if four[0] == four[1] => column,
                    _ if four[0] == four[2] => row,
                    _ => 2.0 * half_diagonal,
                });
            }
        }
        lengths
    }
}

#[cfg(test)]
mod tests;
