//! Functions of vectors, accurate to a few units in the last place; and coarser ones, for values that
//! are rounded to int8 next.

#[cfg(test)]
mod tests;

use super::simd::Simd;

/// Adding 1.5 · 2²³ leaves no bits for a fraction: the sum is rounded to a whole number, and its
/// lowest bits are that number in two's complement; with 127 more, a float's exponent.
const ROUNDER: f32 = 12_582_912.0 + 127.0;

/// eᵛ for v ≤ 0, within 3e-7 of its value; what is below -87 counts as -87. NaN stays NaN.
///
/// By v = n · ln 2 + r, the logarithm in two parts as in Cephes' `expf` (Moshier, 1992), and eʳ by the
/// polynomial with the least largest relative error (Lawson's algorithm) among those that are 1 at 0.
#[inline(always)]
pub(super) fn exp_of_negative<S: Simd>(s: S, v: S::F) -> S::F {
    let v = s.at_least(v, -87.0);
    let rounded = s.mul_add(v, s.splat(std::f32::consts::LOG2_E), s.splat(ROUNDER));
    let n = s.sub(rounded, s.splat(ROUNDER));
    // ln 2 in two parts, of which the first has few bits.
    let r = s.mul_add(n, s.splat(-0.693_359_4), v);
    let r = s.mul_add(n, s.splat(2.121_944_4e-4), r);
    let mut e = s.splat(8.290_283e-3);
    for coefficient in [4.189_809_8e-2, 1.666_763_7e-1, 4.999_914_8e-1, 9.999_997e-1, 1.0] {
        e = s.mul_add(e, r, s.splat(coefficient));
    }
    // A product, not a sum of exponents, so that NaN stays NaN whatever its bits.
    s.mul(e, s.power_of_two(rounded))
}

/// Where the normal distribution is 0 and 1 to the last bit of an f32, nearly: 3e-7 are left.
const GELU_LIMIT: f32 = 5.0;

/// The distribution of a normal variable is 1/2 + v · p(s) with s = 2 · (v / limit)² − 1, for which
/// these are the coefficients of p from the highest power on: the polynomial with the least largest
/// error of p · (|v| + 0.15) (Lawson's algorithm), its last two moved by up to three last places so that
/// the limits give 0 and 1.
const GELU: [f32; 13] = [
    6.232_584e-4,
    -1.624_292_7e-3,
    1.686_207_8e-3,
    -2.659_347_4e-3,
    6.444_339e-3,
    -1.118_668_8e-2,
    1.638_814e-2,
    -2.326_047e-2,
    3.144_471_3e-2,
    -4.044_380_4e-2,
    5.152_036_2e-2,
    -7.029_621e-2,
    1.413_638e-1,
];

/// The exact GELU, v/2 · (1 + erf(v/√2)), within 5e-7 · max(1, |v|); beyond ±5 it is v and 0.
///
/// By a polynomial alone, without exponential and quotient, and in fourths: where a sum takes the
/// place of its first term, as on arm64, Horner's scheme would copy each coefficient first.
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, v: S::F) -> S::F {
    let bounded = s.at_most(s.at_least(v, -GELU_LIMIT), GELU_LIMIT);
    let scaled = s.mul(bounded, s.splat(2.0 / (GELU_LIMIT * GELU_LIMIT)));
    let x = s.mul_add(scaled, bounded, s.splat(-1.0));
    let x2 = s.mul(x, x);
    let (x3, x4) = (s.mul(x2, x), s.mul(x2, x2));
    let (highest, fourths) = (GELU[0], GELU[1..].as_chunks::<4>().0);
    let mut p = s.splat(highest);
    for [c3, c2, c1, c0] in fourths {
        let part = s.mul_add(x, s.splat(*c1), s.splat(*c0));
        let part = s.mul_add(x2, s.splat(*c2), part);
        p = s.mul_add(x4, p, s.mul_add(x3, s.splat(*c3), part));
    }
    s.mul(v, s.add(s.mul(bounded, p), s.splat(0.5)))
}

/// Where the normal distribution is taken to be 0 and 1: 5.3e-5 are left.
const COARSE_GELU_LIMIT: f32 = 3.875;

/// The distribution of a normal variable v is 1/2 + v · p(v²), for which these are the coefficients of
/// p from the lowest power on: the polynomial with the least largest error of GELU (Lawson's algorithm)
/// among those that give 0 and 1 at the limits. The second is moved by a last place, so that they do in
/// f32 too.
const COARSE_GELU: [f32; 7] = [
    0.398_456_1,
    -6.539_225e-2,
    9.152_737e-3,
    -8.940_183_3e-4,
    5.637_809_6e-5,
    -2.031_566e-6,
    3.143_38e-8,
];

/// GELU within 7e-5 · max(1, |v|), for layers that round it to int8 next, some hundred times as
/// coarsely; beyond ±3.875 it is v and 0.
///
/// By pairs of coefficients, for the reason [`gelu`] gives.
#[inline(always)]
pub(super) fn coarse_gelu<S: Simd>(s: S, v: S::F) -> S::F {
    let bounded = s.at_most(s.at_least(v, -COARSE_GELU_LIMIT), COARSE_GELU_LIMIT);
    let x = s.mul(bounded, bounded);
    let x2 = s.mul(x, x);
    let [c0, c1, c2, c3, c4, c5, c6] = COARSE_GELU;
    let low = s.mul_add(x, s.splat(c1), s.splat(c0));
    let middle = s.mul_add(x, s.splat(c3), s.splat(c2));
    let high = s.mul_add(x, s.splat(c5), s.splat(c4));
    let high = s.mul_add(x2, s.splat(c6), high);
    let p = s.mul_add(x2, s.mul_add(x2, high, middle), low);
    s.mul(v, s.add(s.mul(bounded, p), s.splat(0.5)))
}

/// 2ᵛ for v ≤ 0, within 3e-6 of its value; what is below -126 counts as -126. NaN stays NaN.
///
/// By v = n + r and the polynomial of 2ʳ with the least largest relative error (Lawson's algorithm)
/// among those that are 1 at 0, by pairs of coefficients, for the reason [`gelu`] gives.
#[inline(always)]
pub(super) fn coarse_exp2_of_negative<S: Simd>(s: S, v: S::F) -> S::F {
    let v = s.at_least(v, -126.0);
    let rounded = s.add(v, s.splat(ROUNDER));
    let r = s.sub(v, s.sub(rounded, s.splat(ROUNDER)));
    let low = s.mul_add(r, s.splat(6.931_242e-1), s.splat(1.0));
    let high = s.mul_add(r, s.splat(5.590_642_6e-2), s.splat(2.402_409_9e-1));
    let r2 = s.mul(r, r);
    let high = s.mul_add(r2, s.splat(9.582_853e-3), high);
    s.mul(s.mul_add(r2, high, low), s.power_of_two(rounded))
}
