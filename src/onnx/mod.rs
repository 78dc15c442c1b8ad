//! ONNX graphs as data: finding layers in them, looking at what flows between layers, and writing
//! them.

pub(crate) mod file;
pub(crate) mod layers;
pub(crate) mod nodes;
pub(crate) mod taps;
