//! The second stage: a larger network draws what is shown on the frozen frame once more.

use std::time::Duration;

use crate::mask::Mask;
use crate::morph::Morph;
use crate::overlay::Refinement;
use crate::words::Word;

use super::Session;
use super::event::{Command, Decoded, Encoded, Job};
use super::network::{Encoding, Progress, same_picture};
use super::objects::{Object, Place};
use super::transition::Transition;

/// The second network's work.
#[derive(Clone, Debug, Default)]
pub(super) struct Refining {
    encoding: Option<Encoding>,
    /// Outlines on their way: the object, and its candidate.
    morphs: Vec<(u64, Place, Transition<Morph>)>,
}

impl Refining {
    pub fn is_moving(&self) -> bool {
        !self.morphs.is_empty()
    }

    /// Forgets outlines that have arrived.
    pub fn tick(&mut self, now: Duration) {
        self.morphs.retain(|(_, _, morph)| !morph.is_over(now));
    }

    /// The object's outline, where it is on its way.
    pub fn mask_of(&self, object: &Object, now: Duration) -> Option<Mask> {
        let moving = |(id, place, _): &&(u64, Place, _)| *id == object.id() && object.shows(*place);
        let (_, _, morph) = self.morphs.iter().find(moving)?;
        Some(morph.between.at(morph.share(now)))
    }
}

impl Session {
    /// Has the second network draw what is shown on the frozen frame, once the first has.
    pub(super) fn refine(&mut self, commands: &mut Vec<Command>) {
        if !self.has_refiner() {
            return;
        }
        let Some(frozen) = &mut self.frozen else { return };
        if !frozen.objects.has_unrefined() {
            return;
        }
        let of_frozen = |e: &&Encoding| same_picture(&e.frame, &frozen.frame);
        match self.refining.encoding.as_ref().filter(of_frozen) {
            None => {
                let frame = frozen.frame.clone();
                let (encoding, job) = self.new_encoding(frame);
                self.refining.encoding = Some(encoding);
                commands.push(Command::Refine(job));
            }
            Some(Encoding { id: encoding, progress: Progress::Done, .. }) => {
                let (encoding, last_id) = (*encoding, &mut self.last_id);
                frozen.objects.ask_second(|object, prompt| {
                    *last_id += 1;
                    let request = *last_id;
                    let job = Job::Decode { request, object, encoding, prompt };
                    commands.push(Command::Refine(job));
                    request
                });
            }
            // One that failed is not tried again on this frame.
            Some(_) => {}
        }
    }

    fn has_refiner(&self) -> bool {
        self.options.refiner.is_some() && !self.refiner_is_gone
    }

    /// The second network does no more; outlines that it drew stay.
    pub(super) fn refiner_stopped(&mut self) {
        self.refiner_is_gone = true;
        self.forget_second();
        self.say_word(Word::RefinerStopped);
    }

    /// Lets go of what the second network is at.
    pub(super) fn forget_second(&mut self) {
        self.refining = Refining::default();
        if let Some(frozen) = &mut self.frozen {
            frozen.objects.forget_second();
        }
    }

    /// Notes that the second network has its embedding; one that is no longer wanted is forgotten.
    pub(super) fn refiner_encoded(&mut self, id: u64, result: Result<Encoded, String>) {
        let Some(encoding) = self.refining.encoding.as_mut().filter(|e| e.id == id) else { return };
        encoding.progress = if result.is_ok() { Progress::Done } else { Progress::Failed };
        if let Err(reason) = result {
            self.say_reason(Word::NotRefined, reason);
        }
    }

    /// Takes an answer of the second network.
    pub(super) fn refined(&mut self, request: u64, result: Result<Decoded, String>) {
        let Some(frozen) = &mut self.frozen else { return };
        match frozen.objects.take_second(request, result.map(|decoded| decoded.masks)) {
            Ok(None) => {}
            Ok(Some((object, replaced))) => {
                if let Some(morph) = Morph::new(&replaced.before, &replaced.now) {
                    let morph = Transition::new(morph, self.now);
                    self.refining.morphs.push((object, replaced.place, morph));
                }
            }
            Err(reason) => self.say_reason(Word::NotRefined, reason),
        }
    }

    /// Whether the second network is at work on the frozen frame, or an outline on its way.
    pub(super) fn is_refining(&self) -> bool {
        let Some(frozen) = self.frozen.as_ref().filter(|_| self.has_refiner()) else {
            return false;
        };
        let asked = frozen.objects.iter().any(|(object, _)| object.is_being_refined());
        asked || self.refining.is_moving() || self.is_refiner_encoding()
    }

    /// Names the embedding that the second network was asked for last.
    #[cfg(test)]
    pub(super) fn refining_id(&self) -> Option<u64> {
        self.refining.encoding.as_ref().map(|encoding| encoding.id)
    }

    fn is_refiner_encoding(&self) -> bool {
        let encoding = self.refining.encoding.as_ref();
        encoding.zip(self.frozen.as_ref()).is_some_and(|(encoding, frozen)| {
            encoding.progress == Progress::Running && same_picture(&encoding.frame, &frozen.frame)
        })
    }

    /// How far the mask shown for the active object is refined.
    pub(super) fn refinement(&self) -> Option<Refinement> {
        let object = self.frozen.as_ref()?.objects.active().filter(|o| o.masks().is_some())?;
        if object.is_refined() {
            return Some(Refinement::Done);
        }
        let underway = object.is_being_refined() || self.is_refiner_encoding();
        underway.then_some(Refinement::Underway)
    }
}
