//! Many prompts on one frame, each decoded by itself.

use ndarray::Array2;
use rayon::prelude::*;
use tract_onnx::prelude::multithread::Executor;

use crate::geometry::{FrameBox, FramePoint};

use super::decoder::{Tokens, label};
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

/// One mask that the decoder proposes, not yet brought to the frame: that costs time, and few
/// proposals are worth it.
pub struct Proposal<'a> {
    /// The decoder's own estimate of the mask's IoU with the truth.
    pub predicted_iou: f32,
    /// Which of the spot's proposals, counted from 0.
    pub number: usize,
    low_res_logits: &'a Array2<f32>,
    geometry: InputGeometry,
}

impl Proposal<'_> {
    /// Hands out the logits at the frame's resolution, row by row from the top.
    pub fn frame_logits(&self, each: impl FnMut(&[f32])) {
        self.geometry.frame_logits(self.low_res_logits, each);
    }
}

impl Segmenter {
    /// Decodes each of `spots` by itself and hands what it proposes to `each`, with the number of the
    /// spot; gives what that gives, in order. A point has three proposals, if the model was trained
    /// for them, anything else one; the model must have been trained for what the spots are.
    ///
    /// As many spots are decoded at a time as there are threads, each on one: a decoder that answers
    /// one prompt keeps what it works on in the cache, and one that answers a batch of them does not.
    /// A prompt costs about what it costs alone: the work is arithmetic on the image's tokens.
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
        let one = |(index, spot): (usize, &Spot)| -> Result<Vec<T>, ModelError> {
            let mut tokens = Tokens::default();
            match *spot {
                Spot::Point(point) => {
                    tokens.push(geometry.to_input(point), label::POSITIVE);
                    tokens.push([0.0, 0.0], label::PADDING);
                }
                Spot::Box(b) => tokens.push_box(geometry.box_to_input(b)),
            }
            let decoded = self.decoder.decode_alone(&embedding.prepared, tokens)?;
            let wanted = match (spot, self.manifest.mask_tokens, decoded.predicted_iou.len()) {
                (Spot::Point(_), MaskTokens::Multi, count @ 2..) => 1..count,
                _ => 0..1,
            };
            let tokens = decoded.low_res_logits.iter().zip(&decoded.predicted_iou);
            let wanted = tokens.skip(wanted.start).take(wanted.len());
            let proposals = wanted.enumerate().map(|(number, (low_res_logits, &predicted_iou))| {
                Proposal { predicted_iou, number, low_res_logits, geometry }
            });
            Ok(proposals.filter_map(|proposal| each(index, proposal)).collect())
        };
        let found: Result<Vec<Vec<T>>, ModelError> = match self.decoder.executor() {
            Executor::SingleThread => spots.iter().enumerate().map(one).collect(),
            Executor::MultiThread(pool) => {
                pool.install(|| spots.par_iter().enumerate().map(one).collect())
            }
            Executor::RayonGlobal => spots.par_iter().enumerate().map(one).collect(),
        };
        Ok(found?.into_iter().flatten().collect())
    }
}
