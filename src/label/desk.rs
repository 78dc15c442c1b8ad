//! What a person who labels sees and does; pure, as the [`Session`] is that it stands round.

use std::collections::VecDeque;
use std::time::Duration;

use super::{About, Errand, KeptMask, Origin, Outcome};
use crate::frame::Frame;
use crate::mask::Mask;
use crate::overlay::{Button, ButtonState, Scene, SceneObject};
use crate::screen::Key;
use crate::session::{Command, Event, Session, SessionOptions, State, Taken};

/// Proposals that are this much the same as a kept mask, by IoU, are left out.
const SAME: f64 = 0.8;

/// What is to be labelled.
#[derive(Clone, Debug, Default)]
pub struct DeskOptions {
    /// The pictures' names.
    pub pictures: Vec<String>,
    /// For each whether it is done; the first that is not comes first.
    pub finished: Vec<bool>,
    /// The names that a mask can get; at least one.
    pub names: Vec<String>,
    /// Whether everything on a new picture is outlined without being asked.
    pub propose: bool,
    /// See [`SessionOptions::refine_with_mask`].
    pub refine_with_mask: bool,
    /// The model's name.
    pub model: String,
}

/// Where the picture is.
#[derive(Clone, Debug)]
enum Stage {
    /// It is being read.
    Reading,
    /// It is being brought to the screen.
    Coming(Frame),
    /// It is there.
    Open(Frame),
    /// It can't be read: why.
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
    failed: bool,
}

/// A person's desk: one picture after the other, with a [`Session`] on each.
#[derive(Clone, Debug)]
pub struct Desk {
    options: DeskOptions,
    session: Session,
    /// The picture's index.
    at: usize,
    stage: Stage,
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
    /// A desk with the first picture that is not done.
    pub fn new(options: DeskOptions) -> Self {
        let session = Session::new(SessionOptions {
            refine_with_mask: options.refine_with_mask,
            model: options.model.clone(),
            ..SessionOptions::default()
        });
        let at = options.finished.iter().position(|finished| !finished).unwrap_or(0);
        Self {
            options,
            session,
            at,
            stage: Stage::Reading,
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
                    self.show(self.at, &mut commands);
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
            Event::Searched { id, result } => {
                let result = result.map(|mut found| {
                    found.retain(|found| {
                        self.accepted.iter().all(|a| a.mask.iou(&found.mask) < SAME)
                    });
                    found
                });
                commands = self.session.handle(Event::Searched { id, result });
            }
            // The picture is the one that was asked for, and no other.
            Event::Frame(_) | Event::FeedFailed(_) | Event::FeedEnded => {}
            Event::Touched | Event::Tap { .. } | Event::DragMoved(_) | Event::Drag(_)
                if !matches!(self.stage, Stage::Open(_)) => {}
            event => commands = self.session.handle(event),
        }
        commands
    }

    fn ask(&mut self, errand: Errand, commands: &mut Vec<Command>) {
        self.waiting += 1;
        self.revision += 1;
        commands.push(Command::Label(errand));
    }

    fn show(&mut self, picture: usize, commands: &mut Vec<Command>) {
        if self.session.state() != State::Live {
            commands.extend(self.session.handle(Event::Pressed(Button::LiveFreeze)));
        }
        self.at = picture;
        self.stage = Stage::Reading;
        self.accepted.clear();
        self.warned = false;
        self.ask(Errand::Show(picture), commands);
    }

