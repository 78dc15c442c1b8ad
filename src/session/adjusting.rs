//! The part of the picture that the network looks at, set by hand.

use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::overlay::Button;
use crate::words::Word;

use super::Session;
use super::event::{Command, Drag};

/// What the network looks at; each holds for frames of its size.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Regions {
    /// Set by hand.
    set: Option<(FrameSize, FrameBox)>,
    /// Found by itself.
    found: Option<(FrameSize, FrameBox)>,
}

impl Regions {
    /// What was set by hand for frames of this size.
    pub fn set_for(&self, size: FrameSize) -> Option<FrameBox> {
        of_size(self.set, size)
    }

    /// What the network looks at of frames of this size, where that is not all.
    pub fn of(&self, size: FrameSize) -> Option<FrameBox> {
        self.set_for(size).or(of_size(self.found, size))
    }

    /// Notes what the network says that it looked at.
    pub fn looked_at(&mut self, size: FrameSize, region: Option<FrameBox>) {
        if self.set_for(size).is_none() {
            self.found = region.map(|region| (size, region));
        }
    }
}

fn of_size(region: Option<(FrameSize, FrameBox)>, size: FrameSize) -> Option<FrameBox> {
    region.filter(|(of, _)| *of == size).map(|(_, region)| region)
}

/// A region that is being set, on the frozen frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adjusting {
    pub bounds: FrameBox,
    /// The edges that a finger drags, and where all were when it came down.
    grip: Option<(Edges, FrameBox)>,
}

/// Which edges move: left or right, upper or lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Edges {
    left: bool,
    right: bool,
    top: bool,
    bottom: bool,
}

impl Edges {
    /// The edge nearest to where a finger came down, and the one beside it if that is within four
    /// times the finger's reach of it as well: then the finger is at a corner.
    fn near(b: &FrameBox, at: FramePoint, reach: f32) -> Self {
        let across = [(at.x - b.x0).abs(), (at.x - b.x1).abs()];
        let down = [(at.y - b.y0).abs(), (at.y - b.y1).abs()];
        let (x, y) = (across[0].min(across[1]), down[0].min(down[1]));
        let corner = x.max(y) <= 4.0 * reach;
        let (sideways, upright) = (corner || x <= y, corner || y < x);
        Self {
            left: sideways && across[0] <= across[1],
            right: sideways && across[0] > across[1],
            top: upright && down[0] <= down[1],
            bottom: upright && down[0] > down[1],
        }
    }

    /// `b` with these edges moved as the finger was, on a frame of `size`.
    fn moved(self, b: FrameBox, by: FramePoint, size: FrameSize) -> FrameBox {
        let least = Session::MIN_REGION;
        let edge = |moves: bool, at: f32, by: f32, low: f32, high: f32| match moves {
            true => (at + by).clamp(low, high.max(low)),
            false => at,
        };
        let (width, height) = (size.width as f32 - 1.0, size.height as f32 - 1.0);
        FrameBox {
            x0: edge(self.left, b.x0, by.x, 0.0, b.x1 - least),
            x1: edge(self.right, b.x1, by.x, (b.x0 + least).min(width), width),
            y0: edge(self.top, b.y0, by.y, 0.0, b.y1 - least),
            y1: edge(self.bottom, b.y1, by.y, (b.y0 + least).min(height), height),
        }
    }
}

impl Session {
    /// The least width and height of what the network looks at, in frame pixels.
    pub const MIN_REGION: f32 = 32.0;

    /// Shows what sets the region of the picture that the caller has frozen.
    pub(super) fn begin_adjusting(&mut self) {
        let Some(frozen) = &mut self.frozen else { return };
        frozen.by_drag = false;
        let size = frozen.frame.size();
        let known = self.regions.of(size);
        let bounds = known.unwrap_or_else(|| whole(size));
        self.adjusting = Some(Adjusting { bounds, grip: None });
    }

    /// A drag, `ended` or going on: the edges nearest to where it began follow the finger.
    pub(super) fn drag_edges(&mut self, drag: Drag, ended: bool) {
        let Some((adjusting, frozen)) = self.adjusting.as_mut().zip(self.frozen.as_ref()) else {
            return;
        };
        let near = || Edges::near(&adjusting.bounds, drag.from, drag.reach);
        let (edges, before) = adjusting.grip.unwrap_or_else(|| (near(), adjusting.bounds));
        let by = FramePoint::new(drag.to.x - drag.from.x, drag.to.y - drag.from.y);
        if by.x.is_finite() && by.y.is_finite() {
            adjusting.bounds = edges.moved(before, by, frozen.frame.size());
        }
        adjusting.grip = (!ended).then_some((edges, before));
    }

