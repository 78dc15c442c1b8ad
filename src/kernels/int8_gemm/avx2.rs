//! AVX2: `vpmaddwd` multiplies pairs of i16 and adds the two products, which can't overflow. Weights
//! are kept as bytes, half the memory, and widened as they are loaded.

use std::arch::x86_64::*;

use super::super::isa::Avx2;
use super::super::quantize_rows::quantize_row;
use super::kernel::{Columns, Kernel};

const ROWS: usize = 6;
/// Vectors of eight columns.
const VECTORS: usize = 2;
const COLUMNS: usize = VECTORS * 8;
const GROUP: usize = 2;

impl Kernel for Avx2 {
    type Activation = i16;
    type Weight = i8;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const GROUP: usize = GROUP;
    const DEPTH: usize = GROUP;
    const OFFSET: i32 = 0;

    fn weight(weight: i8) -> i8 {
        weight
    }

    fn quantize_row(self, x: &[f32], q: &mut Vec<i16>) -> f32 {
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2(has: Avx2, x: &[f32], q: &mut Vec<i16>) -> f32 {
            quantize_row(has, x, q, i16::from)
        }
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe { with_avx2(self, x, q) }
    }

    fn multiply(self, depth: usize, q: &[i16], panel: &[i8], columns: Columns) {
        // SAFETY: `self` is the proof that the processor has AVX2.
        unsafe { multiply(depth, q, panel, columns) }
    }
}

#[target_feature(enable = "avx2")]
fn multiply(depth: usize, q: &[i16], panel: &[i8], mut columns: Columns) {
    assert!(depth.is_multiple_of(GROUP) && panel.len() == COLUMNS * depth);
    let start: [i32; COLUMNS] = columns.start();
    // SAFETY: both are VECTORS times eight i32.
    let start = unsafe { std::mem::transmute::<[i32; COLUMNS], [__m256i; VECTORS]>(start) };
    for tile in 0..columns.tiles(ROWS) {
        let q = &q[tile * ROWS * depth..][..ROWS * depth];
        let rows: [*const i16; ROWS] = std::array::from_fn(|row| q[row * depth..].as_ptr());
        let mut sums = [start; ROWS];
        for group in 0..depth / GROUP {
            // SAFETY: the panel has depth / GROUP groups of VECTORS times sixteen bytes.
            let weights: [__m256i; VECTORS] = std::array::from_fn(|vector| unsafe {
                let weights = panel.as_ptr().cast::<__m128i>();
                _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.add(group * VECTORS + vector)))
            });
            for (sums, row) in sums.iter_mut().zip(rows) {
                // SAFETY: each row has depth / GROUP groups of GROUP values, 32 bits.
                let pair = unsafe { row.add(group * GROUP).cast::<i32>().read_unaligned() };
                let pair = _mm256_set1_epi32(pair);
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pair, weights));
                }
            }
        }
        // SAFETY: both are ROWS times VECTORS times eight i32.
        let sums = unsafe {
            std::mem::transmute::<[[__m256i; VECTORS]; ROWS], [[i32; COLUMNS]; ROWS]>(sums)
        };
        columns.write(tile, &sums);
    }
}
