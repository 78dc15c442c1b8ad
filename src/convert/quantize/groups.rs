//! Layers that take the same value.

use std::collections::{BTreeMap, HashMap};

use tract_onnx::pb;

use crate::onnx::layers::Linear;

/// Layers that take the same value.
pub(super) struct Group<'a> {
    /// The value's name.
    pub(super) input: String,
    pub(super) layers: Vec<&'a Linear>,
    /// Where the value comes from a norm of its last axis, and these layers alone take it: the
    /// indices of the norm's scale and shift among the initializers.
    pub(super) norm: Option<[usize; 2]>,
}

/// `layers` of `graph` by what they take.
pub(super) fn groups<'a>(graph: &pb::GraphProto, layers: &'a [Linear]) -> Vec<Group<'a>> {
    let mut by_input: BTreeMap<String, Vec<&Linear>> = BTreeMap::new();
    for layer in layers {
        let input = graph.node[layer.product].input[0].clone();
        by_input.entry(input).or_default().push(layer);
    }
    let mut uses: HashMap<&str, usize> = HashMap::new();
    let used = graph.node.iter().flat_map(|node| node.input.iter());
    let outputs = graph.output.iter().map(|output| &output.name);
    used.chain(outputs).for_each(|name| *uses.entry(name).or_default() += 1);
    let used_once = |name: &String| {
        let index = graph.initializer.iter().position(|tensor| tensor.name == *name)?;
        (uses.get(&**name) == Some(&1)).then_some(index)
    };
    let norm = |input: &String, layers: usize| {
        let norm = graph.node.iter().find(|node| node.output.contains(input))?;
        let [_, scale, shift] = &norm.input[..] else { return None };
        let alone = uses.get(&**input) == Some(&layers);
        (alone && norm.op_type == "LayerNormalization").then_some(())?;
        Some([used_once(scale)?, used_once(shift)?])
    };
    let grouped = by_input.into_iter().map(|(input, layers)| {
        let norm = norm(&input, layers.len());
        Group { input, layers, norm }
    });
    grouped.collect()
}
