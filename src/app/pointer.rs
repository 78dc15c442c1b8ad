//! From gestures on the screen to events of the session.

use std::time::Duration;

use embedded_graphics::geometry::Point;

use crate::overlay::{Button, Layout};
use crate::session::{Drag, Event};
use crate::touch::Gesture;

/// Points within this distance of a tap are hit, in millimetres on the screen.
const REACH_MM: f32 = 2.5;

/// Two presses this soon after each other and this near to each other, in millimetres, are a person's press
/// that came twice.
const TWICE: (Duration, f32) = (Duration::from_millis(500), 9.0);

/// Keeps a press that comes twice from meaning two things: the first may bring other buttons.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presses {
    last: Option<Press>,
}

/// A press that held.
#[derive(Clone, Copy, Debug)]
struct Press {
    button: Button,
    /// Whether it closed the guide, which any place does.
    on_guide: bool,
    at: Point,
    time: Duration,
}

impl Presses {
    /// Whether `event`, which `gesture` meant at `time`, holds. It doesn't where it is a press soon after
    /// another and near it, and of something else. The screen has `pixels_per_mm`.
    pub fn admit(
        &mut self,
        event: &Event,
        (gesture, time): (Gesture, Duration),
        layout: &Layout,
        pixels_per_mm: f32,
    ) -> bool {
        let (Event::Pressed(button), Some(at)) = (event, began(gesture)) else { return true };
        let press = Press { button: *button, on_guide: layout.has_guide(), at, time };
        let again = self.last.is_some_and(|last| {
            let off = press.at - last.at;
            let soon = time.saturating_sub(last.time) <= TWICE.0;
            let near = (off.x as f32).hypot(off.y as f32) <= TWICE.1 * pixels_per_mm;
            let same = (press.button, press.on_guide) == (last.button, last.on_guide);
            soon && near && !same
        });
        if !again {
            self.last = Some(press);
        }
        !again
    }
}

/// Where the finger of a press came down.
fn began(gesture: Gesture) -> Option<Point> {
    match gesture {
        Gesture::Tap { at } | Gesture::LongPress { at } => Some(at),
        Gesture::Drag { from, .. } => Some(from),
        _ => None,
    }
}

/// A finger's reach in frame pixels, for a screen with `pixels_per_mm`.
pub(super) fn reach(layout: &Layout, pixels_per_mm: f32) -> f32 {
    let viewport = layout.viewport();
    let zoom = viewport.area().size.width as f32 / viewport.region().size.width.max(1) as f32;
    REACH_MM * pixels_per_mm.max(0.0) / zoom.max(f32::MIN_POSITIVE)
}

/// What a gesture means. Taps count on buttons and on the picture, and so do long presses. A drag, cut to the
/// picture, counts unless it began on a button or the status line; one that began and ended on the same
/// button is a clumsy press.
pub(super) fn event(gesture: Gesture, layout: &Layout, pixels_per_mm: f32) -> Option<Event> {
    match gesture {
        Gesture::Touched { at } => layout.frame_point_at(at).map(|_| Event::Touched),
        Gesture::Tap { at } => layout.button_at(at).map(Event::Pressed).or_else(|| {
            let reach = reach(layout, pixels_per_mm);
            layout.frame_point_at(at).map(|at| Event::Tap { at, reach })
        }),
        Gesture::LongPress { at } => layout.button_at(at).map(Event::Pressed).or_else(|| {
            let reach = reach(layout, pixels_per_mm);
            layout.frame_point_at(at).map(|at| Event::LongPress { at, reach })
        }),
        Gesture::DragMoved { from, to } => {
            drag(layout, from, to, pixels_per_mm).map(Event::DragMoved)
        }
        Gesture::Drag { from, to } => match layout.button_at(from) {
            Some(button) => {
                (layout.button_at(to) == Some(button)).then_some(Event::Pressed(button))
            }
            None => drag(layout, from, to, pixels_per_mm).map(Event::Drag),
        },
        Gesture::Cancelled => Some(Event::Cancelled),
        // It changes what is looked at, and nothing of the session.
        Gesture::Pinched { .. } => None,
    }
}

fn drag(layout: &Layout, from: Point, to: Point, pixels_per_mm: f32) -> Option<Drag> {
    let beside = layout.button_at(from).is_some() || layout.status_area().contains(from);
    let (from, to) = (layout.nearest_frame_point(from)?, layout.nearest_frame_point(to)?);
    (!beside).then(|| Drag { from, to, reach: reach(layout, pixels_per_mm) })
}

#[cfg(test)]
mod tests {
    use embedded_graphics::geometry::Size;

    use super::*;
    use crate::geometry::{FramePoint, FrameSize};

