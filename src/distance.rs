//! Euclidean distances between pixels.

use crate::mask::Mask;

/// The distance of each point of a `width` × `height` grid from the nearest of `targets`, row by
/// row, exact, with `spacing` between rows and between columns; infinite where there is no target.
/// (Felzenszwalb and Huttenlocher, *Distance Transforms of Sampled Functions*, 2012.)
///
/// # Panics
/// If `targets` has another length than the grid.
pub(crate) fn distances(
    width: usize,
    height: usize,
    spacing: [f64; 2],
    targets: &[bool],
) -> Vec<f64> {
    assert_eq!(targets.len(), width * height);
    let mut squares: Vec<f64> =
        targets.iter().map(|target| if *target { 0.0 } else { f64::INFINITY }).collect();
    let mut line = Lower::default();
    let mut column = vec![0.0; height];
    for x in 0..width {
        (0..height).for_each(|y| column[y] = squares[y * width + x]);
        line.transform(&mut column, spacing[0]);
        (0..height).for_each(|y| squares[y * width + x] = column[y]);
    }
    for row in squares.chunks_exact_mut(width.max(1)) {
        line.transform(row, spacing[1]);
    }
    squares.iter_mut().for_each(|square| *square = square.sqrt());
    squares
}

/// How deep inside a mask each pixel lies: its distance in pixels from the nearest pixel outside,
/// where beyond the picture is outside too; 0 outside.
pub(crate) fn depths(mask: &Mask) -> Vec<f64> {
    let (width, height) = (mask.size().width as usize, mask.size().height as usize);
    let mut depths = vec![0.0; width * height];
    let Some(tight) = mask.bounding_box() else { return depths };
    // Nothing outside the box matters but the margin round it.
    let (left, top) = (tight.x0 as usize, tight.y0 as usize);
    let (columns, rows) = (tight.width() as usize + 1, tight.height() as usize + 1);
    let mut outside = vec![true; (columns + 2) * (rows + 2)];
    for y in 0..rows {
        let row = &mask.row((top + y) as u32)[left..][..columns];
        let out = &mut outside[(y + 1) * (columns + 2) + 1..][..columns];
        out.iter_mut().zip(row).for_each(|(out, inside)| *out = *inside == 0);
    }
    let found = distances(columns + 2, rows + 2, [1.0; 2], &outside);
    for y in 0..rows {
        let row = &found[(y + 1) * (columns + 2) + 1..][..columns];
        depths[(top + y) * width + left..][..columns].copy_from_slice(row);
    }
    depths
}

/// The lower envelope of parabolas.
#[derive(Default)]
struct Lower {
    /// Where each parabola stands, and its height there.
    feet: Vec<(usize, f64)>,
    /// From where on each is the lowest.
    from: Vec<f64>,
}

impl Lower {
    /// Brings `values` to the least of `(spacing · (i − j))² + values[j]` over all j.
    fn transform(&mut self, values: &mut [f64], spacing: f64) {
        self.feet.clear();
        self.from.clear();
        let square = spacing * spacing;
        for (at, height) in values.iter().copied().enumerate().filter(|(_, v)| v.is_finite()) {
            let mut start = f64::NEG_INFINITY;
            while let Some((foot, low)) = self.feet.last().copied() {
                let [a, b] = [foot, at].map(|i| i as f64);
                start = (height - low + square * (b * b - a * a)) / (2.0 * square * (b - a));
                if self.from.last().is_some_and(|from| start <= *from) {
                    self.feet.pop();
                    self.from.pop();
                    start = f64::NEG_INFINITY;
                } else {
                    break;
                }
            }
            self.feet.push((at, height));
            self.from.push(start);
        }
        if self.feet.is_empty() {
            return;
        }
        let mut lowest = 0;
        for (at, value) in values.iter_mut().enumerate() {
            while self.from.get(lowest + 1).is_some_and(|from| *from < at as f64) {
                lowest += 1;
            }
            let (foot, height) = self.feet[lowest];
            *value = square * (at as f64 - foot as f64).powi(2) + height;
        }
    }
}
