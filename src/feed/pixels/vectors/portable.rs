//! Plain Rust for any processor, and the meaning of the others.

use super::{Coefficients, LANES, Vectors};

/// What the compiler makes of plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Vectors for Portable {
    type V = [u8; LANES];

    #[inline(always)]
    fn load(self, from: &[u8; LANES]) -> Self::V {
        *from
    }

    #[inline(always)]
    fn load_half(self, from: &[u8; LANES / 2]) -> Self::V {
        lanes(|i| from.get(i).copied().unwrap_or_default())
    }

    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [u8; LANES]) {
        *to = v;
    }

    #[inline(always)]
    fn unzip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V) {
        (lanes(|i| both(&a, &b, 2 * i)), lanes(|i| both(&a, &b, 2 * i + 1)))
    }

    #[inline(always)]
    fn narrow(self, a: Self::V, b: Self::V, bits: u32) -> Self::V {
        lanes(|i| (word(&a, &b, i) >> bits).min(255) as u8)
    }

    #[inline(always)]
    fn rgb565(self, a: Self::V, b: Self::V) -> [Self::V; 3] {
        let colour = |shift: u32, bits: u32| {
            lanes(|i| {
                let value = (word(&a, &b, i) >> shift) & ((1 << bits) - 1);
                (value << (8 - bits) | value >> (2 * bits - 8)) as u8
            })
        };
        [colour(11, 5), colour(5, 6), colour(0, 5)]
    }

    #[inline(always)]
    fn grey(self, y: Self::V, c: &Coefficients) -> Self::V {
        y.map(|y| c.grey(y))
    }

    #[inline(always)]
    fn colour(self, y: Self::V, u: Self::V, v: Self::V, c: &Coefficients) -> [Self::V; 3] {
        let mut rgb = [[0; LANES]; 3];
        for i in 0..LANES {
            let pixel = c.rgb(y[i], u[i / 2], v[i / 2]);
            for (lanes, value) in rgb.iter_mut().zip(pixel) {
                lanes[i] = value;
            }
        }
        rgb
    }

    #[inline(always)]
    fn store_rgb(self, [r, g, b]: [Self::V; 3], to: &mut [u8; 3 * LANES]) {
        for (i, pixel) in to.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [r[i], g[i], b[i]];
        }
    }
}

#[inline(always)]
fn lanes(f: impl Fn(usize) -> u8) -> [u8; LANES] {
    std::array::from_fn(f)
}

/// Byte `i` of `a` with `b` behind it.
#[inline(always)]
fn both(a: &[u8; LANES], b: &[u8; LANES], i: usize) -> u8 {
    if i < LANES { a[i] } else { b[i - LANES] }
}

#[inline(always)]
fn word(a: &[u8; LANES], b: &[u8; LANES], i: usize) -> u16 {
    u16::from_le_bytes([both(a, b, 2 * i), both(a, b, 2 * i + 1)])
}