    #[test]
    fn gestures_mean_what_is_under_them() {
        let frame = FrameSize::new(400, 300);
        let layout = Layout::new(Size::new(1280, 800), frame);
        let on = |x, y| layout.viewport().to_screen(FramePoint::new(x, y));
        let button = |b| layout.button_area(b).center();
        let (undo, save) = (button(Button::Undo), button(Button::Save));
        let status = layout.status_area().center();
        let far = Point::new(-5000, -5000);
        let cases = [
            ("a tap", Gesture::Tap { at: on(200.0, 150.0) }, "Tap"),
            ("a button", Gesture::Tap { at: undo }, "Pressed(Undo)"),
            ("a long press", Gesture::LongPress { at: on(200.0, 150.0) }, "LongPress"),
            ("a button held", Gesture::LongPress { at: undo }, "Pressed(Undo)"),
            ("a clumsy press", Gesture::Drag { from: undo, to: undo }, "Pressed(Undo)"),
            ("from button to button", Gesture::Drag { from: undo, to: save }, "none"),
            (
                "from a button to the picture",
                Gesture::Drag { from: undo, to: on(9.0, 9.0) },
                "none",
            ),
            ("from the status line", Gesture::DragMoved { from: status, to: on(9.0, 9.0) }, "none"),
            ("a tap on the status line", Gesture::Tap { at: status }, "none"),
            ("a touch", Gesture::Touched { at: on(5.0, 5.0) }, "Touched"),
            ("a touch on a button", Gesture::Touched { at: undo }, "none"),
            ("a drag", Gesture::DragMoved { from: on(5.0, 5.0), to: on(50.0, 50.0) }, "DragMoved"),
            (
                "off the picture",
                Gesture::Drag { from: on(50.0, 50.0), to: far },
                "to: FramePoint { x: 0.0, y: 0.0",
            ),
            (
                "onto a button",
                Gesture::Drag { from: on(50.0, 50.0), to: undo },
                "to: FramePoint { x: 399.0",
            ),
            ("void", Gesture::Cancelled, "Cancelled"),
        ];
        for (name, gesture, expected) in cases {
            let found = event(gesture, &layout, 8.5).map_or("none".into(), |e| format!("{e:?}"));
            assert!(found.contains(expected), "{name}: {found}");
        }
    }

    #[test]
    fn a_press_that_comes_twice_means_one_thing() {
        let layout = |buttons: &[Button]| {
            let buttons = buttons.iter().copied();
            Layout::with_buttons(Size::new(800, 480), FrameSize::new(400, 300), buttons)
        };
        let (tools, menu) = (layout(&Button::ALL), layout(&Button::MENU));
        let guide = menu.clone().with_guide(true);
        let more = tools.button_area(Button::Menu).center();
        let far = more - Point::new(0, 100);
        // 5 pixels to the millimetre: a press that comes twice is within 45.
        let cases = [
            ("other buttons came", (more, &tools), (more, &menu, 200), false),
            ("beside it", (more, &tools), (more - Point::new(20, 10), &menu, 200), false),
            ("later", (more, &tools), (more, &menu, 501), true),
            ("elsewhere", (more, &tools), (far, &menu, 200), true),
            ("the same button", (more, &tools), (more, &tools, 200), true),
            ("the guide was closed", (far, &guide), (far, &tools, 200), false),
            ("the guide came", (far, &menu), (far, &guide, 200), false),
        ];
        for (name, (first, before), (second, after, ms), expected) in cases {
            let mut presses = Presses::default();
            let mut press = |at, layout: &Layout, ms| {
                let gesture = Gesture::Tap { at };
                let event = event(gesture, layout, 5.0).unwrap();
                assert!(matches!(event, Event::Pressed(_)), "{name}: {event:?}");
                presses.admit(&event, (gesture, Duration::from_millis(ms)), layout, 5.0)
            };
            assert!(press(first, before, 0), "{name}");
            assert_eq!(press(second, after, ms), expected, "{name}");
        }
        let mut presses = Presses::default();
        let gesture = Gesture::Cancelled;
        assert!(presses.admit(&Event::Cancelled, (gesture, Duration::ZERO), &tools, 5.0));
    }

    #[test]
    fn the_reach_is_the_same_on_the_glass_for_every_frame() {
        let screen = Size::new(1280, 800);
        for (width, height) in [(400, 300), (1600, 1200)] {
            let layout = Layout::new(screen, FrameSize::new(width, height));
            let zoom = layout.viewport().area().size.width as f32 / width as f32;
            assert!((reach(&layout, 8.0) * zoom - 20.0).abs() < 0.1);
        }
        assert!(reach(&Layout::new(screen, FrameSize::new(0, 0)), f32::NAN).is_finite());
    }
}
