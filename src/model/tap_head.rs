//! Where the structure under a tap lies, for a model that was trained on boxes alone.
//!
//! A small network looks at the image embedding on a log-polar grid round the tap and says of each
//! cell whether it belongs to what was tapped: three answers, each with an estimate of its quality
//! (`models/tap_head`, where it is trained). The boxes of the answers are then prompts that the
//! decoder knows.

use std::array::from_fn;

use ndarray::{ArrayView4, Axis};

use crate::geometry::FrameBox;
use crate::prompt::{PointLabel, Prompt};

use super::error::ModelError;
use super::graph::parsed;
use super::network::{Threads, contained, named};
use super::package::Package;
use super::preprocess::InputGeometry;
use grid::{ANGLES, Taps, cells, given, ring_radii, sampled};
use outline::{Outline, reach};
use polar_network::{Answers, PolarNetwork};

mod grid;
mod outline;
mod polar_network;
mod weights;

/// Intersection over union of boxes from which both are of the same structure.
const SAME: f32 = 0.5;

/// The same from which an answer says again what a better one said, and is left out.
const REPEATED: f32 = 0.7;

/// The part of the best answer's quality below which another is left out. Chosen on real frames, endoscope
/// views and coins (`tests/taps`): nothing that is better than the first answer is lost, and a third to a half
/// of the further answers need no decoding.
const WORTH: f32 = 0.4;

/// The network, for embeddings of one shape.
pub(super) struct TapHead {
    network: PolarNetwork,
}

/// A box round what may have been meant.
pub(super) struct FoundBox {
    /// On the frame, with an area.
    pub bounding_box: FrameBox,
    /// The network's estimate of how well its outline fits, 0 to 1.
    pub quality: f32,
}

impl TapHead {
    /// Loads that of `package`, if it has one, for embeddings of `channels` channels.
    pub fn load(package: &Package, channels: usize) -> Result<Option<Self>, ModelError> {
        let Some(onnx) = package.tap_head() else { return Ok(None) };
        let network =
            contained(|| parsed(onnx)).and_then(|onnx| PolarNetwork::new(&onnx, channels));
        let network = network.map_err(|reason| {
            let remedy =
                "get the package again, or write the head anew with models/tap_head/export.py";
            let place = package.location().display().to_string();
            named("tap head", &place, format!("{reason}; {remedy}"))
        })?;
        Ok(Some(Self { network }))
    }

    /// The boxes of what may have been meant by the points of `prompt`, best quality first; none
    /// without a positive point. The grid is laid round the first of those.
    ///
    /// The nearer to the middle of a structure the grid lies, the better it is seen. So each is looked
    /// at once more from its middle, and what is found alike from both places is joined. What one
    /// answer says much as a better one does is left out, and so is what is thought far less likely. The
    /// second looks are shared out among `threads`.
    pub fn boxes(
        &self,
        features: ArrayView4<'_, f32>,
        geometry: InputGeometry,
        prompt: &Prompt,
        threads: &Threads,
    ) -> Result<Vec<FoundBox>, ModelError> {
        let labelled = |label| -> Vec<[f32; 2]> {
            prompt.points_labelled(label).map(|point| geometry.to_input(point)).collect()
        };
        let (positive, negative) = (labelled(PointLabel::Positive), labelled(PointLabel::Negative));
        let Some((&centre, positive)) = positive.split_first() else { return Ok(Vec::new()) };
        let taps = Taps { centre, positive, negative: &negative };
        let taps_all = [&[centre], positive].concat();
        let mut distinct: Vec<Outline> = Vec::new();
        for outline in self.outlines(features, geometry, taps)? {
            let repeats =
                |other: &Outline| overlap(outline.bounding_box(), other.bounding_box()) > REPEATED;
            if !distinct.iter().any(repeats) {
                distinct.push(outline);
            }
        }
        let look_again = |_, outline: &Outline| {
            let (mut here, mut quality) = (outline.bounding_box(), outline.quality);
            let taps = Taps { centre: outline.middle(), positive: &taps_all, negative: &negative };
            let again = self.outlines(features, geometry, taps)?;
            let likeness = |there: &Outline| overlap(here, there.bounding_box());
            let same = again.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            if let Some(there) = same.filter(|there| likeness(there) > SAME) {
                here = joined(here, there.bounding_box());
                quality = (quality * there.quality).sqrt();
            }
            let [low, high] = here.map(|corner| geometry.to_frame(corner));
            Ok(FoundBox { bounding_box: FrameBox::from_corners(low, high), quality })
        };
        let mut boxes = threads.spread(&distinct, look_again)?;
        // On a frame of one row or column there is no box.
        boxes.retain(|b| b.bounding_box.width() > 0.0 && b.bounding_box.height() > 0.0);
        Ok(likely(boxes))
    }

    /// What may have been meant, best quality first. `features` is the image embedding of a frame
    /// that lies in the input as `geometry` says.
    fn outlines(
        &self,
        features: ArrayView4<'_, f32>,
        geometry: InputGeometry,
        taps: Taps<'_>,
    ) -> Result<Vec<Outline>, ModelError> {
        let (channels, expected) = (features.dim().1, self.network.channels());
        if channels != expected {
            let reason = format!("the embedding has {channels} channels, not {expected}");
            return Err(ModelError::Run { network: "tap head", reason });
        }
        let unit = geometry.input as f32 / 256.0;
        let radii = ring_radii().map(|radius| radius * unit);
        let cells = cells(taps.centre, &radii);
        let per_cell = geometry.input as f32 / features.dim().2 as f32;
        let sampled = sampled(features.index_axis(Axis(0), 0), &cells, per_cell);
        let given = given(taps, &cells, &radii, geometry);
        let Answers { logits, quality } = self.network.answer(&sampled, &given);
        let mut outlines = Vec::new();
        for (logits, quality) in logits.iter().zip(quality) {
            if !logits.iter().chain([&quality]).all(|v| v.is_finite()) {
                let reason = "it gave values that are not numbers".into();
                return Err(ModelError::Run { network: "tap head", reason });
            }
            let probability = |ring: usize, angle: usize| logistic(logits[ring * ANGLES + angle]);
            outlines.push(Outline {
                centre: taps.centre,
                radii: reach(probability, &radii),
                quality: logistic(quality),
            });
        }
        outlines.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        Ok(outlines)
    }
}

/// The boxes that are worth decoding, best quality first.
fn likely(mut boxes: Vec<FoundBox>) -> Vec<FoundBox> {
    boxes.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    let best = boxes.first().map_or(0.0, |b| b.quality);
    boxes.retain(|b| b.quality >= WORTH * best);
    boxes
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

#[cfg(test)]
mod tests;
