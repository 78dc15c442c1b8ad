//! Attention as exporters write it: PyTorch's exports of SAM's ViT encoders, of either kind
//! (`image_encoder.py`: `Attention.forward`, `add_decomposed_rel_pos`), become
//! [`WindowAttention`].

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Slice, StridedSlice};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::{perm_to_ops, to_axis_ops_with_tf_rules};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Mul};
use tract_onnx::tract_core::ops::nn::Softmax;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::Scores;

use super::attention::WindowAttention;
use super::tensors::{constant, scalar};

/// Replaces attention with decomposed relative positions, from the rows of queries, keys and values
/// to the mixed values, where `op` is its softmax.
pub(super) fn attention(
    model: &TypedModel,
    node: &TypedNode,
    op: &Softmax,
) -> TractResult<Option<TypedModelPatch>> {
    let found = Exported::find(model, node, op)?;
    rule_if_some!(Exported { qkv, rows, columns, op, last } = found);
    let pad = vec![0f32; model.outlet_fact(qkv)?.shape[3].to_usize()?];
    let mut patch = TypedModelPatch::default();
    let mut inputs = patch.taps(model, &[qkv])?;
    for (name, values) in [("pad", pad), ("rows", rows), ("columns", columns)] {
        inputs.push(patch.add_const(format!("{}.{name}", node.name), tensor1(&values))?);
    }
    let mixed = patch.wire_node(&model.node(last.node).name, op, &inputs)?;
    patch.shunt_outside(model, last, mixed[0])?;
    Ok(Some(patch))
}

/// Attention that was found.
struct Exported {
    /// Window × row × column × 3C, all of it as one operator takes it.
    qkv: OutletId,
    rows: Vec<f32>,
    columns: Vec<f32>,
    op: WindowAttention,
    /// The mixed values: window × row × column × C.
    last: OutletId,
}

impl Exported {
    fn find(model: &TypedModel, softmax: &TypedNode, op: &Softmax) -> TractResult<Option<Self>> {
        rule_if!(model.outlet_fact(softmax.id.into())?.rank() == 3 && op.axes[..] == [2]);
        // scores + rows' biases + columns' biases, which are reshaped to five axes for it.
        rule_if_some!((sum, columns) = with_bias(model, reshaped(model, softmax.inputs[0]), 3)?);
        rule_if_some!((scores, rows) = with_bias(model, sum, 4)?);
        rule_if_some!((scaled, turned) = product(model, reshaped(model, scores), "amk,akn->amn")?);
        rule_if_some!((q_of_rows, rows) = product(model, rows, "bhwc,hkc->bhwk")?);
        rule_if_some!((q_of_columns, columns) = product(model, columns, "bhwc,wkc->bhwk")?);
        rule_if_some!(mixing = model.single_succ(softmax.id)?);
        rule_if_some!((shares, v) = product(model, mixing.id.into(), "amk,akn->amn")?);
        rule_if!(shares == softmax.id.into());
        rule_if_some!((scale, q) = factor(model, scaled)?);
        rule_if!(q == reshaped(model, q_of_rows) && q == reshaped(model, q_of_columns));
        rule_if!(matches!(op_of(model, turned), Some(AxisOp::Move(1, 2) | AxisOp::Move(2, 1))));
        let k = model.node(turned.node).inputs[0];
        let parts = [q, k, v].map(|part| third(model, part));
        let [Some((all, 0)), Some((of_k, 1)), Some((of_v, 2))] = parts else { return Ok(None) };
        rule_if!(all == of_k && all == of_v);

        // The tables are query × key × channel along each axis.
        let rows_fact = model.outlet_fact(rows)?;
        rule_if_some!(rows = toeplitz(rows_fact));
        rule_if_some!(columns = toeplitz(model.outlet_fact(columns)?));
        let (side, width) = (rows_fact.shape[0].to_usize()?, rows_fact.shape[2].to_usize()?);
        rule_if!(rows.len() == columns.len());
        rule_if_some!(packed = model.outlet_fact(all)?.shape.as_concrete());
        let [3, heads_of_all, tokens, channels] = *packed else { return Ok(None) };
        rule_if!(tokens == side * side && channels == width && width > 0);
        // Back to window × row × column × 3C, by the steps of the source alone.
        let mut qkv = all;
        while op_of(model, qkv).is_some() {
            qkv = model.node(qkv.node).inputs[0];
        }
        rule_if_some!(from = model.outlet_fact(qkv)?.shape.as_concrete());
        let [windows, height, row, wide] = *from else { return Ok(None) };
        rule_if!((height, row) == (side, side) && wide.is_multiple_of(3 * width) && windows > 0);
        let heads = wide / 3 / width;
        rule_if!(heads > 0 && heads_of_all == windows * heads);
        let split = [
            &[windows, side * side, 3, heads, width][..],
            &[3, windows * heads, side * side, width],
        ];
        rule_if!(steps(from, split, &[2, 0, 3, 1, 4])? == between(model, qkv, all));
        // And on to window × row × column × C.
        let mixed = [windows * heads, side * side, width];
        let join =
            [&[windows, heads, side, side, width][..], &[windows, side, side, heads * width]];
        let expected = steps(&mixed, join, &[0, 2, 3, 1, 4])?;
        let mut last = OutletId::from(mixing.id);
        for step in &expected {
            rule_if_some!(next = model.single_succ(last.node)?);
            rule_if!(next.op_as::<AxisOp>() == Some(step));
            last = next.id.into();
        }
        let (scale, scores) = (scale.to_bits(), Scores::Float);
        let op = WindowAttention { heads, window: side, scale, scores };
        Ok(Some(Self { qkv, rows, columns, op, last }))
    }
}

