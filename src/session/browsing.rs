//! The records on the screen, in place of the picture.

use std::fmt::Display;

use crate::overlay::{Button, ButtonState, Scene, Status, Tile};
use crate::record::{AlbumPage, AlbumView};
use crate::words::Word;

use super::Session;
use super::event::{Ask, Command, Told};
use super::playing::Playing;

/// The records that are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Browsing {
    page: Option<AlbumPage>,
    view: Option<Box<AlbumView>>,
    /// Only while a clip is looked at.
    playing: Option<Playing>,
    /// Names the newest question that is not answered yet.
    asked: Option<u64>,
}

impl Browsing {
    /// Whether something is on its way.
    pub fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// Names the question about frames of a clip that is not answered yet.
    fn plays(&self) -> Option<u64> {
        self.playing.as_ref().and_then(|playing| playing.asked)
    }
}

impl Session {
    /// Records on a page.
    pub const PAGE: usize = 6;

    pub(super) fn begin_browsing(&mut self, commands: &mut Vec<Command>) {
        self.browsing = Some(Browsing::default());
        self.ask_for_page(0, commands);
    }

    fn ask_for_page(&mut self, first: usize, commands: &mut Vec<Command>) {
        let id = self.new_id();
        commands.push(Command::Records(Ask::Page { id, first, count: Self::PAGE }));
        self.expect(id);
    }

    fn expect(&mut self, id: u64) {
        if let Some(browsing) = &mut self.browsing {
            browsing.asked = Some(id);
        }
    }

    pub(super) fn press_browsing(&mut self, button: Button, commands: &mut Vec<Command>) {
        let Some(browsing) = &mut self.browsing else { return };
        let first = browsing.page.as_ref().map_or(0, |page| page.first);
        match button {
            Button::Back if browsing.view.is_some() => {
                browsing.view = None;
                browsing.playing = None;
            }
            Button::Back => self.browsing = None,
            Button::Previous => self.ask_for_page(first.saturating_sub(Self::PAGE), commands),
            Button::Next => self.ask_for_page(first + Self::PAGE, commands),
            Button::Export => {
                let names = browsing.view.iter().map(|view| view.name.clone()).collect();
                self.exporting = true;
                commands.push(Command::Records(Ask::Export { names }));
            }
            Button::Tile(tile) => {
                let entry = browsing.page.as_ref().and_then(|p| p.entries.get(usize::from(tile)));
                if let Some(name) = entry.map(|entry| entry.name.clone()) {
                    let id = self.new_id();
                    commands.push(Command::Records(Ask::View { id, name }));
                    self.expect(id);
                }
            }
            _ => {}
        }
    }

    pub(super) fn can_browse(&self, button: Button) -> bool {
        let Some(Browsing { page, view, .. }) = &self.browsing else { return false };
        let list = page.as_ref().filter(|_| view.is_none());
        match button {
            Button::Back => true,
            Button::Previous => list.is_some_and(|page| page.first > 0),
            Button::Next => list.is_some_and(|page| page.first + page.entries.len() < page.total),
            Button::Export => self.options.export && page.is_some() && !self.exporting,
            Button::Tile(tile) => list.is_some_and(|page| usize::from(tile) < page.entries.len()),
            _ => false,
        }
    }

    /// Tells what was copied, whatever is on the screen by now: until then the stick is not to be pulled out.
    fn exported(&mut self, result: Result<String, String>, commands: &mut Vec<Command>) {
        self.exporting = false;
        if let Some(browsing) = &self.browsing {
            // It tells which were exported.
            self.ask_for_page(browsing.page.as_ref().map_or(0, |page| page.first), commands);
        }
        match result {
            Ok(told) => self.say(told),
            Err(reason) => self.say_reason(Word::NotExported, reason),
        }
    }

