//! Vectors of sixteen bytes, whatever the processor's own width is.
//!
//! Rows are written once, over [`Vectors`]; [`Isa::run_vectors`] compiles them for each instruction
//! set. All give the same bytes. [`Portable`] is the plain-Rust twin that the others are tested
//! against.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use super::colour::Coefficients;
#[cfg(target_arch = "x86_64")]
use crate::kernels::Avx2;
use crate::kernels::Isa;
#[cfg(target_arch = "aarch64")]
use crate::kernels::Neon;
use portable::Portable;

/// Bytes of a vector.
pub(super) const LANES: usize = 16;

/// Operations on vectors of [`LANES`] bytes. A value of an implementation is the proof that the
/// processor has its instructions.
///
/// Methods are inlined into functions that have the instructions; only [`Isa::run_vectors`] starts
/// those.
pub(super) trait Vectors: Copy {
    /// A vector.
    type V: Copy;

    /// The bytes of `from`.
    fn load(self, from: &[u8; LANES]) -> Self::V;

    /// The bytes of `from` in the lower half; what is in the upper half does not count.
    fn load_half(self, from: &[u8; LANES / 2]) -> Self::V;

    /// Writes all bytes to `to`.
    fn store(self, v: Self::V, to: &mut [u8; LANES]);

    /// Of the 32 bytes of `a` and `b`, the first, third… and the second, fourth….
    fn unzip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V);

    /// The sixteen words of two bytes, the lower first, in `a` and `b`, without their lowest `bits` (2
    /// to 8); 255 where more is left.
    fn narrow(self, a: Self::V, b: Self::V, bits: u32) -> Self::V;

    /// Red, green and blue of the sixteen words of two bytes in `a` and `b`.
    fn rgb565(self, a: Self::V, b: Self::V) -> [Self::V; 3];

    /// [`Coefficients::grey`] of each byte.
    fn grey(self, y: Self::V, c: &Coefficients) -> Self::V;

    /// [`Coefficients::rgb`] of each byte of `y`; each two share a byte in the lower halves of `u`
    /// and `v`.
    fn colour(self, y: Self::V, u: Self::V, v: Self::V, c: &Coefficients) -> [Self::V; 3];

    /// Writes red, green and blue in turn.
    fn store_rgb(self, rgb: [Self::V; 3], to: &mut [u8; 3 * LANES]);
}

/// Work that is compiled for each instruction set. [`run`](Self::run) and all it calls must be
/// `#[inline(always)]`, or it would not have the instructions.
pub(super) trait Task {
    /// Does the work.
    fn run<S: Vectors>(self, simd: S);
}

impl Isa {
    /// Does `task` with these instructions.
    pub(super) fn run_vectors(self, task: impl Task) {
        match self {
            Self::Portable => task.run(Portable),
            // SAFETY: each value is the proof that the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(has) => unsafe { with_avx2(has, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx512Vnni(has) => unsafe { with_avx2(has.into(), task) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Self::Neon(has) => unsafe { with_neon(has, task) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Self::NeonDot(has) => unsafe { with_neon(has.into(), task) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Self::NeonI8mm(has) => unsafe { with_neon(has.into(), task) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2(has: Avx2, task: impl Task) {
    task.run(has);
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn with_neon(has: Neon, task: impl Task) {
    task.run(has);
}
