//! A package's own weights, calculated with in f32.

use half::f16;
use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::store::INT8;
#[cfg(feature = "tune")]
use super::{rounding::Rounded, store};
use crate::model::{ModelError, Package};
#[cfg(feature = "tune")]
use crate::onnx::layers::linear_layers;
use crate::onnx::nodes::{initializer, node};
use crate::ops::QUANTIZED_LINEAR;

/// The package with its int8 weights as f32, in memory: the same network without quantized
/// activations, to compare it with where the weights it was made of are not at hand. `None` where
/// nothing in it is quantized by tapseg's own operator.
///
/// # Errors
/// [`ModelError`] where a network is damaged.
pub fn float_twin(package: &Package) -> Result<Option<Package>, ModelError> {
    let mut quantized = 0;
    let mut twin = |network: &'static str, onnx: &[u8]| {
        let bad = |reason: String| ModelError::Network {
            network,
            package: package.location().display().to_string(),
            reason,
        };
        let mut model = pb::ModelProto::decode(onnx).map_err(|e| bad(e.to_string()))?;
        quantized +=
            in_f32(&mut model).ok_or_else(|| bad("a quantized layer lacks its weights".into()))?;
        Ok::<_, ModelError>(model.encode_to_vec())
    };
    let encoder = twin("encoder", package.encoder())?;
    let decoder = twin("decoder", package.decoder())?;
    let manifest = package.manifest().clone();
    if quantized == 0 {
        return Ok(None);
    }
    let extras = package.extras().clone();
    Ok(Some(Package::in_memory(package.location(), manifest, encoder, decoder, extras)?))
}

/// Replaces all quantized layers of `model` by products in f32, whose outputs have the same names, and
/// weights stored as f16 by their values; gives how many layers there were.
pub(crate) fn in_f32(model: &mut pb::ModelProto) -> Option<usize> {
    let mut quantized = 0;
    let Some(graph) = &mut model.graph else { return Some(0) };
    let mut nodes = Vec::with_capacity(graph.node.len());
    let mut scales = Vec::new();
    for layer in std::mem::take(&mut graph.node) {
        if let ("Cast", [stored], [weight]) = (&*layer.op_type, &*layer.input, &*layer.output)
            && let Some(tensor) = graph.initializer.iter_mut().find(|tensor| {
                tensor.name == *stored && tensor.data_type == i32::from(DataType::Float16)
            })
        {
            let halves = tensor.raw_data.as_chunks().0.iter();
            let bytes =
                halves.flat_map(|&b| f16::from_le_bytes(b).to_f32().to_le_bytes()).collect();
            *tensor = initializer(weight.clone(), DataType::Float, &tensor.dims, bytes);
            continue;
        }
        if layer.op_type != QUANTIZED_LINEAR {
            nodes.push(layer);
            continue;
        }
        quantized += 1;
        let [x, weight, scale, bias @ ..] = layer.input.as_slice() else { return None };
        let find = |name: &str| graph.initializer.iter().position(|tensor| tensor.name == name);
        scales.push(scale.clone());
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
    scales.retain(|name| !graph.node.iter().any(|node| node.input.contains(name)));
    graph.initializer.retain(|tensor| !scales.contains(&tensor.name));
    Some(quantized)
}

/// Stores the weights of `model`, which [`in_f32`] made of `like`, as they are stored there: int8 to the
/// nearest, f16, or f32.
#[cfg(feature = "tune")]
pub(crate) fn stored_like(model: &mut pb::ModelProto, like: &pb::ModelProto) {
    let stored = || like.graph.iter().flat_map(|graph| &graph.initializer);
    let quantized: Vec<&str> = stored().filter_map(|t| t.name.strip_suffix(INT8)).collect();
    let mut layers = linear_layers(model);
    if let Some(graph) = &model.graph {
        layers.retain(|layer| quantized.contains(&&*graph.initializer[layer.weight].name));
    }
    if !layers.is_empty() {
        store::int8(model, &layers, &Rounded::default(), false, &mut |_| {});
    }
    if stored().any(|tensor| tensor.data_type == i32::from(DataType::Float16)) {
        store::f16(model);
    }
}
