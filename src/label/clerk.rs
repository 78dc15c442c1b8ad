//! The thread that runs errands.

use std::collections::VecDeque;
use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{Desk, Errand, LabelSet, Outcome};
use crate::session::{Command, Event};

/// Starts a thread that runs errands one after the other. When the sender is dropped it finishes them
/// and gives the dataset back.
pub(crate) fn spawn(
    mut set: LabelSet,
) -> io::Result<(Sender<Errand>, Receiver<Event>, JoinHandle<LabelSet>)> {
    let (errands, todo) = unbounded();
    let (done, outcomes) = unbounded();
    let work = move || {
        for errand in todo {
            // Where nobody listens any more, what was asked for is done all the same.
            let _ = done.send(Event::Label(run(&mut set, errand)));
        }
        set
    };
    let handle = std::thread::Builder::new().name("label".into()).spawn(work)?;
    Ok((errands, outcomes, handle))
}

/// Tells `desk` what came of its last errands when nobody stands at it any more, and does what it asks for
/// then: something may have been pressed while it waited.
pub(crate) fn settle(desk: &mut Desk, outcomes: &Receiver<Event>, set: &mut LabelSet) {
    let mut events: VecDeque<Event> = outcomes.try_iter().collect();
    while let Some(event) = events.pop_front() {
        for command in desk.handle(event) {
            match command {
                // No picture is to be shown any more.
                Command::Label(Errand::Show(_)) => {}
                Command::Label(errand) => events.push_back(Event::Label(run(set, errand))),
                _ => {}
            }
        }
    }
}

fn run(set: &mut LabelSet, errand: Errand) -> Outcome {
    let text = |error: super::LabelError| error.to_string();
    match errand {
        Errand::Show(picture) => {
            let result = set.read(picture).map(|frame| (frame, set.masks_of(picture)));
            Outcome::Shown { picture, result: result.map_err(|error| error.reason()) }
        }
        Errand::Keep { id, picture, frame, mask, about } => {
            Outcome::Kept { id, result: set.keep(picture, &frame, &mask, *about).map_err(text) }
        }
        Errand::Withdraw(mask) => {
            Outcome::Withdrawn { mask, result: set.withdraw(mask).map_err(text) }
        }
        Errand::Finish(picture) => {
            Outcome::Finished { picture, result: set.finish(picture).map_err(text) }
        }
    }
}
