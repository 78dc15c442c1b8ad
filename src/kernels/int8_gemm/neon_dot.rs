//! arm64 with dot products: `sdot` adds four products of bytes to an i32.

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::isa::NeonDot;
use super::super::quantize_rows::quantize_row;
use super::{Kernel, Tile};

/// Vectors of four rows.
const ROW_VECTORS: usize = 3;
const ROWS: usize = ROW_VECTORS * LANES;
/// Vectors of four columns.
const COLUMN_VECTORS: usize = 2;
const COLUMNS: usize = COLUMN_VECTORS * LANES;
const GROUP: usize = 4;
/// Groups of a vector.
const LANES: usize = 4;
/// Groups that are multiplied before the loop begins anew.
const UNROLLED: usize = 4;

impl Kernel for NeonDot {
    type Activation = i8;
    type Weight = i8;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const GROUP: usize = GROUP;
    const DEPTH: usize = UNROLLED * GROUP;
    const OFFSET: i32 = 0;

    fn weight(weight: i8) -> i8 {
        weight
    }

    fn quantize_row(self, x: &[f32], q: &mut [i8]) -> f32 {
        quantize_row(x, q, |q| q)
    }

    /// Lays the groups of all rows side by side, as those of a panel's columns are: so a few vectors
    /// hold them, and are loaded two at a time.
    fn arrange(self, depth: usize, q: &mut [i8], rows: &mut Vec<i8>) {
        assert!(q.len() == ROWS * depth && depth.is_multiple_of(LANES * GROUP));
        rows.clear();
        rows.extend_from_slice(q);
        for first in (0..depth).step_by(LANES * GROUP) {
            for vector in 0..ROW_VECTORS {
                let from = std::array::from_fn(|row| (vector * LANES + row) * depth + first);
                let to = std::array::from_fn(|group| {
                    first * ROWS + (group * ROW_VECTORS + vector) * LANES * GROUP
                });
                // SAFETY: there are ROWS rows of `depth` bytes in both, and with them sixteen from
                // and to each of these places; `self` is the proof that the processor has NEON.
                unsafe { transpose(rows.as_ptr(), from, q.as_mut_ptr(), to) }
            }
        }
    }

    fn tile(self, depth: usize, q: &[i8], panel: &[i8], tile: Tile) {
        // SAFETY: `self` is the proof that the processor has NEON with dot products.
        unsafe { multiply(depth, q, panel, tile) }
    }
}

/// Copies four groups of each of four rows, group by group.
///
/// # Safety
///
/// Sixteen bytes must be there at each place of `from` and of `to`.
#[target_feature(enable = "neon")]
unsafe fn transpose(rows: *const i8, from: [usize; 4], q: *mut i8, to: [usize; 4]) {
    // SAFETY: the caller's promise.
    let [a, b, c, d] = from.map(|at| unsafe { vreinterpretq_s32_s8(vld1q_s8(rows.add(at))) });
    let (ac, bd) = ([vzip1q_s32(a, c), vzip2q_s32(a, c)], [vzip1q_s32(b, d), vzip2q_s32(b, d)]);
    for half in 0..2 {
        let groups = [vzip1q_s32(ac[half], bd[half]), vzip2q_s32(ac[half], bd[half])];
        for (group, to) in groups.into_iter().zip(&to[2 * half..]) {
            // SAFETY: the caller's promise.
            unsafe { vst1q_s8(q.add(*to), vreinterpretq_s8_s32(group)) }
        }
    }
}

/// The sums of each row with each four columns.
type Sums = [[int32x4_t; COLUMN_VECTORS]; ROWS];

#[target_feature(enable = "neon,dotprod")]
fn multiply(depth: usize, q: &[i8], panel: &[i8], tile: Tile) {
    assert!(q.len() == ROWS * depth && panel.len() == COLUMNS * depth);
    let start: [i32; COLUMNS] = tile.start();
    // SAFETY: both are COLUMN_VECTORS times four i32.
    let start =
        unsafe { std::mem::transmute::<[i32; COLUMNS], [int32x4_t; COLUMN_VECTORS]>(start) };
    let mut sums: Sums = [start; ROWS];
    let q = q.as_chunks::<{ ROWS * GROUP }>().0.as_chunks::<UNROLLED>().0;
    let panel = panel.as_chunks::<{ COLUMNS * GROUP }>().0.as_chunks::<UNROLLED>().0;
    // By hand, as the compiler leaves it a loop, and would load single vectors.
    for ([q0, q1, q2, q3], [w0, w1, w2, w3]) in q.iter().zip(panel) {
        add_group(&mut sums, q0, w0);
        add_group(&mut sums, q1, w1);
        add_group(&mut sums, q2, w2);
        add_group(&mut sums, q3, w3);
    }
    // SAFETY: both are ROWS times COLUMN_VECTORS times four i32.
    let sums = unsafe { std::mem::transmute::<Sums, [[i32; COLUMNS]; ROWS]>(sums) };
    tile.write(&sums);
}

/// Adds the products of a group of all rows and columns.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_group(sums: &mut Sums, q: &[i8; ROWS * GROUP], weights: &[i8; COLUMNS * GROUP]) {
    // SAFETY: COLUMN_VECTORS vectors of 16 bytes are all of `weights`.
    let weights: [int8x16_t; COLUMN_VECTORS] =
        std::array::from_fn(|vector| unsafe { vld1q_s8(weights.as_ptr().add(vector * 16)) });
    // SAFETY: ROW_VECTORS vectors of 16 bytes are all of `q`.
    let q: [int8x16_t; ROW_VECTORS] =
        std::array::from_fn(|vector| unsafe { vld1q_s8(q.as_ptr().add(vector * 16)) });
    for (sums, q) in sums.as_chunks_mut::<LANES>().0.iter_mut().zip(q) {
        let [a, b, c, d] = sums;
        add_row::<0>(a, q, weights);
        add_row::<1>(b, q, weights);
        add_row::<2>(c, q, weights);
        add_row::<3>(d, q, weights);
    }
}

/// Adds the products of the row in lane `LANE` of `q`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_row<const LANE: usize>(
    sums: &mut [int32x4_t; COLUMN_VECTORS],
    q: int8x16_t,
    weights: [int8x16_t; COLUMN_VECTORS],
) {
    const { assert!(LANE < LANES) };
    for (sum, weights) in sums.iter_mut().zip(weights) {
        // The intrinsic is not stable yet.
        // SAFETY: the instruction is one of dotprod, and only changes the register of `sum`.
        unsafe {
            asm!(
                "sdot {sum:v}.4s, {weights:v}.16b, {q:v}.4b[{lane}]",
                sum = inout(vreg) *sum,
                weights = in(vreg) weights,
                q = in(vreg) q,
                lane = const LANE,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
    }
}
