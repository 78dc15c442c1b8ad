//! The safetensors container: a JSON header that says where each tensor lies, then their bytes.
//! The header is parsed and checked by the `safetensors` crate; tensors are read one at a time.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use ndarray::{ArrayD, IxDyn};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::tensor::ElementType;
use crate::convert::error::{CheckpointError, shortened};

/// The largest header read; SAM ViT-H's has 80 kB.
const MAX_HEADER: u64 = 4 << 20;

/// A tensor in the file.
struct Place {
    element: ElementType,
    shape: Vec<usize>,
    /// Offset in the file.
    start: u64,
    bytes: u64,
}

/// Tensors in the safetensors container.
pub(super) struct SafeTensors<R> {
    reader: R,
    tensors: BTreeMap<String, Place>,
}

impl<R: Read + Seek> SafeTensors<R> {
    /// Reads the header of a file of `file_len` bytes.
    pub(super) fn open(mut reader: R, file_len: u64) -> Result<Self, CheckpointError> {
        let bad =
            |reason: String| CheckpointError::Container(format!("its safetensors header {reason}"));
        let mut len = [0; 8];
        reader.read_exact(&mut len)?;
        let header_len = u64::from_le_bytes(len);
        if header_len > MAX_HEADER {
            return Err(bad(format!(
                "claims {header_len} bytes, more than the limit of {MAX_HEADER}"
            )));
        }
        let mut header = Vec::new();
        reader.by_ref().take(header_len).read_to_end(&mut header)?;
        if header.len() as u64 != header_len {
            return Err(bad("is cut short; download the file again".into()));
        }
        let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| {
            let e = e.to_string();
            bad(format!("is damaged: {}", shortened(&e)))
        })?;
        let start = 8 + header_len;
        let expected = start.saturating_add(metadata.data_len() as u64);
        if file_len != expected {
            return Err(CheckpointError::Container(format!(
                "its header promises a file of {expected} bytes and it has {file_len}; download it again"
            )));
        }
        let mut tensors = BTreeMap::new();
        for (name, info) in metadata.tensors() {
            let element = element(info.dtype).ok_or_else(|| CheckpointError::Tensor {
                name: shortened(&name),
                reason: format!(
                    "is stored as {:?}; f32, f16, bf16 and f64 can be read",
                    info.dtype
                ),
            })?;
            if matches!(element, ElementType::Whole(_)) || info.shape.contains(&0) {
                continue;
            }
            let (from, to) = info.data_offsets;
            let place = Place {
                element,
                shape: info.shape.clone(),
                start: start + from as u64,
                bytes: (to - from) as u64, // checked by the crate to fit the shape
            };
            tensors.insert(name, place);
        }
        Ok(Self { reader, tensors })
    }

    /// Names and shapes.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, place)| (&**name, &*place.shape))
    }

    /// Reads the tensor `name`.
    pub(super) fn read(&mut self, name: &str) -> Result<ArrayD<f32>, CheckpointError> {
        let bad =
            |reason: &str| CheckpointError::Tensor { name: shortened(name), reason: reason.into() };
        let place = self.tensors.get(name).ok_or_else(|| bad("is not there"))?;
        self.reader.seek(SeekFrom::Start(place.start))?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(place.bytes).read_to_end(&mut bytes)?;
        ArrayD::from_shape_vec(IxDyn(&place.shape), place.element.decode(&bytes))
            .map_err(|_| bad("has fewer bytes than its shape asks for"))
    }
}

/// The type behind safetensors' name for it.
fn element(dtype: Dtype) -> Option<ElementType> {
    Some(match dtype {
        Dtype::F32 => ElementType::F32,
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::Bf16,
        Dtype::F64 => ElementType::F64,
        Dtype::I64 | Dtype::U64 => ElementType::Whole(8),
        Dtype::I32 | Dtype::U32 => ElementType::Whole(4),
        Dtype::I16 | Dtype::U16 => ElementType::Whole(2),
        Dtype::I8 | Dtype::U8 | Dtype::BOOL => ElementType::Whole(1),
        _ => return None,
    })
}
