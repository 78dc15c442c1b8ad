//! Pieces of ONNX graphs.

use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;

/// The values of an f32 tensor, wherever it keeps them.
pub(crate) fn f32_values(tensor: &pb::TensorProto) -> Option<Vec<f32>> {
    if tensor.data_type != i32::from(DataType::Float) {
        return None;
    }
    let elements = tensor.dims.iter().try_fold(1i64, |product, &side| product.checked_mul(side))?;
    let values: Vec<f32> = match tensor.raw_data.is_empty() {
        true => tensor.float_data.clone(),
        false => tensor.raw_data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
    };
    (values.len() as i64 == elements).then_some(values)
}

/// A constant of a graph.
pub(crate) fn initializer(
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

/// A node with one output, which it is called by.
pub(crate) fn node(
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

/// An attribute of one whole number.
pub(crate) fn integer(name: &str, i: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i,
        ..Default::default()
    }
}

/// An attribute of whole numbers.
pub(crate) fn integers(name: &str, ints: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: ints.to_vec(),
        ..Default::default()
    }
}

/// Gives an f32 tensor other values.
pub(crate) fn set_f32_values(tensor: &mut pb::TensorProto, values: &[f32]) {
    tensor.float_data.clear();
    tensor.raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
}

/// Gives the axes of inputs that are free a length, by the input's name and the axis.
pub(crate) fn fix_free_axes(model: &mut pb::ModelProto, len: impl Fn(&str, usize) -> i64) {
    let inputs = model.graph.iter_mut().flat_map(|graph| &mut graph.input);
    for pb::ValueInfoProto { name, r#type, .. } in inputs {
        let value = r#type.as_mut().and_then(|of| of.value.as_mut());
        let Some(pb::type_proto::Value::TensorType(tensor)) = value else { continue };
        for (axis, dim) in tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim).enumerate() {
            if !matches!(dim.value, Some(dimension::Value::DimValue(_))) {
                dim.value = Some(dimension::Value::DimValue(len(name, axis)));
            }
        }
    }
}
