//! arm64 with products of matrices of bytes: `smmla` multiplies two rows with two columns, eight
//! deep, and adds the four sums to i32s.

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::isa::{Neon, NeonI8mm};
use super::super::quantize_rows::quantize_row;
use super::kernel::{Columns, Kernel};

const ROWS: usize = 8;
const COLUMNS: usize = 8;
const GROUP: usize = 8;
/// Vectors of a group of a tile's rows: two rows in each.
const ROW_PAIRS: usize = ROWS / 2;
/// Vectors of a group of a panel: two columns in each.
const COLUMN_PAIRS: usize = COLUMNS / 2;

impl Kernel for NeonI8mm {
    type Activation = i8;
    type Weight = i8;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const GROUP: usize = GROUP;
    const DEPTH: usize = GROUP;
    const OFFSET: i32 = 0;
    const ARRANGED: bool = true;

    fn weight(weight: i8) -> i8 {
        weight
    }

    fn quantize_row(self, x: &[f32], q: &mut Vec<i8>) -> f32 {
        quantize_row(Neon::from(self), x, q, |q| q)
    }

    /// Lays the groups of all rows side by side, as those of a panel's columns are: so vectors are
    /// loaded as they are multiplied.
    fn arrange(self, depth: usize, rows: &[i8], q: &mut Vec<i8>) {
        for first in (0..depth).step_by(GROUP) {
            let group = |row: usize| rows[row * depth + first..].first_chunk().copied();
            let groups: [[i8; GROUP]; ROWS] =
                std::array::from_fn(|row| group(row).expect("the depth is padded to whole groups"));
            q.extend_from_slice(groups.as_flattened());
        }
    }

    fn multiply(self, depth: usize, q: &[i8], panel: &[i8], columns: Columns) {
        // SAFETY: `self` is the proof that the processor has NEON with products of matrices.
        unsafe { multiply(depth, q, panel, columns) }
    }
}

#[target_feature(enable = "neon,i8mm")]
fn multiply(depth: usize, q: &[i8], panel: &[i8], mut columns: Columns) {
    assert!(depth.is_multiple_of(GROUP) && panel.len() == COLUMNS * depth);
    let start = pairs(columns.start());
    let panel = panel.as_chunks::<{ COLUMNS * GROUP }>().0;
    for tile in 0..columns.tiles(ROWS) {
        let q = q[tile * ROWS * depth..][..ROWS * depth].as_chunks::<{ ROWS * GROUP }>().0;
        let mut sums = [start; ROW_PAIRS];
        for (q, weights) in q.iter().zip(panel) {
            // SAFETY: ROW_PAIRS vectors of 16 bytes are all of `q`.
            let q: [int8x16_t; ROW_PAIRS] =
                std::array::from_fn(|pair| unsafe { vld1q_s8(q.as_ptr().add(pair * 16)) });
            // SAFETY: COLUMN_PAIRS vectors of 16 bytes are all of `weights`.
            let weights: [int8x16_t; COLUMN_PAIRS] =
                std::array::from_fn(|pair| unsafe { vld1q_s8(weights.as_ptr().add(pair * 16)) });
            for (sums, q) in sums.iter_mut().zip(q) {
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    // The intrinsic is not stable yet.
                    // SAFETY: the instruction is one of i8mm, and only changes the register of `sum`.
                    unsafe {
                        asm!(
                            "smmla {sum:v}.4s, {q:v}.16b, {weights:v}.16b",
                            sum = inout(vreg) *sum,
                            q = in(vreg) q,
                            weights = in(vreg) weights,
                            options(pure, nomem, nostack, preserves_flags),
                        );
                    }
                }
            }
        }
        columns.write(tile, &rows_of(sums));
    }
}

/// The sums of each row, of those of pairs of rows and columns.
#[inline]
#[target_feature(enable = "neon")]
fn rows_of(sums: [[int32x4_t; COLUMN_PAIRS]; ROW_PAIRS]) -> [[i32; COLUMNS]; ROWS] {
    let mut rows = [[0; COLUMNS]; ROWS];
    for (rows, sums) in rows.as_chunks_mut::<2>().0.iter_mut().zip(sums) {
        for (pair, sum) in sums.into_iter().enumerate() {
            // SAFETY: both are four i32.
            let sum = unsafe { std::mem::transmute::<int32x4_t, [[i32; 2]; 2]>(sum) };
            for (row, sum) in rows.iter_mut().zip(sum) {
                row[2 * pair..][..2].copy_from_slice(&sum);
            }
        }
    }
    rows
}

/// The values of each two columns, for each of two rows.
#[target_feature(enable = "neon")]
fn pairs(start: [i32; COLUMNS]) -> [int32x4_t; COLUMN_PAIRS] {
    std::array::from_fn(|pair| {
        let [first, second] = [start[2 * pair], start[2 * pair + 1]];
        // SAFETY: both are four i32.
        unsafe { std::mem::transmute::<[i32; 4], int32x4_t>([first, second, first, second]) }
    })
}
