//! A package's own weights, calculated with in f32.

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::store::INT8;
use crate::model::{ModelError, Package, PackageError};
use crate::onnx::nodes::{initializer, node};
use crate::ops::QUANTIZED_LINEAR;

/// The package with its int8 weights as f32, in memory: the same network without quantized
/// activations, to compare it with where the weights it was made of are not at hand.
///
/// # Errors
/// [`ModelError`] where a network is damaged.
pub fn float_twin(package: &Package) -> Result<Package, ModelError> {
    let twin = |network: &'static str, onnx: &[u8]| {
        let bad = |reason: String| ModelError::Network {
            network,
            package: package.location().display().to_string(),
            reason,
        };
        let mut model = pb::ModelProto::decode(onnx).map_err(|e| bad(e.to_string()))?;
        in_f32(&mut model).ok_or_else(|| bad("a quantized layer lacks its weights".into()))?;
        Ok::<_, ModelError>(model.encode_to_vec())
    };
    let encoder = twin("encoder", package.encoder())?;
    let decoder = twin("decoder", package.decoder())?;
    let manifest = package.manifest().clone();
    let twin = Package::in_memory(package.location(), manifest, encoder, decoder);
    twin.map_err(|e: PackageError| e.into())
}

/// Replaces all quantized layers of `model` by products in f32, whose outputs have the same names.
fn in_f32(model: &mut pb::ModelProto) -> Option<()> {
    let Some(graph) = &mut model.graph else { return Some(()) };
    let mut nodes = Vec::with_capacity(graph.node.len());
    for layer in std::mem::take(&mut graph.node) {
        if layer.op_type != QUANTIZED_LINEAR {
            nodes.push(layer);
            continue;
        }
        let [x, weight, scale, bias @ ..] = layer.input.as_slice() else { return None };
        let find = |name: &str| graph.initializer.iter().position(|tensor| tensor.name == name);
        let (at, scale) = (find(weight)?, &graph.initializer[find(scale)?].raw_data);
        let scale: Vec<f32> = scale.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        let tensor = &mut graph.initializer[at];
        let rows = tensor.raw_data.chunks_exact(scale.len().max(1));
        let values = rows.flat_map(|row| row.iter().zip(&scale));
        let bytes = values.flat_map(|(&w, s)| (f32::from(w as i8) * s).to_le_bytes()).collect();
        // As it was called before, which names the layer.
        let weight = weight.strip_suffix(INT8).unwrap_or(weight);
        *tensor = initializer(weight.to_owned(), DataType::Float, &tensor.dims, bytes);
        let output = layer.output.first()?;
        match bias {
            [] => nodes.push(node("MatMul", &[x, weight], output, vec![])),
            [bias, ..] => {
                let product = format!("{output}.product");
                nodes.push(node("MatMul", &[x, weight], &product, vec![]));
                nodes.push(node("Add", &[&product, bias], output, vec![]));
            }
        }
    }
    graph.node = nodes;
    Some(())
}
