//! What is kept of what is shown.

use crate::words::Word;

use super::event::{Command, Snapshot};
use super::{Frozen, Session};

/// Where a press of Save has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saving {
    /// None was made, or it is done.
    Idle,
    /// An outline is on its way, which is to be in the record.
    Waiting,
    /// The record is being written.
    Writing {
        /// A prompt had no answer, so that its structure has no outline or an earlier one.
        left_out: bool,
    },
}

impl Session {
    /// Saves what was to be saved, once no outline is on its way.
    pub(super) fn save_when_due(&mut self, commands: &mut Vec<Command>) {
        if self.saving == Saving::Waiting && !self.awaits_outlines() {
            self.save(commands);
        }
    }

    /// Whether what was pointed at is to be answered yet.
    fn awaits_outlines(&self) -> bool {
        let objects = self.frozen.as_ref().map(|frozen| &frozen.objects);
        objects.is_some_and(|o| o.are_asked_for() || (self.is_encoding() && o.are_wanted()))
    }

    /// Saves what is there by now of a picture that is about to be let go.
    pub(super) fn save_without_waiting(&mut self, commands: &mut Vec<Command>) {
        if self.saving == Saving::Waiting {
            self.save(commands);
        }
    }

    fn save(&mut self, commands: &mut Vec<Command>) {
        self.saving = Saving::Idle;
        self.check_scale(commands);
        let Some(frame) = self.at_hand() else { return };
        let objects = match (&self.frozen, &self.tracking) {
            (Some(frozen), _) => frozen.objects.snapshot(),
            (None, Some(tracking)) => tracking.snapshot(),
            (None, None) => Vec::new(),
        };
        let left_out = self.frozen.as_ref().is_some_and(|frozen| frozen.objects.lack_answers());
        let callipers = self.frozen.as_ref().map(Frozen::measured).unwrap_or_default();
        self.saving = Saving::Writing { left_out };
        let model = self.options.model.clone();
        let refiner = self.options.refiner.clone();
        commands.push(Command::Save(Snapshot { frame, objects, callipers, model, refiner }));
    }

    /// Notes that the record is written, or why it isn't.
    pub(super) fn saved(&mut self, result: Result<String, String>) {
        let Saving::Writing { left_out } = self.saving else { return };
        self.saving = Saving::Idle;
        let with_warning = |told| match left_out {
            true => format!("{}; {told}", self.options.words.get(Word::LeftOut)),
            false => told,
        };
        let result = result.map(with_warning);
        self.say_kept(Word::Saved, result);
    }

    pub(super) fn clip(&mut self, commands: &mut Vec<Command>) {
        self.check_scale(commands);
        let frame = self.at_hand();
        let scale = self.scale.clone();
        let scale = scale.filter(|scale| frame.is_some_and(|frame| scale.is_for(frame.size())));
        let mut last = self.frozen.as_ref().map(|frozen| frozen.frame.clone());
        if let Some(last) = &mut last {
            // As those before it are remembered.
            last.pixel_spacing = last.stated_spacing;
        }
        self.clipping = true;
        commands.push(Command::Clip { last, scale, since: self.scaled_since });
    }

    pub(super) fn say_kept(&mut self, kept: Word, result: Result<String, String>) {
        let words = &self.options.words;
        let kept = match result {
            Ok(told) => words.fill(kept, &[("told", &told)]),
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
