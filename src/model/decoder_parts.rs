//! The parts of a decoder: what depends on the image alone is computed once per image and not with each
//! prompt, and masks are computed where their predicted IoU is good enough.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

/// Cuts `model` in two: what its first input alone decides, and the rest. The first part gives what
/// the rest takes behind its other inputs.
pub(super) fn split(model: &TypedModel) -> TractResult<[TypedModel; 2]> {
    let image = *model.inputs.first().context("a network without inputs")?;
    cut(model, &of_image(model, image)?, &[])
}

/// Cuts `model` in two: what its last output needs, and the rest, which gives all outputs. The first
/// part takes all inputs, and gives that output, then what the rest takes.
pub(super) fn split_last_output(model: &TypedModel) -> TractResult<[TypedModel; 2]> {
    let last = *model.outputs.last().context("a network without outputs")?;
    let mut needed = vec![false; model.nodes().len()];
    let mut waiting: Vec<usize> = model.inputs.iter().map(|input| input.node).collect();
    waiting.push(last.node);
    while let Some(id) = waiting.pop() {
        if !std::mem::replace(&mut needed[id], true) {
            waiting.extend(model.node(id).inputs.iter().map(|input| input.node));
        }
    }
    cut(model, &needed, &[last])
}

/// The nodes that are `of_first`, and the others. The first part takes those inputs that are of it,
/// and gives `wanted`, then what else the others take of it; those take the other inputs, then all
/// that the first gives. Constants are in both.
fn cut(model: &TypedModel, of_first: &[bool], wanted: &[OutletId]) -> TractResult<[TypedModel; 2]> {
    let mut cut: Vec<OutletId> = wanted.to_vec();
    let used = model.nodes().iter().filter(|node| !of_first[node.id]).flat_map(|node| &node.inputs);
    for outlet in used.chain(&model.outputs) {
        let is_constant = model.outlet_fact(*outlet)?.konst.is_some();
        if of_first[outlet.node] && !is_constant && !cut.contains(outlet) {
            cut.push(*outlet);
        }
    }
    let (of_it, others): (Vec<_>, Vec<_>) =
        model.inputs.iter().partition(|input| of_first[input.node]);
    let mut first = model.clone();
    first.select_output_outlets(&cut)?;
    first.set_input_outlets(&of_it)?;
    first.compact()?;

    let mut rest = model.clone();
    let mut inputs = others;
    let mut outputs = model.outputs.clone();
    for (index, outlet) in cut.iter().enumerate() {
        let fact = model.outlet_fact(*outlet)?.without_value();
        let source = rest.add_source(format!("of_first.{index}"), fact)?;
        for inlet in model.outlet_successors(*outlet) {
            if !of_first[inlet.node] {
                rest.add_edge(source, *inlet)?;
            }
        }
        outputs.iter_mut().filter(|output| *output == outlet).for_each(|output| *output = source);
        inputs.push(source);
    }
    rest.select_output_outlets(&outputs)?;
    rest.set_input_outlets(&inputs)?;
    rest.compact()?;
    Ok([first, rest])
}

/// For each node, whether `image` and constants alone decide it.
fn of_image(model: &TypedModel, image: OutletId) -> TractResult<Vec<bool>> {
    let mut of_image = vec![false; model.nodes().len()];
    of_image[image.node] = true;
    for id in model.eval_order()? {
        let inputs = &model.node(id).inputs;
        let known = |input: &OutletId| {
            of_image[input.node] || model.outlet_fact(*input).is_ok_and(|fact| fact.konst.is_some())
        };
        if inputs.iter().all(known) && inputs.iter().any(|input| of_image[input.node]) {
            of_image[id] = true;
        }
    }
    Ok(of_image)
}

#[cfg(test)]
mod tests {
    use tract_onnx::tract_core::ops::math::{add, mul};

    use super::*;

    /// image · 2 + image is of the image alone; the prompt is added to it.
    fn model() -> TractResult<TypedModel> {
        let mut model = TypedModel::default();
        let image = model.add_source("image", f32::fact([2]))?;
        let prompt = model.add_source("prompt", f32::fact([2]))?;
        let two = model.add_const("two", tensor1(&[2f32]))?;
        let twice = model.wire_node("twice", mul(), &[image, two])?[0];
        let thrice = model.wire_node("thrice", add(), &[twice, image])?[0];
        let sum = model.wire_node("sum", add(), &[thrice, prompt])?[0];
        let all = model.wire_node("all", add(), &[sum, image])?[0];
        model.select_output_outlets(&[all])?;
        Ok(model)
    }

    #[test]
    fn both_parts_give_what_the_whole_does() -> TractResult<()> {
        let model = model()?;
        let [first, rest] = split(&model)?;
        assert_eq!((first.outputs.len(), rest.inputs.len()), (2, 3));
        let [image, prompt] = [[1f32, 2.0], [10.0, 20.0]].map(|x| tensor1(&x).into_tvalue());
        let whole = model.into_runnable()?.run(tvec![image.clone(), prompt.clone()])?;
        let mut inputs = tvec![prompt];
        inputs.extend(first.into_runnable()?.run(tvec![image])?);
        let parts = rest.into_runnable()?.run(inputs)?;
        assert_eq!(parts, whole);
        assert_eq!(*parts[0], tensor1(&[14f32, 28.0]));
        Ok(())
    }

    /// The second output is the prompt twice; the first has the image in it too.
    #[test]
    fn the_last_output_is_had_without_the_others() -> TractResult<()> {
        let mut model = model()?;
        let prompt = model.inputs[1];
        let factor = model.add_const("factor", tensor1(&[2f32]))?;
        let last = model.wire_node("last", mul(), &[prompt, factor])?[0];
        let masks = model.outputs[0];
        let first = model.wire_node("masks", mul(), &[masks, factor])?[0];
        let first = model.wire_node("more", add(), &[first, last])?[0];
        model.select_output_outlets(&[first, last])?;
        let [scores, masks] = split_last_output(&model)?;
        // The last output, and both inputs for what comes later; no constant.
        assert_eq!((scores.outputs.len(), masks.inputs.len()), (3, 3));
        assert!(scores.nodes().len() < masks.nodes().len());
        let inputs = [[1f32, 2.0], [10.0, 20.0]].map(|x| tensor1(&x).into_tvalue());
        let whole = model.into_runnable()?.run(inputs.clone().into_iter().collect())?;
        let between = scores.into_runnable()?.run(inputs.into_iter().collect())?;
        assert_eq!(between[0], whole[1]);
        assert_eq!(masks.into_runnable()?.run(between)?, whole);
        Ok(())
    }
}
