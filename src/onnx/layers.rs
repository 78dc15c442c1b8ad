//! Finding the linear layers of a graph.

use std::collections::HashMap;

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

/// Layers with fewer inputs or outputs are of no account: there is nothing to gain.
const MIN_SIDE: i64 = 16;
/// Nor are layers with fewer weights.
const MIN_WEIGHTS: i64 = 1024;

/// What the name of a product ends with that makes a convolution of neighbourhoods.
pub(crate) const CONVOLUTION: &str = ".convolution";

/// `x · W + b`, or `x · W`, with constant `W` (inputs × outputs) and `b`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// The key of its weight without `.weight`; of a foreign graph the node's name.
    pub(crate) name: String,
    /// Index of the product among the nodes.
    pub(crate) product: usize,
    /// Index of `W` among the initializers.
    pub(crate) weight: usize,
    /// Index of the addition among the nodes, and of `b` among the initializers.
    pub(crate) bias: Option<(usize, usize)>,
    /// Whether it is a convolution.
    pub(crate) convolution: bool,
}

impl Linear {
    /// Index of the node that gives the layer's output.
    pub(crate) fn last(&self) -> usize {
        self.bias.map_or(self.product, |(add, _)| add)
    }
}

/// The linear layers of `model` whose weights are f32 and used once, in the order of the nodes.
pub(crate) fn linear_layers(model: &pb::ModelProto) -> Vec<Linear> {
    let Some(graph) = &model.graph else { return vec![] };
    let initializers: HashMap<&str, usize> =
        graph.initializer.iter().enumerate().map(|(i, t)| (&*t.name, i)).collect();
    let mut uses: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        node.input.iter().for_each(|name| uses.entry(name).or_default().push(index));
    }
    let outputs = graph.output.iter().map(|output| &*output.name);
    outputs.for_each(|name| uses.entry(name).or_default().push(usize::MAX));
    let constant = |name: &str| {
        let index = *initializers.get(name)?;
        let f32 = graph.initializer[index].data_type == i32::from(DataType::Float);
        f32.then_some(index)
    };
    let find = |(product, node): (usize, &pb::NodeProto)| {
        let ([_, weight], [output]) = (&node.input[..], &node.output[..]) else { return None };
        let index = constant(weight)?;
        let [inputs, outputs] = *graph.initializer[index].dims.as_slice() else { return None };
        let once = uses.get(&**weight).is_some_and(|uses| uses.len() == 1);
        if node.op_type != "MatMul"
            || inputs.min(outputs) < MIN_SIDE
            || inputs.saturating_mul(outputs) < MIN_WEIGHTS
            || !once
        {
            return None;
        }
        let name = match weight.strip_suffix(".weight") {
            Some(key) => key.to_owned(),
            None => node.name.clone(),
        };
        let bias = || {
            let [add] = *uses.get(&**output)?.as_slice() else { return None };
            let is_sum = |next: &&pb::NodeProto| next.op_type == "Add" && next.output.len() == 1;
            let next = graph.node.get(add).filter(is_sum)?;
            let bias = next.input.iter().find(|input| *input != output)?;
            let bias = constant(bias)?;
            (graph.initializer[bias].dims == [outputs]).then_some((add, bias))
        };
        let convolution = node.name.ends_with(CONVOLUTION);
        Some(Linear { name, product, weight: index, bias: bias(), convolution })
    };
    graph.node.iter().enumerate().filter_map(find).collect()
}
