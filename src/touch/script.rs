//! Gestures written down beforehand, for demonstrations and tests.

use std::collections::VecDeque;

use crate::geometry::{FrameBox, FramePoint};
use crate::overlay::Button;
use crate::screen::Key;

/// When a step of a script is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// As soon as what went before is answered and on the screen.
    Answered,
    /// The same, and the picture on the screen has this sequence number or a later one: a
    /// player that is late leaves frames out.
    Shown(u64),
}

/// What a scripted person does, in pixels of the frame on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Taps the picture.
    Tap(FramePoint),
    /// Drags a box on the picture.
    Drag(FrameBox),
    /// Presses a button.
    Press(Button),
    /// Presses a key.
    Key(Key),
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub when: When,
    /// What.
    pub action: Action,
}

/// Steps that are played one after the other; each waits until the one before has been answered,
/// however long the network takes.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
}

impl Script {
    /// A script of `steps`.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }

    /// Whether all steps were taken.
    pub fn is_done(&self) -> bool {
        self.steps.is_empty()
    }

    /// The sequence number of the frame that the next step waits for, if it does.
    pub fn awaited_frame(&self) -> Option<u64> {
        match self.steps.front()?.when {
            When::Answered => None,
            When::Shown(sequence) => Some(sequence),
        }
    }

    /// The next step if it is due, taking it off the script. To be asked only while nothing is
    /// being worked on; `shown` is the sequence number of the picture on the screen, and without
    /// a picture no step is due.
    pub fn next_due(&mut self, shown: Option<u64>) -> Option<Action> {
        let shown = shown?;
        let due = self.awaited_frame().is_none_or(|awaited| shown >= awaited);
        if due { self.steps.pop_front().map(|step| step.action) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_wait_for_their_frame_and_their_turn() {
        let (undo, clear) = (Action::Press(Button::Undo), Action::Press(Button::Clear));
        let mut script = Script::new([
            Step { when: When::Shown(3), action: undo },
            Step { when: When::Answered, action: clear },
        ]);
        assert_eq!(script.next_due(None), None);
        assert_eq!(script.next_due(Some(2)), None);
        assert_eq!(script.next_due(Some(4)), Some(undo));
        assert!(!script.is_done() && script.awaited_frame().is_none());
        assert_eq!(script.next_due(Some(4)), Some(clear));
        assert!(script.is_done());
        assert_eq!(script.next_due(Some(4)), None);
    }
}
