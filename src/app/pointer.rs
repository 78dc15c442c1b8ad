//! From gestures on the screen to events of the session.

use embedded_graphics::geometry::Point;
use embedded_graphics::primitives::ContainsPoint;

use crate::geometry::{FrameBox, FramePoint};
use crate::overlay::Layout;
use crate::session::Event;
use crate::touch::Gesture;

/// Points within this distance of a tap are hit, in millimetres on the screen.
const REACH_MM: f32 = 2.5;

/// A finger's reach in frame pixels, for a screen with `pixels_per_mm`.
pub(super) fn reach(layout: &Layout, pixels_per_mm: f32) -> f32 {
    let viewport = layout.viewport();
    let zoom = viewport.area().size.width as f32 / viewport.frame().width.max(1) as f32;
    REACH_MM * pixels_per_mm.max(0.0) / zoom.max(f32::MIN_POSITIVE)
}

/// What a gesture means. Taps count on buttons and on the picture. A drag spans a box, cut to the
/// picture, unless it began on a button or the status line; one that began and ended on the same
/// button is a clumsy press.
pub(super) fn event(gesture: Gesture, layout: &Layout, pixels_per_mm: f32) -> Option<Event> {
    match gesture {
        Gesture::Touched { at } => layout.frame_point_at(at).map(|_| Event::Touched),
        Gesture::Tap { at } => layout.button_at(at).map(Event::Pressed).or_else(|| {
            let reach = reach(layout, pixels_per_mm);
            layout.frame_point_at(at).map(|at| Event::Tap { at, reach })
        }),
        Gesture::DragMoved { from, to } => dragged_box(layout, from, to).map(Event::DragMoved),
        Gesture::Drag { from, to } => match layout.button_at(from) {
            Some(button) => (layout.button_at(to) == Some(button)).then_some(Event::Pressed(button)),
            None => dragged_box(layout, from, to).map(Event::Drag),
        },
        Gesture::Cancelled => Some(Event::Cancelled),
    }
}

fn dragged_box(layout: &Layout, from: Point, to: Point) -> Option<FrameBox> {
    let beside = layout.button_at(from).is_some() || layout.status_area().contains(from);
    let corner = |at| -> Option<FramePoint> { layout.nearest_frame_point(at) };
    (!beside).then(|| Some(FrameBox::from_corners(corner(from)?, corner(to)?)))?
}
