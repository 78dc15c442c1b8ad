//! Graphs of operators, run as they are and after they were put together.

mod coarse;
mod fusing;
mod quantized_linear;

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::prelude::*;

use super::*;

/// A graph from `x` (… × K) to `y` under construction.
struct Graph(pb::GraphProto);

impl Graph {
    /// Axes are numbers or names.
    fn new(x: &[&str], y_rank: usize) -> Self {
        let y = ["a", "b", "c", "d"];
        Self(pb::GraphProto {
            input: vec![float_input("x", x)],
            output: vec![float_input("y", &y[..y_rank])],
            ..Default::default()
        })
    }

    fn constant(mut self, name: &str, of: DataType, dims: &[usize], raw_data: Vec<u8>) -> Self {
        self.0.initializer.push(pb::TensorProto {
            name: name.into(),
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: of as i32,
            raw_data,
            ..Default::default()
        });
        self
    }

    fn floats(self, name: &str, dims: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Float, dims, bytes)
    }

    fn bytes(self, name: &str, dims: &[usize], values: &[i8]) -> Self {
        let bytes = values.iter().map(|&v| v as u8).collect();
        self.constant(name, DataType::Int8, dims, bytes)
    }

    /// A node of ONNX itself, or of tapseg if it is called so.
    fn node(mut self, op: &str, inputs: &[&str], output: &str, ints: &[(&str, i64)]) -> Self {
        let attribute = ints.iter().map(|&(name, i)| pb::AttributeProto {
            name: name.into(),
            r#type: pb::attribute_proto::AttributeType::Int as i32,
            i,
            ..Default::default()
        });
        self.0.node.push(pb::NodeProto {
            op_type: op.into(),
            domain: if OWN.contains(&op) { DOMAIN.into() } else { String::new() },
            name: output.into(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            attribute: attribute.collect(),
            ..Default::default()
        });
        self
    }

    fn integers(self, name: &str, values: &[i64]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len()], bytes)
    }

    fn load(&self) -> TractResult<TypedModel> {
        self.typed()?.into_decluttered()
    }

    fn typed(&self) -> TractResult<TypedModel> {
        let version =
            |domain: &str, version| pb::OperatorSetIdProto { domain: domain.into(), version };
        let model = pb::ModelProto {
            ir_version: 8,
            opset_import: vec![version("", 17), version(DOMAIN, 1)],
            graph: Some(self.0.clone()),
            ..Default::default()
        };
        crate::ops::onnx().model_for_proto_model(&model)?.into_typed()
    }

    fn refusal(self) -> String {
        format!("{:#}", self.load().expect_err("it is refused"))
    }
}

fn float_input(name: &str, axes: &[&str]) -> pb::ValueInfoProto {
    let dim = axes.iter().map(|axis| Dimension {
        value: Some(match axis.parse() {
            Ok(side) => dimension::Value::DimValue(side),
            Err(_) => dimension::Value::DimParam(axis.to_string()),
        }),
        ..Default::default()
    });
    let tensor = pb::type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(pb::TensorShapeProto { dim: dim.collect() }),
    };
    let value = Some(pb::type_proto::Value::TensorType(tensor));
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto { value, ..Default::default() }),
        ..Default::default()
    }
}

/// Numbers in [-1, 1) that repeat from run to run.
fn numbers(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed | 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

impl Graph {
    fn with_ints(mut self, name: &str, ints: &[i64]) -> Self {
        self.0.node.last_mut().unwrap().attribute.push(pb::AttributeProto {
            name: name.into(),
            r#type: pb::attribute_proto::AttributeType::Ints as i32,
            ints: ints.to_vec(),
            ..Default::default()
        });
        self
    }
}

/// Operators of tapseg's own.
const OWN: [&str; 6] = [
    CROSS_ATTENTION,
    DEPTHWISE_CONV,
    NEIGHBOURHOODS,
    PIXEL_MASKS,
    QUANTIZED_LINEAR,
    WINDOW_ATTENTION,
];

fn run(model: &TypedModel, x: &Tensor) -> Tensor {
    let plan = model.clone().into_optimized().unwrap().into_runnable().unwrap();
    plan.run(tvec!(x.clone().into_tvalue())).unwrap().remove(0).into_tensor()
}

fn tokens(shape: &[usize]) -> Tensor {
    Tensor::from_shape(shape, &numbers(5, shape.iter().product())).unwrap()
}
