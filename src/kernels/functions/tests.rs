//! The functions against f64, with the same bits on every instruction set.

use super::super::isa::Isa;
use super::super::simd::{LANES, Task};
use super::super::testing::{assert_near, same_on_all};
use super::*;

struct ExpOfNegative<'a>(&'a [f32]);

impl Task for ExpOfNegative<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        mapped(s, self.0, |v| exp_of_negative(s, v))
    }
}

struct CoarseExp2OfNegative<'a>(&'a [f32]);

impl Task for CoarseExp2OfNegative<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        mapped(s, self.0, |v| coarse_exp2_of_negative(s, v))
    }
}

struct Gelu<'a>(&'a [f32]);

impl Task for Gelu<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        mapped(s, self.0, |v| gelu(s, v))
    }
}

struct CoarseGelu<'a>(&'a [f32]);

impl Task for CoarseGelu<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        mapped(s, self.0, |v| coarse_gelu(s, v))
    }
}

#[inline(always)]
fn mapped<S: Simd>(s: S, values: &[f32], f: impl Fn(S::F) -> S::F) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for (v, out) in values.chunks(LANES).zip(out.chunks_mut(LANES)) {
        s.store_part(f(s.load_part(v, 0.0)), out);
    }
    out
}

/// Every NaN there is room for: quiet ones with a bit of their payload each, of both signs.
fn nans() -> Vec<f32> {
    let quiet = 0x7fc0_0000u32;
    (0..22)
        .flat_map(|bit| [quiet | 1 << bit, quiet | 1 << bit | 1 << 31])
        .map(f32::from_bits)
        .collect()
}

/// From `from` to `to` in equal steps.
fn steps(from: f32, to: f32, count: usize) -> Vec<f32> {
    (0..=count).map(|i| from + (to - from) * (i as f32 / count as f32)).collect()
}

/// erf v, by its series of positive terms.
fn exact_erf(v: f64) -> f64 {
    if v.abs() > 6.0 {
        return v.signum();
    }
    let (mut term, mut sum) = (v, v);
    for n in 1..200 {
        term *= 2.0 * v * v / f64::from(2 * n + 1);
        sum += term;
    }
    sum * (-v * v).exp() * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn the_reference_is_that_of_tables() {
    for (v, erf) in [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (2.0, 0.995_322_265_018_952_7)] {
        assert!((exact_erf(v) - erf).abs() < 1e-15, "{v}");
        assert!((exact_erf(-v) + erf).abs() < 1e-15, "{v}");
    }
}

#[test]
fn exp_of_all_sizes() {
    let mut values = steps(-88.0, 0.0, 100_000);
    values.extend(steps(-1.0, 0.0, 20_000));
    // Where it is rounded to one power of two or the next.
    values.extend((0..252).map(|n| n as f32 * -0.5 * std::f32::consts::LN_2));
    values.extend([-0.0, -f32::MIN_POSITIVE, -1e-42, -87.0, -1e30, f32::MIN, f32::NEG_INFINITY]);
    let found = same_on_all(|isa| isa.run(ExpOfNegative(&values)));
    let exact = values.iter().map(|&v| f64::from(v).max(-87.0).exp());
    assert_near(&found, exact.map(|exact| (exact, 3e-7 * exact)));
    for one in [0.0, -0.0] {
        assert_eq!(Isa::Portable.run(ExpOfNegative(&[one])), [1.0]);
    }
}

#[test]
fn coarse_exp2_of_all_sizes() {
    let mut values = steps(-127.0, 0.0, 100_000);
    values.extend(steps(-1.0, 0.0, 20_000));
    // Where it is rounded to one power of two or the next.
    values.extend((0..252).map(|n| n as f32 * -0.5));
    values.extend([-0.0, -f32::MIN_POSITIVE, -1e-42, -126.0, -1e30, f32::MIN, f32::NEG_INFINITY]);
    let found = same_on_all(|isa| isa.run(CoarseExp2OfNegative(&values)));
    let exact = values.iter().map(|&v| f64::from(v).max(-126.0).exp2());
    assert_near(&found, exact.map(|exact| (exact, 3e-6 * exact)));
    for one in [0.0, -0.0] {
        assert_eq!(Isa::Portable.run(CoarseExp2OfNegative(&[one])), [1.0]);
    }
}

#[test]
fn gelu_of_all_sizes() {
    let mut values = steps(-12.0, 12.0, 100_000);
    values.extend(steps(-0.01, 0.01, 1000));
    values.extend([0.0, -0.0, 1e-42, -1e-42, 50.0, -50.0, 1e19, -1e19, f32::MAX, f32::MIN]);
    let exact = |bound: f64| {
        values.iter().map(move |&v| {
            let v = f64::from(v);
            let exact = 0.5 * v * (1.0 + exact_erf(v * std::f64::consts::FRAC_1_SQRT_2));
            (exact, bound * v.abs().max(1.0))
        })
    };
    assert_near(&same_on_all(|isa| isa.run(Gelu(&values))), exact(5e-7));
    assert_near(&same_on_all(|isa| isa.run(CoarseGelu(&values))), exact(7e-5));
    let limits = [5.0, 1e30, -5.0, f32::MIN];
    assert_eq!(same_on_all(|isa| isa.run(Gelu(&limits))), [5.0, 1e30, 0.0, 0.0]);
    let limits = [3.875, 1e30, -3.875, f32::MIN];
    assert_eq!(same_on_all(|isa| isa.run(CoarseGelu(&limits))), [3.875, 1e30, 0.0, 0.0]);
}

#[test]
fn what_is_not_a_number_stays_so() {
    let nans = nans();
    for found in [
        same_on_all(|isa| isa.run(ExpOfNegative(&nans))),
        same_on_all(|isa| isa.run(CoarseExp2OfNegative(&nans))),
        same_on_all(|isa| isa.run(Gelu(&nans))),
        same_on_all(|isa| isa.run(CoarseGelu(&nans))),
    ] {
        assert!(found.iter().all(|v| v.is_nan()), "{found:?}");
    }
    let infinite = [f32::INFINITY];
    assert_eq!(same_on_all(|isa| isa.run(Gelu(&infinite))), infinite);
    assert_eq!(same_on_all(|isa| isa.run(CoarseGelu(&infinite))), infinite);
}
