//! The structures on a frozen frame: their prompts step by step, and the answers.

mod refinement;
mod step;

use crate::geometry::{FrameBox, FramePoint};
use crate::model::{MaskCandidate, Masks};
use crate::prompt::{Prompt, PromptPoint};

use super::Session;
use super::ahead::Look;
use super::event::{Origin, SnapshotObject};
pub(super) use refinement::Place;
use refinement::{Asked, Second};
use step::{Answer, Here, Step};

/// A limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMany {
    /// Structures on one picture.
    Objects,
    /// Prompts for one structure.
    Steps,
}

/// One structure.
#[derive(Clone, Debug)]
pub(super) struct Object {
    id: u64,
    pub colour: usize,
    pub label: Option<String>,
    /// At least one; the last is the prompt as it stands.
    steps: Vec<Step>,
    /// What the second network was asked for and hasn't answered.
    asked: Option<Asked>,
}

impl Object {
    fn current(&self) -> Option<&Step> {
        self.steps.last()
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    /// The prompt as it stands.
    pub fn prompt(&self) -> Option<&Prompt> {
        self.current().map(|step| &step.prompt)
    }

    fn origin(&self) -> Origin {
        self.steps.first().map_or(Origin::Prompted, |step| step.origin)
    }

    /// Points and box of a prompt that somebody made: without a box that stands for what the structure began
    /// with.
    pub fn made(&self, prompt: &Prompt) -> Prompt {
        let first = self.steps.first().filter(|first| first.origin != Origin::Prompted);
        let stands_in = first.and_then(|first| first.prompt.bounding_box);
        let bounding_box = prompt.bounding_box.filter(|drawn| Some(*drawn) != stands_in);
        Prompt { bounding_box, ..prompt.clone() }
    }

    /// The newest step with masks, back to where there were no prompts.
    fn shown(&self) -> Option<(&Step, &Masks, usize)> {
        let prompted = self.steps.iter().rev().take_while(|step| !step.prompt.is_empty());
        prompted.filter_map(|step| step.masks().map(|(m, chosen)| (step, m, chosen))).next()
    }

    /// The masks on the screen, and which of them is shown.
    pub fn masks(&self) -> Option<(&Masks, usize)> {
        self.shown().map(|(_, masks, chosen)| (masks, chosen))
    }
}

/// A structure that was taken off the frame.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The mask that was shown.
    pub candidate: MaskCandidate,
    /// Points and box that led to it.
    pub prompt: Prompt,
    /// How many prompts were made and changed.
    pub steps: usize,
    /// Whether it began with a mask that was found without a prompt.
    pub found: bool,
    /// That mask, unless it was dropped to save memory.
    pub proposal: Option<MaskCandidate>,
}

/// All structures of a frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    list: Vec<Object>,
    /// Index of the one that prompts go to; without one, a prompt begins another.
    active: Option<usize>,
    last_id: u64,
    last_order: u64,
}

impl Objects {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any has a prompt, as not all points were taken away.
    pub fn are_prompted(&self) -> bool {
        self.list.iter().filter_map(Object::prompt).any(|prompt| !prompt.is_empty())
    }

    /// Whether any has a prompt as it stands without masks for it.
    pub fn lack_answers(&self) -> bool {
        let current = self.list.iter().filter_map(Object::current);
        current.into_iter().any(|step| !step.prompt.is_empty() && step.masks().is_none())
    }

    /// The number of the newest step that was made.
    pub fn newest_step(&self) -> u64 {
        self.last_order
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Object, bool)> {
        self.list.iter().enumerate().map(|(i, object)| (object, Some(i) == self.active))
    }

    pub fn active(&self) -> Option<&Object> {
        self.list.get(self.active?)
    }

    /// Whether an answer to a prompt as it stands is on its way.
    pub fn are_asked_for(&self) -> bool {
        let current = self.list.iter().filter_map(Object::current);
        current.into_iter().any(|step| matches!(step.answer, Answer::Asked { .. }))
    }

