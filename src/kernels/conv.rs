//! Images whose channels lie together, row × column × channel, as a square kernel sees them: the
//! pixels under it side by side, for a linear layer to make a convolution of them, or a convolution
//! of each channel by itself.

#[cfg(test)]
mod tests;

use std::fmt;

use super::isa::Isa;
use super::simd::{LANES, Simd, Task};

/// Side of the kernels that the published encoders have.
const USUAL: usize = 3;

/// The geometry of a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Channels of the image.
    pub(crate) channels: usize,
    /// Pixels per side of the kernel.
    pub(crate) kernel: usize,
    /// Pixels from one place of the kernel to the next.
    pub(crate) stride: usize,
    /// Zeros around the image.
    pub(crate) padding: usize,
}

impl Window {
    /// Pixels along a side of the output, for `side` of the input; `None` where the kernel doesn't
    /// fit.
    pub(crate) fn output_side(self, side: usize) -> Option<usize> {
        let last = (side + 2 * self.padding).checked_sub(self.kernel)?;
        Some(last / self.stride + 1)
    }

    /// Pixels under the kernel.
    fn places(self) -> usize {
        self.kernel * self.kernel
    }
}

/// What is made of the pixels under a kernel.
pub(crate) struct Conv {
    isa: Isa,
    window: Window,
    kind: Kind,
}

enum Kind {
    /// The pixels themselves: place × channel.
    Neighbourhood,
    /// For each channel a sum, weighted by place. For each vector of channels, padded with zeros,
    /// there are the bias and the weight of each place.
    Depthwise(Vec<[f32; LANES]>),
}

impl Conv {
    /// Puts the pixels under the kernel side by side, row by row: place × channel, zeros outside
    /// the image.
    pub(crate) fn neighbourhoods(isa: Isa, window: Window) -> Self {
        Self { isa, window, kind: Kind::Neighbourhood }
    }

    /// Convolves each channel by itself, with `weight`: channel × row × column of the kernel, and
    /// `bias`, one value per channel.
    ///
    /// Sums begin with the bias and go through the kernel row by row by fused multiply-adds, leaving
    /// out what is outside the image: the same bits on every instruction set.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit the window, or there are no channels.
    pub(crate) fn depthwise(isa: Isa, window: Window, weight: &[f32], bias: &[f32]) -> Self {
        let (channels, places) = (window.channels, window.places());
        assert!(channels > 0 && places > 0);
        assert!(weight.len() == channels * places && bias.len() == channels);
        let mut packed = vec![[0.0; LANES]; channels.div_ceil(LANES) * (1 + places)];
        for channel in 0..channels {
            let (vector, lane) = (channel / LANES * (1 + places), channel % LANES);
            packed[vector][lane] = bias[channel];
            for place in 0..places {
                packed[vector + 1 + place][lane] = weight[channel * places + place];
            }
        }
        Self { isa, window, kind: Kind::Depthwise(packed) }
    }

    /// The geometry of its kernel.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// Values of each pixel of the output.
    pub(crate) fn outputs(&self) -> usize {
        match self.kind {
            Kind::Neighbourhood => self.window.places() * self.window.channels,
            Kind::Depthwise(_) => self.window.channels,
        }
    }

    /// Multiplications per pixel of the output.
    pub(crate) fn macs_per_pixel(&self) -> usize {
        match self.kind {
            Kind::Neighbourhood => 0,
            Kind::Depthwise(_) => self.window.places() * self.window.channels,
        }
    }

    /// Writes a row of the output to `out`, from its column `first` on: column × value.
    ///
    /// `rows` are the rows of the image under the kernel, from the top, column × channel; `None`
    /// outside it. Their first pixel is under place `left` of the kernel at the output's column 0;
    /// what is before it, and behind their end, is zero.
    ///
    /// # Panics
    ///
    /// If there are not as many rows as the kernel has, or `out` isn't made of whole pixels.
    pub(crate) fn row(&self, rows: &[Option<&[f32]>], left: usize, first: usize, out: &mut [f32]) {
        assert!(rows.len() == self.window.kernel && out.len().is_multiple_of(self.outputs()));
        let seen = Seen { window: self.window, rows, left, first };
        match &self.kind {
            Kind::Neighbourhood => seen.gather(out),
            Kind::Depthwise(packed) => self.isa.run(Depthwise { seen, packed, out }),
        }
    }
}

impl fmt::Debug for Conv {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Window { channels, kernel, stride, .. } = self.window;
        let what = match self.kind {
            Kind::Neighbourhood => "neighbours of",
            Kind::Depthwise(_) => "depthwise",
        };
        write!(f, "{what} {channels}, {kernel}×{kernel} every {stride}")
    }
}

/// What the kernel can see of the image.
struct Seen<'a> {
    window: Window,
    rows: &'a [Option<&'a [f32]>],
    left: usize,
    first: usize,
}

impl<'a> Seen<'a> {
    /// The columns of the image that are under the kernel's at the output's column `at`, and how
    /// many of the kernel's are before and behind them, outside.
    #[inline(always)]
    fn columns(&self, at: usize, width: usize) -> (std::ops::Range<usize>, usize) {
        let from = (self.first + at) * self.window.stride;
        let columns =
            from.saturating_sub(self.left)..(from + self.window.kernel).saturating_sub(self.left);
        let before = self.left.saturating_sub(from).min(self.window.kernel);
        let end = columns.end.min(width);
        (columns.start.min(end)..end, before)
    }

