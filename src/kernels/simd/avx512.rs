//! x86-64 with AVX-512: one register a vector.

use std::arch::x86_64::*;

use super::super::isa::Avx512Vnni;
use super::{LANES, Simd};

/// An operation on registers.
macro_rules! operation {
    ($operation:ident($($v:expr),+)) => {
        // SAFETY: `self` is the proof that the processor has AVX-512 F.
        unsafe { $operation($($v),+) }
    };
}

impl Simd for Avx512Vnni {
    type F = __m512;

    const ROWS: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        operation!(_mm512_set1_ps(value))
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        // SAFETY: sixteen f32 are there; `self` is the proof that the processor has AVX-512 F.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        // SAFETY: there is room for sixteen f32; `self` is the proof that the processor has
        // AVX-512 F.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), v) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        operation!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        operation!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        operation!(_mm512_mul_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        operation!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        operation!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn max_magnitude(self, most: Self::F, v: Self::F) -> Self::F {
        // SAFETY: `self` is the proof that the processor has AVX-512 F.
        unsafe {
            let magnitude = _mm512_castps_si512(_mm512_abs_ps(v));
            _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(most), magnitude))
        }
    }

    #[inline(always)]
    fn at_least(self, v: Self::F, least: f32) -> Self::F {
        // The second is given where one is NaN.
        self.max(self.splat(least), v)
    }

    #[inline(always)]
    fn at_most(self, v: Self::F, most: f32) -> Self::F {
        let most = self.splat(most);
        operation!(_mm512_min_ps(most, v))
    }

    #[inline(always)]
    fn power_of_two(self, n: Self::F) -> Self::F {
        // SAFETY: `self` is the proof that the processor has AVX-512 F.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(n))) }
    }

    /// In squares of four lanes, then square by square. Without closures, which may not be inlined
    /// and then lack the instructions.
    #[inline(always)]
    fn transpose(self, v: [Self::F; LANES]) -> [Self::F; LANES] {
        let mut squares = v;
        for rows in squares.as_chunks_mut::<4>().0 {
            let [a, b, c, d] = *rows;
            // SAFETY: `self` is the proof that the processor has AVX-512 F.
            unsafe {
                let ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                rows[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                rows[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                rows[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high));
                rows[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high));
            }
        }
        let mut turned = v;
        for lane in 0..4 {
            let [a, b] = [squares[lane], squares[4 + lane]];
            let [c, d] = [squares[8 + lane], squares[12 + lane]];
            // SAFETY: as above.
            unsafe {
                let (ab, cd) =
                    (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d));
                turned[lane] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
                turned[8 + lane] = _mm512_shuffle_f32x4::<0xdd>(ab, cd);
                let (ab, cd) =
                    (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d));
                turned[4 + lane] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
                turned[12 + lane] = _mm512_shuffle_f32x4::<0xdd>(ab, cd);
            }
        }
        turned
    }
}
