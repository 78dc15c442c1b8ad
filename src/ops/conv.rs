//! Convolutions of 1 × row × column × channel.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{Conv, ConvShape, Isa};

use super::stages::{Stage, costs, described, macs, run, width_after};
use super::tensors::{all_values, ensure_f32, filled, values};
use super::threads::{for_each_chunk, share, with_threads};

/// A convolution whose weights needn't be constant. Inputs: the image; the weight, output × input ×
/// row × column, with a single input where `depthwise`; the bias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConvNode {
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) depthwise: bool,
}

impl ConvNode {
    /// Its shape for a weight of `sides`.
    pub(super) fn shape(&self, sides: &[usize]) -> TractResult<ConvShape> {
        let &[outputs, group, kernel, columns] = sides else {
            bail!("the weight of a convolution has {} axes, not 4", sides.len())
        };
        ensure!(
            kernel == columns
                && sides.iter().all(|&side| side > 0)
                && self.padding < kernel
                && (!self.depthwise || group == 1),
            "a weight of {sides:?} doesn't fit {self:?}"
        );
        let inputs = if self.depthwise { outputs } else { group };
        Ok(ConvShape { inputs, outputs, kernel, stride: self.stride, padding: self.padding })
    }

    pub(super) fn packed(&self, weight: &Tensor, bias: &Tensor) -> TractResult<PackedConv> {
        let shape = self.shape(weight.shape())?;
        let (weight, bias) = (values(weight)?, values(bias)?);
        let conv = Conv::new(Isa::chosen()?, shape, self.depthwise, weight, bias);
        Ok(PackedConv { before: vec![], conv: Arc::new(conv), after: vec![] })
    }
}

impl Op for ConvNode {
    fn name(&self) -> StaticName {
        "ChannelsLastConv".into()
    }

    op_as_typed_op!();
}

impl EvalOp for ConvNode {
    op_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let [x, weight, bias] = [0, 1, 2].map(|input| inputs[input].clone());
        self.packed(&weight, &bias)?.eval(context, tvec![x])
    }
}

impl TypedOp for ConvNode {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure_f32("ChannelsLastConv", inputs)?;
        let concrete =
            |index: usize| inputs[index].shape.as_concrete().context("sizes of a convolution vary");
        let shape = self.shape(concrete(1)?)?;
        ensure!(
            inputs[2].shape.volume() == shape.outputs.to_dim(),
            "the bias of a convolution has {:?} values for {} outputs",
            inputs[2].shape,
            shape.outputs
        );
        Ok(tvec!(f32::fact(output_shape(shape, concrete(0)?)?)))
    }

    as_op!();
}

/// About how many bytes of rows under the kernel are held at a time: they stay in the second cache.
const HELD_BYTES: usize = 256 * 1024;

/// The fewest columns of the output that are worked on together.
const MIN_COLUMNS: usize = 16;

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

/// Rows, columns and channels of what `conv` makes of an image of `shape`.
fn output_shape(conv: ConvShape, shape: &[usize]) -> TractResult<[usize; 4]> {
    let &[1, height, width, channels] = shape else {
        bail!("a convolution takes 1 × row × column × channel, not {shape:?}")
    };
    ensure!(
        channels == conv.inputs,
        "the convolution takes {} channels, not {channels}",
        conv.inputs
    );
    let [height, width] = [height, width].map(|side| conv.output_side(side));
    let (Some(height), Some(width)) = (height, width) else {
        bail!("the convolution doesn't fit into {shape:?}")
    };
    Ok([1, height, width, conv.outputs])
}

impl PackedConv {
    /// The output's shape for an input of `shape`.
    fn output_shape(&self, shape: &[usize]) -> TractResult<[usize; 4]> {
        let mut inner = shape.to_vec();
        if let Some(channels) = inner.last_mut() {
            *channels = width_after(&self.before, *channels)?;
        }
        let [one, height, width, channels] = output_shape(self.conv.shape(), &inner)?;
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
        let ConvShape { inputs, outputs, kernel, stride, padding } = self.op.conv.shape();
        let (before, after) = (&self.op.before, &self.op.after);
        let channels = width_after(after, outputs).unwrap_or(outputs);
        let rows = out.len().checked_div(self.columns * channels).unwrap_or(0);
        let most = HELD_BYTES / (kernel * inputs * size_of::<f32>());
        let tile = if before.is_empty() { self.columns } else { most.max(MIN_COLUMNS) };
        for left in (0..self.columns).step_by(tile.max(1)) {
            let columns = tile.min(self.columns - left);
            let mut held = (!before.is_empty()).then(|| Held::new(self, left, columns));
            let mut convolved = vec![0.0; if after.is_empty() { 0 } else { columns * outputs }];
            for row in 0..rows {
                let top = (first + row) * stride;
                let out = &mut out[(row * self.columns + left) * channels..][..columns * channels];
                let made = if after.is_empty() { &mut *out } else { &mut convolved[..] };
                // Rows that are held have the padding beside the image, those of the input don't.
                let (seen, beside): (Vec<_>, _) = match &mut held {
                    None => ((top..top + kernel).map(|at| self.row(at)).collect(), padding),
                    Some(held) => {
                        (top..top + kernel).for_each(|at| held.make(self, at));
                        ((top..top + kernel).map(|at| held.row(self, at)).collect(), 0)
                    }
                };
                self.op.conv.row(&seen, beside, made);
                if !after.is_empty() {
                    let at = (first + row) * self.columns + left;
                    run(after, self.isa, columns, &convolved, (self.others, at), out);
                }
            }
        }
    }

    /// A row of the first input, counted with the padding above it; `None` outside the image.
    fn row(&self, row: usize) -> Option<&[f32]> {
        let row = row.checked_sub(self.op.conv.shape().padding)?;
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
        let ConvShape { inputs, kernel, stride, padding, .. } = image.op.conv.shape();
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
        let inputs = image.op.conv.shape().inputs;
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
        ensure_f32("Conv", inputs)?;
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
