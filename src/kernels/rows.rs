//! What is done to rows one by one, or to values one by one.

#[cfg(test)]
mod tests;

use super::functions::{coarse_gelu, gelu};
use super::isa::Isa;
use super::simd::{LANES, Simd, Task};

/// Normalises each row of `x`, `gamma.len()` long, to mean 0 and variance 1, then scales by `gamma`
/// and adds `beta`; written to `out`. `epsilon` is added to the variance.
///
/// # Panics
///
/// If `out` has another length than `x`, or `beta` than `gamma`.
pub(crate) fn layer_norm(
    isa: Isa,
    x: &[f32],
    (gamma, beta): (&[f32], &[f32]),
    epsilon: f32,
    out: &mut [f32],
) {
    assert!(x.len() == out.len() && gamma.len() == beta.len());
    isa.run(LayerNorm { x, gamma, beta, epsilon, out });
}

struct LayerNorm<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl Task for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.gamma.len().max(1);
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let mut sum = s.splat(0.0);
            for x in x.chunks(LANES) {
                sum = s.add(sum, s.load_part(x, 0.0));
            }
            let mean = s.sum(sum) / width as f32;
            let mut squares = s.splat(0.0);
            for x in x.chunks(LANES) {
                let difference = s.sub(s.load_part(x, mean), s.splat(mean));
                squares = s.mul_add(difference, difference, squares);
            }
            let variance = s.sum(squares) / width as f32;
            let factor = s.splat(1.0 / (variance + self.epsilon).sqrt());
            let parameters = self.gamma.chunks(LANES).zip(self.beta.chunks(LANES));
            for ((x, out), (gamma, beta)) in
                x.chunks(LANES).zip(out.chunks_mut(LANES)).zip(parameters)
            {
                let normal = s.mul(s.sub(s.load_part(x, 0.0), s.splat(mean)), factor);
                let (gamma, beta) = (s.load_part(gamma, 0.0), s.load_part(beta, 0.0));
                s.store_part(s.mul_add(normal, gamma, beta), out);
            }
        }
    }
}

/// A function of single values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// The exact GELU.
    Gelu,
    /// GELU as exact as it need be where int8 layers take it, within 7e-5 · max(1, |v|).
    CoarseGelu,
    /// The larger of the value and 0.
    Relu,
}

/// Applies `activation` to each value of `x`.
pub(crate) fn activate(isa: Isa, activation: Activation, x: &mut [f32]) {
    match activation {
        Activation::Gelu => isa.run(Gelu(x)),
        Activation::CoarseGelu => isa.run(CoarseGelu(x)),
        Activation::Relu => isa.run(Relu(x)),
    }
}

struct Gelu<'a>(&'a mut [f32]);

impl Task for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (vectors, rest) = self.0.as_chunks_mut();
        for x in vectors {
            s.store(gelu(s, s.load(x)), x);
        }
        s.store_part(gelu(s, s.load_part(rest, 0.0)), rest);
    }
}

struct CoarseGelu<'a>(&'a mut [f32]);

impl Task for CoarseGelu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (vectors, rest) = self.0.as_chunks_mut();
        for x in vectors {
            s.store(coarse_gelu(s, s.load(x)), x);
        }
        s.store_part(coarse_gelu(s, s.load_part(rest, 0.0)), rest);
    }
}

struct Relu<'a>(&'a mut [f32]);

impl Task for Relu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for x in self.0.chunks_mut(LANES) {
            // In this order NaN stays NaN.
            s.store_part(s.max(s.splat(0.0), s.load_part(x, 0.0)), x);
        }
    }
}

/// x += y, again and again if `x` is longer.
///
/// # Panics
///
/// If `x` isn't `y` a whole number of times.
pub(crate) fn add(isa: Isa, x: &mut [f32], y: &[f32]) {
    assert!(x.len().is_multiple_of(y.len().max(1)) && (x.is_empty() || !y.is_empty()));
    isa.run(Add(x, y));
}

struct Add<'a>(&'a mut [f32], &'a [f32]);

impl Task for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for x in self.0.chunks_exact_mut(self.1.len().max(1)) {
            add_to(s, x, self.1);
        }
    }
}

/// x += y, as far as both go.
#[inline(always)]
fn add_to<S: Simd>(s: S, x: &mut [f32], y: &[f32]) {
    let both = x.len().min(y.len());
    let ((vectors, x), (others, y)) = (x[..both].as_chunks_mut(), y[..both].as_chunks());
    for (x, y) in vectors.iter_mut().zip(others) {
        s.store(s.add(s.load(x), s.load(y)), x);
    }
    s.store_part(s.add(s.load_part(x, 0.0), s.load_part(y, 0.0)), x);
}
