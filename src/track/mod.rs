//! Structures carried along a live picture.
//!
//! From frame to frame a structure's box follows what its outline and its inside do (`motion`:
//! block matching, a few milliseconds); whenever the network has an embedding ready, the box as it was
//! on that frame prompts the decoder, and its mask corrects shape and place ([`Tracker::correct`]). So
//! the outline keeps up with the picture however slow the board is.
//!
//! A model that was trained on boxes fills the box it is given: by itself it would let a structure
//! grow or drift a little with every answer. So its answer to the box gives the shape, and where the
//! box belongs is asked with a tap on the structure's middle as well. Of both answers only counts how
//! they differ from the first one, and that in part.
//!
//! A structure is lost when its surroundings no longer look like those of the frame before, or like
//! those that were answered last, when the answer to its box is another one, or when the picture is no
//! different inside and outside. It is then looked for on every encoded frame, where the picture is most
//! like it was, and found again when the answer there is the one expected.

mod blend;
mod look;
mod motion;
mod patch;
mod score;
mod shift;

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint};
use crate::mask::Mask;
use crate::model::{MaskCandidate, Masks};
use crate::prompt::Prompt;
use crate::propagate::{FAINT, LEAST_AREA_PX, contrast};

pub(crate) use blend::Blend;
pub use score::{TrackScore, TrackedFrame};

use look::Look;
use motion::{grown, motion};
use shift::Shift;

/// What it takes to be kept, to be lost and to be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackLimits {
    /// The median correlation of blocks from frame to frame below which a frame shows no evidence.
    /// Default 0.4.
    pub likeness: f32,
    /// The least correlation of the picture with how it was when it was last answered: what fades away
    /// slowly is like the frame before on every frame. What moves and deforms stays above 0.75, in the
    /// phantoms and real clips that were tried. Default 0.5.
    pub faded: f32,
    /// How long there may be no evidence before a structure is lost. Default 0.25 s.
    pub patience: Duration,
    /// The least predicted IoU of an answer. Default 0.4.
    pub predicted_iou: f32,
    /// The least Dice coefficient of an answer with the carried mask. Default 0.6.
    pub overlap: f64,
    /// The least of it for the answer to be the new shape. Default 0.85.
    pub shape_overlap: f64,
    /// The least contrast, as a share of what it was. Default 0.35.
    pub contrast: f64,
    /// How alike the picture must be where a lost structure is looked for. Default 0.8.
    pub found_likeness: f32,
    /// The least Dice coefficient of an answer there with the mask as it was. Default 0.75.
    pub found_overlap: f64,
}

impl Default for TrackLimits {
    fn default() -> Self {
        Self {
            likeness: 0.4,
            faded: 0.5,
            patience: Duration::from_millis(250),
            predicted_iou: 0.4,
            overlap: 0.6,
            shape_overlap: 0.85,
            contrast: 0.35,
            found_likeness: 0.8,
            found_overlap: 0.75,
        }
    }
}

/// How soon a correction is taken over: the share `1 - exp(-t / SETTLING)` of it at an answer that
/// comes `t` after the last.
const SETTLING: Duration = Duration::from_millis(500);
/// The greatest share that is taken over at once, of answers to the box and to the tap.
const GREATEST_GAIN: [f32; 2] = [0.15, 0.5];
/// The greatest correction of a side, as a share of the box.
const GREATEST_CORRECTION: f32 = 0.1;
/// Boxes that are kept for correcting: how many frames an embedding may be late.
const HISTORY: usize = 512;
/// One structure.
#[derive(Clone, Debug)]
struct Track {
    id: u64,
    /// Where it is on the newest frame.
    bounds: FrameBox,
    /// The newest answer that agreed, and which box of its frame stands for `bounds` now.
    shape: MaskCandidate,
    shape_bounds: FrameBox,
    /// Where it was on each frame since the last that was corrected.
    history: VecDeque<(u64, FrameBox)>,
    /// By how much answers exceed the box, on each side as a share of it, by question; none before
    /// the first answer.
    habits: [Option<[f32; 4]>; 2],
    /// The box that was last asked for.
    asked: FrameBox,
    /// When the last answer came that agreed, and which share of its correction is taken over.
    answered: Duration,
    gain: f32,
    /// The answer to the box disagreed; that to the tap, which comes next, decides.
    unsure: bool,
    tap_follows: bool,
    contrast: f64,
    /// The last frame that agreed with the one before, where it was in `bounds`.
    seen_on: Frame,
    /// How it and its surroundings looked when it was last answered.
    look: Look,
    evidence: Evidence,
}