    /// The drag is void: the edges are where they were.
    pub(super) fn let_go_of_edges(&mut self) {
        if let Some(adjusting) = &mut self.adjusting
            && let Some((_, before)) = adjusting.grip.take()
        {
            adjusting.bounds = before;
        }
    }

    pub(super) fn press_adjusting(&mut self, button: Button, commands: &mut Vec<Command>) {
        let (Some(adjusting), Some(frozen)) = (self.adjusting.take(), &self.frozen) else { return };
        let size = frozen.frame.size();
        match button {
            Button::Apply => self.look_at(Some((size, adjusting.bounds)), commands),
            Button::Automatic => self.look_at(None, commands),
            Button::Back => {}
            _ => self.adjusting = Some(adjusting),
        }
    }

    pub(super) fn can_adjust(&self, button: Button) -> bool {
        // What was asked for would be lost. The second network is asked again.
        let busy = self.is_working();
        match button {
            Button::Back => true,
            Button::Apply => !busy,
            Button::Automatic => self.regions.set.is_some() && !busy,
            _ => false,
        }
    }

    fn look_at(&mut self, region: Option<(FrameSize, FrameBox)>, commands: &mut Vec<Command>) {
        if self.regions.set == region {
            return;
        }
        self.regions.set = region;
        // What the network made of the frame is of another part of it.
        self.encoding = None;
        self.forget_second();
        self.encode(commands);
        match region {
            Some((_, b)) => {
                let (width, height) = (b.width().round() + 1.0, b.height().round() + 1.0);
                let words = &self.options.words;
                let figures: [(&str, &dyn std::fmt::Display); 2] =
                    [("width", &width), ("height", &height)];
                self.say(words.fill(Word::RegionSet, &figures));
            }
            None => self.say_word(Word::RegionFound),
        }
    }
}

fn whole(size: FrameSize) -> FrameBox {
    let (x1, y1) = (size.width as f32 - 1.0, size.height as f32 - 1.0);
    FrameBox { x0: 0.0, y0: 0.0, x1, y1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_nearest_to_the_finger_follow_it() {
        let size = FrameSize::new(400, 300);
        let b = FrameBox { x0: 100.0, y0: 50.0, x1: 300.0, y1: 250.0 };
        for (name, at, by, expected) in [
            ("left", (104.0, 150.0), (-30.0, 40.0), [70.0, 50.0, 300.0, 250.0]),
            ("right, from afar", (390.0, 140.0), (5.0, 0.0), [100.0, 50.0, 305.0, 250.0]),
            ("top", (200.0, 45.0), (9.0, 20.0), [100.0, 70.0, 300.0, 250.0]),
            ("bottom, from within", (190.0, 200.0), (0.0, 10.0), [100.0, 50.0, 300.0, 260.0]),
            ("a corner", (305.0, 244.0), (-50.0, -50.0), [100.0, 50.0, 250.0, 200.0]),
            ("to the frame's edge", (100.0, 50.0), (-900.0, -900.0), [0.0, 0.0, 300.0, 250.0]),
            ("onto the other edge", (104.0, 150.0), (900.0, 0.0), [268.0, 50.0, 300.0, 250.0]),
        ] {
            let edges = Edges::near(&b, FramePoint::new(at.0, at.1), 4.0);
            let moved = edges.moved(b, FramePoint::new(by.0, by.1), size);
            assert_eq!([moved.x0, moved.y0, moved.x1, moved.y1], expected, "{name}");
        }
    }

    #[test]
    fn small_frames_have_regions_too() {
        let size = FrameSize::new(20, 10);
        for at in [FramePoint::new(0.0, 0.0), FramePoint::new(19.0, 9.0)] {
            let edges = Edges::near(&whole(size), at, 1.0);
            let moved = edges.moved(whole(size), FramePoint::new(-500.0, 500.0), size);
            assert!(moved.x0 >= 0.0 && moved.x1 <= 19.0 && moved.y1 <= 9.0, "{moved:?}");
        }
    }
}
