//! What the network does while the picture is live: it encodes frames ahead of a tap, and corrects
//! the structures that are tracked.

use std::sync::Arc;
use std::time::Duration;

use crate::frame::Frame;
use crate::mask::Mask;
use crate::model::{MaskCandidate, Masks};
use crate::overlay::SceneObject;
use crate::prompt::Prompt;
use crate::track::{Blend, Question, Structure, TrackLimits, Tracked, Tracker};
use crate::words::{Word, Words};

use super::Session;
use super::event::{Command, Decoded, Job, Origin, SnapshotObject};
use super::network::{Encoding, Progress, same_picture};
use super::objects::Objects;
use super::transition::Transition;

/// What a structure keeps wherever it goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub colour: usize,
    pub label: Option<String>,
    /// Its outline is that of the second network, until the first answers.
    pub refined: bool,
}

/// The structures that are followed on the live picture.
#[derive(Clone, Debug)]
pub(super) struct Tracking {
    tracker: Tracker,
    /// The structures on the newest frame, as the tracker says.
    now: Vec<Tracked>,
    /// Their colours and labels, by id.
    looks: Vec<Look>,
    /// The embedding that was last asked of, its frame, and what isn't answered yet.
    asked: Option<(u64, Frame)>,
    pending: Vec<(u64, (u64, Question))>,
    /// Outlines on their way to what the network answered, by id.
    blends: Vec<(u64, Transition<Blend>)>,
}

impl Tracking {
    fn new(frame: &Frame, objects: &[SnapshotObject]) -> Self {
        let structure = |(id, object): (usize, &SnapshotObject)| {
            let found = object.masks.candidates.get(object.chosen)?.clone();
            Some(Structure { id: id as u64, found, prompted: object.prompt.bounding_box })
        };
        let structures = objects.iter().enumerate().filter_map(structure);
        let tracker = Tracker::new(frame, structures, TrackLimits::default());
        let look = |o: &SnapshotObject| Look {
            colour: o.colour,
            label: o.label.clone(),
            refined: o.refined,
        };
        let looks = objects.iter().map(look).collect();
        let (pending, blends) = (Vec::new(), Vec::new());
        Self { now: tracker.tracked(), tracker, looks, asked: None, pending, blends }
    }

    pub fn advance(&mut self, frame: &Frame) {
        self.tracker.advance(frame);
        self.now = self.tracker.tracked();
    }

    /// The frame that the structures were followed to.
    pub fn frame(&self) -> &Frame {
        self.tracker.frame()
    }

    pub fn is_blending(&self) -> bool {
        !self.blends.is_empty()
    }

    /// Forgets outlines that have arrived.
    pub fn tick(&mut self, now: Duration) {
        self.blends.retain(|(_, blend)| !blend.is_over(now));
    }

    /// The outline of a structure on the screen, where it isn't lost.
    fn shown(&self, tracked: &Tracked, now: Duration) -> Option<Mask> {
        let found = tracked.found.as_ref()?;
        let blend = self.blends.iter().find(|(id, _)| *id == tracked.id);
        let mask = blend.map(|(_, blend)| blend.between.at(blend.share(now), tracked));
        Some(mask.unwrap_or_else(|| found.mask.clone()))
    }

    /// Takes an answer about structure `id`, whose outline becomes what that makes of it, and doesn't jump.
    fn correct(&mut self, id: u64, question: Question, answer: &Masks, now: Duration) {
        let Some((_, frame)) = &self.asked else { return };
        let of = |tracked: &[Tracked]| tracked.iter().find(|t| t.id == id).cloned();
        let before = of(&self.now).and_then(|tracked| self.shown(&tracked, now));
        self.tracker.correct(id, question, frame, answer);
        self.now = self.tracker.tracked();
        self.blends.retain(|(of, _)| *of != id);
        let after = of(&self.now);
        let outline = after.as_ref().and_then(|after| after.found.as_ref());
        let is_outline = |c: &MaskCandidate| {
            outline.is_some_and(|found| Arc::ptr_eq(&found.low_res_logits, &c.low_res_logits))
        };
        if let Some(look) = self.looks.get_mut(id as usize) {
            look.refined &= !answer.candidates.iter().any(is_outline);
        }
        if let Some((before, after)) = before.zip(after) {
            let blend = Blend::new(&before, &after).map(|blend| Transition::new(blend, now));
            self.blends.extend(blend.map(|blend| (id, blend)));
        }
    }

    /// A sentence for the person.
    pub fn message(&self, words: &Words) -> String {
        match (self.now.iter().filter(|t| t.found.is_none()).count(), self.now.len()) {
            (_, 0) => words.get(Word::OtherSize).into(),
            (0, _) => words.get(Word::Tracking).into(),
            (1, 1) => words.get(Word::Lost).into(),
            (lost, all) => words.fill(Word::SomeLost, &[("lost", &lost), ("all", &all)]),
        }
    }

    fn look(&self, id: u64) -> Look {
        self.looks.get(id as usize).cloned().unwrap_or_default()
    }

    /// Those that are not lost, with their looks.
    fn found(&self) -> impl Iterator<Item = (Look, &MaskCandidate)> {
        self.now.iter().filter_map(move |t| Some((self.look(t.id), t.found.as_ref()?)))
    }

    /// What the screen is to show at the time `now`.
    pub fn scene_objects(&self, now: Duration) -> Vec<SceneObject> {
        let object = |tracked: &Tracked| {
            let mask = Some(self.shown(tracked, now)?);
            let Look { colour, label, .. } = self.look(tracked.id);
            let (points, bounding_box) = (vec![], None);
            Some(SceneObject {
                mask,
                points,
                bounding_box,
                colour,
                active: false,
                proposed: false,
                label,
            })
        };
        self.now.iter().filter_map(object).collect()
    }