#[derive(Clone, Copy, Debug)]
enum Evidence {
    Seen,
    /// Since that time no frame agreed.
    Doubtful(Duration),
    Lost,
}

/// A structure that is to be tracked.
#[derive(Clone, Debug)]
pub struct Structure {
    /// Names it.
    pub id: u64,
    /// Where it is.
    pub found: MaskCandidate,
    /// The box that gave this mask, where it was one.
    pub prompted: Option<FrameBox>,
}

/// What the decoder is to be asked of a structure, on a frame that has been encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Question {
    /// What is in this box?
    Box(FrameBox),
    /// What is at this point?
    Tap(FramePoint),
}

impl Question {
    /// As a prompt.
    pub fn prompt(self) -> Prompt {
        match self {
            Self::Box(b) => Prompt::default().in_box(b),
            Self::Tap(at) => Prompt::default().positive(at.x, at.y),
        }
    }
}

/// A structure on the newest frame.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// As given to [`Tracker::new`].
    pub id: u64,
    /// The box by which it is carried from frame to frame.
    pub bounds: FrameBox,
    /// The newest answer, its mask carried to this frame; `None` while it is lost.
    pub found: Option<MaskCandidate>,
}

/// Carries structures along a feed; see the [module](self).
#[derive(Clone, Debug)]
pub struct Tracker {
    limits: TrackLimits,
    newest: Frame,
    tracks: Vec<Track>,
}

impl Tracker {
    /// Begins on `frame` with structures that are known there. Those with an empty mask, or one of
    /// another size than the frame, are left out.
    pub fn new(
        frame: &Frame,
        structures: impl IntoIterator<Item = Structure>,
        limits: TrackLimits,
    ) -> Self {
        let known = structures.into_iter().filter_map(|Structure { id, found, prompted }| {
            let mask = &found.mask;
            let tight = mask.bounding_box()?;
            // A mask's own box says nothing of how the model answers boxes.
            let prompted = prompted.filter(|prompted| *prompted != tight);
            let bounds = prompted.unwrap_or(tight);
            let usable = mask.size() == frame.size() && mask.area_px() >= LEAST_AREA_PX;
            usable.then(|| Track {
                id,
                bounds,
                contrast: contrast_of(frame, mask, bounds),
                look: Look::of(frame, bounds),
                seen_on: frame.clone(),
                shape: found.clone(),
                shape_bounds: bounds,
                history: VecDeque::from([(frame.sequence, bounds)]),
                habits: [prompted.map(|prompted| beyond(tight, prompted)), None],
                asked: bounds,
                answered: frame.captured_at,
                gain: 0.0,
                unsure: false,
                tap_follows: false,
                evidence: Evidence::Seen,
            })
        });
        Self { limits, tracks: known.collect(), newest: frame.clone() }
    }

    /// The newest frame.
    pub fn frame(&self) -> &Frame {
        &self.newest
    }

    /// All structures on the newest frame, in the order they were given.
    pub fn tracked(&self) -> Vec<Tracked> {
        self.tracks.iter().map(Track::tracked).collect()
    }

    /// Goes on to the next frame. One of another size ends it for all: they are lost, and not looked
    /// for.
    pub fn advance(&mut self, frame: &Frame) {
        if frame.size() != self.newest.size() {
            self.tracks.clear();
        }
        for track in &mut self.tracks {
            track.advance(frame, &self.limits);
        }
        self.newest = frame.clone();
    }

    /// What is to be asked on `frame`, which has been encoded, with the structures' ids. The answers go
    /// to [`correct`](Self::correct) in the same order.
    pub fn questions(&mut self, frame: &Frame) -> Vec<(u64, Question)> {
        let limits = self.limits;
        self.tracks.iter_mut().flat_map(|track| track.questions(frame, &limits)).collect()
    }

