//! Convolutions of 1 × row × column × channel.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{Conv, Isa, Window};

use super::stages::{Stage, costs, described, macs, run, width_after};
use super::tensors::{all_values, ensure_f32, filled, values};
use super::threads::{for_each_chunk, share, with_threads};

/// The largest side of a kernel: four times that of Segment Anything's patches.
const MAX_KERNEL: usize = 64;

/// What [`PackedConv`] does, before its weights and sizes are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConvNode {
    /// Side of the kernel under which pixels are put side by side; `None` for a convolution of each
    /// channel by itself, which has two more inputs: the weight, channel × 1 × row × column, and the
    /// bias.
    pub(super) kernel: Option<usize>,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl ConvNode {
    fn window(&self, channels: usize, weight: &[usize]) -> TractResult<Window> {
        let kernel = match (self.kernel, weight) {
            (Some(kernel), _) => kernel,
            (None, &[of, 1, rows, columns]) if of == channels && rows == columns => rows,
            _ => bail!("a weight of {weight:?} doesn't fit a convolution of {channels} channels"),
        };
        let &Self { stride, padding, .. } = self;
        ensure!(
            kernel <= MAX_KERNEL && kernel > padding && channels > 0 && stride > 0,
            "a kernel of {kernel}, which may be up to {MAX_KERNEL}, doesn't fit {self:?} of {channels} \
             channels"
        );
        Ok(Window { channels, kernel, stride, padding })
    }

    /// The convolution of an image of `channels`, with `weights` where it has any.
    pub(super) fn packed(
        &self,
        channels: usize,
        weights: Option<(&Tensor, &Tensor)>,
    ) -> TractResult<PackedConv> {
        let (isa, window) = (
            Isa::chosen()?,
            self.window(channels, weights.map_or(&[], |(weight, _)| weight.shape()))?,
        );
        let conv = match weights {
            None => Conv::neighbourhoods(isa, window),
            Some((weight, bias)) => Conv::depthwise(isa, window, values(weight)?, values(bias)?),
        };
        Ok(PackedConv { before: vec![], conv: Arc::new(conv), after: vec![] })
    }
}

impl Op for ConvNode {
    fn name(&self) -> StaticName {
        "Convolution".into()
    }

    op_as_typed_op!();
}

impl EvalOp for ConvNode {
    op_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = inputs[0].clone();
        let weights = inputs.get(1).zip(inputs.get(2)).map(|(weight, bias)| (&**weight, &**bias));
        let channels = x.shape().last().copied().unwrap_or(0);
        self.packed(channels, weights)?.eval(context, tvec![x])
    }
}

impl TypedOp for ConvNode {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure_f32("Convolution", inputs)?;
        let concrete =
            |index: usize| inputs[index].shape.as_concrete().context("sizes of a convolution vary");
        let image = concrete(0)?;
        let channels = image.last().copied().unwrap_or(0);
        let (weight, outputs) = match self.kernel {
            Some(kernel) => (&[][..], kernel.saturating_mul(kernel).saturating_mul(channels)),
            None => (concrete(1)?, channels),
        };
        let window = self.window(channels, weight)?;
        if let Some(bias) = inputs.get(2) {
            ensure!(
                bias.shape.volume() == channels.to_dim(),
                "the bias of a convolution has {:?} values for {channels} channels",
                bias.shape
            );
        }
        Ok(tvec!(f32::fact(output_shape(window, outputs, image)?)))
    }

    as_op!();
}

/// About how many bytes of rows under the kernel are held at a time: they stay in the second cache.
const HELD_BYTES: usize = 256 * 1024;

/// The fewest columns of the output that are worked on together: a multiple of the rows of all
/// kernels' tiles but one.
const MIN_COLUMNS: usize = 24;

/// A convolution, with what is done to the pixels before and after it: as rows under the kernel are
/// needed, they are made from the first input, and what comes out goes through the stages after it
/// at once. So what is in between, the widest values of an inverted bottleneck, is never stored.
///
/// Inputs are 1 × row × column × channel; the further ones are added by the stages after it.
#[derive(Clone, Debug)]
pub(super) struct PackedConv {
    pub(super) before: Vec<Stage>,
    pub(super) conv: Arc<Conv>,
    pub(super) after: Vec<Stage>,
}

