//! Everything that is measured of one structure.

use serde::{Deserialize, Serialize};

use super::contour::Piece;
use super::diameter::{Calliper, diameters};
use super::ellipse::{Ellipse, ellipse};
use super::perimeter::perimeter;
use super::{Quantity, pixel_size};
use crate::frame::Frame;
use crate::frame::PixelSpacing;
use crate::mask::Mask;

/// The measurements of a structure. Where its mask has several pieces (pixels that touch at a corner
/// are of one), the area is that of all, and everything else is measured on the largest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// How much the mask covers.
    pub area: Quantity,
    /// How many pieces it has.
    pub pieces: usize,
    /// The longest diameter.
    pub longest_diameter: Calliper,
    /// The longest diameter perpendicular to it.
    pub perpendicular_diameter: Calliper,
    /// The length of the outer edge: that of the minimum length polygon, moved outwards until its
    /// area is that of the pixels.
    pub perimeter: Quantity,
    /// The ellipse with the same moments.
    pub ellipse: Ellipse,
    /// How deep it lies, where the transducer's place and the pixel spacing are known.
    pub depth: Option<Depth>,
}

/// How far below the transducer's face a structure lies, straight down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Depth {
    /// Of its uppermost point.
    pub nearest: Quantity,
    /// Of its lowest point.
    pub farthest: Quantity,
}

impl Measurements {
    /// Measures `mask` on the frame it is of; `None` where it is empty.
    pub fn on(frame: &Frame, mask: &Mask) -> Option<Self> {
        Self::of(mask, frame.pixel_spacing, frame.transducer_y)
    }

    /// Measures `mask`: in millimetres where the `spacing` is known, else in pixels. `transducer_y`
    /// is the row of the transducer's face in frame pixels. `None` where the mask is empty.
    pub fn of(
        mask: &Mask,
        spacing: Option<PixelSpacing>,
        transducer_y: Option<f32>,
    ) -> Option<Self> {
        let piece = Piece::largest_of(mask)?;
        let (unit, pixel) = pixel_size(spacing);
        let [longest_diameter, perpendicular_diameter] = diameters(&piece, unit, pixel);
        let rows = || piece.pixels.iter().map(|p| p[1]);
        let (top, bottom) = (rows().min()?, rows().max()?);
        let depth = spacing.and(transducer_y).map(|face| {
            let below = |y: f64| Quantity::new((y - f64::from(face)) * pixel[1], unit);
            Depth { nearest: below(f64::from(top) - 0.5), farthest: below(f64::from(bottom) + 0.5) }
        });
        Some(Self {
            area: Quantity::new(mask.area_px() as f64 * pixel[0] * pixel[1], unit.squared()),
            pieces: piece.count,
            longest_diameter,
            perpendicular_diameter,
            perimeter: Quantity::new(perimeter(&piece.outline, pixel), unit),
            ellipse: ellipse(&piece, unit, pixel),
            depth,
        })
    }
}
