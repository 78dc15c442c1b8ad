//! Where the structure under a tap lies, for a model that was trained on boxes alone.
//!
//! A small network looks at the image embedding on a log-polar grid round the tap and says of each
//! cell whether it belongs to what was tapped: three answers, each with an estimate of its quality
//! (`models/tap_head`, where it is trained). The boxes of the answers are then prompts that the
//! decoder knows.

use std::array::from_fn;
use std::f32::consts::TAU;

use ndarray::{Array, Array4, ArrayView3, ArrayView4, Axis};

use crate::geometry::FrameBox;
use crate::prompt::{PointLabel, Prompt};

use super::error::ModelError;
use super::graph::Names;
use super::network::{Network, Threads, in_words, named};
use super::package::Package;
use super::preprocess::InputGeometry;

/// Cells round the tap: directions, the first to the right and then clockwise on the picture.
const ANGLES: usize = 24;
/// Cells outwards.
const RINGS: usize = 28;
/// Distances of the first and the last ring from the tap, in 256ths of the model input's side.
const REACH: [f32; 2] = [2.0, 190.0];
/// Probability from which a cell belongs to the structure.
const MEMBER: f32 = 0.5;

const NAMES: Names =
    Names { inputs: &["cell_features", "given"], outputs: &["cell_logits", "quality_logits"] };

/// Intersection over union of boxes from which both are of the same structure.
const SAME: f32 = 0.5;

/// The same from which an answer says again what a better one said, and is left out.
const REPEATED: f32 = 0.7;

/// The network, for embeddings of one shape.
pub(super) struct TapHead {
    network: Network,
}

/// Taps in model input pixels.
#[derive(Clone, Copy)]
pub(super) struct Taps<'a> {
    /// Where the grid is laid.
    pub centre: [f32; 2],
    /// Further places that belong to the structure.
    pub positive: &'a [[f32; 2]],
    /// Places that don't.
    pub negative: &'a [[f32; 2]],
}

/// A box round what may have been meant.
pub(super) struct FoundBox {
    /// On the frame, with an area.
    pub bounding_box: FrameBox,
    /// The network's estimate of how well its outline fits, 0 to 1.
    pub quality: f32,
}

