//! A window on a desktop, under X11 or Wayland.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use softbuffer::{Context, Surface};
use winit::application::ApplicationHandler;
use winit::dpi::{LogicalSize, PhysicalPosition, PhysicalSize};
use winit::event::{ElementState, MouseButton, Touch, TouchPhase, WindowEvent};
use winit::event_loop::{ActiveEventLoop, EventLoop};
use winit::platform::pump_events::{EventLoopExtPumpEvents, PumpStatus};
use winit::platform::{wayland::EventLoopBuilderExtWayland, x11::EventLoopBuilderExtX11};
use winit::window::{Window, WindowId};

use crate::contain::contain;

use super::{Canvas, Key, PointerEvent, PointerPhase, Screen, ScreenError, ScreenEvent, now};

/// The mouse's pointer; fingers count from the next on.
const MOUSE: u64 = 0;

/// What a window takes beside a window system. The libraries are loaded at run time, so that the
/// program starts without them.
const REMEDY: &str = "a window needs a running X11 or Wayland session and its libraries (Debian \
     and Ubuntu: `apt install libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon-x11-0` for \
     X11, `libwayland-client0 libxkbcommon0` for Wayland)";

/// A window titled `tapseg` with mouse (left button, pointer 0) and touch.
///
/// Sizes and positions are physical pixels.
pub struct WindowScreen {
    event_loop: EventLoop<()>,
    view: View,
}

impl WindowScreen {
    /// Opens a window whose inside has `size` in logical pixels: on a display with a scale factor
    /// it takes that many times more physical ones. The window system may grant another size.
    ///
    /// A process can open one window in its life, since the window system's event loop can't be
    /// made twice.
    ///
    /// # Errors
    /// [`ScreenError::NoDisplay`] where there is no display, a library is missing, or a window was
    /// opened before (the reason names what to install); [`ScreenError::Draw`] where the window can't be drawn into.
    pub fn open(size: Size) -> Result<Self, ScreenError> {
        let (event_loop, view) = without_panic(|| {
            let mut builder = EventLoop::builder();
            EventLoopBuilderExtX11::with_any_thread(&mut builder, true);
            EventLoopBuilderExtWayland::with_any_thread(&mut builder, true);
            let mut event_loop = builder.build().map_err(|error| no_display(&error.to_string()))?;
            let mut view = View::new(size);
            event_loop.pump_app_events(Some(Duration::ZERO), &mut view);
            Ok((event_loop, view))
        })?;
        let mut screen = Self { event_loop, view };
        screen.failure()?;
        Ok(screen)
    }

    fn pump(&mut self, timeout: Duration) -> Result<(), ScreenError> {
        let status = self.event_loop.pump_app_events(Some(timeout), &mut self.view);
        if let PumpStatus::Exit(_) = status {
            self.view.events.push(ScreenEvent::Closed);
        }
        self.failure()
    }

    /// What went wrong in a callback.
    fn failure(&mut self) -> Result<(), ScreenError> {
        self.view.failure.take().map_or(Ok(()), Err)
    }
}

impl Screen for WindowScreen {
    fn size(&self) -> Size {
        self.view.size
    }

    fn poll(
        &mut self,
        timeout: Duration,
        events: &mut Vec<ScreenEvent>,
    ) -> Result<(), ScreenError> {
        // What came while the window opened must not wait for the next event.
        let timeout = if self.view.events.is_empty() { timeout } else { Duration::ZERO };
        self.pump(timeout)?;
        events.append(&mut self.view.events);
        Ok(())
    }

    /// Shows `canvas`, and again whenever the window is uncovered. Where the window has another
    /// size by now, the canvas is cut to it or framed in black.
    fn present(&mut self, canvas: &Canvas) -> Result<(), ScreenError> {
        self.view.shown.clone_from(canvas);
        self.view.draw()
    }
}

/// Runs `start` and turns a panic in it into an error: winit panics where a library or an
/// extension of the X server is missing.
fn without_panic<T>(start: impl FnOnce() -> Result<T, ScreenError>) -> Result<T, ScreenError> {
    contain(start).unwrap_or_else(|panic| Err(no_display(&panic)))
}

/// What the window system said, without winit's own "os error at FILE:LINE: ", and the remedy.
fn no_display(said: &str) -> ScreenError {
    let plain = said.strip_prefix("os error at ").and_then(|rest| rest.split_once(": "));
    let what = plain.map_or(said, |(_, what)| what).trim_end_matches('.');
    ScreenError::NoDisplay { reason: format!("{what}; {REMEDY}") }
}

fn draw_error(error: impl std::fmt::Display) -> ScreenError {
    ScreenError::Draw { reason: error.to_string() }
}

type WindowSurface = Surface<Rc<Window>, Rc<Window>>;

