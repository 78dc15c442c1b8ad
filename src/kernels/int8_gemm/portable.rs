//! The twin in plain Rust, which the compiler turns into vectors of any processor.

use super::super::quantize_rows::quantize_row;
use super::{Kernel, Tile};

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

    fn quantize_row(self, x: &[f32], q: &mut [i16]) -> f32 {
        quantize_row(x, q, i16::from)
    }

    fn tile(self, depth: usize, q: &[i16], panel: &[i16], tile: Tile) {
        let mut sums = [[0; COLUMNS]; ROWS];
        let rows: [&[i16]; ROWS] = std::array::from_fn(|row| &q[row * depth..][..depth]);
        for (k, weights) in panel.as_chunks::<COLUMNS>().0.iter().take(depth).enumerate() {
            for (sums, row) in sums.iter_mut().zip(rows) {
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum += i32::from(row[k]) * i32::from(weight);
                }
            }
        }
        tile.write(&sums);
    }
}
