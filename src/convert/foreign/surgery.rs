//! Cutting and renaming in a graph.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb;

/// Removes everything that the outputs do not need, and what only tells where the graph came from.
/// The shapes that are noted between the nodes may be those of other inputs, and go as well.
pub(super) fn prune(graph: &mut pb::GraphProto) {
    let outputs: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let (nodes, values) = needed(graph, outputs);
    let mut index = 0..;
    graph.node.retain(|_| index.next().is_some_and(|i| nodes.contains(&i)));
    graph.initializer.retain(|tensor| values.contains(&tensor.name));
    // Files of older versions list the weights among the inputs as well.
    let weights: BTreeSet<_> = graph.initializer.iter().map(|tensor| &tensor.name).collect();
    graph.input.retain(|i| values.contains(&i.name) && !weights.contains(&i.name));
    graph.value_info.clear();
    graph.quantization_annotation.clear();
    for node in &mut graph.node {
        node.doc_string.clear();
    }
}

/// The nodes, by index, and the values that `wanted` is computed from, itself included.
pub(super) fn needed(
    graph: &pb::GraphProto,
    wanted: Vec<String>,
) -> (BTreeSet<usize>, BTreeSet<String>) {
    let mut producers = BTreeMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        producers.extend(node.output.iter().map(|output| (output.as_str(), index)));
    }
    let (mut nodes, mut values) = (BTreeSet::new(), BTreeSet::new());
    let mut open = wanted;
    while let Some(value) = open.pop() {
        if let Some(&index) = producers.get(value.as_str())
            && nodes.insert(index)
        {
            for_each_use(&graph.node[index], &mut |name| open.push(name.to_owned()));
        }
        values.insert(value);
    }
    (nodes, values)
}

/// Calls `from` `to` wherever it stands; what was called `to` is given another name.
pub(super) fn rename(graph: &mut pb::GraphProto, from: &str, to: &str) {
    if from == to {
        return;
    }
    let fresh = unused(graph, to);
    for_each_name(graph, &mut |name| {
        if name == to {
            name.clone_from(&fresh);
        } else if name == from {
            *name = to.to_owned();
        }
    });
}

/// Separates the value `name` from what computes it, so that it can be fed.
pub(super) fn detach(graph: &mut pb::GraphProto, name: &str) {
    let fresh = unused(graph, name);
    let outputs = graph.node.iter_mut().flat_map(|node| &mut node.output);
    outputs.filter(|output| *output == name).for_each(|output| output.clone_from(&fresh));
}

/// A name like `name` that no value has.
fn unused(graph: &mut pb::GraphProto, name: &str) -> String {
    let mut taken = BTreeSet::new();
    for_each_name(graph, &mut |name| {
        taken.insert(name.clone());
    });
    let mut fresh = format!("{name}_0");
    while taken.contains(&fresh) {
        fresh.push('0');
    }
    fresh
}

/// Visits the names of the values that a node uses, those in its inner graphs included.
pub(super) fn for_each_use<'a>(node: &'a pb::NodeProto, visit: &mut dyn FnMut(&'a str)) {
    node.input.iter().filter(|name| !name.is_empty()).for_each(|name| visit(name));
    for graph in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
        graph.output.iter().for_each(|output| visit(&output.name));
        graph.node.iter().for_each(|inner| for_each_use(inner, visit));
    }
}

/// Visits every name of a value, wherever it stands.
fn for_each_name(graph: &mut pb::GraphProto, visit: &mut dyn FnMut(&mut String)) {
    graph.input.iter_mut().chain(&mut graph.output).for_each(|value| visit(&mut value.name));
    graph.initializer.iter_mut().for_each(|tensor| visit(&mut tensor.name));
    for node in &mut graph.node {
        node.input.iter_mut().chain(&mut node.output).for_each(&mut *visit);
        for inner in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
            for_each_name(inner, visit);
        }
    }
}
