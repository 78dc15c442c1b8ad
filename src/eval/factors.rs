//! What about a structure may make it hard to outline, after *BreastSAM*.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::distance::distances;
use crate::frame::Frame;
use crate::mask::Mask;
use crate::measure::perimeter_and_area;

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
    /// Squared perimeter over 4π times the area: about 1 for a disc, 1.27 for a square, more for a ragged
    /// outline, and the number of discs for several. The perimeter is that of
    /// [`Measurements`](crate::measure::Measurements), of all pieces, and the area that within it, holes
    /// included.
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
        let (length, within) = perimeter_and_area(mask);
        Self {
            size: area / frame.size().pixels() as f64,
            contrast: contrast(frame, mask),
            aspect_ratio: tight.map_or(1.0, |b| f64::from((b.height() + 1.0) / (b.width() + 1.0))),
            boundary_complexity: length.powi(2) / (4.0 * PI * within),
        }
    }

    /// The factors in the order of [`NAMES`](Self::NAMES).
    pub fn values(&self) -> [f64; 4] {
        [self.size, self.contrast, self.aspect_ratio, self.boundary_complexity]
    }
}

fn contrast(frame: &Frame, mask: &Mask) -> f64 {
    let Some(tight) = mask.bounding_box() else { return 0.0 };
    let rim = ((mask.area_px() as f64 / PI).sqrt() / 2.0).max(3.0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::FrameSize;

    fn complexity(inside: impl Fn(f64, f64) -> bool) -> f64 {
        let size = FrameSize::new(240, 240);
        let frame = Frame::from_rgb(size, vec![9; size.pixels() * 3]).unwrap();
        let pixel = |i: usize| inside((i % 240) as f64 - 120.0, (i / 240) as f64 - 120.0);
        let mask = Mask::from_pixels(size, (0..size.pixels()).map(|i| pixel(i).into()).collect());
        Factors::of(&frame, &mask).boundary_complexity
    }

    #[test]
    fn a_disc_is_the_least_complex() {
        let near = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < 0.02 * expected, "{what}: {found}, not {expected}");
        };
        for radius in [10.0, 30.0, 100.0] {
            near(complexity(|x, y| x.hypot(y) <= radius), 1.0, &format!("a disc of {radius}"));
        }
        // The same at every angle.
        for (sin, cos) in [0.0, 20.0, 45.0_f64].map(|angle| angle.to_radians().sin_cos()) {
            let square = |x: f64, y: f64| {
                (x * cos + y * sin).abs() <= 60.5 && (y * cos - x * sin).abs() <= 60.5
            };
            near(complexity(square), 4.0 / PI, "a square");
        }
        near(complexity(|x, y| (20.0..=60.0).contains(&x.hypot(y))), 1.0, "a disc with a hole");
        near(complexity(|x, y| (x.abs() - 60.0).hypot(y) <= 40.0), 2.0, "two discs");
        let ragged = |x: f64, y: f64| x.hypot(y) <= 60.0 + 10.0 * (12.0 * y.atan2(x)).sin();
        assert!(complexity(ragged) > 1.5);
    }
}
