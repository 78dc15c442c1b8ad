//! Rewriting graphs, ours and others', so that tokens go through as many steps as possible while
//! they are in the cache: norms, linear layers, activations and sums become the stages of
//! [`Rows`].

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::model::Rewriter;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Add, Div, Erf, Max, Mul};
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{Activation, FloatLinear, Isa};

use super::coarse;
use super::conv::{ConvNode, PackedConv};
use super::exported::attention;
use super::layer_norm::LayerNorm;
use super::rows::Rows;
use super::stages::{Stage, parts};
use super::tensors::{constant, scalar};

pub(super) type Patch = TractResult<Option<TypedModelPatch>>;

/// Puts tapseg's operators into `model`, which was just read.
pub(crate) fn fuse(model: &mut TypedModel) -> TractResult<()> {
    model.prop_consts()?;
    let rules = Rewriter::default()
        .with_rule_for("layer norm", |_: &(), model, node, _, op| layer_norm(model, node, op))
        .with_rule_for("linear layer", |_: &(), model, node, _, op| linear(model, node, op))
        .with_rule_for("convolution", |_: &(), model, node, _, op| convolution(model, node, op))
        .with_rule_for("GELU", |_: &(), model, node, _, op| gelu(model, node, op))
        .with_rule_for("ReLU", |_: &(), model, node, _, op| relu(model, node, op))
        .with_rule_for("attention", |_: &(), model, node, _, op| attention(model, node, op));
    rules.rewrite(&(), model)?;
    let rules = Rewriter::default()
        .with_rule_for("row", |_: &(), model, node, _, op| row(model, node, op))
        .with_rule_for("stages", |_: &(), model, node, _, op| extend(model, node, op));
    rules.rewrite(&(), model)?;
    let rules = Rewriter::default()
        .with_rule_for("sum before", |_: &(), model, node, _, op| sum_before(model, node, op));
    rules.rewrite(&(), model)?;
    let rules = Rewriter::default()
        .with_rule_for("bottleneck", |_: &(), model, node, _, op| bottleneck(model, node, op));
    rules.rewrite(&(), model)?;
    let rules = Rewriter::default()
        .with_rule_for("after convolution", |_: &(), model, node, _, op| after(model, node, op));
    rules.rewrite(&(), model)?;
    let rules = Rewriter::default()
        .with_rule_for("coarse rows", |_: &(), model, node, _, op| coarse::rows(model, node, op))
        .with_rule_for("coarse conv", |_: &(), model, node, _, op| coarse::conv(model, node, op))
        .with_rule_for("coarse scores", |_: &(), model, node, _, op| {
            coarse::scores(model, node, op)
        });
    rules.rewrite(&(), model)
}

/// A patch that puts `stages` in the place of the nodes up to `last`, on `inputs`.
fn rows(
    model: &TypedModel,
    (name, last): (&str, OutletId),
    stages: Vec<Stage>,
    inputs: &[OutletId],
) -> Patch {
    let mut patch = TypedModelPatch::default();
    let inputs = patch.taps(model, inputs)?;
    let output = patch.wire_node(name, Rows { stages }, &inputs)?;
    patch.shunt_outside(model, last, output[0])?;
    Ok(Some(patch))
}

fn layer_norm(model: &TypedModel, node: &TypedNode, op: &LayerNorm) -> Patch {
    let facts = model.node_input_facts(node.id)?;
    rule_if_some!(gamma = constant(facts[1]));
    rule_if_some!(beta = constant(facts[2]));
    let epsilon = f32::from_bits(op.epsilon);
    let norm = Stage::Norm { gamma: gamma.into(), beta: beta.into(), epsilon };
    rows(model, (&node.name, node.id.into()), vec![norm], &node.inputs[..1])
}

