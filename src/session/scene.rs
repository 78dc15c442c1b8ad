//! What the screen is to show.

use std::time::Duration;

use crate::geometry::FrameBox;
use crate::overlay::{Scene, SceneObject, Status};
use crate::prompt::Prompt;
use crate::words::Word;

use super::buttons::Page;
use super::everything::Everything;
use super::keeping::Saving;
use super::objects::Object;
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
        let objects = frozen.map(|f| f.objects.iter().map(|o| self.scene_object(o)));
        let followed =
            self.tracking.as_ref().map(|t| t.scene_objects(self.now)).unwrap_or_default();
        let mark = self.scaling.as_ref().map_or(self.corner, |scaling| scaling.first);
        Scene {
            frame: frozen.map(|f| &f.frame).or(self.newest.as_ref()).cloned(),
            objects: match self.hidden {
                true => Vec::new(),
                false => {
                    let objects = objects.into_iter().flatten();
                    found.into_iter().chain(followed).chain(objects).collect()
                }
            },
            rubber_band: self.rubber_band.or(mark.map(|at| FrameBox::centred(at, 0.0, 0.0))),
            callipers: frozen.filter(|_| !self.hidden).map(Frozen::measured).unwrap_or_default(),
            region: self.adjusting.map(|adjusting| adjusting.bounds),
            guide: self.guide,
            ruler: self.scaling.as_ref().and_then(|scaling| scaling.ruler),
            tiles: None,
            theme: self.theme,
            words: self.options.words.clone(),
            buttons: self.buttons().into_iter().map(|button| self.button(button)).collect(),
            status: self.status(),
            working: self.working_since.map(|since| self.now.saturating_sub(since)),
            alert: self.alert(),
        }
    }

    fn scene_object(&self, (object, active): (&Object, bool)) -> SceneObject {
        let shown = object.masks().and_then(|(masks, chosen)| masks.candidates.get(chosen));
        let moving = self.refining.mask_of(object, self.now);
        let prompt = object.prompt().map(|prompt| object.made(prompt));
        let Prompt { points, bounding_box, .. } = prompt.unwrap_or_default();
        SceneObject {
            mask: moving.or_else(|| shown.map(|candidate| candidate.mask.clone())),
            points,
            bounding_box,
            colour: object.colour,
            active,
            proposed: false,
            label: object.label.clone(),
        }
    }

    /// What is wrong with the feed, where the picture should be live and is not.
    fn alert(&self) -> Option<String> {
        // A recording's picture that can't be read is replaced by the next one.
        let lost = self.feed.is_stalled(self.now) || self.newest.is_none();
        let trouble = self
            .feed
            .trouble(self.now, &self.options.words)
            .filter(|_| lost && self.frozen.is_none());
        trouble.map(str::to_owned)
    }

    fn status(&self) -> Status {
        let active = self.frozen.as_ref().and_then(|f| f.objects.active());
        let masks = active.and_then(Object::masks);
        // While it is live, the newest picture that was encoded stands for those to come.
        let encode = match self.frozen {
            Some(_) => self.encoding_of_frozen().and_then(|encoding| encoding.took),
            None => Some(self.last_encode).filter(|took| !took.is_zero()),
        };
        let ms = |took: Duration| took.as_secs_f32() * 1e3;
        Status {
            source: self.options.source.clone(),
            model: self.options.model.name.clone(),
            feed_fps: self.feed.fps(),
            encode_ms: encode.map(ms),
            decode_ms: self.last_decode.map(ms),
            predicted_iou: masks
                .and_then(|(masks, chosen)| masks.candidates.get(chosen))
                .map(|candidate| candidate.predicted_iou),
            mask_of: masks.map(|(masks, chosen)| (chosen + 1, masks.candidates.len())),
            refinement: self.refinement(),
            message: self.message(),
        }
    }

    fn message(&self) -> Option<String> {
        let words = &self.options.words;
        if let Some((notice, _)) = &self.notice {
            return Some(notice.clone());
        }
        if self.saving == Saving::Waiting {
            return Some(words.get(Word::SaveWaits).to_owned());
        }
        if let Some(message) = self.scaling_message() {
            return Some(message);
        }
        let word = match self.page {
            _ if self.adjusting.is_some() => Some(Word::RegionDrag),
            Page::Labels => Some(Word::ChooseLabel),
            _ if self.hidden => Some(Word::Hidden),
            _ => None,
        };
        if let Some(word) = word {
            return Some(words.get(word).to_owned());
        }
        let everything = self.frozen.as_ref().and_then(|f| f.everything.as_ref());
        if let Some(message) = everything.and_then(|e| e.message(words)) {
            return Some(message);
        }
        let trouble = self.feed.trouble(self.now, words);
        let sentence = if let Some(trouble) = trouble
            && (self.frozen.is_none() || self.feed.is_stalled(self.now))
        {
            trouble
        } else if self.tool == Tool::Calliper {
            match self.corner {
                Some(_) => words.get(Word::OtherEnd),
                None => words.get(Word::Ends),
            }
        } else if self.corner.is_some() {
            words.get(Word::Corner)
        } else if self.feed.ended && self.frozen.is_none() {
            words.get(Word::Ended)
        } else if self.newest.is_none() {
            words.get(Word::Waiting)
        } else if self.exporting {
            words.get(Word::Exporting)
        } else if self.clipping {
            words.get(Word::Clipping)
        } else if let Some(tracking) = &self.tracking {
            return Some(tracking.message(words));
        } else if self.state() == State::Live {
            words.get(Word::PointOrDrag)
        } else {
            return None;
        };
        Some(sentence.to_owned())
    }
}
