//! How tapseg's operators stand in ONNX graphs, and the ones of ONNX that are read as tapseg's.
//!
//! Domain `tapseg`; all values are f32 unless said otherwise:
//!
//! | operator | inputs | attributes |
//! |---|---|---|
//! | `QuantizedLinear` | `x` … × K; `weight` int8, K × N, −127 to 127, K up to 131072; `scale` N; `bias` N, may be left out; all but `x` constant | |
//! | `CrossAttention` | `q`, `k`, `v`: batch × token × (head · channel) | `heads` |
//! | `WindowAttention` | `qkv`: image × … × 3C; `pad`: 3C; `rows` and `columns`: offset × channel, or `table`: head × position × position | `heads`, `window` |
//! | `PixelMasks` | `pixels`: batch × (cell, then pixel in it twice) × channel, four pixels each time; `kernels`: batch × mask × channel | |
//! | `DepthwiseConv` | `x`: 1 × row × column × channel; `weight`: channel × 1 × row × column; `bias` | `stride`, `padding` |
//! | `Neighbourhoods` | `x`: 1 × row × column × channel; gives 1 × row × column × (row of the kernel, column of it, channel) | `kernel`, `stride`, `padding` |
//!
//! [`PackedLinear`] tells what `QuantizedLinear` computes, [`attention`](super::attention) what
//! attention is. Where a `QuantizedLinear` makes `qkv`, or takes a GELU, [`coarse`](super::coarse) tells
//! what is done less exactly.

use std::sync::Arc;

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, OperatorSetIdProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{Isa, PackedLinear, Scores};

use super::attention::{CrossAttention, WindowAttention};
use super::conv::ConvNode;
use super::layer_norm::LayerNorm;
use super::pixel_masks::PixelMasks;
use super::rows::Rows;
use super::stages::Stage;
use super::tensors::values;

/// The domain of the operators here, in graphs.
pub(crate) const DOMAIN: &str = "tapseg";

/// A linear layer with int8 weights.
pub(crate) const QUANTIZED_LINEAR: &str = "QuantizedLinear";
/// Attention of queries to keys and values of other tokens.
pub(crate) const CROSS_ATTENTION: &str = "CrossAttention";
/// Attention of an image's tokens to each other.
pub(crate) const WINDOW_ATTENTION: &str = "WindowAttention";
/// A convolution of each channel by itself, of an image whose channels lie together.
pub(crate) const DEPTHWISE_CONV: &str = "DepthwiseConv";
/// The pixels under a kernel side by side: with a linear layer, a convolution of all channels.
pub(crate) const NEIGHBOURHOODS: &str = "Neighbourhoods";
/// Logits of masks from the pixels and the factors of each mask.
pub(crate) const PIXEL_MASKS: &str = "PixelMasks";

/// What a graph with operators of [`DOMAIN`] imports.
pub(crate) fn opset() -> OperatorSetIdProto {
    OperatorSetIdProto { domain: DOMAIN.into(), version: 1 }
}

type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

pub(super) fn register(onnx: &mut Onnx) {
    onnx.op_register.insert(QUANTIZED_LINEAR, |_, node| {
        checked(node, 3..=4, &[])?;
        Ok((expand(QuantizedLinear), vec![]))
    });
    onnx.op_register.insert(CROSS_ATTENTION, |_, node| {
        checked(node, 3..=3, &["heads"])?;
        Ok((expand(Wired(CrossAttention { heads: node.get_attr("heads")? })), vec![]))
    });
    onnx.op_register.insert(WINDOW_ATTENTION, |_, node| {
        checked(node, 3..=4, &["heads", "window"])?;
        let (heads, window) = (node.get_attr("heads")?, node.get_attr("window")?);
        let op = WindowAttention { heads, window, scale: 1f32.to_bits(), scores: Scores::Float };
        Ok((expand(Wired(op)), vec![]))
    });
    onnx.op_register.insert(DEPTHWISE_CONV, |_, node| {
        checked(node, 3..=3, &["stride", "padding"])?;
        convolution(node, None)
    });
    onnx.op_register.insert(NEIGHBOURHOODS, |_, node| {
        checked(node, 1..=1, &["kernel", "stride", "padding"])?;
        convolution(node, Some(node.get_attr("kernel")?))
    });
    onnx.op_register.insert(PIXEL_MASKS, |_, node| {
        checked(node, 2..=2, &[])?;
        Ok((expand(Wired(PixelMasks)), vec![]))
    });
    onnx.op_register.insert("LayerNormalization", layer_norm);
}

fn convolution(node: &NodeProto, kernel: Option<usize>) -> Built {
    let (stride, padding) = (node.get_attr("stride")?, node.get_attr("padding")?);
    Ok((expand(Wired(ConvNode { kernel, stride, padding })), vec![]))
}

