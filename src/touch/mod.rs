//! Fingers and mice become gestures, and scripted gestures stand in for them.
//!
//! [`GestureRecogniser`] is pure: it is fed the [`PointerEvent`](crate::screen::PointerEvent)s of
//! any screen and answers with [`Gesture`]s in screen pixels. [`Script`] holds gestures in frame
//! pixels that are played as if a person made them.
//!
//! On boards without a desktop [`evdev`] reads the devices: [`Contacts`] makes fingers of the kernel's
//! events, and [`Alignment`] brings them to the panel's pixels; both are pure.

mod alignment;
mod contacts;
#[cfg(target_os = "linux")]
pub mod evdev;
mod gesture;
mod script;

pub use alignment::{Alignment, AxisRange, CalibrationError, Pair, TouchDevice, TouchSpec};
pub(crate) use contacts::code;
pub use contacts::{Abilities, Contact, Contacts, Protocol, RawEvent};
pub use gesture::{Gesture, GestureRecogniser};
pub use script::{Action, Script, Step, When};
