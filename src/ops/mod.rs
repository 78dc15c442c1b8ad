//! Stub until the operators are merged.
pub(crate) const DOMAIN: &str = "tapseg";
pub(crate) const QUANTIZED_LINEAR: &str = "QuantizedLinear";
