//! A text as a prompt, for a package that makes tokens of it.
//!
//! As in *Segment Anything* (appendix D.5, "Zero-shot text-to-mask"), what a text encoder such as CLIP's
//! made of the words becomes a prompt token. SAM's own export takes points and boxes alone, so another
//! input is put into the decoder's graph where these have been embedded: to each token's embedding what
//! it gives is added, and a token with a label that the prompt encoder doesn't know has no other.

use ndarray::Array2;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::prelude::*;

use super::error::ModelError;
use super::graph::Names;
use super::network::{Network, Threads, in_words, named};
use super::package::Package;
use crate::onnx::nodes::node;
use crate::prompt::PromptError;

/// The weight that makes a token of a label, in decoders that `tapseg convert` makes.
const LABELS: &str = "prompt_encoder.point_embeddings";
/// The input that is put in: batch × token × channel.
pub(super) const ADDED: &str = "added_to_tokens";

const NAMES: Names = Names { inputs: &["text_embedding"], outputs: &["prompt_tokens"] };

/// What makes prompt tokens of a text's embedding.
pub(super) struct TextEncoder {
    network: Network,
    length: usize,
    channels: usize,
}

impl TextEncoder {
    /// Loads that of `package`, if it has one, for embeddings of `channels` channels.
    pub fn load(
        package: &Package,
        channels: usize,
        threads: &Threads,
    ) -> Result<Option<Self>, ModelError> {
        let Some(onnx) = package.text_encoder() else { return Ok(None) };
        let place = package.location().display().to_string();
        let network = Network::load("text encoder", &place, onnx, &NAMES, threads)?;
        let (taken, given) = (network.input_shape(0), network.output_shape(0));
        match (taken.as_deref(), given.as_deref()) {
            (Some(&[Some(1), Some(length @ 1..)]), Some(&[Some(1), Some(1..), Some(c)]))
                if c == channels =>
            {
                Ok(Some(Self { network, length, channels }))
            }
            _ => Err(named(
                "text encoder",
                &place,
                format!(
                    "it takes {} and gives {}; for this decoder it must take 1×N and give \
                     1×TOKENS×{channels}",
                    in_words(taken.as_deref()),
                    in_words(given.as_deref())
                ),
            )),
        }
    }

    /// The tokens of a text: token × channel.
    pub fn tokens(&self, embedding: &[f32]) -> Result<Array2<f32>, ModelError> {
        if embedding.len() != self.length || !embedding.iter().all(|value| value.is_finite()) {
            let (found, expected) = (embedding.len(), self.length);
            return Err(PromptError::TextSize { found, expected }.into());
        }
        let broken = |reason: String| ModelError::Run { network: "text encoder", reason };
        let input = Tensor::from_shape(&[1, self.length], embedding);
        let outputs = self.network.run(tvec![input.map_err(|e| broken(e.to_string()))?.into()])?;
        let tokens = outputs[0].to_plain_array_view::<f32>().map_err(|e| broken(e.to_string()))?;
        if !tokens.iter().all(|value| value.is_finite()) {
            return Err(broken("it gave values that are not numbers".into()));
        }
        let tokens: Vec<f32> = tokens.iter().copied().collect();
        let count = tokens.len() / self.channels;
        let shaped = Array2::from_shape_vec((count, self.channels), tokens);
        shaped.map_err(|error| broken(error.to_string()))
    }
}

/// Puts the input [`ADDED`], with `channels` channels, into a decoder.
///
/// # Errors
/// A sentence where the decoder is not one of ours.
pub(super) fn let_tokens_in(onnx: &mut pb::ModelProto, channels: usize) -> Result<(), String> {
    const OTHERS: &str = "its decoder takes no further tokens; one that tapseg convert makes does";
    let graph = onnx.graph.as_mut().ok_or("it has no graph")?;
    let takes = |node: &pb::NodeProto, name: &str| node.input.iter().any(|input| input == name);
    let product = graph.node.iter().find(|node| node.op_type == "MatMul" && takes(node, LABELS));
    let chosen = product.and_then(|node| node.output.first()).ok_or(OTHERS)?;
    let sums = || graph.node.iter().enumerate().filter(|(_, node)| node.op_type == "Add");
    let (at, _) = sums().find(|(_, node)| takes(node, chosen)).ok_or(OTHERS)?;
    let sparse = graph.node[at].output[0].clone();
    let before = format!("{sparse}.before_text");
    graph.node[at].output[0].clone_from(&before);
    let mut sum = node("Add", &[&before, ADDED], &sparse, vec![]);
    // Without a name of its own it is called like its output, as the node before it is.
    sum.name = format!("{sparse}.with_text");
    graph.node.insert(at + 1, sum);
    let like = graph.input.iter().find(|input| input.name == "point_coords").ok_or(OTHERS)?;
    let mut input = like.clone();
    input.name = ADDED.to_owned();
    let Some(pb::type_proto::Value::TensorType(tensor)) =
        input.r#type.as_mut().and_then(|of| of.value.as_mut())
    else {
        return Err(OTHERS.into());
    };
    tensor.elem_type = DataType::Float as i32;
    if let Some(last) = tensor.shape.as_mut().and_then(|shape| shape.dim.last_mut()) {
        last.value = Some(dimension::Value::DimValue(channels as i64));
    }
    graph.input.push(input);
    Ok(())
}

#[cfg(test)]
mod tests;
