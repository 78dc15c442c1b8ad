//! `QuantizedLinear`: a linear layer with int8 weights and activations quantized per token.
//!
//! | input | type | shape | |
//! |---|---|---|---|
//! | `x` | f32 | … × K | tokens |
//! | `weight` | int8 | K × N | constant, -127 to 127; K up to 131072 |
//! | `scale` | f32 | N | constant |
//! | `bias` | f32 | N | constant; may be left out |
//!
//! The output is f32, … × N. [`PackedLinear`] tells what is computed.

use std::sync::Arc;

use rayon::prelude::*;
use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::multithread::{Executor, current_tract_executor};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{Isa, PackedLinear};

use super::DOMAIN;

/// The operator's name in graphs.
pub(crate) const NAME: &str = "QuantizedLinear";

/// Layers with fewer multiplications are not worth waking threads for.
const MIN_THREADED_MACS: usize = 1 << 20;

/// How many shares of the rows there are for each thread, so that one that was held up doesn't
/// hold up the others.
const SHARES_PER_THREAD: usize = 4;

pub(super) fn register(onnx: &mut Onnx) {
    onnx.op_register.insert(NAME, build);
}

fn build(_: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    ensure!(node.domain == DOMAIN, "{NAME} is of domain {DOMAIN:?}, not {:?}", node.domain);
    ensure!(
        matches!(node.input.len(), 3 | 4) && node.input.iter().all(|name| !name.is_empty()),
        "{NAME} takes x, weight, scale and maybe bias, but has the inputs {:?}",
        node.input
    );
    ensure!(node.output.len() == 1, "{NAME} has one output, not {}", node.output.len());
    if let Some(attribute) = node.attribute.first() {
        bail!("{NAME} has no attributes, but {:?} is there", attribute.name);
    }
    Ok((expand(Node), vec![]))
}

/// The node as it is read, before its constants are known.
#[derive(Clone, Debug)]
struct Node;

impl Expansion for Node {
    fn name(&self) -> StaticName {
        NAME.into()
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
            ensure!(weight.len() == 2, "the weight of {NAME} has {} axes, not 2", weight.len());
            let Some(last) = shape.last_mut() else { bail!("x of {NAME} has no axis") };
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
            let Some(tensor) = &fact.konst else { bail!("{name} of {NAME} isn't constant") };
            let found = (tensor.datum_type(), tensor.rank());
            ensure!(found == (of, rank), "{name} of {NAME} is {tensor:?}: not {of:?}, rank {rank}");
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
        model.wire_node(prefix, QuantizedLinear { layer: Arc::new(layer) }, &inputs[..1])
    }
}

/// The elements of a tensor, row by row.
fn values<T: Datum>(tensor: &Tensor) -> TractResult<&[T]> {
    tensor.to_plain_array_view::<T>()?.to_slice().context("the tensor isn't contiguous")
}

/// The node in a graph that can run: `x` is its only input.
#[derive(Clone, Debug)]
struct QuantizedLinear {
    layer: Arc<PackedLinear>,
}

impl PartialEq for QuantizedLinear {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layer, &other.layer)
    }
}

impl Eq for QuantizedLinear {}

impl QuantizedLinear {
    /// The shape of the output for an `x` of `shape`.
    fn output_shape<D: DimLike>(&self, shape: &[D]) -> TractResult<TVec<D>> {
        let k = self.layer.inputs();
        let Some((last, leading)) = shape.split_last() else { bail!("x of {NAME} has no axis") };
        ensure!(*last == k.into(), "tokens of {NAME} are {last} long; its weight takes {k}");
        Ok(leading.iter().cloned().chain([self.layer.outputs().into()]).collect())
    }
}

impl Op for QuantizedLinear {
    fn name(&self) -> StaticName {
        NAME.into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{:?}", self.layer)])
    }

    op_as_typed_op!();
}

impl EvalOp for QuantizedLinear {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = args_1!(inputs);
        let shape = self.output_shape(x.shape())?;
        let rows = shape[..shape.len() - 1].iter().product();
        let mut y = Tensor::zero::<f32>(&shape)?;
        let mut out = y.to_plain_array_view_mut::<f32>()?;
        let out = out.as_slice_mut().context("the output isn't contiguous")?;
        apply(&self.layer, rows, values(&x)?, out);
        Ok(tvec!(y.into_tvalue()))
    }
}

impl TypedOp for QuantizedLinear {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let x = inputs[0];
        ensure!(x.datum_type == f32::datum_type(), "x of {NAME} is {:?}, not F32", x.datum_type);
        Ok(tvec!(f32::fact(self.output_shape(&x.shape)?)))
    }

    fn axes_mapping(
        &self,
        inputs: &[&TypedFact],
        outputs: &[&TypedFact],
    ) -> TractResult<AxesMapping> {
        let mut mapping = AxesMapping::disconnected(inputs, outputs)?;
        for axis in 0..inputs[0].rank() - 1 {
            mapping = mapping.linking((InOut::Out(0), axis), (InOut::In(0), axis))?;
        }
        Ok(mapping)
    }

    fn cost(&self, inputs: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let (k, n) = (self.layer.inputs(), self.layer.outputs());
        let rows: TDim = inputs[0].shape[..inputs[0].rank() - 1].iter().product();
        Ok(tvec!(
            (Cost::FMA(i8::datum_type()), rows * k * n),
            (Cost::Params(i8::datum_type()), (k * n).to_dim())
        ))
    }

    as_op!();
}

/// Applies `layer` with the threads of the engine.
fn apply(layer: &PackedLinear, rows: usize, x: &[f32], out: &mut [f32]) {
    let macs = x.len().saturating_mul(layer.outputs());
    let executor =
        if macs < MIN_THREADED_MACS { Executor::SingleThread } else { current_tract_executor() };
    let mut share_out = || {
        let shares = SHARES_PER_THREAD * rayon::current_num_threads();
        let share = rows.div_ceil(shares).next_multiple_of(layer.row_tile());
        out.par_chunks_mut(share * layer.outputs())
            .zip(x.par_chunks(share * layer.inputs()))
            .for_each(|(out, x)| layer.apply(out.len() / layer.outputs(), x, out));
    };
    match executor {
        Executor::SingleThread => layer.apply(rows, x, out),
        Executor::MultiThread(pool) => pool.install(share_out),
        Executor::RayonGlobal => share_out(),
    }
}

#[cfg(test)]
mod tests;
