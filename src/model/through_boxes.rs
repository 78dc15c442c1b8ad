//! Prompts answered through boxes, for a model that was trained on boxes alone.
//!
//! Where a tap head found what was tapped, the best of its boxes is tried in several sizes: the decoder
//! fills a box that is a little too small or too large about as willingly as the right one, but its
//! predicted IoU tells them apart, and costs half of what a mask does.

use ndarray::Array2;

use crate::geometry::FrameBox;
use crate::prompt::{MaskPrompt, Prompt, PromptError};

use super::decoder::{Decoded, Judged, Tokens};
use super::error::ModelError;
use super::masks::{MaskCandidate, Masks};
use super::preprocess::InputGeometry;
use super::segmenter::{ImageEmbedding, Segmenter, candidate};
use super::tap_boxes::{self, SizedBox};

impl Segmenter {
    /// The masks that a prompt asks for, best first.
    pub(super) fn predict_through_boxes(
        &self,
        embedding: &ImageEmbedding,
        prompt: &Prompt,
    ) -> Result<Masks, ModelError> {
        let geometry = embedding.geometry;
        let mask_box = match &prompt.mask {
            None => None,
            Some(MaskPrompt::Binary(mask)) => mask.bounding_box(),
            Some(MaskPrompt::LowResLogits(logits)) => {
                candidate(geometry, Array2::clone(logits), 0.0).mask.bounding_box()
            }
        };
        let found = match (&self.tap_head, prompt.bounding_box.or(mask_box)) {
            (Some(head), None) => {
                head.boxes(embedding.features()?, geometry, prompt, &self.threads)?
            }
            _ => Vec::new(),
        };
        let ranked: Vec<Ranked> = match found.is_empty() {
            // Where the boxes have no quality of their own, the decoder alone decides.
            true => {
                let boxes = tap_boxes::boxes(prompt, mask_box, geometry);
                if boxes.is_empty() {
                    return Err(PromptError::EmptyMask.into());
                }
                let batch: Vec<Tokens> = boxes.iter().map(|b| tokens(embedding, *b)).collect();
                let decoded = self.decoder.decode(&embedding.prepared, &batch, None)?;
                let sized = boxes.into_iter().map(|b| SizedBox { bounding_box: b, weight: 1.0 });
                let each = decoded.into_iter().zip(sized);
                let first = |(d, size): (Decoded, SizedBox)| {
                    let token = d.low_res_logits.into_iter().zip(d.predicted_iou).next();
                    token.map(|token| ranked(geometry, prompt, token, size))
                };
                each.filter_map(first).collect()
            }
            false => {
                let mut asked = Vec::new();
                for f in &found {
                    for mut sizes in tap_boxes::agreeing(f.bounding_box, prompt, geometry.frame) {
                        sizes.iter_mut().for_each(|size| size.weight *= f.quality);
                        asked.push(sizes);
                    }
                }
                let judged = self.judged_in_best_size(embedding, &asked)?;
                let answered = self.threads.spread(&judged, |_, (judged, size)| {
                    let logits = self.decoder.masks_alone(judged)?.into_iter();
                    let token = logits.zip(judged.predicted_iou.iter().copied()).next();
                    Ok(token.map(|token| ranked(geometry, prompt, token, *size)))
                })?;
                answered.into_iter().flatten().collect()
            }
        };
        let boxes: Vec<FrameBox> = ranked.iter().map(|r| r.bounding_box).collect();
        let candidates = ranked.into_iter().map(|r| (r.value, r.candidate)).collect();
        let mut masks = Masks::ranked_by(candidates);
        tap_boxes::cut_off(&mut masks.candidates, prompt, &boxes);
        Ok(if found.is_empty() { masks } else { masks.without_repeats() })
    }

    /// What the decoder thinks of each box in the first of its sizes; but of that which it thinks fits best, in
    /// the size that it thinks best of all.
    fn judged_in_best_size(
        &self,
        embedding: &ImageEmbedding,
        asked: &[Vec<SizedBox>],
    ) -> Result<Vec<(Judged, SizedBox)>, ModelError> {
        let judge = |_, size: &SizedBox| {
            let tokens = tokens(embedding, size.bounding_box);
            self.decoder.judge_alone(&embedding.prepared, tokens)
        };
        let predicted = |judged: &Judged| judged.predicted_iou.first().copied().unwrap_or(0.0);
        in_best_size(asked, |sizes| self.threads.spread(sizes, judge), predicted)
    }
}