    fn outcome(&mut self, outcome: Outcome, commands: &mut Vec<Command>) {
        match outcome {
            Outcome::Shown { picture, .. } if picture != self.at => {}
            Outcome::Shown { result: Ok((frame, masks)), .. } => {
                self.accepted = masks.into_iter().map(Accepted::from).collect();
                self.stage = Stage::Coming(frame.clone());
                commands.extend(self.session.handle(Event::Frame(frame)));
                // No other is to be waited for.
                commands.extend(self.session.handle(Event::FeedEnded));
            }
            Outcome::Shown { result: Err(reason), .. } => {
                self.stage = Stage::Failed(reason);
            }
            Outcome::Kept { id, result } => {
                let Some(kept) = self.accepted.iter_mut().find(|a| a.errand == id) else { return };
                match result {
                    Ok(number) => kept.id = Some(number),
                    Err(reason) => {
                        kept.failed = true;
                        self.session.say(format!("Not kept: {reason}; Accept tries again"));
                    }
                }
            }
            // What could not be taken back is still in the dataset, and so on the screen.
            Outcome::Withdrawn { mask, result } => match result {
                Ok(()) => self.accepted.retain(|a| a.id != Some(mask)),
                Err(reason) => self.session.say(reason),
            },
            Outcome::Finished { result: Err(reason), .. } => self.session.say(reason),
            Outcome::Finished { picture, .. } => {
                if let Some(finished) = self.options.finished.get_mut(picture) {
                    *finished = true;
                }
                match picture + 1 < self.options.pictures.len() {
                    true => self.show(picture + 1, commands),
                    false => self.session.say("That was the last picture"),
                }
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
        let is_new = self.accepted.is_empty() && !self.options.finished[self.at];
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
        if self.accepted.iter().all(|a| !a.failed) {
            let Some(taken) = self.session.take_active() else {
                return self.session.say("The mask is not there yet, or it is empty");
            };
            let accepted = self.accepted_mask(taken);
            self.accepted.push(accepted);
            self.since = self.now;
            self.warned = false;
        }
        let Some(accepted) = self.accepted.iter_mut().find(|a| a.id.is_none()) else { return };
        accepted.failed = false;
        let errand = Errand::Keep {
            id: accepted.errand,
            picture: self.at,
            frame,
            mask: accepted.mask.clone(),
            about: Box::new(accepted.about.clone()),
        };
        self.ask(errand, commands);
    }

    fn accepted_mask(&mut self, Taken { candidate, prompt, steps, found }: Taken) -> Accepted {
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
        Accepted { errand, mask, about, id: None, failed: false }
    }

    /// Takes the newest accepted mask back.
    fn withdraw(&mut self, commands: &mut Vec<Command>) {
        self.since = self.now;
        match self.accepted.last() {
            Some(Accepted { id: Some(id), .. }) => self.ask(Errand::Withdraw(*id), commands),
            Some(_) => self.accepted.truncate(self.accepted.len() - 1),
            None => {}
        }
    }

    /// Goes to another picture, unless something would be lost that the person was not told of.
    fn leave(&mut self, button: Button, commands: &mut Vec<Command>) {
        if self.accepted.iter().any(|a| a.failed) {
            return self
                .session
                .say("A mask is not on the disk: Accept tries again, Undo drops it");
        }
        if self.session.state() == State::Prompting && !std::mem::replace(&mut self.warned, true) {
            let text = "A mask is not accepted: Accept keeps it, once more leaves without it";
            return self.session.say(text);
        }
        match button {
            Button::Next if matches!(self.stage, Stage::Open(_)) => {
                self.ask(Errand::Finish(self.at), commands);
            }
            Button::Next if self.at + 1 < self.options.pictures.len() => {
                self.show(self.at + 1, commands);
            }
            Button::Next => self.session.say("That was the last picture"),
            _ => self.show(self.at - 1, commands),
        }
    }

    fn is_enabled(&self, button: Button) -> bool {
        let open = matches!(self.stage, Stage::Open(_));
        match button {
            Button::Accept => {
                let failed = self.accepted.iter().any(|a| a.failed);
                open && (failed || self.session.state() == State::Prompting)
            }
            Button::Name => self.options.names.len() > 1,
            Button::Previous => self.at > 0 && !matches!(self.stage, Stage::Coming(_)),
            Button::Next => !matches!(self.stage, Stage::Coming(_)),
            Button::Undo => open && (self.session.is_enabled(button) || !self.accepted.is_empty()),
            _ => open && self.session.is_enabled(button),
        }
    }

    /// Everything on the screen, as of the last tick.
    pub fn scene(&self) -> Scene {
        let mut scene = self.session.scene();
        let kept = self.accepted.iter().map(|accepted| SceneObject {
            mask: Some(accepted.mask.clone()),
            points: vec![],
            bounding_box: None,
            colour: self.colour(&accepted.about.name),
            active: false,
            label: None,
        });
        scene.objects = kept.chain(scene.objects).collect();
        let tools = std::mem::take(&mut scene.buttons);
        let button = |button| {
            let of_session = tools.iter().find(|state| state.button == button);
            let label = match button {
                Button::Accept => "Accept".into(),
                Button::Name => self.options.names[self.name].clone().into(),
                Button::Previous => "Previous".into(),
                Button::Next => "Next picture".into(),
                _ => of_session.map_or("".into(), |state| state.label.clone()),
            };
            let active = of_session.is_some_and(|state| state.active);
            ButtonState { button, label, enabled: self.is_enabled(button), active }
        };
        scene.buttons = Button::LABELLING.map(button).to_vec();
        let (number, count) = (self.at + 1, self.options.pictures.len());
        scene.status.source = format!("{number}/{count} {}", self.options.pictures[self.at]);
        scene.status.feed_fps = None;
        let of_session =
            scene.status.message.take().filter(|_| {
                self.session.state() != State::Live && self.session.proposals().is_none()
            });
        // What was said of the picture before is old news on one that can't be read.
        let failed = matches!(self.stage, Stage::Failed(_));
        let notice = self.session.notice().filter(|_| !failed).map(str::to_owned);
        scene.status.message = Some(notice.or(of_session).unwrap_or_else(|| self.message()));
        scene
    }

    fn colour(&self, name: &str) -> usize {
        self.options.names.iter().position(|known| known == name).unwrap_or(0)
    }

    /// What is done, and what can be.
    fn message(&self) -> String {
        let done = if self.options.finished[self.at] { "done, " } else { "" };
        match &self.stage {
            Stage::Reading | Stage::Coming(_) => "Reading the picture".into(),
            Stage::Failed(reason) => reason.clone(),
            Stage::Open(_) if self.session.state() == State::Prompting => {
                format!("Accept keeps it as {}", self.options.names[self.name])
            }
            Stage::Open(_) if self.accepted.is_empty() => match self.session.proposals() {
                Some(1..) => format!("{done}nothing kept here; tap a proposal to take it"),
                _ => format!("{done}nothing kept here; tap a structure, or drag a box round it"),
            },
            Stage::Open(_) => {
                let names: Vec<&str> = self.accepted.iter().map(|a| &*a.about.name).collect();
                let last = self.accepted.last().map_or(0.0, |a| a.about.seconds);
                let (count, names) = (names.len(), names.join(", "));
                format!("{done}{count} kept here: {names}; the last took {last:.1} s")
            }
        }
    }
}

impl From<KeptMask> for Accepted {
    fn from(kept: KeptMask) -> Self {
        let mask = kept.segmentation.to_mask();
        Self { errand: 0, mask, about: kept.about, id: Some(kept.id), failed: false }
    }
}
