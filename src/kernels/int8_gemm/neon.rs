//! Any arm64 core: sixteen products of a row and a column are added in pairs as i16, which can't
//! overflow for values of -127 to 127, and the pairs as i32.

use std::arch::aarch64::*;

use super::super::isa::Neon;
use super::super::quantize_rows::quantize_row;
use super::kernel::{Columns, Kernel};

const ROWS: usize = 4;
const COLUMNS: usize = 4;
const GROUP: usize = 16;

impl Kernel for Neon {
    type Activation = i8;
    type Weight = i8;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const GROUP: usize = GROUP;
    const DEPTH: usize = GROUP;
    const OFFSET: i32 = 0;

    fn weight(weight: i8) -> i8 {
        weight
    }

    fn quantize_row(self, x: &[f32], q: &mut Vec<i8>) -> f32 {
        quantize_row(self, x, q, |q| q)
    }

    fn multiply(self, depth: usize, q: &[i8], panel: &[i8], columns: Columns) {
        // SAFETY: `self` is the proof that the processor has NEON.
        unsafe { multiply(depth, q, panel, columns) }
    }
}

#[target_feature(enable = "neon")]
fn multiply(depth: usize, q: &[i8], panel: &[i8], mut columns: Columns) {
    assert!(depth.is_multiple_of(GROUP) && panel.len() == COLUMNS * depth);
    let start: [i32; COLUMNS] = columns.start();
    for tile in 0..columns.tiles(ROWS) {
        let q = &q[tile * ROWS * depth..][..ROWS * depth];
        let rows: [*const i8; ROWS] = std::array::from_fn(|row| q[row * depth..].as_ptr());
        let mut sums = [[vdupq_n_s32(0); COLUMNS]; ROWS];
        for group in 0..depth / GROUP {
            // SAFETY: the panel has depth / GROUP groups of COLUMNS times GROUP bytes.
            let weights: [int8x16_t; COLUMNS] = std::array::from_fn(|column| unsafe {
                vld1q_s8(panel.as_ptr().add((group * COLUMNS + column) * GROUP))
            });
            for (sums, row) in sums.iter_mut().zip(rows) {
                // SAFETY: each row has depth / GROUP groups of GROUP bytes.
                let q = unsafe { vld1q_s8(row.add(group * GROUP)) };
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    let low = vmull_s8(vget_low_s8(q), vget_low_s8(weights));
                    *sum = vpadalq_s16(*sum, vmlal_high_s8(low, q, weights));
                }
            }
        }
        let mut totals = [start; ROWS];
        for (totals, sums) in totals.iter_mut().zip(sums) {
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += vaddvq_s32(sum);
            }
        }
        columns.write(tile, &totals);
    }
}
