//! What may have been meant by a tap, as an outline round it.

use std::array::from_fn;

use super::grid::{ANGLES, RINGS, direction};

/// Probability from which a cell belongs to the structure.
const MEMBER: f32 = 0.5;

/// What may have been meant by a tap.
#[derive(Clone, Debug)]
pub(in super::super) struct Outline {
    pub(super) centre: [f32; 2],
    /// How far it reaches from `centre` in each direction, in model input pixels.
    pub(super) radii: [f32; ANGLES],
    /// The network's estimate of how well this outline fits, 0 to 1.
    pub quality: f32,
}

impl Outline {
    fn corners(&self) -> impl Iterator<Item = [f32; 2]> {
        (0..ANGLES).map(|angle| {
            let [dx, dy] = direction(angle);
            [self.centre[0] + self.radii[angle] * dx, self.centre[1] + self.radii[angle] * dy]
        })
    }

    /// The centroid of what lies within, in model input pixels.
    pub(super) fn middle(&self) -> [f32; 2] {
        let r = |angle: usize| self.radii[angle % ANGLES];
        // Triangles from the centre to two neighbouring corners: the area of each, but for a factor
        // that all have, and its centroid.
        let mut sums = [0.0; 3];
        for angle in 0..ANGLES {
            let area = r(angle) * r(angle + 1);
            let (a, b) = (direction(angle), direction(angle + 1));
            let third = |axis| (a[axis] * r(angle) + b[axis] * r(angle + 1)) / 3.0;
            sums[0] += area * third(0);
            sums[1] += area * third(1);
            sums[2] += area;
        }
        from_fn(|axis| self.centre[axis] + sums[axis] / sums[2])
    }

    /// The corners of its box, top left first, in model input pixels.
    pub fn bounding_box(&self) -> [[f32; 2]; 2] {
        let beyond = [[f32::INFINITY; 2], [f32::NEG_INFINITY; 2]];
        self.corners().fold(beyond, |[low, high], corner| {
            [
                from_fn(|axis| low[axis].min(corner[axis])),
                from_fn(|axis| high[axis].max(corner[axis])),
            ]
        })
    }
}

/// How far the member cells that hang together with the tap reach in each direction, where the
/// probability falls through [`MEMBER`] between two rings. The first two rings always belong.
pub(super) fn reach(
    probability: impl Fn(usize, usize) -> f32,
    radii: &[f32; RINGS],
) -> [f32; ANGLES] {
    let mut member = [[false; ANGLES]; RINGS];
    let mut open: Vec<(usize, usize)> =
        (0..2).flat_map(|r| (0..ANGLES).map(move |a| (r, a))).collect();
    open.iter().for_each(|&(r, a)| member[r][a] = true);
    while let Some((ring, angle)) = open.pop() {
        let nearest = ring.saturating_sub(1);
        for (r, member) in member.iter_mut().enumerate().take(ring + 2).skip(nearest) {
            for a in [angle + ANGLES - 1, angle, angle + 1].map(|a| a % ANGLES) {
                if !member[a] && probability(r, a) > MEMBER {
                    member[a] = true;
                    open.push((r, a));
                }
            }
        }
    }
    let step = (radii[1] / radii[0]).ln();
    from_fn(|angle| {
        let last = (0..RINGS).rev().find(|&ring| member[ring][angle]).unwrap_or(0);
        if last + 1 == RINGS {
            return radii[last];
        }
        let inner = probability(last, angle).max(MEMBER);
        let outer = probability(last + 1, angle).min(MEMBER - 1e-3);
        radii[last] * (step * (inner - MEMBER) / (inner - outer)).exp()
    })
}
