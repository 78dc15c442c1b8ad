//! What f32 answers, and how far from it another package's answers are.

use super::cases::Case;
use super::{Disagreement, Fidelity, LayerNoise, Summary};
use crate::geometry::{FrameBox, FramePoint};
use crate::mask::Mask;
use crate::model::{ImageEmbedding, ModelError, Package, Segmenter};
use crate::prompt::{PointLabel, Prompt};

/// A mask whose stability score is less is a guess, which says little about a model. Segment
/// Anything's own generator of masks has 0.95; small structures at 256 pixels seldom reach that.
const SURE: f32 = 0.85;

/// How many of the prompts that agree least are told.
const WORST: usize = 5;

/// What a model in f32 answers to [`Case`]s.
pub struct Baseline {
    cases: Vec<Answered>,
    bytes: u64,
}

/// A case with its answers.
pub(super) struct Answered {
    pub(super) case: Case,
    pub(super) embedding: ImageEmbedding,
    /// One a prompt.
    pub(super) by_box: Vec<(FrameBox, Mask)>,
    by_point: Vec<(FramePoint, Mask)>,
}

impl Baseline {
    /// Asks `segmenter`, loaded from the `package` in f32, about `cases`. Where prompts are not
    /// those of known outlines, only those count whose answer the model is sure of; all of them if
    /// there is none. `on_case` is told how many cases are done.
    ///
    /// # Errors
    /// [`ModelError`] where the engine fails.
    pub fn new(
        package: &Package,
        segmenter: &Segmenter,
        cases: Vec<Case>,
        mut on_case: impl FnMut(u64),
    ) -> Result<Self, ModelError> {
        let mut answered = Vec::with_capacity(cases.len());
        for (done, case) in cases.into_iter().enumerate() {
            let embedding = segmenter.set_image(&case.frame)?;
            let by_box = sure(&case.boxes, |b| ask(segmenter, &embedding, &box_prompt(b)))?;
            let by_point = sure(&case.points, |p| ask(segmenter, &embedding, &point_prompt(p)))?;
            answered.push(Answered { case, embedding, by_box, by_point });
            on_case(done as u64 + 1);
        }
        let bytes = package.size_bytes();
        Ok(Self { cases: answered, bytes })
    }

    /// The cases with their answers.
    pub(super) fn answered(&self) -> impl Iterator<Item = &Answered> {
        self.cases.iter()
    }

    /// Asks `segmenter`, loaded from `package`, the same. `layers` come from
    /// [`layer_noise`](super::layer_noise); `on_case` is told how many cases are done.
    ///
    /// # Errors
    /// [`ModelError`] where the engine fails.
    pub fn compare(
        &self,
        package: &Package,
        segmenter: &Segmenter,
        layers: Vec<LayerNoise>,
        mut on_case: impl FnMut(u64),
    ) -> Result<Fidelity, ModelError> {
        let (mut cosines, mut boxes, mut points) = (vec![], vec![], vec![]);
        let mut worst = vec![];
        for (done, answered) in self.cases.iter().enumerate() {
            let embedding = segmenter.set_image(&answered.case.frame)?;
            cosines.push(cosine(&answered.embedding, &embedding)?);
            let image = &answered.case.name;
            for (b, expected) in &answered.by_box {
                let iou = agreement(&ask(segmenter, &embedding, &box_prompt(b))?.0, expected);
                let FrameBox { x0, y0, x1, y1 } = b;
                let prompt = format!("--box {x0:.0},{y0:.0},{x1:.0},{y1:.0}");
                worst.push(Disagreement { image: image.clone(), prompt, mask_iou: iou });
                boxes.push(iou);
            }
            for (point, expected) in &answered.by_point {
                let iou = agreement(&ask(segmenter, &embedding, &point_prompt(point))?.0, expected);
                let prompt = format!("--point {:.0},{:.0}", point.x, point.y);
                worst.push(Disagreement { image: image.clone(), prompt, mask_iou: iou });
                points.push(iou);
            }
            on_case(done as u64 + 1);
        }
        worst.sort_by(|a, b| a.mask_iou.total_cmp(&b.mask_iou));
        worst.truncate(WORST);
        Ok(Fidelity {
            model: package.manifest().name.clone(),
            weights: package.manifest().weights.clone(),
            bytes: package.size_bytes(),
            f32_bytes: self.bytes,
            images: self.cases.len(),
            embedding_cosine: Summary::of(cosines),
            box_mask_iou: Summary::of(boxes),
            point_mask_iou: Summary::of(points),
            worst,
            layers,
        })
    }
}

fn box_prompt(b: &FrameBox) -> Prompt {
    Prompt::default().in_box(*b)
}

fn point_prompt(point: &FramePoint) -> Prompt {
    Prompt::default().point(*point, PointLabel::Positive)
}

/// The best mask for `prompt`, and its stability score.
fn ask(
    segmenter: &Segmenter,
    embedding: &ImageEmbedding,
    prompt: &Prompt,
) -> Result<(Mask, f32), ModelError> {
    let masks = segmenter.predict(embedding, prompt)?;
    Ok((masks.best().mask.clone(), masks.best().stability_score))
}

/// The prompts whose answers are sure, with their masks; all of them if none is.
fn sure<P: Copy>(
    prompts: &[P],
    mut ask: impl FnMut(&P) -> Result<(Mask, f32), ModelError>,
) -> Result<Vec<(P, Mask)>, ModelError> {
    let answers: Result<Vec<_>, ModelError> =
        prompts.iter().map(|prompt| Ok((*prompt, ask(prompt)?))).collect();
    let answers = answers?;
    let any = answers.iter().any(|(_, (_, stability))| *stability >= SURE);
    let kept = answers.into_iter().filter(|(_, (_, stability))| !any || *stability >= SURE);
    Ok(kept.map(|(prompt, (mask, _))| (prompt, mask)).collect())
}

/// IoU of two masks; empty ones agree.
fn agreement(found: &Mask, expected: &Mask) -> f64 {
    match (found.area_px(), expected.area_px()) {
        (0, 0) => 1.0,
        _ => found.iou(expected),
    }
}

fn cosine(a: &ImageEmbedding, b: &ImageEmbedding) -> Result<f64, ModelError> {
    let (a, b) = (a.features()?, b.features()?);
    let (mut product, mut squares) = (0.0, [0.0; 2]);
    for (a, b) in a.iter().zip(b.iter()).map(|(a, b)| (f64::from(*a), f64::from(*b))) {
        product += a * b;
        squares[0] += a * a;
        squares[1] += b * b;
    }
    Ok(product / (squares[0] * squares[1]).sqrt().max(f64::MIN_POSITIVE))
}