/// A candidate and what it is ranked by.
struct Ranked {
    value: f32,
    candidate: MaskCandidate,
    /// What it was asked for with.
    bounding_box: FrameBox,
}

/// The candidate of a mask token, of which the low-res logits and the predicted IoU are given.
fn ranked(
    geometry: InputGeometry,
    prompt: &Prompt,
    (low_res_logits, predicted_iou): (Array2<f32>, f32),
    size: SizedBox,
) -> Ranked {
    let candidate = candidate(geometry, low_res_logits, predicted_iou);
    let value = predicted_iou * size.weight * tap_boxes::agreement(&candidate.mask, prompt);
    Ranked { value, candidate, bounding_box: size.bounding_box }
}

/// What is said of each box in the first of its sizes; but of that of which the best is said, in the size of
/// which the best is. `predicted` is the predicted IoU in what is said.
///
/// That is nearly always the first box, which the head thinks best of: its other sizes are judged with all
/// first ones, side by side, without waiting for what comes out of them.
fn in_best_size<J>(
    asked: &[Vec<SizedBox>],
    judge: impl Fn(&[SizedBox]) -> Result<Vec<J>, ModelError>,
    predicted: impl Fn(&J) -> f32,
) -> Result<Vec<(J, SizedBox)>, ModelError> {
    let value = |(judged, size): &(J, SizedBox)| predicted(judged) * size.weight;
    let (first, others): (Vec<SizedBox>, Vec<&[SizedBox]>) =
        asked.iter().filter_map(|sizes| sizes.split_first()).map(|(f, o)| (*f, o)).unzip();
    let count = first.len();
    let all = |sizes: Vec<SizedBox>| -> Result<Vec<(J, SizedBox)>, ModelError> {
        Ok(judge(&sizes)?.into_iter().zip(sizes).collect())
    };
    let likely = others.first().copied().unwrap_or_default();
    let mut judged = all([&first, likely].concat())?;
    let mut tried = judged.split_off(count);
    let by_value = |a: &usize, b: &usize| value(&judged[*a]).total_cmp(&value(&judged[*b]));
    if let Some(best) = (0..count).max_by(by_value) {
        if best > 0 {
            tried = all(others[best].to_vec())?;
        }
        for other in tried {
            if value(&other) > value(&judged[best]) {
                judged[best] = other;
            }
        }
    }
    Ok(judged)
}

/// What the decoder is told of a box.
fn tokens(embedding: &ImageEmbedding, b: FrameBox) -> Tokens {
    let mut tokens = Tokens::default();
    tokens.push_box(embedding.geometry.box_to_input(b));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes<const N: usize>(widths: [f32; N]) -> Vec<SizedBox> {
        let sized = |x1| SizedBox {
            bounding_box: FrameBox { x0: 0.0, y0: 0.0, x1, y1: 10.0 },
            weight: 1.0,
        };
        widths.map(sized).to_vec()
    }

    /// The widths that come out, of boxes whose predicted IoU is greatest at a width of 30.
    fn chosen(asked: &[Vec<SizedBox>]) -> Vec<(f32, f32)> {
        let judge = |sizes: &[SizedBox]| {
            Ok(sizes.iter().map(|s| 1.0 - (s.bounding_box.x1 - 30.0).abs() / 100.0).collect())
        };
        let judged = in_best_size(asked, judge, |iou: &f32| *iou).unwrap();
        judged.into_iter().map(|(iou, size)| (size.bounding_box.x1, iou)).collect()
    }

    #[test]
    fn the_best_box_is_asked_for_in_its_best_size_and_the_others_in_their_first() {
        let asked = [sizes([60.0, 30.0]), sizes([40.0, 20.0, 31.0, 50.0]), sizes([10.0])];
        assert_eq!(chosen(&asked), [(60.0, 0.7), (31.0, 0.99), (10.0, 0.8)]);
        assert_eq!(chosen(&[sizes([30.0, 40.0, 20.0])]), [(30.0, 1.0)], "the first was best");
        assert_eq!(chosen(&[sizes([20.0, 40.0])]), [(20.0, 0.9)], "of equals the likelier");
        assert_eq!(chosen(&[]), []);
    }

    #[test]
    fn an_unlikely_size_is_worth_less() {
        let mut asked = [sizes([40.0, 30.0]), sizes([45.0])];
        asked[0][1].weight = 0.5;
        assert_eq!(chosen(&asked), [(40.0, 0.9), (45.0, 0.85)]);
    }
}
