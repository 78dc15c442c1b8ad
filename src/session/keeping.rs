//! What is kept of what is shown.

use crate::words::Word;

use super::event::{Command, Snapshot};
use super::{Frozen, Session};

impl Session {
    pub(super) fn save(&mut self, commands: &mut Vec<Command>) {
        let callipers = self.frozen.as_ref().map(Frozen::measured).unwrap_or_default();
        let (frame, objects) = match &self.frozen {
            Some(frozen) => (frozen.frame.clone(), frozen.objects.snapshot()),
            None => match (&self.tracking, &self.presented) {
                (Some(tracking), _) => (tracking.frame().clone(), tracking.snapshot()),
                (None, Some(frame)) => (frame.clone(), Vec::new()),
                (None, None) => return,
            },
        };
        self.saving = true;
        let model = self.options.model.clone();
        let refiner = self.options.refiner.clone();
        commands.push(Command::Save(Snapshot { frame, objects, callipers, model, refiner }));
    }

    pub(super) fn clip(&mut self, commands: &mut Vec<Command>) {
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.frame);
        let scale = frozen.or(self.presented.as_ref()).and_then(|frame| self.scale_of(frame));
        let last = frozen.cloned();
        self.clipping = true;
        commands.push(Command::Clip { last, scale });
    }

    pub(super) fn say_kept(&mut self, told: Word, result: Result<String, String>) {
        let words = &self.options.words;
        self.say(match result {
            Ok(place) => words.fill(told, &[("place", &place)]),
            Err(reason) => words.fill(Word::NotSaved, &[("reason", &reason)]),
        });
    }
}
