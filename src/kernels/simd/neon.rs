//! arm64: four registers a vector.

use std::arch::aarch64::*;

use super::super::isa::Neon;
use super::{LANES, Simd};

/// Lanes of a register.
const QUARTER: usize = LANES / 4;

/// An operation on registers, quarter by quarter.
macro_rules! quarters {
    ($operation:ident($($v:expr),+)) => {
        std::array::from_fn(|quarter| {
            // SAFETY: `self` is the proof that the processor has NEON.
            unsafe { $operation($($v[quarter]),+) }
        })
    };
}

impl Simd for Neon {
    type F = [float32x4_t; 4];

    const ROWS: usize = 4;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        // SAFETY: `self` is the proof that the processor has NEON.
        [unsafe { vdupq_n_f32(value) }; 4]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        std::array::from_fn(|quarter| {
            // SAFETY: sixteen f32 are there; `self` is the proof that the processor has NEON.
            unsafe { vld1q_f32(from.as_ptr().add(quarter * QUARTER)) }
        })
    }

    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        for (quarter, v) in v.into_iter().enumerate() {
            // SAFETY: there is room for sixteen f32; `self` is the proof that the processor has
            // NEON.
            unsafe { vst1q_f32(to.as_mut_ptr().add(quarter * QUARTER), v) }
        }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        quarters!(vaddq_f32(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        quarters!(vsubq_f32(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        quarters!(vmulq_f32(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        quarters!(vfmaq_f32(c, a, b))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        // Not `vmaxq_f32`, which gives NaN where one is NaN.
        let larger: [uint32x4_t; 4] = quarters!(vcgtq_f32(a, b));
        quarters!(vbslq_f32(larger, a, b))
    }

    #[inline(always)]
    fn max_magnitude(self, most: Self::F, v: Self::F) -> Self::F {
        std::array::from_fn(|quarter| {
            // SAFETY: `self` is the proof that the processor has NEON.
            unsafe {
                let magnitude = vreinterpretq_s32_f32(vabsq_f32(v[quarter]));
                vreinterpretq_f32_s32(vmaxq_s32(vreinterpretq_s32_f32(most[quarter]), magnitude))
            }
        })
    }

    #[inline(always)]
    fn at_least(self, v: Self::F, least: f32) -> Self::F {
        let least = self.splat(least);
        quarters!(vmaxq_f32(least, v))
    }

    #[inline(always)]
    fn at_most(self, v: Self::F, most: f32) -> Self::F {
        let most = self.splat(most);
        quarters!(vminq_f32(most, v))
    }

    #[inline(always)]
    fn power_of_two(self, n: Self::F) -> Self::F {
        std::array::from_fn(|quarter| {
            // SAFETY: `self` is the proof that the processor has NEON.
            unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vreinterpretq_s32_f32(n[quarter]))) }
        })
    }

    /// Square by square of four lanes.
    #[inline(always)]
    fn transpose(self, v: [Self::F; LANES]) -> [Self::F; LANES] {
        let mut turned = v;
        for rows in 0..4 {
            for columns in 0..4 {
                let square = std::array::from_fn(|row| v[4 * rows + row][columns]);
                for (lane, row) in turn_square(self, square).into_iter().enumerate() {
                    turned[4 * columns + lane][rows] = row;
                }
            }
        }
        turned
    }

    /// Four values of each row are loaded at once and multiplied by lane: a load for each would cost
    /// as much as two products.
    #[inline(always)]
    fn add_products<const R: usize>(
        self,
        mut sums: [Self::F; R],
        rows: [&[f32]; R],
        panel: &[[f32; LANES]],
    ) -> [Self::F; R] {
        let rows = rows.map(|row| &row[..panel.len()]);
        let (fours, rest) = panel.as_chunks::<4>();
        for (four, b) in fours.iter().enumerate() {
            let a: [float32x4_t; R] = std::array::from_fn(|row| {
                // SAFETY: each row has four values for each four of the panel; `self` is the proof
                // that the processor has NEON.
                unsafe { vld1q_f32(rows[row].as_ptr().add(four * 4)) }
            });
            self.add_lane::<0, R>(&mut sums, &a, &b[0]);
            self.add_lane::<1, R>(&mut sums, &a, &b[1]);
            self.add_lane::<2, R>(&mut sums, &a, &b[2]);
            self.add_lane::<3, R>(&mut sums, &a, &b[3]);
        }
        let rows = rows.map(|row| &row[4 * fours.len()..]);
        self.add_single_products(sums, rows, rest)
    }
}

/// Transposes four vectors of four lanes.
#[inline(always)]
fn turn_square(_: Neon, [a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
    // SAFETY: the first argument is the proof that the processor has NEON.
    unsafe {
        let (ac, bd) = ([vzip1q_f32(a, c), vzip2q_f32(a, c)], [vzip1q_f32(b, d), vzip2q_f32(b, d)]);
        [
            vzip1q_f32(ac[0], bd[0]),
            vzip2q_f32(ac[0], bd[0]),
            vzip1q_f32(ac[1], bd[1]),
            vzip2q_f32(ac[1], bd[1]),
        ]
    }
}

impl Neon {
    /// Adds the products of lane `K` of each row with `b`.
    #[inline(always)]
    fn add_lane<const K: i32, const R: usize>(
        self,
        sums: &mut [[float32x4_t; 4]; R],
        rows: &[float32x4_t; R],
        b: &[f32; LANES],
    ) {
        let b = self.load(b);
        for (sum, row) in sums.iter_mut().zip(rows) {
            for (sum, b) in sum.iter_mut().zip(b) {
                // SAFETY: `self` is the proof that the processor has NEON.
                *sum = unsafe { vfmaq_laneq_f32::<K>(*sum, b, *row) };
            }
        }
    }
}