/// The window's own side: what winit calls back.
struct View {
    surface: Option<WindowSurface>,
    size: Size,
    shown: Canvas,
    pointers: Pointers,
    events: Vec<ScreenEvent>,
    failure: Option<ScreenError>,
}

impl View {
    fn new(size: Size) -> Self {
        Self {
            surface: None,
            size,
            shown: Canvas::new(Size::zero()),
            pointers: Pointers::new(),
            events: Vec::new(),
            failure: None,
        }
    }

    fn open(&mut self, event_loop: &ActiveEventLoop) -> Result<(), ScreenError> {
        let attributes = Window::default_attributes()
            .with_title("tapseg")
            .with_inner_size(LogicalSize::new(self.size.width.max(1), self.size.height.max(1)));
        let window = Rc::new(event_loop.create_window(attributes).map_err(draw_error)?);
        let context = Context::new(window.clone()).map_err(draw_error)?;
        self.size = inside(window.inner_size());
        self.surface = Some(Surface::new(&context, window).map_err(draw_error)?);
        Ok(())
    }

    fn draw(&mut self) -> Result<(), ScreenError> {
        let Some(surface) = &mut self.surface else { return Ok(()) };
        let sides = (NonZeroU32::new(self.size.width), NonZeroU32::new(self.size.height));
        let (Some(width), Some(height)) = sides else { return Ok(()) };
        surface.resize(width, height).map_err(draw_error)?;
        let mut buffer = surface.buffer_mut().map_err(draw_error)?;
        copy_picture(&self.shown, &mut buffer, width.get() as usize);
        buffer.present().map_err(draw_error)
    }
}

impl ApplicationHandler for View {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if self.surface.is_none() {
            self.failure = self.open(event_loop).err();
        }
    }

    fn window_event(&mut self, _: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let pointers = &mut self.pointers;
        match event {
            WindowEvent::CloseRequested | WindowEvent::Destroyed => {
                self.events.push(ScreenEvent::Closed)
            }
            WindowEvent::Resized(size) if inside(size) != self.size => {
                self.size = inside(size);
                self.events.push(ScreenEvent::Resized(self.size));
            }
            WindowEvent::RedrawRequested => {
                if let Err(error) = self.draw() {
                    self.failure = Some(error);
                }
            }
            WindowEvent::CursorMoved { position, .. } => {
                self.events.extend(pointers.mouse_moved(pixel(position)));
            }
            WindowEvent::MouseInput { state, button: MouseButton::Left, .. } => {
                self.events.extend(pointers.mouse_button(state == ElementState::Pressed));
            }
            WindowEvent::Touch(Touch { phase, location, id, .. }) => {
                let phase = match phase {
                    TouchPhase::Started => PointerPhase::Down,
                    TouchPhase::Moved => PointerPhase::Move,
                    TouchPhase::Ended => PointerPhase::Up,
                    TouchPhase::Cancelled => PointerPhase::Cancel,
                };
                self.events.extend(pointers.change(id.saturating_add(1), phase, pixel(location)));
            }
            WindowEvent::KeyboardInput { event, .. }
                if event.state == ElementState::Pressed && !event.repeat =>
            {
                self.events.extend(key(&event.logical_key).map(ScreenEvent::Key));
            }
            WindowEvent::Focused(false) => self.events.extend(pointers.cancel_all()),
            _ => {}
        }
    }
}

/// The key that was pressed, if it is one that something can be done with.
fn key(key: &winit::keyboard::Key) -> Option<Key> {
    use winit::keyboard::{Key::Character, Key::Named, NamedKey};
    Some(match key {
        Character(text) => Key::Letter(text.chars().next()?),
        Named(NamedKey::Space) => Key::Letter(' '),
        Named(NamedKey::Enter) => Key::Enter,
        Named(NamedKey::Backspace) => Key::Backspace,
        Named(NamedKey::ArrowLeft) => Key::Left,
        Named(NamedKey::ArrowRight) => Key::Right,
        _ => return None,
    })
}

/// A window's inner size.
fn inside(size: PhysicalSize<u32>) -> Size {
    Size::new(size.width, size.height)
}

/// The pixel a pointer is on.
fn pixel(position: PhysicalPosition<f64>) -> Point {
    Point::new(position.x.floor() as i32, position.y.floor() as i32)
}

/// Copies `canvas` to a buffer with rows of `width` pixels; what it does not cover becomes black.
fn copy_picture(canvas: &Canvas, buffer: &mut [u32], width: usize) {
    let common = (canvas.size().width as usize).min(width);
    let mut rows = canvas.rows();
    for to in buffer.chunks_exact_mut(width) {
        match rows.next() {
            Some(from) => {
                to[..common].copy_from_slice(&from[..common]);
                to[common..].fill(0);
            }
            None => to.fill(0),
        }
    }
}

/// Which pointers are down, and where.
struct Pointers {
    mouse: Point,
    down: BTreeMap<u64, Point>,
}

