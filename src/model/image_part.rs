//! What of a decoder depends on the image alone, so that it is computed once per image and not with
//! each prompt.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

/// Cuts `model` in two: what its first input alone decides, and the rest. The first part gives what
/// the rest takes behind its other inputs.
pub(super) fn split(model: &TypedModel) -> TractResult<(TypedModel, TypedModel)> {
    let (image, prompt) = model.inputs.split_first().context("a network without inputs")?;
    let of_image = of_image(model, *image)?;
    let mut cut: Vec<OutletId> = vec![];
    let used = model.nodes().iter().filter(|node| !of_image[node.id]).flat_map(|node| &node.inputs);
    for outlet in used.chain(&model.outputs) {
        if of_image[outlet.node] && !cut.contains(outlet) {
            cut.push(*outlet);
        }
    }
    let mut first = model.clone();
    first.select_output_outlets(&cut)?;
    first.set_input_outlets(&[*image])?;
    first.compact()?;

    let mut rest = model.clone();
    let mut inputs = prompt.to_vec();
    let mut outputs = model.outputs.clone();
    for (index, outlet) in cut.iter().enumerate() {
        let fact = model.outlet_fact(*outlet)?.without_value();
        let source = rest.add_source(format!("of_image.{index}"), fact)?;
        for inlet in model.outlet_successors(*outlet) {
            if !of_image[inlet.node] {
                rest.add_edge(source, *inlet)?;
            }
        }
        outputs.iter_mut().filter(|output| *output == outlet).for_each(|output| *output = source);
        inputs.push(source);
    }
    rest.select_output_outlets(&outputs)?;
    rest.set_input_outlets(&inputs)?;
    rest.compact()?;
    Ok((first, rest))
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
        let (first, rest) = split(&model)?;
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
}
