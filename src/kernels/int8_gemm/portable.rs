//! The twin in plain Rust, which the compiler turns into vectors of any processor.

use super::super::quantize_rows::quantize_row;
use super::super::simd;
use super::kernel::{Columns, Kernel};

const ROWS: usize = 4;
const COLUMNS: usize = 8;

#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Kernel for Portable {
    type Activation = i16;
    type Weight = i16;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const GROUP: usize = 1;
    const DEPTH: usize = 1;
    const OFFSET: i32 = 0;

    fn weight(weight: i8) -> i16 {
        weight.into()
    }

    fn quantize_row(self, x: &[f32], q: &mut Vec<i16>) -> f32 {
        quantize_row(simd::Portable, x, q, i16::from)
    }

    fn multiply(self, depth: usize, q: &[i16], panel: &[i16], mut columns: Columns) {
        let panel = panel.as_chunks::<COLUMNS>().0;
        for tile in 0..columns.tiles(ROWS) {
            let q = &q[tile * ROWS * depth..][..ROWS * depth];
            let [a, b, c, d]: [&[i16]; ROWS] =
                std::array::from_fn(|row| &q[row * depth..][..depth]);
            let mut sums = [columns.start(); ROWS];
            for ((((weights, a), b), c), d) in panel.iter().zip(a).zip(b).zip(c).zip(d) {
                add_products(&mut sums[0], *a, weights);
                add_products(&mut sums[1], *b, weights);
                add_products(&mut sums[2], *c, weights);
                add_products(&mut sums[3], *d, weights);
            }
            columns.write(tile, &sums);
        }
    }
}

#[inline(always)]
fn add_products(sums: &mut [i32; COLUMNS], q: i16, weights: &[i16; COLUMNS]) {
    for (sum, &weight) in sums.iter_mut().zip(weights) {
        *sum += i32::from(q) * i32::from(weight);
    }
}
