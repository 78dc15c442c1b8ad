//! How large a pixel is, from the ruler on the picture or a preset.

use std::fmt::Display;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::frame::{Frame, PixelSpacing};
use crate::geometry::{FramePoint, FrameSize};
use crate::measure::{Preset, Ruler};
use crate::overlay::Button;
use crate::words::Word;

use super::ahead::Tracking;
use super::event::{Command, Memory};
use super::{Frozen, Session};

/// What a step from tick to tick may be, in millimetres, and which of them is the first guess.
const TICKS_MM: ([f32; 6], usize) = ([1.0, 2.0, 5.0, 10.0, 20.0, 50.0], 3);

/// What the distance between two taps without ticks may be, and the first guess.
const TAPS_MM: ([f32; 12], usize) =
    ([5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 120.0, 150.0, 200.0], 5);

/// No picture shows more than this in either direction: a first guess that says so is wrong.
const DEEPEST_MM: f32 = 300.0;

/// Rulers of two frames are the same if their steps differ by less than this share.
const SAME: f32 = 0.02;

/// How often the ruler of an [`Earlier`] scale is looked for on live frames.
const LOOK: Duration = Duration::from_secs(1);

/// What is being set.
#[derive(Clone, Debug, Default)]
pub(super) struct Scaling {
    /// The first of the two taps.
    pub first: Option<FramePoint>,
    /// What was found between them.
    pub ruler: Option<Ruler>,
    /// The index of its step's length.
    step: usize,
    /// A preset's index, or that of the feed's own spacing, which comes behind them.
    choice: Option<usize>,
}

/// A scale that was set on the screen, or beforehand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// It holds for frames of this size; where there is none, for those as large as the first that comes.
    pub size: Option<FrameSize>,
    /// How large a pixel is.
    pub spacing: PixelSpacing,
    /// What it was read from, where that has ticks.
    pub ruler: Option<Ruler>,
}

impl Scale {
    /// The scale of a preset.
    pub fn of(preset: &Preset) -> Self {
        Self { size: None, spacing: preset.spacing, ruler: None }
    }

    pub(super) fn is_for(&self, size: FrameSize) -> bool {
        self.size.is_none_or(|of| of == size)
    }

    /// Whether the ruler that it was read from is on `frame`, where it was read from one: ticks at the same
    /// distance in pixels. What they mean is told by numerals, which may stand anywhere or nowhere, on a moving
    /// picture or under a cursor, and are not looked at.
    pub(crate) fn has_its_ruler(&self, frame: &Frame) -> bool {
        let length = |r: &Ruler| (r.from.x - r.to.x).hypot(r.from.y - r.to.y) / r.steps as f32;
        self.ruler.is_none_or(|ruler| {
            let found = Ruler::between(frame, ruler.from, ruler.to);
            found.is_some_and(|found| (length(&found) / length(&ruler) - 1.0).abs() < SAME)
        })
    }
}

/// A scale from before the session: it holds from when its ruler is seen, as the scanner's depth may be
/// another by now.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    scale: Scale,
    /// When its ruler is looked for next on a live frame.
    due: Duration,
}

impl From<Scale> for Earlier {
    fn from(scale: Scale) -> Self {
        Self { scale, due: Duration::ZERO }
    }
}

impl Scaling {
    fn lengths(&self) -> (&'static [f32], usize) {
        match self.ruler {
            Some(Ruler { steps, .. }) if steps > 1 => (&TICKS_MM.0, TICKS_MM.1),
            _ => (&TAPS_MM.0, TAPS_MM.1),
        }
    }

    fn step_mm(&self) -> f32 {
        let (lengths, _) = self.lengths();
        lengths[self.step.min(lengths.len() - 1)]
    }

    /// The first guess that does not make the picture too deep.
    fn guess(&mut self, ruler: Ruler, size: FrameSize) {
        self.ruler = Some(ruler);
        self.choice = None;
        let (lengths, first) = self.lengths();
        let mm = |step: &usize| {
            let PixelSpacing { row_mm, column_mm } = ruler.spacing(lengths[*step], None);
            (row_mm * size.height as f32).max(column_mm * size.width as f32)
        };
        self.step = (0..=first).rev().find(|step| mm(step) <= DEEPEST_MM).unwrap_or(0);
    }
}

impl Session {
    /// Shows what sets the scale of the picture that the caller has frozen.
    pub(super) fn begin_scaling(&mut self) {
        if let Some(frozen) = &mut self.frozen {
            frozen.by_drag = false;
            self.scaling = Some(Scaling::default());
        }
    }

