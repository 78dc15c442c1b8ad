//! Operators of tapseg's own, which graphs may use beside those of ONNX: domain `tapseg`.

mod quantized_linear;

use tract_onnx::Onnx;

pub(crate) use quantized_linear::NAME as QUANTIZED_LINEAR;

/// The domain of the operators here, in graphs.
pub(crate) const DOMAIN: &str = "tapseg";

/// A reader of ONNX graphs that knows the operators of tapseg too.
pub(crate) fn onnx() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    quantized_linear::register(&mut onnx);
    onnx
}
