//! From a frame to masks: packages, preprocessing, the networks, and the predictor over them.

mod decoder;
mod encoder;
mod error;
mod manifest;
mod masks;
mod network;
mod package;
mod preprocess;
mod resample;
mod segmenter;
mod tap_boxes;

pub use error::ModelError;
pub use manifest::{
    CoordinateScale, FORMAT, Filter, MANIFEST_FILE, Manifest, MaskTokens, Normalisation,
    PackageFile, Preprocessing, PromptKind, Resize,
};
pub use masks::{MaskCandidate, Masks};
pub use network::{Network, Threads};
pub(crate) use package::hex;
pub use package::{Content, Package, PackageError};
pub use segmenter::{ImageEmbedding, Segmenter};