    pub(super) fn told(&mut self, told: Told, commands: &mut Vec<Command>) {
        let told = match told {
            Told::Exported(result) => return self.exported(result, commands),
            other => other,
        };
        let Some(browsing) = &mut self.browsing else { return };
        match told {
            Told::Page { id, .. } | Told::View { id, .. } if browsing.asked != Some(id) => return,
            Told::Frames { id, .. } if browsing.plays() != Some(id) => return,
            Told::Frames { .. } => {}
            Told::Page { .. } | Told::View { .. } => browsing.asked = None,
            Told::Exported(_) => {}
        }
        match told {
            Told::Page { result: Ok(page), .. } => browsing.page = Some(page),
            Told::View { result: Ok(view), .. } => {
                browsing.playing = Playing::new(&view, self.now);
                browsing.view = Some(view);
            }
            Told::Frames { result: Ok(frames), .. } => {
                if let Some(playing) = &mut browsing.playing {
                    playing.take(frames);
                }
            }
            Told::Frames { result: Err(reason), .. } => {
                browsing.playing = None;
                self.say(reason);
            }
            Told::Page { result: Err(reason), .. } | Told::View { result: Err(reason), .. } => {
                self.say(reason);
            }
            Told::Exported(_) => {}
        }
    }

    /// Shows the frame of a clip that is due, and asks for those that follow.
    pub(super) fn play(&mut self, commands: &mut Vec<Command>) {
        let Some(Browsing { view: Some(view), playing: Some(playing), .. }) = &mut self.browsing
        else {
            return;
        };
        if let Some(frame) = playing.advance(self.now) {
            view.frame = frame;
            self.revision += 1;
        }
        if let Some((first, count)) = playing.wanted() {
            self.last_id += 1;
            let (id, name) = (self.last_id, view.name.clone());
            playing.asked = Some(id);
            commands.push(Command::Records(Ask::Frames { id, name, first, count }));
        }
    }

    /// What the screen shows while records are looked at.
    pub(super) fn browsing_scene(&self, status: Status) -> Option<Scene> {
        let browsing = self.browsing.as_ref()?;
        let label = |button| match button {
            Button::Previous => Word::Newer,
            Button::Next => Word::Older,
            Button::Export if browsing.view.is_none() => Word::ExportAll,
            Button::Export => Word::Export,
            _ => Word::Back,
        };
        let buttons = Button::BROWSING.map(|button| ButtonState {
            button,
            label: self.options.words.get(label(button)).to_owned().into(),
            enabled: self.is_enabled(button),
            active: false,
        });
        let message = self.notice().map(str::to_owned).or_else(|| Some(self.browsing_message()));
        let scene = Scene {
            buttons: buttons.to_vec(),
            // What is known of a mask is not of what is looked at.
            status: Status {
                message,
                predicted_iou: None,
                mask_of: None,
                refinement: None,
                ..status
            },
            working: self.working_since.map(|since| self.now.saturating_sub(since)),
            theme: self.theme,
            words: self.options.words.clone(),
            guide: self.guide,
            ..Scene::default()
        };
        Some(match &browsing.view {
            Some(view) => Scene {
                frame: Some(view.frame.clone()),
                objects: view.objects.clone(),
                callipers: view.callipers.clone(),
                ..scene
            },
            None => {
                let entries = browsing.page.iter().flat_map(|page| &page.entries);
                let tile = entries.map(|entry| Tile {
                    picture: entry.picture.clone(),
                    title: entry.title.clone(),
                    note: entry.note.clone(),
                });
                let frame =
                    self.frozen.as_ref().map(|f| &f.frame).or(self.newest.as_ref()).cloned();
                Scene { frame, tiles: Some(tile.collect()), ..scene }
            }
        })
    }

    fn browsing_message(&self) -> String {
        let words = &self.options.words;
        match &self.browsing {
            Some(_) if self.exporting => words.get(Word::Exporting).into(),
            Some(Browsing { asked: Some(_), .. }) => words.get(Word::Reading).into(),
            Some(Browsing { view: Some(view), .. }) => view.title.clone(),
            Some(Browsing { page: Some(page), .. }) if page.total == 0 => {
                words.get(Word::NoRecords).into()
            }
            Some(Browsing { page: Some(page), .. }) => {
                let last = page.first + page.entries.len();
                let figures: [(&str, &dyn Display); 3] =
                    [("first", &(page.first + 1)), ("last", &last), ("all", &page.total)];
                words.fill(Word::Page, &figures)
            }
            _ => String::new(),
        }
    }
}
