//! Where the picture is shown, and where pointers come from.
//!
//! A [`Screen`] takes a finished [`Canvas`] and tells what was pressed: [`window`] on a desktop,
//! [`panel`] on a board without one ([`drm`] or [`framebuffer`], with touch by
//! [`evdev`](crate::touch::evdev)), and [`picture`], which writes PNG files where there is no display.
//! [`ScreenSpec`] is how a screen is named on the command line.

mod canvas;
#[cfg(target_os = "linux")]
pub mod drm;
#[cfg(target_os = "linux")]
pub mod framebuffer;
#[cfg(target_os = "linux")]
pub mod panel;
pub mod picture;
mod pixels;
mod spec;
pub mod window;

use std::ops::Range;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use embedded_graphics::geometry::{Point, Size};

pub use canvas::Canvas;
pub use pixels::{PixelFormat, Rotation, write_rotated};
pub use spec::{DrmChoice, ModeWish, ScreenSpec, SpecError};

/// The time since it was first asked for in this process: the clock of pointer events, and of what
/// they are measured by.
pub fn now() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

/// Pixels to the millimetre that a screen can have: what is beyond is a mistake, or an aspect ratio that a
/// display states in place of its size.
pub const LIKELY_PIXELS_PER_MM: Range<f32> = 1.5..40.0;

/// Pixels to the millimetre of a screen of `pixels` whose lit area measures `mm`, by its diagonals, so that
/// it does not matter which way round either is told; `None` where that can't be true: pixels are nearly
/// square.
pub fn pixels_per_mm(pixels: Size, mm: (f32, f32)) -> Option<f32> {
    let (width, height) = (pixels.width as f32, pixels.height as f32);
    let long = width.max(height) / mm.0.max(mm.1);
    let short = width.min(height) / mm.0.min(mm.1);
    let likely = |scale: &f32| LIKELY_PIXELS_PER_MM.contains(scale);
    let square = (0.8..1.25).contains(&(long / short));
    (likely(&long) && likely(&short) && square).then(|| width.hypot(height) / mm.0.hypot(mm.1))
}

/// Why a screen can't show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScreenError {
    /// There is no display to open a window on.
    #[error("no display: {reason}")]
    NoDisplay {
        /// What the window system said.
        reason: String,
    },
    /// The window system refused to draw.
    #[error("the window can't be drawn: {reason}")]
    Draw {
        /// What it said.
        reason: String,
    },
    /// A panel can't be used.
    #[error("{device}: {reason}")]
    Panel {
        /// The device.
        device: String,
        /// Why, and what helps.
        reason: String,
    },
    /// A PNG file can't be written.
    #[error("{path}: {reason}", path = .path.display())]
    Write {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
}

/// What a pointer (a finger or a mouse) did, in screen pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerPhase {
    /// It touched down.
    Down,
    /// It moved while down.
    Move,
    /// It was lifted.
    Up,
    /// The window system took it away: whatever it began is void.
    Cancel,
}

/// A pointer event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointerEvent {
    /// Which finger; a mouse is 0.
    pub id: u64,
    /// What it did.
    pub phase: PointerPhase,
    /// Where, in screen pixels; may lie outside the screen while dragging.
    pub position: Point,
    /// When, by [`now`].
    pub time: Duration,
}

/// A key of the keyboard that something can be done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// One that writes a letter, digit or sign.
    Letter(char),
    /// Enter or Return.
    Enter,
    /// The one that takes back.
    Backspace,
    /// The arrow to the left.
    Left,
    /// The arrow to the right.
    Right,
}

/// What a screen reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenEvent {
    /// A finger or the mouse.
    Pointer(PointerEvent),
    /// A key was pressed.
    Key(Key),
    /// The screen has another size now.
    Resized(Size),
    /// The person closed the window.
    Closed,
}

/// A place to show pictures on.
pub trait Screen {
    /// Width and height in screen pixels.
    fn size(&self) -> Size;

    /// Screen pixels to the millimetre, where the screen tells its size.
    fn pixels_per_mm(&self) -> Option<f32> {
        None
    }

    /// Waits up to `timeout` and appends what happened to `events`.
    ///
    /// # Errors
    /// [`ScreenError`] where the screen is gone for good.
    fn poll(&mut self, timeout: Duration, events: &mut Vec<ScreenEvent>)
    -> Result<(), ScreenError>;

    /// Shows `canvas`, which has the screen's size.
    ///
    /// # Errors
    /// [`ScreenError`] where it can't be shown.
    fn present(&mut self, canvas: &Canvas) -> Result<(), ScreenError>;
}
