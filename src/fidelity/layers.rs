//! The noise of each layer.

use prost::Message;
use tract_onnx::pb;

use super::LayerNoise;
use super::cases::Case;
use crate::model::{ModelError, Network, Package, Segmenter, Threads};
use crate::onnx::taps;

/// Signal-to-noise ratio of each linear layer of the image encoder in `package`, against the same
/// layers in `reference`, which is in f32, over the pictures of `cases`. A part of the tokens is
/// looked at. Layers that `reference` has no equal of are left out. `on_case` is told how many cases
/// are done.
///
/// # Errors
/// [`ModelError`] where a network can't be run.
pub fn layer_noise<'a>(
    reference: &Package,
    package: &Package,
    cases: impl Iterator<Item = &'a Case>,
    threads: &Threads,
    mut on_case: impl FnMut(u64),
) -> Result<Vec<LayerNoise>, ModelError> {
    let parse = |package: &Package| {
        pb::ModelProto::decode(package.encoder()).map_err(|e| ModelError::Network {
            network: "encoder",
            package: package.location().display().to_string(),
            reason: e.to_string(),
        })
    };
    let (exact, stored) = (parse(reference)?, parse(package)?);
    let layers: Vec<_> = taps::outputs(&exact)
        .into_iter()
        .filter_map(|(name, output)| Some((name, taps::weights(&stored, &output)?, output)))
        .collect();
    let load = |package: &Package, mut model: pb::ModelProto| {
        let place = package.location().display().to_string();
        let outputs: Vec<&str> = layers.iter().map(|(.., output)| &**output).collect();
        taps::tap(&mut model, &outputs).map_err(|e| ModelError::Network {
            network: "encoder",
            package: place.clone(),
            reason: format!("{e:#}"),
        })?;
        Network::from_onnx("encoder", &place, &model.encode_to_vec(), threads)
    };
    let (exact, stored) = (load(reference, exact)?, load(package, stored)?);
    let mut powers = vec![[0f64; 2]; layers.len()];
    for (done, case) in cases.enumerate() {
        let input = [Segmenter::input_of(package.manifest(), &case.frame).into_dyn()];
        let (exact, stored) = (exact.run_arrays(&input)?, stored.run_arrays(&input)?);
        // The first output is the embedding.
        for (power, (exact, stored)) in powers.iter_mut().zip(exact.iter().zip(&stored).skip(1)) {
            for (exact, stored) in exact.iter().zip(stored) {
                power[0] += f64::from(*exact).powi(2);
                power[1] += f64::from(exact - stored).powi(2);
            }
        }
        on_case(done as u64 + 1);
    }
    let noise = layers.into_iter().zip(powers).map(|((name, weights, _), [signal, noise])| {
        let snr_db = 10.0 * (signal / noise.max(f64::MIN_POSITIVE)).log10();
        LayerNoise { name, weights: weights.to_owned(), snr_db }
    });
    Ok(noise.collect())
}
