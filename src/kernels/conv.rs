//! Convolutions of images whose channels lie together: row × column × channel.

#[cfg(test)]
mod tests;

use std::fmt;

use super::gemm::{Rows, Start, multiply, pack, padded};
use super::isa::Isa;
use super::simd::{LANES, Simd, Task};

/// Pixels whose neighbourhoods are gathered at a time: they stay in the second cache.
const GATHERED: usize = 24;

/// The geometry of a convolution with a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Channels of the input.
    pub(crate) inputs: usize,
    /// Channels of the output.
    pub(crate) outputs: usize,
    /// Pixels per side of the kernel.
    pub(crate) kernel: usize,
    /// Pixels from one place of the kernel to the next.
    pub(crate) stride: usize,
    /// Zeros around the image.
    pub(crate) padding: usize,
}

impl ConvShape {
    /// Pixels along a side of the output, for `side` of the input; `None` where the kernel doesn't
    /// fit.
    pub(crate) fn output_side(self, side: usize) -> Option<usize> {
        let last = (side + 2 * self.padding).checked_sub(self.kernel)?;
        Some(last / self.stride + 1)
    }
}

/// A convolution, packed.
///
/// Sums begin with the bias and go through the kernel row by row, then through the channels, by
/// fused multiply-adds: the same bits on every instruction set.
pub(crate) struct Conv {
    isa: Isa,
    shape: ConvShape,
    kernel: Kernel,
    /// Padded to whole vectors.
    bias: Vec<f32>,
}

enum Kernel {
    /// Each channel by itself: place × channel, channels padded to whole vectors.
    Depthwise(Vec<f32>),
    /// All channels: panels of (place × input) × output.
    Dense(Vec<f32>),
}

impl Conv {
    /// Packs `weight`: output × input × row × column of the kernel, where `depthwise` with a single
    /// input per output; and `bias`, one value per output.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit the shape, or there are no channels.
    pub(crate) fn new(
        isa: Isa,
        shape: ConvShape,
        depthwise: bool,
        weight: &[f32],
        bias: &[f32],
    ) -> Self {
        let ConvShape { inputs, outputs, kernel, .. } = shape;
        let places = kernel * kernel;
        let group = if depthwise { 1 } else { inputs };
        assert!(weight.len() == outputs * group * places && bias.len() == outputs);
        assert!(inputs > 0 && outputs > 0 && kernel > 0);
        let kernel = if depthwise {
            let stride = padded(outputs);
            let mut turned = vec![0.0; places * stride];
            for (channel, weight) in weight.chunks_exact(places).enumerate() {
                for (place, weight) in weight.iter().enumerate() {
                    turned[place * stride + channel] = *weight;
                }
            }
            Kernel::Depthwise(turned)
        } else {
            let weight =
                |k: usize, n: usize| weight[(n * inputs + k % inputs) * places + k / inputs];
            Kernel::Dense(pack(places * inputs, outputs, weight))
        };
        let mut bias = bias.to_vec();
        bias.resize(padded(outputs), 0.0);
        Self { isa, shape, kernel, bias }
    }

    /// What it is.
    pub(crate) fn shape(&self) -> ConvShape {
        self.shape
    }

    /// Multiplications per pixel of the output.
    pub(crate) fn macs_per_pixel(&self) -> usize {
        let ConvShape { inputs, outputs, kernel, .. } = self.shape;
        let group = if matches!(self.kernel, Kernel::Depthwise(_)) { 1 } else { inputs };
        kernel * kernel * group * outputs
    }

    /// Writes a row of the output to `out`: column × channel.
    ///
    /// `rows` are the rows of the image under the kernel, from the top, column × channel; `None`
    /// outside it. Their first pixel is under place `left` of the kernel at the output's first
    /// column; what is before it, and behind their end, is zero.
    ///
    /// # Panics
    ///
    /// If there are not as many rows as the kernel has, or `out` isn't made of whole pixels.
    pub(crate) fn row(&self, rows: &[Option<&[f32]>], left: usize, out: &mut [f32]) {
        self.isa.run(Row { conv: self, rows, left, out });
    }
}

