//! A display that is exchanged while the program runs.

use embedded_graphics::geometry::OriginDimensions;
use embedded_graphics::primitives::PointsIter;
use tapseg::overlay::Arrangement;
use tapseg::screen::pixels_per_mm;

use super::*;

/// A display: its pixels and millimetres.
type Display = (Size, (f32, f32));

/// One display, and another one once five pictures were shown. A click at `at` then, and the end.
struct Exchanged {
    displays: [Display; 2],
    /// Whether displays tell their size.
    tells: bool,
    at: Point,
    shown: [usize; 2],
    clicked: bool,
}

impl Exchanged {
    fn now(&self) -> usize {
        usize::from(self.shown[0] >= 5)
    }
}

impl Screen for Exchanged {
    fn size(&self) -> Size {
        self.displays[self.now()].0
    }

    fn pixels_per_mm(&self) -> Option<f32> {
        let (pixels, mm) = self.displays[self.now()];
        pixels_per_mm(pixels, mm).filter(|_| self.tells)
    }

    fn poll(
        &mut self,
        timeout: Duration,
        events: &mut Vec<ScreenEvent>,
    ) -> Result<(), ScreenError> {
        std::thread::sleep(timeout);
        if self.shown[1] >= 5 && !self.clicked {
            self.clicked = true;
            events.extend(click(self.at));
        } else if self.shown[1] >= 7 {
            events.push(ScreenEvent::Closed);
        }
        Ok(())
    }

    fn present(&mut self, canvas: &Canvas) -> Result<(), ScreenError> {
        assert_eq!(canvas.size(), self.size());
        self.shown[self.now()] += 1;
        Ok(())
    }
}

#[test]
fn buttons_are_as_large_as_the_display_that_is_there_now_wants() {
    let (wide, small) =
        ((Size::new(1280, 800), (217.0, 136.0)), (Size::new(800, 480), (87.0, 52.0)));
    let coarse = (Size::new(800, 480), (154.0, 86.0));
    for (name, displays, panel_mm) in [
        ("another size", [wide, small], None),
        ("another scale", [coarse, small], None),
        ("its size is told beforehand", [wide, small], Some(small.1)),
    ] {
        let (pixels, mm) = small;
        let arranged = |pixels_per_mm| {
            let arrangement = Arrangement { pixels_per_mm, ..Arrangement::default() };
            Layout::arranged(pixels, SIZE, Button::ALL, arrangement)
        };
        // Where the button of the right size reaches beyond that of the one before.
        let right = arranged(pixels_per_mm(pixels, mm));
        let wrong = [arranged(pixels_per_mm(displays[0].0, displays[0].1)), arranged(None)];
        let area = right.button_area(Button::LiveFreeze);
        let other = |at: &Point| wrong.iter().all(|l| l.button_at(*at) != Some(Button::LiveFreeze));
        let at = area.points().find(other).expect(name);
        let sleeper = Sleeper::default();
        let log = sleeper.log.clone();
        let tells = panel_mm.is_none();
        let mut screen = Exchanged { displays, tells, at, shown: [0; 2], clicked: false };
        let options = RunOptions { panel_mm, ..RunOptions::default() };
        run(Box::new(Colours::new(1000, 200)), sleeper, &mut screen, options).unwrap();
        let log = log.lock().unwrap();
        assert_eq!((log.encoded.len(), log.decoded.len()), (1, 0), "{name}: it was frozen");
    }
}
