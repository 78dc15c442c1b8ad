//! How weights are stored: as they are, as f16, or as int8 with activations that are quantized token
//! by token at run time.
//!
//! All of it works on ONNX graphs, whoever built them.

mod centre;
mod float_twin;
mod groups;
mod measure;
mod plain;
mod rounding;
mod select;
mod smooth;
mod store;

use super::error::ConvertError;
use super::networks::Networks;
use super::{Progress, Stage};
use crate::fidelity::Case;
use crate::onnx::layers::linear_layers;
use centre::centre;
pub use float_twin::float_twin;
#[cfg(any(test, feature = "tune"))]
pub(crate) use float_twin::in_f32;
#[cfg(feature = "tune")]
pub(crate) use float_twin::stored_like;
use measure::Inputs;
use rounding::Rounded;
use smooth::smooth;

/// How weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightPrecision {
    /// As they are in the checkpoint.
    F32,
    /// Half the size: matrices and convolutions rounded to f16, all else f32. Calculation is in f32.
    #[default]
    F16,
    /// Linear layers in 8 bits with a scale per output channel, multiplied in whole numbers by
    /// activations that have a scale per token; so are convolutions of all channels, where they are
    /// fitted to pictures and not in standard operators. All else is as with [`F16`](Self::F16).
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
    /// Pictures that int8 is fitted to. Default: none; int8 needs none.
    pub calibration: Option<Calibration>,
}

/// What int8 is fitted to.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Pictures of the kind the model is for. What activations have in common on them moves into
    /// biases, channels that are outliers are smoothed (their scale moves into the weights), and
    /// weights are rounded so that the errors cancel on them.
    pub cases: Vec<Case>,
    /// The mean mask IoU with f32, over the prompts the model was trained for, that is to be
    /// reached on them by leaving layers in f16.
    pub target_iou: Option<f64>,
}

/// What was left in f16 to reach a mask IoU.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Names of the layers.
    pub layers: Vec<String>,
    /// The mean mask IoU with them, where one was asked for.
    pub mask_iou: Option<f64>,
}

impl Networks {
    /// Stores the networks, which are in f32, as `quantization` says. Gives what was left
    /// in f16 to reach the wanted mask IoU.
    ///
    /// # Errors
    /// [`ConvertError::Model`] where the networks can't be run to measure them.
    pub fn quantize(
        &mut self,
        quantization: &Quantization,
        progress: Progress<'_>,
    ) -> Result<Kept, ConvertError> {
        let (mut kept, mut rounded) = (Kept::default(), Rounded::default());
        if let (WeightPrecision::Int8, Some(calibration)) =
            (quantization.weights, &quantization.calibration)
        {
            let measure = |encoder: &_, layers: &_, progress: Progress<'_>| {
                Inputs::of(encoder, layers, &self.manifest, &calibration.cases, |done, total| {
                    progress(Stage::Measuring, done, total);
                })
            };
            let layers = linear_layers(&self.encoder);
            let mut inputs = measure(&self.encoder, &layers, progress)?;
            centre(&mut self.encoder, &layers, &mut inputs);
            let layers = linear_layers(&self.encoder);
            smooth(&mut self.encoder, &layers, &inputs);
            let inputs = measure(&self.encoder, &layers, progress)?;
            rounded = Rounded::of(&self.encoder, &inputs, |done, total| {
                progress(Stage::Rounding, done, total);
            });
            if let Some(target) = calibration.target_iou {
                kept = select::kept_in_f16(self, &inputs, &rounded, calibration, target, progress)?;
            }
        }
        let show = &mut |done, total| progress(Stage::Quantizing, done, total);
        store_as(self, quantization.weights, &rounded, quantization.plain, &kept.layers, show);
        Ok(kept)
    }
}

/// Stores `networks`, which are in f32, with the layers called `kept` in f16 at least. `on_layer` is
/// told how many layers are done and how many there are.
fn store_as(
    networks: &mut Networks,
    weights: WeightPrecision,
    rounded: &Rounded,
    plain: bool,
    kept: &[String],
    on_layer: &mut dyn FnMut(u64, u64),
) {
    networks.manifest.weights = weights.name().into();
    let models = [&mut networks.encoder, &mut networks.decoder];
    if weights == WeightPrecision::Int8 {
        let layers = models.each_ref().map(|model| {
            let mut layers = linear_layers(model);
            layers.retain(|layer| {
                // What convolutions take is too uneven for int8, unless it was centred.
                !kept.contains(&layer.name) && (!layer.convolution || rounded.has(layer))
            });
            layers
        });
        let total = layers.iter().map(Vec::len).sum::<usize>() as u64;
        let mut before = 0;
        for (model, layers) in models.into_iter().zip(layers) {
            store::int8(model, &layers, rounded, plain, &mut |done| on_layer(before + done, total));
            before += layers.len() as u64;
        }
    }
    if weights != WeightPrecision::F32 {
        store::f16(&mut networks.encoder);
        store::f16(&mut networks.decoder);
    }
}

#[cfg(test)]
mod tests;
