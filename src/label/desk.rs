//! What a person who labels sees and does; pure, as the [`Session`] is that it stands round.

mod passage;
mod shown;

use std::collections::VecDeque;
use std::time::Duration;

use super::{About, Errand, KeptMask, Origin, Outcome, Picture};
use crate::frame::Frame;
use crate::mask::Mask;
use crate::model::MaskCandidate;
use crate::overlay::Button;
use crate::screen::Key;
use crate::session::{Command, Event, Session, SessionOptions, State, Taken};
use crate::words::{Word, Words};

use passage::Passage;

/// Proposals that are this much the same as a kept mask, by IoU, are left out.
const SAME: f64 = 0.8;

/// What is to be labelled.
#[derive(Clone, Debug, Default)]
pub struct DeskOptions {
    /// The pictures; at least one. The first that is not done and can be read comes first.
    pub pictures: Vec<Picture>,
    /// The names that a mask can get; at least one.
    pub names: Vec<String>,
    /// Whether everything on a new picture is outlined without being asked.
    pub propose: bool,
    /// See [`SessionOptions::refine_with_mask`].
    pub refine_with_mask: bool,
    /// The model's name.
    pub model: String,
    /// The words on the screen.
    pub words: Words,
}

/// Where the picture is.
#[derive(Clone, Debug)]
enum Stage {
    /// None is open yet: it is being read.
    Reading,
    /// It is being brought to the screen.
    Coming(Frame),
    /// It is there.
    Open(Frame),
    /// None can be read: what is to be said of it.
    Failed(String),
}

/// A mask that was accepted.
#[derive(Clone, Debug)]
struct Accepted {
    /// That of the errand.
    errand: u64,
    mask: Mask,
    about: About,
    /// Its number, once it is on the disk.
    id: Option<u64>,
    /// Why it could not be kept.
    failed: Option<String>,
    /// What was proposed for the same structure: it is again, when the mask is taken back.
    proposal: Option<MaskCandidate>,
}

/// A person's desk: one picture after the other, with a [`Session`] on each.
#[derive(Clone, Debug)]
pub struct Desk {
    options: DeskOptions,
    session: Session,
    /// The picture's index.
    at: usize,
    stage: Stage,
    /// Where another picture is looked for.
    passage: Option<Passage>,
    /// What is kept of the picture.
    accepted: Vec<Accepted>,
    /// The index of the name that the next mask gets.
    name: usize,
    now: Duration,
    /// Since when the next mask takes time.
    since: Duration,
    begun: bool,
    /// Errands that were not answered yet, and what was pressed meanwhile.
    waiting: usize,
    pressed: VecDeque<Button>,
    /// Whether the person was told that masks are not accepted yet.
    warned: bool,
    last_errand: u64,
    revision: u64,
}

impl Desk {
    /// A desk with the first picture that is not done and can be read, or else the first that can.
    pub fn new(options: DeskOptions) -> Self {
        let session = Session::new(SessionOptions {
            refine_with_mask: options.refine_with_mask,
            model: options.model.as_str().into(),
            words: options.words.clone(),
            ..SessionOptions::default()
        });
        let first = |wanted: fn(&Picture) -> bool| options.pictures.iter().position(wanted);
        let new = first(|picture| !picture.finished && !picture.unreadable);
        let at = new.or_else(|| first(|picture| !picture.unreadable)).unwrap_or(0);
        Self {
            options,
            session,
            at,
            stage: Stage::Reading,
            passage: None,
            accepted: Vec::new(),
            name: 0,
            now: Duration::ZERO,
            since: Duration::ZERO,
            begun: false,
            waiting: 0,
            pressed: VecDeque::new(),
            warned: false,
            last_errand: 0,
            revision: 0,
        }
    }

    /// See [`Session::is_idle`]; the picture is there, too, or can't be read.
    pub fn is_idle(&self) -> bool {
        let settled = matches!(self.stage, Stage::Open(_) | Stage::Failed(_));
        self.begun && settled && self.waiting == 0 && self.session.is_idle()
    }

    /// See [`Session::revision`].
    pub fn revision(&self) -> u64 {
        self.revision + self.session.revision()
    }

