//! Vectors of sixteen f32, whatever the processor's own width is.
//!
//! A kernel is written once, over [`Simd`], as a [`Task`]; [`Isa::run`] compiles it for each
//! instruction set. All of them give the same bits: sixteen lanes everywhere, every product that is
//! added is a fused one, and sums over lanes are taken in one order. [`Portable`] is the plain-Rust
//! twin that the others are tested against.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;

use super::isa::Isa;
#[cfg(target_arch = "aarch64")]
use super::isa::Neon;
#[cfg(target_arch = "x86_64")]
use super::isa::{Avx2, Avx512Vnni};
pub(crate) use portable::Portable;

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// Arithmetic on vectors of [`LANES`] f32. A value of an implementation is the proof that the
/// processor has its instructions.
///
/// Methods are inlined into functions that have the instructions; only [`Isa::run`] starts those.
pub(crate) trait Simd: Copy {
    /// A vector.
    type F: Copy;

    /// Rows of the tiles in which matrices are multiplied: as many sums as registers hold.
    const ROWS: usize;

    /// `value` in all lanes.
    fn splat(self, value: f32) -> Self::F;

    /// The lanes of `from`.
    fn load(self, from: &[f32; LANES]) -> Self::F;

    /// Writes the lanes to `to`.
    fn store(self, v: Self::F, to: &mut [f32; LANES]);

    /// a + b.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;

    /// a − b.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;

    /// a · b.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;

    /// a · b + c, rounded once.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;

    /// The larger of each two lanes: `a > b ? a : b`, so `b` where one is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;

    /// The larger of `most`, which has no signs, and the magnitude of `v`, of each two lanes; NaN where one
    /// is.
    fn max_magnitude(self, most: Self::F, v: Self::F) -> Self::F;

    /// `v`, but not below `least`; NaN stays NaN.
    fn at_least(self, v: Self::F, least: f32) -> Self::F;

    /// `v`, but not above `most`; NaN stays NaN.
    fn at_most(self, v: Self::F, most: f32) -> Self::F;

    /// 2ⁿ⁻¹²⁷, for the n of 1 to 254 that the lowest bits of `n` hold.
    fn power_of_two(self, n: Self::F) -> Self::F;

    /// Lane `i` of vector `j` becomes lane `j` of vector `i`.
    fn transpose(self, v: [Self::F; LANES]) -> [Self::F; LANES];

    /// Each sum with the products of its row with `panel` added, from the first value to the last.
    /// Sums come and go by value: behind a reference the compiler may leave them in memory.
    ///
    /// # Panics
    ///
    /// If a row is shorter than the panel.
    #[inline(always)]
    fn add_products<const R: usize>(
        self,
        sums: [Self::F; R],
        rows: [&[f32]; R],
        panel: &[[f32; LANES]],
    ) -> [Self::F; R] {
        self.add_single_products(sums, rows, panel)
    }

    /// [`add_products`](Self::add_products), one value of each row at a time.
    #[inline(always)]
    fn add_single_products<const R: usize>(
        self,
        mut sums: [Self::F; R],
        rows: [&[f32]; R],
        panel: &[[f32; LANES]],
    ) -> [Self::F; R] {
        // Not by `map`, after which the compiler no longer knows the lengths.
        let depth = panel.len();
        let rows: [&[f32]; R] = std::array::from_fn(|row| &rows[row][..depth]);
        for (k, b) in panel[..depth].iter().enumerate() {
            let b = self.load(b);
            for row in 0..R {
                sums[row] = self.mul_add(self.splat(rows[row][k]), b, sums[row]);
            }
        }
        sums
    }

    /// The lanes as an array.
    #[inline(always)]
    fn lanes(self, v: Self::F) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        self.store(v, &mut lanes);
        lanes
    }

    /// The first lanes from `from`, which may be too short; `rest` in the others.
    #[inline(always)]
    fn load_part(self, from: &[f32], rest: f32) -> Self::F {
        match from.first_chunk() {
            Some(lanes) => self.load(lanes),
            None if from.is_empty() => self.splat(rest),
            None => {
                let mut lanes = [rest; LANES];
                lanes[..from.len()].copy_from_slice(from);
                self.load(&lanes)
            }
        }
    }

    /// Writes the first lanes to `to`, as many as it has, up to all.
    #[inline(always)]
    fn store_part(self, v: Self::F, to: &mut [f32]) {
        if to.is_empty() {
            return;
        }
        match to.first_chunk_mut() {
            Some(lanes) => self.store(v, lanes),
            None => to.copy_from_slice(&self.lanes(v)[..to.len()]),
        }
    }

    /// The sum of all lanes: halves are added until one is left.
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        halved(self.lanes(v), |a, b| a + b)
    }

    /// The largest lane of `v`, which has no signs; NaN where one is.
    #[inline(always)]
    fn largest_magnitude(self, v: Self::F) -> f32 {
        // The bits of positive floats are ordered as the floats are, and those of NaN come last.
        halved(self.lanes(v), |a, b| f32::from_bits(a.to_bits().max(b.to_bits())))
    }

    /// The largest lane.
    #[inline(always)]
    fn largest(self, v: Self::F) -> f32 {
        halved(self.lanes(v), |a, b| if a > b { a } else { b })
    }
}

#[inline(always)]
fn halved(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Work that is compiled for each instruction set. [`run`](Self::run) and all it calls must be
/// `#[inline(always)]`, or it would not have the instructions.
pub(crate) trait Task {
    /// What it gives.
    type Output;

    /// Does the work.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

impl Isa {
    /// Does `task` with these instructions.
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Self::Portable => task.run(Portable),
            // SAFETY: each value is the proof that the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(has) => unsafe { with_avx2(has, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx512Vnni(has) => unsafe { with_avx512(has, task) },
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
fn with_avx2<T: Task>(has: Avx2, task: T) -> T::Output {
    task.run(has)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl")]
fn with_avx512<T: Task>(has: Avx512Vnni, task: T) -> T::Output {
    task.run(has)
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn with_neon<T: Task>(has: Neon, task: T) -> T::Output {
    task.run(has)
}
