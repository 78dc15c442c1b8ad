//! Resizing as the reference implementations do it: 8-bit pictures like Pillow (which SAM's
//! `ResizeLongestSide` calls), logits like PyTorch's `interpolate(mode="bilinear")`.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use crate::geometry::FrameSize;

use super::manifest::Filter;

/// Fraction bits of Pillow's fixed-point weights (`PRECISION_BITS` in `Resample.c`).
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The source pixels that make one destination pixel, with fixed-point weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The taps of every destination pixel along one axis (`precompute_coeffs` and
/// `normalize_coeffs_8bpc` in Pillow's `Resample.c`).
fn taps(source: u32, destination: u32, filter: Filter) -> Vec<Taps> {
    let scale = f64::from(source) / f64::from(destination);
    let filter_scale = scale.max(1.0);
    let (radius, weight): (f64, fn(f64) -> f64) = match filter {
        Filter::Area => (0.5, |x| if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 }),
        Filter::Bilinear => (1.0, |x| (1.0 - x.abs()).max(0.0)),
        Filter::Bicubic => (2.0, cubic),
    };
    let support = radius * filter_scale;
    (0..destination)
        .map(|i| {
            let centre = (f64::from(i) + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(source as usize);
            let raw: Vec<f64> =
                (first..end).map(|x| weight((x as f64 - centre + 0.5) / filter_scale)).collect();
            let sum: f64 = raw.iter().sum();
            let one = f64::from(1u32 << PRECISION_BITS);
            let weights = raw
                .iter()
                .map(|w| (if sum == 0.0 { *w } else { w / sum } * one).round() as i32)
                .collect();
            Taps { first, weights }
        })
        .collect()
}

/// Pillow's `bicubic_filter`: Keys' kernel with a = −0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

/// Half a unit, so that the shift below rounds.
const ROUND: i32 = 1 << (PRECISION_BITS - 1);

fn to_u8(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Resizes interleaved 8-bit RGB from `from` to `to`, bit for bit as Pillow's
/// `Image.resize((w, h), BOX | BILINEAR | BICUBIC)`: first along rows, then along columns, rounding to 8 bits
/// after each pass.
pub(super) fn resize_rgb(rgb: &[u8], from: FrameSize, to: FrameSize, filter: Filter) -> Vec<u8> {
    let (width, new_width) = (from.width as usize, to.width as usize);
    let rows = if from.width == to.width {
        rgb.to_vec()
    } else {
        let taps = taps(from.width, to.width, filter);
        let mut out = Vec::with_capacity(new_width * from.height as usize * 3);
        for row in rgb.chunks_exact(width * 3) {
            for tap in &taps {
                let mut sum = [ROUND; 3];
                for (pixel, w) in row[tap.first * 3..].chunks_exact(3).zip(&tap.weights) {
                    for (s, p) in sum.iter_mut().zip(pixel) {
                        *s += i32::from(*p) * w;
                    }
                }
                out.extend(sum.map(to_u8));
            }
        }
        out
    };
    if from.height == to.height {
        return rows;
    }
    let stride = new_width * 3;
    let mut sums = vec![0i32; stride];
    let mut out = Vec::with_capacity(stride * to.height as usize);
    for tap in taps(from.height, to.height, filter) {
        sums.fill(ROUND);
        for (row, w) in rows[tap.first * stride..].chunks_exact(stride).zip(&tap.weights) {
            for (s, p) in sums.iter_mut().zip(row) {
                *s += i32::from(*p) * w;
            }
        }
        out.extend(sums.iter().map(|&s| to_u8(s)));
    }
    out
}

/// Where a destination sample lies between two source samples along one axis.
struct Between {
    low: usize,
    high: usize,
    fraction: f32,
}

/// `area_pixel_compute_source_index` of PyTorch for `align_corners=False`.
fn between(source: usize, destination: usize) -> Vec<Between> {
    let scale = source as f32 / destination as f32;
    (0..destination)
        .map(|i| {
            let position = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
            let low = (position as usize).min(source - 1);
            let high = (low + 1).min(source - 1);
            Between { low, high, fraction: position - low as f32 }
        })
        .collect()
}

/// Rows and columns of a part of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Part {
    /// All of a map of `size`.
    pub fn whole(size: FrameSize) -> Self {
        Self { rows: 0..size.height as usize, columns: 0..size.width as usize }
    }

    /// What of a map of `from`, resized to `to`, is made of anything in this part of it.
    pub fn reaching(&self, from: FrameSize, to: FrameSize) -> Self {
        let along = |part: &Range<usize>, source: u32, destination: u32| {
            let between = between(source as usize, destination as usize);
            let start = between.partition_point(|b| b.high < part.start);
            start..between.partition_point(|b| b.low < part.end).max(start)
        };
        Self {
            rows: along(&self.rows, from.height, to.height),
            columns: along(&self.columns, from.width, to.width),
        }
    }

    /// What of a map of `from` this part of it, resized to `to`, is made of.
    pub fn made_of(&self, from: FrameSize, to: FrameSize) -> Self {
        let along = |part: &Range<usize>, source: u32, destination: u32| {
            let between = between(source as usize, destination as usize);
            match &between[part.clone()] {
                [] => 0..0,
                [first, .., last] => first.low..last.high + 1,
                [one] => one.low..one.high + 1,
            }
        };
        Self {
            rows: along(&self.rows, from.height, to.height),
            columns: along(&self.columns, from.width, to.width),
        }
    }
}

/// Resizes a map (rows × columns) like PyTorch's
/// `interpolate(mode="bilinear", align_corners=False)`, without antialiasing, and hands out the
/// result row by row, so that it need not be held whole. `map` has at least one element.
pub(super) fn resize_rows(map: ArrayView2<'_, f32>, to: FrameSize, each: impl FnMut(&[f32])) {
    resize_part(map, to, &Part::whole(to), each);
}

/// [`resize_rows`], of a part of the result alone.
pub(super) fn resize_part(
    map: ArrayView2<'_, f32>,
    to: FrameSize,
    part: &Part,
    mut each: impl FnMut(&[f32]),
) {
    let (rows, columns) = map.dim();
    let horizontal = &between(columns, to.width as usize)[part.columns.clone()];
    let stretched = |row: usize| -> Vec<f32> {
        let row = map.row(row);
        horizontal.iter().map(|b| row[b.low] + (row[b.high] - row[b.low]) * b.fraction).collect()
    };
    // Neighbouring output rows share their source rows: each is stretched once.
    let mut low = (usize::MAX, Vec::new());
    let mut high = (usize::MAX, Vec::new());
    let mut out = vec![0.0; horizontal.len()];
    for b in &between(rows, to.height as usize)[part.rows.clone()] {
        if low.0 != b.low {
            std::mem::swap(&mut low, &mut high);
        }
        for (row, wanted) in [(&mut low, b.low), (&mut high, b.high)] {
            if row.0 != wanted {
                *row = (wanted, stretched(wanted));
            }
        }
        for ((out, low), high) in out.iter_mut().zip(&low.1).zip(&high.1) {
            *out = low + (high - low) * b.fraction;
        }
        each(&out);
    }
}

/// [`resize_rows`], held whole.
pub(super) fn resize_map(map: ArrayView2<'_, f32>, to: FrameSize) -> Array2<f32> {
    let mut values = Vec::with_capacity(to.pixels());
    resize_rows(map, to, |row| values.extend_from_slice(row));
    // One row of `width` values for each of `height` rows, so the shape always fits.
    Array2::from_shape_vec((to.height as usize, to.width as usize), values).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{array, s};

    #[test]
    fn parts_are_those_of_the_whole() {
        let from = FrameSize::new(9, 7);
        let map = Array2::from_shape_fn((7, 9), |(y, x)| ((y * 31 + x * 17) % 13) as f32 - 6.5);
        for (w, h) in [(30, 20), (9, 7), (5, 3), (1, 1), (200, 2)] {
            let to = FrameSize::new(w, h);
            let whole = resize_map(map.view(), to);
            let inner = Part { rows: 2..4, columns: 3..7 };
            let part = inner.reaching(from, to);
            let mut rows = Vec::new();
            resize_part(map.view(), to, &part, |row| rows.extend_from_slice(row));
            let expected = whole.slice(s![part.rows.clone(), part.columns.clone()]);
            assert_eq!(rows, expected.iter().copied().collect::<Vec<_>>(), "{w} x {h}");
            // What is beyond the part has nothing of what is within, and is made of no more.
            let only = Array2::from_shape_fn((7, 9), |(y, x)| {
                let within = inner.rows.contains(&y) && inner.columns.contains(&x);
                f32::from(u8::from(within))
            });
            for ((y, x), value) in resize_map(only.view(), to).indexed_iter() {
                let within = part.rows.contains(&y) && part.columns.contains(&x);
                assert!(within || *value == 0.0, "{w} x {h} at {x}, {y}");
            }
            let source = part.made_of(from, to);
            let alone = Array2::from_shape_fn((7, 9), |(y, x)| {
                let within = source.rows.contains(&y) && source.columns.contains(&x);
                if within { map[[y, x]] } else { f32::NAN }
            });
            let mut again = Vec::new();
            resize_part(alone.view(), to, &part, |row| again.extend_from_slice(row));
            assert_eq!(again, rows, "{w} x {h}");
        }
    }

    /// Expected values printed by Pillow: `Image.fromarray(a).resize(size, filter)`.
    #[test]
    fn pictures_are_resized_as_pillow_does() {
        let ramp: Vec<u8> =
            (0..5 * 4).flat_map(|i| [(i * 13) as u8, 255 - i as u8, (i * i) as u8]).collect();
        for (name, filter, (w, h), expected) in PILLOW {
            let to = FrameSize::new(w, h);
            let found = resize_rgb(&ramp, FrameSize::new(5, 4), to, filter);
            assert_eq!(found, expected, "{name}");
        }
    }

    type Case = (&'static str, Filter, (u32, u32), &'static [u8]);

    #[rustfmt::skip]
    const PILLOW: [Case; 6] = [
        ("area, smaller", Filter::Area, (3, 3), &[7, 255, 1, 26, 253, 4, 46, 252, 13, 105, 248, 71, 124, 246, 97, 144, 245, 128, 202, 240, 113, 221, 238, 33, 241, 237, 87]),
        ("area, uneven", Filter::Area, (2, 3), &[13, 254, 2, 46, 252, 13, 111, 247, 80, 144, 245, 128, 208, 239, 86, 241, 237, 87]),
        ("bicubic, smaller", Filter::Bicubic, (3, 2), &[43, 252, 21, 64, 250, 41, 85, 248, 59, 162, 243, 112, 183, 241, 83, 204, 239, 136]),
        ("bicubic, larger", Filter::Bicubic, (7, 4), &[0, 255, 0, 6, 255, 0, 17, 254, 2, 26, 253, 4, 35, 252, 7, 46, 251, 12, 53, 251, 16, 64, 250, 24, 71, 250, 30, 82, 249, 40, 91, 248, 49, 100, 247, 60, 111, 246, 72, 118, 246, 82, 129, 245, 99, 136, 245, 110, 147, 244, 127, 156, 243, 144, 165, 242, 162, 176, 241, 183, 183, 241, 198, 194, 240, 238, 201, 240, 97, 212, 239, 0, 221, 238, 33, 230, 237, 58, 241, 236, 87, 248, 236, 107]),
        ("bilinear, smaller", Filter::Bilinear, (3, 2), &[52, 251, 28, 72, 249, 43, 92, 247, 64, 155, 244, 106, 175, 242, 83, 195, 240, 128]),
        ("bilinear, larger", Filter::Bilinear, (7, 4), &[0, 255, 0, 7, 254, 1, 17, 254, 2, 26, 253, 4, 35, 252, 8, 45, 252, 12, 52, 251, 16, 65, 250, 25, 72, 249, 31, 82, 249, 40, 91, 248, 49, 100, 247, 60, 110, 247, 71, 117, 246, 81, 130, 245, 100, 137, 244, 112, 147, 244, 128, 156, 243, 144, 165, 242, 162, 175, 242, 181, 182, 241, 196, 195, 240, 225, 202, 239, 96, 212, 239, 9, 221, 238, 33, 230, 237, 58, 240, 237, 84, 247, 236, 105]),
    ];
    #[test]
    fn maps_are_resized_as_torch_does() {
        let map = array![[0.0, 4.0], [8.0, 12.0]];
        let found = resize_map(map.view(), FrameSize::new(4, 3));
        // torch.nn.functional.interpolate(map, (3, 4), mode="bilinear", align_corners=False)
        let expected = array![[0.0, 1.0, 3.0, 4.0], [4.0, 5.0, 7.0, 8.0], [8.0, 9.0, 11.0, 12.0],];
        assert_eq!(found, expected);
        assert_eq!(resize_map(map.view(), FrameSize::new(2, 2)), map);
        assert_eq!(
            resize_map(array![[3.0]].view(), FrameSize::new(2, 3)),
            Array2::from_elem((3, 2), 3.0)
        );
    }
}
