//! The container that `torch.save` writes: a zip with `data.pkl`, which describes the state dict,
//! and the storages `data/0`, `data/1`…, uncompressed.
//!
//! The container is read by the `zip` crate, the pickle by a machine of our own: `serde-pickle`
//! lacks persistent ids, by which tensors refer to their storages; `candle-core` keeps unknown
//! globals as values instead of refusing them, allocates what a file claims and copies whatever the
//! memo repeats; `tch` needs libtorch.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::rc::Rc;

use ndarray::ArrayD;
use zip::{CompressionMethod, ZipArchive};

use super::pickle;
use super::tensor::{ElementType, TensorRef};
use crate::convert::error::{CheckpointError, shortened};

/// The largest `data.pkl` read; LiteMedSAM's has 80 kB.
const MAX_PICKLE: u64 = 4 << 20;
/// How often tensors that share storages may make the file be read.
const MAX_SHARING: u64 = 4;

/// A state dict in PyTorch's container.
pub(super) struct Torch<R> {
    archive: Archive<R>,
    tensors: BTreeMap<Rc<str>, Rc<TensorRef>>,
}

impl<R: Read + Seek> Torch<R> {
    /// Reads what the file of `file_len` bytes says about its tensors, and no weights yet.
    pub(super) fn open(reader: R, file_len: u64) -> Result<Self, CheckpointError> {
        let mut archive = Archive::open(reader)?;
        let references = pickle::read_state_dict(&archive.entry("data.pkl", MAX_PICKLE)?)?;
        let (mut tensors, mut elements, mut bytes) = (BTreeMap::new(), 0u64, 0u64);
        for (name, tensor) in references {
            if matches!(tensor.element, ElementType::Whole(_)) || tensor.shape.contains(&0) {
                continue;
            }
            let bad = |reason: String| CheckpointError::Tensor { name: shortened(&name), reason };
            let larger = || format!("shape {:?} is more than the file can hold", tensor.shape);
            let len = tensor.len().ok_or_else(|| bad(larger()))?;
            elements = elements.saturating_add(len as u64);
            if elements > file_len {
                return Err(bad(larger()));
            }
            let size = archive.size(&storage_entry(&tensor))?;
            if size > file_len {
                let entry = shortened(&storage_entry(&tensor));
                let reason = format!("its entry {entry} claims {size} bytes, more than the file");
                return Err(CheckpointError::Container(reason));
            }
            bytes = bytes.saturating_add(size);
            if bytes > MAX_SHARING.saturating_mul(file_len) {
                return Err(bad(
                    "shares its storage with more tensors than a state dict has".into()
                ));
            }
            tensors.insert(name.clone(), tensor.clone());
        }
        Ok(Self { archive, tensors })
    }

    /// Names and shapes.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, tensor)| (&**name, &*tensor.shape))
    }

    /// Reads the tensor `name`.
    pub(super) fn read(&mut self, name: &str) -> Result<ArrayD<f32>, CheckpointError> {
        let bad = |reason| CheckpointError::Tensor { name: shortened(name), reason };
        let tensor = self.tensors.get(name).cloned().ok_or_else(|| bad("is not there".into()))?;
        let content = self.archive.entry(&storage_entry(&tensor), u64::MAX)?;
        let held = content.len() / tensor.element.size_bytes();
        if held != tensor.storage_len || !content.len().is_multiple_of(tensor.element.size_bytes())
        {
            return Err(bad(format!(
                "its storage should have {} elements of {} bytes; the file holds {held}",
                tensor.storage_len,
                tensor.element.size_bytes(),
            )));
        }
        let values = tensor.element.decode(&content);
        drop(content);
        tensor.view(values).map_err(bad)
    }
}

fn storage_entry(tensor: &TensorRef) -> String {
    format!("data/{}", tensor.storage)
}

/// The zip round a checkpoint.
struct Archive<R> {
    zip: ZipArchive<R>,
    /// What stands before `data.pkl` and `data/`.
    prefix: String,
}

impl<R: Read + Seek> Archive<R> {
    fn open(mut reader: R) -> Result<Self, CheckpointError> {
        let container = |reason: &str| CheckpointError::Container(reason.into());
        let mut start = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut start)?;
        reader.rewind()?;
        match start.as_slice() {
            [b'P', b'K', ..] => {}
            [] => return Err(container("the file is empty")),
            [0x80, _, 0x8a, 0x0a] => {
                return Err(container(
                    "it has the format that torch wrote before version 1.6; load and save it \
                     again with a newer torch",
                ));
            }
            _ => return Err(container("it is not a zip archive, as torch.save writes it")),
        }
        let zip = ZipArchive::new(reader).map_err(|e| {
            container(&format!("the zip archive is damaged or cut off ({e}); download it again"))
        })?;
        let mut names = zip.file_names().flatten();
        let mut prefixes = names.by_ref().filter_map(|n| Some(n.strip_suffix("data.pkl")?.into()));
        let (Some(prefix), None) = (prefixes.next(), prefixes.next()) else {
            return Err(container("the zip archive does not hold exactly one data.pkl"));
        };
        drop(names);
        let mut archive = Self { zip, prefix };
        let byteorder = "byteorder";
        if archive.zip.index_for_name(&format!("{}{byteorder}", archive.prefix)).is_some()
            && archive.entry(byteorder, 16)? != b"little"
        {
            return Err(container("it was written on a big-endian machine"));
        }
        Ok(archive)
    }

    /// The size that an entry claims to have; it is stored as it is, so none is larger than the
    /// file if that is true.
    fn size(&mut self, name: &str) -> Result<u64, CheckpointError> {
        let path = format!("{}{name}", self.prefix);
        let unread = |e| format!("its entry {} can't be read: {e}", shortened(name));
        let entry = self.zip.by_name(&path).map_err(|e| CheckpointError::Container(unread(e)))?;
        Ok(entry.size())
    }

    /// The content of an entry of at most `limit` bytes.
    fn entry(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, CheckpointError> {
        let path = format!("{}{name}", self.prefix);
        let bad = |what: String| {
            CheckpointError::Container(format!("its entry {} {what}", shortened(name)))
        };
        let entry = self.zip.by_name(&path).map_err(|e| bad(format!("can't be read: {e}")))?;
        let size = entry.size();
        if entry.compression() != CompressionMethod::Stored || entry.compressed_size() != size {
            return Err(bad("is compressed, which torch.save never does; zip it with -0".into()));
        }
        if size > limit {
            return Err(bad(format!("claims {size} bytes, more than the limit of {limit}")));
        }
        let mut content = Vec::new();
        entry.take(size).read_to_end(&mut content)?;
        if content.len() as u64 != size {
            return Err(bad(format!("claims {size} bytes and holds {}", content.len())));
        }
        Ok(content)
    }
}