    /// The pixels under the kernel, for each column of the output: place × channel.
    fn gather(&self, out: &mut [f32]) {
        let Window { channels, kernel, .. } = self.window;
        let row_length = kernel * channels;
        for (at, out) in out.chunks_exact_mut(kernel * row_length).enumerate() {
            for (row, out) in self.rows.iter().zip(out.chunks_exact_mut(row_length)) {
                let row = row.unwrap_or_default();
                let (columns, before) = self.columns(at, row.len() / channels);
                let (zeros, out) = out.split_at_mut(before * channels);
                let (pixels, behind) = out.split_at_mut(columns.len() * channels);
                zeros.fill(0.0);
                pixels.copy_from_slice(&row[columns.start * channels..columns.end * channels]);
                behind.fill(0.0);
            }
        }
    }

    /// The channels of the pixel under place (`row`, `column`) of the kernel at the output's column
    /// `at`; `None` outside the image.
    #[inline(always)]
    fn pixel(&self, at: usize, row: usize, column: usize) -> Option<&'a [f32]> {
        let Window { channels, stride, .. } = self.window;
        let x = ((self.first + at) * stride + column).checked_sub(self.left)?;
        self.rows[row]?.get(x * channels..(x + 1) * channels)
    }

    /// The pixels under the kernel that are there at the output's column `at`, with their places.
    #[inline(always)]
    fn taps(&self, at: usize, taps: &mut Vec<(&'a [f32], usize)>) {
        let kernel = self.window.kernel;
        taps.clear();
        for place in 0..kernel * kernel {
            if let Some(pixel) = self.pixel(at, place / kernel, place % kernel) {
                taps.push((pixel, place));
            }
        }
    }

    /// The pixels under a kernel of the usual side at `columns` columns of the output from `at` on, row
    /// by row, where all of them are there.
    #[inline(always)]
    fn whole(&self, at: usize, columns: usize) -> Option<[&'a [f32]; USUAL]> {
        let Window { channels, stride, .. } = self.window;
        let x = ((self.first + at) * stride).checked_sub(self.left)?;
        let end = x + (columns - 1) * stride + USUAL;
        let mut rows: [&[f32]; USUAL] = [&[]; USUAL];
        for (to, row) in rows.iter_mut().zip(self.rows) {
            *to = (*row)?.get(x * channels..end * channels)?;
        }
        Some(rows)
    }
}

struct Depthwise<'a> {
    seen: Seen<'a>,
    packed: &'a [[f32; LANES]],
    out: &'a mut [f32],
}

impl Task for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { seen, packed, out } = self;
        let Window { channels, kernel, stride, .. } = seen.window;
        let columns = out.len() / channels;
        let mut taps = Vec::with_capacity(kernel * kernel);
        let mut at = 0;
        while at < columns {
            let out = &mut out[at * channels..];
            let mut done = (1, 0);
            if kernel == USUAL {
                if stride == 1
                    && let Some(rows) = seen.whole(at, 2)
                    && at + 2 <= columns
                {
                    done = (2, usual::<S, 2>(s, rows, channels, packed, &mut out[..2 * channels]));
                } else if let Some(rows) = seen.whole(at, 1) {
                    done = (1, usual::<S, 1>(s, rows, channels, packed, &mut out[..channels]));
                }
            }
            let (count, vectors) = done;
            if vectors * LANES < channels {
                for (column, out) in out.chunks_exact_mut(channels).take(count).enumerate() {
                    seen.taps(at + column, &mut taps);
                    any(s, &taps, packed, (out, vectors));
                }
            }
            at += count;
        }
    }
}

/// Sums the vectors of a pixel from vector `first` on, whatever is there under the kernel.
#[inline(always)]
fn any<S: Simd>(
    s: S,
    taps: &[(&[f32], usize)],
    packed: &[[f32; LANES]],
    (out, first): (&mut [f32], usize),
) {
    let weights = packed.chunks_exact(packed.len() / out.len().div_ceil(LANES));
    for (vector, (out, weights)) in out.chunks_mut(LANES).zip(weights).enumerate().skip(first) {
        let mut sum = s.load(&weights[0]);
        for &(pixel, place) in taps {
            let pixel = s.load_part(&pixel[vector * LANES..], 0.0);
            sum = s.mul_add(pixel, s.load(&weights[1 + place]), sum);
        }
        s.store_part(sum, out);
    }
}

/// Sums the whole vectors of `N` pixels side by side whose neighbours are all there, in `rows`; gives
/// how many vectors a pixel has.
#[inline(always)]
fn usual<S: Simd, const N: usize>(
    s: S,
    rows: [&[f32]; USUAL],
    channels: usize,
    packed: &[[f32; LANES]],
    out: &mut [f32],
) -> usize {
    const { assert!(N == 1 || N == 2) };
    let count = channels / LANES;
    // Without a neighbour, the last column is the one before it, and isn't used.
    let pixels: [[&[[f32; LANES]]; USUAL + 1]; USUAL] = std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let first = column.min(USUAL + N - 2) * channels;
            &rows[row][first..][..channels].as_chunks().0[..count]
        })
    });
    let weights = &packed.as_chunks::<{ 1 + USUAL * USUAL }>().0[..count];
    for vector in 0..count {
        let [bias, weights @ ..] = &weights[vector];
        let mut sums = [s.load(bias); N];
        for row in 0..USUAL {
            let mut seen = [s.load(&pixels[row][0][vector]); N];
            for column in 0..USUAL {
                // What the second sum sees now, the first sees next.
                if N == 2 {
                    seen[N - 1] = s.load(&pixels[row][column + 1][vector]);
                }
                let weight = s.load(&weights[row * USUAL + column]);
                for n in 0..N {
                    sums[n] = s.mul_add(seen[n], weight, sums[n]);
                }
                seen[0] =
                    if N == 2 { seen[N - 1] } else { s.load(&pixels[row][column + 1][vector]) };
            }
        }
        for n in 0..N {
            let out = &mut out[n * channels + vector * LANES..][..LANES];
            s.store_part(sums[n], out);
        }
    }
    count
}