    pub fn snapshot(&self) -> Vec<SnapshotObject> {
        let object = |(look, found): (Look, &MaskCandidate)| SnapshotObject {
            origin: Origin::Tracked,
            prompt: Prompt::default(),
            masks: Masks { candidates: vec![found.clone()] },
            chosen: 0,
            refined: look.refined,
            colour: look.colour,
            label: look.label,
        };
        self.found().map(object).collect()
    }

    /// As objects of a frozen frame, the last of them the active one.
    pub fn objects(&self) -> Objects {
        let mut objects = Objects::default();
        for (look, found) in self.found() {
            // As many as there were before.
            let _ = objects.add_found(found.clone(), None, Some(look));
        }
        objects
    }
}

impl Session {
    /// Follows the objects of the frozen frame on the live picture, or stops following.
    pub(super) fn toggle_tracking(&mut self) {
        let followed = self.frozen.as_ref();
        let mut tracking = followed.map(|f| Tracking::new(&f.frame, &f.objects.snapshot()));
        // Which picture is shown live from now on, which may be the frozen one, is known only then.
        self.go_live();
        if let Some((tracking, newest)) = tracking.as_mut().zip(self.newest.as_ref())
            && !same_picture(newest, tracking.frame())
        {
            tracking.advance(newest);
        }
        self.tracking = tracking;
    }

    /// The frame that a tap freezes, if the network has it already or is at it.
    pub(super) fn encoded_ahead(&self) -> Option<&Frame> {
        let encoding = self.encoding.as_ref().filter(|e| e.progress != Progress::Failed)?;
        let age = self.now.saturating_sub(encoding.begun);
        (self.options.ahead.is_some() && age <= Self::FRESH).then_some(&encoding.frame)
    }

    /// While live, has the newest frame encoded when it is time, and asks what the tracker wants to
    /// know of it.
    pub(super) fn work_ahead(&mut self, commands: &mut Vec<Command>) {
        let running = |e: &Encoding| e.progress == Progress::Running;
        if self.frozen.is_some() || self.encoding.as_ref().is_some_and(running) {
            return;
        }
        if self.ask_of_tracked(commands) {
            return;
        }
        let Some(newest) = self.newest.clone() else { return };
        let share = match (&self.tracking, self.options.ahead) {
            (Some(_), _) => 1.0,
            (None, Some(share)) if self.is_attended() && self.pays_ahead() => share,
            (None, _) => return,
        };
        let rest = self.last_encode.mul_f32((1.0 - share) / share.max(0.01));
        let due = self.encoding.as_ref().is_none_or(|e| {
            !same_picture(&e.frame, &newest)
                && self.now.saturating_sub(e.begun) >= self.last_encode + rest
        });
        if due || (self.tracking.is_some() && self.is_new(&newest)) {
            self.begin_encoding(newest, commands);
        }
    }

    /// Whether a frame is likely to be of use when it is encoded: what takes longer than that is too old
    /// then, and a tap would wait for it and for its own. A single slow one is tried again.
    fn pays_ahead(&self) -> bool {
        let begun = self.encoding.as_ref().map_or(Duration::ZERO, |e| e.begun);
        self.last_encode <= Self::FRESH || self.now.saturating_sub(begun) >= Self::SLOW_AGAIN
    }

    /// Whether somebody is there who may tap soon; otherwise the board is to rest.
    fn is_attended(&self) -> bool {
        self.attended.is_some_and(|at| self.now.saturating_sub(at) <= Self::ATTENDED)
    }

    fn is_new(&self, frame: &Frame) -> bool {
        self.encoding.as_ref().is_none_or(|e| !same_picture(&e.frame, frame))
    }

    /// Asks of the newest embedding what the tracker wants to know; tells whether answers are on
    /// their way.
    fn ask_of_tracked(&mut self, commands: &mut Vec<Command>) -> bool {
        let Some(tracking) = &mut self.tracking else { return false };
        let Some(Encoding { id: encoding, frame, progress: Progress::Done, .. }) = &self.encoding
        else {
            return false;
        };
        if tracking.asked.as_ref().is_none_or(|(of, _)| of != encoding) {
            tracking.asked = Some((*encoding, frame.clone()));
            for question in tracking.tracker.questions(frame) {
                self.last_id += 1;
                let request = self.last_id;
                tracking.pending.push((request, question));
                // Each question is an object of its own: none makes another void.
                commands.push(Command::Network(Job::Decode {
                    request,
                    object: request,
                    encoding: *encoding,
                    prompt: question.1.prompt(),
                }));
            }
        }
        !tracking.pending.is_empty()
    }

    /// Takes an answer for the tracker; tells whether it was one.
    pub(super) fn track(&mut self, request: u64, result: &Result<Decoded, String>) -> bool {
        let Some(tracking) = &mut self.tracking else { return false };
        let Some(at) = tracking.pending.iter().position(|(asked, _)| *asked == request) else {
            return false;
        };
        let (_, (id, question)) = tracking.pending.remove(at);
        if let Ok(Decoded { masks, took }) = result {
            tracking.correct(id, question, masks, self.now);
            self.last_decode = Some(*took);
        }
        true
    }

    /// How long after the last touch frames are encoded ahead.
    pub const ATTENDED: Duration = Duration::from_secs(60);

    /// How long nothing is encoded ahead after a frame that took too long.
    const SLOW_AGAIN: Duration = Duration::from_secs(15);

    /// How old the frame may be that a tap freezes.
    pub const FRESH: Duration = Duration::from_millis(500);
}
