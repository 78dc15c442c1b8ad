//! What a finger on the picture means, and a key.

use crate::geometry::{FrameBox, FramePoint};
use crate::prompt::{PointLabel, PromptPoint};
use crate::words::Word;

use super::event::{Command, Drag};
use super::objects::TooMany;
use super::{Session, Tool};

impl Session {
    /// A tap, or a `long` one.
    pub(super) fn tap(
        &mut self,
        at: FramePoint,
        reach: f32,
        long: bool,
        commands: &mut Vec<Command>,
    ) {
        self.rubber_band = None;
        if !self.size().is_some_and(|size| at.is_inside(size)) {
            return;
        }
        self.freeze_for_prompt(false, commands);
        let Some(frozen) = &mut self.frozen else { return };
        frozen.by_drag = false;
        self.hidden = false;
        if self.adjusting.is_some() {
            return;
        }
        if self.scaling.is_some() {
            return self.tap_ruler(at);
        }
        if self.tool == Tool::Calliper {
            return self.tap_calliper(at);
        }
        let off_object = long && frozen.objects.active().is_some();
        if !off_object && self.pick(at) {
            return;
        }
        let Some(frozen) = &mut self.frozen else { return };
        let tool = if off_object { Tool::Point(PointLabel::Negative) } else { self.tool };
        let changed = match (tool, self.corner.take()) {
            (Tool::Point(label), _) => match frozen.objects.point_near(at, reach) {
                Some(hit) => frozen.objects.remove_point(hit),
                None => frozen.objects.add_point(PromptPoint { position: at, label }),
            },
            (Tool::Box, Some(corner)) => return self.place_box(FrameBox::from_corners(corner, at)),
            (Tool::Box | Tool::Calliper, _) => return self.corner = Some(at),
        };
        self.report_refusal(changed);
    }

    pub(super) fn drag_moved(&mut self, drag: Drag, commands: &mut Vec<Command>) {
        if self.adjusting.is_some() {
            return self.drag_edges(drag, false);
        }
        if self.scaling.is_some() {
            return;
        }
        self.hidden = false;
        if self.tool == Tool::Calliper {
            return self.drag_calliper(drag, false, commands);
        }
        let b = drag.bounds();
        let Some(b) = self.size().and_then(|size| b.clipped(size)) else { return };
        self.corner = None;
        self.freeze_for_prompt(true, commands);
        self.rubber_band = Some(b);
    }

    pub(super) fn drag(&mut self, drag: Drag, commands: &mut Vec<Command>) {
        if self.adjusting.is_some() {
            return self.drag_edges(drag, true);
        }
        if self.scaling.is_some() {
            return;
        }
        self.hidden = false;
        if self.tool == Tool::Calliper {
            return self.drag_calliper(drag, true, commands);
        }
        self.corner = None;
        self.rubber_band = None;
        self.freeze_for_prompt(true, commands);
        self.place_box(drag.bounds());
    }

    fn place_box(&mut self, b: FrameBox) {
        let Some(frozen) = &mut self.frozen else { return };
        let large = |b: &FrameBox| b.width().min(b.height()) >= Self::MIN_BOX_SIDE;
        let Some(b) = b.clipped(frozen.frame.size()).filter(large) else {
            self.cancelled();
            return self.say_word(Word::TooSmall);
        };
        frozen.by_drag = false;
        let changed = frozen.objects.set_box(b);
        self.report_refusal(changed);
        if self.tool == Tool::Box {
            self.tool = Tool::Point(PointLabel::Positive);
        }
    }

    fn report_refusal(&mut self, changed: Result<(), TooMany>) {
        if let Err(refusal) = changed {
            self.refuse(refusal);
        }
    }

    pub(super) fn refuse(&mut self, refusal: TooMany) {
        let (word, most) = match refusal {
            TooMany::Objects => (Word::TooManyObjects, Self::MAX_OBJECTS),
            TooMany::Steps => (Word::TooManySteps, Self::MAX_STEPS),
        };
        self.say(self.options.words.fill(word, &[("most", &most)]));
    }

    /// The gesture is void: what it alone had frozen goes on.
    pub(super) fn cancelled(&mut self) {
        self.let_go_of_calliper();
        self.let_go_of_edges();
        self.touched = None;
        self.rubber_band = None;
        self.frozen.take_if(|f| f.by_drag);
    }
}