/// The last axis alone is normalised by [`LayerNorm`], anything else by the engine.
fn layer_norm(context: &ParsingContext, node: &NodeProto) -> Built {
    let axis = node.get_attr_opt("axis")?.unwrap_or(-1i64);
    let outputs = node.output.iter().filter(|name| !name.is_empty()).count();
    if axis == -1 && node.input.len() == 3 && outputs == 1 {
        let epsilon = node.get_attr_opt("epsilon")?.unwrap_or(1e-5f32);
        return Ok((expand(Wired(LayerNorm { epsilon: epsilon.to_bits() })), vec![]));
    }
    let engine = tract_onnx::onnx();
    let build = engine.op_register.0.get("LayerNormalization").context("LayerNormalization")?;
    build(context, node)
}

/// An error unless `node` is of our domain, with as many inputs, all there, one output, and no other
/// attributes.
fn checked(
    node: &NodeProto,
    inputs: std::ops::RangeInclusive<usize>,
    attributes: &[&str],
) -> TractResult<()> {
    let NodeProto { op_type, domain, input, output, .. } = node;
    ensure!(domain == DOMAIN, "{op_type} is of domain {DOMAIN:?}, not {domain:?}");
    ensure!(
        inputs.contains(&input.len()) && input.iter().all(|name| !name.is_empty()),
        "{op_type} takes {inputs:?} inputs, but has {input:?}"
    );
    ensure!(output.len() == 1, "{op_type} has one output, not {}", output.len());
    let known = |name: &String| attributes.contains(&name.as_str());
    if let Some(other) = node.attribute.iter().find(|attribute| !known(&attribute.name)) {
        bail!("{op_type} has no attribute {:?}", other.name);
    }
    Ok(())
}

/// A node whose operator is in the graph that can run as it is read.
#[derive(Clone, Debug)]
struct Wired<O>(O);

impl<O: TypedOp + Clone + std::fmt::Debug> Expansion for Wired<O> {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.given_all(
            inputs.iter().map(|input| &input.shape),
            move |solver, shapes: Vec<TVec<TDim>>| {
                let facts: Vec<TypedFact> = shapes.into_iter().map(f32::fact).collect();
                let facts = self.0.output_facts(&facts.iter().collect::<Vec<_>>())?;
                solver.equals(&outputs[0].shape, facts[0].shape.to_tvec())
            },
        )
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.0.clone(), inputs)
    }
}

/// [`QUANTIZED_LINEAR`], before its constants are known.
#[derive(Clone, Debug)]
struct QuantizedLinear;

impl Expansion for QuantizedLinear {
    fn name(&self) -> StaticName {
        QUANTIZED_LINEAR.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        let (x, weight, y) = (&inputs[0], &inputs[1], &outputs[0]);
        solver.equals(&y.datum_type, f32::datum_type())?;
        solver.equals(&x.rank, &y.rank)?;
        solver.given_2(&x.shape, &weight.shape, move |solver, mut shape, weight| {
            ensure!(
                weight.len() == 2,
                "the weight of {QUANTIZED_LINEAR} has {} axes, not 2",
                weight.len()
            );
            let Some(last) = shape.last_mut() else { bail!("x of {QUANTIZED_LINEAR} has no axis") };
            *last = weight[1].clone();
            solver.equals(&y.shape, shape)
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let constant = |input: usize, name: &str, of: DatumType, rank: usize| {
            let fact = model.outlet_fact(inputs[input])?;
            let Some(tensor) = &fact.konst else {
                bail!("{name} of {QUANTIZED_LINEAR} isn't constant")
            };
            let found = (tensor.datum_type(), tensor.rank());
            ensure!(
                found == (of, rank),
                "{name} of {QUANTIZED_LINEAR} is {tensor:?}: not {of:?}, rank {rank}"
            );
            Ok(tensor.clone())
        };
        let weight = constant(1, "weight", i8::datum_type(), 2)?;
        let scale = constant(2, "scale", f32::datum_type(), 1)?;
        let bias = match inputs.len() {
            3 => None,
            _ => Some(constant(3, "bias", f32::datum_type(), 1)?),
        };
        let layer = PackedLinear::new(
            Isa::chosen()?,
            (weight.shape()[0], weight.shape()[1]),
            values(&weight)?,
            values(&scale)?,
            bias.as_ref().map(|bias| values(bias)).transpose()?,
        )?;
        let rows = Rows { stages: vec![Stage::Int8(Arc::new(layer))] };
        model.wire_node(prefix, rows, &inputs[..1])
    }
}