    /// Whether a prompt as it stands is to be asked about.
    pub fn are_wanted(&self) -> bool {
        self.list.iter().filter_map(Object::current).any(Step::is_wanted)
    }

    pub fn begin_another(&mut self) {
        self.active = None;
    }

    pub fn add_point(&mut self, point: PromptPoint) -> Result<(), TooMany> {
        self.change(true, |prompt| prompt.points.push(point))
    }

    pub fn set_box(&mut self, b: FrameBox) -> Result<(), TooMany> {
        self.change(false, |prompt| prompt.bounding_box = Some(b))
    }

    /// Removes a point of the active object by its index.
    pub fn remove_point(&mut self, index: usize) -> Result<(), TooMany> {
        self.change(false, |prompt| {
            if index < prompt.points.len() {
                prompt.points.remove(index);
            }
        })
    }

    /// The point of the active object nearest to `at`, if it is within `reach`.
    pub fn point_near(&self, at: FramePoint, reach: f32) -> Option<usize> {
        let points = &self.active()?.prompt()?.points;
        let distance = |p: &PromptPoint| (p.position.x - at.x).hypot(p.position.y - at.y);
        let near = points.iter().map(distance).enumerate().filter(|(_, d)| *d <= reach);
        near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
    }

    /// Adds a step to the active object, or begins one.
    fn change(&mut self, refines: bool, edit: impl FnOnce(&mut Prompt)) -> Result<(), TooMany> {
        let index = match self.active {
            Some(index) => index,
            None if self.list.len() >= Session::MAX_OBJECTS => return Err(TooMany::Objects),
            None => self.list.len(),
        };
        if self.list.get(index).is_some_and(|o| o.steps.len() >= Session::MAX_STEPS) {
            return Err(TooMany::Steps);
        }
        if index == self.list.len() {
            let taken = |colour: &usize| self.list.iter().any(|o| o.colour == *colour);
            let colour = (0..).find(|colour| !taken(colour)).unwrap_or_default();
            self.last_id += 1;
            let (id, steps) = (self.last_id, Vec::new());
            self.list.push(Object { id, colour, label: None, steps, asked: None });
            self.active = Some(index);
        }
        let object = &mut self.list[index];
        let mut prompt = object.prompt().cloned().unwrap_or_default();
        edit(&mut prompt);
        self.last_order += 1;
        let order = self.last_order;
        let (origin, answer) = (Origin::Prompted, Answer::Wanted);
        object.steps.push(Step { order, prompt, refines, origin, answer });
        Ok(())
    }

    /// Makes a mask that was found without a prompt an object, in the next free colour, or with the look that it
    /// was tracked with; its box stands for the prompt. Its logits are of `encoding`, where that is one of the
    /// frozen frame's.
    pub fn add_found(
        &mut self,
        found: MaskCandidate,
        encoding: Option<u64>,
        look: Option<Look>,
    ) -> Result<(), TooMany> {
        let bounding_box = found.mask.bounding_box();
        self.begin_another();
        self.change(false, |prompt| prompt.bounding_box = bounding_box)?;
        if let Some(object) = self.active.and_then(|i| self.list.get_mut(i))
            && let Some(step) = object.steps.last_mut()
        {
            let mut here = Here::new(Masks { candidates: vec![found] }, encoding);
            step.origin = Origin::Found;
            if let Some(Look { colour, label, refined }) = look {
                step.origin = Origin::Tracked;
                (object.colour, object.label) = (colour, label);
                here.second = vec![if refined { Second::Carried } else { Second::Unknown }];
            }
            step.answer = Answer::Here(Box::new(here));
        }
        self.drop_oldest_masks();
        Ok(())
    }

    /// What gets a label: the active object, or the last one where none is.
    pub fn labelled(&mut self) -> Option<&mut Object> {
        let index = self.active.or(self.list.len().checked_sub(1))?;
        self.list.get_mut(index)
    }