    /// Takes notice of an event and tells what is to be done, as [`Session::handle`] does.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            Event::Tick(now) => {
                self.now = self.now.max(now);
                commands = self.session.handle(Event::Tick(now));
                if !std::mem::replace(&mut self.begun, true) {
                    self.read(self.at, &mut commands);
                }
            }
            Event::Label(outcome) => {
                self.waiting = self.waiting.saturating_sub(1);
                self.revision += 1;
                self.outcome(outcome, &mut commands);
                while self.waiting == 0
                    && let Some(button) = self.pressed.pop_front()
                {
                    self.press(button, &mut commands);
                }
            }
            Event::Key(key) => self.key(key, &mut commands),
            Event::Pressed(button) => self.press(button, &mut commands),
            Event::Presented(frame) => self.presented(frame, &mut commands),
            // Another is of a picture that was left, and none of its masks is of this one's structures.
            Event::Searched { id, result } if self.session.awaits_search(id) => {
                let result = result.map(|found| self.not_accepted(found));
                commands = self.session.handle(Event::Searched { id, result });
            }
            // The picture is the one that was asked for, and no other.
            Event::Frame(_) | Event::FeedFailed(_) | Event::FeedEnded => {}
            Event::Touched
            | Event::Tap { .. }
            | Event::LongPress { .. }
            | Event::DragMoved(_)
            | Event::Drag(_)
                if !self.is_open() => {}
            event => commands = self.session.handle(event),
        }
        commands
    }

    fn ask(&mut self, errand: Errand, commands: &mut Vec<Command>) {
        self.waiting += 1;
        self.revision += 1;
        commands.push(Command::Label(errand));
    }

    /// Whether the picture is there, and no other on its way.
    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_)) && self.passage.is_none()
    }

    fn outcome(&mut self, outcome: Outcome, commands: &mut Vec<Command>) {
        match outcome {
            Outcome::Shown { picture, result } => self.was_read(picture, result, commands),
            Outcome::Kept { id, result } => {
                let Some(kept) = self.accepted.iter_mut().find(|a| a.errand == id) else { return };
                match result {
                    Ok(number) => kept.id = Some(number),
                    Err(reason) => {
                        kept.failed = Some(reason.clone());
                        self.say_reason(Word::NotKept, reason);
                    }
                }
            }
            // What could not be taken back is still in the dataset, and so on the screen.
            Outcome::Withdrawn { mask, result } => match result {
                Ok(()) => {
                    let at = self.accepted.iter().position(|a| a.id == Some(mask));
                    let taken_back = at.map(|at| self.accepted.remove(at));
                    self.offer_again(taken_back);
                }
                Err(reason) => self.say_reason(Word::NotWithdrawn, reason),
            },
            Outcome::Finished { result: Err(reason), .. } => {
                self.warned = false;
                self.say_reason(Word::NotFinished, reason);
            }
            Outcome::Finished { picture, .. } => {
                if let Some(picture) = self.options.pictures.get_mut(picture) {
                    picture.finished = true;
                }
                self.go(false, commands);
            }
        }
    }

    /// The picture is on the screen: it stays, is encoded, and proposals are made where it is new.
    fn presented(&mut self, frame: Frame, commands: &mut Vec<Command>) {
        let came = match &self.stage {
            Stage::Coming(awaited) => std::ptr::eq(awaited.rgb(), frame.rgb()),
            _ => false,
        };
        commands.extend(self.session.handle(Event::Presented(frame.clone())));
        if !came {
            return;
        }
        self.stage = Stage::Open(frame);
        self.since = self.now;
        commands.extend(self.session.handle(Event::Pressed(Button::LiveFreeze)));
        let is_new = self.accepted.is_empty() && !self.options.pictures[self.at].finished;
        if self.options.propose && is_new {
            commands.extend(self.session.handle(Event::Pressed(Button::Everything)));
        }
    }

    fn key(&mut self, key: Key, commands: &mut Vec<Command>) {
        let button = match key {
            Key::Enter | Key::Letter(' ') => Button::Accept,
            Key::Backspace | Key::Letter('u') => Button::Undo,
            Key::Left => Button::Previous,
            Key::Right => Button::Next,
            Key::Letter('+' | '=') => Button::Positive,
            Key::Letter('-') => Button::Negative,
            Key::Letter('b') => Button::Box,
            Key::Letter('m') => Button::NextMask,
            Key::Letter('o') => Button::NewObject,
            Key::Letter('f') => Button::Everything,
            Key::Letter('n') => Button::Name,
            Key::Letter(digit) => {
                let index = digit.to_digit(10).and_then(|digit| digit.checked_sub(1));
                let index = index.map(|index| index as usize);
                if let Some(index) = index.filter(|index| *index < self.options.names.len()) {
                    self.name = index;
                    self.revision += 1;
                }
                return;
            }
        };
        self.press(button, commands);
    }

    fn press(&mut self, button: Button, commands: &mut Vec<Command>) {
        self.revision += 1;
        let own = matches!(
            button,
            Button::Accept | Button::Previous | Button::Next | Button::Undo | Button::Name
        );
        if own && self.waiting > 0 {
            self.pressed.push_back(button);
            return;
        }
        if !Button::LABELLING.contains(&button) || !self.is_enabled(button) {
            return;
        }
        match button {
            Button::Accept => self.accept(commands),
            Button::Name => self.name = (self.name + 1) % self.options.names.len(),
            Button::Previous => self.leave(button, commands),
            Button::Next => self.leave(button, commands),
            Button::Undo if !self.session.is_enabled(button) => self.withdraw(commands),
            _ => commands.extend(self.session.handle(Event::Pressed(button))),
        }
    }

    /// Accepts the active mask, or tries again what could not be written.
    fn accept(&mut self, commands: &mut Vec<Command>) {
        let Stage::Open(frame) = self.stage.clone() else { return };
        if self.accepted.iter().all(|a| a.failed.is_none()) {
            let Some(taken) = self.session.take_active() else {
                return self.say(Word::NoMaskYet);
            };
            let accepted = self.accepted_mask(taken);
            self.accepted.push(accepted);
            self.since = self.now;
            self.warned = false;
        }
        let Some(accepted) = self.accepted.iter_mut().find(|a| a.id.is_none()) else { return };
        accepted.failed = None;
        let errand = Errand::Keep {
            id: accepted.errand,
            picture: self.at,
            frame,
            mask: accepted.mask.clone(),
            about: Box::new(accepted.about.clone()),
        };
        self.ask(errand, commands);
    }

    fn accepted_mask(&mut self, taken: Taken) -> Accepted {
        let Taken { candidate, prompt, steps, found, proposal } = taken;
        self.last_errand += 1;
        // The first step of what was found is no prompt.
        let prompts = steps - usize::from(found);
        let about = About {
            name: self.options.names[self.name].clone(),
            origin: match (found, prompts) {
                (true, 0) => Origin::Proposed,
                (true, _) => Origin::Corrected,
                (false, _) => Origin::Pointed,
            },
            points: prompt.points,
            bounding_box: prompt.bounding_box,
            prompts,
            predicted_iou: candidate.predicted_iou,
            model: self.options.model.clone(),
            seconds: self.now.saturating_sub(self.since).as_secs_f64(),
        };
        let (errand, mask) = (self.last_errand, candidate.mask);
        Accepted { errand, mask, about, id: None, failed: None, proposal }
    }

    /// Takes the newest accepted mask back.
    fn withdraw(&mut self, commands: &mut Vec<Command>) {
        self.since = self.now;
        match self.accepted.last() {
            Some(Accepted { id: Some(id), .. }) => self.ask(Errand::Withdraw(*id), commands),
            _ => {
                let dropped = self.accepted.pop();
                self.offer_again(dropped);
            }
        }
    }

    /// What was proposed for a mask that is not kept any more is a proposal again.
    fn offer_again(&mut self, taken_back: Option<Accepted>) {
        if let Some(proposal) = taken_back.and_then(|accepted| accepted.proposal) {
            self.session.offer(proposal);
        }
    }

    /// The proposals that are of no structure which was accepted already; the others are held back.
    fn not_accepted(&mut self, mut found: Vec<MaskCandidate>) -> Vec<MaskCandidate> {
        found.retain(|found| {
            let of_size = |a: &&mut Accepted| a.mask.size() == found.mask.size();
            let mut accepted = self.accepted.iter_mut().filter(of_size);
            let same = accepted.find(|a| a.mask.iou(&found.mask) >= SAME);
            same.map(|same| same.proposal.get_or_insert_with(|| found.clone())).is_none()
        });
        found
    }

    /// Goes to another picture, unless something would be lost that the person was not told of.
    fn leave(&mut self, button: Button, commands: &mut Vec<Command>) {
        if self.has_failed() {
            return self.say(Word::NotOnDisk);
        }
        if self.session.state() == State::Prompting && !std::mem::replace(&mut self.warned, true) {
            return self.say(Word::NotAccepted);
        }
        match button {
            Button::Next if self.is_open() => self.ask(Errand::Finish(self.at), commands),
            _ => self.go(button == Button::Previous, commands),
        }
    }

    /// Whether a mask was accepted that could not be kept.
    fn has_failed(&self) -> bool {
        self.accepted.iter().any(|accepted| accepted.failed.is_some())
    }

    /// What was accepted and is not on the disk, a sentence each.
    pub fn not_kept(&self) -> Vec<String> {
        let picture = self.options.pictures[self.at].name();
        let lost = self.accepted.iter().filter(|accepted| accepted.id.is_none());
        let told = lost.map(|Accepted { about, failed, .. }| {
            let reason = failed.as_deref().unwrap_or("it was not written");
            format!("{picture}: a mask that was accepted as {} is lost: {reason}", about.name)
        });
        told.collect()
    }

    fn say(&mut self, word: Word) {
        self.session.say(self.options.words.get(word));
    }

    fn say_reason(&mut self, word: Word, reason: String) {
        self.session.say(self.options.words.fill(word, &[("reason", &reason)]));
    }

    fn is_enabled(&self, button: Button) -> bool {
        let open = self.is_open();
        match button {
            Button::Accept => {
                open && (self.has_failed() || self.session.state() == State::Prompting)
            }
            Button::Name => self.options.names.len() > 1,
            Button::Previous | Button::Next => !matches!(self.stage, Stage::Coming(_)),
            Button::Undo => open && (self.session.is_enabled(button) || !self.accepted.is_empty()),
            _ => open && self.session.is_enabled(button),
        }
    }
}

impl From<KeptMask> for Accepted {
    fn from(kept: KeptMask) -> Self {
        let mask = kept.segmentation.to_mask();
        let (about, id) = (kept.about, Some(kept.id));
        Self { errand: 0, mask, about, id, failed: None, proposal: None }
    }
}
