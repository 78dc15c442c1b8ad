//! Draws a [`Scene`] with embedded-graphics on any `DrawTarget`: picture, mask tint, contour,
//! prompts, buttons and status line.
//!
//! A [`Layout`] says where everything stands and what a press hits, an [`Overlay`] draws it there.

mod arrangement;
mod band;
mod buttons;
mod callipers;
mod draw;
mod guide;
mod labels;
mod layout;
mod outline;
mod palette;
mod picture;
mod prompts;
mod scale;
mod scene;
mod sizes;
mod status;
mod tags;
mod text;
mod tiles;
mod viewport;
mod zoom;

pub use arrangement::{Arrangement, Hand};
pub use draw::{Overlay, draw_still};
pub use labels::draw_labels;
pub use layout::Layout;
pub use palette::{OBJECT_COLOURS, Theme};
pub use scene::{Button, ButtonState, Refinement, Scene, SceneObject, Status, Tile};
pub use text::unknown_letter;
pub use viewport::{Region, Viewport};
pub use zoom::Zoom;
