//! What the screen is to show.

use crate::geometry::FrameBox;
use crate::overlay::{Button, ButtonState, Scene, SceneObject, Status};
use crate::prompt::{PointLabel, Prompt};

use super::ahead::Tracking;
use super::everything::Everything;
use super::objects::{Object, Objects};
use super::{Frozen, Session, State, Tool};

impl Session {
    /// Everything on the screen, as of the last tick.
    pub fn scene(&self) -> Scene {
        if let Some(scene) = self.browsing_scene(self.status()) {
            return scene;
        }
        let frozen = self.frozen.as_ref();
        let everything = frozen.and_then(|f| f.everything.as_ref());
        let found = everything.map(Everything::scene_objects).unwrap_or_default();
        let objects = frozen.map(|f| f.objects.iter().map(scene_object));
        let followed = self.tracking.as_ref().map(Tracking::scene_objects).unwrap_or_default();
        let mark = self.scaling.as_ref().map_or(self.corner, |scaling| scaling.first);
        Scene {
            frame: frozen.map(|f| &f.frame).or(self.newest.as_ref()).cloned(),
            objects: found
                .into_iter()
                .chain(followed)
                .chain(objects.into_iter().flatten())
                .collect(),
            rubber_band: self.rubber_band.or(mark.map(|at| FrameBox::centred(at, 0.0, 0.0))),
            callipers: frozen.map(Frozen::measured).unwrap_or_default(),
            ruler: self.scaling.as_ref().and_then(|scaling| scaling.ruler),
            tiles: None,
            theme: self.theme,
            buttons: self.buttons().iter().map(|button| self.button(*button)).collect(),
            status: self.status(),
            working: self.working_since.map(|since| self.now.saturating_sub(since)),
            alert: self.alert(),
        }
    }

