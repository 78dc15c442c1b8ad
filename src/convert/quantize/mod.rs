//! How weights are stored: as they are, as f16, or as int8 with activations that are quantized token
//! by token at run time.
//!
//! All of it works on ONNX graphs, whoever built them.

mod layers;
mod store;
pub(crate) mod taps;

use super::error::ConvertError;
use super::networks::Networks;
use super::{Progress, Stage};

/// How weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightPrecision {
    /// As they are in the checkpoint.
    F32,
    /// Half the size: matrices and convolutions rounded to f16, all else f32. Calculation is in f32.
    #[default]
    F16,
    /// The linear layers of the image encoder in 8 bits per output channel, multiplied in whole
    /// numbers; all else as with [`F16`](Self::F16).
    Int8,
}

impl WeightPrecision {
    /// Its name in `model.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }
}

/// How a model is stored.
#[derive(Clone, Debug, Default)]
pub struct Quantization {
    /// How weights are stored. Default: f16.
    pub weights: WeightPrecision,
    /// Whether the graphs have standard ONNX operators alone, for other engines, which then are
    /// slower with int8. Default: no.
    pub plain: bool,
}

impl Networks {
    /// Stores the networks, which are in f32, as `quantization` says. Gives the names of the layers
    /// that were left in f16 to reach the wanted mask IoU.
    ///
    /// # Errors
    /// [`ConvertError::Model`] where the networks can't be run to measure them.
    pub fn quantize(
        &mut self,
        quantization: &Quantization,
        progress: Progress<'_>,
    ) -> Result<Vec<String>, ConvertError> {
        self.manifest.weights = quantization.weights.name().into();
        if quantization.weights == WeightPrecision::Int8 {
            let layers = layers::linear_layers(&self.encoder);
            let total = layers.len() as u64;
            store::int8(&mut self.encoder, &layers, quantization.plain, &mut |done| {
                progress(Stage::Quantizing, done, total);
            });
        }
        if quantization.weights != WeightPrecision::F32 {
            store::f16(&mut self.encoder);
            store::f16(&mut self.decoder);
        }
        Ok(vec![])
    }
}
