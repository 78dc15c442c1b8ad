//! x86-64 with AVX2: sixteen bytes a register, and sixteen words for arithmetic.

use std::arch::x86_64::*;

use super::{Coefficients, LANES, Vectors};
use crate::kernels::Avx2;

/// Where each byte of three registers comes from when red, green and blue are written in turn, by
/// register and colour; 0x80 gives 0.
static INTERLEAVED: [[[u8; LANES]; 3]; 3] = interleaved();

const fn interleaved() -> [[[u8; LANES]; 3]; 3] {
    let mut from = [[[0x80; LANES]; 3]; 3];
    let mut i = 0;
    while i < 3 * LANES {
        from[i / LANES][i % 3][i % LANES] = (i / 3) as u8;
        i += 1;
    }
    from
}

impl Vectors for Avx2 {
    type V = __m128i;

    #[inline(always)]
    fn load(self, from: &[u8; LANES]) -> Self::V {
        // SAFETY: sixteen bytes are there; `self` is the proof that the processor has AVX2.
        unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn load_half(self, from: &[u8; LANES / 2]) -> Self::V {
        // SAFETY: eight bytes are there; `self` is the proof that the processor has AVX2.
        unsafe { _mm_loadl_epi64(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [u8; LANES]) {
        // SAFETY: there is room for sixteen bytes; `self` is the proof that the processor has AVX2.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), v) }
    }

    #[inline(always)]
    fn unzip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V) {
        // SAFETY: `self` is the proof that the processor has AVX2.
        unsafe {
            let low = _mm_set1_epi16(0xff);
            let first = _mm_packus_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low));
            let second = _mm_packus_epi16(_mm_srli_epi16::<8>(a), _mm_srli_epi16::<8>(b));
            (first, second)
        }
    }

    #[inline(always)]
    fn narrow(self, a: Self::V, b: Self::V, bits: u32) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX2.
        unsafe {
            let bits = _mm_cvtsi32_si128(bits as i32);
            // At least two bits are gone, so that none looks negative.
            _mm_packus_epi16(_mm_srl_epi16(a, bits), _mm_srl_epi16(b, bits))
        }
    }

    #[inline(always)]
    fn rgb565(self, a: Self::V, b: Self::V) -> [Self::V; 3] {
        // SAFETY: `self` is the proof that the processor has AVX2.
        unsafe {
            let words = _mm256_set_m128i(b, a);
            let five = _mm256_set1_epi16(0xf8);
            let red = _mm256_and_si256(_mm256_srli_epi16::<8>(words), five);
            let green = _mm256_and_si256(_mm256_srli_epi16::<3>(words), _mm256_set1_epi16(0xfc));
            let blue = _mm256_and_si256(_mm256_slli_epi16::<3>(words), five);
            [
                packed(self, _mm256_or_si256(red, _mm256_srli_epi16::<5>(red))),
                packed(self, _mm256_or_si256(green, _mm256_srli_epi16::<6>(green))),
                packed(self, _mm256_or_si256(blue, _mm256_srli_epi16::<5>(blue))),
            ]
        }
    }

    #[inline(always)]
    fn grey(self, y: Self::V, c: &Coefficients) -> Self::V {
        levels(self, luma(self, y, c))
    }

    #[inline(always)]
    fn colour(self, y: Self::V, u: Self::V, v: Self::V, c: &Coefficients) -> [Self::V; 3] {
        let y = luma(self, y, c);
        // SAFETY: `self` is the proof that the processor has AVX2.
        unsafe {
            let shifted = |chroma| {
                let neutral = _mm_set1_epi16(Coefficients::NEUTRAL);
                let signed = _mm_sub_epi16(_mm_cvtepu8_epi16(chroma), neutral);
                _mm_slli_epi16::<{ Coefficients::SHIFT }>(signed)
            };
            let times = |chroma, factor| _mm_mulhrs_epi16(chroma, _mm_set1_epi16(factor));
            let (u, v) = (shifted(u), shifted(v));
            let red = times(v, c.v_to_red);
            let green = _mm_add_epi16(times(u, c.u_to_green), times(v, c.v_to_green));
            let blue = times(u, c.u_to_blue);
            [red, green, blue].map(|chroma| {
                let (low, high) =
                    (_mm_unpacklo_epi16(chroma, chroma), _mm_unpackhi_epi16(chroma, chroma));
                levels(self, _mm256_add_epi16(y, _mm256_set_m128i(high, low)))
            })
        }
    }

    #[inline(always)]
    fn store_rgb(self, rgb: [Self::V; 3], to: &mut [u8; 3 * LANES]) {
        for (to, from) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(&INTERLEAVED) {
            // SAFETY: `self` is the proof that the processor has AVX2.
            let joined = unsafe {
                let part = |i: usize| _mm_shuffle_epi8(rgb[i], self.load(&from[i]));
                _mm_or_si128(_mm_or_si128(part(0), part(1)), part(2))
            };
            self.store(joined, to);
        }
    }
}

/// What luma adds to each colour.
#[inline(always)]
fn luma(_: Avx2, y: __m128i, c: &Coefficients) -> __m256i {
    // SAFETY: the first argument is the proof that the processor has AVX2.
    unsafe {
        let signed = _mm256_sub_epi16(_mm256_cvtepu8_epi16(y), _mm256_set1_epi16(c.black));
        let shifted = _mm256_slli_epi16::<{ Coefficients::SHIFT }>(signed);
        _mm256_mulhrs_epi16(shifted, _mm256_set1_epi16(c.luma))
    }
}

/// Sums as levels: rounded, from 0 to 255.
#[inline(always)]
fn levels(has: Avx2, sums: __m256i) -> __m128i {
    // SAFETY: the first argument is the proof that the processor has AVX2.
    unsafe {
        let half = _mm256_set1_epi16(1 << (Coefficients::PLACES - 1));
        let rounded = _mm256_add_epi16(sums, half);
        packed(has, _mm256_srai_epi16::<{ Coefficients::PLACES }>(rounded))
    }
}

/// Words as bytes, not below 0 nor above 255.
#[inline(always)]
fn packed(_: Avx2, words: __m256i) -> __m128i {
    // SAFETY: the first argument is the proof that the processor has AVX2.
    unsafe { _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words)) }
}
