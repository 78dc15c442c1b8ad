//! `LayerNorm`: each row is normalised, with scale and shift that needn't be constant. Where they
//! are, it becomes a stage of [`Rows`](super::rows::Rows).

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{Isa, layer_norm};

use super::tensors::{ensure_f32, filled, values};

/// Inputs: x, … × channel; scale and shift, a value for each channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayerNorm {
    /// The bits of what is added to the variance.
    pub(super) epsilon: u32,
}

impl Op for LayerNorm {
    fn name(&self) -> StaticName {
        "LayerNorm".into()
    }

    op_as_typed_op!();
}

impl EvalOp for LayerNorm {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let isa = Isa::chosen()?;
        let (x, scale, shift) = (values(&inputs[0])?, values(&inputs[1])?, values(&inputs[2])?);
        filled(inputs[0].shape(), |out| {
            layer_norm(isa, x, (scale, shift), f32::from_bits(self.epsilon), out);
            Ok(())
        })
    }
}

impl TypedOp for LayerNorm {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure_f32("LayerNormalization", inputs)?;
        let channels = inputs[0].shape.last().context("a value without axes is normalised")?;
        ensure!(
            inputs[1..].iter().all(|parameter| parameter.shape.volume() == *channels),
            "the scale and shift of LayerNormalization don't fit {:?}",
            inputs[0]
        );
        Ok(tvec!(f32::fact(inputs[0].shape.to_tvec())))
    }

    as_op!();
}
