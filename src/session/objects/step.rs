//! A prompt as it was at one time, and what became of its answer.

use crate::model::{MaskCandidate, Masks};
use crate::prompt::{MaskPrompt, PointLabel, Prompt, PromptPoint};

use super::super::event::Origin;
use super::refinement::Second;

/// What the network said to a step.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Wanted,
    Asked { request: u64, encoding: u64 },
    Here(Box<Here>),
    Failed,
}

/// Masks, and what became of them.
#[derive(Clone, Debug)]
pub(super) struct Here {
    pub masks: Masks,
    pub chosen: usize,
    /// A person chose it among others.
    pub picked: bool,
    /// The embedding that the logits are of, where it is one of the frozen frame's.
    pub encoding: Option<u64>,
    /// What the second network made of each candidate.
    pub second: Vec<Second>,
}

impl Here {
    pub fn new(masks: Masks, encoding: Option<u64>) -> Self {
        let second = vec![Second::default(); masks.candidates.len()];
        Self { chosen: 0, picked: false, encoding, second, masks }
    }

    /// Shows the candidate most like what a person had chosen before the point was added: of those that
    /// agree with the point, if any does.
    pub fn keep_to(&mut self, before: &Here, point: Option<&PromptPoint>) {
        let (Some(chosen), Some(point)) = (before.masks.candidates.get(before.chosen), point)
        else {
            return;
        };
        let wanted = point.label == PointLabel::Positive;
        let rank = |c: &MaskCandidate| {
            (c.mask.contains(point.position) == wanted, c.mask.iou(&chosen.mask))
        };
        let ranked = self.masks.candidates.iter().map(rank).enumerate();
        let likest =
            ranked.max_by(|(i, a), (j, b)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(j.cmp(i)));
        self.chosen = likest.map_or(self.chosen, |(index, _)| index);
        self.picked = true;
    }

    /// What is shown, as a prompt to refine it on the embedding `encoding`. Logits are of the part of the
    /// picture that the network looked at; on another part the mask alone says the same.
    pub fn as_prompt(&self, encoding: u64) -> Option<MaskPrompt> {
        let shown = self.masks.candidates.get(self.chosen)?;
        Some(match self.encoding == Some(encoding) {
            true => MaskPrompt::LowResLogits(shown.low_res_logits.clone()),
            false => MaskPrompt::Binary(shown.mask.clone()),
        })
    }

    pub fn is_refined(&self) -> bool {
        matches!(self.second.get(self.chosen), Some(Second::Better | Second::Carried))
    }

    /// Drops all candidates but the one that was chosen.
    pub fn keep_chosen(&mut self) {
        self.masks.candidates.swap(0, self.chosen);
        self.second.swap(0, self.chosen);
        self.masks.candidates.truncate(1);
        self.second.truncate(1);
        self.chosen = 0;
    }
}

/// A prompt as it was at one time.
#[derive(Clone, Debug)]
pub(in super::super) struct Step {
    /// Counts the steps of all objects.
    pub order: u64,
    /// Points and box, no mask; of a mask that was there without a prompt its box stands for one.
    pub prompt: Prompt,
    /// It adds a point to the step before, so that its mask still holds roughly.
    pub refines: bool,
    /// What it began with, where it was not a change of a step before.
    pub origin: Origin,
    pub(super) answer: Answer,
}

impl Step {
    /// Notes the request that will answer it, and the embedding that it is made on.
    pub fn ask(&mut self, request: u64, encoding: u64) {
        self.answer = Answer::Asked { request, encoding };
    }

    pub fn is_wanted(&self) -> bool {
        matches!(self.answer, Answer::Wanted) && !self.prompt.is_empty()
    }

    pub(super) fn here(&self) -> Option<&Here> {
        match &self.answer {
            Answer::Here(here) => Some(here),
            _ => None,
        }
    }

    pub fn masks(&self) -> Option<(&Masks, usize)> {
        self.here().map(|here| (&here.masks, here.chosen))
    }

    pub fn mask_bytes(&self) -> usize {
        let bytes =
            |c: &MaskCandidate| c.mask.pixels().len() + c.low_res_logits.len() * size_of::<f32>();
        self.masks().map_or(0, |(masks, _)| masks.candidates.iter().map(bytes).sum())
    }
}
