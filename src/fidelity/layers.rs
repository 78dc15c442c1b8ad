//! The noise of each layer.

use ndarray::{Array, ArrayD, IxDyn};
use prost::Message;
use tract_onnx::pb;

use super::{Baseline, LayerNoise};
use crate::model::{ModelError, Network, Package, Segmenter, Threads};
use crate::onnx::nodes::fix_free_axes;
use crate::onnx::taps;

/// Signal-to-noise ratio of each linear layer of `package` against the same layers of `reference`,
/// which is in f32: those of the image encoder on the pictures of `baseline`, then those of the
/// mask decoder for the first box of each, with the embedding of f32. A part of the tokens is looked
/// at. Layers that `reference` has no equal of are left out. `on_case` is told how many cases are
/// done.
///
/// # Errors
/// [`ModelError`] where a network can't be run.
pub fn layer_noise(
    reference: &Package,
    package: &Package,
    baseline: &Baseline,
    threads: &Threads,
    mut on_case: impl FnMut(u64),
) -> Result<Vec<LayerNoise>, ModelError> {
    let packages = [reference, package];
    let mut encoder = Pair::load("encoder", packages, packages.map(Package::encoder), threads)?;
    let mut decoder = Pair::load("decoder", packages, packages.map(Package::decoder), threads)?;
    for (done, answered) in baseline.answered().enumerate() {
        let image = Segmenter::input_of(package.manifest(), &answered.case.frame);
        encoder.run(&[image.into_dyn()])?;
        if let Some((bounding_box, _)) = answered.by_box.first() {
            let embedding = answered.embedding.features()?.to_owned().into_dyn();
            let side = 4 * embedding.shape()[2];
            let corners = answered.embedding.box_to_input(*bounding_box);
            let zeros = |shape: &[usize]| ArrayD::zeros(shape);
            let coordinates = |at: IxDyn| corners[at[1]][at[2]];
            let inputs = [
                embedding,
                Array::from_shape_fn(IxDyn(&[1, 2, 2]), coordinates),
                Array::from_shape_fn(IxDyn(&[1, 2]), |at| 2.0 + at[1] as f32),
                zeros(&[1, 1, side, side]),
                zeros(&[1]),
            ];
            decoder.run(&inputs)?;
        }
        on_case(done as u64 + 1);
    }
    Ok(encoder.noise().chain(decoder.noise()).collect())
}

/// The same network in f32 and as it is stored, with the outputs of their layers.
struct Pair {
    exact: Network,
    stored: Network,
    layers: Vec<Layer>,
}

struct Layer {
    name: String,
    weights: &'static str,
    /// Power of the output in f32, and of the difference to it.
    powers: [f64; 2],
}

impl Pair {
    fn load(
        network: &'static str,
        packages: [&Package; 2],
        onnx: [&[u8]; 2],
        threads: &Threads,
    ) -> Result<Self, ModelError> {
        let bad = |package: &Package, reason: String| ModelError::Network {
            network,
            package: package.location().display().to_string(),
            reason,
        };
        let parse = |index: usize| -> Result<pb::ModelProto, ModelError> {
            let model = pb::ModelProto::decode(onnx[index]);
            let mut model = model.map_err(|e| bad(packages[index], e.to_string()))?;
            // Two corners of one box.
            fix_free_axes(&mut model, |input, axis| match (input, axis) {
                ("point_coords" | "point_labels", 1) => 2,
                _ => 1,
            });
            Ok(model)
        };
        let models = [parse(0)?, parse(1)?];
        let (mut layers, mut outputs) = (vec![], vec![]);
        for (name, output) in taps::outputs(&models[0]) {
            if let Some(weights) = taps::weights(&models[1], &output) {
                layers.push(Layer { name, weights, powers: [0.0; 2] });
                outputs.push(output);
            }
        }
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let load = |(mut model, package): (pb::ModelProto, &Package)| {
            taps::tap(&mut model, &outputs).map_err(|e| bad(package, format!("{e:#}")))?;
            let place = package.location().display().to_string();
            Network::from_onnx(network, &place, &model.encode_to_vec(), threads)
        };
        let [exact, stored] = models;
        let (exact, stored) = (load((exact, packages[0]))?, load((stored, packages[1]))?);
        Ok(Self { exact, stored, layers })
    }

    /// Gives both the same inputs.
    fn run(&mut self, inputs: &[ArrayD<f32>]) -> Result<(), ModelError> {
        let (exact, stored) = (self.exact.run_arrays(inputs)?, self.stored.run_arrays(inputs)?);
        // The layers' outputs follow the network's own.
        let own = exact.len() - self.layers.len();
        for (layer, (exact, stored)) in
            self.layers.iter_mut().zip(exact.iter().zip(&stored).skip(own))
        {
            for (exact, stored) in exact.iter().zip(stored) {
                layer.powers[0] += f64::from(*exact).powi(2);
                layer.powers[1] += f64::from(exact - stored).powi(2);
            }
        }
        Ok(())
    }

    fn noise(self) -> impl Iterator<Item = LayerNoise> {
        self.layers.into_iter().map(|Layer { name, weights, powers: [signal, noise] }| {
            let snr_db = 10.0 * (signal / noise.max(f64::MIN_POSITIVE)).log10();
            LayerNoise { name, weights: weights.to_owned(), snr_db }
        })
    }
}