    /// Takes the active object away, or the last one where none is, if its mask is there and not empty.
    pub fn take_active(&mut self) -> Option<Taken> {
        let index = self.active.or(self.list.len().checked_sub(1))?;
        let object = self.list.get(index)?;
        let step = object.current()?;
        let (masks, chosen) = step.masks()?;
        let candidate = masks.candidates.get(chosen).filter(|c| c.mask.area_px() > 0)?.clone();
        let first = object.steps.first()?;
        let found = first.origin == Origin::Found;
        let proposed = first.masks().filter(|_| found);
        let proposal = proposed.and_then(|(masks, _)| masks.candidates.first().cloned());
        let (prompt, steps) = (step.prompt.clone(), object.steps.len());
        let taken = Taken { candidate, prompt, steps, found, proposal };
        self.list.remove(index);
        self.active = None;
        Some(taken)
    }

    /// Takes the newest step back, and its object where it was the first; gives the mask that it was,
    /// where that was picked of what was found without a prompt. What prompts go to next is the object that changed, if it
    /// is still there.
    pub fn undo(&mut self) -> Option<MaskCandidate> {
        let newest = |(_, o): &(usize, &Object)| o.current().map(|step| step.order);
        let (index, _) = self.list.iter().enumerate().max_by_key(newest)?;
        let step = self.take_step(index)?;
        match step.answer {
            Answer::Here(here) if step.origin == Origin::Found => {
                here.masks.candidates.into_iter().next()
            }
            _ => None,
        }
    }

    /// Takes the steps back that structures wait for an answer to, as long as `unanswerable` says of the last
    /// one's prompt that there is none; gives what it says.
    pub fn take_back<T>(&mut self, unanswerable: impl Fn(&Prompt) -> Option<T>) -> Option<T> {
        let (mut said, active) = (None, self.active().map(Object::id));
        for index in (0..self.list.len()).rev() {
            let mut left = self.list[index].steps.len();
            while left > 0
                && let Some(step) = self.list[index].current().filter(|step| step.is_wanted())
                && let Some(reason) = unanswerable(&step.prompt)
            {
                self.take_step(index);
                said = Some(reason);
                left -= 1;
            }
        }
        if said.is_some() {
            self.active = self.list.iter().position(|object| Some(object.id) == active);
        }
        said
    }

    /// Takes all structures away. Steps go on being counted.
    pub fn clear(&mut self) {
        self.list.clear();
        self.active = None;
    }

    /// Takes the last step of a structure away, and that where it was the only one.
    fn take_step(&mut self, index: usize) -> Option<Step> {
        let steps = &mut self.list.get_mut(index)?.steps;
        let taken = steps.pop();
        match steps.last_mut() {
            Some(step) => {
                // Its request may have been superseded, so it is made again.
                if matches!(step.answer, Answer::Asked { .. }) {
                    step.answer = Answer::Wanted;
                }
                self.active = Some(index);
            }
            None => {
                self.list.remove(index);
                self.active = None;
            }
        }
        taken
    }

    /// Shows the next candidate of the active object, the first after the last: the next larger one.
    pub fn next_mask(&mut self) {
        let step = self.active.and_then(|i| self.list.get_mut(i)).and_then(|o| o.steps.last_mut());
        if let Some(Step { answer: Answer::Here(here), .. }) = step {
            here.chosen = (here.chosen + 1) % here.masks.candidates.len();
            here.picked = true;
        }
    }

    /// Whether [`next_mask`](Self::next_mask) has a choice.
    pub fn has_next_mask(&self) -> bool {
        let masks = self.active().and_then(Object::current).and_then(Step::masks);
        masks.is_some_and(|(masks, _)| masks.candidates.len() > 1)
    }