/// What may have been meant by a tap.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    centre: [f32; 2],
    /// How far it reaches from `centre` in each direction, in model input pixels.
    radii: [f32; ANGLES],
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
    fn middle(&self) -> [f32; 2] {
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

impl TapHead {
    /// Loads that of `package`, if it has one, for embeddings of `channels` channels.
    pub fn load(
        package: &Package,
        channels: usize,
        threads: &Threads,
    ) -> Result<Option<Self>, ModelError> {
        let Some(onnx) = package.tap_head() else { return Ok(None) };
        let place = package.location().display().to_string();
        let network = Network::load("tap head", &place, onnx, &NAMES, threads)?;
        let shapes = [network.input_shape(0), network.input_shape(1), network.output_shape(0)];
        let expected = [channels, 3, 0].map(|c| [1, c, RINGS, ANGLES].map(Some).to_vec());
        let answers = shapes[2].as_ref().and_then(|shape| shape.get(1).copied().flatten());
        let quality = network.output_shape(1);
        let fits = |at: usize| shapes[at].as_ref() == Some(&expected[at]);
        match (answers, quality.as_deref()) {
            (Some(1..), Some(&[Some(1), q])) if fits(0) && fits(1) && q == answers => {
                Ok(Some(Self { network }))
            }
            _ => Err(named(
                "tap head",
                &place,
                format!(
                    "it takes {} and {} and gives {} and {}; for this encoder it must take \
                     1×{channels}×{RINGS}×{ANGLES} and 1×3×{RINGS}×{ANGLES}",
                    in_words(shapes[0].as_deref()),
                    in_words(shapes[1].as_deref()),
                    in_words(shapes[2].as_deref()),
                    in_words(quality.as_deref())
                ),
            )),
        }
    }

    /// The boxes of what may have been meant by the points of `prompt`, best quality first; none
    /// without a positive point. The grid is laid round the first of those.
    ///
    /// The nearer to the middle of a structure the grid lies, the better it is seen. So each is looked
    /// at once more from its middle, and what is found alike from both places is joined. What one
    /// answer says much as a better one does is left out.
    pub fn boxes(
        &self,
        features: ArrayView4<'_, f32>,
        geometry: InputGeometry,
        prompt: &Prompt,
    ) -> Result<Vec<FoundBox>, ModelError> {
        let labelled = |label| -> Vec<[f32; 2]> {
            prompt.points_labelled(label).map(|point| geometry.to_input(point)).collect()
        };
        let (positive, negative) = (labelled(PointLabel::Positive), labelled(PointLabel::Negative));
        let Some((&centre, positive)) = positive.split_first() else { return Ok(Vec::new()) };
        let taps = Taps { centre, positive, negative: &negative };
        let taps_all = [&[centre], positive].concat();
        let mut boxes: Vec<FoundBox> = Vec::new();
        let mut seen = Vec::new();
        for outline in self.outlines(features, geometry, taps)? {
            let (mut here, mut quality) = (outline.bounding_box(), outline.quality);
            if seen.iter().any(|&other| overlap(here, other) > REPEATED) {
                continue;
            }
            seen.push(here);
            let taps = Taps { centre: outline.middle(), positive: &taps_all, negative: &negative };
            let again = self.outlines(features, geometry, taps)?;
            let likeness = |there: &Outline| overlap(here, there.bounding_box());
            let same = again.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            if let Some(there) = same.filter(|there| likeness(there) > SAME) {
                here = joined(here, there.bounding_box());
                quality = (quality * there.quality).sqrt();
            }
            let [low, high] = here.map(|corner| geometry.to_frame(corner));
            let bounding_box = FrameBox::from_corners(low, high);
            // On a frame of one row or column there is no box.
            if bounding_box.width() > 0.0 && bounding_box.height() > 0.0 {
                boxes.push(FoundBox { bounding_box, quality });
            }
        }
        boxes.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        Ok(boxes)
    }

    /// What may have been meant, best quality first. `features` is the image embedding of a frame
    /// that lies in the input as `geometry` says.
    pub fn outlines(
        &self,
        features: ArrayView4<'_, f32>,
        geometry: InputGeometry,
        taps: Taps<'_>,
    ) -> Result<Vec<Outline>, ModelError> {
        let unit = geometry.input as f32 / 256.0;
        let radii = ring_radii().map(|radius| radius * unit);
        let cells = cells(taps.centre, &radii);
        let per_cell = geometry.input as f32 / features.dim().2 as f32;
        let sampled = sampled(features.index_axis(Axis(0), 0), &cells, per_cell);
        let given = given(taps, &cells, &radii, geometry);
        let outputs = self.network.run_arrays(&[sampled.into_dyn(), given.into_dyn()])?;
        let mut outlines = Vec::new();
        for (answer, quality) in outputs[0].index_axis(Axis(0), 0).outer_iter().zip(&outputs[1]) {
            let logits: Vec<f32> = answer.iter().copied().collect();
            if !logits.iter().chain([quality]).all(|v| v.is_finite()) {
                let reason = "it gave values that are not numbers".into();
                return Err(ModelError::Run { network: "tap head", reason });
            }
            let probability = |ring: usize, angle: usize| logistic(logits[ring * ANGLES + angle]);
            outlines.push(Outline {
                centre: taps.centre,
                radii: reach(probability, &radii),
                quality: logistic(*quality),
            });
        }
        outlines.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        Ok(outlines)
    }
}

/// Intersection over union of two boxes, each of its lowest and its highest corner.
fn overlap(a: [[f32; 2]; 2], b: [[f32; 2]; 2]) -> f32 {
    let area =
        |[low, high]: [[f32; 2]; 2]| (high[0] - low[0]).max(0.0) * (high[1] - low[1]).max(0.0);
    let low = from_fn(|axis| a[0][axis].max(b[0][axis]));
    let high = from_fn(|axis| a[1][axis].min(b[1][axis]));
    let both = area([low, high]);
    both / (area(a) + area(b) - both)
}

/// The box half way between two.
fn joined(a: [[f32; 2]; 2], b: [[f32; 2]; 2]) -> [[f32; 2]; 2] {
    from_fn(|corner| from_fn(|axis| (a[corner][axis] + b[corner][axis]) / 2.0))
}

fn logistic(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The unit vector of a direction of the grid.
fn direction(angle: usize) -> [f32; 2] {
    let theta = angle as f32 * TAU / ANGLES as f32;
    [theta.cos(), theta.sin()]
}

/// Distances of the rings, in 256ths of the model input's side: each is the same multiple of the one
/// before.
fn ring_radii() -> [f32; RINGS] {
    let step = (REACH[1] / REACH[0]).ln() / (RINGS - 1) as f32;
    from_fn(|ring| REACH[0] * (step * ring as f32).exp())
}

/// Where the cells lie: rings × angles, in model input pixels.
fn cells(centre: [f32; 2], radii: &[f32; RINGS]) -> Vec<[f32; 2]> {
    let directions: [[f32; 2]; ANGLES] = from_fn(direction);
    let ring = |radius: &f32| {
        let radius = *radius;
        directions.map(|[dx, dy]| [centre[0] + radius * dx, centre[1] + radius * dy])
    };
    radii.iter().flat_map(ring).collect()
}

/// The features at the cells, between those of the embedding; beyond its rim, those of the rim.
/// `features`: channels × rows × columns, each of `per_cell` model input pixels.
fn sampled(features: ArrayView3<'_, f32>, cells: &[[f32; 2]], per_cell: f32) -> Array4<f32> {
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
    let mut values = Vec::with_capacity(channels * cells.len());
    for channel in features.outer_iter() {
        let rows = channel.as_standard_layout();
        let plane = rows.as_slice().unwrap_or_default();
        values.extend(places.iter().map(|(at, weight)| {
            plane[at[0]] * weight[0]
                + plane[at[1]] * weight[1]
                + plane[at[2]] * weight[2]
                + plane[at[3]] * weight[3]
        }));
    }
    Array::from_shape_fn((1, channels, RINGS, ANGLES), |(_, channel, ring, angle)| {
        values[(channel * RINGS + ring) * ANGLES + angle]
    })
}

/// What is known beside the features: which cells lie on the frame, and further taps, positive and
/// negative, each shared among the four cells next to it.
fn given(
    taps: Taps<'_>,
    cells: &[[f32; 2]],
    radii: &[f32; RINGS],
    geometry: InputGeometry,
) -> Array4<f32> {
    let mut given = Array4::zeros((1, 3, RINGS, ANGLES));
    let high = [geometry.resized.width, geometry.resized.height].map(|side| side as f32 - 0.5);
    for (at, cell) in cells.iter().enumerate() {
        let inside = (0..2).all(|axis| cell[axis] >= -0.5 && cell[axis] < high[axis]);
        given[[0, 0, at / ANGLES, at % ANGLES]] = f32::from(u8::from(inside));
    }
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
                    let cell = &mut given[[0, channel, r, a % ANGLES]];
                    *cell = f32::min(*cell + wr * wa, 1.0);
                }
            }
        }
    }
    given
}

/// How far the member cells that hang together with the tap reach in each direction, where the
/// probability falls through [`MEMBER`] between two rings. The first two rings always belong.
fn reach(probability: impl Fn(usize, usize) -> f32, radii: &[f32; RINGS]) -> [f32; ANGLES] {
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

#[cfg(test)]
mod tests;