/// x · W with a constant W of inputs × outputs.
fn linear(model: &TypedModel, node: &TypedNode, op: &EinSum) -> Patch {
    let facts = model.node_input_facts(node.id)?;
    rule_if!(facts.len() == 2 && op.q_params.is_none());
    let (x, weight) = (facts[0], facts[1]);
    rule_if!(is_rows(x) && x.rank() > 1 && weight.rank() == 2);
    let leading: String = ('a'..='j').take(x.rank() - 2).collect();
    rule_if!(op.axes == format!("{leading}mk,kn->{leading}mn").parse()?);
    rule_if_some!(values = constant(weight));
    let sides = weight.shape.as_concrete().context("a constant has a shape")?;
    let (k, n) = (sides[0], sides[1]);
    let layer = FloatLinear::new(Isa::chosen()?, (k, n), |k, column| values[k * n + column]);
    let stage = Stage::Float(Arc::new(layer));
    rows(model, (&node.name, node.id.into()), vec![stage], &node.inputs[..1])
}

fn convolution(model: &TypedModel, node: &TypedNode, op: &ConvNode) -> Patch {
    let facts = model.node_input_facts(node.id)?;
    rule_if_some!(channels = facts[0].shape.last().and_then(|last| last.to_usize().ok()));
    let weights = match &facts[1..] {
        [] => None,
        further => {
            rule_if_some!(weight = &further[0].konst);
            rule_if_some!(bias = &further[1].konst);
            Some((&**weight, &**bias))
        }
    };
    let packed = op.packed(channels, weights)?;
    Ok(Some(TypedModelPatch::replace_single_op(model, node, &node.inputs[..1], packed)?))
}

/// The node that multiplies, divides or adds by `B`, as far as it has a constant of one value: that
/// value, and the other input.
fn with_scalar<B: BinMiniOp>(model: &TypedModel, node: &TypedNode) -> Option<(f32, OutletId)> {
    let op = node.op_as::<TypedBinOp>().filter(|op| op.0.is::<B>())?;
    let commutes = op.0.is_commutative();
    let value = |input: usize| scalar(model.outlet_fact(node.inputs[input]).ok()?);
    match (value(0), value(1)) {
        (None, Some(value)) => Some((value, node.inputs[0])),
        (Some(value), None) if commutes => Some((value, node.inputs[1])),
        _ => None,
    }
}

fn near(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-6
}

/// Whether `fact` is of f32 in rows of a known length.
fn is_rows(fact: &TypedFact) -> bool {
    let last = fact.shape.last().map(|last| last.to_usize());
    fact.datum_type == f32::datum_type() && matches!(last, Some(Ok(_)))
}

/// x/2 · (1 + erf(x/√2)), with the half at any place.
fn gelu(model: &TypedModel, node: &TypedNode, op: &ElementWiseOp) -> Patch {
    rule_if!(op.0.is::<Erf>());
    let scaled = model.node(node.inputs[0].node);
    let root = std::f32::consts::FRAC_1_SQRT_2;
    let by = with_scalar::<Mul>(model, scaled).filter(|(by, _)| near(*by, root));
    let by = by.or(with_scalar::<Div>(model, scaled).filter(|(by, _)| near(by.recip(), root)));
    rule_if_some!((_, x) = by);
    rule_if_some!(gate = model.single_succ(node.id)?);
    rule_if!(with_scalar::<Add>(model, gate).is_some_and(|(one, _)| near(one, 1.0)));
    rule_if_some!(product = model.single_succ(gate.id)?);
    rule_if!(product.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Mul>()));
    rule_if_some!(other = product.inputs.iter().find(|input| input.node != gate.id));
    let halves = |node: &TypedNode, of: OutletId| {
        with_scalar::<Mul>(model, node).is_some_and(|(half, x)| near(half, 0.5) && x == of)
    };
    let last = if *other == x {
        rule_if_some!(last = model.single_succ(product.id)?);
        rule_if!(halves(last, product.id.into()));
        last
    } else {
        rule_if!(halves(model.node(other.node), x));
        product
    };
    rule_if!(is_rows(model.outlet_fact(x)?));
    let stage = Stage::Activate(Activation::Gelu);
    rows(model, (&format!("{}.gelu", node.name), last.id.into()), vec![stage], &[x])
}