impl PartialEq for PackedConv {
    fn eq(&self, _: &Self) -> bool {
        // Weights are not compared: no two nodes are one.
        false
    }
}

impl Eq for PackedConv {}

/// Rows, columns and channels of what a kernel makes of an image of `shape`, with `outputs` values for
/// each place.
fn output_shape(window: Window, outputs: usize, shape: &[usize]) -> TractResult<[usize; 4]> {
    let &[1, height, width, channels] = shape else {
        bail!("a convolution takes 1 × row × column × channel, not {shape:?}")
    };
    ensure!(
        channels == window.channels,
        "the convolution takes {} channels, not {channels}",
        window.channels
    );
    let [height, width] = [height, width].map(|side| window.output_side(side));
    let (Some(height), Some(width)) = (height, width) else {
        bail!("the convolution doesn't fit into {shape:?}")
    };
    Ok([1, height, width, outputs])
}

impl PackedConv {
    /// Whether it only puts neighbours side by side.
    pub(super) fn only_gathers(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && self.conv.macs_per_pixel() == 0
    }

    /// The output's shape for an input of `shape`.
    fn output_shape(&self, shape: &[usize]) -> TractResult<[usize; 4]> {
        let mut inner = shape.to_vec();
        if let Some(channels) = inner.last_mut() {
            *channels = width_after(&self.before, *channels)?;
        }
        let [one, height, width, channels] =
            output_shape(self.conv.window(), self.conv.outputs(), &inner)?;
        Ok([one, height, width, width_after(&self.after, channels)?])
    }

    /// Multiplications from `input` to `output` pixels.
    fn macs(&self, input: usize, output: usize) -> usize {
        let after = self.conv.macs_per_pixel() + macs(&self.after);
        (input * macs(&self.before)).saturating_add(output * after)
    }
}

impl Op for PackedConv {
    fn name(&self) -> StaticName {
        "PackedConv".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let conv = format!("{:?}", self.conv);
        Ok(vec![[described(&self.before), conv, described(&self.after)].join(" | ")])
    }

    op_as_typed_op!();
}

impl EvalOp for PackedConv {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let isa = Isa::chosen()?;
        let from = inputs[0].shape();
        let shape = self.output_shape(from)?;
        let [_, height, width, channels] = shape;
        let others = all_values(&inputs[1..])?;
        let image = Image {
            isa,
            op: self,
            x: values(&inputs[0])?,
            height: from[1],
            width: from[2],
            columns: width,
            others: &others,
        };
        filled(&shape, |out| {
            with_threads(self.macs(from[1] * from[2], height * width), |threads| {
                let rows = share(height, threads, height);
                for_each_chunk(threads, out, (rows * width * channels).max(1), |index, out| {
                    image.rows(index * rows, out);
                });
            });
            Ok(())
        })
    }
}

/// An image on its way through a convolution.
struct Image<'a> {
    isa: Isa,
    op: &'a PackedConv,
    x: &'a [f32],
    height: usize,
    width: usize,
    /// Columns of the output.
    columns: usize,
    others: &'a [&'a [f32]],
}

