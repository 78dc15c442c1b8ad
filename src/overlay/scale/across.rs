//! Scales a row across, between neighbouring pixels: on arm64 four pixels at a time.
//!
//! Both ways give the same bytes; [`plain`] is the twin that the other is tested against.

use super::{HALF, ONE, Tap, pack, taps};

/// How a row of pixels of red, green and blue becomes one of another width.
pub(super) struct Across {
    taps: Vec<Tap>,
    #[cfg(target_arch = "aarch64")]
    quads: neon::Quads,
}

impl Across {
    /// Bytes that have to follow the row that is scaled, whatever they hold.
    pub const PADDING: usize = 64;

    /// From rows of `from` pixels, 2 or more and at most twice as many as `to`, to rows of `to`.
    pub fn new(from: u32, to: u32) -> Self {
        let taps = taps(from, to);
        #[cfg(target_arch = "aarch64")]
        let quads = neon::Quads::new(&taps);
        Self {
            taps,
            #[cfg(target_arch = "aarch64")]
            quads,
        }
    }

    /// Scales `rgb`, three bytes a pixel and [`PADDING`](Self::PADDING) more, to `row`, as `0x00RRGGBB`.
    pub fn scale(&self, rgb: &[u8], row: &mut [u32]) {
        #[cfg(target_arch = "aarch64")]
        let done = self.quads.scale(rgb, row);
        #[cfg(not(target_arch = "aarch64"))]
        let done = 0;
        plain(&self.taps[done..], rgb, &mut row[done..]);
    }
}

/// Between the two pixels of each tap.
fn plain(taps: &[Tap], rgb: &[u8], row: &mut [u32]) {
    for (pixel, tap) in row.iter_mut().zip(taps) {
        let Some(&[r0, g0, b0, r1, g1, b1]) = rgb[tap.index as usize * 3..].first_chunk() else {
            return;
        };
        let between = |first: u8, second: u8| {
            let sum = u32::from(first) * (ONE - tap.weight) + u32::from(second) * tap.weight;
            (sum + u32::from(HALF)) >> 8
        };
        *pixel = pack(between(r0, r1), between(g0, g1), between(b0, b1));
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::{
        uint8x8_t, uint16x8_t, vcombine_u8, vget_high_u8, vget_low_u8, vld1q_u8, vld1q_u8_x2,
        vld1q_u16_x2, vmlaq_u16, vqtbl2q_u8, vrshrn_n_u16, vshll_n_u8, vst1q_u8, vsubl_u8,
    };

    use super::{Across, Tap};

    /// Source bytes that a quad's pixels are taken from.
    const WINDOW: usize = 32;

    /// Four target pixels.
    struct Quad {
        /// The byte of the row where their first source pixel begins.
        base: usize,
        /// Which bytes from there on are blue, green, red and nothing of the first source pixel of each.
        bytes: [u8; 16],
        /// The share of the second source pixel, of 256, for each of these bytes.
        weights: [u16; 16],
    }

    pub(super) struct Quads {
        quads: Vec<Quad>,
        /// How long a row must be.
        needed: usize,
    }

    impl Quads {
        /// All whole fours of `taps`, which lie at most two source pixels apart: seven and so within
        /// [`WINDOW`].
        pub fn new(taps: &[Tap]) -> Self {
            let quads: Vec<Quad> = taps.as_chunks().0.iter().map(quad).collect();
            let needed = quads.iter().map(|quad| quad.base + 3 + WINDOW).max().unwrap_or(0);
            Self { quads, needed }
        }

        /// Scales as many pixels as there are fours of, and tells how many.
        pub fn scale(&self, rgb: &[u8], row: &mut [u32]) -> usize {
            assert!(self.needed <= rgb.len(), "the row's padding of {} bytes", Across::PADDING);
            let (fours, _) = row.as_chunks_mut::<4>();
            for (pixels, Quad { base, bytes, weights }) in fours.iter_mut().zip(&self.quads) {
                // SAFETY: NEON is part of arm64. Of `rgb`, which has `needed` bytes, WINDOW are read from
                // `base` and from the pixel behind it; the arrays have 16 elements, `pixels` 16 bytes.
                unsafe {
                    let from = rgb.as_ptr().add(*base);
                    let bytes = vld1q_u8(bytes.as_ptr());
                    let first = vqtbl2q_u8(vld1q_u8_x2(from), bytes);
                    let second = vqtbl2q_u8(vld1q_u8_x2(from.add(3)), bytes);
                    let weights = vld1q_u16_x2(weights.as_ptr());
                    let low = between(vget_low_u8(first), vget_low_u8(second), weights.0);
                    let high = between(vget_high_u8(first), vget_high_u8(second), weights.1);
                    vst1q_u8(pixels.as_mut_ptr().cast(), vcombine_u8(low, high));
                }
            }
            4 * self.quads.len().min(fours.len())
        }
    }

    fn quad(taps: &[Tap; 4]) -> Quad {
        let first = taps[0].index;
        let (mut bytes, mut weights) = ([u8::MAX; 16], [0; 16]);
        for (i, tap) in taps.iter().enumerate() {
            let red = (tap.index - first) as usize * 3;
            debug_assert!(red + 3 <= WINDOW, "{taps:?}");
            let red = red as u8;
            bytes[4 * i..][..3].copy_from_slice(&[red + 2, red + 1, red]);
            weights[4 * i..][..3].fill(tap.weight as u16);
        }
        Quad { base: first as usize * 3, bytes, weights }
    }

    /// What is between two times eight bytes. The difference of two may be below zero and its product too
    /// large: what is lost above comes back with the sum, which fits.
    #[inline(always)]
    fn between(first: uint8x8_t, second: uint8x8_t, weights: uint16x8_t) -> uint8x8_t {
        // SAFETY: NEON is part of arm64.
        unsafe {
            let sum = vmlaq_u16(vshll_n_u8::<8>(first), vsubl_u8(second, first), weights);
            vrshrn_n_u16::<8>(sum)
        }
    }
}

// Elsewhere there is one way alone, which is tested against its definition.
#[cfg(all(test, target_arch = "aarch64"))]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_same_bytes() {
        let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        let extreme = |i: u32| if noise(i) < 128 { 0 } else { 255 };
        for pattern in [&noise as &dyn Fn(u32) -> u8, &extreme, &|_| 255] {
            for from in [2, 3, 4, 5, 7, 8, 33, 64, 320] {
                let rgb: Vec<u8> = (0..from * 3 + Across::PADDING as u32).map(pattern).collect();
                let widths = [from / 2, from - 1, from, from + 1, 3 * from / 2, 4 * from];
                for to in widths.into_iter().filter(|to| *to > 0 && from <= 2 * to) {
                    let (mut found, mut wanted) = (vec![7; to as usize], vec![0; to as usize]);
                    let across = Across::new(from, to);
                    across.scale(&rgb, &mut found);
                    plain(&across.taps, &rgb, &mut wanted);
                    assert!(found == wanted, "{from} to {to}");
                }
            }
        }
    }
}
