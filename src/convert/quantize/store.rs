//! Weights of a graph stored as f16 and int8.

use std::collections::{BTreeSet, HashMap};

use half::f16;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;

use super::layers::Linear;
use crate::ops::{DOMAIN, QUANTIZED_LINEAR};

/// Smaller tensors stay f32: f16 would save nothing.
const MIN_F16_ELEMENTS: usize = 1024;

/// The largest int8 weight; −128 is not used, so that kernels may negate.
const LARGEST: f32 = 127.0;
/// Stands for the largest activation of a token of zeros.
const SMALLEST: f32 = 1e-30;

/// Stores the matrices and convolutions of `model` that are f32 as f16, which a `Cast` brings back.
/// Those with values beyond f16 stay.
pub(super) fn f16(model: &mut pb::ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    let weighted = ["MatMul", "Gemm", "Conv", "ConvTranspose"];
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

/// Stores `layers` of `model` as int8: symmetric, with a scale per output channel. In their place
/// come [`QUANTIZED_LINEAR`] or, where `plain`, the standard operators that do the same. `on_layer`
/// is told how many are done.
pub(super) fn int8(
    model: &mut pb::ModelProto,
    layers: &[Linear],
    plain: bool,
    on_layer: &mut dyn FnMut(u64),
) {
    let Some(graph) = &mut model.graph else { return };
    let mut replacements: HashMap<usize, Vec<pb::NodeProto>> = HashMap::new();
    let mut quantizer = Plain::default();
    for (done, layer) in layers.iter().enumerate() {
        let [inputs, outputs] = *graph.initializer[layer.weight].dims.as_slice() else { continue };
        let Some(values) = f32_values(&graph.initializer[layer.weight]) else { continue };
        let (weight, scale) = quantized(&values, outputs as usize);
        let key = graph.initializer[layer.weight].name.clone();
        let dims = [inputs, outputs];
        let weight = weight.iter().map(|&value| value as u8).collect();
        let weight = initializer(format!("{key}.int8"), DataType::Int8, &dims, weight);
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
    } else {
        let version = 1;
        model.opset_import.push(pb::OperatorSetIdProto { domain: DOMAIN.into(), version });
    }
    let nodes = std::mem::take(&mut graph.node).into_iter().enumerate();
    graph.node = nodes
        .flat_map(|(index, node)| replacements.remove(&index).unwrap_or_else(|| vec![node]))
        .collect();
}

/// A matrix of inputs × outputs as int8, and the scale of each output.
fn quantized(values: &[f32], outputs: usize) -> (Vec<i8>, Vec<f32>) {
    let mut largest = vec![0f32; outputs];
    for row in values.chunks_exact(outputs) {
        largest
            .iter_mut()
            .zip(row)
            .for_each(|(largest, value)| *largest = largest.max(value.abs()));
    }
    let scales: Vec<f32> = largest.iter().map(|largest| largest.max(SMALLEST) / LARGEST).collect();
    let rows = values.chunks_exact(outputs);
    let round = |(value, scale): (&f32, &f32)| (value / scale).round_ties_even() as i8;
    (rows.flat_map(|row| row.iter().zip(&scales).map(round)).collect(), scales)
}

/// The standard operators that do what [`QUANTIZED_LINEAR`] does.
#[derive(Default)]
struct Plain {
    /// Activations that have been quantized: the names of their whole numbers and scales.
    known: HashMap<String, [String; 2]>,
}

impl Plain {
    const SMALLEST: &str = "quantize.smallest";
    const LARGEST: &str = "quantize.largest";
    const STEP: &str = "quantize.step";

    fn constants() -> [pb::TensorProto; 3] {
        let scalar = |name: &str, value: f32| {
            initializer(name.into(), DataType::Float, &[], value.to_le_bytes().to_vec())
        };
        [
            scalar(Self::SMALLEST, SMALLEST),
            scalar(Self::LARGEST, LARGEST),
            scalar(Self::STEP, 1.0 / LARGEST),
        ]
    }

    fn nodes(
        &mut self,
        x: &str,
        [weight, scale]: [&str; 2],
        bias: Option<&str>,
        output: &str,
    ) -> Vec<pb::NodeProto> {
        let mut nodes = Vec::new();
        let mut then = |operator: &str, inputs: &[&str], attributes: Vec<pb::AttributeProto>| {
            let output = format!("{output}.{}", nodes.len());
            nodes.push(node(operator, inputs, &output, attributes));
            output
        };
        let [whole, step] = self.known.entry(x.to_owned()).or_insert_with(|| {
            let size = then("Abs", &[x], vec![]);
            let axes = vec![integers("axes", &[-1]), integer("keepdims", 1)];
            let largest = then("ReduceMax", &[&size], axes);
            let bounded = then("Max", &[&largest, Self::SMALLEST], vec![]);
            let inverse = then("Div", &[Self::LARGEST, &bounded], vec![]);
            let scaled = then("Mul", &[x, &inverse], vec![]);
            let rounded = then("Round", &[&scaled], vec![]);
            let whole = then("Cast", &[&rounded], vec![integer("to", DataType::Int8 as i64)]);
            [whole, then("Mul", &[&largest, Self::STEP], vec![])]
        });
        let sums = then("MatMulInteger", &[whole, weight], vec![]);
        let sums = then("Cast", &[&sums], vec![integer("to", DataType::Float as i64)]);
        let scaled = then("Mul", &[&sums, step], vec![]);
        let mut last = then("Mul", &[&scaled, scale], vec![]);
        if let Some(bias) = bias {
            last = then("Add", &[&last, bias], vec![]);
        }
        if let Some(node) = nodes.iter_mut().find(|node| node.output[0] == last) {
            node.output = vec![output.to_owned()];
        }
        nodes
    }
}

/// The values of an f32 tensor, wherever it keeps them.
fn f32_values(tensor: &pb::TensorProto) -> Option<Vec<f32>> {
    if tensor.data_type != i32::from(DataType::Float) {
        return None;
    }
    let elements: i64 = tensor.dims.iter().product();
    let values: Vec<f32> = match tensor.raw_data.is_empty() {
        true => tensor.float_data.clone(),
        false => tensor.raw_data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
    };
    (values.len() as i64 == elements).then_some(values)
}

pub(super) fn initializer(
    name: String,
    data_type: DataType,
    dims: &[i64],
    raw_data: Vec<u8>,
) -> pb::TensorProto {
    pb::TensorProto {
        name,
        data_type: data_type as i32,
        dims: dims.to_vec(),
        raw_data,
        ..Default::default()
    }
}

pub(super) fn node(
    operator: &str,
    inputs: &[&str],
    output: &str,
    attribute: Vec<pb::AttributeProto>,
) -> pb::NodeProto {
    pb::NodeProto {
        op_type: operator.to_owned(),
        name: output.to_owned(),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..Default::default()
    }
}

pub(super) fn integer(name: &str, i: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i,
        ..Default::default()
    }
}

fn integers(name: &str, ints: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: ints.to_vec(),
        ..Default::default()
    }
}
