//! What about a structure may make it hard to outline, after *BreastSAM*.

use serde::{Deserialize, Serialize};

use super::metrics::perimeter;
use crate::distance::distances;
use crate::frame::Frame;
use crate::mask::Mask;

/// What BreastSAM relates a mask's quality to. The paper gives no formulas for all of them: those
/// here are the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// The share of the picture that the structure takes, 0 to 1.
    pub size: f64,
    /// The difference between the mean grey inside and that of the rim outside over their sum
    /// (Michelson), 0 to 1. The rim is as wide as a quarter of the diameter of a disc of the
    /// structure's area, and at least 3 pixels.
    pub contrast: f64,
    /// Height over width of the tight box: above 1 where the structure is taller than wide.
    pub aspect_ratio: f64,
    /// Squared perimeter over 4π times the area: about 1 for a disc, more for a ragged outline.
    pub boundary_complexity: f64,
}

impl Factors {
    /// The names of the factors, in the order of [`values`](Self::values).
    pub const NAMES: [&'static str; 4] =
        ["size", "contrast", "aspect_ratio", "boundary_complexity"];

    /// The factors of the structure inside `mask`, which is not empty, on `frame`.
    ///
    /// # Panics
    /// If the mask is not of the frame's size.
    pub fn of(frame: &Frame, mask: &Mask) -> Self {
        assert_eq!(frame.size(), mask.size(), "a mask is of its frame's size");
        let area = mask.area_px() as f64;
        let tight = mask.bounding_box();
        Self {
            size: area / frame.size().pixels() as f64,
            contrast: contrast(frame, mask),
            aspect_ratio: tight.map_or(1.0, |b| f64::from((b.height() + 1.0) / (b.width() + 1.0))),
            boundary_complexity: perimeter(mask).powi(2) / (4.0 * std::f64::consts::PI * area),
        }
    }

    /// The factors in the order of [`NAMES`](Self::NAMES).
    pub fn values(&self) -> [f64; 4] {
        [self.size, self.contrast, self.aspect_ratio, self.boundary_complexity]
    }
}

fn contrast(frame: &Frame, mask: &Mask) -> f64 {
    let Some(tight) = mask.bounding_box() else { return 0.0 };
    let rim = ((mask.area_px() as f64 / std::f64::consts::PI).sqrt() / 2.0).max(3.0);
    // Only this part of the picture can be in the rim.
    let margin = rim.ceil() as usize;
    let (width, height) = (mask.size().width as usize, mask.size().height as usize);
    let columns =
        (tight.x0 as usize).saturating_sub(margin)..(tight.x1 as usize + margin + 1).min(width);
    let rows =
        (tight.y0 as usize).saturating_sub(margin)..(tight.y1 as usize + margin + 1).min(height);
    let places = rows.clone().flat_map(|y| columns.clone().map(move |x| y * width + x));
    let inside: Vec<bool> = places.clone().map(|at| mask.pixels()[at] != 0).collect();
    let away = distances(columns.len(), rows.len(), [1.0; 2], &inside);
    let mut sums = [(0.0, 0.0); 2];
    for ((at, inside), away) in places.zip(inside).zip(away) {
        if inside || away <= rim {
            let grey: f64 = frame.rgb()[at * 3..][..3].iter().map(|v| f64::from(*v)).sum();
            let sum = &mut sums[usize::from(inside)];
            *sum = (sum.0 + grey, sum.1 + 1.0);
        }
    }
    let [outside, inside] = sums.map(|(grey, count): (f64, f64)| grey / count.max(1.0));
    (inside - outside).abs() / (inside + outside).max(1.0)
}
