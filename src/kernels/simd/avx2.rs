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
}