    /// A tap on the ruler.
    pub(super) fn tap_ruler(&mut self, at: FramePoint) {
        let Some((scaling, frozen)) = self.scaling.as_mut().zip(self.frozen.as_ref()) else {
            return;
        };
        match scaling.first.take() {
            None => *scaling = Scaling { first: Some(at), ..Scaling::default() },
            Some(first) => match Ruler::between(&frozen.frame, first, at) {
                Some(ruler) => scaling.guess(ruler, frozen.frame.size()),
                None => self.say_word(Word::TooNear),
            },
        }
    }

    pub(super) fn press_scaling(&mut self, button: Button, commands: &mut Vec<Command>) {
        let presets = self.options.presets.len();
        let Some(scaling) = &mut self.scaling else { return };
        match button {
            Button::Less => scaling.step = scaling.step.saturating_sub(1),
            Button::More => scaling.step += 1,
            Button::Preset => {
                let next = scaling.choice.map_or(0, |choice| choice + 1) % (presets + 1);
                *scaling = Scaling { choice: Some(next), ..Scaling::default() };
            }
            Button::Undo => *scaling = Scaling::default(),
            Button::Apply => self.apply_scale(commands),
            Button::Back => self.scaling = None,
            _ => {}
        }
    }

    pub(super) fn can_scale(&self, button: Button) -> bool {
        let Some(scaling) = &self.scaling else { return false };
        let known = scaling.ruler.is_some();
        match button {
            Button::Less => known && scaling.step > 0,
            Button::More => known && scaling.step + 1 < scaling.lengths().0.len(),
            Button::Preset => !self.options.presets.is_empty() || self.scale.is_some(),
            Button::Apply => known || scaling.choice.is_some(),
            Button::Undo => known || scaling.first.is_some() || scaling.choice.is_some(),
            Button::Back => true,
            _ => false,
        }
    }

    fn apply_scale(&mut self, commands: &mut Vec<Command>) {
        let Some(scaling) = self.scaling.take() else { return };
        let Some(Frozen { frame, .. }) = &self.frozen else { return };
        let (size, stated) = (frame.size(), frame.stated_spacing);
        self.scaled_since = frame.sequence;
        let set = |spacing, ruler| Some(Scale { size: Some(size), spacing, ruler });
        self.earlier = None;
        self.scale = match (scaling.choice, scaling.ruler) {
            (Some(choice), _) => {
                let preset = self.options.presets.get(choice);
                preset.and_then(|preset| set(preset.spacing, None))
            }
            (None, Some(ruler)) => {
                let spacing = ruler.spacing(scaling.step_mm(), stated);
                set(spacing, (ruler.steps > 1).then_some(ruler))
            }
            (None, None) => return,
        };
        commands.push(Command::Remember(Memory::Scale(self.scale.clone())));
        self.rescale();
        let spacing = self.frozen.as_ref().and_then(|frozen| frozen.frame.pixel_spacing);
        match spacing {
            Some(spacing) => self.say(self.with_pixel(Word::ScaleSet, spacing)),
            None => self.say_word(Word::NoScale),
        }
    }

    /// Gives the frames that are at hand the scale as it is now.
    fn rescale(&mut self) {
        let frozen = self.frozen.as_mut().map(|frozen| &mut frozen.frame);
        for frame in [frozen, self.newest.as_mut(), self.presented.as_mut()].into_iter().flatten() {
            frame.pixel_spacing = spacing_of(&self.scale, frame);
        }
    }

    /// A frame of the feed, with the scale that holds for it.
    pub(super) fn scaled(&mut self, mut frame: Frame) -> Frame {
        frame.stated_spacing = frame.pixel_spacing;
        if self.earlier.as_ref().is_some_and(|earlier| earlier.due <= self.now) {
            self.look_for_ruler(&frame);
        }
        frame.pixel_spacing = spacing_of(&self.scale, &frame);
        self.tell_other_size(&frame);
        frame
    }

    /// Tells where the feed's picture, of which `frame` is the newest, has another size: a pixel is another
    /// then, and back at the first size it is as it was.
    fn tell_other_size(&mut self, frame: &Frame) {
        let Some((scale, before)) = self.scale.as_ref().zip(self.newest.as_ref()) else { return };
        match (scale.is_for(before.size()), scale.is_for(frame.size()), frame.pixel_spacing) {
            (true, false, None) => self.say_word(Word::NoScaleOfSize),
            (true, false, Some(stated)) => self.say(self.with_pixel(Word::ScaleStated, stated)),
            (false, true, Some(set)) => self.say(self.with_pixel(Word::ScaleSet, set)),
            _ => {}
        }
    }