    /// Takes the answer to one of the [`questions`](Self::questions) on `frame`. For a structure that
    /// isn't known it changes nothing.
    pub fn correct(&mut self, id: u64, question: Question, frame: &Frame, answer: &Masks) {
        let limits = self.limits;
        let fits = |c: &MaskCandidate| c.mask.size() == frame.size();
        if let Some(track) = self.tracks.iter_mut().find(|track| track.id == id)
            && answer.candidates.iter().all(fits)
        {
            match question {
                Question::Box(_) => track.outline(frame, answer, &self.newest, &limits),
                Question::Tap(_) => track.place(frame, answer, &limits),
            }
        }
    }
}

impl Track {
    fn tracked(&self) -> Tracked {
        Tracked { id: self.id, bounds: self.bounds, found: self.found() }
    }

    fn found(&self) -> Option<MaskCandidate> {
        let seen = !matches!(self.evidence, Evidence::Lost);
        seen.then(|| MaskCandidate { mask: self.carried(self.bounds), ..self.shape.clone() })
    }

    /// The mask as it lies in `bounds`.
    fn carried(&self, bounds: FrameBox) -> Mask {
        let mask = &self.shape.mask;
        match mask.bounding_box() {
            Some(tight) if bounds != self.shape_bounds => {
                Shift::between(self.shape_bounds, bounds).of_mask(mask, tight)
            }
            _ => mask.clone(),
        }
    }

