//! Masks of everything on the frozen frame, of which taps pick objects.

use crate::geometry::FramePoint;
use crate::model::MaskCandidate;
use crate::overlay::SceneObject;
use crate::words::{Word, Words};

use super::event::{Command, Job};
use super::{Frozen, Session};

/// Where the search for everything stands.
#[derive(Clone, Debug)]
pub(super) enum Everything {
    /// The network is at it.
    Running {
        id: u64,
        /// The embedding that the masks' logits are of, as its picture is looked at.
        encoding: Option<u64>,
        /// Prompts decoded, and to be decoded; 0 at first.
        progress: (u64, u64),
        /// The newest step of the objects when it began.
        newest_step: u64,
    },
    /// What it found.
    Found {
        /// What was not picked yet, best first, each with its colour.
        masks: Vec<(usize, MaskCandidate)>,
        /// As it was when the search began.
        encoding: Option<u64>,
        /// Whether they are on the screen for taps to pick from.
        shown: bool,
    },
}

impl Everything {
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// The embedding that the masks' logits are of.
    fn encoding(&self) -> Option<u64> {
        match self {
            Self::Running { encoding, .. } | Self::Found { encoding, .. } => *encoding,
        }
    }

    /// How many masks are on the screen for taps to pick from.
    pub fn shown(&self) -> Option<usize> {
        match self {
            Self::Found { masks, shown: true, .. } => Some(masks.len()),
            _ => None,
        }
    }

    /// Takes its masks off the screen, for taps to point again.
    pub fn hide(&mut self) {
        if let Self::Found { shown, .. } = self {
            *shown = false;
        }
    }

    /// A sentence for the person.
    pub fn message(&self, words: &Words) -> Option<String> {
        Some(match self {
            Self::Running { progress: (done, total), .. } => {
                let percent = (100 * done).checked_div(*total).unwrap_or(0);
                words.fill(Word::Looking, &[("percent", &percent)])
            }
            Self::Found { shown: false, .. } => return None,
            Self::Found { masks, .. } if masks.is_empty() => words.get(Word::NothingMore).into(),
            Self::Found { .. } => words.get(Word::Choose).into(),
        })
    }

    /// Its masks, to be drawn below the objects.
    pub fn scene_objects(&self) -> Vec<SceneObject> {
        let Self::Found { masks, shown: true, .. } = self else { return vec![] };
        let object = |(colour, found): &(usize, MaskCandidate)| SceneObject {
            mask: Some(found.mask.clone()),
            points: vec![],
            bounding_box: None,
            colour: *colour,
            active: false,
            proposed: true,
            label: None,
        };
        masks.iter().map(object).collect()
    }
}

impl Frozen {
    /// Takes the newest step back; what was picked of the masks of everything is one of them again.
    pub(super) fn undo(&mut self) {
        if let Some(returned) = self.objects.undo() {
            self.offer(returned);
        }
    }

    /// Puts a mask to those that were found.
    fn offer(&mut self, mask: MaskCandidate) {
        if let Some(Everything::Found { masks, .. }) = &mut self.everything {
            let highest = masks.iter().map(|(colour, _)| *colour).max();
            masks.push((highest.map_or(Session::MAX_OBJECTS, |colour| colour + 1), mask));
        }
    }

    /// The masks that taps pick from.
    fn found(&mut self) -> Option<&mut Vec<(usize, MaskCandidate)>> {
        match &mut self.everything {
            Some(Everything::Found { masks, shown: true, .. }) => Some(masks),
            _ => None,
        }
    }
}

impl Session {
    /// How many masks are on the screen for taps to pick from; `None` where taps point.
    pub(crate) fn proposals(&self) -> Option<usize> {
        self.frozen.as_ref()?.everything.as_ref()?.shown()
    }

    /// Puts a mask that was picked and is not kept any more to those that taps pick from.
    pub(crate) fn offer(&mut self, mask: MaskCandidate) {
        if let Some(frozen) = &mut self.frozen {
            frozen.offer(mask);
            self.revision += 1;
        }
    }

    /// Starts the search, stops it with what it has found, or takes its masks off the screen and brings
    /// them back.
    pub(super) fn toggle_everything(&mut self, commands: &mut Vec<Command>) {
        let id = self.new_id();
        let encoding = self.encoding_of_frozen().map(|encoding| encoding.id);
        let Some(frozen) = &mut self.frozen else { return };
        frozen.by_drag = false;
        let newest_step = frozen.objects.newest_step();
        match &mut frozen.everything {
            Some(Everything::Running { .. }) => commands.push(Command::Network(Job::Stop)),
            Some(Everything::Found { shown, .. }) => *shown = !*shown,
            None => {
                let progress = (0, 0);
                frozen.everything =
                    Some(Everything::Running { id, encoding, progress, newest_step });
                let frame = frozen.frame.clone();
                commands.push(Command::Network(Job::Everything { id, frame }));
            }
        }
    }

    /// Makes the smallest mask under a tap an object; tells whether taps pick masks now.
    pub(super) fn pick(&mut self, at: FramePoint) -> bool {
        let Some(frozen) = &mut self.frozen else { return false };
        let encoding = frozen.everything.as_ref().and_then(Everything::encoding);
        let Some(found) = frozen.found() else { return false };
        let under = found.iter().enumerate().filter(|(_, (_, f))| f.mask.contains(at));
        let smallest = under.min_by_key(|(_, (_, f))| f.mask.area_px()).map(|(index, _)| index);
        let Some(index) = smallest else {
            self.say_word(Word::NotThere);
            return true;
        };
        let candidate = found[index].1.clone();
        match frozen.objects.add_found(candidate, encoding, None) {
            Ok(()) => {
                if let Some(found) = frozen.found() {
                    found.remove(index);
                }
            }
            Err(refusal) => self.refuse(refusal),
        }
        true
    }

    /// Whether what the search `of` that number finds is awaited.
    pub(crate) fn awaits_search(&self, of: u64) -> bool {
        let search = self.frozen.as_ref().and_then(|frozen| frozen.everything.as_ref());
        matches!(search, Some(Everything::Running { id, .. }) if *id == of)
    }

    /// Notes how far the search is.
    pub(super) fn searching(&mut self, of: u64, now: (u64, u64)) {
        if let Some(Everything::Running { id, progress, .. }) =
            self.frozen.as_mut().and_then(|frozen| frozen.everything.as_mut())
            && *id == of
        {
            *progress = now;
        }
    }

    /// Notes what the search found.
    pub(super) fn searched(&mut self, of: u64, result: Result<Vec<MaskCandidate>, String>) {
        let Some(frozen) = &mut self.frozen else { return };
        let Some(Everything::Running { id, encoding, newest_step, .. }) = frozen.everything else {
            return;
        };
        if id != of {
            return;
        }
        let size = frozen.frame.size();
        frozen.everything = None;
        match result {
            Ok(mut masks) => {
                masks.retain(|found| found.mask.size() == size && found.mask.area_px() > 0);
                // Other numbers than those of the objects.
                let found: Vec<_> = (Self::MAX_OBJECTS..).zip(masks).collect();
                // Who points meanwhile goes on pointing.
                let shown = frozen.objects.newest_step() == newest_step;
                frozen.everything = Some(Everything::Found { masks: found, encoding, shown });
            }
            Err(reason) => self.say(reason),
        }
    }
}
