//! arm64 with dot products: `sdot` adds four products of bytes to an i32.

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::isa::NeonDot;
use super::super::quantize_rows::quantize_row;
use super::{Kernel, Tile};

const ROWS: usize = 8;
/// Vectors of four columns.
const VECTORS: usize = 2;
const COLUMNS: usize = VECTORS * 4;
const GROUP: usize = 4;
/// A vector of a row holds this many groups.
const LANES: usize = 4;
const DEPTH: usize = LANES * GROUP;

impl Kernel for NeonDot {
    type Activation = i8;
    type Weight = i8;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const GROUP: usize = GROUP;
    const DEPTH: usize = DEPTH;
    const OFFSET: i32 = 0;

    fn weight(weight: i8) -> i8 {
        weight
    }

    fn quantize_row(self, x: &[f32], q: &mut [i8]) -> f32 {
        quantize_row(x, q, |q| q)
    }

    fn tile(self, depth: usize, q: &[i8], panel: &[i8], tile: Tile) {
        // SAFETY: `self` is the proof that the processor has NEON with dot products.
        unsafe { multiply(depth, q, panel, tile) }
    }
}

#[target_feature(enable = "neon,dotprod")]
fn multiply(depth: usize, q: &[i8], panel: &[i8], tile: Tile) {
    assert!(depth.is_multiple_of(DEPTH));
    assert!(q.len() == ROWS * depth && panel.len() == COLUMNS * depth);
    let start: [i32; COLUMNS] = tile.start();
    // SAFETY: both are VECTORS times four i32.
    let start = unsafe { std::mem::transmute::<[i32; COLUMNS], [int32x4_t; VECTORS]>(start) };
    let mut sums = [start; ROWS];
    let rows: [*const i8; ROWS] = std::array::from_fn(|row| q[row * depth..].as_ptr());
    let panel = panel.as_chunks::<{ COLUMNS * DEPTH }>().0;
    for (step, groups) in panel.iter().enumerate() {
        // SAFETY: each row has depth / DEPTH vectors of DEPTH bytes, as many as the panel has parts.
        let q: [int8x16_t; ROWS] =
            std::array::from_fn(|row| unsafe { vld1q_s8(rows[row].add(step * DEPTH)) });
        add_group::<0>(&mut sums, &q, groups);
        add_group::<1>(&mut sums, &q, groups);
        add_group::<2>(&mut sums, &q, groups);
        add_group::<3>(&mut sums, &q, groups);
    }
    // SAFETY: both are ROWS times VECTORS times four i32.
    let sums = unsafe {
        std::mem::transmute::<[[int32x4_t; VECTORS]; ROWS], [[i32; COLUMNS]; ROWS]>(sums)
    };
    tile.write(&sums);
}

/// Adds the products of group `LANE` of the rows `q` and of the panel's `groups`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_group<const LANE: usize>(
    sums: &mut [[int32x4_t; VECTORS]; ROWS],
    q: &[int8x16_t; ROWS],
    groups: &[i8; COLUMNS * DEPTH],
) {
    const { assert!(LANE < LANES) };
    // SAFETY: LANES groups of VECTORS vectors of 16 bytes are all of `groups`.
    let weights: [int8x16_t; VECTORS] = std::array::from_fn(|vector| unsafe {
        vld1q_s8(groups.as_ptr().add((LANE * VECTORS + vector) * 16))
    });
    for (sums, q) in sums.iter_mut().zip(q) {
        for (sum, weights) in sums.iter_mut().zip(weights) {
            // The intrinsic is not stable yet.
            // SAFETY: the instruction is one of dotprod, and only changes the register of `sum`.
            unsafe {
                asm!(
                    "sdot {sum:v}.4s, {weights:v}.16b, {q:v}.4b[{lane}]",
                    sum = inout(vreg) *sum,
                    weights = in(vreg) weights,
                    q = in(vreg) *q,
                    lane = const LANE,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }
    }
}
