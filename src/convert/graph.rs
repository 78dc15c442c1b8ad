//! A small builder of ONNX graphs in f32 (opset 17, IR 8).
//!
//! The same calls give the same bytes: names are weight keys or counters, and nothing depends on
//! a hash order, a clock or a path.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};

use crate::ops::{DOMAIN, opset};

/// Version of the graphs built here, written into them. It changes when they do, not with the
/// program, so that the same checkpoint goes on giving the same bytes.
const BUILDER_VERSION: &str = "0.1.0";

const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// A value that flows through the graph.
#[derive(Clone, Debug)]
pub(super) struct Value(String);

/// A side of an input or output.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Fixed(usize),
    /// Chosen by the caller at each run.
    Free(&'static str),
}

/// An attribute of a node.
#[derive(Clone, Copy)]
pub(super) enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Ints(&'a [i64]),
}

impl Attribute<'_> {
    /// The element type f32, as `Cast` has it.
    pub(super) const FLOAT: Self = Self::Int(DataType::Float as i64);
}

/// A graph under construction.
pub(super) struct Graph {
    graph: pb::GraphProto,
    /// Constants made so far, so that equal ones are stored once.
    scalars: BTreeMap<u32, Value>,
    indices: BTreeMap<(Vec<usize>, Vec<i64>), Value>,
    /// Whether there are operators of tapseg's own.
    own: bool,
}

impl Graph {
    /// An empty graph.
    pub(super) fn new(name: &str) -> Self {
        Self {
            graph: pb::GraphProto { name: name.to_owned(), ..Default::default() },
            scalars: BTreeMap::new(),
            indices: BTreeMap::new(),
            own: false,
        }
    }

    /// An f32 input.
    pub(super) fn input(&mut self, name: &str, sides: &[Side]) -> Value {
        self.graph.input.push(f32_tensor(name, sides));
        Value(name.to_owned())
    }

    /// Names `value` as an f32 output.
    pub(super) fn output(&mut self, value: &Value, name: &str, sides: &[Side]) {
        self.add_node("Identity", &[value], &[], name.to_owned());
        self.graph.output.push(f32_tensor(name, sides));
    }

    /// A node with one output.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute)],
    ) -> Value {
        let output = format!("{operator}_{}", self.graph.node.len());
        self.add_node(operator, inputs, attributes, output)
    }

    /// The product of `a` and `b`, called `name`.
    pub(super) fn named_product(&mut self, a: &Value, b: &Value, name: String) -> Value {
        self.add_node("MatMul", &[a, b], &[], name)
    }

    /// A node of an operator of tapseg's own, with one output.
    pub(super) fn own_node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute)],
    ) -> Value {
        let value = self.node(operator, inputs, attributes);
        if let Some(node) = self.graph.node.last_mut() {
            node.domain = DOMAIN.to_owned();
        }
        self.own = true;
        value
    }

    fn add_node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute)],
        output: String,
    ) -> Value {
        self.graph.node.push(pb::NodeProto {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: operator.to_owned(),
            attribute: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
            ..Default::default()
        });
        Value(output)
    }

    /// A constant; a weight is called by its state dict key.
    pub(super) fn constant(&mut self, name: &str, tensor: &ArrayD<f32>) -> Value {
        let bytes = tensor.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name.to_owned(), DataType::Float, tensor.shape(), bytes)
    }

    /// A constant of small whole numbers.
    pub(super) fn bytes(&mut self, name: &str, tensor: &ArrayD<u8>) -> Value {
        let bytes = tensor.iter().copied().collect();
        self.initializer(name.to_owned(), DataType::Uint8, tensor.shape(), bytes)
    }

    /// A constant of rank 0.
    pub(super) fn scalar(&mut self, value: f32) -> Value {
        if let Some(known) = self.scalars.get(&value.to_bits()) {
            return known.clone();
        }
        let name = format!("scalar_{}", self.scalars.len());
        let bytes = value.to_le_bytes().to_vec();
        let scalar = self.initializer(name, DataType::Float, &[], bytes);
        self.scalars.insert(value.to_bits(), scalar.clone());
        scalar
    }

    /// A constant of whole numbers: shapes, axes, indices.
    pub(super) fn integers(&mut self, shape: &[usize], values: &[i64]) -> Value {
        let key = (shape.to_vec(), values.to_vec());
        if let Some(known) = self.indices.get(&key) {
            return known.clone();
        }
        let name = format!("integers_{}", self.indices.len());
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let integers = self.initializer(name, DataType::Int64, shape, bytes);
        self.indices.insert(key, integers.clone());
        integers
    }

    fn initializer(
        &mut self,
        name: String,
        data_type: DataType,
        shape: &[usize],
        raw_data: Vec<u8>,
    ) -> Value {
        self.graph.initializer.push(pb::TensorProto {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type: data_type as i32,
            name: name.clone(),
            raw_data,
            ..Default::default()
        });
        Value(name)
    }

    /// The ONNX file's content.
    pub(super) fn finish(self) -> pb::ModelProto {
        let mut opset_import =
            vec![pb::OperatorSetIdProto { domain: String::new(), version: OPSET }];
        if self.own {
            opset_import.push(opset());
        }
        pb::ModelProto {
            ir_version: IR_VERSION,
            opset_import,
            producer_name: env!("CARGO_PKG_NAME").to_owned(),
            producer_version: BUILDER_VERSION.to_owned(),
            graph: Some(self.graph),
            ..Default::default()
        }
    }
}

/// The declaration of an f32 input or output.
pub(super) fn f32_tensor(name: &str, sides: &[Side]) -> pb::ValueInfoProto {
    let dim = sides
        .iter()
        .map(|side| Dimension {
            value: Some(match *side {
                Side::Fixed(side) => dimension::Value::DimValue(side as i64),
                Side::Free(name) => dimension::Value::DimParam(name.to_owned()),
            }),
            ..Default::default()
        })
        .collect();
    let tensor = pb::type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(pb::TensorShapeProto { dim }),
    };
    pb::ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn attribute(name: &str, value: &Attribute) -> pb::AttributeProto {
    let named = pb::AttributeProto { name: name.to_owned(), ..Default::default() };
    match *value {
        Attribute::Float(f) => {
            pb::AttributeProto { r#type: AttributeType::Float as i32, f, ..named }
        }
        Attribute::Int(i) => pb::AttributeProto { r#type: AttributeType::Int as i32, i, ..named },
        Attribute::Ints(ints) => {
            pb::AttributeProto { r#type: AttributeType::Ints as i32, ints: ints.to_vec(), ..named }
        }
    }
}
