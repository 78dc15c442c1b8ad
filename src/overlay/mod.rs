//! Draws a [`Scene`] with embedded-graphics on any `DrawTarget`: picture, mask tint, contour,
//! prompts, buttons and status line.

mod scene;

pub use scene::{Button, ButtonState, Scene, SceneObject, Status};
