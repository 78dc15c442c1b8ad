//! What is kept of what is shown.

use crate::words::Word;

use super::event::{Command, Snapshot};
use super::{Frozen, Session};

impl Session {
    pub(super) fn save(&mut self, commands: &mut Vec<Command>) {
        self.check_scale(commands);
        let Some(frame) = self.at_hand() else { return };
        let objects = match (&self.frozen, &self.tracking) {
            (Some(frozen), _) => frozen.objects.snapshot(),
            (None, Some(tracking)) => tracking.snapshot(),
            (None, None) => Vec::new(),
        };
        let callipers = self.frozen.as_ref().map(Frozen::measured).unwrap_or_default();
        self.saving = true;
        let model = self.options.model.clone();
        let refiner = self.options.refiner.clone();
        commands.push(Command::Save(Snapshot { frame, objects, callipers, model, refiner }));
    }

    pub(super) fn clip(&mut self, commands: &mut Vec<Command>) {
        self.check_scale(commands);
        let scale = self.at_hand().and_then(|frame| self.scale_of(&frame));
        let last = self.frozen.as_ref().map(|frozen| frozen.frame.clone());
        self.clipping = true;
        commands.push(Command::Clip { last, scale });
    }

    pub(super) fn say_kept(&mut self, told: Word, result: Result<String, String>) {
        let words = &self.options.words;
        let kept = match result {
            Ok(place) => words.fill(told, &[("place", &place)]),
            Err(reason) => words.fill(Word::NotSaved, &[("reason", &reason)]),
        };
        // That the scale was dropped is said once, and the moment before this.
        let dropped = self.notice().filter(|notice| *notice == words.get(Word::ScaleChanged));
        self.say(match dropped {
            Some(dropped) => format!("{dropped}; {kept}"),
            None => kept,
        });
    }
}
