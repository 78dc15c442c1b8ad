//! The log-polar grid round a tap, on which the tap head sees the image embedding.

use std::array::from_fn;
use std::f32::consts::TAU;

use ndarray::ArrayView3;

use super::InputGeometry;

/// Cells round the tap: directions, the first to the right and then clockwise on the picture.
pub(super) const ANGLES: usize = 24;
/// Cells outwards.
pub(super) const RINGS: usize = 28;
/// Distances of the first and the last ring from the tap, in 256ths of the model input's side.
const REACH: [f32; 2] = [2.0, 190.0];

/// Taps in model input pixels.
#[derive(Clone, Copy)]
pub(in super::super) struct Taps<'a> {
    /// Where the grid is laid.
    pub centre: [f32; 2],
    /// Further places that belong to the structure.
    pub positive: &'a [[f32; 2]],
    /// Places that don't.
    pub negative: &'a [[f32; 2]],
}

/// The unit vector of a direction of the grid.
pub(super) fn direction(angle: usize) -> [f32; 2] {
    let theta = angle as f32 * TAU / ANGLES as f32;
    [theta.cos(), theta.sin()]
}

/// Distances of the rings, in 256ths of the model input's side: each is the same multiple of the one
/// before.
pub(super) fn ring_radii() -> [f32; RINGS] {
    let step = (REACH[1] / REACH[0]).ln() / (RINGS - 1) as f32;
    from_fn(|ring| REACH[0] * (step * ring as f32).exp())
}

/// Where the cells lie: rings × angles, in model input pixels.
pub(super) fn cells(centre: [f32; 2], radii: &[f32; RINGS]) -> Vec<[f32; 2]> {
    let directions: [[f32; 2]; ANGLES] = from_fn(direction);
    let ring = |radius: &f32| {
        let radius = *radius;
        directions.map(|[dx, dy]| [centre[0] + radius * dx, centre[1] + radius * dy])
    };
    radii.iter().flat_map(ring).collect()
}

/// Channels that are sampled together: their part of the embedding fits the second cache.
const TOGETHER: usize = 16;

/// The features at the cells, between those of the embedding; beyond its rim, those of the rim: cell ×
/// channel. `features`: channels × rows × columns, each of `per_cell` model input pixels.
pub(super) fn sampled(
    features: ArrayView3<'_, f32>,
    cells: &[[f32; 2]],
    per_cell: f32,
) -> Vec<f32> {
    let (channels, rows, columns) = features.dim();
    // Four places and their weights; the centre of a pixel is a whole number in both spaces.
    let place = |[x, y]: &[f32; 2]| {
        let at = |v: f32, length: usize| {
            let v = ((v + 0.5) / per_cell - 0.5).clamp(0.0, (length - 1) as f32);
            let low = v as usize;
            (low, (low + 1).min(length - 1), v - low as f32)
        };
        let ((x0, x1, wx), (y0, y1, wy)) = (at(*x, columns), at(*y, rows));
        let places = [y0 * columns + x0, y0 * columns + x1, y1 * columns + x0, y1 * columns + x1];
        let weights = [(1.0 - wx) * (1.0 - wy), wx * (1.0 - wy), (1.0 - wx) * wy, wx * wy];
        (places, weights)
    };
    let places: Vec<([usize; 4], [f32; 4])> = cells.iter().map(place).collect();
    let features = features.as_standard_layout();
    let planes = features.as_slice().unwrap_or_default();
    let mut values = vec![0.0; cells.len() * channels];
    let together = planes.chunks(TOGETHER * rows * columns);
    for (first, planes) in (0..channels).step_by(TOGETHER).zip(together) {
        for (cell, (at, weight)) in values.chunks_exact_mut(channels).zip(&places) {
            let planes = planes.chunks_exact(rows * columns);
            for (value, plane) in cell[first..].iter_mut().zip(planes) {
                *value = plane[at[0]] * weight[0]
                    + plane[at[1]] * weight[1]
                    + plane[at[2]] * weight[2]
                    + plane[at[3]] * weight[3];
            }
        }
    }
    values
}

/// What is known of each cell beside the features: whether it lies on the frame, and how much of further
/// taps is in it, positive and negative, each of which is shared among the four cells next to it.
pub(super) fn given(
    taps: Taps<'_>,
    cells: &[[f32; 2]],
    radii: &[f32; RINGS],
    geometry: InputGeometry,
) -> Vec<[f32; 3]> {
    let high = [geometry.resized.width, geometry.resized.height].map(|side| side as f32 - 0.5);
    let on_frame = |cell: &[f32; 2]| {
        let inside = (0..2).all(|axis| cell[axis] >= -0.5 && cell[axis] < high[axis]);
        [f32::from(u8::from(inside)), 0.0, 0.0]
    };
    let mut given: Vec<[f32; 3]> = cells.iter().map(on_frame).collect();
    let step = (radii[1] / radii[0]).ln();
    for (channel, points) in [(1, taps.positive), (2, taps.negative)] {
        for point in points {
            let (dx, dy) = (point[0] - taps.centre[0], point[1] - taps.centre[1]);
            let ring = (dx.hypot(dy).max(1e-3) / radii[0]).ln() / step;
            let ring = ring.clamp(0.0, (RINGS - 1) as f32);
            let angle = (dy.atan2(dx) / TAU).rem_euclid(1.0) * ANGLES as f32;
            let (r, a) = ((ring as usize).min(RINGS - 2), angle as usize);
            let (wr, wa) = (ring - r as f32, angle - a as f32);
            for (r, wr) in [(r, 1.0 - wr), (r + 1, wr)] {
                for (a, wa) in [(a, 1.0 - wa), (a + 1, wa)] {
                    let cell = &mut given[r * ANGLES + a % ANGLES][channel];
                    *cell = f32::min(*cell + wr * wa, 1.0);
                }
            }
        }
    }
    given
}
