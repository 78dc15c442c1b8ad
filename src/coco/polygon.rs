//! Outlines as masks.

use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::rle::Rle;

/// Steps a pixel that outlines are followed in.
const SCALE: f64 = 5.0;

/// The pixels inside any of `polygons`, by the rule of COCO's own `rleFrPoly`: the outline is
/// followed in fifths of a pixel, and where it passes the middle of a column a run begins or ends.
pub(super) fn filled(size: FrameSize, polygons: &[Vec<f64>]) -> Result<Rle, String> {
    let mut pixels = vec![0u8; size.pixels()];
    for polygon in polygons {
        let rle = one(size, polygon)?;
        let mask = rle.to_mask();
        pixels.iter_mut().zip(mask.pixels()).for_each(|(all, one)| *all |= one);
    }
    Ok(Rle::of(&Mask::from_pixels(size, pixels)))
}

fn one(size: FrameSize, polygon: &[f64]) -> Result<Rle, String> {
    let limit = f64::from(u16::MAX);
    if polygon.len() < 6 || !polygon.len().is_multiple_of(2) {
        return Err(format!(
            "a polygon of {} numbers: three points or more are needed",
            polygon.len()
        ));
    }
    if let Some(far) = polygon.iter().find(|v| v.is_nan() || v.abs() > limit) {
        return Err(format!("a polygon's coordinate is {far}"));
    }
    let corners: Vec<(i64, i64)> = polygon
        .chunks_exact(2)
        .map(|p| ((SCALE * p[0] + 0.5) as i64, (SCALE * p[1] + 0.5) as i64))
        .collect();
    let next = corners.iter().cycle().skip(1);
    let mut path = corners.iter().zip(next).flat_map(|(&from, &to)| line(from, to));
    let (width, height) = (i64::from(size.width), i64::from(size.height));
    let mut turns: Vec<u64> = Vec::new();
    // Not collected: a few corners far off the picture make a very long path.
    let (mut x, mut y) = path.next().unwrap_or_default();
    for next in path {
        let (before_x, before_y) = (x, y);
        (x, y) = next;
        if x == before_x {
            continue;
        }
        let column = if x < before_x { x } else { x - 1 };
        let column = (column as f64 + 0.5) / SCALE - 0.5;
        if column.floor() != column || column < 0.0 || column > (width - 1) as f64 {
            continue;
        }
        let row = (y.min(before_y) as f64 + 0.5) / SCALE - 0.5;
        let row = row.clamp(0.0, height as f64).ceil();
        turns.push(column as u64 * height as u64 + row as u64);
    }
    turns.push(size.pixels() as u64);
    turns.sort_unstable();
    // Two turns at one place are none.
    let mut counts: Vec<u32> = Vec::new();
    let (mut before, mut merge) = (0, false);
    for (index, &turn) in turns.iter().enumerate() {
        let length = (turn - before) as u32;
        before = turn;
        match counts.last_mut() {
            Some(last) if merge => (*last, merge) = (*last + length, false),
            _ if length > 0 || index == 0 => counts.push(length),
            _ => merge = true,
        }
    }
    Rle::from_counts(size, counts).map_err(|e| e.to_string())
}

/// The points from one corner to the next, both included, one a step of the longer axis.
fn line(from: (i64, i64), to: (i64, i64)) -> impl Iterator<Item = (i64, i64)> {
    let (wide, high) = ((to.0 - from.0).abs(), (to.1 - from.1).abs());
    let flat = wide >= high;
    let flipped = if flat { from.0 > to.0 } else { from.1 > to.1 };
    let (start, end) = if flipped { (to, from) } else { (from, to) };
    let (steps, rise) = if flat { (wide, end.1 - start.1) } else { (high, end.0 - start.0) };
    let slope = if steps == 0 { 0.0 } else { rise as f64 / steps as f64 };
    let at = move |step: i64| {
        let across = |base: i64| (base as f64 + slope * step as f64 + 0.5) as i64;
        if flat { (start.0 + step, across(start.1)) } else { (across(start.0), start.1 + step) }
    };
    (0..=steps).map(move |step| at(if flipped { steps - step } else { step }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values printed by pycocotools 2.0: `mask.frPyObjects([polygon], 12, 16)`.
    #[test]
    fn outlines_are_filled_as_pycocotools_does() {
        let cases: [(&[f64], &str); 3] = [
            (&[2.0, 2.0, 12.0, 2.0, 12.0, 9.0, 2.0, 9.0], "j07500000000000000000^1"),
            (&[1.5, 1.2, 14.7, 5.5, 6.1, 10.9], "i02;1N2N2O1NO1O2O0O101N1O107"),
            (&[-3.0, 4.0, 20.0, -2.0, 9.0, 15.0, 8.0, 5.0], "31;000O2O00000O105K2N;0D1N2O1N2"),
        ];
        for (polygon, expected) in cases {
            let rle = filled(FrameSize::new(16, 12), &[polygon.to_vec()]).unwrap();
            assert_eq!(rle.to_compressed(), expected, "{polygon:?}");
        }
        assert!(filled(FrameSize::new(16, 12), &[vec![1.0, 2.0, 3.0]]).is_err());
        assert!(filled(FrameSize::new(16, 12), &[vec![f64::NAN; 6]]).is_err());
    }
}
