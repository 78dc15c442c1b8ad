//! Segment Anything at the bedside: tap a structure on a live ultrasound or endoscope picture and
//! see it outlined, on the device's own CPU.
//!
//! The modules follow the data:
//! [`feed`] → [`Frame`] → [`model`] (image embedding, kept by [`EmbeddingCache`]) → [`Prompt`] →
//! [`Mask`] → [`overlay`] → [`screen`]. [`touch`] turns fingers into gestures, [`session`] is the
//! state machine they drive, [`app`] runs it all on threads, [`cine`] remembers the last seconds, and
//! [`record`] keeps what is saved.
//! [`region`] finds the picture on a scanner's screen, so that the network sees no margins.
//! [`propagate`] follows a structure through the slices of a volume, [`track`] along a live picture.
//! [`convert`] makes model packages from checkpoints; [`kernels`] is the arithmetic of what the
//! engine doesn't do itself; [`measure`] tells how large a structure is, [`machine`] how fast it all
//! is on this machine, and [`eval`] how
//! well its masks fit those of a dataset. With the feature `tune`, `tune` fits a package's decoder to
//! a dataset.
//!
//! [`words`] are those on the screen, in the person's language.
//!
//! [`label`] makes a dataset of a folder of pictures, with a person.
//!
//! [`automatic`] finds everything on a frame without a prompt, [`coco`] exchanges and judges masks, and
//! [`boundary`] judges edges.
//! [`board`] knows how boards are set up, and what is wrong with one.
//!
//! Positions are *frame pixels* (see [`geometry`]) everywhere but inside [`model`], which has its
//! own input space, and [`screen`], [`overlay`] and [`touch`], which work in screen pixels.

#![deny(missing_docs, rustdoc::broken_intra_doc_links, unsafe_op_in_unsafe_fn)]

pub mod app;
pub mod automatic;
pub mod board;
pub mod boundary;
pub mod cine;
pub mod clock;
pub mod coco;
mod contain;
pub mod convert;
mod distance;
mod embedding_cache;
pub mod eval;
pub mod feed;
pub mod fidelity;
mod files;
mod frame;
#[cfg(test)]
mod fuzz;
pub mod geometry;
pub mod kernels;
pub mod label;
pub mod machine;
mod mask;
pub mod measure;
pub mod model;
mod morph;
mod nearest;
mod onnx;
mod ops;
pub mod overlay;
mod percentile;
pub mod prompt;
pub mod propagate;
mod random;
pub mod record;
pub mod region;
mod rle;
pub mod screen;
pub mod session;
pub mod touch;
pub mod track;
#[cfg(feature = "tune")]
pub mod tune;
pub mod words;

pub use embedding_cache::{EmbeddingCache, EmbeddingKey, SizeBytes};
pub use frame::{Frame, FrameError, PixelSpacing};
pub use geometry::{FrameBox, FramePoint, FrameSize};
pub use mask::Mask;
pub use model::{ImageEmbedding, MaskCandidate, Masks, Package, Segmenter};
pub use prompt::Prompt;
pub use rle::{Rle, RleError};
