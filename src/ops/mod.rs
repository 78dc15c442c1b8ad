//! Operators of tapseg's own: those that graphs may use beside ONNX's, and those that the engine
//! puts together from what it reads.

mod attention;
mod coarse;
mod conv;
mod exported;
mod fuse;
mod layer_norm;
mod nodes;
mod pixel_masks;
mod rows;
mod stages;
mod tensors;
mod threads;

use tract_onnx::Onnx;

pub(crate) use fuse::fuse;
pub(crate) use nodes::{
    CROSS_ATTENTION, DEPTHWISE_CONV, DOMAIN, NEIGHBOURHOODS, PIXEL_MASKS, QUANTIZED_LINEAR,
    WINDOW_ATTENTION, opset,
};

/// A reader of ONNX graphs that knows the operators of tapseg too.
pub(crate) fn onnx() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    nodes::register(&mut onnx);
    onnx
}

#[cfg(test)]
mod tests;
