//! Rewriting what is done in f32 around int8 layers, whose steps of 1/127 hide what a coarser way
//! is off by.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{Activation, Scores};

use super::attention::WindowAttention;
use super::conv::PackedConv;
use super::fuse::Patch;
use super::rows::Rows;
use super::stages::Stage;

/// Makes each GELU that an int8 layer takes a coarse one; `then` are the stages that follow. Gives
/// whether there was any.
fn coarsen(stages: &mut [Stage], then: &[Stage]) -> bool {
    let mut any = false;
    for index in 0..stages.len() {
        let mut following = stages[index + 1..].iter().chain(then);
        let next = following.find(|stage| !matches!(stage, Stage::AddRow(_) | Stage::Activate(_)));
        if matches!(stages[index], Stage::Activate(Activation::Gelu))
            && matches!(next, Some(Stage::Int8(_)))
        {
            stages[index] = Stage::Activate(Activation::CoarseGelu);
            any = true;
        }
    }
    any
}

pub(super) fn rows(model: &TypedModel, node: &TypedNode, op: &Rows) -> Patch {
    let mut stages = op.stages.clone();
    rule_if!(coarsen(&mut stages, &[]));
    Ok(Some(TypedModelPatch::replace_single_op(model, node, &node.inputs, Rows { stages })?))
}

/// Those before a convolution, which adds and multiplies what they give, and those after it.
pub(super) fn conv(model: &TypedModel, node: &TypedNode, op: &PackedConv) -> Patch {
    let mut conv = op.clone();
    let before = coarsen(&mut conv.before, &conv.after);
    rule_if!(coarsen(&mut conv.after, &[]) || before);
    Ok(Some(TypedModelPatch::replace_single_op(model, node, &node.inputs, conv)?))
}

/// Attention whose queries, keys and values an int8 layer makes.
pub(super) fn scores(model: &TypedModel, node: &TypedNode, op: &WindowAttention) -> Patch {
    rule_if!(op.scores == Scores::Float);
    rule_if_some!(qkv = model.node(node.inputs[0].node).op_as::<Rows>());
    rule_if!(matches!(qkv.stages.last(), Some(Stage::Int8(_))));
    let op = WindowAttention { scores: Scores::Int8, ..op.clone() };
    Ok(Some(TypedModelPatch::replace_single_op(model, node, &node.inputs, op)?))
}
