//! From a frame to masks: packages, preprocessing, the networks, and the predictor over them.

mod decoder;
mod decoder_parts;
mod encoder;
mod error;
mod graph;
mod identity;
#[cfg(feature = "tune")]
mod lesson;
mod library;
mod manifest;
mod many;
mod masks;
mod network;
mod package;
mod preprocess;
mod profile;
mod removal;
mod resample;
mod segmenter;
mod tap_boxes;
mod tap_head;
mod text;
mod through_boxes;
mod weights;

pub use error::ModelError;
pub use identity::ModelId;
#[cfg(feature = "tune")]
pub(crate) use lesson::Lesson;
pub use library::{
    Entry, Library, LibraryError, Place, SEARCH_VARIABLE, check_name, user_data_folder,
};
pub(crate) use manifest::MAX_INPUT_SIZE;
pub use manifest::{
    CoordinateScale, FIDELITY_FILES, FORMAT, Filter, MANIFEST_FILE, Manifest, MaskTokens,
    Normalisation, PackageFile, Preprocessing, PromptKind, Resize, Tuned,
};
pub use many::{Proposal, Spot};
pub use masks::{MaskCandidate, Masks};
pub use network::{Network, Threads};
pub use package::{Content, Extras, Package, PackageError};
pub(crate) use package::{MAX_FILE, hex, hex_sha256, read_limited};
pub use profile::{NodeTime, Recorder};
pub use removal::remove_package;
pub use segmenter::{ImageEmbedding, Segmenter};
pub(crate) use weights::Weights;
