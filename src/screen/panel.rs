//! A board's own panel: an output that shows pixels, and touch beside it.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use embedded_graphics::Drawable;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Primitive, PrimitiveStyleBuilder, Triangle};

use crate::touch::evdev::Touch;

use super::{
    Canvas, PointerEvent, PointerPhase, Rotation, Screen, ScreenError, ScreenEvent, now,
    pixels_per_mm,
};

/// How long a mouse that rests is shown.
const ARROW_STAYS: Duration = Duration::from_secs(5);

/// What shows pixels, without any sense of touch. Sizes are the panel's own, before any rotation.
pub trait Output {
    /// Width and height in pixels.
    fn size(&self) -> Size;

    /// Width and height in millimetres, where the panel tells them.
    fn millimetres(&self) -> Option<Size>;

    /// Shows `canvas`, turned by `rotation`. Where nothing is connected nothing is shown.
    ///
    /// # Errors
    /// [`ScreenError`] where the output is gone for good.
    fn show(&mut self, canvas: &Canvas, rotation: Rotation) -> Result<(), ScreenError>;

    /// Looks whether a display was plugged in, pulled, or exchanged; cheap enough for each turn of a
    /// loop. Whether there is another one now, to which everything is to be drawn again.
    fn refresh(&mut self) -> bool;
}

/// A panel with touch. A mouse or tablet is shown as an arrow while it is used.
pub struct Panel {
    output: Box<dyn Output>,
    touch: Touch,
    rotation: Rotation,
    /// What is shown, without the arrow.
    picture: Canvas,
    /// Where the mouse is, and when it moved.
    arrow: Option<(Point, Duration)>,
}

impl Panel {
    /// A panel that shows what is drawn turned by `rotation`, and so turns what is touched.
    pub fn new(output: Box<dyn Output>, touch: Touch, rotation: Rotation) -> Self {
        Self { output, touch, rotation, picture: Canvas::new(Size::zero()), arrow: None }
    }

    fn show(&mut self) -> Result<(), ScreenError> {
        match self.arrow {
            None => self.output.show(&self.picture, self.rotation),
            Some((tip, _)) => {
                let mut with_arrow = self.picture.clone();
                draw_arrow(tip, &mut with_arrow);
                self.output.show(&with_arrow, self.rotation)
            }
        }
    }

    /// Moves the arrow to where the mouse went last, and takes it away when the mouse has rested or
    /// a finger is used. Whether anything changed.
    fn follow_mouse(&mut self, events: &[ScreenEvent]) -> bool {
        let before = self.arrow.map(|(tip, _)| tip);
        for event in events {
            if let ScreenEvent::Pointer(pointer) = event {
                let mouse = self.touch.is_mouse(pointer.id);
                self.arrow = mouse.then_some((pointer.position, pointer.time));
            }
        }
        self.arrow = self.arrow.filter(|(_, moved)| now().saturating_sub(*moved) < ARROW_STAYS);
        self.arrow.map(|(tip, _)| tip) != before
    }
}

impl Screen for Panel {
    fn size(&self) -> Size {
        self.rotation.turned(self.output.size())
    }

    fn pixels_per_mm(&self) -> Option<f32> {
        // Some displays state an aspect ratio, or nothing that can be true.
        let mm = self.output.millimetres()?;
        pixels_per_mm(self.output.size(), (mm.width as f32, mm.height as f32))
    }

    fn poll(
        &mut self,
        timeout: Duration,
        events: &mut Vec<ScreenEvent>,
    ) -> Result<(), ScreenError> {
        if self.output.refresh() {
            events.push(ScreenEvent::Resized(self.size()));
            self.show()?;
        }
        let known = events.len();
        let mut down = self.touch.fingers_down();
        self.touch.poll(timeout, self.output.size(), self.rotation, events);
        if self.follow_mouse(&events[known..]) {
            self.show()?;
        }
        // What a mouse does between presses is the arrow's alone.
        let mut index = 0;
        events.retain(|event| {
            index += 1;
            let (true, ScreenEvent::Pointer(p)) = (index > known, event) else { return true };
            is_of_finger(p, &mut down)
        });
        Ok(())
    }

    fn present(&mut self, canvas: &Canvas) -> Result<(), ScreenError> {
        self.picture.clone_from(canvas);
        self.show()
    }
}

/// Whether an event is of a finger that is, or was, `down`, which follows the events; a mouse moves
/// without.
fn is_of_finger(event: &PointerEvent, down: &mut BTreeSet<u64>) -> bool {
    match event.phase {
        PointerPhase::Down => {
            down.insert(event.id);
            true
        }
        PointerPhase::Move => down.contains(&event.id),
        PointerPhase::Up | PointerPhase::Cancel => {
            down.remove(&event.id);
            true
        }
    }
}

