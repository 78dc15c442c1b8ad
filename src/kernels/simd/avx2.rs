//! x86-64 with AVX2 and FMA: two registers a vector.

use std::arch::x86_64::*;

use super::super::isa::Avx2;
use super::{LANES, Simd};

/// Half of the lanes.
const HALF: usize = LANES / 2;

/// An operation on registers, half by half.
macro_rules! halves {
    ($operation:ident($($v:expr),+)) => {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe { [$operation($($v[0]),+), $operation($($v[1]),+)] }
    };
}

impl Simd for Avx2 {
    type F = [__m256; 2];

    const ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        // SAFETY: `self` is the proof that the processor has AVX2.
        [unsafe { _mm256_set1_ps(value) }; 2]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        // SAFETY: sixteen f32 are there; `self` is the proof that the processor has AVX2.
        unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(HALF))] }
    }

    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        // SAFETY: there is room for sixteen f32; `self` is the proof that the processor has AVX2.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), v[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(HALF), v[1]);
        }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_mul_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        halves!(_mm256_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_max_ps(a, b))
    }

    #[inline(always)]
    fn max_magnitude(self, most: Self::F, v: Self::F) -> Self::F {
        let sign = self.splat(-0.0);
        let magnitude = halves!(_mm256_andnot_ps(sign, v));
        let bits = halves!(_mm256_castps_si256(magnitude));
        let most = halves!(_mm256_castps_si256(most));
        let larger = halves!(_mm256_max_epi32(most, bits));
        halves!(_mm256_castsi256_ps(larger))
    }

    #[inline(always)]
    fn at_least(self, v: Self::F, least: f32) -> Self::F {
        // The second is given where one is NaN.
        self.max(self.splat(least), v)
    }

    #[inline(always)]
    fn at_most(self, v: Self::F, most: f32) -> Self::F {
        let most = self.splat(most);
        halves!(_mm256_min_ps(most, v))
    }

    #[inline(always)]
    fn power_of_two(self, n: Self::F) -> Self::F {
        // SAFETY: `self` is the proof that the processor has AVX2.
        let power =
            |n| unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(n))) };
        [power(n[0]), power(n[1])]
    }

    /// Square by square of eight lanes.
    #[inline(always)]
    fn transpose(self, v: [Self::F; LANES]) -> [Self::F; LANES] {
        let mut turned = v;
        for rows in 0..2 {
            for columns in 0..2 {
                let mut square = [v[0][0]; HALF];
                for row in 0..HALF {
                    square[row] = v[HALF * rows + row][columns];
                }
                let square = turn_square(self, square);
                for lane in 0..HALF {
                    turned[HALF * columns + lane][rows] = square[lane];
                }
            }
        }
        turned
    }
}

/// Transposes eight vectors of eight lanes: pairs of lanes, then pairs of pairs, then halves.
#[inline(always)]
fn turn_square(_: Avx2, v: [__m256; HALF]) -> [__m256; HALF] {
    let mut fours = v;
    for half in [0, 4] {
        let [a, b, c, d] = [v[half], v[half + 1], v[half + 2], v[half + 3]];
        // SAFETY: the first argument is the proof that the processor has AVX2.
        unsafe {
            let ab = [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)];
            let cd = [_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d)];
            fours[half] = _mm256_shuffle_ps::<0x44>(ab[0], cd[0]);
            fours[half + 1] = _mm256_shuffle_ps::<0xee>(ab[0], cd[0]);
            fours[half + 2] = _mm256_shuffle_ps::<0x44>(ab[1], cd[1]);
            fours[half + 3] = _mm256_shuffle_ps::<0xee>(ab[1], cd[1]);
        }
    }
    let mut turned = fours;
    for lane in 0..4 {
        // SAFETY: as above.
        unsafe {
            turned[lane] = _mm256_permute2f128_ps::<0x20>(fours[lane], fours[4 + lane]);
            turned[4 + lane] = _mm256_permute2f128_ps::<0x31>(fours[lane], fours[4 + lane]);
        }
    }
    turned
}
