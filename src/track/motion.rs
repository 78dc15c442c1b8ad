//! How a structure moved from one frame to the next: blocks on its outline and in it are found again
//! by normalised cross-correlation, and a box that shifts and stretches is fitted to how they moved.

use crate::frame::Frame;
use crate::geometry::FrameBox;
use crate::mask::Mask;

use super::patch::Patch;
use super::shift::Shift;

/// Cells along the longer side of the structure's box: fine enough for a twentieth of a cell, an
/// interpolated maximum, to be a fraction of a percent of the structure.
const CELLS: f32 = 96.0;
/// What is looked at round the box, as a share of its longer side, on each side.
const AROUND: f32 = 0.25;
/// How far a structure is looked for, as a share of the longer side of its box.
const REACH: f32 = 0.25;
/// Cells of the coarse grid's side, in fine ones.
const COARSE: usize = 4;
/// How far a block is looked for round where the whole went, in cells.
const NEAR: i32 = 4;
/// Blocks on the outline.
const ON_OUTLINE: usize = 32;
/// Blocks inside, along each axis.
const INSIDE: usize = 3;
/// A displacement that is off the fit by more than this, in cells, counts for less (Huber's estimate).
const OFF: f32 = 1.0;
/// How strongly a stretch is held back, as a share of the weight of all blocks: speckle that changes
/// must not blow a box up.
const STIFFNESS: f32 = 0.03;
/// The greatest stretch from one frame to the next.
const GREATEST_STRETCH: f32 = 0.1;

/// What was seen of a structure on the next frame.
pub(super) struct Motion {
    /// How its box moved.
    pub shift: Shift,
    /// How alike its surroundings look after that, as the median correlation of its blocks: 1 for the
    /// same, about 0 for another picture.
    pub likeness: f32,
}

/// A block and where it was found.
struct Found {
    /// Where its middle was from the box's middle, as a share of half the box: -1 to 1 inside.
    place: [f32; 2],
    /// How far it moved, in cells.
    moved: [f32; 2],
    /// How much that says about each axis.
    weight: [f32; 2],
    correlation: f32,
}

/// How the structure in `bounds` moved from `before` to `now`; `mask` is its mask on `before`. `None`
/// where there is nothing to be recognised by, or all of it left the frame.
pub(super) fn motion(before: &Frame, now: &Frame, mask: &Mask, bounds: FrameBox) -> Option<Motion> {
    let longest = bounds.width().max(bounds.height()).max(1.0);
    let step = (longest / CELLS).round().max(1.0) as usize;
    let area = grown(bounds, longest * (AROUND + REACH));
    let (old, new) = (Patch::of(before, area, step), Patch::of(now, area, step));
    let whole = whole_shift(&old, &new, bounds, longest)?;
    let half = ((longest / step as f32) * 0.08).round().clamp(3.0, 8.0) as i32;
    let blocks = places(mask, bounds)
        .into_iter()
        .filter_map(|at| find(&old, &new, bounds, at, half, whole))
        .collect::<Vec<_>>();
    if blocks.is_empty() {
        return None;
    }
    let cell = step as f32;
    let axis = |axis: usize, low: f32, high: f32| {
        let (shift, stretch) = fit(&blocks, axis);
        let half = ((high - low) / 2.0).max(0.5);
        let scale = 1.0 + (stretch * cell / half).clamp(-GREATEST_STRETCH, GREATEST_STRETCH);
        let middle = (low + high) / 2.0;
        (scale, middle + shift * cell - scale * middle)
    };
    let (x, y) = (axis(0, bounds.x0, bounds.x1), axis(1, bounds.y0, bounds.y1));
    let mut likeness: Vec<f32> = blocks.iter().map(|b| b.correlation).collect();
    likeness.sort_by(f32::total_cmp);
    Some(Motion {
        shift: Shift { scale: [x.0, y.0], shift: [x.1, y.1] },
        likeness: likeness[likeness.len() / 2],
    })
}

pub(super) fn grown(b: FrameBox, by: f32) -> FrameBox {
    FrameBox { x0: b.x0 - by, y0: b.y0 - by, x1: b.x1 + by, y1: b.y1 + by }
}

/// How far the whole of it went, in cells of the fine grid: the best correlation on the coarse one.
fn whole_shift(old: &Patch, new: &Patch, bounds: FrameBox, longest: f32) -> Option<[i32; 2]> {
    let (old, new) = (old.coarser(COARSE), new.coarser(COARSE));
    let step = old.step as f32;
    let core = grown(bounds, longest * AROUND);
    let first = [core.x0, core.y0].map(|v| (v / step).ceil() as i32);
    let last = [core.x1, core.y1].map(|v| (v / step).floor() as i32);
    let size = [0, 1].map(|axis| (last[axis] - first[axis]).max(1) as usize);
    let block = old.block(first, size)?;
    let moments = block.moments()?;
    let reach = (longest * REACH / step) as i32;
    let mut best = (f32::NEG_INFINITY, [0, 0]);
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            if let Some(other) = new.block([first[0] + dx, first[1] + dy], size) {
                // Of two that are alike, the nearer one.
                let far = (dx * dx + dy * dy) as f32 / (reach * reach).max(1) as f32;
                let likeness = block.correlation(moments, &other) - 0.02 * far;
                if likeness > best.0 {
                    best = (likeness, [dx * COARSE as i32, dy * COARSE as i32]);
                }
            }
        }
    }
    Some(best.1)
}

