//! From a storage's bytes to f32 tensors.

use std::rc::Rc;

use half::{bf16, f16};
use ndarray::{ArrayD, ArrayView, IxDyn, ShapeBuilder};

/// The type of a storage's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementType {
    F32,
    F16,
    Bf16,
    F64,
    /// Whole numbers and booleans of so many bytes: counters, never weights.
    Whole(usize),
}

impl ElementType {
    /// The type behind a storage class of the module `torch`.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "DoubleStorage" => Self::F64,
            "LongStorage" => Self::Whole(8),
            "IntStorage" => Self::Whole(4),
            "ShortStorage" => Self::Whole(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => Self::Whole(1),
            _ => return None,
        })
    }

    pub(super) fn size_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F64 => 8,
            Self::Whole(bytes) => bytes,
        }
    }

    /// Little-endian `bytes` as f32; whole numbers give nothing.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|&chunk| value(chunk)).collect()
        }
        match self {
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Self::Whole(_) => vec![],
        }
    }
}

/// A tensor as the pickle describes it: a strided view of a storage. Nothing here has been checked
/// against the file.
pub(super) struct TensorRef {
    /// Name of the storage's entry.
    pub(super) storage: Rc<str>,
    pub(super) element: ElementType,
    /// Elements in the storage.
    pub(super) storage_len: usize,
    /// Elements before the tensor's first.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Elements from one index to the next, per axis.
    pub(super) strides: Vec<usize>,
}

impl TensorRef {
    /// The number of elements; `None` beyond what a machine can count.
    pub(super) fn len(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side))
    }

    /// The tensor in row-major order, out of its decoded `storage`.
    ///
    /// # Errors
    /// What is wrong with a view that leaves its storage.
    pub(super) fn view(&self, storage: Vec<f32>) -> Result<ArrayD<f32>, String> {
        let held = storage.len();
        let outside = || {
            let Self { offset, shape, strides, .. } = self;
            format!(
                "shape {shape:?} with strides {strides:?} from element {offset} leaves its \
                 storage of {held} elements"
            )
        };
        if self.shape.len() != self.strides.len() {
            return Err(outside());
        }
        if self.is_whole(held) {
            return ArrayD::from_shape_vec(IxDyn(&self.shape), storage).map_err(|_| outside());
        }
        let layout = IxDyn(&self.shape).strides(IxDyn(&self.strides));
        let elements = storage.get(self.offset..).ok_or_else(outside)?;
        let view = ArrayView::from_shape(layout, elements).map_err(|_| outside())?;
        Ok(view.as_standard_layout().into_owned())
    }

    /// Whether the view is a storage of `held` elements as it lies: the usual case, which needs no
    /// copy.
    fn is_whole(&self, held: usize) -> bool {
        let mut expected = 1;
        let row_major = self.shape.iter().zip(&self.strides).rev().all(|(&side, &stride)| {
            let fits = side == 1 || stride == expected;
            expected = side.saturating_mul(expected);
            fits
        });
        row_major && self.offset == 0 && self.len() == Some(held)
    }
}
