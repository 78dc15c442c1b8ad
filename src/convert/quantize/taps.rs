//! Looking at what flows between the layers of a graph.

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::layers::{Linear, linear_layers};
use super::store::{initializer, node};
use crate::ops::QUANTIZED_LINEAR;

/// One of so many tokens is looked at.
const STRIDE: i64 = 16;

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
pub(crate) fn tap<'a>(model: &mut pb::ModelProto, values: impl Iterator<Item = &'a str>) {
    let Some(graph) = &mut model.graph else { return };
    let constants = [
        ("tap.start", 0),
        ("tap.end", i64::from(i32::MAX)),
        ("tap.axis", 0),
        ("tap.stride", STRIDE),
    ];
    for (name, value) in constants {
        let bytes = value.to_le_bytes().to_vec();
        graph.initializer.push(initializer(name.into(), DataType::Int64, &[1], bytes));
    }
    for (index, value) in values.enumerate() {
        let [flat, output] = [format!("tap.{index}.flat"), format!("tap.{index}")];
        // Flatten counts its axis from the end: all before the channels become one.
        let axis = vec![super::store::integer("axis", -1)];
        graph.node.push(node("Flatten", &[value], &flat, axis));
        let inputs = [&*flat, "tap.start", "tap.end", "tap.axis", "tap.stride"];
        graph.node.push(node("Slice", &inputs, &output, vec![]));
        graph.output.push(pb::ValueInfoProto { name: output, ..Default::default() });
    }
}
