//! Distances on the frozen frame, measured by hand.

use crate::geometry::FramePoint;
use crate::measure::{Calliper, calliper};
use crate::words::Word;

use super::event::{Command, Drag};
use super::{Frozen, Session};

/// An end of a calliper that a finger drags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grip {
    index: usize,
    /// 0 for the end it begins with, 1 for the other.
    end: usize,
    /// Where the end was; none where the calliper began with this drag.
    before: Option<FramePoint>,
}

impl Session {
    /// Callipers on one frame; one more is refused with a message.
    pub const MAX_CALLIPERS: usize = 8;

    /// A tap with the tool: the first end, or the second.
    pub(super) fn tap_calliper(&mut self, at: FramePoint) {
        let Some(frozen) = &mut self.frozen else { return };
        match self.corner.take() {
            _ if frozen.callipers.len() >= Self::MAX_CALLIPERS => self.refuse_calliper(),
            None => self.corner = Some(at),
            Some(first) if is_long_enough([first, at]) => frozen.callipers.push([first, at]),
            Some(first) => self.corner = Some(first),
        }
    }

    /// A drag with the tool, `ended` or going on: it moves the end that it began at, or spans another
    /// calliper.
    pub(super) fn drag_calliper(&mut self, drag: Drag, ended: bool, commands: &mut Vec<Command>) {
        let Some(size) = self.size().filter(|size| drag.from.is_inside(*size)) else { return };
        self.corner = None;
        self.freeze_for_prompt(true, commands);
        let Some(frozen) = &mut self.frozen else { return };
        let grip = match self.grip {
            Some(grip) => grip,
            None => match end_near(frozen, &drag) {
                Some((index, end)) => {
                    Grip { index, end, before: Some(frozen.callipers[index][end]) }
                }
                None if frozen.callipers.len() >= Self::MAX_CALLIPERS => {
                    frozen.by_drag = false;
                    return self.refuse_calliper();
                }
                None => {
                    frozen.callipers.push([drag.from; 2]);
                    Grip { index: frozen.callipers.len() - 1, end: 1, before: None }
                }
            },
        };
        self.grip = Some(grip);
        let within = |v: f32, length: u32| v.clamp(0.0, length.saturating_sub(1) as f32);
        let to = FramePoint::new(within(drag.to.x, size.width), within(drag.to.y, size.height));
        if let Some(ends) = frozen.callipers.get_mut(grip.index)
            && to.is_inside(size)
        {
            ends[grip.end] = to;
        }
        if ended {
            self.grip = None;
            frozen.by_drag = false;
            frozen.callipers.retain(|ends| is_long_enough(*ends));
        }
    }

    /// The drag is void: what it moved is where it was.
    pub(super) fn let_go_of_calliper(&mut self) {
        let (Some(grip), Some(frozen)) = (self.grip.take(), &mut self.frozen) else { return };
        match (grip.before, frozen.callipers.get_mut(grip.index)) {
            (Some(before), Some(ends)) => ends[grip.end] = before,
            (None, Some(_)) => {
                frozen.callipers.remove(grip.index);
            }
            (_, None) => {}
        }
    }

    fn refuse_calliper(&mut self) {
        let most = Self::MAX_CALLIPERS;
        self.say(self.options.words.fill(Word::TooManyCallipers, &[("most", &most)]));
    }
}

impl Frozen {
    /// The callipers with their lengths.
    pub(super) fn measured(&self) -> Vec<Calliper> {
        let spacing = self.frame.pixel_spacing;
        self.callipers.iter().map(|[from, to]| calliper(*from, *to, spacing)).collect()
    }
}

/// The end nearest to where a drag began, within twice a finger's reach: fingers hide what they
/// aim at.
fn end_near(frozen: &Frozen, drag: &Drag) -> Option<(usize, usize)> {
    let ends = frozen.callipers.iter().enumerate();
    let ends =
        ends.flat_map(|(i, ends)| ends.iter().enumerate().map(move |(end, at)| ((i, end), at)));
    let distance = |at: &FramePoint| (at.x - drag.from.x).hypot(at.y - drag.from.y);
    let near =
        ends.map(|(which, at)| (which, distance(at))).filter(|(_, d)| *d <= 2.0 * drag.reach);
    near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(which, _)| which)
}

fn is_long_enough([from, to]: [FramePoint; 2]) -> bool {
    (from.x - to.x).hypot(from.y - to.y) >= Session::MIN_BOX_SIDE
}
