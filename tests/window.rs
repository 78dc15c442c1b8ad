//! The window on a real display, and the error where there is none. One test alone, since a
//! process can open one window in its life.

use std::env;
use std::time::{Duration, Instant};

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Size;
use embedded_graphics::pixelcolor::Rgb888;
use tapseg::screen::window::WindowScreen;
use tapseg::screen::{Canvas, Screen, ScreenError};

#[test]
fn a_window_opens_or_says_why_not() {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let display = ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].into_iter().any(set);
    let opened = WindowScreen::open(Size::new(320, 200));
    if !display {
        println!("no display here: only the error is tested");
        let error = opened.err().expect("there is no display to open a window on");
        assert!(matches!(error, ScreenError::NoDisplay { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("DISPLAY is set"), "{text}");
        return;
    }
    let mut screen = opened.expect("a display is there");
    let mut canvas = Canvas::new(screen.size());
    assert!(!canvas.pixels().is_empty());
    canvas.clear(Rgb888::new(30, 90, 160)).unwrap();
    screen.present(&canvas).unwrap();
    screen.present(&Canvas::new(Size::new(3, 5000))).unwrap();
    screen.present(&Canvas::new(Size::zero())).unwrap();
    let mut events = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(200) {
        screen.poll(Duration::from_millis(20), &mut events).unwrap();
    }
    let again = WindowScreen::open(Size::new(320, 200)).err().expect("one window a process");
    assert!(matches!(again, ScreenError::NoDisplay { .. }), "{again}");
}
