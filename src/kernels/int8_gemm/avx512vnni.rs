//! AVX-512 VNNI: `vpdpbusd` adds four products of an unsigned and a signed byte to an i32 without
//! saturation. The activations are stored with 128 added, and the sums begin with what takes that
//! back; a sum that overflows on the way wraps back into range.

use std::arch::x86_64::*;

use super::super::isa::Avx512Vnni;
use super::super::quantize_rows::quantize_row;
use super::kernel::{Columns, Kernel};

const ROWS: usize = 12;
/// Vectors of sixteen columns.
const VECTORS: usize = 2;
const COLUMNS: usize = VECTORS * 16;
const GROUP: usize = 4;
const OFFSET: u8 = 128;

impl Kernel for Avx512Vnni {
    type Activation = u8;
    type Weight = i8;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const GROUP: usize = GROUP;
    const DEPTH: usize = GROUP;
    const OFFSET: i32 = OFFSET as i32;

    fn weight(weight: i8) -> i8 {
        weight
    }

    fn quantize_row(self, x: &[f32], q: &mut Vec<u8>) -> f32 {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        fn with_avx512(has: Avx512Vnni, x: &[f32], q: &mut Vec<u8>) -> f32 {
            quantize_row(has, x, q, |q| (q as u8).wrapping_add(OFFSET))
        }
        // SAFETY: `self` is the proof that the processor has AVX-512 F, BW and VL.
        unsafe { with_avx512(self, x, q) }
    }

    fn multiply(self, depth: usize, q: &[u8], panel: &[i8], columns: Columns) {
        // SAFETY: `self` is the proof that the processor has AVX-512 F, BW, VL and VNNI.
        unsafe { multiply(depth, q, panel, columns) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn multiply(depth: usize, q: &[u8], panel: &[i8], mut columns: Columns) {
    assert!(depth.is_multiple_of(GROUP) && panel.len() == COLUMNS * depth);
    let start: [i32; COLUMNS] = columns.start();
    // SAFETY: both are VECTORS times sixteen i32.
    let start = unsafe { std::mem::transmute::<[i32; COLUMNS], [__m512i; VECTORS]>(start) };
    for tile in 0..columns.tiles(ROWS) {
        let q = &q[tile * ROWS * depth..][..ROWS * depth];
        let rows: [*const u8; ROWS] = std::array::from_fn(|row| q[row * depth..].as_ptr());
        let mut sums = [start; ROWS];
        for group in 0..depth / GROUP {
            // SAFETY: the panel has depth / GROUP groups of VECTORS vectors.
            let weights: [__m512i; VECTORS] = std::array::from_fn(|vector| unsafe {
                let weights = panel.as_ptr().cast::<__m512i>();
                _mm512_loadu_si512(weights.add(group * VECTORS + vector))
            });
            for (sums, row) in sums.iter_mut().zip(rows) {
                // SAFETY: each row has depth / GROUP groups of GROUP values, 32 bits.
                let four = unsafe { row.add(group * GROUP).cast::<i32>().read_unaligned() };
                let four = _mm512_set1_epi32(four);
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm512_dpbusd_epi32(*sum, four, weights);
                }
            }
        }
        // SAFETY: both are ROWS times VECTORS times sixteen i32.
        let sums = unsafe {
            std::mem::transmute::<[[__m512i; VECTORS]; ROWS], [[i32; COLUMNS]; ROWS]>(sums)
        };
        columns.write(tile, &sums);
    }
}
