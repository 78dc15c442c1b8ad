//! One ONNX graph loaded by tract.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ndarray::ArrayD;
use rayon::prelude::*;
use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::DimLike;

use crate::contain::contain;

use super::decoder_parts::{split, split_last_output};
use super::error::ModelError;
use super::graph::{Names, fix, parsed, read};
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

    /// What `each` makes of `items`, which are told their number, in order. As many are worked on at a
    /// time as there are threads, each on one: what works on one prompt keeps it in the cache, and what
    /// works on a batch of them does not.
    pub(super) fn spread<I: Sync, T: Send>(
        &self,
        items: &[I],
        each: impl Fn(usize, &I) -> Result<T, ModelError> + Sync + Send,
    ) -> Result<Vec<T>, ModelError> {
        let each = |(number, item)| each(number, item);
        match &self.executor {
            multithread::Executor::SingleThread => items.iter().enumerate().map(each).collect(),
            multithread::Executor::MultiThread(pool) => {
                pool.install(|| items.par_iter().enumerate().map(each).collect())
            }
            multithread::Executor::RayonGlobal => items.par_iter().enumerate().map(each).collect(),
        }
    }

    /// Encoders and decoders loaded for them use the engine's own operators alone, and none of tapseg's:
    /// what tapseg's are measured against. Packages must be of standard operators (`--plain`).
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
        names: &Names,
        threads: &Threads,
    ) -> Result<Self, ModelError> {
        Self::checked(name, package, onnx, Some(names), threads)
    }

    /// Cuts `onnx` in three, called `names`, where the inputs that `fixed` names have those values: as
    /// [`split`] does it, and what is left as [`split_last_output`] does.
    pub(super) fn load_in_parts(
        names: [&'static str; 3],
        package: &str,
        mut onnx: pb::ModelProto,
        fixed: &[(&str, Tensor)],
        threads: &Threads,
    ) -> Result<[Self; 3], ModelError> {
        let mut load = || {
            fix(&mut onnx, fixed);
            let graph = read(&onnx, None, threads.stock)?;
            let [first, rest] = contained(|| split(&graph))?;
            let [second, third] = contained(|| split_last_output(&rest))?;
            let [of_first, of_second, of_third] = names;
            Ok([
                Self::of(of_first, first, threads)?,
                Self::of(of_second, second, threads)?,
                Self::of(of_third, third, threads)?,
            ])
        };
        load().map_err(|reason| named(names[1], package, reason))
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
        Self::checked(name, package, onnx, None, threads)
    }

    /// [`from_onnx`](Self::from_onnx), with a look at the names of its inputs and outputs first.
    fn checked(
        name: &'static str,
        package: &str,
        onnx: &[u8],
        names: Option<&Names>,
        threads: &Threads,
    ) -> Result<Self, ModelError> {
        contained(|| parsed(onnx))
            .and_then(|onnx| read(&onnx, names, threads.stock))
            .and_then(|graph| Self::of(name, graph, threads))
            .map_err(|reason| named(name, package, reason))
    }

    /// Makes `graph` ready to run.
    fn of(name: &'static str, graph: TypedModel, threads: &Threads) -> Result<Self, String> {
        let plan = contained(|| graph.into_optimized()?.into_runnable())?;
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
        self.run_on(&self.threads.executor, inputs)
    }

    /// Runs the graph on the calling thread alone.
    pub(super) fn run_alone(&self, inputs: TVec<TValue>) -> Result<TVec<TValue>, ModelError> {
        self.run_on(&multithread::Executor::SingleThread, inputs)
    }

    fn run_on(
        &self,
        executor: &multithread::Executor,
        inputs: TVec<TValue>,
    ) -> Result<TVec<TValue>, ModelError> {
        let run = || match &self.threads.recorder {
            None => self.plan.run(inputs),
            Some(recorder) => recorder.run(self.name, &self.plan, inputs),
        };
        contained(|| multithread::multithread_tract_scope(executor.clone(), run))
            .map_err(|reason| ModelError::Run { network: self.name, reason })
    }
}

/// The error that a network can't be loaded.
pub(super) fn named(network: &'static str, package: &str, reason: String) -> ModelError {
    ModelError::Network { network, package: package.to_owned(), reason }
}

fn shape_of(fact: TractResult<&TypedFact>) -> Option<Vec<Option<usize>>> {
    Some(fact.ok()?.shape.iter().map(|d| d.to_usize().ok()).collect())
}

/// A shape as people write it, with ? for a side of any length.
pub(super) fn in_words(shape: Option<&[Option<usize>]>) -> String {
    let side = |side: &Option<usize>| side.map_or("?".into(), |side| side.to_string());
    match shape {
        None => "something without a shape".into(),
        Some([]) => "a single number".into(),
        Some(shape) => shape.iter().map(side).collect::<Vec<_>>().join("×"),
    }
}

/// Runs `task`; an error or a panic of the engine becomes a message. tract asserts what it expects
/// of a graph in places, so a hostile one could otherwise take the program down.
pub(super) fn contained<T>(task: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    let broke_off = |panic| format!("the engine broke off at it, as at a damaged file: {panic}");
    contain(task).map_err(broke_off)?.map_err(|e| format!("{e:#}"))
}