impl fmt::Debug for Conv {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.shape.fmt(f)
    }
}

struct Row<'a> {
    conv: &'a Conv,
    rows: &'a [Option<&'a [f32]>],
    left: usize,
    out: &'a mut [f32],
}

impl Task for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { conv, rows, left, out } = self;
        let ConvShape { inputs, outputs, kernel, .. } = conv.shape;
        assert!(rows.len() == kernel && out.len().is_multiple_of(outputs));
        let image = Window { shape: conv.shape, rows, left };
        match &conv.kernel {
            Kernel::Depthwise(weights) => image.depthwise(s, weights, &conv.bias, out),
            Kernel::Dense(panels) => {
                let depth = kernel * kernel * inputs;
                let mut gathered = vec![0.0; GATHERED.min(out.len() / outputs) * depth];
                for (part, out) in out.chunks_mut(GATHERED * outputs).enumerate() {
                    let count = out.len() / outputs;
                    for (pixel, to) in gathered.chunks_exact_mut(depth).take(count).enumerate() {
                        image.gather(part * GATHERED + pixel, to);
                    }
                    let a = Rows { values: &gathered, stride: depth, count };
                    let to = (out, outputs, outputs);
                    multiply(s, a, depth, panels, Start::Columns(&conv.bias), to);
                }
            }
        }
    }
}

/// What the kernel can see of the image.
struct Window<'a> {
    shape: ConvShape,
    rows: &'a [Option<&'a [f32]>],
    left: usize,
}

impl<'a> Window<'a> {
    /// The channels of the pixel under place (`row`, `column`) of the kernel at the output's column
    /// `at`; `None` outside the image.
    #[inline(always)]
    fn pixel(&self, at: usize, row: usize, column: usize) -> Option<&'a [f32]> {
        let ConvShape { inputs, stride, .. } = self.shape;
        let x = (at * stride + column).checked_sub(self.left)?;
        self.rows[row]?.get(x * inputs..(x + 1) * inputs)
    }

    /// The pixels under the kernel at the output's column `at`, zeros outside the image: place ×
    /// channel.
    #[inline(always)]
    fn gather(&self, at: usize, to: &mut [f32]) {
        let ConvShape { inputs, kernel, .. } = self.shape;
        for (place, to) in to.chunks_exact_mut(inputs).enumerate() {
            match self.pixel(at, place / kernel, place % kernel) {
                Some(pixel) => to.copy_from_slice(pixel),
                None => to.fill(0.0),
            }
        }
    }

    /// A row of the output, channel by channel.
    #[inline(always)]
    fn depthwise<S: Simd>(&self, s: S, weights: &[f32], bias: &[f32], out: &mut [f32]) {
        let ConvShape { outputs, kernel, .. } = self.shape;
        // The pixels under the kernel that are there, with their weights.
        let mut taps: Vec<(&[f32], &[f32])> = Vec::with_capacity(kernel * kernel);
        for (column, out) in out.chunks_exact_mut(outputs).enumerate() {
            taps.clear();
            for (place, weights) in weights.chunks_exact(bias.len()).enumerate() {
                if let Some(pixel) = self.pixel(column, place / kernel, place % kernel) {
                    taps.push((pixel, weights));
                }
            }
            for (vector, out) in out.chunks_mut(LANES).enumerate() {
                let first = vector * LANES;
                let mut sum = s.load_part(&bias[first..], 0.0);
                for (pixel, weights) in &taps {
                    let pixel = s.load_part(&pixel[first..], 0.0);
                    sum = s.mul_add(pixel, s.load_part(&weights[first..], 0.0), sum);
                }
                s.store_part(sum, out);
            }
        }
    }
}
