//! From a frame to masks: packages, preprocessing, the networks, and the predictor over them.

mod error;
mod manifest;
mod masks;
mod package;
mod segmenter;

pub use error::ModelError;
pub use manifest::{
    FORMAT, Filter, MANIFEST_FILE, Manifest, MaskTokens, Normalisation, PackageFile, Preprocessing,
    PromptKind, Resize,
};
pub use masks::{MaskCandidate, Masks};
pub use package::{Package, PackageError};
pub use segmenter::{ImageEmbedding, Segmenter};
