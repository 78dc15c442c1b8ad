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
use super::masks::Masks;
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
            (Some(head), None) => head.boxes(embedding.features()?, geometry, prompt)?,
            _ => Vec::new(),
        };
        let decoded: Vec<(Decoded, SizedBox)> = match found.is_empty() {
            // Where the boxes have no quality of their own, the decoder alone decides.
            true => {
                let boxes = tap_boxes::boxes(prompt, mask_box, geometry);
                if boxes.is_empty() {
                    return Err(PromptError::EmptyMask.into());
                }
                let batch: Vec<Tokens> = boxes.iter().map(|b| tokens(embedding, *b)).collect();
                let decoded = self.decoder.decode(&embedding.prepared, &batch, None)?;
                let sizes = boxes.into_iter().map(|b| SizedBox { bounding_box: b, weight: 1.0 });
                decoded.into_iter().zip(sizes).collect()
            }
            false => {
                let mut asked = Vec::new();
                for f in &found {
                    for mut sizes in tap_boxes::agreeing(f.bounding_box, prompt, geometry.frame) {
                        sizes.iter_mut().for_each(|size| size.weight *= f.quality);
                        asked.push(sizes);
                    }
                }
                self.decode_in_best_size(embedding, &asked)?
            }
        };
        let boxes: Vec<FrameBox> = decoded.iter().map(|(_, size)| size.bounding_box).collect();
        let candidates = decoded.into_iter().filter_map(|(d, size)| {
            let token = d.low_res_logits.into_iter().zip(d.predicted_iou).next();
            token.map(|(logits, iou)| {
                let found = candidate(geometry, logits, iou);
                (iou * size.weight * tap_boxes::agreement(&found.mask, prompt), found)
            })
        });
        let mut masks = Masks::ranked_by(candidates.collect());
        tap_boxes::cut_off(&mut masks.candidates, prompt, &boxes);
        Ok(if found.is_empty() { masks } else { masks.without_repeats() })
    }

    /// Decodes each box in the first of its sizes; but that which the decoder thinks fits best in the size
    /// that it thinks best of all. Gives with what it says the size.
    fn decode_in_best_size(
        &self,
        embedding: &ImageEmbedding,
        asked: &[Vec<SizedBox>],
    ) -> Result<Vec<(Decoded, SizedBox)>, ModelError> {
        let judge = |_, size: &SizedBox| {
            let tokens = tokens(embedding, size.bounding_box);
            let judged = self.decoder.judge_alone(&embedding.prepared, tokens)?;
            Ok((judged, *size))
        };
        let value = |(judged, size): &(Judged, SizedBox)| {
            judged.predicted_iou.first().copied().unwrap_or(0.0) * size.weight
        };
        let better = |a: &(Judged, SizedBox), b: &(Judged, SizedBox)| value(a).total_cmp(&value(b));
        let first: Vec<SizedBox> =
            asked.iter().filter_map(|sizes| sizes.first().copied()).collect();
        let mut judged = self.decoder.spread(&first, judge)?;
        let best = (0..judged.len()).max_by(|a, b| better(&judged[*a], &judged[*b]));
        if let Some(best) = best {
            let others = self.decoder.spread(&asked[best][1..], judge)?;
            let other = others.into_iter().max_by(better);
            if let Some(other) = other.filter(|other| better(other, &judged[best]).is_gt()) {
                judged[best] = other;
            }
        }
        self.decoder.spread(&judged, |_, (judged, size)| {
            let low_res_logits = self.decoder.masks_alone(judged)?;
            let predicted_iou = judged.predicted_iou.clone();
            Ok((Decoded { low_res_logits, predicted_iou }, *size))
        })
    }
}

/// What the decoder is told of a box.
fn tokens(embedding: &ImageEmbedding, b: FrameBox) -> Tokens {
    let mut tokens = Tokens::default();
    tokens.push_box(embedding.geometry.box_to_input(b));
    tokens
}