impl Pointers {
    fn new() -> Self {
        Self { mouse: Point::zero(), down: BTreeMap::new() }
    }

    fn mouse_moved(&mut self, position: Point) -> Option<ScreenEvent> {
        self.mouse = position;
        self.change(MOUSE, PointerPhase::Move, position)
    }

    fn mouse_button(&mut self, pressed: bool) -> Option<ScreenEvent> {
        let phase = if pressed { PointerPhase::Down } else { PointerPhase::Up };
        self.change(MOUSE, phase, self.mouse)
    }

    /// The event of pointer `id`; none where it was not down (a mouse that hovers, a finger that
    /// was cancelled before).
    fn change(&mut self, id: u64, phase: PointerPhase, position: Point) -> Option<ScreenEvent> {
        let known = match phase {
            PointerPhase::Down => {
                self.down.insert(id, position);
                true
            }
            PointerPhase::Move => self.down.get_mut(&id).map(|last| *last = position).is_some(),
            PointerPhase::Up | PointerPhase::Cancel => self.down.remove(&id).is_some(),
        };
        let time = now();
        known.then_some(ScreenEvent::Pointer(PointerEvent { id, phase, position, time }))
    }

    fn cancel_all(&mut self) -> Vec<ScreenEvent> {
        let down: Vec<_> = self.down.iter().map(|(&id, &position)| (id, position)).collect();
        let cancelled =
            down.into_iter().filter_map(|(id, at)| self.change(id, PointerPhase::Cancel, at));
        cancelled.collect()
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::draw_target::DrawTarget;
    use embedded_graphics::pixelcolor::Rgb888;

    use super::*;

    fn brief(events: impl IntoIterator<Item = ScreenEvent>) -> Vec<(u64, PointerPhase, Point)> {
        let brief = |event| match event {
            ScreenEvent::Pointer(p) => (p.id, p.phase, p.position),
            other => panic!("{other:?}"),
        };
        events.into_iter().map(brief).collect()
    }

    #[test]
    fn a_mouse_tells_only_what_it_does_while_pressed() {
        let mut pointers = Pointers::new();
        let mut events = Vec::new();
        events.extend(pointers.mouse_moved(Point::new(1, 2)));
        events.extend(pointers.mouse_button(true));
        events.extend(pointers.mouse_moved(Point::new(3, 4)));
        events.extend(pointers.mouse_button(false));
        events.extend(pointers.mouse_moved(Point::new(5, 6)));
        events.extend(pointers.mouse_button(false));
        let expected = [
            (MOUSE, PointerPhase::Down, Point::new(1, 2)),
            (MOUSE, PointerPhase::Move, Point::new(3, 4)),
            (MOUSE, PointerPhase::Up, Point::new(3, 4)),
        ];
        assert_eq!(brief(events), expected);
    }

    #[test]
    fn losing_the_focus_cancels_each_pointer_once() {
        let mut pointers = Pointers::new();
        pointers.change(3, PointerPhase::Down, Point::new(1, 1));
        pointers.change(4, PointerPhase::Down, Point::new(2, 2));
        pointers.change(4, PointerPhase::Up, Point::new(2, 2));
        let cancelled = brief(pointers.cancel_all());
        assert_eq!(cancelled, [(3, PointerPhase::Cancel, Point::new(1, 1))]);
        assert_eq!(pointers.change(3, PointerPhase::Up, Point::new(1, 1)), None);
    }

    #[test]
    fn errors_say_what_failed_and_what_helps() {
        let cases = [
            ("winit's", "os error at /a/b.rs:7: no server: refused.", "no server: refused; "),
            ("plain", "EventLoop can't be recreated", "EventLoop can't be recreated; "),
        ];
        for (name, said, expected) in cases {
            let text = no_display(said).to_string();
            assert!(text.starts_with(&format!("no display: {expected}")), "{name}: {text}");
            assert!(text.contains("libxkbcommon-x11-0"), "{name}: {text}");
        }
        let panicked: Result<(), _> = without_panic(|| panic!("no library {}", "libX"));
        assert!(panicked.unwrap_err().to_string().contains("no library libX; "));
    }

    #[test]
    fn a_canvas_of_another_size_is_cut_or_framed() {
        let mut canvas = Canvas::new(Size::new(2, 2));
        canvas.clear(Rgb888::new(0, 0, 5)).unwrap();
        let cases = [
            ("same", 2, 4, vec![5, 5, 5, 5]),
            ("smaller", 1, 1, vec![5]),
            ("larger", 3, 9, vec![5, 5, 0, 5, 5, 0, 0, 0, 0]),
        ];
        for (name, width, length, expected) in cases {
            let mut buffer = vec![9; length];
            copy_picture(&canvas, &mut buffer, width);
            assert_eq!(buffer, expected, "{name}");
        }
    }
}
