//! Looking at what flows between the layers of a graph.

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::layers::{Linear, linear_layers};
use super::nodes::{initializer, integer, node};
use crate::ops::{QUANTIZED_LINEAR, onnx};

/// One of so many tokens is looked at.
const STRIDE: usize = 16;

/// Names and outputs of the linear layers of `model`, which is in f32.
pub(crate) fn outputs(model: &pb::ModelProto) -> Vec<(String, String)> {
    let Some(graph) = &model.graph else { return vec![] };
    let output = |layer: &Linear| graph.node[layer.last()].output[0].clone();
    linear_layers(model).into_iter().map(|layer| (layer.name.clone(), output(&layer))).collect()
}

/// How the weights of the layer with the output `output` are stored in `model`, if it has one.
pub(crate) fn weights(model: &pb::ModelProto, output: &str) -> Option<&'static str> {
    let graph = model.graph.as_ref()?;
    let mut producer = graph.node.iter().find(|node| node.output.iter().any(|o| o == output))?;
    // The nodes of a layer follow one on the other; `x · W` is the first that has a weight.
    for _ in 0..8 {
        match &*producer.op_type {
            QUANTIZED_LINEAR | "MatMulInteger" => return Some("int8"),
            "MatMul" => {
                let weight = producer.input.get(1)?;
                let stored = graph.initializer.iter().any(|tensor| {
                    tensor.name == *weight && tensor.data_type == i32::from(DataType::Float)
                });
                return Some(if stored { "f32" } else { "f16" });
            }
            _ => {
                let before = producer.input.first()?;
                producer = graph.node.iter().find(|node| node.output.contains(before))?;
            }
        }
    }
    None
}

/// Makes every [`STRIDE`]th token of `values`, which are … × channel, outputs of `model`, after
/// those that it has: token × channel.
///
/// # Errors
/// What the engine says where it can't make sense of the graph.
pub(crate) fn tap(model: &mut pb::ModelProto, values: &[&str]) -> TractResult<()> {
    let tokens = tokens(model, values)?;
    let Some(graph) = &mut model.graph else { return Ok(()) };
    for (index, (value, tokens)) in values.iter().zip(tokens).enumerate() {
        let [flat, chosen, output] =
            ["flat", "chosen", "output"].map(|part| format!("tap.{index}.{part}"));
        let numbers: Vec<i64> = (0..tokens as i64).step_by(STRIDE).collect();
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let count = [numbers.len() as i64];
        graph.initializer.push(initializer(chosen.clone(), DataType::Int64, &count, bytes));
        // Flatten counts its axis from the end: all before the channels become one.
        graph.node.push(node("Flatten", &[value], &flat, vec![integer("axis", -1)]));
        graph.node.push(node("Gather", &[&flat, &chosen], &output, vec![integer("axis", 0)]));
        graph.output.push(named(&output));
    }
    Ok(())
}

/// How many tokens each of `values` has.
fn tokens(model: &pb::ModelProto, values: &[&str]) -> TractResult<Vec<usize>> {
    let mut model = model.clone();
    if let Some(graph) = &mut model.graph {
        graph.output = values.iter().map(|value| named(value)).collect();
    }
    let model = onnx().model_for_proto_model(&model)?.into_typed()?;
    let tokens = (0..values.len()).map(|index| {
        let shape =
            model.output_fact(index)?.shape.as_concrete().context("its size varies")?.to_vec();
        Ok(shape.split_last().map_or(1, |(_, before)| before.iter().product()))
    });
    tokens.collect()
}

fn named(value: &str) -> pb::ValueInfoProto {
    pb::ValueInfoProto { name: value.to_owned(), ..Default::default() }
}
