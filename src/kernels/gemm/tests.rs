//! Products against f64, with the same bits on every instruction set.

use super::super::isa::Isa;
use super::super::simd::Task;
use super::super::testing::{ROUNDING, assert_near, floats, not_finite, same_on_all};
use super::*;

/// A product with rows that are farther apart than they are long.
struct Product {
    rows: usize,
    depth: usize,
    columns: usize,
    a: Vec<f32>,
    b: Vec<f32>,
    out: Vec<f32>,
}

/// Between the rows of `a` and of the output.
const GAP: usize = 3;

impl Product {
    fn new(rows: usize, depth: usize, columns: usize) -> Self {
        let out = floats(3, rows * (columns + GAP));
        let (a, b) = (floats(1, rows * (depth + GAP)), floats(2, depth * columns));
        Self { rows, depth, columns, a, b, out }
    }

    fn panels(&self) -> Vec<f32> {
        pack(self.depth, self.columns, |k, n| self.b[k * self.columns + n])
    }

    fn multiply(&self, isa: Isa, panels: &[f32], start: Start) -> Vec<f32> {
        let mut out = self.out.clone();
        isa.run(Multiply { product: self, panels, start, out: &mut out });
        out
    }

    /// Multiplies on all instruction sets, from each start, and compares with f64.
    fn check(&self) {
        let panels = self.panels();
        for start in [Start::Zero, Start::Output] {
            let found = same_on_all(|isa| self.multiply(isa, &panels, start));
            let stride = self.columns + GAP;
            let exact = (0..found.len()).map(|i| match (i / stride, i % stride) {
                (row, column) if column < self.columns => self.exact(row, column, start),
                _ => (f64::from(self.out[i]), 0.0),
            });
            assert_near(&found, exact);
        }
    }

    /// A sum, and how far off one may be that is rounded with each product.
    fn exact(&self, row: usize, column: usize, start: Start) -> (f64, f64) {
        let mut sum = match start {
            Start::Zero => 0.0,
            Start::Output => f64::from(self.out[row * (self.columns + GAP) + column]),
        };
        let mut magnitude = sum.abs();
        for k in 0..self.depth {
            let a = f64::from(self.a[row * (self.depth + GAP) + k]);
            let product = a * f64::from(self.b[k * self.columns + column]);
            sum += product;
            magnitude += product.abs();
        }
        (sum, magnitude * self.depth as f64 * ROUNDING * 1.01)
    }
}

struct Multiply<'a> {
    product: &'a Product,
    panels: &'a [f32],
    start: Start,
    out: &'a mut [f32],
}

impl Task for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Product { rows, depth, columns, ref a, .. } = *self.product;
        let a = Rows { values: a, stride: depth + GAP, count: rows };
        let out = (self.out, columns + GAP, columns);
        multiply(simd, a, depth, self.panels, self.start, out);
    }
}

#[test]
fn all_sizes_round_the_tiles() {
    for depth in [0, 1, 2, 3, 4, 5, 15, 16, 17, 33] {
        for columns in [0, 1, 15, 16, 17, 31, 32, 33, 50] {
            for rows in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17] {
                Product::new(rows, depth, columns).check();
            }
        }
    }
}

#[test]
fn deep_sums() {
    Product::new(5, 4097, 17).check();
}

#[test]
fn extremes() {
    let mut product = Product::new(9, 20, 18);
    product.a.iter_mut().for_each(|a| *a *= 1e-19);
    product.b.iter_mut().for_each(|b| *b *= 1e19);
    product.check();
    // Sums of denormal numbers.
    product.b.iter_mut().for_each(|b| *b *= 1e-39);
    let panels = product.panels();
    same_on_all(|isa| product.multiply(isa, &panels, Start::Zero));
}

#[test]
fn what_is_not_a_number_shows_in_its_row_and_column() {
    let mut product = Product::new(9, 5, 18);
    product.a[4 * (5 + GAP) + 2] = f32::NAN;
    product.b[3 * 18 + 17] = f32::INFINITY;
    let panels = product.panels();
    let found = same_on_all(|isa| product.multiply(isa, &panels, Start::Zero));
    let stride = 18 + GAP;
    let expected: Vec<_> = (0..9 * stride)
        .filter(|i| (i / stride == 4 && i % stride < 18) || i % stride == 17)
        .collect();
    assert_eq!(not_finite(&found), expected);
}

struct PackColumns<'a> {
    k: usize,
    columns: &'a [&'a [f32]],
}

impl Task for PackColumns<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let mut panels = vec![5.0];
        pack_columns(s, self.k, self.columns, &mut panels);
        panels
    }
}

#[test]
fn rows_and_columns_are_packed_as_single_values_are() {
    for (k, n) in
        [(0, 5), (1, 1), (3, 15), (4, 16), (5, 17), (7, 40), (3, 0), (16, 16), (33, 49), (48, 31)]
    {
        let b = floats(1, k * n);
        let expected = pack(k, n, |k, column| b[k * n + column]);
        let columns: Vec<Vec<f32>> = (0..n)
            .map(|column| {
                (0..k + 2).map(|k| b.get(k * n + column).copied().unwrap_or(9.0)).collect()
            })
            .collect();
        let columns: Vec<&[f32]> = columns.iter().map(Vec::as_slice).collect();
        let found = same_on_all(|isa| isa.run(PackColumns { k, columns: &columns }));
        assert_eq!(found[1..], expected, "columns {k} × {n}");
        let rows: Vec<&[f32]> = (0..k).map(|k| &b[k * n..]).collect();
        let mut found = vec![5.0];
        pack_rows(n, &rows, &mut found);
        assert_eq!(found[1..], expected, "rows {k} × {n}");
    }
}

#[test]
#[should_panic]
fn panels_of_another_size_are_refused() {
    Product::new(2, 3, 4).multiply(Isa::Portable, &[0.0; 47], Start::Zero);
}