/// The larger of x and 0.
fn relu(model: &TypedModel, node: &TypedNode, _: &TypedBinOp) -> Patch {
    rule_if_some!((zero, x) = with_scalar::<Max>(model, node));
    rule_if!(zero == 0.0 && is_rows(model.outlet_fact(x)?));
    let stage = Stage::Activate(Activation::Relu);
    rows(model, (&node.name, node.id.into()), vec![stage], &[x])
}

/// The constant row that `node` adds to those of its other input, and that input.
fn added_row<'a>(
    model: &'a TypedModel,
    node: &TypedNode,
) -> TractResult<Option<(&'a [f32], OutletId)>> {
    rule_if!(node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Add>()));
    for (row, x) in [(0, 1), (1, 0)] {
        let (added, fact) =
            (model.outlet_fact(node.inputs[row])?, model.outlet_fact(node.inputs[x])?);
        let Some(row) = constant(added) else { continue };
        let last = added.shape.last().map(|last| last.to_usize()).transpose()?;
        let kept = model.outlet_fact(node.id.into())?.rank() == fact.rank();
        if last == Some(row.len()) && fact.shape.last() == added.shape.last() && kept {
            return Ok(Some((row, node.inputs[x])));
        }
    }
    Ok(None)
}

/// x + a constant row.
fn row(model: &TypedModel, node: &TypedNode, _: &TypedBinOp) -> Patch {
    rule_if_some!((row, x) = added_row(model, node)?);
    let fact = model.outlet_fact(x)?;
    rule_if!(is_rows(fact) && fact.rank() > 1 && row.len() > 1);
    rows(model, (&node.name, node.id.into()), vec![Stage::AddRow(row.into())], &[x])
}

/// Takes what follows in as further stages.
fn extend(model: &TypedModel, node: &TypedNode, op: &Rows) -> Patch {
    rule_if!(!model.outputs.contains(&node.id.into()));
    rule_if_some!(next = model.single_succ(node.id)?);
    let (out, mut stages) = (OutletId::from(node.id), op.stages.clone());
    let fact = model.outlet_fact(out)?;
    let mut inputs = node.inputs.clone();
    if let Some(further) = next.op_as::<Rows>() {
        rule_if!(next.inputs[0] == out);
        // What is added is counted in rows that are not split yet.
        let adds = further.stages.iter().any(|stage| matches!(stage, Stage::AddInput));
        rule_if!(parts(&stages) == 1 || !adds);
        stages.extend(further.stages.iter().cloned());
        inputs.extend(next.inputs[1..].iter().copied());
    } else if let Some(AxisOp::Reshape(at, from, to)) = next.op_as::<AxisOp>() {
        // Each row becomes several.
        rule_if!(*at + 2 == fact.rank() && from.len() == 2 && to.len() == 2);
        let (Ok(before), Ok(after)) = (from[1].to_usize(), to[1].to_usize()) else {
            return Ok(None);
        };
        rule_if!(before > 0 && after > 0 && before.is_multiple_of(after));
        stages.push(Stage::Split(before / after));
    } else {
        rule_if!(next.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Add>()));
        rule_if_some!(other = next.inputs.iter().find(|input| **input != out));
        let added = model.outlet_fact(*other)?;
        rule_if!(
            added.rank() == fact.rank()
                && added.rank() > 1
                && added.shape[1..] == fact.shape[1..]
                && (added.shape[0] == fact.shape[0] || added.shape[0] == 1.to_dim())
                && parts(&stages) == 1
                && added.datum_type == f32::datum_type()
                && added.konst.is_none()
        );
        stages.push(Stage::AddInput);
        inputs.push(*other);
    }
    rows(model, (&next.name, next.id.into()), stages, &inputs)
}