/// Why a panel's device can't be opened, and what helps.
pub(super) fn why_not_opened(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "it is not there; `tapseg doctor` lists the panels there are".into()
        }
        io::ErrorKind::PermissionDenied => {
            "you may not use it: `sudo usermod -aG video $USER`, and \
             log in again"
                .into()
        }
        _ => error.to_string(),
    }
}

/// Draws a mouse's arrow, with its tip at `tip`, as large as it need be on the canvas.
fn draw_arrow(tip: Point, canvas: &mut Canvas) {
    let Size { width, height } = canvas.size();
    let length = (width.min(height) / 30).clamp(16, 60) as i32;
    let style = PrimitiveStyleBuilder::new()
        .fill_color(Rgb888::WHITE)
        .stroke_color(Rgb888::BLACK)
        .stroke_width((length / 12) as u32);
    let (down, across) = (Point::new(0, length), Point::new(length * 7 / 10, length * 7 / 10));
    let Ok(()) =
        Triangle::new(tip, tip + down, tip + across).into_styled(style.build()).draw(canvas);
}

#[cfg(test)]
mod tests {
    use embedded_graphics::draw_target::DrawTarget;

    use crate::touch::TouchSpec;

    use super::*;

    struct Sheet {
        size: Size,
        mm: Option<Size>,
    }

    impl Output for Sheet {
        fn size(&self) -> Size {
            self.size
        }
        fn millimetres(&self) -> Option<Size> {
            self.mm
        }
        fn show(&mut self, _: &Canvas, _: Rotation) -> Result<(), ScreenError> {
            Ok(())
        }
        fn refresh(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn moves_of_fingers_count_also_where_they_are_lifted_at_once() {
        use PointerPhase::{Cancel, Down, Move, Up};
        type Case<'a> = (&'a str, &'a [(u64, PointerPhase)], &'a [usize]);
        let cases: [Case; 4] = [
            ("down before, and lifted", &[(7, Move), (7, Up), (7, Move)], &[0, 1]),
            ("all at once", &[(1, Down), (1, Move), (1, Up)], &[0, 1, 2]),
            ("a mouse between presses", &[(3, Move), (3, Down), (3, Move)], &[1, 2]),
            ("two fingers", &[(7, Move), (1, Down), (7, Cancel), (1, Move)], &[0, 1, 2, 3]),
        ];
        for (name, events, expected) in cases {
            let mut down = BTreeSet::from([7]);
            let kept = events.iter().map(|&(id, phase)| {
                let (position, time) = (Point::zero(), Duration::ZERO);
                is_of_finger(&PointerEvent { id, phase, position, time }, &mut down)
            });
            let kept: Vec<usize> = kept.enumerate().filter_map(|(i, k)| k.then_some(i)).collect();
            assert_eq!(kept, expected, "{name}");
        }
    }

    fn panel(size: Size, mm: Option<Size>, rotation: Rotation) -> Panel {
        let touch = Touch::open(TouchSpec::none());
        Panel::new(Box::new(Sheet { size, mm }), touch, rotation)
    }

    #[test]
    fn a_turned_panel_stands() {
        let size = Size::new(1280, 800);
        assert_eq!(panel(size, None, Rotation::None).size(), size);
        assert_eq!(panel(size, None, Rotation::Quarter).size(), Size::new(800, 1280));
    }

    #[test]
    fn a_scale_is_believed_where_it_can_be_true() {
        let scale = |w, h| {
            panel(Size::new(1280, 800), Some(Size::new(w, h)), Rotation::None).pixels_per_mm()
        };
        assert!((scale(151, 94).unwrap() - 8.5).abs() < 0.05);
        assert_eq!(scale(94, 151), scale(151, 94), "it may be told the other way round");
        for (w, h) in [(0, 0), (16, 10), (1600, 900), (151, 0), (94, 94)] {
            assert_eq!(scale(w, h), None, "{w} x {h} mm");
        }
    }

    #[test]
    fn the_arrow_begins_at_its_tip_and_stays_on_the_canvas() {
        let mut canvas = Canvas::new(Size::new(100, 80));
        canvas.clear(Rgb888::BLUE).unwrap();
        draw_arrow(Point::new(40, 30), &mut canvas);
        let drawn = |x: usize, y: usize| canvas.pixels()[y * 100 + x] != 0xFF;
        assert!(drawn(40, 30) && drawn(43, 40) && !drawn(35, 30) && !drawn(60, 30));
        draw_arrow(Point::new(99, 79), &mut canvas);
        draw_arrow(Point::new(-500, 9000), &mut canvas);
    }
}
