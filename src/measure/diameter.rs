//! Diameters, and callipers by hand.

use serde::{Deserialize, Serialize};

use super::contour::Piece;
use super::{Planar, Quantity, Unit, pixel_size};
use crate::frame::PixelSpacing;
use crate::geometry::FramePoint;

/// A distance between two points, in frame pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calliper {
    /// Where it begins.
    pub from: FramePoint,
    /// Where it ends.
    pub to: FramePoint,
    /// How long it is.
    pub length: Quantity,
}

/// The distance between two points on a frame.
pub fn calliper(from: FramePoint, to: FramePoint, spacing: Option<PixelSpacing>) -> Calliper {
    let (unit, [width, height]) = pixel_size(spacing);
    let (dx, dy) = (f64::from(to.x) - f64::from(from.x), f64::from(to.y) - f64::from(from.y));
    let length = Quantity::new((dx * width).hypot(dy * height), unit);
    Calliper { from, to, length }
}

/// The longest diameter of a piece and the longest one perpendicular to it, as RECIST and WHO
/// measure lesions. Both end on the outline; where it has a notch they may leave the piece between.
pub(super) fn diameters(piece: &Piece, unit: Unit, pixel: Planar) -> [Calliper; 2] {
    let half = |[x, y]: [i64; 2]| [x as f64 / 2.0 * pixel[0], y as f64 / 2.0 * pixel[1]];
    let corners: Vec<Planar> = hull(piece).into_iter().map(half).collect();
    let square = |a: Planar, b: Planar| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    let mut ends = (corners[0], corners[0]);
    for (i, &a) in corners.iter().enumerate() {
        for &b in &corners[i + 1..] {
            if square(a, b) > square(ends.0, ends.1) {
                ends = (a, b);
            }
        }
    }
    let outline: Vec<Planar> = piece.outline.iter().map(|g| half(g.twice_middle())).collect();
    let across = widest_across(&outline, ends, pixel[0].min(pixel[1]) / 2.0);
    [ends, across].map(|(a, b)| Calliper {
        from: on_frame(a, pixel),
        to: on_frame(b, pixel),
        length: Quantity::new(square(a, b).sqrt(), unit),
    })
}

fn on_frame([x, y]: Planar, pixel: Planar) -> FramePoint {
    FramePoint::new((x / pixel[0]) as f32, (y / pixel[1]) as f32)
}

/// The corners of the outline's convex hull, in half pixels (Andrew's monotone chain, 1979).
fn hull(piece: &Piece) -> Vec<[i64; 2]> {
    let mut points: Vec<_> = piece.outline.iter().map(|gate| gate.twice_middle()).collect();
    points.sort_unstable();
    points.dedup();
    let mut corners: Vec<[i64; 2]> = Vec::new();
    let mut chain = |points: &mut dyn Iterator<Item = &[i64; 2]>| {
        let start = corners.len();
        for &[x, y] in points {
            while let [.., a, b] = corners[start..] {
                if (b[0] - a[0]) * (y - a[1]) > (b[1] - a[1]) * (x - a[0]) {
                    break;
                }
                corners.pop();
            }
            corners.push([x, y]);
        }
        // It is where the other chain begins.
        corners.pop();
    };
    chain(&mut points.iter());
    chain(&mut points.iter().rev());
    corners
}

/// The longest chord perpendicular to the line between `ends`, looked for every `step`.
fn widest_across(outline: &[Planar], ends: (Planar, Planar), step: f64) -> (Planar, Planar) {
    let (from, to) = ends;
    let length = (to[0] - from[0]).hypot(to[1] - from[1]);
    let along = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
    let turned = |p: Planar| {
        let (x, y) = (p[0] - from[0], p[1] - from[1]);
        [x * along[0] + y * along[1], y * along[0] - x * along[1]]
    };
    let count = (length / step) as usize + 1;
    let mut chords = vec![(f64::INFINITY, f64::NEG_INFINITY); count];
    for (a, b) in outline.iter().zip(outline.iter().cycle().skip(1)) {
        let (a, b) = (turned(*a), turned(*b));
        let (a, b) = if a[0] <= b[0] { (a, b) } else { (b, a) };
        let first = (a[0] / step).ceil().max(0.0) as usize;
        let last = (b[0] / step).floor();
        for (i, (low, high)) in chords.iter_mut().enumerate().skip(first) {
            if i as f64 > last {
                break;
            }
            let u = i as f64 * step;
            let share = if b[0] > a[0] { (u - a[0]) / (b[0] - a[0]) } else { 0.0 };
            let v = a[1] + share * (b[1] - a[1]);
            *low = low.min(v);
            *high = high.max(v);
        }
    }
    let width = |&(low, high): &(f64, f64)| high - low;
    let widest = chords.iter().enumerate().max_by(|a, b| width(a.1).total_cmp(&width(b.1)));
    let Some((index, &(low, high))) = widest.filter(|(_, chord)| chord.0.is_finite()) else {
        return (from, from);
    };
    let u = index as f64 * step;
    let at =
        |v: f64| [from[0] + u * along[0] - v * along[1], from[1] + u * along[1] + v * along[0]];
    (at(low), at(high))
}
