//! Products of f32 matrices.
//!
//! The right-hand side is packed into panels of [`LANES`] columns. Each sum is taken over the whole
//! depth in order, by fused multiply-adds from its start, so that all instruction sets give the same
//! bits.

#[cfg(test)]
mod tests;

use super::simd::{LANES, Simd};

/// Rows of f32, some way apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Begins with the first row.
    pub(super) values: &'a [f32],
    /// From one row to the next.
    pub(super) stride: usize,
    /// How many there are.
    pub(super) count: usize,
}

/// What sums start from.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// Zero.
    Zero,
    /// What the output holds.
    Output,
}

/// Columns of whole panels.
pub(super) const fn padded(columns: usize) -> usize {
    columns.next_multiple_of(LANES)
}

/// Packs `k` × `n` values, row by row, into panels: panel × k × column, zeros in the columns that
/// are not there.
pub(super) fn pack(k: usize, n: usize, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut panels = vec![0.0; k * padded(n)];
    for (panel, values) in panels.chunks_exact_mut((k * LANES).max(1)).enumerate() {
        let first = panel * LANES;
        for (k, values) in values.chunks_exact_mut(LANES).enumerate() {
            for (value_at, n) in values.iter_mut().zip(first..n) {
                *value_at = value(k, n);
            }
        }
    }
    panels
}

/// Appends a matrix to `panels` whose columns are the first `k` values of each of `columns`.
#[inline(always)]
pub(super) fn pack_columns<S: Simd>(s: S, k: usize, columns: &[&[f32]], panels: &mut Vec<f32>) {
    let before = panels.len();
    panels.resize(before + k * padded(columns.len()), 0.0);
    let new = panels[before..].chunks_exact_mut((k * LANES).max(1));
    for (columns, panel) in columns.chunks(LANES).zip(new) {
        let panel = panel.as_chunks_mut::<LANES>().0;
        let mut first = 0;
        if let Ok(columns) = <&[&[f32]; LANES]>::try_from(columns) {
            // Without closures, which may not be inlined and then lack the instructions.
            for rows in panel.as_chunks_mut::<LANES>().0 {
                let mut square = [s.splat(0.0); LANES];
                for lane in 0..LANES {
                    square[lane] = s.load_part(&columns[lane][first..k], 0.0);
                }
                let square = s.transpose(square);
                for lane in 0..LANES {
                    s.store(square[lane], &mut rows[lane]);
                }
                first += LANES;
            }
        }
        for (lane, column) in columns.iter().enumerate() {
            for (row, value) in panel[first..].iter_mut().zip(&column[first..k]) {
                row[lane] = *value;
            }
        }
    }
}

/// Appends a matrix to `panels` whose rows are the first `n` values of each of `rows`.
pub(super) fn pack_rows(n: usize, rows: &[&[f32]], panels: &mut Vec<f32>) {
    let before = panels.len();
    panels.resize(before + rows.len() * padded(n), 0.0);
    let new = panels[before..].chunks_exact_mut((rows.len() * LANES).max(1));
    for (first, panel) in (0..n).step_by(LANES).zip(new) {
        for (row, to) in rows.iter().zip(panel.as_chunks_mut::<LANES>().0) {
            let row = &row[first..n];
            match row.first_chunk() {
                Some(lanes) => *to = *lanes,
                None => to[..row.len()].copy_from_slice(row),
            }
        }
    }
}

/// out = start + a · b, for `a` of `depth` columns and the `panels` of b; `out` has `columns`
/// columns and is `stride` from one row to the next.
///
/// # Panics
///
/// If the lengths don't fit together.
#[inline(always)]
pub(super) fn multiply<S: Simd>(
    simd: S,
    a: Rows,
    depth: usize,
    panels: &[f32],
    start: Start,
    (out, stride, columns): (&mut [f32], usize, usize),
) {
    assert!(panels.len() == depth * padded(columns) && stride >= columns);
    for first in (0..columns).step_by(LANES) {
        let panel = panels[first * depth..][..LANES * depth].as_chunks::<LANES>().0;
        let part = LANES.min(columns - first);
        let mut row = 0;
        while row < a.count {
            let left = a.count - row;
            let tile = Tile {
                a: &a.values[row * a.stride..],
                stride: a.stride,
                depth,
                panel,
                start,
                out: &mut out[row * stride + first..],
                out_stride: stride,
                part,
            };
            // Eight and six rows are the sizes of instruction sets, the others what is left of them.
            row += match S::ROWS.min(left) {
                8.. => tile.run::<S, 8>(simd),
                6.. => tile.run::<S, 6>(simd),
                4.. => tile.run::<S, 4>(simd),
                2.. => tile.run::<S, 2>(simd),
                _ => tile.run::<S, 1>(simd),
            };
        }
    }
}

/// A few rows by the columns of one panel.
struct Tile<'a> {
    a: &'a [f32],
    stride: usize,
    depth: usize,
    panel: &'a [[f32; LANES]],
    start: Start,
    out: &'a mut [f32],
    out_stride: usize,
    /// Columns that are there.
    part: usize,
}

impl Tile<'_> {
    /// Computes `R` rows; gives `R`.
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) -> usize {
        let Self { a, stride, depth, panel, start, out, out_stride, part } = self;
        let rows: [&[f32]; R] = std::array::from_fn(|row| &a[row * stride..][..depth]);
        let mut sums = [simd.splat(0.0); R];
        match start {
            Start::Zero => {}
            Start::Output => {
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.load_part(&out[row * out_stride..][..part], 0.0);
                }
            }
        }
        let sums = simd.add_products(sums, rows, &panel[..depth]);
        for (row, sum) in sums.into_iter().enumerate() {
            simd.store_part(sum, &mut out[row * out_stride..][..part]);
        }
        R
    }
}
