//! The quantized linear layer in standard operators, for other engines.

use std::collections::HashMap;

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use crate::kernels::{LEVELS, SMALLEST};
use crate::onnx::nodes::{initializer, integer, integers, node};

/// The standard operators that do what `QuantizedLinear` does; activations that several layers take
/// are quantized once.
#[derive(Default)]
pub(super) struct Plain {
    /// Activations that have been quantized: the names of their whole numbers and scales.
    known: HashMap<String, [String; 2]>,
}

impl Plain {
    const SMALLEST: &str = "quantize.smallest";
    const LARGEST: &str = "quantize.largest";
    const STEP: &str = "quantize.step";

    /// The constants that the nodes use.
    pub(super) fn constants() -> [pb::TensorProto; 3] {
        let scalar = |name: &str, value: f32| {
            initializer(name.into(), DataType::Float, &[], value.to_le_bytes().to_vec())
        };
        [
            scalar(Self::SMALLEST, SMALLEST),
            scalar(Self::LARGEST, LEVELS),
            scalar(Self::STEP, 1.0 / LEVELS),
        ]
    }

    /// The nodes that stand for a layer: `x` times `weight` and `scale`, plus `bias`, as `output`.
    pub(super) fn nodes(
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
