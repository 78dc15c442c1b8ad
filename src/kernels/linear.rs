//! A linear layer in f32.

#[cfg(test)]
mod tests;

use std::fmt;

use super::gemm::{Rows, Start, multiply, pack};
use super::isa::Isa;
use super::simd::{Simd, Task};

/// A linear layer with f32 weights, packed in panels of columns.
///
/// For each row x, y\[n\] = Σₖ x\[k\] · weight\[k\]\[n\], summed in order by fused multiply-adds: the
/// same bits on every instruction set.
pub(crate) struct FloatLinear {
    isa: Isa,
    k: usize,
    n: usize,
    panels: Vec<f32>,
}

impl FloatLinear {
    /// Packs the weights of `k` inputs to `n` outputs, `weight(k, n)`.
    pub(crate) fn new(
        isa: Isa,
        (k, n): (usize, usize),
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self { isa, k, n, panels: pack(k, n, weight) }
    }

    /// How long a row of the input is.
    pub(crate) fn inputs(&self) -> usize {
        self.k
    }

    /// How long a row of the output is.
    pub(crate) fn outputs(&self) -> usize {
        self.n
    }

    /// Writes the outputs for `rows` rows `x` to `out`.
    ///
    /// # Panics
    ///
    /// If `x` or `out` is shorter.
    pub(crate) fn apply(&self, rows: usize, x: &[f32], out: &mut [f32]) {
        self.isa.run(Apply { layer: self, rows, x, out });
    }
}

impl fmt::Debug for FloatLinear {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "FloatLinear({} × {})", self.k, self.n)
    }
}

struct Apply<'a> {
    layer: &'a FloatLinear,
    rows: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Task for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let FloatLinear { k, n, panels, .. } = self.layer;
        let a = Rows { values: self.x, stride: *k, count: self.rows };
        multiply(simd, a, *k, panels, Start::Zero, (self.out, *n, *n));
    }
}
