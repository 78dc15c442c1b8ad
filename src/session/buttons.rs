//! The buttons and keys: how they look, when they can be pressed, and what they do.

use crate::overlay::{Button, ButtonState, Theme};
use crate::prompt::PointLabel;
use crate::screen::Key;
use crate::words::Word;

use super::event::{Command, Job};
use super::everything::Everything;
use super::keeping::Saving;
use super::objects::Objects;
use super::{Session, Tool};

/// Which buttons stand beside the picture, where nothing else has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Those that are needed often.
    Tools,
    /// The others.
    Menu,
    /// The labels to choose from.
    Labels,
}

impl Session {
    pub(super) fn buttons(&self) -> Vec<Button> {
        let labels = self.options.labels.len();
        if self.adjusting.is_some() {
            return Button::ADJUSTING.to_vec();
        }
        if self.scaling.is_some() {
            return Button::SCALING.to_vec();
        }
        match self.page {
            Page::Tools => {
                let label =
                    |button| (labels > 0 && button == Button::Save).then_some(Button::Label);
                Button::ALL.into_iter().flat_map(|b| label(b).into_iter().chain([b])).collect()
            }
            Page::Menu => Button::MENU.to_vec(),
            Page::Labels => {
                let choices = (0..=labels as u8).map(Button::Choice);
                choices.chain([Button::Back]).collect()
            }
        }
    }

