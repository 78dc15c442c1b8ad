//! Fingers and mice become gestures, and scripted gestures stand in for them.
//!
//! [`GestureRecogniser`] is pure: it is fed the [`PointerEvent`](crate::screen::PointerEvent)s of
//! any screen and answers with [`Gesture`]s in screen pixels. [`Script`] holds gestures in frame
//! pixels that are played as if a person made them.

mod gesture;
mod script;

pub use gesture::{Gesture, GestureRecogniser};
pub use script::{Action, Script, Step, When};
