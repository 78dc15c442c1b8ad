//! How large an outlined structure is.
//!
//! [`Measurements`] are taken of a [`Mask`](crate::Mask) with the [`PixelSpacing`] of its frame: in
//! millimetres where it is known, else in pixels, and every number says which. [`calliper`]
//! measures between two points, [`ellipsoid_volume`] what two views make of a structure, and
//! [`Ruler`] finds the spacing from a depth ruler on the picture.
//!
//! Lengths run along the outline halfway between the centres of pixels inside and outside, so that
//! a row of n pixels is n pixels long. Of discs, ellipses and rectangles of at least 100 pixels across,
//! at any angle, all measures are within 1 %; a longest diameter comes out up to a pixel long.

mod contour;
mod diameter;
mod ellipse;
mod perimeter;
mod quantity;
mod ruler;
mod scale;
mod shape;
#[cfg(test)]
mod tests;
mod volume;

pub use diameter::{Calliper, calliper};
pub use ellipse::Ellipse;
pub(crate) use perimeter::perimeter_and_area;
pub use quantity::{Quantity, Unit};
pub use ruler::Ruler;
pub use scale::{Preset, ScaleError, parse_spacing};
pub use shape::{Depth, Measurements};
pub use volume::{TwoViews, ellipsoid_volume, volume_of_revolution};

use crate::frame::PixelSpacing;

/// A position or vector in the plane of the picture, in the unit that is measured in.
type Planar = [f64; 2];

/// The unit of lengths, and how many of it a pixel is long in x and y.
fn pixel_size(spacing: Option<PixelSpacing>) -> (Unit, Planar) {
    match spacing {
        Some(s) => (Unit::Millimetre, [s.column_mm.into(), s.row_mm.into()]),
        None => (Unit::Pixel, [1.0, 1.0]),
    }
}
