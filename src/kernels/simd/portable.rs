//! Plain Rust for any processor, and the meaning of the others.

use super::{LANES, Simd};

/// What the compiler makes of plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    type F = [f32; LANES];

    const ROWS: usize = 4;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        *from
    }

    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        *to = v;
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        lanes(|i| a[i].mul_add(b[i], c[i]))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn max_magnitude(self, most: Self::F, v: Self::F) -> Self::F {
        // The bits of positive floats are ordered as the floats are, and those of NaN come last.
        lanes(|i| f32::from_bits(most[i].to_bits().max(v[i].abs().to_bits())))
    }

    #[inline(always)]
    fn at_least(self, v: Self::F, least: f32) -> Self::F {
        lanes(|i| if least > v[i] { least } else { v[i] })
    }

    #[inline(always)]
    fn at_most(self, v: Self::F, most: f32) -> Self::F {
        lanes(|i| if most < v[i] { most } else { v[i] })
    }

    #[inline(always)]
    fn power_of_two(self, n: Self::F) -> Self::F {
        lanes(|i| f32::from_bits(n[i].to_bits() << 23))
    }

    #[inline(always)]
    fn transpose(self, v: [Self::F; LANES]) -> [Self::F; LANES] {
        std::array::from_fn(|i| lanes(|j| v[j][i]))
    }
}