    fn advance(&mut self, now: &Frame, limits: &TrackLimits) {
        if matches!(self.evidence, Evidence::Lost) {
            return;
        }
        let seen = motion(&self.seen_on, now, &self.carried(self.bounds), self.bounds)
            .filter(|motion| motion.likeness >= limits.likeness)
            .map(|motion| motion.shift.of_box(self.bounds))
            .filter(|b| b.clipped(now.size()).is_some_and(|c| c.width() > 1.0 && c.height() > 1.0))
            .filter(|b| self.look.likeness_in(now, *b).is_none_or(|l| l >= limits.faded));
        match seen {
            Some(bounds) => {
                self.bounds = bounds;
                self.seen_on = now.clone();
                self.evidence = Evidence::Seen;
            }
            None => {
                let since = match self.evidence {
                    Evidence::Doubtful(since) => since,
                    _ => now.captured_at,
                };
                let lasted = now.captured_at.saturating_sub(since);
                self.evidence = match lasted >= limits.patience {
                    true => Evidence::Lost,
                    false => Evidence::Doubtful(since),
                };
            }
        }
        self.history.push_back((now.sequence, self.bounds));
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    fn was_in(&self, frame: &Frame) -> Option<FrameBox> {
        self.history.iter().find(|(sequence, _)| *sequence == frame.sequence).map(|(_, b)| *b)
    }

    fn questions(&mut self, frame: &Frame, limits: &TrackLimits) -> Vec<(u64, Question)> {
        let lost = matches!(self.evidence, Evidence::Lost);
        let bounds = match lost {
            true => self.look.found_on(frame, limits.found_likeness),
            false => self.was_in(frame),
        };
        let Some((bounds, on_frame)) = bounds.and_then(|b| Some((b, b.clipped(frame.size())?)))
        else {
            return Vec::new();
        };
        self.asked = bounds;
        let middle = FramePoint::new((bounds.x0 + bounds.x1) / 2.0, (bounds.y0 + bounds.y1) / 2.0);
        let tap = (!lost && self.carried(bounds).contains(middle)).then_some(Question::Tap(middle));
        self.tap_follows = tap.is_some();
        let since = frame.captured_at.saturating_sub(self.answered);
        self.gain = 1.0 - (-since.as_secs_f32() / SETTLING.as_secs_f32()).exp();
        [Some(Question::Box(on_frame)), tap].into_iter().flatten().map(|q| (self.id, q)).collect()
    }

    /// The answer to the box: whether it is still there, and its shape.
    fn outline(&mut self, frame: &Frame, answer: &Masks, newest: &Frame, limits: &TrackLimits) {
        let asked = self.asked;
        let lost = matches!(self.evidence, Evidence::Lost);
        let overlap = if lost { limits.found_overlap } else { limits.overlap };
        let expected = self.carried(asked);
        let best = answer.candidates.first();
        let best = best.filter(|c| self.agrees(frame, c, &expected, overlap, limits));
        let found = best.and_then(|c| Some((c, c.mask.bounding_box()?)));
        let Some((answer, found)) = found else {
            self.unsure = self.tap_follows;
            if !self.tap_follows {
                self.evidence = Evidence::Lost;
            }
            return;
        };
        self.answered = frame.captured_at;
        if !lost && answer.mask.dice(&expected) < limits.shape_overlap {
            return;
        }
        self.shape = answer.clone();
        self.shape_bounds = asked;
        self.contrast += 0.1 * (contrast_of(frame, &answer.mask, asked) - self.contrast);
        self.look = Look::of(frame, asked);
        if lost {
            self.bounds = asked;
            self.seen_on = frame.clone();
            self.history = VecDeque::from([(frame.sequence, asked)]);
            self.evidence = Evidence::Seen;
            if newest.sequence != frame.sequence {
                self.advance(newest, limits);
            }
        }
        self.shift_to(found, 0);
    }

    /// The answer to the tap: where the box belongs.
    fn place(&mut self, frame: &Frame, answer: &Masks, limits: &TrackLimits) {
        if matches!(self.evidence, Evidence::Lost) {
            return;
        }
        let expected = self.carried(self.asked);
        let like = |c: &MaskCandidate| c.mask.dice(&expected);
        let best = answer.candidates.iter().max_by(|a, b| like(a).total_cmp(&like(b)));
        let agrees = |c: &&MaskCandidate| self.agrees(frame, c, &expected, limits.overlap, limits);
        match best.filter(agrees).and_then(|c| c.mask.bounding_box()) {
            Some(found) => {
                self.answered = frame.captured_at;
                self.shift_to(found, 1);
            }
            None if self.unsure => self.evidence = Evidence::Lost,
            None => {}
        }
        self.unsure = false;
    }

    /// Whether an answer can be the structure, whose mask is expected to be `expected`.
    fn agrees(
        &self,
        frame: &Frame,
        answer: &MaskCandidate,
        expected: &Mask,
        overlap: f64,
        limits: &TrackLimits,
    ) -> bool {
        let contrast = || contrast_of(frame, &answer.mask, self.asked) / self.contrast;
        answer.mask.area_px() >= LEAST_AREA_PX
            && answer.predicted_iou >= limits.predicted_iou
            && answer.mask.dice(expected) >= overlap
            && (self.contrast.abs() < FAINT || contrast() >= limits.contrast)
    }

    /// Corrects the box by an answer to a question whose answers have habits of their own.
    fn shift_to(&mut self, found: FrameBox, question: usize) {
        let asked = self.asked;
        let beyond = beyond(found, asked);
        let habit = *self.habits[question].get_or_insert(beyond);
        let gain = self.gain.min(GREATEST_GAIN[question]);
        let side = |k: usize, length: f32| {
            let off = gain * (beyond[k] - habit[k]);
            off.clamp(-GREATEST_CORRECTION, GREATEST_CORRECTION) * length
        };
        let (width, height) = (asked.width(), asked.height());
        let corrected = FrameBox {
            x0: asked.x0 - side(0, width),
            y0: asked.y0 - side(1, height),
            x1: asked.x1 + side(2, width),
            y1: asked.y1 + side(3, height),
        };
        // The same correction on all frames since.
        let correction = Shift::between(asked, corrected);
        self.bounds = correction.of_box(self.bounds);
        for (_, b) in &mut self.history {
            *b = correction.of_box(*b);
        }
        self.asked = corrected;
        self.shape_bounds = correction.of_box(self.shape_bounds);
    }
}

/// By how much `found` exceeds `asked` to the left, above, to the right and below, as shares of the
/// width and height of `asked`.
fn beyond(found: FrameBox, asked: FrameBox) -> [f32; 4] {
    let (width, height) = (asked.width().max(1.0), asked.height().max(1.0));
    [
        (asked.x0 - found.x0) / width,
        (asked.y0 - found.y0) / height,
        (found.x1 - asked.x1) / width,
        (found.y1 - asked.y1) / height,
    ]
}

/// The contrast of what is in `mask` to what is round it.
fn contrast_of(frame: &Frame, mask: &Mask, bounds: FrameBox) -> f64 {
    let around = grown(bounds, 0.1 * bounds.width().max(bounds.height()));
    around.clipped(frame.size()).map_or(0.0, |around| contrast(frame, mask, around))
}

#[cfg(test)]
mod tests;