    /// Has the scale from before hold, and tells it, if its ruler is on `frame`.
    fn look_for_ruler(&mut self, frame: &Frame) {
        let is_for = |earlier: &mut Earlier| earlier.scale.is_for(frame.size());
        let Some(Earlier { mut scale, .. }) = self.earlier.take_if(is_for) else { return };
        if scale.has_its_ruler(frame) {
            scale.size.get_or_insert(frame.size());
            self.say(self.with_pixel(Word::ScaleSet, scale.spacing));
            // What held on the first picture that was seen held on those before it.
            let since = if self.newest.is_none() { 0 } else { frame.sequence };
            (self.scale, self.scaled_since) = (Some(scale), since);
            self.rescale();
        } else {
            self.earlier = Some(Earlier { scale, due: self.now + LOOK });
        }
    }

    /// The picture that the person means, with its scale: the frozen one, or that with the tracked
    /// structures, or that on the screen.
    pub(super) fn at_hand(&self) -> Option<Frame> {
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.frame);
        let tracked = self.tracking.as_ref().map(Tracking::frame);
        let mut frame = frozen.or(tracked).or(self.presented.as_ref())?.clone();
        frame.pixel_spacing = spacing_of(&self.scale, &frame);
        Some(frame)
    }

    /// Lets go of a scale whose ruler is not on the picture at hand: whoever changes the scanner's depth
    /// is not to be told, and nothing is to be kept with, wrong millimetres.
    pub(super) fn check_scale(&mut self, commands: &mut Vec<Command>) {
        let Some(frame) = self.at_hand() else { return };
        self.look_for_ruler(&frame);
        let scale = self.scale.as_ref().or(self.earlier.as_ref().map(|earlier| &earlier.scale));
        if scale.is_some_and(|scale| scale.is_for(frame.size()) && !scale.has_its_ruler(&frame)) {
            (self.scale, self.earlier) = (None, None);
            commands.push(Command::Remember(Memory::Scale(None)));
            self.say_word(Word::ScaleChanged);
        }
        self.rescale();
    }

    /// What the person is to do, or has chosen.
    pub(super) fn scaling_message(&self) -> Option<String> {
        let (scaling, words) = (self.scaling.as_ref()?, &self.options.words);
        let stated = self.frozen.as_ref().and_then(|frozen| frozen.frame.stated_spacing);
        Some(match (scaling.choice, scaling.ruler) {
            (Some(choice), _) => match self.options.presets.get(choice) {
                Some(preset) => format!("{}: {}", preset.name, self.per_pixel(preset.spacing)),
                None => match stated {
                    Some(stated) => self.with_pixel(Word::ScaleStated, stated),
                    None => words.get(Word::NoneStated).into(),
                },
            },
            (None, Some(ruler)) => {
                let mm = scaling.step_mm();
                let pixel = self.per_pixel(ruler.spacing(mm, stated));
                match ruler.steps {
                    1 => words.fill(Word::NoTicks, &[("mm", &mm), ("pixel", &pixel)]),
                    steps => {
                        let figures: [(&str, &dyn Display); 3] =
                            [("steps", &steps), ("mm", &mm), ("pixel", &pixel)];
                        words.fill(Word::Steps, &figures)
                    }
                }
            }
            (None, None) if scaling.first.is_some() => words.get(Word::SecondTick).into(),
            (None, None) => words.get(Word::FirstTick).into(),
        })
    }

    /// What `word` says of a pixel's size.
    pub(super) fn with_pixel(&self, word: Word, spacing: PixelSpacing) -> String {
        self.options.words.fill(word, &[("pixel", &self.per_pixel(spacing))])
    }

    fn per_pixel(&self, PixelSpacing { row_mm, column_mm }: PixelSpacing) -> String {
        let mm = match (row_mm - column_mm).abs() < 0.0005 {
            true => format!("{row_mm:.3}"),
            false => format!("{column_mm:.3} x {row_mm:.3}"),
        };
        self.options.words.fill(Word::PerPixel, &[("mm", &mm)])
    }
}

/// That of the scale that was set, where it holds for `frame`, or else what is stated.
fn spacing_of(scale: &Option<Scale>, frame: &Frame) -> Option<PixelSpacing> {
    let scale = scale.as_ref().filter(|scale| scale.is_for(frame.size()));
    scale.map(|scale| scale.spacing).or(frame.stated_spacing)
}
