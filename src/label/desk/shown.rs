//! What a desk has to show and to say.

use super::{Desk, Stage};
use crate::label::FrameOf;
use crate::overlay::{Button, ButtonState, Scene, SceneObject};
use crate::session::State;
use crate::words::Word;

impl Desk {
    /// Everything on the screen, as of the last tick.
    pub fn scene(&self) -> Scene {
        let mut scene = self.session.scene();
        // What is accepted next, and so is marked, also where the next prompt begins another.
        if !scene.objects.iter().any(|object| object.active)
            && let Some(next) = scene.objects.iter_mut().rfind(|object| !object.proposed)
        {
            next.active = true;
        }
        // What is kept is an outline with its name; what is worked on is tinted and measured.
        let kept = self.accepted.iter().map(|accepted| SceneObject {
            mask: Some(accepted.mask.clone()),
            points: vec![],
            bounding_box: None,
            colour: self.colour(&accepted.about.name),
            active: false,
            proposed: true,
            label: Some(accepted.about.name.clone()),
        });
        scene.objects.extend(kept);
        let tools = std::mem::take(&mut scene.buttons);
        let button = |button| {
            let of_session = tools.iter().find(|state| state.button == button);
            let word = |word| self.options.words.get(word).to_owned().into();
            let label = match button {
                Button::Accept => word(Word::Accept),
                Button::Name => self.options.names[self.name].clone().into(),
                Button::Previous => word(Word::PreviousPicture),
                Button::Next => word(Word::NextPicture),
                _ => of_session.map_or("".into(), |state| state.label.clone()),
            };
            let active = of_session.is_some_and(|state| state.active);
            ButtonState { button, label, enabled: self.is_enabled(button), active }
        };
        scene.buttons = Button::LABELLING.map(button).to_vec();
        let (number, count) = (self.at + 1, self.options.pictures.len());
        scene.status.source = format!("{number}/{count} {}", self.title(self.at));
        scene.status.feed_fps = None;
        if let (Stage::Failed(unreadable), None) = (&self.stage, &self.passage) {
            let words = &self.options.words;
            scene.alert = Some(unreadable.clone());
            let notice = self.session.notice().unwrap_or_else(|| words.get(Word::NoneReadable));
            scene.status.message = Some(notice.to_owned());
            return scene;
        }
        let of_session = scene.status.message.take().filter(|_| {
            let pointing = self.session.proposals().is_none() && self.passage.is_none();
            self.session.state() != State::Live && pointing
        });
        let notice = self.session.notice().map(str::to_owned);
        scene.status.message = Some(notice.or(of_session).unwrap_or_else(|| self.message()));
        scene
    }

    /// How many masks of each name are kept of the picture: `2 cyst, 1 nerve`.
    fn counts(&self) -> String {
        let of = |name: &String| self.accepted.iter().filter(|a| a.about.name == *name).count();
        let counts = self.options.names.iter().map(|name| (of(name), name));
        let kept = counts.filter(|(count, _)| *count > 0);
        kept.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    }

    fn colour(&self, name: &str) -> usize {
        self.options.names.iter().position(|known| known == name).unwrap_or(0)
    }

    /// What a picture is called.
    pub(super) fn title(&self, picture: usize) -> String {
        let picture = &self.options.pictures[picture];
        match picture.frame {
            Some(FrameOf { number, count }) => {
                // The name last: it may have braces of its own.
                let frame: [(&str, &dyn std::fmt::Display); 3] =
                    [("frame", &number), ("all", &count), ("name", &picture.file)];
                self.options.words.fill(Word::FrameOfClip, &frame)
            }
            None => picture.file.clone(),
        }
    }

    /// What is done, and what can be.
    fn message(&self) -> String {
        let words = &self.options.words;
        let said = match &self.stage {
            _ if self.passage.is_some() => return words.get(Word::ReadingPicture).to_owned(),
            Stage::Open(_) if self.session.state() == State::Prompting => {
                return words.fill(Word::KeepsAs, &[("name", &self.options.names[self.name])]);
            }
            Stage::Open(_) if self.accepted.is_empty() => match self.session.proposals() {
                Some(1..) => words.get(Word::NoneKeptTake).to_owned(),
                _ => words.get(Word::NoneKeptPoint).to_owned(),
            },
            Stage::Open(_) => {
                let last = self.accepted.last().map_or(0.0, |a| a.about.seconds);
                let (names, seconds) = (self.counts(), format!("{last:.1}"));
                // The names last: they may have braces of their own.
                let kept: [(&str, &dyn std::fmt::Display); 2] =
                    [("seconds", &seconds), ("names", &names)];
                words.fill(Word::KeptHere, &kept)
            }
            _ => return words.get(Word::ReadingPicture).to_owned(),
        };
        match self.options.pictures[self.at].finished {
            true => words.fill(Word::Done, &[("rest", &said)]),
            false => said,
        }
    }
}
