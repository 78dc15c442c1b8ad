//! From one picture to another, past those that can't be read.

use super::{Desk, Stage};
use crate::frame::Frame;
use crate::label::{Errand, KeptMask};
use crate::overlay::Button;
use crate::session::{Command, Event, State};
use crate::words::Word;

/// The way to another picture.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    /// The picture that is being read.
    picture: usize,
    backwards: bool,
    /// What is to be said of each that was passed over.
    unreadable: Vec<String>,
}

impl Desk {
    /// Reads a picture, or else the next one that can be. What is open stays until it is there.
    pub(super) fn read(&mut self, picture: usize, commands: &mut Vec<Command>) {
        self.passage = Some(Passage { picture, backwards: false, unreadable: vec![] });
        self.ask(Errand::Show(picture), commands);
    }

    /// Goes to the nearest picture that can be read, if there is any further one.
    pub(super) fn go(&mut self, backwards: bool, commands: &mut Vec<Command>) {
        let passage = Passage { picture: self.at, backwards, unreadable: vec![] };
        self.go_on(passage, commands);
    }

    fn go_on(&mut self, passage: Passage, commands: &mut Vec<Command>) {
        match self.beyond(&passage) {
            Some((picture, backwards)) => {
                self.passage = Some(Passage { picture, backwards, ..passage });
                self.ask(Errand::Show(picture), commands);
            }
            None => self.stay(passage),
        }
    }

    /// The picture behind the one of a passage, and whether that is backwards. Where none is open yet, the
    /// first ones come after the last.
    fn beyond(&self, passage: &Passage) -> Option<(usize, bool)> {
        let Passage { picture, backwards, .. } = *passage;
        let count = self.options.pictures.len();
        let next = match backwards {
            true => picture.checked_sub(1),
            false => Some(picture + 1).filter(|next| *next < count),
        };
        let turn = !backwards && matches!(self.stage, Stage::Reading);
        let before = self.at.checked_sub(1).filter(|_| turn);
        next.map(|next| (next, backwards)).or(before.map(|before| (before, true)))
    }

    /// Says that there is no further picture.
    fn stay(&mut self, Passage { backwards, mut unreadable, .. }: Passage) {
        // What is not accepted is on the screen again, for the next button to be told of.
        self.warned = false;
        if matches!(self.stage, Stage::Reading) && !unreadable.is_empty() {
            self.stage = Stage::Failed(unreadable.swap_remove(0));
            return;
        }
        let end = if backwards { Word::FirstPicture } else { Word::LastPicture };
        let end = self.options.words.get(end).to_owned();
        self.session.say(match self.told(&unreadable) {
            Some(told) => format!("{end} \u{b7} {told}"),
            None => end,
        });
    }

    /// What was passed over.
    fn told(&self, unreadable: &[String]) -> Option<String> {
        let (first, others) = unreadable.split_first()?;
        Some(match others.len() {
            0 => first.clone(),
            // The name last: it may have braces of its own.
            others => self
                .options
                .words
                .fill(Word::OthersUnreadable, &[("others", &others), ("first", first)]),
        })
    }

    /// Notes what came of reading a picture.
    pub(super) fn was_read(
        &mut self,
        picture: usize,
        result: Result<(Frame, Vec<KeptMask>), String>,
        commands: &mut Vec<Command>,
    ) {
        let Some(mut passage) = self.passage.take_if(|passage| passage.picture == picture) else {
            return;
        };
        match result {
            Ok((frame, masks)) => {
                if let Some(told) = self.told(&passage.unreadable) {
                    self.session.say(told);
                }
                self.open(picture, frame, masks, commands);
            }
            Err(reason) => {
                let name = self.title(picture);
                let unreadable = self.options.words.fill(Word::Unreadable, &[("name", &name)]);
                passage.unreadable.push(format!("{unreadable}: {reason}"));
                self.go_on(passage, commands);
            }
        }
    }

    fn open(
        &mut self,
        picture: usize,
        frame: Frame,
        masks: Vec<KeptMask>,
        commands: &mut Vec<Command>,
    ) {
        if self.session.state() != State::Live {
            commands.extend(self.session.handle(Event::Pressed(Button::LiveFreeze)));
        }
        self.at = picture;
        self.accepted = masks.into_iter().map(Into::into).collect();
        self.warned = false;
        self.stage = Stage::Coming(frame.clone());
        commands.extend(self.session.handle(Event::Frame(frame)));
        // No other is to be waited for.
        commands.extend(self.session.handle(Event::FeedEnded));
    }
}
