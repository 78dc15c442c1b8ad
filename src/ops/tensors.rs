//! Tensors of the engine as slices.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

/// The elements of a tensor, row by row.
pub(super) fn values<T: Datum>(tensor: &Tensor) -> TractResult<&[T]> {
    tensor.to_plain_array_view::<T>()?.to_slice().context("the tensor isn't contiguous")
}

/// The elements of each of `tensors`.
pub(super) fn all_values(tensors: &[TValue]) -> TractResult<Vec<&[f32]>> {
    tensors.iter().map(|tensor| values(tensor)).collect()
}

/// A tensor of `shape`, of which `fill` writes every value and reads none that it hasn't written: they may
/// be anything before. On one thread to set them to zero first would take a tenth of the time of an encode
/// on two.
pub(super) fn filled(
    shape: &[usize],
    fill: impl FnOnce(&mut [f32]) -> TractResult<()>,
) -> TractResult<TVec<TValue>> {
    // SAFETY: any bits are an f32, and what is in them is nobody's until it is written.
    let mut tensor = unsafe { Tensor::uninitialized::<f32>(shape)? };
    let mut view = tensor.to_plain_array_view_mut::<f32>()?;
    let values = view.as_slice_mut().context("the tensor isn't contiguous")?;
    // In tests what is not written shows.
    #[cfg(test)]
    values.fill(f32::NAN);
    fill(values)?;
    Ok(tvec!(tensor.into_tvalue()))
}

/// The last side of `shape`, and the product of the others.
pub(super) fn rows_and_width(shape: &[usize]) -> TractResult<(usize, usize)> {
    let (width, rows) = shape.split_last().context("a value without axes")?;
    Ok((rows.iter().product(), *width))
}

/// Whether all of `inputs` are f32.
pub(super) fn ensure_f32(op: &str, inputs: &[&TypedFact]) -> TractResult<()> {
    for (index, fact) in inputs.iter().enumerate() {
        ensure!(fact.datum_type == f32::datum_type(), "input {index} of {op} is {fact:?}, not f32");
    }
    Ok(())
}

/// The values of `fact` where it is a constant of f32.
pub(super) fn constant(fact: &TypedFact) -> Option<&[f32]> {
    values::<f32>(fact.konst.as_ref().filter(|_| fact.datum_type == f32::datum_type())?).ok()
}

/// The value of `fact` where it is a constant single f32.
pub(super) fn scalar(fact: &TypedFact) -> Option<f32> {
    match constant(fact)? {
        &[value] => Some(value),
        _ => None,
    }
}
