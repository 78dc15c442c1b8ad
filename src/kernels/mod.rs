//! The arithmetic that the engine lacks or does too slowly, on plain slices.
//!
//! Each kernel has a portable twin, and versions for the instruction sets of [`Isa`] that give
//! exactly the same results: whole numbers are exact, and what is done in f32 is done in the same
//! order with the same fused multiply-adds. So a picture gives the same mask on every board.
//!
//! [`Isa::chosen`] is the best set of this processor, or a lower one that the environment asks for;
//! [`PackedLinear`] is a linear layer with int8 weights.

mod attention;
mod conv;
mod few_keys;
mod functions;
mod gemm;
mod int8_gemm;
mod isa;
mod linear;
mod quantize_rows;
mod rows;
mod simd;
#[cfg(test)]
mod testing;

pub(crate) use attention::{
    Bias, KeysValues, Query, RelativePositions, Scores, TILE, attend, bias_table,
};
pub(crate) use conv::{Conv, Window};
pub(crate) use few_keys::{FEW_KEYS, FewKeys};
pub use int8_gemm::{LinearError, MAX_DEPTH, PackedLinear};
#[cfg(target_arch = "x86_64")]
pub(crate) use isa::Avx2;
#[cfg(target_arch = "aarch64")]
pub(crate) use isa::Neon;
pub use isa::{Isa, IsaError};
pub(crate) use linear::FloatLinear;
pub(crate) use quantize_rows::{LEVELS, SMALLEST};
pub(crate) use rows::{Activation, activate, add, layer_norm};
