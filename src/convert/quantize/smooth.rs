//! Outlier channels, moved from activations into weights.
//!
//! Source: Xiao et al., *SmoothQuant* (2023), section 4: activations of few channels that are much
//! larger than the rest leave the rest few of the 127 steps that a token has. Dividing each channel
//! by a factor, within the norm before the layers, and multiplying the layers' weights by it changes
//! nothing in f32 and shares the difficulty out.

use tract_onnx::pb;

use super::groups::{Group, groups};
use super::measure::Inputs;
use crate::onnx::layers::Linear;
use crate::onnx::nodes::{f32_values, set_f32_values};

/// The paper's α: how much of the difficulty goes into the weights.
const MIGRATION: f32 = 0.5;
/// Bounds of the factors.
const FACTORS: [f32; 2] = [1e-3, 1e3];

/// Smooths all `layers` of `model` whose input comes from a norm of its last axis that nothing else
/// uses; gives how many these are. `inputs` are what the layers were seen to get.
pub(super) fn smooth(model: &mut pb::ModelProto, layers: &[Linear], inputs: &Inputs) -> usize {
    let Some(graph) = &mut model.graph else { return 0 };
    let mut smoothed = 0;
    for Group { input, layers, norm } in groups(graph, layers) {
        let (Some(norm), Some(largest)) = (norm, inputs.largest(&input)) else { continue };
        let weights: Vec<usize> = layers.iter().map(|layer| layer.weight).collect();
        let Some(factors) = factors(graph, &weights, &largest) else { continue };
        for index in norm {
            change(&mut graph.initializer[index], 1, |channel, value| value / factors[channel]);
        }
        for index in weights {
            let outputs = graph.initializer[index].dims[1] as usize;
            change(&mut graph.initializer[index], outputs, |channel, value| {
                value * factors[channel]
            });
        }
        smoothed += layers.len();
    }
    smoothed
}

/// The factor of each channel, for the largest activation of each and the matrices (channel ×
/// output) that take it; `None` where these have other channels.
fn factors(graph: &pb::GraphProto, weights: &[usize], largest: &[f32]) -> Option<Vec<f32>> {
    let mut heaviest = vec![0f32; largest.len()];
    for &index in weights {
        let tensor = &graph.initializer[index];
        let outputs = usize::try_from(*tensor.dims.get(1)?).ok()?;
        let values = f32_values(tensor)?;
        if outputs == 0 || values.len() != outputs * largest.len() {
            return None;
        }
        for (heaviest, row) in heaviest.iter_mut().zip(values.chunks_exact(outputs)) {
            *heaviest = row.iter().fold(*heaviest, |largest, value| largest.max(value.abs()));
        }
    }
    let factor = |(activation, weight): (&f32, &f32)| match *activation * *weight > 0.0 {
        true => activation.powf(MIGRATION) / weight.powf(1.0 - MIGRATION),
        false => 1.0,
    };
    let raw: Vec<f32> = largest.iter().zip(&heaviest).map(factor).collect();
    // Only ratios matter: around 1, all numbers stay of a usual size.
    let mean = raw.iter().map(|factor| factor.ln()).sum::<f32>() / raw.len().max(1) as f32;
    let [least, most] = FACTORS;
    Some(raw.iter().map(|factor| (factor / mean.exp()).clamp(least, most)).collect())
}

/// Changes the values of a tensor whose first axis is the channel, with `per_channel` values each.
pub(super) fn change(
    tensor: &mut pb::TensorProto,
    per_channel: usize,
    to: impl Fn(usize, f32) -> f32,
) {
    let Some(mut values) = f32_values(tensor) else { return };
    for (channel, values) in values.chunks_mut(per_channel).enumerate() {
        values.iter_mut().for_each(|value| *value = to(channel, *value));
    }
    set_f32_values(tensor, &values);
}
