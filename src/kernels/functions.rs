//! Functions of vectors, as accurate as what becomes of them needs.

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

/// Where the normal distribution is taken to be 0 and 1: 9e-6 are left.
const GELU_LIMIT: f32 = 4.281_25;

/// The distribution of a normal variable v is 1/2 + v · p(v²), for which these are the coefficients
/// of p from the lowest power on: the polynomial with the least largest error of GELU (Lawson's
/// algorithm) among those that give 0 and 1 at the limits. The second is moved by three last places,
/// so that they do in f32 too.
const GELU: [f32; 9] = [
    0.398_869_48,
    -6.628_585_6e-2,
    9.778_944e-3,
    -1.097_098_5e-3,
    9.144_599_6e-5,
    -5.428_323_7e-6,
    2.140_064_9e-7,
    -4.966_975e-9,
    5.096_388_2e-11,
];

/// The exact GELU, v/2 · (1 + erf(v/√2)), within 1.5e-5 · max(1, |v|); beyond ±4.28 it is v and 0.
///
/// In int8 packages what comes of it is quantized next, in steps of 1/127 of the largest value of a
/// row: some hundred times as coarse.
///
/// By a polynomial alone, without exponential and quotient, and by pairs of coefficients: where a
/// sum takes the place of its first term, as on arm64, Horner's scheme would copy each coefficient
/// first.
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, v: S::F) -> S::F {
    let bounded = s.at_most(s.at_least(v, -GELU_LIMIT), GELU_LIMIT);
    let x = s.mul(bounded, bounded);
    let x2 = s.mul(x, x);
    let x4 = s.mul(x2, x2);
    let (pairs, highest) = GELU.as_chunks::<2>();
    let mut parts = [x; GELU.len() / 2];
    for (part, [c0, c1]) in parts.iter_mut().zip(pairs) {
        *part = s.mul_add(x, s.splat(*c1), s.splat(*c0));
    }
    let [p0, p1, p2, p3] = parts;
    let high = s.mul_add(x2, s.mul_add(x2, s.splat(highest[0]), p3), p2);
    let p = s.mul_add(x4, high, s.mul_add(x2, p1, p0));
    s.mul(v, s.add(s.mul(bounded, p), s.splat(0.5)))
}
