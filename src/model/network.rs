//! One ONNX graph loaded by tract.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::DimLike;

use crate::contain::contain;

use super::error::ModelError;

/// Where the threads of tract come from.
#[derive(Clone, Debug)]
pub(super) struct Threads(multithread::Executor);

impl Threads {
    /// As many as asked for, but no more than there are cores; where the system gives none, the
    /// calling thread works alone.
    pub fn new(threads: NonZeroUsize) -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let pool = match threads.min(cores).get() {
            1 => None,
            n => contain(|| multithread::Executor::multithread_with_name(n, "tapseg-net")).ok(),
        };
        Self(pool.unwrap_or(multithread::Executor::SingleThread))
    }
}

/// A graph ready to run.
pub(super) struct Network {
    name: &'static str,
    plan: Arc<TypedRunnableModel>,
    threads: Threads,
}

impl Network {
    /// Parses and optimizes `onnx`, whose inputs must be `inputs`, in this order, and whose outputs
    /// `outputs`; `package` names it in errors.
    pub fn load(
        name: &'static str,
        package: &str,
        onnx: &[u8],
        inputs: &[&str],
        outputs: &[&str],
        threads: &Threads,
    ) -> Result<Self, ModelError> {
        let bad = |reason: String| ModelError::Network {
            network: name,
            package: package.to_owned(),
            reason,
        };
        let model = contained(|| {
            let model = crate::ops::onnx().model_for_read(&mut &*onnx)?;
            let names = |outlets: &[OutletId]| -> Vec<String> {
                outlets.iter().map(|o| outlet_name(&model, *o)).collect()
            };
            let found = (names(&model.inputs), names(&model.outputs));
            if found.0 != inputs || found.1 != outputs {
                let (found_in, found_out) = (found.0.join(", "), found.1.join(", "));
                return Ok(Err(format!(
                    "the graph takes ({found_in}) and gives ({found_out}); expected ({}) and ({})",
                    inputs.join(", "),
                    outputs.join(", "),
                )));
            }
            Ok(Ok(model.into_typed()?.into_decluttered()?))
        });
        let model = model.map_err(&bad)?.map_err(&bad)?;
        let plan = contained(|| model.into_optimized()?.into_runnable()).map_err(bad)?;
        Ok(Self { name, plan, threads: threads.clone() })
    }

    /// The shape of input `index`, `None` for an axis of any length.
    pub fn input_shape(&self, index: usize) -> Option<Vec<Option<usize>>> {
        shape_of(self.plan.model().input_fact(index))
    }

    /// The shape of output `index`, `None` for an axis of any length.
    pub fn output_shape(&self, index: usize) -> Option<Vec<Option<usize>>> {
        shape_of(self.plan.model().output_fact(index))
    }

    /// Runs the graph.
    pub fn run(&self, inputs: TVec<TValue>) -> Result<TVec<TValue>, ModelError> {
        let run = || self.plan.run(inputs);
        contained(|| multithread::multithread_tract_scope(self.threads.0.clone(), run))
            .map_err(|reason| ModelError::Run { network: self.name, reason })
    }
}

fn shape_of(fact: TractResult<&TypedFact>) -> Option<Vec<Option<usize>>> {
    Some(fact.ok()?.shape.iter().map(|d| d.to_usize().ok()).collect())
}

fn outlet_name(model: &InferenceModel, outlet: OutletId) -> String {
    let label = model.outlet_label(outlet).map(str::to_owned);
    label.unwrap_or_else(|| model.node(outlet.node).name.clone())
}

/// Runs `task`; an error or a panic of the engine becomes a message. tract asserts what it expects
/// of a graph in places, so a hostile one could otherwise take the program down.
fn contained<T>(task: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    contain(task)?.map_err(|e| format!("{e:#}"))
}
