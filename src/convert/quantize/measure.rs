//! What the linear layers of an encoder get on pictures, and how much noise int8 would add.

use std::collections::HashMap;

use ndarray::{Array2, ArrayD, ArrayView1, Axis, Ix2, concatenate};
use prost::Message;
use tract_onnx::pb;

use super::rounding::{Int8, Rounded};
use crate::fidelity::Case;
use crate::kernels::{Isa, PackedLinear};
use crate::model::{Manifest, ModelError, Network, Segmenter, Threads};
use crate::onnx::layers::Linear;
use crate::onnx::nodes::f32_values;
use crate::onnx::taps;

/// The most pictures whose activations are kept.
const MAX_PICTURES: usize = 16;

/// Inputs of linear layers by the value's name: token × channel, a part of the tokens of each
/// picture.
#[derive(Clone)]
pub(super) struct Inputs(HashMap<String, Array2<f32>>);

impl Inputs {
    /// Runs `encoder`, which is in f32, on some of `cases`.
    pub(super) fn of(
        encoder: &pb::ModelProto,
        layers: &[Linear],
        manifest: &Manifest,
        cases: &[Case],
        mut on_case: impl FnMut(u64, u64),
    ) -> Result<Self, ModelError> {
        let broken = |reason: String| ModelError::Run { network: "encoder", reason };
        let graph = encoder.graph.as_ref();
        let mut names: Vec<&str> =
            layers.iter().filter_map(|l| Some(&*graph?.node[l.product].input[0])).collect();
        names.sort_unstable();
        names.dedup();
        let mut tapped = encoder.clone();
        taps::tap(&mut tapped, &names).map_err(|e| broken(format!("{e:#}")))?;
        let onnx = tapped.encode_to_vec();
        drop(tapped);
        let network = Network::from_onnx("encoder", "f32", &onnx, &Threads::all_cores())?;
        drop(onnx);
        let chosen: Vec<&Case> =
            cases.iter().step_by(cases.len().div_ceil(MAX_PICTURES).max(1)).collect();
        let mut seen: Vec<Vec<ArrayD<f32>>> = vec![vec![]; names.len()];
        for (done, case) in chosen.iter().enumerate() {
            let input = Segmenter::input_of(manifest, &case.frame).into_dyn();
            // The first output is the embedding.
            let outputs = network.run_arrays(&[input])?.into_iter().skip(1);
            seen.iter_mut().zip(outputs).for_each(|(seen, output)| seen.push(output));
            on_case(done as u64 + 1, chosen.len() as u64);
        }
        let inputs: Result<HashMap<_, _>, _> = names
            .iter()
            .zip(seen)
            .map(|(name, seen)| {
                let views: Vec<_> = seen.iter().map(|array| array.view()).collect();
                let all = concatenate(Axis(0), &views)?.into_dimensionality::<Ix2>()?;
                Ok(((*name).to_owned(), all))
            })
            .collect();
        inputs.map(Self).map_err(|e: ndarray::ShapeError| broken(e.to_string()))
    }

    /// The input called `name`: token × channel.
    pub(super) fn get(&self, name: &str) -> Option<&Array2<f32>> {
        self.0.get(name)
    }

    /// The largest absolute value of each channel of the input called `name`.
    pub(super) fn largest(&self, name: &str) -> Option<Vec<f32>> {
        let inputs = self.0.get(name)?;
        let largest = inputs
            .axis_iter(Axis(1))
            .map(|channel| channel.iter().fold(0f32, |largest, value| largest.max(value.abs())));
        Some(largest.collect())
    }

    /// The mean of each channel of the input called `name`; `None` where nothing is known of it.
    pub(super) fn means(&self, name: &str) -> Option<Vec<f32>> {
        let inputs = self.0.get(name)?;
        let tokens = inputs.nrows().max(1) as f64;
        let mean = |channel: ArrayView1<f32>| {
            (channel.iter().map(|value| f64::from(*value)).sum::<f64>() / tokens) as f32
        };
        let means: Vec<f32> = inputs.axis_iter(Axis(1)).map(mean).collect();
        means.iter().all(|mean| mean.is_finite()).then_some(means)
    }

    /// Takes `means` off the input called `name`, which then is called `centred`.
    pub(super) fn centre(&mut self, name: &str, centred: String, means: &[f32]) {
        if let Some(mut inputs) = self.0.remove(name) {
            inputs -= &ArrayView1::from(means);
            self.0.insert(centred, inputs);
        }
    }

    /// Power of what `layer` of `model` gives for these inputs over that of the noise that int8 adds
    /// with the weights in `rounded`.
    pub(super) fn signal_to_noise(
        &self,
        model: &pb::ModelProto,
        layer: &Linear,
        rounded: &Rounded,
    ) -> Option<f64> {
        let graph = model.graph.as_ref()?;
        let x = self.0.get(&graph.node[layer.product].input[0])?.as_standard_layout();
        let tensor = &graph.initializer[layer.weight];
        let outputs = usize::try_from(*tensor.dims.get(1)?).ok()?;
        let values = f32_values(tensor)?;
        let Int8 { weight, scale } = rounded.get(layer, &values, outputs);
        let isa = Isa::chosen().ok()?;
        let packed = PackedLinear::new(isa, (x.ncols(), outputs), &weight, &scale, None).ok()?;
        let mut noisy = vec![0.0; x.nrows() * outputs];
        packed.apply(x.nrows(), x.as_slice()?, &mut noisy);
        let exact = x.dot(&Array2::from_shape_vec((x.ncols(), outputs), values).ok()?);
        let (mut signal, mut noise) = (0.0, f64::MIN_POSITIVE);
        for (exact, noisy) in exact.iter().zip(&noisy) {
            signal += f64::from(*exact).powi(2);
            noise += f64::from(exact - noisy).powi(2);
        }
        Some(signal / noise)
    }
}
