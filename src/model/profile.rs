//! Where the time goes within the networks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::{EvalContext, eval};
use tract_onnx::tract_hir::internal::{Cost, DimLike};

/// What a node of a network took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTime {
    /// `encoder`; `decoder of the image` for what depends on the image alone, `decoder` up to predicted
    /// IoUs, and `decoder of masks`.
    pub network: &'static str,
    /// Its name.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// What the operator tells about itself, empty where that is nothing.
    pub info: String,
    /// How often it ran.
    pub runs: u32,
    /// In all runs together.
    pub time: Duration,
    /// Multiplications with their additions in one run, of floats.
    pub float_macs: u64,
    /// The same of whole numbers.
    pub integer_macs: u64,
}

/// Sums up what the nodes of networks take; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Nodes>>);

/// By network, and the node's number in it.
type Nodes = BTreeMap<(&'static str, usize), NodeTime>;

impl Recorder {
    /// What was recorded since the last time, in the order of the networks; it begins again.
    pub fn take(&self) -> Vec<NodeTime> {
        std::mem::take(&mut *self.nodes()).into_values().collect()
    }

    /// Runs a graph node by node.
    pub(super) fn run(
        &self,
        network: &'static str,
        plan: &Arc<TypedRunnableModel>,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        plan.spawn()?.run_plan_with_eval(inputs, |context, state, node, inputs| {
            let start = Instant::now();
            let outputs = eval(context, state, node, inputs)?;
            let time = start.elapsed();
            let mut nodes = self.nodes();
            let of_node = nodes.entry((network, node.id));
            let recorded = of_node.or_insert_with(|| described(network, plan, context, node));
            recorded.runs += 1;
            recorded.time += time;
            TractResult::Ok(outputs)
        })
    }

    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        // Sums are right whenever a thread may have stopped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node that has not run yet.
fn described(
    network: &'static str,
    plan: &TypedRunnableModel,
    context: &EvalContext,
    node: &TypedNode,
) -> NodeTime {
    let facts = plan.model().node_input_facts(node.id);
    let costs = facts.and_then(|facts| node.op.cost(&facts)).unwrap_or_default();
    let (mut float_macs, mut integer_macs) = (0, 0);
    for (cost, count) in costs {
        let Cost::FMA(of) = cost else { continue };
        let count = count.eval(context.symbols).to_usize().unwrap_or(0) as u64;
        *if of.is_float() { &mut float_macs } else { &mut integer_macs } += count;
    }
    NodeTime {
        network,
        node: node.name.clone(),
        operator: node.op.name().into_owned(),
        info: node.op.info().unwrap_or_default().join("; "),
        runs: 0,
        time: Duration::ZERO,
        float_macs,
        integer_macs,
    }
}
