//! The ellipse with a structure's moments.

use serde::{Deserialize, Serialize};

use super::contour::Piece;
use super::{Planar, Quantity, Unit};
use crate::geometry::FramePoint;

/// The ellipse that has the same second moments as the structure, its pixels taken as little
/// rectangles, as MATLAB's `regionprops` does; scikit-image's takes them for points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ellipse {
    /// Its middle, the structure's centroid, in frame pixels.
    pub centre: FramePoint,
    /// Its longest diameter.
    pub major_axis: Quantity,
    /// Its shortest diameter.
    pub minor_axis: Quantity,
    /// From the x axis to the major axis, clockwise as seen, in degrees: above -90, up to 90.
    pub angle_degrees: f64,
    /// From 0, a circle, up to 1, a line.
    pub eccentricity: f64,
}

pub(super) fn ellipse(piece: &Piece, unit: Unit, pixel: Planar) -> Ellipse {
    let count = piece.pixels.len() as f64;
    let mean = |axis: usize| piece.pixels.iter().map(|p| f64::from(p[axis])).sum::<f64>() / count;
    let centre = [mean(0), mean(1)];
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for p in &piece.pixels {
        let (x, y) = (f64::from(p[0]) - centre[0], f64::from(p[1]) - centre[1]);
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    // A pixel's own second moment is 1/12 of its side squared.
    let xx = (xx / count + 1.0 / 12.0) * pixel[0] * pixel[0];
    let yy = (yy / count + 1.0 / 12.0) * pixel[1] * pixel[1];
    let xy = xy / count * pixel[0] * pixel[1];
    let (mean, spread) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(xy));
    let (large, small) = (mean + spread, (mean - spread).max(0.0));
    Ellipse {
        centre: FramePoint::new(centre[0] as f32, centre[1] as f32),
        major_axis: Quantity::new(4.0 * large.sqrt(), unit),
        minor_axis: Quantity::new(4.0 * small.sqrt(), unit),
        angle_degrees: (2.0 * xy).atan2(xx - yy).to_degrees() / 2.0,
        eccentricity: (1.0 - small / large).max(0.0).sqrt(),
    }
}
