//! Functions of vectors, accurate to a few units in the last place.

#[cfg(test)]
mod tests;

use super::simd::Simd;

/// Adding 1.5 · 2²³ leaves no bits for a fraction: the sum is rounded to a whole number, and its
/// lowest bits are that number in two's complement; with 127 more, a float's exponent.
const ROUNDER: f32 = 12_582_912.0 + 127.0;

/// eᵛ for v ≤ 0, within 1.5e-7 of its value; what is below -87 counts as -87. NaN stays NaN.
///
/// By v = n · ln 2 + r, and eʳ by the polynomial of Cephes' `expf` (Moshier, 1992).
#[inline(always)]
pub(super) fn exp_of_negative<S: Simd>(s: S, v: S::F) -> S::F {
    let v = s.max(s.splat(-87.0), v);
    let rounded = s.mul_add(v, s.splat(std::f32::consts::LOG2_E), s.splat(ROUNDER));
    let n = s.sub(rounded, s.splat(ROUNDER));
    // ln 2 in two parts, of which the first has few bits.
    let r = s.mul_add(n, s.splat(-0.693_359_4), v);
    let r = s.mul_add(n, s.splat(2.121_944_4e-4), r);
    let mut e = s.splat(1.987_569_1e-4);
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5, 1.0, 1.0] {
        e = s.mul_add(e, r, s.splat(coefficient));
    }
    // A product, not a sum of exponents, so that NaN stays NaN whatever its bits.
    s.mul(e, s.power_of_two(rounded))
}

/// The exact GELU, v/2 · (1 + erf(v/√2)), within 3e-7 · max(1, |v|).
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, v: S::F) -> S::F {
    let half = s.mul(v, s.splat(0.5));
    let erf = erf(s, s.mul(v, s.splat(std::f32::consts::FRAC_1_SQRT_2)));
    s.mul_add(half, erf, half)
}

/// The error function, within 1.5e-7, by Abramowitz and Stegun, *Handbook of Mathematical Functions*,
/// 7.1.26.
#[inline(always)]
fn erf<S: Simd>(s: S, v: S::F) -> S::F {
    let x = s.abs(v);
    let one = s.splat(1.0);
    let t = s.div(one, s.mul_add(x, s.splat(0.327_591_1), one));
    let mut polynomial = s.splat(1.061_405_4);
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6, 0.0] {
        polynomial = s.mul_add(polynomial, t, s.splat(coefficient));
    }
    let square = s.mul(x, x);
    let rest = s.mul(polynomial, exp_of_negative(s, s.sub(s.splat(0.0), square)));
    s.with_sign(s.sub(one, rest), v)
}
