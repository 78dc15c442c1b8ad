//! arm64 with NEON.

use std::arch::aarch64::*;

use super::{Coefficients, LANES, Vectors};
use crate::kernels::Neon;

impl Vectors for Neon {
    type V = uint8x16_t;

    #[inline(always)]
    fn load(self, from: &[u8; LANES]) -> Self::V {
        // SAFETY: sixteen bytes are there; `self` is the proof that the processor has NEON.
        unsafe { vld1q_u8(from.as_ptr()) }
    }

    #[inline(always)]
    fn load_half(self, from: &[u8; LANES / 2]) -> Self::V {
        // SAFETY: eight bytes are there; `self` is the proof that the processor has NEON.
        unsafe { vcombine_u8(vld1_u8(from.as_ptr()), vdup_n_u8(0)) }
    }

    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [u8; LANES]) {
        // SAFETY: there is room for sixteen bytes; `self` is the proof that the processor has NEON.
        unsafe { vst1q_u8(to.as_mut_ptr(), v) }
    }

    #[inline(always)]
    fn unzip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V) {
        // SAFETY: `self` is the proof that the processor has NEON.
        unsafe { (vuzp1q_u8(a, b), vuzp2q_u8(a, b)) }
    }

    #[inline(always)]
    fn narrow(self, a: Self::V, b: Self::V, bits: u32) -> Self::V {
        // SAFETY: `self` is the proof that the processor has NEON.
        unsafe {
            let left = vdupq_n_s16(-(bits as i16));
            let half = |v| vqmovn_u16(vshlq_u16(vreinterpretq_u16_u8(v), left));
            vcombine_u8(half(a), half(b))
        }
    }

    #[inline(always)]
    fn rgb565(self, a: Self::V, b: Self::V) -> [Self::V; 3] {
        // SAFETY: `self` is the proof that the processor has NEON.
        unsafe {
            let (a, b) = (vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b));
            let five = vdupq_n_u8(0xf8);
            let red = vcombine_u8(vshrn_n_u16::<8>(a), vshrn_n_u16::<8>(b));
            let red = vandq_u8(red, five);
            let green = vcombine_u8(vshrn_n_u16::<3>(a), vshrn_n_u16::<3>(b));
            let green = vandq_u8(green, vdupq_n_u8(0xfc));
            let blue = vshlq_n_u8::<3>(vcombine_u8(vmovn_u16(a), vmovn_u16(b)));
            [
                vorrq_u8(red, vshrq_n_u8::<5>(red)),
                vorrq_u8(green, vshrq_n_u8::<6>(green)),
                vorrq_u8(blue, vshrq_n_u8::<5>(blue)),
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
        // SAFETY: `self` is the proof that the processor has NEON.
        unsafe {
            let (u, v) = (vget_low_u8(u), vget_low_u8(v));
            let (u, v) =
                (shifted(self, u, Coefficients::NEUTRAL), shifted(self, v, Coefficients::NEUTRAL));
            let red = vqrdmulhq_n_s16(v, c.v_to_red);
            let green =
                vaddq_s16(vqrdmulhq_n_s16(u, c.u_to_green), vqrdmulhq_n_s16(v, c.v_to_green));
            let blue = vqrdmulhq_n_s16(u, c.u_to_blue);
            [red, green, blue].map(|chroma| {
                let low = vaddq_s16(y[0], vzip1q_s16(chroma, chroma));
                let high = vaddq_s16(y[1], vzip2q_s16(chroma, chroma));
                levels(self, [low, high])
            })
        }
    }

    #[inline(always)]
    fn store_rgb(self, [r, g, b]: [Self::V; 3], to: &mut [u8; 3 * LANES]) {
        // SAFETY: there is room for 48 bytes; `self` is the proof that the processor has NEON.
        unsafe { vst3q_u8(to.as_mut_ptr(), uint8x16x3_t(r, g, b)) }
    }
}

/// Levels from `zero` on, shifted for a product.
#[inline(always)]
fn shifted(_: Neon, level: uint8x8_t, zero: i16) -> int16x8_t {
    // SAFETY: the first argument is the proof that the processor has NEON.
    unsafe {
        let signed = vreinterpretq_s16_u16(vsubl_u8(level, vdup_n_u8(zero as u8)));
        vshlq_n_s16::<{ Coefficients::SHIFT }>(signed)
    }
}

/// What luma adds to each colour.
#[inline(always)]
fn luma(has: Neon, y: uint8x16_t, c: &Coefficients) -> [int16x8_t; 2] {
    // SAFETY: the first argument is the proof that the processor has NEON.
    unsafe {
        let times = |y| vqrdmulhq_n_s16(shifted(has, y, c.black), c.luma);
        [times(vget_low_u8(y)), times(vget_high_u8(y))]
    }
}

/// Sums as levels: rounded, from 0 to 255.
#[inline(always)]
fn levels(_: Neon, sums: [int16x8_t; 2]) -> uint8x16_t {
    // SAFETY: the first argument is the proof that the processor has NEON.
    unsafe {
        let [low, high] = sums.map(|sum| vqrshrun_n_s16::<{ Coefficients::PLACES }>(sum));
        vcombine_u8(low, high)
    }
}
