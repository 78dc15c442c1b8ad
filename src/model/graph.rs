//! Reading a package's graphs.

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::TractErrorContext as _;

use super::network::contained;

/// What the inputs and outputs of a graph must be called, in this order.
pub(super) struct Names {
    pub(super) inputs: &'static [&'static str],
    pub(super) outputs: &'static [&'static str],
}

impl Names {
    fn check(&self, inputs: &[String], outputs: &[String]) -> Result<(), String> {
        let same = inputs == self.inputs && outputs == self.outputs;
        let (found_in, found_out) = (inputs.join(", "), outputs.join(", "));
        same.then_some(()).ok_or_else(|| {
            format!(
                "the graph takes ({found_in}) and gives ({found_out}); expected ({}) and ({})",
                self.inputs.join(", "),
                self.outputs.join(", "),
            )
        })
    }
}

fn outlet_name(model: &InferenceModel, outlet: OutletId) -> String {
    let label = model.outlet_label(outlet).map(str::to_owned);
    label.unwrap_or_else(|| model.node(outlet.node).name.clone())
}

/// The graph in the bytes of an ONNX file.
pub(super) fn parsed(onnx: &[u8]) -> TractResult<pb::ModelProto> {
    pb::ModelProto::decode(onnx).context("it isn't ONNX")
}

/// The shapes of the inputs that `onnx` declares, `None` for an axis of any length, if they and the
/// outputs have `names`.
pub(super) fn input_shapes(
    onnx: &pb::ModelProto,
    names: &Names,
) -> Result<Vec<Vec<Option<usize>>>, String> {
    let graph = onnx.graph.as_ref().ok_or("it has no graph")?;
    let weights: Vec<&str> = graph.initializer.iter().map(|tensor| &*tensor.name).collect();
    let inputs: Vec<_> =
        graph.input.iter().filter(|input| !weights.contains(&&*input.name)).collect();
    let named = |values: &[&pb::ValueInfoProto]| -> Vec<String> {
        values.iter().map(|value| value.name.clone()).collect()
    };
    names.check(&named(&inputs), &named(&graph.output.iter().collect::<Vec<_>>()))?;
    let shape = |input: &&pb::ValueInfoProto| {
        let value = input.r#type.as_ref().and_then(|of| of.value.as_ref());
        let Some(pb::type_proto::Value::TensorType(tensor)) = value else { return vec![] };
        let sides = tensor.shape.iter().flat_map(|shape| &shape.dim);
        sides
            .map(|side| match side.value {
                Some(dimension::Value::DimValue(side)) => usize::try_from(side).ok(),
                _ => None,
            })
            .collect()
    };
    Ok(inputs.iter().map(shape).collect())
}

/// The graph, whose inputs and outputs must have `names`, with tapseg's operators put in, as far as it
/// can be simplified for any processor; where `stock`, with the engine's own alone.
pub(super) fn read(
    onnx: &pb::ModelProto,
    names: Option<&Names>,
    stock: bool,
) -> Result<TypedModel, String> {
    if stock {
        standard_alone(onnx)?;
    }
    let reader = if stock { tract_onnx::onnx() } else { crate::ops::onnx() };
    let model = contained(|| reader.model_for_proto_model(onnx))?;
    if let Some(names) = names {
        let of = |outlets: &[OutletId]| -> Vec<String> {
            outlets.iter().map(|outlet| outlet_name(&model, *outlet)).collect()
        };
        names.check(&of(&model.inputs), &of(&model.outputs))?;
    }
    contained(|| {
        let mut model = model.into_typed()?;
        if !stock {
            crate::ops::fuse(&mut model)?;
        }
        model.into_decluttered()
    })
}

/// An error where there are operators that the engine alone doesn't know.
fn standard_alone(onnx: &pb::ModelProto) -> Result<(), String> {
    let mut nodes = onnx.graph.iter().flat_map(|graph| &graph.node);
    match nodes.find(|node| node.domain == crate::ops::DOMAIN) {
        None => Ok(()),
        Some(node) => Err(format!(
            "it has an operator of tapseg's own ({}), which the engine alone doesn't know; make a \
             package of standard operators with tapseg convert CHECKPOINT --plain",
            node.op_type
        )),
    }
}

/// Makes constants of the inputs that `values` names.
pub(super) fn fix(onnx: &mut pb::ModelProto, values: &[(&str, Tensor)]) {
    let Some(graph) = &mut onnx.graph else { return };
    graph.input.retain(|input| values.iter().all(|(name, _)| input.name != *name));
    graph.initializer.extend(values.iter().map(|(name, tensor)| pb::TensorProto {
        name: (*name).to_owned(),
        data_type: pb::tensor_proto::DataType::Float.into(),
        dims: tensor.shape().iter().map(|&side| side as i64).collect(),
        raw_data: tensor.as_bytes().to_vec(),
        ..Default::default()
    }));
}