    /// The prompts as they stand that have no answer and are not asked for: object, prompt on the embedding
    /// `encoding`, and the step to [`ask`](Step::ask) for.
    pub fn wanted(
        &mut self,
        encoding: u64,
        refine_with_mask: bool,
    ) -> impl Iterator<Item = (u64, Prompt, &mut Step)> {
        self.list.iter_mut().filter_map(move |object| {
            let (step, before) = object.steps.split_last_mut()?;
            if !step.is_wanted() {
                return None;
            }
            let mut prompt = step.prompt.clone();
            if refine_with_mask && step.refines {
                prompt.mask =
                    before.last().and_then(Step::here).and_then(|h| h.as_prompt(encoding));
            }
            Some((object.id, prompt, step))
        })
    }

    /// Notes the answer to `request`, and whether a step waits for it; one that none waits for is dropped.
    ///
    /// # Errors
    /// The reason, where the answer is one and concerns a prompt as it stands.
    pub fn answer(&mut self, request: u64, result: Result<Masks, String>) -> Result<bool, String> {
        for object in &mut self.list {
            let count = object.steps.len();
            for i in 0..count {
                let (earlier, [step, ..]) = object.steps.split_at_mut(i) else { break };
                if let Answer::Asked { request: asked, encoding } = step.answer
                    && asked == request
                {
                    // The last answer that was there, over points that were added in haste.
                    let refining = std::iter::once(&*step).chain(earlier.iter().rev());
                    let refined = refining.take_while(|step| step.refines).count();
                    let before = earlier.iter().rev().take(refined).find_map(Step::here);
                    let here = |masks: Masks| {
                        let mut here = Here::new(masks.in_steps(), Some(encoding));
                        if let Some(before) = before.filter(|before| before.picked) {
                            here.keep_to(before, step.prompt.points.last());
                        }
                        Box::new(here)
                    };
                    let (answer, outcome) = match result {
                        Ok(masks) => (Answer::Here(here(masks)), Ok(true)),
                        Err(reason) if i + 1 == count => (Answer::Failed, Err(reason)),
                        Err(_) => (Answer::Failed, Ok(true)),
                    };
                    step.answer = answer;
                    self.drop_oldest_masks();
                    return outcome;
                }
            }
        }
        Ok(false)
    }

    /// Keeps within [`Session::MAX_MASK_BYTES`].
    fn drop_oldest_masks(&mut self) {
        let steps = || self.list.iter().flat_map(|object| &object.steps);
        let mut bytes: usize = steps().map(Step::mask_bytes).sum();
        if bytes <= Session::MAX_MASK_BYTES {
            return;
        }
        let shown: Vec<u64> =
            self.list.iter().filter_map(Object::shown).map(|(step, ..)| step.order).collect();
        let active = self.active().and_then(Object::shown).map(|(step, ..)| step.order);
        let mut oldest_first: Vec<&mut Step> =
            self.list.iter_mut().flat_map(|object| &mut object.steps).collect();
        oldest_first.sort_by_key(|step| (shown.contains(&step.order), step.order));
        for step in oldest_first {
            if bytes <= Session::MAX_MASK_BYTES || Some(step.order) == active {
                continue;
            }
            bytes -= step.mask_bytes();
            match &mut step.answer {
                Answer::Here(here) if shown.contains(&step.order) => here.keep_chosen(),
                // Only what is there can be dropped: a failed step is not to be tried again, and
                // one that was asked for is answered soon.
                Answer::Here(_) => step.answer = Answer::Wanted,
                _ => {}
            }
            bytes += step.mask_bytes();
        }
    }

    /// The structures that have a mask, each with the prompt that was made for it.
    pub fn snapshot(&self) -> Vec<SnapshotObject> {
        let shown =
            self.list.iter().filter_map(|object| object.shown().map(|shown| (object, shown)));
        shown
            .map(|(object, (step, masks, chosen))| SnapshotObject {
                origin: object.origin(),
                prompt: object.made(&step.prompt),
                masks: masks.clone(),
                chosen,
                refined: step.here().is_some_and(Here::is_refined),
                colour: object.colour,
                label: object.label.clone(),
            })
            .collect()
    }
}
