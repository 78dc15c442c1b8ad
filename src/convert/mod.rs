//! From a checkpoint to a model package, without Python.
//!
//! [`Checkpoint`] reads the weights, [`Networks`] turns them into ONNX graphs in f32, [`quantize`]
//! stores them smaller, and [`convert`] writes the package.

mod architecture;
mod builder;
mod checkpoint;
mod error;
mod foreign;
mod graph;
mod mask_decoder;
mod networks;
mod preset;
mod prompt_encoder;
pub mod quantize;
mod tiny_vit;
mod vit;

use std::path::Path;

use crate::model::Package;

pub use checkpoint::Checkpoint;
pub use error::{CheckpointError, ConvertError};
pub use foreign::{ForeignOptions, add_onnx};
pub use networks::Networks;
pub use preset::Preset;
pub use quantize::{Calibration, Kept, Quantization, WeightPrecision, float_twin};

/// The largest side of an image embedding that networks are built for; SAM has 64.
const MAX_GRID: usize = 256;
/// The largest side of an input that networks are built for.
const MAX_INPUT_SIZE: usize = crate::model::MAX_INPUT_SIZE as usize;

/// What to make of a checkpoint.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// The model's name in the package.
    pub name: String,
    /// How the model was trained to be fed. Default: as the checkpoint tells.
    pub preset: Option<Preset>,
    /// Side of the input in pixels, which TinyViT's weights do not tell. Default: as published, 256
    /// for LiteMedSAM and 1024 for MobileSAM.
    pub input_size: Option<usize>,
    /// How weights are stored. Default: f16.
    pub quantization: Quantization,
    /// The ONNX file of what finds the boxes for a tap, as [`Manifest::tap_head`](crate::model::Manifest::tap_head)
    /// describes it. Default: that which ships, for the checkpoint it was trained on, and none else.
    pub tap_head: Option<Vec<u8>>,
    /// The ONNX file of what makes prompt tokens of a text's embedding, as
    /// [`Manifest::text_encoder`](crate::model::Manifest::text_encoder) describes it. Default: none.
    pub text_encoder: Option<Vec<u8>>,
}

impl ConvertOptions {
    /// The defaults for a model called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        let quantization = Quantization::default();
        Self {
            name: name.into(),
            preset: None,
            input_size: None,
            quantization,
            tap_head: None,
            text_encoder: None,
        }
    }
}

/// What a conversion is doing, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading the file for its checksum; in bytes.
    Opening,
    /// Reading weights and building the networks; in weights.
    Building,
    /// Measuring on frames; in runs of the encoder.
    Measuring,
    /// Rounding weights so that the errors cancel; in layers.
    Rounding,
    /// Storing weights smaller; in layers.
    Quantizing,
    /// Writing the package; in bytes.
    Writing,
}

/// Is told a stage, what of it is done, and what there is to do.
pub type Progress<'a> = &'a mut dyn FnMut(Stage, u64, u64);

/// What a conversion made.
#[derive(Debug)]
pub struct Converted {
    /// The package, as it was read back and verified.
    pub package: Package,
    /// What the checkpoint did not tell and was assumed, in words.
    pub assumptions: Vec<String>,
    /// Linear layers that were left in f16 to reach the wanted mask IoU.
    pub kept: Vec<String>,
    /// The mean mask IoU that was reached with them on the calibration pictures, where one was
    /// wanted: it can be less, even with all layers in f16.
    pub mask_iou: Option<f64>,
}

/// Converts the checkpoint in the file `checkpoint` to a package in the folder `out`, in place of one
/// that is there. The same checkpoint and options give the same bytes; with a calibration, on the
/// same kind of processor, as its float arithmetic decides on roundings. Weights other than published ones get the licence
/// `NOASSERTION`, which SPDX has for an unknown one.
///
/// # Errors
/// [`ConvertError`] where the checkpoint can't be read or is of another network, where it is not
/// clear how the model is to be fed, or where the package can't be written. Nothing is written
/// before both networks have been built, and no package is left half written.
pub fn convert(
    checkpoint: &Path,
    options: &ConvertOptions,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Converted, ConvertError> {
    let checkpoint =
        Checkpoint::open(checkpoint, |done, total| progress(Stage::Opening, done, total))?;
    let in_f32 = 4 * checkpoint.elements() as u64;
    if options.quantization.weights == WeightPrecision::F32 && in_f32 > crate::model::MAX_FILE {
        return Err(ConvertError::TooLarge { bytes: in_f32 });
    }
    let mut networks = Networks::read(&checkpoint, options, progress)?;
    drop(checkpoint);
    let Kept { layers: kept, mask_iou } = networks.quantize(&options.quantization, progress)?;
    let assumptions = std::mem::take(&mut networks.assumptions);
    if options.text_encoder.is_some() {
        // One that doesn't fit is told before anything is written.
        crate::Segmenter::load(&networks.clone().in_memory(out)?)?;
    }
    let package = networks.write(out, progress)?;
    Ok(Converted { package, assumptions, kept, mask_iou })
}

/// Refuses sizes that no network is built for.
fn check_sizes(grid: usize, input_size: usize) -> Result<(), ConvertError> {
    let possible = (1..=MAX_GRID).contains(&grid) && (16..=MAX_INPUT_SIZE).contains(&input_size);
    possible.then_some(()).ok_or(ConvertError::Size { grid, input_size })
}