    fn buttons(&self) -> &'static [Button] {
        if self.scaling.is_some() { &Button::SCALING } else { &Button::ALL }
    }

    /// What is wrong with the feed, where the picture should be live and is not.
    fn alert(&self) -> Option<String> {
        // A recording's picture that can't be read is replaced by the next one.
        let lost = self.feed.is_stalled(self.now) || self.newest.is_none();
        let trouble = self.feed.trouble(self.now).filter(|_| lost && self.frozen.is_none());
        trouble.map(str::to_owned)
    }

    fn status(&self) -> Status {
        let active = self.frozen.as_ref().and_then(|f| f.objects.active());
        let masks = active.and_then(Object::masks);
        Status {
            source: self.options.source.clone(),
            model: self.options.model.clone(),
            feed_fps: self.feed.fps(),
            encode_ms: self.encode_ms,
            decode_ms: self.decode_ms,
            predicted_iou: masks
                .and_then(|(masks, chosen)| masks.candidates.get(chosen))
                .map(|candidate| candidate.predicted_iou),
            mask_of: masks.map(|(masks, chosen)| (chosen + 1, masks.candidates.len())),
            message: self.message(),
        }
    }

    fn message(&self) -> Option<String> {
        if let Some((notice, _)) = &self.notice {
            return Some(notice.clone());
        }
        if let Some(message) = self.scaling_message() {
            return Some(message);
        }
        let everything = self.frozen.as_ref().and_then(|f| f.everything.as_ref());
        if let Some(message) = everything.and_then(Everything::message) {
            return Some(message);
        }
        let trouble = self.feed.trouble(self.now);
        let sentence = if let Some(trouble) = trouble
            && (self.frozen.is_none() || self.feed.is_stalled(self.now))
        {
            trouble
        } else if self.tool == Tool::Calliper {
            match self.corner {
                Some(_) => "Tap the other end",
                None => "Tap one end and the other, or drag; drag an end to move it",
            }
        } else if self.corner.is_some() {
            "Tap the opposite corner"
        } else if self.feed.ended && self.frozen.is_none() {
            "The feed has ended"
        } else if self.newest.is_none() {
            "Waiting for the first picture"
        } else if self.clipping {
            "Keeping the clip"
        } else if let Some(tracking) = &self.tracking {
            return Some(tracking.message());
        } else if self.state() == State::Live {
            "Tap a structure, or drag a box round it"
        } else {
            return None;
        };
        Some(sentence.to_owned())
    }

    fn button(&self, button: Button) -> ButtonState {
        let label = match button {
            Button::LiveFreeze if self.frozen.is_some() => "Live",
            Button::LiveFreeze => "Freeze",
            Button::Positive => "Point +",
            Button::Negative => "Point -",
            Button::Box => "Box",
            Button::NewObject => "New object",
            Button::Undo => "Undo",
            Button::Clear => "Clear",
            Button::NextMask => "Next mask",
            Button::Everything => "Find all",
            Button::Track => "Track",
            Button::Save => "Save",
            Button::Clip => "Clip",
            Button::Calliper => "Calliper",
            Button::Scale => "Scale",
            Button::Records => "Records",
            Button::Less => "Shorter",
            Button::More => "Longer",
            Button::Preset => "Preset",
            Button::Apply => "Apply",
            Button::Back => "Back",
            Button::Accept | Button::Name | Button::Previous | Button::Next => "",
            Button::Export | Button::Tile(_) => "",
        };
        let active = match button {
            Button::Positive => self.tool == Tool::Point(PointLabel::Positive),
            Button::Negative => self.tool == Tool::Point(PointLabel::Negative),
            Button::Box => self.tool == Tool::Box,
            Button::Calliper => self.tool == Tool::Calliper,
            Button::Everything => {
                let everything = self.frozen.as_ref().and_then(|f| f.everything.as_ref());
                everything.is_some_and(|e| e.is_running() || e.shown().is_some())
            }
            Button::Track => self.tracking.is_some(),
            _ => false,
        };
        ButtonState { button, label: label.into(), enabled: self.is_enabled(button), active }
    }

    pub(crate) fn is_enabled(&self, button: Button) -> bool {
        if self.browsing.is_some() {
            return self.can_browse(button);
        }
        if self.scaling.is_some() {
            return self.can_scale(button);
        }
        let measured = self.frozen.as_ref().is_some_and(|f| !f.callipers.is_empty());
        let objects = self.frozen.as_ref().map(|f| &f.objects);
        let prompted = objects.is_some_and(|o| !o.is_empty());
        match button {
            Button::LiveFreeze => self.frozen.is_some() || self.presented.is_some(),
            Button::Positive | Button::Negative | Button::Box => true,
            Button::Calliper | Button::Records => true,
            Button::Scale => self.frozen.is_some() || self.presented.is_some(),
            Button::NewObject => objects.is_some_and(|o| o.active().is_some()),
            Button::Undo if self.tool == Tool::Calliper && measured => true,
            Button::Undo => prompted || self.corner.is_some(),
            Button::Clear => prompted || measured,
            Button::NextMask => objects.is_some_and(|o| o.has_next_mask()),
            Button::Everything => objects.is_some(),
            Button::Track => {
                let outlined = |o: &Objects| o.iter().any(|(object, _)| object.masks().is_some());
                self.tracking.is_some() || (objects.is_some_and(outlined) && !self.feed.ended)
            }
            Button::Save => self.presented.is_some() && !self.saving,
            Button::Clip => self.options.clips && self.presented.is_some() && !self.clipping,
            // Those of labelling, which stands round the session.
            Button::Accept | Button::Name | Button::Previous | Button::Next => false,
            // Those of the ruler and of records.
            Button::Less | Button::More | Button::Preset | Button::Apply | Button::Back => false,
            Button::Export | Button::Tile(_) => false,
        }
    }
}

fn scene_object((object, active): (&Object, bool)) -> SceneObject {
    let shown = object.masks().and_then(|(masks, chosen)| masks.candidates.get(chosen));
    let Prompt { points, bounding_box, .. } = object.prompt().cloned().unwrap_or_default();
    SceneObject {
        mask: shown.map(|candidate| candidate.mask.clone()),
        points,
        bounding_box,
        colour: object.colour,
        active,
    }
}
