//! One ONNX graph loaded by tract.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ndarray::ArrayD;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, bail};

use crate::contain::contain;

use super::error::ModelError;
use super::profile::Recorder;

/// Where the threads of the engine come from, and what is done differently on them to measure it.
/// Default: the calling thread alone, and nothing.
#[derive(Clone, Debug, Default)]
pub struct Threads {
    executor: multithread::Executor,
    stock: bool,
    recorder: Option<Recorder>,
}

impl Threads {
    /// One a core.
    pub fn all_cores() -> Self {
        Self::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// As many as asked for, but no more than there are cores; where the system gives none, the
    /// calling thread works alone.
    pub fn new(threads: NonZeroUsize) -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let pool = match threads.min(cores).get() {
            1 => None,
            n => contain(|| multithread::Executor::multithread_with_name(n, "tapseg-net")).ok(),
        };
        let executor = pool.unwrap_or(multithread::Executor::SingleThread);
        Self { executor, ..Self::default() }
    }

    /// Networks loaded for them use the engine's own operators alone, and none of tapseg's: what
    /// tapseg's are measured against. Packages must be of standard operators (`--plain`).
    pub fn with_stock_operators(self) -> Self {
        Self { stock: true, ..self }
    }

    /// What each node takes is told to `recorder` when networks run on them.
    pub fn recorded_by(self, recorder: &Recorder) -> Self {
        Self { recorder: Some(recorder.clone()), ..self }
    }
}

/// A graph ready to run.
pub struct Network {
    name: &'static str,
    plan: Arc<TypedRunnableModel>,
    threads: Threads,
}

impl Network {
    /// Parses and optimizes `onnx`, whose inputs must be `inputs`, in this order, and whose outputs
    /// `outputs`; `package` names it in errors.
    pub(super) fn load(
        name: &'static str,
        package: &str,
        onnx: &[u8],
        inputs: &[&str],
        outputs: &[&str],
        threads: &Threads,
    ) -> Result<Self, ModelError> {
        let check = |found: &(Vec<String>, Vec<String>)| {
            let same = found.0 == inputs && found.1 == outputs;
            let (found_in, found_out) = (found.0.join(", "), found.1.join(", "));
            same.then_some(()).ok_or_else(|| {
                format!(
                    "the graph takes ({found_in}) and gives ({found_out}); expected ({}) and ({})",
                    inputs.join(", "),
                    outputs.join(", "),
                )
            })
        };
        Self::checked(name, package, onnx, threads, check)
    }

    /// Parses and optimizes `onnx`, which may use tapseg's own operators. `name` and `package` name
    /// it in errors.
    ///
    /// # Errors
    /// [`ModelError::Network`] where the engine can't make sense of it.
    pub fn from_onnx(
        name: &'static str,
        package: &str,
        onnx: &[u8],
        threads: &Threads,
    ) -> Result<Self, ModelError> {
        Self::checked(name, package, onnx, threads, |_| Ok(()))
    }

    /// [`from_onnx`](Self::from_onnx), with a look at the names of its inputs and outputs first.
    fn checked(
        name: &'static str,
        package: &str,
        onnx: &[u8],
        threads: &Threads,
        check: impl FnOnce(&(Vec<String>, Vec<String>)) -> Result<(), String>,
    ) -> Result<Self, ModelError> {
        let bad = |reason: String| ModelError::Network {
            network: name,
            package: package.to_owned(),
            reason,
        };
        let model = contained(|| {
            let model = if threads.stock {
                stock_model(onnx)?
            } else {
                crate::ops::onnx().model_for_read(&mut &*onnx)?
            };
            let names = |outlets: &[OutletId]| -> Vec<String> {
                outlets.iter().map(|o| outlet_name(&model, *o)).collect()
            };
            match check(&(names(&model.inputs), names(&model.outputs))) {
                Ok(()) => {
                    let mut model = model.into_typed()?;
                    if !threads.stock {
                        crate::ops::fuse(&mut model)?;
                    }
                    Ok(Ok(model.into_decluttered()?))
                }
                Err(reason) => Ok(Err(reason)),
            }
        });
        let model = model.map_err(&bad)?.map_err(&bad)?;
        let plan = contained(|| model.into_optimized()?.into_runnable()).map_err(bad)?;
        Ok(Self { name, plan, threads: threads.clone() })
    }

    /// The shape of input `index`, `None` for an axis of any length.
    pub(super) fn input_shape(&self, index: usize) -> Option<Vec<Option<usize>>> {
        shape_of(self.plan.model().input_fact(index))
    }

    /// The shape of output `index`, `None` for an axis of any length.
    pub(super) fn output_shape(&self, index: usize) -> Option<Vec<Option<usize>>> {
        shape_of(self.plan.model().output_fact(index))
    }

    /// Runs the graph on arrays of f32, in the order of its inputs; gives its outputs.
    ///
    /// # Errors
    /// [`ModelError::Run`] where the engine fails, or an output is of another type.
    pub fn run_arrays(&self, inputs: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, ModelError> {
        let broken = |e: String| ModelError::Run { network: self.name, reason: e };
        let tensor = |input: &ArrayD<f32>| -> TractResult<TValue> {
            let values: Vec<f32> = input.iter().copied().collect();
            Ok(Tensor::from_shape(input.shape(), &values)?.into())
        };
        let inputs: TractResult<TVec<TValue>> = inputs.iter().map(tensor).collect();
        let outputs = self.run(inputs.map_err(|e| broken(format!("{e:#}")))?)?;
        let array = |output: &TValue| -> Result<ArrayD<f32>, ModelError> {
            let view = output.to_plain_array_view::<f32>().map_err(|e| broken(e.to_string()))?;
            let values = view.iter().copied().collect();
            ArrayD::from_shape_vec(output.shape(), values).map_err(|e| broken(e.to_string()))
        };
        outputs.iter().map(array).collect()
    }

    /// Runs the graph.
    pub(super) fn run(&self, inputs: TVec<TValue>) -> Result<TVec<TValue>, ModelError> {
        let run = || match &self.threads.recorder {
            None => self.plan.run(inputs),
            Some(recorder) => recorder.run(self.name, &self.plan, inputs),
        };
        contained(|| multithread::multithread_tract_scope(self.threads.executor.clone(), run))
            .map_err(|reason| ModelError::Run { network: self.name, reason })
    }
}

/// A graph read with the engine's own operators.
fn stock_model(onnx: &[u8]) -> TractResult<InferenceModel> {
    let reader = tract_onnx::onnx();
    let proto = reader.proto_model_for_read(&mut &*onnx)?;
    let nodes = proto.graph.iter().flat_map(|graph| &graph.node);
    if let Some(node) = nodes.into_iter().find(|node| node.domain == crate::ops::DOMAIN) {
        bail!(
            "it has an operator of tapseg's own ({}), which the engine alone doesn't know; make a \
             package of standard operators with tapseg convert CHECKPOINT --plain",
            node.op_type
        );
    }
    reader.model_for_proto_model(&proto)
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
