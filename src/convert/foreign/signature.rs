//! What a graph takes and gives.

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};

use super::super::error::shortened;

/// More inputs or outputs than any export has; a message lists no more.
const LISTED: usize = 12;

/// A side of an input: its length, or `None` where the caller chooses.
pub(super) type Sides = Vec<Option<usize>>;

/// An input's or output's element type and sides, as far as they are declared.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub float32: bool,
    /// `None` where the rank is free as well.
    pub sides: Option<Sides>,
}

impl Declared {
    pub fn of(value: &pb::ValueInfoProto) -> Self {
        let tensor = tensor_type(value);
        Self {
            float32: tensor.is_some_and(|t| t.elem_type == DataType::Float as i32),
            sides: tensor.and_then(|t| t.shape.as_ref()).map(|s| s.dim.iter().map(side).collect()),
        }
    }
}

/// What is fed to a graph, without weights that are listed among the inputs.
pub(super) fn inputs(graph: &pb::GraphProto) -> Vec<&pb::ValueInfoProto> {
    let weight = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    graph.input.iter().filter(|input| !weight(&input.name)).collect()
}

/// All that a graph takes and gives, for a message.
pub(super) fn described(graph: &pb::GraphProto) -> String {
    let outputs: Vec<_> = graph.output.iter().collect();
    format!("takes {} and gives {}", listed(&inputs(graph)), listed(&outputs))
}

fn tensor_type(value: &pb::ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    let pb::type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    Some(tensor)
}

fn side(dimension: &Dimension) -> Option<usize> {
    match dimension.value {
        Some(dimension::Value::DimValue(length)) => usize::try_from(length).ok(),
        _ => None,
    }
}

fn listed(values: &[&pb::ValueInfoProto]) -> String {
    let one = |value: &&pb::ValueInfoProto| {
        let kind = tensor_type(value).map_or("of no type".into(), |tensor| {
            let kind = DataType::try_from(tensor.elem_type)
                .map_or("unknown", |kind| kind.as_str_name())
                .to_lowercase();
            let sides = tensor.shape.iter().flat_map(|s| &s.dim).map(|d| match &d.value {
                Some(dimension::Value::DimValue(length)) => length.to_string(),
                Some(dimension::Value::DimParam(name)) => shortened(name),
                None => "?".into(),
            });
            format!("{kind} {}", sides.collect::<Vec<_>>().join("×"))
        });
        format!("{} ({kind})", shortened(&value.name))
    };
    match values.len() {
        0 => "nothing".into(),
        n if n > LISTED => format!("{n} values"),
        _ => values.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}
