//! What storing a model smaller cost it: how far a package's answers are from those of the same
//! model in f32, on pictures of one's own.
//!
//! [`Case`]s are pictures with prompts; [`Baseline`] is what f32 answers to them, and
//! [`Baseline::compare`] measures another package against it.

mod baseline;
mod cases;
mod layers;
mod plot;

use serde::Serialize;

use crate::percentile::percentile;

pub use baseline::Baseline;
pub use cases::{Case, CaseError, cases_in, phantom_cases};
pub use layers::layer_noise;
pub use plot::plot_svg;

/// How a package compares with f32.
#[derive(Clone, Debug, Serialize)]
pub struct Fidelity {
    /// The package's name.
    pub model: String,
    /// How its weights are stored.
    pub weights: String,
    /// Bytes of its networks.
    pub bytes: u64,
    /// Bytes of the networks in f32.
    pub f32_bytes: u64,
    /// Pictures measured on.
    pub images: usize,
    /// Cosine between the image embeddings, over the pictures.
    pub embedding_cosine: Summary,
    /// IoU of the masks that boxes give with those of f32.
    pub box_mask_iou: Summary,
    /// The same of points, as a person's single taps are answered.
    pub point_mask_iou: Summary,
    /// The prompts whose masks agree least, the worst first.
    pub worst: Vec<Disagreement>,
    /// Signal-to-noise ratio of each linear layer, in the networks' order.
    pub layers: Vec<LayerNoise>,
}

/// A prompt that a package answers differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    /// The picture.
    pub image: String,
    /// The prompt, in frame pixels, as `tapseg segment` takes it.
    pub prompt: String,
    /// IoU of the masks.
    pub mask_iou: f64,
}

/// Several measurements in three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many there are.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// The 5th percentile, between the nearest two.
    pub p5: f64,
    /// The smallest.
    pub min: f64,
}

impl Summary {
    /// Sums up `values`; of none all is NaN, which is `null` in JSON.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        Self {
            n,
            mean: values.iter().sum::<f64>() / n as f64,
            p5: percentile(&values, 0.05).unwrap_or(f64::NAN),
            min: values.first().copied().unwrap_or(f64::NAN),
        }
    }
}

/// The noise of one linear layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerNoise {
    /// The key of its weight, without `.weight`.
    pub name: String,
    /// How its weight is stored: `f32`, `f16` or `int8`.
    pub weights: String,
    /// Power of the layer's output in f32 over that of the difference to it, in dB. The noise that
    /// came with its input is in it.
    pub snr_db: f64,
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn measurements_are_summed_up() {
        let twenty_one = (0..21).rev().map(f64::from).collect();
        assert_eq!(Summary::of(twenty_one), Summary { n: 21, mean: 10.0, p5: 1.0, min: 0.0 });
        assert_eq!(Summary::of(vec![0.5]), Summary { n: 1, mean: 0.5, p5: 0.5, min: 0.5 });
        // numpy.percentile([0, 1], 5)
        assert!((Summary::of(vec![1.0, 0.0]).p5 - 0.05).abs() < 1e-12);
        assert!(Summary::of(vec![]).mean.is_nan());
    }
}
