//! Many prompts on one frame, each decoded by itself.

use std::cell::OnceCell;

use ndarray::Array2;

use crate::geometry::{FrameBox, FramePoint};

use super::decoder::{Decoder, Judged, Tokens, label};
use super::error::ModelError;
use super::manifest::MaskTokens;
use super::preprocess::InputGeometry;
use super::segmenter::{ImageEmbedding, Segmenter};

/// A prompt of one point or one box, in frame pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spot {
    /// A positive point, which is ambiguous.
    Point(FramePoint),
    /// A box.
    Box(FrameBox),
}

/// One mask that the decoder proposes, not yet computed: that costs time, and few proposals are worth
/// it. The first look at one of a spot's masks computes them all.
pub struct Proposal<'a> {
    /// The decoder's own estimate of the mask's IoU with the truth.
    pub predicted_iou: f32,
    /// Which of the spot's proposals, counted from 0.
    pub number: usize,
    token: usize,
    masks: &'a SpotMasks<'a>,
    geometry: InputGeometry,
}

/// The low-res logits of a spot's mask tokens, as soon as they are asked for.
struct SpotMasks<'a> {
    decoder: &'a Decoder,
    judged: Judged,
    computed: OnceCell<Result<Vec<Array2<f32>>, ModelError>>,
}

impl SpotMasks<'_> {
    /// `None` where the engine failed.
    fn token(&self, token: usize) -> Option<&Array2<f32>> {
        let computed = self.computed.get_or_init(|| self.decoder.masks_alone(&self.judged));
        computed.as_ref().ok()?.get(token)
    }
}

impl Proposal<'_> {
    /// Hands out the logits at the frame's resolution, row by row from the top. Where the engine fails
    /// there are none, and [`Segmenter::decode_each`] gives the error.
    pub fn frame_logits(&self, each: impl FnMut(&[f32])) {
        if let Some(low_res_logits) = self.masks.token(self.token) {
            self.geometry.frame_logits(low_res_logits, each);
        }
    }

    /// Like [`frame_logits`](Self::frame_logits), but leaves out rows and columns at the frame's sides
    /// where no logit is above `level`, which for most masks is nearly all of the frame. Hands out the
    /// number of each row that is left, its first column, and its logits.
    pub fn frame_logits_above(&self, level: f32, each: impl FnMut(usize, usize, &[f32])) {
        if let Some(low_res_logits) = self.masks.token(self.token) {
            self.geometry.frame_logits_above(low_res_logits, level, each);
        }
    }
}

impl Segmenter {
    /// Decodes each of `spots` by itself and hands what it proposes to `each`, with the number of the
    /// spot; gives what that gives, in order. A point has three proposals, if the model was trained
    /// for them, anything else one; the model must have been trained for what the spots are.
    ///
    /// As many spots are decoded at a time as there are threads, each on one.
    /// Only of the proposals whose logits are asked for are masks computed.
    ///
    /// # Errors
    /// [`ModelError::Run`] where the engine fails.
    pub fn decode_each<T: Send>(
        &self,
        embedding: &ImageEmbedding,
        spots: &[Spot],
        each: impl Fn(usize, Proposal<'_>) -> Option<T> + Sync + Send,
    ) -> Result<Vec<T>, ModelError> {
        let geometry = embedding.geometry;
        let one = |index: usize, spot: &Spot| -> Result<Vec<T>, ModelError> {
            let mut tokens = Tokens::default();
            match *spot {
                Spot::Point(point) => {
                    tokens.push(geometry.to_input(point), label::POSITIVE);
                    tokens.push([0.0, 0.0], label::PADDING);
                }
                Spot::Box(b) => tokens.push_box(geometry.box_to_input(b)),
            }
            let judged = self.decoder.judge_alone(&embedding.prepared, tokens)?;
            let wanted = match (spot, self.manifest.mask_tokens, judged.predicted_iou.len()) {
                (Spot::Point(_), MaskTokens::Multi, count @ 2..) => 1..count,
                (.., count) => 0..count.min(1),
            };
            let masks = SpotMasks { decoder: &self.decoder, judged, computed: OnceCell::new() };
            let proposals = wanted.enumerate().map(|(number, token)| {
                let predicted_iou = masks.judged.predicted_iou[token];
                Proposal { predicted_iou, number, token, masks: &masks, geometry }
            });
            let found = proposals.filter_map(|proposal| each(index, proposal)).collect();
            match masks.computed.into_inner() {
                Some(Err(error)) => Err(error),
                _ => Ok(found),
            }
        };
        Ok(self.threads.spread(spots, one)?.into_iter().flatten().collect())
    }
}
