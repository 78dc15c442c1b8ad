//! The length of an outline.

use super::Planar;
use super::contour::{Gate, filled_pixels, outlines};
use crate::mask::Mask;

/// The perimeter of a piece with this outline, whose pixels are `pixel` wide and high.
///
/// Counting pixel edges makes a slanted line up to 1.41 times as long as it is, and Crofton's
/// formula in four directions is off by up to 5 % with the angle. This is the minimum length
/// polygon (Sloboda, Zat'ko and Stoer, *On approximation of planar one-dimensional continua*,
/// 1998): the shortest way round that passes between each pixel at the edge and its neighbour
/// outside. It is tight at the inside of convex parts, so it encloses less than the pixels do; it
/// is moved outwards until the areas agree. By Steiner's formula its length L and area A become
/// √(L² + 4π (A' − A)), where A' is the pixels' area.
pub(super) fn perimeter(outline: &[Gate], pixel: Planar) -> f64 {
    let tight = shortest_way(outline);
    let scaled: Vec<Planar> = tight.iter().map(|&p| in_plane(p, pixel)).collect();
    let edges = || scaled.iter().zip(scaled.iter().cycle().skip(1));
    let length: f64 = edges().map(|(a, b)| (b[0] - a[0]).hypot(b[1] - a[1])).sum();
    let enclosed: f64 = edges().map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum::<f64>() / 2.0;
    let area = filled_pixels(outline) as f64 * pixel[0] * pixel[1];
    let missing = (area - enclosed).max(0.0);
    (length * length + 4.0 * std::f64::consts::PI * missing).sqrt()
}

/// The perimeters of all pieces of `mask` together, and the area within them with their holes, in
/// pixels.
pub(crate) fn perimeter_and_area(mask: &Mask) -> (f64, f64) {
    let measured = outlines(mask)
        .into_iter()
        .map(|outline| (perimeter(&outline, [1.0, 1.0]), filled_pixels(&outline) as f64));
    measured.fold((0.0, 0.0), |(length, area), (l, a)| (length + l, area + a))
}

fn in_plane([x, y]: [i64; 2], pixel: Planar) -> Planar {
    [x as f64 * pixel[0], y as f64 * pixel[1]]
}

/// Twice the area of the triangle `a`, `b`, `c`: positive where it is clockwise as seen.
fn turn(a: [i64; 2], b: [i64; 2], c: [i64; 2]) -> i64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// The corners of the shortest closed way through all gates, by the funnel algorithm (Lee and
/// Preparata, 1984), in whole pixels. Which corners it has does not depend on the pixels' aspect.
fn shortest_way(gates: &[Gate]) -> Vec<[i64; 2]> {
    // The topmost pixel at the left is a corner of it for certain.
    let home = gates[0].inside;
    let portal = |i: usize| match gates.get(i) {
        Some(gate) => (gate.outside, gate.inside),
        None => (home, home),
    };
    let mut way = vec![home];
    let mut apex = home;
    let ((mut left, mut left_at), (mut right, mut right_at)) = ((home, 0), (home, 0));
    let mut at = 1;
    while at <= gates.len() {
        let (next_left, next_right) = portal(at);
        let mut corner = None;
        // The right side moves to the left, as long as it stays right of the left side.
        if turn(apex, right, next_right) <= 0 {
            if apex == right || turn(apex, left, next_right) > 0 {
                (right, right_at) = (next_right, at);
            } else {
                corner = Some((left, left_at));
            }
        }
        if corner.is_none() && turn(apex, left, next_left) >= 0 {
            if apex == left || turn(apex, right, next_left) < 0 {
                (left, left_at) = (next_left, at);
            } else {
                corner = Some((right, right_at));
            }
        }
        if let Some((point, from)) = corner {
            if way.last() != Some(&point) {
                way.push(point);
            }
            apex = point;
            ((left, left_at), (right, right_at)) = ((point, from), (point, from));
            at = from;
        }
        at += 1;
    }
    if way.len() > 1 && way.last() == Some(&home) {
        way.pop();
    }
    way
}
