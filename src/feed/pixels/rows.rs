//! A row of pixels in each format: sixteen at a time, and one alone, which says what is meant.

use super::colour::Coefficients;
use super::vectors::{LANES, Vectors};

/// The bytes of a row, by format.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row<'a> {
    Yuyv(&'a [u8]),
    Uyvy(&'a [u8]),
    /// Luma; U and V in turn.
    Nv12(&'a [u8], &'a [u8]),
    /// Luma; V and U in turn.
    Nv21(&'a [u8], &'a [u8]),
    /// Luma, U, V.
    Planar(&'a [u8], &'a [u8], &'a [u8]),
    Grey(&'a [u8]),
    /// Grey in two bytes, and how many of the lowest bits are left out.
    Deep(&'a [u8], u32),
    Rgb565(&'a [u8]),
    Rgb(&'a [u8]),
    Bgr(&'a [u8]),
}

impl Row<'_> {
    /// Writes the row's pixels to `out`, three bytes each: as many as it has room for.
    #[inline(always)]
    pub fn convert<S: Vectors>(self, simd: S, c: &Coefficients, out: &mut [u8]) {
        match self {
            Self::Yuyv(row) => blocks(simd, c, self, out, |x| {
                let (y, chroma) = pairs(simd, row, 2 * x);
                let (u, v) = simd.unzip(chroma, chroma);
                simd.colour(y, u, v, c)
            }),
            Self::Uyvy(row) => blocks(simd, c, self, out, |x| {
                let (chroma, y) = pairs(simd, row, 2 * x);
                let (u, v) = simd.unzip(chroma, chroma);
                simd.colour(y, u, v, c)
            }),
            Self::Nv12(luma, chroma) => blocks(simd, c, self, out, |x| {
                let chroma = simd.load(at(chroma, x));
                let (u, v) = simd.unzip(chroma, chroma);
                simd.colour(simd.load(at(luma, x)), u, v, c)
            }),
            Self::Nv21(luma, chroma) => blocks(simd, c, self, out, |x| {
                let chroma = simd.load(at(chroma, x));
                let (v, u) = simd.unzip(chroma, chroma);
                simd.colour(simd.load(at(luma, x)), u, v, c)
            }),
            Self::Planar(luma, u, v) => blocks(simd, c, self, out, |x| {
                let (u, v) = (simd.load_half(at(u, x / 2)), simd.load_half(at(v, x / 2)));
                simd.colour(simd.load(at(luma, x)), u, v, c)
            }),
            Self::Grey(row) => {
                blocks(simd, c, self, out, |x| [simd.grey(simd.load(at(row, x)), c); 3])
            }
            Self::Deep(row, bits) => blocks(simd, c, self, out, |x| {
                let (a, b) = (simd.load(at(row, 2 * x)), simd.load(at(row, 2 * x + LANES)));
                [simd.grey(simd.narrow(a, b, bits), c); 3]
            }),
            Self::Rgb565(row) => blocks(simd, c, self, out, |x| {
                let (a, b) = (simd.load(at(row, 2 * x)), simd.load(at(row, 2 * x + LANES)));
                simd.rgb565(a, b).map(|colour| simd.grey(colour, c))
            }),
            Self::Rgb(row) => {
                out.copy_from_slice(&row[..out.len()]);
                stretch(simd, c, out);
            }
            Self::Bgr(row) => {
                let (pixels, _) = row.as_chunks::<3>();
                for (out, &[b, g, r]) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                    *out = [r, g, b];
                }
                stretch(simd, c, out);
            }
        }
    }

    /// Pixel `x`.
    #[inline(always)]
    pub fn pixel(self, x: usize, c: &Coefficients) -> [u8; 3] {
        let pair = x / 2;
        let word = |row: &[u8]| u16::from_le_bytes([row[2 * x], row[2 * x + 1]]);
        match self {
            Self::Yuyv(row) => c.rgb(row[2 * x], row[4 * pair + 1], row[4 * pair + 3]),
            Self::Uyvy(row) => c.rgb(row[2 * x + 1], row[4 * pair], row[4 * pair + 2]),
            Self::Nv12(luma, chroma) => c.rgb(luma[x], chroma[2 * pair], chroma[2 * pair + 1]),
            Self::Nv21(luma, chroma) => c.rgb(luma[x], chroma[2 * pair + 1], chroma[2 * pair]),
            Self::Planar(luma, u, v) => c.rgb(luma[x], u[pair], v[pair]),
            Self::Grey(row) => [c.grey(row[x]); 3],
            Self::Deep(row, bits) => [c.grey((word(row) >> bits).min(255) as u8); 3],
            Self::Rgb565(row) => {
                let word = word(row);
                let [r, g, b] = [word >> 11, word >> 5 & 63, word & 31].map(|v| v as u8);
                [r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2].map(|colour| c.grey(colour))
            }
            Self::Rgb(row) => [row[3 * x], row[3 * x + 1], row[3 * x + 2]].map(|v| c.grey(v)),
            Self::Bgr(row) => [row[3 * x + 2], row[3 * x + 1], row[3 * x]].map(|v| c.grey(v)),
        }
    }
}

/// Writes sixteen pixels at a time as `block` gives them, and the rest one by one.
#[inline(always)]
fn blocks<S: Vectors>(
    simd: S,
    c: &Coefficients,
    row: Row,
    out: &mut [u8],
    block: impl Fn(usize) -> [S::V; 3],
) {
    let (whole, rest) = out.as_chunks_mut::<{ 3 * LANES }>();
    let done = whole.len() * LANES;
    for (i, out) in whole.iter_mut().enumerate() {
        simd.store_rgb(block(i * LANES), out);
    }
    for (i, out) in rest.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        *out = row.pixel(done + i, c);
    }
}

/// Stretches levels of a limited range to all levels, in place.
#[inline(always)]
fn stretch<S: Vectors>(simd: S, c: &Coefficients, levels: &mut [u8]) {
    if c.black == 0 {
        return;
    }
    let (whole, rest) = levels.as_chunks_mut::<LANES>();
    for levels in whole {
        simd.store(simd.grey(simd.load(levels), c), levels);
    }
    for level in rest {
        *level = c.grey(*level);
    }
}

/// Every first and every second of the 32 bytes from `from` on.
#[inline(always)]
fn pairs<S: Vectors>(simd: S, row: &[u8], from: usize) -> (S::V, S::V) {
    simd.unzip(simd.load(at(row, from)), simd.load(at(row, from + LANES)))
}

/// The bytes from `from` on.
///
/// # Panics
/// If there are too few.
#[inline(always)]
fn at<const N: usize>(row: &[u8], from: usize) -> &[u8; N] {
    match row[from..].first_chunk() {
        Some(bytes) => bytes,
        None => panic!("rows are checked before they are read"),
    }
}
