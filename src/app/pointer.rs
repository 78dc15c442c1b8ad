//! From gestures on the screen to events of the session.

use std::time::Duration;

use embedded_graphics::geometry::Point;
use embedded_graphics::primitives::Rectangle;

use crate::overlay::{Button, Layout};
use crate::session::{Drag, Event};
use crate::touch::Gesture;

/// Points within this distance of a tap are hit, in millimetres on the screen.
const REACH_MM: f32 = 2.5;

/// Two presses this soon after each other in one place are one person's press twice.
const TWICE: Duration = Duration::from_millis(500);

/// Keeps a press that comes twice from meaning two things: the first may bring other buttons.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presses {
    last: Option<(Button, Rectangle, Duration)>,
}

impl Presses {
    /// Whether `event` holds: it doesn't where it is a press, soon after that of another button which lay
    /// where this one does.
    pub fn admit(&mut self, event: &Event, layout: &Layout, now: Duration) -> bool {
        let Event::Pressed(button) = *event else { return true };
        let here = layout.button_area(button);
        let admitted = self.last.is_none_or(|(last, there, then)| {
            let apart = here.intersection(&there).is_zero_sized();
            last == button || apart || now.saturating_sub(then) > TWICE
        });
        if admitted {
            self.last = Some((button, here, now));
        }
        admitted
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
            Layout::with_buttons(Size::new(480, 272), FrameSize::new(400, 300), buttons)
        };
        let (tools, menu) = (layout(&Button::ALL), layout(&Button::MENU));
        let more = tools.button_area(Button::Menu).center();
        let under = menu.button_at(more).unwrap();
        let mut presses = Presses::default();
        let mut press = |button, layout: &Layout, now| {
            presses.admit(&Event::Pressed(button), layout, Duration::from_millis(now))
        };
        assert!(press(Button::Menu, &tools, 0));
        assert!(!press(under, &menu, 200), "{under:?} lies where More was");
        assert!(press(under, &menu, 501), "later");
        assert!(press(Button::Menu, &tools, 1100));
        let apart = |b: &&Button| {
            let more = tools.button_area(Button::Menu);
            menu.button_area(**b).intersection(&more).is_zero_sized()
        };
        let elsewhere = *Button::MENU.iter().find(apart).unwrap();
        assert!(press(elsewhere, &menu, 1200) && press(elsewhere, &menu, 1300), "{elsewhere:?}");
        assert!(presses.admit(&Event::Cancelled, &menu, Duration::ZERO), "no press");
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
