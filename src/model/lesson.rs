//! What a decoder is taught: a prompt as the network takes it, with the logits' true signs.

use std::ops::Range;

use ndarray::{Array2, s};

use super::decoder::Tokens;
use super::manifest::PromptKind;
use super::preprocess::InputGeometry;
use super::segmenter::Segmenter;
use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::prompt::Prompt;

/// A prompt with its true answer, in the network's own spaces.
pub(crate) struct Lesson {
    /// `[x, y]` of each token in model input pixels.
    pub coordinates: Vec<[f32; 2]>,
    /// The label of each token, as SAM's prompt encoder knows them.
    pub labels: Vec<f32>,
    /// 1 inside and 0 outside, for the low-res logits over the frame, without those over padding.
    pub truth: Array2<f32>,
    /// Whether the prompt is one that several nested masks answer.
    ambiguous: bool,
}

impl Segmenter {
    /// What the decoder is to be taught by `prompt` on a frame where `truth` is outlined. Of a prompt
    /// for a model trained on boxes alone only the box counts.
    pub(crate) fn lesson(&self, prompt: &Prompt, truth: &Mask) -> Lesson {
        let geometry = InputGeometry::new(truth.size(), &self.manifest.preprocessing);
        let mut prompt = prompt.clone();
        if !self.manifest.was_trained_for(PromptKind::Point) {
            prompt.points.clear();
        }
        let Tokens { coordinates, labels, .. } = Self::tokens(geometry, &prompt);
        let side = self.decoder.low_res_side();
        let low_res = geometry.mask_to_low_res(truth, side as u32);
        let FrameSize { width, height } = geometry.low_res_part(side as u32);
        let part = low_res.slice(s![..height as usize, ..width as usize]);
        let truth = part.mapv(|logit| f32::from(u8::from(logit > 0.0)));
        Lesson { coordinates, labels, truth, ambiguous: Self::is_ambiguous(&prompt) }
    }

    /// Which of `count` mask tokens answer a lesson.
    pub(crate) fn answering(&self, lesson: &Lesson, count: usize) -> Range<usize> {
        self.answering_tokens(lesson.ambiguous, count)
    }
}