    pub(super) fn button(&self, button: Button) -> ButtonState {
        let word = match button {
            Button::LiveFreeze if self.frozen.is_some() => Word::Live,
            Button::LiveFreeze => Word::Freeze,
            Button::Positive => Word::Positive,
            Button::Negative => Word::Negative,
            Button::Box => Word::Box,
            Button::NewObject => Word::NewObject,
            Button::Undo => Word::Undo,
            Button::Clear => Word::Clear,
            Button::NextMask => Word::NextMask,
            Button::Everything => Word::Everything,
            Button::Track => Word::Track,
            Button::Save => Word::Save,
            Button::Clip => Word::Clip,
            Button::Calliper => Word::Calliper,
            Button::Scale => Word::Scale,
            Button::Records => Word::Records,
            Button::Less => Word::Shorter,
            Button::More => Word::Longer,
            Button::Preset => Word::Preset,
            Button::Apply => Word::Apply,
            Button::Hide => Word::Hide,
            Button::Label => Word::Label,
            Button::Choice(_) => Word::NoLabel,
            Button::Menu => Word::More,
            Button::Region => Word::Region,
            Button::Automatic => Word::Automatic,
            Button::Theme if self.theme == Theme::Day => Word::Dark,
            Button::Theme => Word::Day,
            Button::Guide => Word::Guide,
            // Others have words of their own.
            _ => Word::Back,
        };
        let label = match button {
            Button::Choice(label) => self.options.labels.get(usize::from(label)),
            _ => None,
        };
        let label = label.map_or(self.options.words.get(word), |label| label).to_owned();
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
            Button::Hide => self.hidden,
            Button::Save => self.saving == Saving::Waiting,
            _ => false,
        };
        ButtonState { button, label: label.into(), enabled: self.is_enabled(button), active }
    }

    pub(crate) fn is_enabled(&self, button: Button) -> bool {
        if self.browsing.is_some() {
            return self.can_browse(button);
        }
        if self.adjusting.is_some() {
            return self.can_adjust(button);
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
            Button::Scale | Button::Region => self.frozen.is_some() || self.presented.is_some(),
            Button::Menu | Button::Theme | Button::Guide => true,
            Button::Back => self.page != Page::Tools,
            Button::Hide => prompted || measured || self.tracking.is_some(),
            Button::Label => prompted && !self.options.labels.is_empty(),
            Button::Choice(label) => {
                self.page == Page::Labels && usize::from(label) <= self.options.labels.len()
            }
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
            Button::Save => self.presented.is_some() && self.saving == Saving::Idle,
            Button::Clip => self.options.clips && self.presented.is_some() && !self.clipping,
            // Those of labelling, which stands round the session.
            Button::Accept | Button::Name | Button::Previous | Button::Next => false,
            // Those of the ruler, the region and records.
            Button::Less | Button::More | Button::Preset | Button::Apply => false,
            Button::Automatic | Button::Export | Button::Tile(_) => false,
        }
    }

    pub(super) fn pressed(&mut self, button: Button, commands: &mut Vec<Command>) {
        self.rubber_band = None;
        self.touched = None;
        self.let_go_of_calliper();
        if self.browsing.is_some() {
            return self.press_browsing(button, commands);
        }
        if self.adjusting.is_some() {
            return self.press_adjusting(button, commands);
        }
        if self.scaling.is_some() {
            return self.press_scaling(button, commands);
        }
        let page = std::mem::replace(&mut self.page, Page::Tools);
        let hidden = std::mem::replace(&mut self.hidden, false);
        let half_a_box = self.corner.take().is_some();
        if matches!(button, Button::LiveFreeze | Button::Track) {
            self.save_without_waiting(commands);
        }
        match (button, &mut self.frozen) {
            (Button::Undo, _) if half_a_box => {}
            (Button::LiveFreeze, None) => self.freeze(false, commands),
            (Button::LiveFreeze, Some(frozen)) => {
                if frozen.everything.as_ref().is_some_and(Everything::is_running) {
                    commands.push(Command::Network(Job::Stop));
                }
                self.go_live();
            }
            (Button::Positive, _) => self.take_tool(Tool::Point(PointLabel::Positive)),
            (Button::Negative, _) => self.take_tool(Tool::Point(PointLabel::Negative)),
            (Button::Box, _) => self.take_tool(Tool::Box),
            (Button::NewObject, Some(frozen)) => {
                frozen.objects.begin_another();
                if self.tool == Tool::Point(PointLabel::Negative) {
                    self.tool = Tool::Point(PointLabel::Positive);
                }
            }
            (Button::Undo, Some(frozen)) => {
                let measuring = self.tool == Tool::Calliper && !frozen.callipers.is_empty();
                match measuring {
                    true => _ = frozen.callipers.pop(),
                    false => frozen.undo(),
                }
            }
            (Button::Clear, Some(frozen)) => {
                frozen.objects.clear();
                frozen.callipers.clear();
            }
            (Button::NextMask, Some(frozen)) => frozen.objects.next_mask(),
            (Button::Everything, _) => self.toggle_everything(commands),
            (Button::Track, _) => self.toggle_tracking(),
            (Button::Save, _) => self.saving = Saving::Waiting,
            (Button::Clip, _) => self.clip(commands),
            (Button::Calliper, _) => self.take_tool(Tool::Calliper),
            (Button::Scale, _) => {
                self.freeze(false, commands);
                self.begin_scaling();
            }
            (Button::Region, _) => {
                self.freeze(false, commands);
                self.begin_adjusting();
            }
            (Button::Records, _) => self.begin_browsing(commands),
            (Button::Hide, _) => self.hidden = !hidden,
            (Button::Menu, _) => self.page = Page::Menu,
            (Button::Label, _) => self.page = Page::Labels,
            (Button::Choice(label), Some(frozen)) => {
                if let Some(object) = frozen.objects.labelled() {
                    object.label = self.options.labels.get(usize::from(label)).cloned();
                }
            }
            // What it looks like is to be seen, and can be taken back.
            (Button::Theme, _) => (self.page, self.theme) = (page, self.theme.other()),
            (Button::Guide, _) => self.guide = true,
            // Those of labelling, and those that are answered above.
            _ => {}
        }
    }

    /// The next taps are of this kind, and don't pick what was found.
    pub(super) fn take_tool(&mut self, tool: Tool) {
        self.tool = tool;
        if let Some(everything) = self.frozen.as_mut().and_then(|f| f.everything.as_mut()) {
            everything.hide();
        }
    }

    /// The button that a key stands for.
    pub(super) fn key_button(&self, key: Key) -> Option<Button> {
        let browsing = self.browsing.is_some();
        Some(match key {
            Key::Left if browsing => Button::Previous,
            Key::Right if browsing => Button::Next,
            Key::Backspace if browsing || self.page != Page::Tools => Button::Back,
            Key::Backspace if self.adjusting.is_some() => Button::Back,
            Key::Letter('o') => Button::Hide,
            Key::Letter('h' | '?') => Button::Guide,
            Key::Letter(' ') => Button::LiveFreeze,
            Key::Letter('s') => Button::Save,
            Key::Letter('c') => Button::Clip,
            Key::Letter('r') => Button::Records,
            Key::Letter('m') => Button::Calliper,
            Key::Backspace => Button::Undo,
            _ => return None,
        })
    }
}