/// Where blocks are looked at, in frame pixels: on the outline at even angles round the box's middle,
/// and on a grid inside.
fn places(mask: &Mask, b: FrameBox) -> Vec<[f32; 2]> {
    let (cx, cy) = ((b.x0 + b.x1) / 2.0, (b.y0 + b.y1) / 2.0);
    let (rx, ry) = (b.width() / 2.0, b.height() / 2.0);
    let outline = (0..ON_OUTLINE).map(|k| {
        let (sin, cos) = (k as f32 / ON_OUTLINE as f32 * std::f32::consts::TAU).sin_cos();
        // From a little beyond the box inwards to the first pixel of the mask.
        let reach = (1.0 / cos.abs().max(sin.abs())) * 1.05;
        let steps = 64;
        let inside = (0..steps)
            .map(|s| reach * (1.0 - s as f32 / steps as f32))
            .find(|t| mask.contains(crate::FramePoint::new(cx + t * rx * cos, cy + t * ry * sin)));
        let t = inside.unwrap_or(1.0);
        [cx + t * rx * cos, cy + t * ry * sin]
    });
    let inside = (0..INSIDE * INSIDE).map(|k| {
        let at = |i: usize| (i as f32 - (INSIDE - 1) as f32 / 2.0) / INSIDE as f32;
        [cx + at(k % INSIDE) * 2.0 * rx, cy + at(k / INSIDE) * 2.0 * ry]
    });
    outline.chain(inside).collect()
}

/// The block round `at` (frame pixels), found again on the new patch near `whole`.
fn find(
    old: &Patch,
    new: &Patch,
    bounds: FrameBox,
    at: [f32; 2],
    half: i32,
    whole: [i32; 2],
) -> Option<Found> {
    let corner = at.map(|v| (v / old.step as f32).floor() as i32 - half);
    let size = [2 * half as usize + 1; 2];
    let block = old.block(corner, size)?;
    let moments = block.moments()?;
    let side = (2 * NEAR + 1) as usize;
    let mut likeness = vec![f32::NEG_INFINITY; side * side];
    for (k, value) in likeness.iter_mut().enumerate() {
        let (dx, dy) = ((k % side) as i32 - NEAR, (k / side) as i32 - NEAR);
        let to = [corner[0] + whole[0] + dx, corner[1] + whole[1] + dy];
        if let Some(other) = new.block(to, size) {
            *value = block.correlation(moments, &other);
        }
    }
    let (best, &correlation) = likeness.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    if !correlation.is_finite() {
        return None;
    }
    // The vertex of a parabola through the maximum and its neighbours.
    let vertex = |low: Option<&f32>, high: Option<&f32>| match (low, high) {
        (Some(&l), Some(&h)) if l.is_finite() && h.is_finite() => {
            let bend = l - 2.0 * correlation + h;
            if bend < -1e-6 { (0.5 * (l - h) / bend).clamp(-0.5, 0.5) } else { 0.0 }
        }
        _ => 0.0,
    };
    let (i, j) = (best % side, best / side);
    let along_x = match i {
        0 => 0.0,
        i if i + 1 == side => 0.0,
        _ => vertex(likeness.get(best - 1), likeness.get(best + 1)),
    };
    let along_y =
        vertex(best.checked_sub(side).and_then(|k| likeness.get(k)), likeness.get(best + side));
    let steepness = block.steepness();
    let total = steepness[0] + steepness[1];
    let trust = correlation.max(0.0).powi(2);
    let (cx, cy) = ((bounds.x0 + bounds.x1) / 2.0, (bounds.y0 + bounds.y1) / 2.0);
    let half_sides = [bounds.width(), bounds.height()].map(|side| (side / 2.0).max(0.5));
    Some(Found {
        place: [(at[0] - cx) / half_sides[0], (at[1] - cy) / half_sides[1]],
        moved: [
            (whole[0] + i as i32 - NEAR) as f32 + along_x,
            (whole[1] + j as i32 - NEAR) as f32 + along_y,
        ],
        weight: steepness.map(|s| trust * s / total.max(1e-6)),
        correlation,
    })
}

/// Shift of the middle and stretch at the side, in cells, along one axis: iteratively reweighted
/// least squares.
fn fit(blocks: &[Found], axis: usize) -> (f32, f32) {
    let (mut shift, mut stretch) = (0.0, 0.0);
    for round in 0..6 {
        // Weight, place, displacement; and their products.
        let [mut w, mut u, mut uu, mut d, mut ud] = [1e-9f32, 0.0, 0.0, 0.0, 0.0];
        for b in blocks {
            let (place, moved) = (b.place[axis], b.moved[axis]);
            let off = (moved - shift - stretch * place).abs();
            let huber = if round == 0 || off <= OFF { 1.0 } else { OFF / off };
            let weight = b.weight[axis] * huber;
            w += weight;
            u += weight * place;
            uu += weight * place * place;
            d += weight * moved;
            ud += weight * place * moved;
        }
        let uu = uu + STIFFNESS * w;
        let determinant = w * uu - u * u;
        stretch = (w * ud - u * d) / determinant.max(1e-9);
        shift = (d - stretch * u) / w;
    }
    (shift, stretch)
}
