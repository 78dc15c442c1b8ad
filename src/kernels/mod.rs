//! The arithmetic that the engine lacks or does too slowly, on plain slices.
//!
//! Each kernel has a portable twin, and versions for the instruction sets of [`Isa`] that give
//! exactly the same results: whole numbers are exact, and what is done in f32 is done in the same
//! order without a fused multiply-add. So a picture gives the same mask on every board.
//!
//! [`Isa::chosen`] is the best set of this processor, or a lower one that the environment asks for;
//! [`PackedLinear`] is a linear layer with int8 weights.

mod int8_gemm;
mod isa;
mod quantize_rows;

pub use int8_gemm::{LinearError, MAX_DEPTH, PackedLinear};
pub use isa::{Isa, IsaError};
pub(crate) use quantize_rows::{LEVELS, SMALLEST};