/// Takes the sum that makes the first input in, as the first stage.
fn sum_before(model: &TypedModel, node: &TypedNode, op: &Rows) -> Patch {
    let sum = model.node(node.inputs[0].node);
    rule_if!(sum.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Add>()));
    rule_if!(model.single_succ(sum.id)?.is_some() && !model.outputs.contains(&node.inputs[0]));
    let fact = model.outlet_fact(node.inputs[0])?;
    rule_if!(fact.rank() > 1);
    let [x, y] = sum.inputs[..] else { return Ok(None) };
    let shape = |outlet: OutletId| Ok::<_, TractError>(&model.outlet_fact(outlet)?.shape);
    let (x, y) = if *shape(x)? == fact.shape { (x, y) } else { (y, x) };
    let (of_x, of_y) = (shape(x)?, shape(y)?);
    rule_if!(*of_x == fact.shape && of_x[1..] == of_y[1..]);
    rule_if!(of_y[0] == of_x[0] || of_y[0] == 1.to_dim());
    let stages = [Stage::AddInput].into_iter().chain(op.stages.iter().cloned()).collect();
    let inputs: Vec<_> = [x, y].into_iter().chain(node.inputs[1..].iter().copied()).collect();
    rows(model, (&node.name, node.id.into()), stages, &inputs)
}

/// Takes what makes the input of a convolution wider into it, from the last linear layer on.
fn bottleneck(model: &TypedModel, node: &TypedNode, op: &PackedConv) -> Patch {
    rule_if!(op.before.is_empty() && node.inputs.len() == 1);
    let wide = model.node(node.inputs[0].node);
    rule_if!(model.single_succ(wide.id)?.is_some() && !model.outputs.contains(&node.inputs[0]));
    rule_if_some!(rows = wide.op_as::<Rows>());
    let widens = |stage: &Stage| match stage {
        Stage::Float(layer) => layer.inputs() < layer.outputs(),
        Stage::Int8(layer) => layer.inputs() < layer.outputs(),
        _ => false,
    };
    rule_if_some!(first = rows.stages.iter().rposition(widens));
    let (narrow, before) = rows.stages.split_at(first);
    rule_if!(!before.iter().any(|stage| matches!(stage, Stage::AddInput)));
    // Pixels are not to become more.
    rule_if!(parts(before) == 1);
    // Where it is a convolution itself, what is under its kernel is better not stored.
    let first = model.node(wide.inputs[0].node).op_as::<PackedConv>();
    rule_if!(!first.is_some_and(PackedConv::only_gathers));
    let mut patch = TypedModelPatch::default();
    let mut x = patch.taps(model, &wide.inputs)?;
    if !narrow.is_empty() {
        let narrow = Rows { stages: narrow.to_vec() };
        x = patch.wire_node(format!("{}.narrow", wide.name), narrow, &x)?;
    }
    let conv = PackedConv { before: before.to_vec(), ..op.clone() };
    let output = patch.wire_node(&node.name, conv, &x[..1])?;
    patch.shunt_outside(model, node.id.into(), output[0])?;
    Ok(Some(patch))
}

/// Takes the stages that follow a convolution into it.
fn after(model: &TypedModel, node: &TypedNode, op: &PackedConv) -> Patch {
    rule_if!(op.after.is_empty() && !model.outputs.contains(&node.id.into()));
    rule_if_some!(next = model.single_succ(node.id)?);
    rule_if_some!(rows = next.op_as::<Rows>());
    rule_if!(next.inputs[0] == node.id.into() && parts(&rows.stages) == 1);
    let mut patch = TypedModelPatch::default();
    let inputs: Vec<_> = node.inputs.iter().chain(&next.inputs[1..]).copied().collect();
    let inputs = patch.taps(model, &inputs)?;
    let conv = PackedConv { after: rows.stages.clone(), ..op.clone() };
    let output = patch.wire_node(&next.name, conv, &inputs)?;
    patch.shunt_outside(model, next.id.into(), output[0])?;
    Ok(Some(patch))
}