/// The change of axes that gives `outlet`.
fn op_of(model: &TypedModel, outlet: OutletId) -> Option<&AxisOp> {
    model.node(outlet.node).op_as::<AxisOp>()
}

/// What `outlet` was before it got another shape, its values in the same order.
fn reshaped(model: &TypedModel, mut outlet: OutletId) -> OutletId {
    while let Some(AxisOp::Reshape(..)) = op_of(model, outlet) {
        outlet = model.node(outlet.node).inputs[0];
    }
    outlet
}

/// The parts of a sum of two, of which the second has five axes of which the one at `axis` was added.
fn with_bias(
    model: &TypedModel,
    sum: OutletId,
    axis: usize,
) -> TractResult<Option<(OutletId, OutletId)>> {
    let node = model.node(sum.node);
    rule_if!(node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Add>()));
    rule_if!(model.outlet_fact(sum)?.rank() == 5 && node.inputs.len() == 2);
    let added =
        |outlet: &OutletId| matches!(op_of(model, *outlet), Some(AxisOp::Add(at)) if *at == axis);
    rule_if_some!(place = node.inputs.iter().position(added));
    let bias = model.node(node.inputs[place].node).inputs[0];
    Ok(Some((node.inputs[1 - place], bias)))
}

/// The factors of a product of `axes`.
fn product(
    model: &TypedModel,
    outlet: OutletId,
    axes: &str,
) -> TractResult<Option<(OutletId, OutletId)>> {
    let node = model.node(outlet.node);
    rule_if_some!(op = node.op_as::<EinSum>());
    rule_if!(op.q_params.is_none() && node.inputs.len() == 2 && op.axes == axes.parse()?);
    Ok(Some((node.inputs[0], node.inputs[1])))
}

/// A constant factor, and what is multiplied by it.
fn factor(model: &TypedModel, outlet: OutletId) -> TractResult<Option<(f32, OutletId)>> {
    let node = model.node(outlet.node);
    rule_if!(node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Mul>()));
    let [a, b] = node.inputs[..] else { return Ok(None) };
    let [by_a, by_b] = [scalar(model.outlet_fact(a)?), scalar(model.outlet_fact(b)?)];
    Ok(by_b.map(|factor| (factor, a)).or(by_a.map(|factor| (factor, b))))
}

/// What `outlet` is a part of along its first axis, and which part.
fn third(model: &TypedModel, outlet: OutletId) -> Option<(OutletId, i64)> {
    let AxisOp::Rm(0) = op_of(model, outlet)? else { return None };
    let node = model.node(model.node(outlet.node).inputs[0].node);
    if let Some(Slice { axis: 0, start, .. }) = node.op_as::<Slice>() {
        return Some((node.inputs[0], start.to_i64().ok()?));
    }
    let op = node.op_as::<StridedSlice>()?;
    let number = |input: usize| {
        let konst = model.outlet_fact(*node.inputs.get(input)?).ok()?.konst.clone()?;
        konst.cast_to_scalar::<i64>().ok()
    };
    let plain = op.begin_mask == 0
        && op.end_mask == 0
        && op.optional_axes_input.is_some_and(|input| number(input) == Some(0))
        && op.optional_steps_input.is_none_or(|input| number(input) == Some(1));
    // Its length is 1: the axis could be removed.
    plain.then_some((node.inputs[0], number(1)?))
}

/// A table of 2 · side − 1 offsets × channel, of which `fact` is the constant query × key × channel.
fn toeplitz(fact: &TypedFact) -> Option<Vec<f32>> {
    let values = constant(fact)?;
    let [side, keys, width] = *fact.shape.as_concrete()? else { return None };
    if side != keys || side == 0 {
        return None;
    }
    let at = |query: usize, key: usize| &values[(query * side + key) * width..][..width];
    let same = |query: usize, key: usize| at(query, key) == at(query + 1, key + 1);
    let shifted = (0..side - 1).all(|query| (0..side - 1).all(|key| same(query, key)));
    // From the query farthest before the key to the one farthest after it.
    let before = (1..side).rev().map(|key| at(0, key));
    let table = before.chain((0..side).map(|query| at(query, 0))).flatten().copied();
    shifted.then(|| table.collect())
}

/// The changes of axes of a reshape, a transposition and a reshape again.
fn steps(from: &[usize], to: [&[usize]; 2], order: &[usize]) -> TractResult<Vec<AxisOp>> {
    let dims = |shape: &[usize]| shape.iter().map(|side| side.to_dim()).collect::<TVec<TDim>>();
    let turned: Vec<usize> = order.iter().map(|&axis| to[0][axis]).collect();
    let mut steps = to_axis_ops_with_tf_rules(&dims(from), &dims(to[0]))?;
    steps.extend(perm_to_ops(order));
    steps.extend(to_axis_ops_with_tf_rules(&dims(&turned), &dims(to[1]))?);
    Ok(steps.into_vec())
}

/// The changes of axes from one value to another.
fn between(model: &TypedModel, from: OutletId, mut to: OutletId) -> Vec<AxisOp> {
    let mut steps = vec![];
    while let Some(op) = op_of(model, to).filter(|_| to != from) {
        steps.push(op.clone());
        to = model.node(to.node).inputs[0];
    }
    steps.reverse();
    steps
}
