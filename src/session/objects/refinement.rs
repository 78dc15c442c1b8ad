//! What a second, larger network makes of the masks that are shown.

use crate::mask::Mask;
use crate::model::{MaskCandidate, Masks};
use crate::prompt::{PointLabel, Prompt};

use super::{Answer, Here, Object, Objects, Step};

/// What the second network made of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Second {
    /// Nothing yet.
    #[default]
    Unknown,
    /// Nothing that could take its place.
    Nothing,
    /// A better one, which took its place.
    Better,
    /// The candidate itself, on an earlier picture: it is asked again on this one.
    Carried,
}

impl Second {
    /// What it is where the network has nothing better.
    fn kept(self) -> Self {
        if self == Self::Carried { Self::Better } else { Self::Nothing }
    }
}

/// A request to the second network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    request: u64,
    /// For which candidate.
    place: Place,
}

/// A candidate: the order of its step, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Place(u64, usize);

/// A mask that was replaced.
pub(in super::super) struct Replaced {
    /// Where.
    pub place: Place,
    /// What was there before, and what is there now.
    pub before: Mask,
    pub now: Mask,
}

impl Object {
    /// The candidate that is shown, where it answers the prompt as it stands.
    fn place(&self) -> Option<Place> {
        let step = self.current()?;
        Some(Place(step.order, step.here()?.chosen))
    }

    /// Whether what is shown is this candidate.
    pub fn shows(&self, place: Place) -> bool {
        self.place() == Some(place)
    }

    /// Whether what is shown was drawn by the second network.
    pub fn is_refined(&self) -> bool {
        self.current().and_then(Step::here).is_some_and(Here::is_refined)
    }

    /// Whether the second network was asked for what is shown.
    pub fn is_being_refined(&self) -> bool {
        self.asked.is_some_and(|asked| self.shows(asked.place))
    }

    fn here_mut(&mut self, Place(order, index): Place) -> Option<(&Prompt, &mut Here)> {
        let step = self.steps.iter_mut().find(|step| step.order == order)?;
        let Step { prompt, answer: Answer::Here(here), .. } = step else { return None };
        // Candidates may have been dropped meanwhile.
        (index < here.masks.candidates.len()).then_some((&*prompt, here))
    }
}

impl Objects {
    /// How like the mask shown that of the second network must be (IoU); what is less like it is
    /// another structure, or another part of it.
    const SAME_STRUCTURE: f64 = 0.5;

    /// Whether a mask is shown that the second network wasn't asked about.
    pub fn has_unrefined(&self) -> bool {
        self.list.iter().any(|object| unrefined(object).is_some())
    }

    /// Has `ask` ask the second network about what is shown: with the object, and with the prompt as it
    /// stands in the box of the mask, so that it is about the same structure. It gives the request.
    pub fn ask_second(&mut self, mut ask: impl FnMut(u64, Prompt) -> u64) {
        for object in &mut self.list {
            let Some(place) = unrefined(object) else { continue };
            let id = object.id;
            let Some((prompt, here)) = object.here_mut(place) else { continue };
            let tight = here.masks.candidates[place.1].mask.bounding_box();
            match prompt.bounding_box.or(tight) {
                None => here.second[place.1] = here.second[place.1].kept(),
                bounding_box => {
                    let prompt = Prompt { bounding_box, ..prompt.clone() };
                    object.asked = Some(Asked { request: ask(id, prompt), place });
                }
            }
        }
    }

    /// Lets go of what the second network was asked: its answers will be of no account.
    pub fn forget_second(&mut self) {
        self.list.iter_mut().for_each(|object| object.asked = None);
    }

    /// Takes the second network's answer to `request`. It replaces the mask that it was asked about if
    /// it shows the same structure and doesn't contradict a point; what was there before, and what is
    /// there now, are given. What nobody waits for is dropped.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn take_second(
        &mut self,
        request: u64,
        result: Result<Masks, String>,
    ) -> Result<Option<(u64, Replaced)>, String> {
        let of = |object: &&mut Object| object.asked.is_some_and(|asked| asked.request == request);
        let Some(object) = self.list.iter_mut().find(of) else { return Ok(None) };
        let (id, asked) = (object.id, object.asked.take());
        let Some(place) = asked.map(|asked| asked.place) else { return Ok(None) };
        let Some((prompt, here)) = object.here_mut(place) else { return Ok(None) };
        here.second[place.1] = here.second[place.1].kept();
        let shown = &mut here.masks.candidates[place.1];
        let fits = |c: &MaskCandidate| {
            c.mask.size() == shown.mask.size()
                && c.mask.iou(&shown.mask) >= Self::SAME_STRUCTURE
                && contradictions(&c.mask, prompt) <= contradictions(&shown.mask, prompt)
        };
        let Some(better) = result?.candidates.into_iter().find(fits) else { return Ok(None) };
        here.second[place.1] = Second::Better;
        let (before, now) = (shown.mask.clone(), better.mask.clone());
        // The logits stay those of the first network, which is given them again.
        *shown = MaskCandidate { low_res_logits: shown.low_res_logits.clone(), ..better };
        Ok(Some((id, Replaced { place, before, now })))
    }
}

/// The candidate shown that the second network was neither asked about nor has answered.
fn unrefined(object: &Object) -> Option<Place> {
    let place = object.place().filter(|_| !object.is_being_refined())?;
    let here = object.current()?.here()?;
    matches!(here.second[here.chosen], Second::Unknown | Second::Carried).then_some(place)
}

/// How many points lie on the wrong side of the outline.
fn contradictions(mask: &Mask, prompt: &Prompt) -> usize {
    let wrong = |p: &&crate::prompt::PromptPoint| {
        mask.contains(p.position) != (p.label == PointLabel::Positive)
    };
    prompt.points.iter().filter(wrong).count()
}