impl Image<'_> {
    /// Makes rows of the output, from row `first` on.
    fn rows(&self, first: usize, out: &mut [f32]) {
        let Window { channels: inputs, kernel, stride, padding } = self.op.conv.window();
        let (before, after, outputs) = (&self.op.before, &self.op.after, self.op.conv.outputs());
        let channels = width_after(after, outputs).unwrap_or(outputs);
        let rows = out.len().checked_div(self.columns * channels).unwrap_or(0);
        // What is made before the convolution, and after it, for some columns.
        let held = if before.is_empty() { 0 } else { kernel * inputs };
        let made = if after.is_empty() { 0 } else { outputs };
        let most = HELD_BYTES / (held.max(made) * size_of::<f32>()).max(1);
        let tile = most.max(MIN_COLUMNS) / MIN_COLUMNS * MIN_COLUMNS;
        for left in (0..self.columns).step_by(tile) {
            let columns = tile.min(self.columns - left);
            let mut held = (!before.is_empty()).then(|| Held::new(self, left, columns));
            let mut convolved = vec![0.0; if after.is_empty() { 0 } else { columns * outputs }];
            for row in 0..rows {
                let top = (first + row) * stride;
                let out = &mut out[(row * self.columns + left) * channels..][..columns * channels];
                let made = if after.is_empty() { &mut *out } else { &mut convolved[..] };
                // Rows that are held begin where these columns do, with the padding beside the
                // image.
                let (seen, beside, from): (Vec<_>, _, _) = match &mut held {
                    None => ((top..top + kernel).map(|at| self.row(at)).collect(), padding, left),
                    Some(held) => {
                        (top..top + kernel).for_each(|at| held.make(self, at));
                        ((top..top + kernel).map(|at| held.row(self, at)).collect(), 0, 0)
                    }
                };
                self.op.conv.row(&seen, beside, from, made);
                if !after.is_empty() {
                    let at = (first + row) * self.columns + left;
                    run(after, self.isa, columns, &convolved, (self.others, at), out);
                }
            }
        }
    }

    /// A row of the first input, counted with the padding above it; `None` outside the image.
    fn row(&self, row: usize) -> Option<&[f32]> {
        let row = row.checked_sub(self.op.conv.window().padding)?;
        let length = self.x.len() / self.height.max(1);
        self.x.get(row * length..(row + 1) * length)
    }
}

/// The rows under the kernel after the stages before it, as far as some columns need them. Rows are
/// counted with the padding above them.
struct Held {
    /// Row (modulo the kernel's) × column × channel, with zeros in columns outside the image.
    values: Vec<f32>,
    /// Which row is held in each place.
    made: Vec<Option<usize>>,
    /// The columns of the image that are there, and where the first is.
    columns: std::ops::Range<usize>,
    at: usize,
}

impl Held {
    fn new(image: &Image, left: usize, columns: usize) -> Self {
        let Window { channels: inputs, kernel, stride, padding } = image.op.conv.window();
        let (first, length) = (left * stride, (columns - 1) * stride + kernel);
        let end = (first + length).saturating_sub(padding).min(image.width);
        Self {
            values: vec![0.0; kernel * length * inputs],
            made: vec![None; kernel],
            columns: first.saturating_sub(padding).min(end)..end,
            at: padding.saturating_sub(first),
        }
    }

    fn place(&self, row: usize) -> std::ops::Range<usize> {
        let length = self.values.len() / self.made.len();
        let place = row % self.made.len();
        place * length..(place + 1) * length
    }

    /// Makes a row, unless it is held or outside the image.
    fn make(&mut self, image: &Image, row: usize) {
        let inputs = image.op.conv.window().channels;
        let place = row % self.made.len();
        let Some(x) = image.row(row) else { return };
        if self.made[place] == Some(row) || self.columns.is_empty() {
            return;
        }
        let channels = x.len() / image.width.max(1);
        let x = &x[self.columns.start * channels..self.columns.end * channels];
        let (place_of, count) = (self.place(row), self.columns.len());
        let to = &mut self.values[place_of][self.at * inputs..][..count * inputs];
        run(&image.op.before, image.isa, count, x, (&[], 0), to);
        self.made[place] = Some(row);
    }

    /// A row that was made; `None` outside the image.
    fn row(&self, image: &Image, row: usize) -> Option<&[f32]> {
        image.row(row).map(|_| &self.values[self.place(row)])
    }
}

impl TypedOp for PackedConv {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure_f32("PackedConv", inputs)?;
        let shape = inputs[0].shape.as_concrete().context("the size of the image varies")?;
        let shape = self.output_shape(shape)?;
        for other in &inputs[1..] {
            let pixels = other.shape.as_concrete().context("what is added varies")?;
            ensure!(pixels[..3] == shape[..3], "{other:?} is added to an image of {shape:?}");
        }
        Ok(tvec!(f32::fact(shape)))
    }

    fn cost(&self, inputs: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let out = self.output_facts(inputs)?.remove(0);
        let [input, output]: [TDim; 2] =
            [&inputs[0].shape, &out.shape].map(|shape| shape[..3].iter().product());
        let mut cost = costs(&self.before, input);
        cost.push((Cost::FMA(f32::datum_type()), output.clone() * self.conv.macs_per_pixel()));
        cost.extend(costs(&self.after, output));
        Ok(cost)
    }

    as_op!();
}
