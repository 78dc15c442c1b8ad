//! A linear layer with int8 weights, and activations quantized per token.
//!
//! The weights are packed once: panels of as many columns as a tile has, each with its groups of
//! `k` one after the other. Rows are quantized a block at a time; for each panel, tiles of a few
//! rows run down the whole depth with their sums in registers, and are scaled and written at once.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512vnni;
mod kernel;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_dot;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
mod packed;
mod portable;
#[cfg(test)]
mod tests;

use std::fmt;

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::isa::{Avx2, Avx512Vnni};
#[cfg(target_arch = "aarch64")]
use super::isa::{Neon, NeonDot, NeonI8mm};
use packed::Packed;
use portable::Portable;

/// The largest depth `k` of a [`PackedLinear`]: 131072 products of 127 · 127 fit into an i32.
pub const MAX_DEPTH: usize = 131_072;

/// Why weights don't make a linear layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinearError {
    /// The sums might not fit into an i32.
    #[error("a depth of {0} is more than {MAX_DEPTH}")]
    Depth(usize),
    /// There are more or fewer weights than `k` · `n`.
    #[error("{found} weights, but the shape is {k} × {n}")]
    Weights {
        /// How many there are.
        found: usize,
        /// The depth.
        k: usize,
        /// The number of outputs.
        n: usize,
    },
    /// The weight -128 has no counterpart, and the kernels do without it.
    #[error("weight {0} is -128; the range is -127 to 127")]
    Range(usize),
    /// There isn't one scale for each output.
    #[error("{found} scales for {n} outputs")]
    Scales {
        /// How many there are.
        found: usize,
        /// The number of outputs.
        n: usize,
    },
    /// There is a bias, but not one for each output.
    #[error("{found} biases for {n} outputs")]
    Biases {
        /// How many there are.
        found: usize,
        /// The number of outputs.
        n: usize,
    },
}

/// A linear layer with int8 weights, packed for an instruction set.
///
/// For each row (token) `x` of `k` numbers, with `a` = max |x|:
///
/// - `q[k]` = round(`x[k]` · (127 / max(`a`, 1e-30))), ties to even: -127 to 127;
/// - `acc[n]` = Σₖ `q[k]` · `weight[k][n]`, exactly;
/// - `y[n]` = (`acc[n]` · (`a` · (1 / 127))) · `scale[n]` + `bias[n]`, in f32, each step rounded.
///
/// The results have the same bits on every instruction set. A row with a NaN gives NaN, and an
/// infinite one NaN or infinities.
pub struct PackedLinear(Panels);

enum Panels {
    Portable(Packed<Portable>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Packed<Avx2>),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Packed<Avx512Vnni>),
    #[cfg(target_arch = "aarch64")]
    Neon(Packed<Neon>),
    #[cfg(target_arch = "aarch64")]
    NeonDot(Packed<NeonDot>),
    #[cfg(target_arch = "aarch64")]
    NeonI8mm(Packed<NeonI8mm>),
}

/// Does `$body` with `$packed`, whatever the instruction set.
macro_rules! with_packed {
    ($panels:expr, $packed:ident => $body:expr) => {
        match $panels {
            Panels::Portable($packed) => $body,
            #[cfg(target_arch = "x86_64")]
            Panels::Avx2($packed) => $body,
            #[cfg(target_arch = "x86_64")]
            Panels::Avx512Vnni($packed) => $body,
            #[cfg(target_arch = "aarch64")]
            Panels::Neon($packed) => $body,
            #[cfg(target_arch = "aarch64")]
            Panels::NeonDot($packed) => $body,
            #[cfg(target_arch = "aarch64")]
            Panels::NeonI8mm($packed) => $body,
        }
    };
}

/// `$new` with the kernel of `$isa` before `$argument`s.
macro_rules! packed {
    ($isa:expr, $new:path, $($argument:expr),+) => {
        match $isa {
            Isa::Portable => Panels::Portable($new(Portable, $($argument),+)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(has) => Panels::Avx2($new(has, $($argument),+)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni(has) => Panels::Avx512Vnni($new(has, $($argument),+)),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(has) => Panels::Neon($new(has, $($argument),+)),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot(has) => Panels::NeonDot($new(has, $($argument),+)),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonI8mm(has) => Panels::NeonI8mm($new(has, $($argument),+)),
        }
    };
}

impl PackedLinear {
    /// Packs `weight` (`k` × `n`, row by row, -127 to 127), one `scale` per output and, unless it
    /// is left out, one `bias` per output.
    ///
    /// # Errors
    ///
    /// If the lengths don't fit together, `k` is above [`MAX_DEPTH`], or a weight is -128.
    pub fn new(
        isa: Isa,
        (k, n): (usize, usize),
        weight: &[i8],
        scale: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Self, LinearError> {
        if k > MAX_DEPTH {
            return Err(LinearError::Depth(k));
        }
        if k.checked_mul(n) != Some(weight.len()) {
            return Err(LinearError::Weights { found: weight.len(), k, n });
        }
        if let Some(index) = weight.iter().position(|&w| w == i8::MIN) {
            return Err(LinearError::Range(index));
        }
        if scale.len() != n {
            return Err(LinearError::Scales { found: scale.len(), n });
        }
        if let Some(found) = bias.map(<[f32]>::len).filter(|&found| found != n) {
            return Err(LinearError::Biases { found, n });
        }
        Ok(Self(packed!(isa, Packed::new, (k, n), weight, scale, bias)))
    }

    /// Packs weights that lie column by column, `k` each, with one `scale` per column.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together, or `k` is above [`MAX_DEPTH`].
    pub(crate) fn of_columns(isa: Isa, k: usize, weight: &[i8], scale: &[f32]) -> Self {
        assert!(k <= MAX_DEPTH && Some(weight.len()) == k.checked_mul(scale.len()));
        Self(packed!(isa, Packed::of_columns, k, weight, scale))
    }

    /// How long a row of the input is.
    pub fn inputs(&self) -> usize {
        with_packed!(&self.0, packed => packed.inputs())
    }

    /// How long a row of the output is.
    pub fn outputs(&self) -> usize {
        with_packed!(&self.0, packed => packed.outputs())
    }

    /// How far apart rows of the output are best, so that whole tiles are written.
    pub(crate) fn padded_outputs(&self) -> usize {
        with_packed!(&self.0, packed => packed.padded_outputs())
    }

    /// Writes the layer's outputs for `rows` rows `x` (`rows` × `k`, row by row) to `out` (`rows` ×
    /// `n`). Rows don't depend on each other: threads may share them out.
    ///
    /// # Panics
    ///
    /// If `x` or `out` has another length.
    pub fn apply(&self, rows: usize, x: &[f32], out: &mut [f32]) {
        self.apply_strided(rows, x, (out, self.outputs()));
    }

    /// [`apply`](Self::apply) with rows of `out` the given way apart; what is between them may be
    /// written to.
    ///
    /// # Panics
    ///
    /// If `x` isn't as long as the rows, or `out` as they with what is between and behind them.
    pub(crate) fn apply_strided(&self, rows: usize, x: &[f32], (out, stride): (&mut [f32], usize)) {
        with_packed!(&self.0, packed => packed.apply(rows, x, (out, stride)));
    }
}

impl fmt::Debug for PackedLinear {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "PackedLinear({} × {})", self.inputs(), self.outputs())
    }
}
