//! Weights of a graph stored as f16 and int8.

use std::collections::{BTreeSet, HashMap};

use half::f16;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::plain::Plain;
use super::rounding::{Int8, Rounded};
use crate::onnx::layers::Linear;
use crate::onnx::nodes::{f32_values, initializer, integer, node};
use crate::ops::{DEPTHWISE_CONV, DOMAIN, QUANTIZED_LINEAR, opset};

/// Smaller tensors stay f32: f16 would save nothing.
const MIN_F16_ELEMENTS: usize = 1024;

/// What is put behind the name of a weight that is stored as int8.
pub(super) const INT8: &str = ".int8";

/// Stores the matrices and convolutions of `model` that are f32 as f16, which a `Cast` brings back.
/// Those with values beyond f16 stay.
pub(super) fn f16(model: &mut pb::ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    let weighted = ["MatMul", "Gemm", "Conv", "ConvTranspose", DEPTHWISE_CONV];
    let weights: BTreeSet<String> = graph
        .node
        .iter()
        .filter(|node| weighted.contains(&&*node.op_type))
        .filter_map(|node| node.input.get(1).cloned())
        .collect();
    let mut casts = Vec::new();
    for tensor in graph.initializer.iter_mut().filter(|tensor| weights.contains(&tensor.name)) {
        let Some(values) = f32_values(tensor) else { continue };
        let halves: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
        if values.len() < MIN_F16_ELEMENTS || !halves.iter().all(|half| half.is_finite()) {
            continue;
        }
        let key = std::mem::take(&mut tensor.name);
        let bytes = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        *tensor = initializer(format!("{key}.f16"), DataType::Float16, &tensor.dims, bytes);
        casts.push(node(
            "Cast",
            &[&tensor.name],
            &key,
            vec![integer("to", DataType::Float as i64)],
        ));
    }
    graph.node.splice(0..0, casts);
}

/// Stores `layers` of `model` as int8: symmetric, with a scale per output channel, as
/// `rounded` has them or to the nearest. In their place
/// come [`QUANTIZED_LINEAR`] or, where `plain`, the standard operators that do the same. `on_layer`
/// is told how many are done.
pub(super) fn int8(
    model: &mut pb::ModelProto,
    layers: &[Linear],
    rounded: &Rounded,
    plain: bool,
    on_layer: &mut dyn FnMut(u64),
) {
    let Some(graph) = &mut model.graph else { return };
    let mut replacements: HashMap<usize, Vec<pb::NodeProto>> = HashMap::new();
    let mut quantizer = Plain::default();
    for (done, layer) in layers.iter().enumerate() {
        let [inputs, outputs] = *graph.initializer[layer.weight].dims.as_slice() else { continue };
        let Some(values) = f32_values(&graph.initializer[layer.weight]) else { continue };
        let Int8 { weight, scale } = rounded.get(layer, &values, outputs as usize);
        let key = graph.initializer[layer.weight].name.clone();
        let dims = [inputs, outputs];
        let weight = weight.iter().map(|&value| value as u8).collect();
        let weight = initializer(format!("{key}{INT8}"), DataType::Int8, &dims, weight);
        let scale = scale.iter().flat_map(|value| value.to_le_bytes()).collect();
        let scale = initializer(format!("{key}.scale"), DataType::Float, &[outputs], scale);

        let product = &graph.node[layer.product];
        let (x, output) = (&product.input[0], &graph.node[layer.last()].output[0]);
        let bias = layer.bias.map(|(_, bias)| &*graph.initializer[bias].name);
        let nodes = if plain {
            quantizer.nodes(x, [&weight.name, &scale.name], bias, output)
        } else {
            let inputs: Vec<&str> =
                [x, &weight.name, &scale.name].into_iter().map(|n| &**n).chain(bias).collect();
            let domain = DOMAIN.to_owned();
            vec![pb::NodeProto { domain, ..node(QUANTIZED_LINEAR, &inputs, output, vec![]) }]
        };
        if let Some((add, _)) = layer.bias {
            replacements.insert(layer.product, vec![]);
            replacements.insert(add, nodes);
        } else {
            replacements.insert(layer.product, nodes);
        }
        graph.initializer[layer.weight] = weight;
        graph.initializer.push(scale);
        on_layer(done as u64 + 1);
    }
    if plain {
        graph.initializer.extend(Plain::constants());
    } else if !model.opset_import.contains(&opset()) {
        model.opset_import.push(opset());
    }
    let nodes = std::mem::take(&mut graph.node).into_iter().enumerate();
    graph.node = nodes
        .flat_map(|(index, node)| replacements.remove(&index).unwrap_or_else(|| vec![node]))
        .collect();
}
