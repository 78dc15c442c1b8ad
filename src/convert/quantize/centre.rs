//! What all tokens have in common, moved from activations into biases.
//!
//! Channels of trained networks lie around values of their own, which may be much larger than what
//! tells one token from another: then few of the 127 steps of a token are left for that, and each
//! weight's rounding is multiplied by it. Taking the channel's mean off before the layer, and adding
//! what the layer makes of it to its bias, changes nothing in f32. (The shift of *Outlier
//! Suppression+*, Wei et al., 2023, section 3.1, by the mean instead of the middle of the range.)

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::groups::groups;
use super::measure::Inputs;
use super::smooth::change;
use crate::onnx::layers::Linear;
use crate::onnx::nodes::{f32_values, initializer, node};

/// What is put behind the name of a value whose mean was taken off.
const CENTRED: &str = ".centred";

/// Centres the inputs of all `layers` of `model` that have a bias: within the norm that makes them,
/// if they alone take what it gives, and else by a node of their own. `inputs` are what the layers
/// were seen to get, and afterwards what they then would have got.
pub(super) fn centre(model: &mut pb::ModelProto, layers: &[Linear], inputs: &mut Inputs) {
    let Some(graph) = &mut model.graph else { return };
    // Nodes before the one at an index.
    let mut before: Vec<(usize, pb::NodeProto)> = vec![];
    for group in groups(graph, layers) {
        let Some(means) = inputs.means(&group.input) else { continue };
        let biases: Option<Vec<_>> =
            group.layers.iter().map(|layer| moved_bias(graph, layer, &means)).collect();
        let Some(biases) = biases else { continue };
        for (layer, moved) in group.layers.iter().zip(biases) {
            if let Some((add, bias)) = layer.bias {
                let bias = own_initializer(graph, add, bias);
                change(&mut graph.initializer[bias], 1, |output, value| value + moved[output]);
            }
        }
        let centred = match group.norm {
            Some([_, shift]) => {
                change(&mut graph.initializer[shift], 1, |channel, value| value - means[channel]);
                group.input.clone()
            }
            None => {
                let name = format!("{}{CENTRED}", group.input);
                let taken = format!("{name}.mean");
                let bytes = means.iter().flat_map(|mean| (-mean).to_le_bytes()).collect();
                let sides = [means.len() as i64];
                graph.initializer.push(initializer(taken.clone(), DataType::Float, &sides, bytes));
                let first = group.layers.iter().map(|layer| layer.product).min().unwrap_or(0);
                before.push((first, node("Add", &[&group.input, &taken], &name, vec![])));
                for layer in &group.layers {
                    graph.node[layer.product].input[0].clone_from(&name);
                }
                name
            }
        };
        inputs.centre(&group.input, centred, &means);
    }
    before.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
    for (index, node) in before {
        graph.node.insert(index, node);
    }
}

/// The index of an initializer that has the value of the one at `index`, and that only the node at
/// `by` uses: that one, or a copy. Of windows that are filled up, the rows of padding are biases.
fn own_initializer(graph: &mut pb::GraphProto, by: usize, index: usize) -> usize {
    let name = graph.initializer[index].name.clone();
    let uses = graph.node.iter().flat_map(|node| &node.input).filter(|input| **input == name);
    if uses.count() == 1 {
        return index;
    }
    let copy = format!("{name}{CENTRED}");
    let tensor = pb::TensorProto { name: copy.clone(), ..graph.initializer[index].clone() };
    graph.node[by].input.iter_mut().filter(|input| **input == name).for_each(|input| {
        input.clone_from(&copy);
    });
    graph.initializer.push(tensor);
    graph.initializer.len() - 1
}

/// What `layer` makes of `means`; `None` if it has no bias, or other channels.
fn moved_bias(graph: &pb::GraphProto, layer: &Linear, means: &[f32]) -> Option<Vec<f32>> {
    let (_, bias) = layer.bias?;
    let outputs = usize::try_from(*graph.initializer[bias].dims.first()?).ok()?;
    let weight = f32_values(&graph.initializer[layer.weight])?;
    if outputs == 0 || weight.len() != outputs * means.len() {
        return None;
    }
    let mut sums = vec![0f64; outputs];
    for (mean, row) in means.iter().zip(weight.chunks_exact(outputs)) {
        sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += f64::from(*mean) * f64::from(*w));
    }
    Some(sums.into_iter().map(|sum| sum as f32).collect())
}
