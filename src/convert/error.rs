//! Why a checkpoint can't be converted.

use std::path::PathBuf;

use crate::model::{ModelError, PackageError};

/// Why a file can't be read as a PyTorch checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file can't be read, or an entry's content does not match its CRC.
    #[error("can't be read: {0}")]
    Io(#[from] std::io::Error),
    /// The container is not the zip that `torch.save` writes.
    #[error("is not a checkpoint that can be read: {0}")]
    Container(String),
    /// The pickle inside is damaged or does what no state dict needs.
    #[error("data.pkl, byte {at}: {reason}")]
    Pickle {
        /// Offset in `data.pkl`.
        at: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The pickle names something other than the few globals of a state dict. It was not run.
    #[error(
        "data.pkl asks for {0}, which no state dict needs; it was not run. Save the weights alone \
         with torch.save(model.state_dict(), …), if you trust where the file comes from"
    )]
    ForeignGlobal(String),
    /// There are no weights where a state dict has them.
    #[error("holds no state dict; {0}")]
    NoStateDict(String),
    /// A tensor can't be read.
    #[error("tensor {name}: {reason}")]
    Tensor {
        /// Its key in the state dict.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a checkpoint can't be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The checkpoint can't be read.
    #[error("{path} {source}", path = .path.display())]
    Checkpoint {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: CheckpointError,
    },
    /// The checkpoint is of a network that is not known here.
    #[error(
        "the checkpoint is of none of the networks known here, which are SAM (ViT-B, L, H), MedSAM, \
         MobileSAM and LiteMedSAM{looks}; it has {count} tensors, the first being {first}",
        looks = .looks_like.map(|name| format!("; it looks like {name}")).unwrap_or_default(),
        first = listed(.first)
    )]
    OtherNetwork {
        /// What it looks like, if that is known.
        looks_like: Option<&'static str>,
        /// How many tensors there are.
        count: usize,
        /// The first keys found, in alphabetical order.
        first: Vec<String>,
    },
    /// The tensors fit models that are fed differently.
    #[error(
        "the tensors are those of {architecture}, which several models share that are fed \
         differently: give --preset sam for Segment Anything and what was fine-tuned with its own \
         predictor (1024 pixels by the longer side, mean and deviation of ImageNet; points, boxes, \
         masks) or --preset medsam for MedSAM (squashed to a square, scaled to 0 to 1; boxes alone)"
    )]
    PresetNeeded {
        /// The image encoder's architecture.
        architecture: &'static str,
    },
    /// The input size asked for doesn't fit the network.
    #[error(
        "an input of {asked} pixels is not possible with these weights; possible is {possible}"
    )]
    InputSize {
        /// What was asked for.
        asked: usize,
        /// What is possible.
        possible: String,
    },
    /// Some weights of the network are not in the checkpoint.
    #[error("the {network} lacks {count} tensors: {keys}", count = .keys.len(), keys = listed(.keys))]
    Missing {
        /// Which network.
        network: &'static str,
        /// The keys that were looked for and not found.
        keys: Vec<String>,
    },
    /// The checkpoint has weights that the network would leave out.
    #[error(
        "the checkpoint has {count} tensors that the {network} does not, so it is of a variant of \
         it{looks}: {keys}",
        count = .keys.len(),
        looks = .looks_like.map(|name| format!(" (it looks like {name})")).unwrap_or_default(),
        keys = listed(.keys)
    )]
    Surplus {
        /// What it looks like, if that is known.
        looks_like: Option<&'static str>,
        /// Which network.
        network: &'static str,
        /// The keys that would be left out.
        keys: Vec<String>,
    },
    /// A weight has a shape that the rest of the network contradicts.
    #[error("tensor {name} has shape {found:?}; the rest of the checkpoint asks for {expected}")]
    Shape {
        /// Its key.
        name: String,
        /// The shape it has.
        found: Vec<usize>,
        /// The shape, or the property of it, that was expected.
        expected: String,
    },
    /// A BatchNorm can't be folded into its convolution.
    #[error(
        "{key} has statistics that no training gives; its variance is below zero or its scale beyond f32"
    )]
    BatchNorm {
        /// Its key.
        key: String,
    },
    /// Networks can't be built for the sizes asked for.
    #[error(
        "an image embedding of {grid}×{grid} cells for an input of {input_size} pixels is not \
         possible; from 1 to {max_grid} cells and from 16 to {max_input} pixels are",
        max_grid = super::MAX_GRID,
        max_input = super::MAX_INPUT_SIZE
    )]
    Size {
        /// Side of the embedding asked for.
        grid: usize,
        /// Side of the input.
        input_size: usize,
    },
    /// A network would be larger than an ONNX file can be.
    #[error(
        "a network would have {bytes} bytes and an ONNX file can have 2 GiB; store its \
         weights as f16 or int8"
    )]
    TooLarge {
        /// What it would have.
        bytes: u64,
    },
    /// A network can't be run to measure it.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The package can't be written.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A file is not an ONNX model.
    #[error("{path} is not an ONNX model: {reason}", path = .path.display())]
    NotOnnx {
        /// Which.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Weights that an ONNX file keeps in another file can't be had.
    #[error("{path} keeps weights in {file:?}, which can't be used: {reason}", path = .path.display())]
    ExternalData {
        /// The ONNX file.
        path: PathBuf,
        /// The other file, as it is named there.
        file: String,
        /// Why not, and what helps.
        reason: String,
    },
    /// A network has other inputs and outputs than it should.
    #[error(
        "{path} {found}; expected {expected}. Have encoder and decoder been given in each other's \
         place, or is this another kind of model?",
        path = .path.display()
    )]
    Interface {
        /// The ONNX file.
        path: PathBuf,
        /// Its inputs and outputs, with types and shapes.
        found: String,
        /// Those that it should have.
        expected: &'static str,
    },
    /// An encoder prepares pixels in its own way.
    #[error(
        "{path} prepares the picture otherwise than the preset {preset}: {reason}. Give the preset \
         it was trained with, or export the image encoder alone",
        path = .path.display()
    )]
    Preparation {
        /// The ONNX file.
        path: PathBuf,
        /// The preset's name.
        preset: &'static str,
        /// What differs.
        reason: String,
    },
    /// Encoder and decoder do not belong together.
    #[error(
        "the encoder gives an embedding of {encoder}, and the decoder takes one of {decoder}; give \
         two files of the same model"
    )]
    Pair {
        /// The shape that the encoder gives.
        encoder: String,
        /// The shape that the decoder takes.
        decoder: String,
    },
    /// The engine can't load a network.
    #[error("{path}: the engine can't load it: {reason}", path = .path.display())]
    Engine {
        /// The ONNX file.
        path: PathBuf,
        /// What the engine says.
        reason: String,
    },
    /// There is something where the package should be.
    #[error("{path} is there already; remove it or give another name", path = .path.display())]
    Exists {
        /// The package's folder.
        path: PathBuf,
    },
}

/// The first few of many keys, so that a message stays readable.
pub(super) fn listed(keys: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = keys.iter().take(SHOWN).map(|key| shortened(key)).collect::<Vec<_>>().join(", ");
    match keys.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A name from a foreign file, short enough for a message and without control characters.
pub(super) fn shortened(name: &str) -> String {
    const LONGEST: usize = 120;
    let mut short: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
