//! PyTorch checkpoints, read without executing them.
//!
//! `torch.save` writes a zip: `data.pkl` describes the state dict as a pickle, `data/0`, `data/1` …
//! hold the storages, uncompressed. The container is read by the `zip` crate, the pickle by a
//! machine of our own: `serde-pickle` lacks persistent ids, by which tensors refer to their
//! storages; `candle-core` keeps unknown globals as values instead of refusing them, allocates
//! what a file claims and copies whatever the memo repeats; `tch` needs libtorch.
//!
//! Nothing is allocated from a size that a file merely claims: entries must be stored
//! uncompressed, so none can be larger than the file, and all tensors together may have no more
//! elements than the file has bytes.

mod pickle;
mod tensor;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::rc::Rc;

use ndarray::ArrayD;
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipArchive};

use super::error::{CheckpointError, ConvertError, shortened};
use crate::model::hex;
use pickle::StateDict;
use tensor::ElementType;

/// The largest `data.pkl` read; LiteMedSAM's has 80 kB.
const MAX_PICKLE: u64 = 4 << 20;

/// The weights of a network: f32 tensors in row-major order by their state dict keys.
///
/// Values stored as f16, bf16 or f64 have become f32; tensors without elements and tensors of whole
/// numbers, such as BatchNorm's `num_batches_tracked`, are left out. All values are finite.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    tensors: BTreeMap<String, ArrayD<f32>>,
    sha256: String,
}

impl Checkpoint {
    /// Reads the checkpoint in the file `path`.
    ///
    /// # Errors
    /// [`ConvertError::Checkpoint`] where the file can't be read, is not a checkpoint, asks for
    /// anything beyond tensors, or holds values that are not finite.
    pub fn open(path: &Path) -> Result<Self, ConvertError> {
        // A pipe or a device has no end to wait for.
        let regular = std::fs::metadata(path).and_then(|metadata| match metadata.is_file() {
            true => File::open(path),
            false => Err(std::io::Error::other("it is not a regular file")),
        });
        regular
            .map_err(CheckpointError::from)
            .and_then(|file| Self::read(BufReader::new(file)))
            .map_err(|source| ConvertError::Checkpoint { path: path.to_path_buf(), source })
    }

    /// Reads a checkpoint from `reader`: PyTorch's zip format (torch 1.6 or newer). Wrappers such
    /// as `{"model": …}` or `{"state_dict": …}` and a `module.` prefix of all keys are seen
    /// through.
    ///
    /// # Errors
    /// As [`open`](Self::open), without a path.
    pub fn read(mut reader: impl Read + Seek) -> Result<Self, CheckpointError> {
        let (sha256, file_len) = fingerprint(&mut reader)?;
        let mut archive = Archive::open(reader, file_len)?;
        let references = pickle::read_state_dict(&archive.entry("data.pkl", MAX_PICKLE)?)?;
        // torch.nn.DataParallel and its kin put a prefix before every key.
        let prefix = "module.";
        let prefixed = references.iter().all(|(name, _)| name.starts_with(prefix));
        let mut by_storage: BTreeMap<Rc<str>, StateDict> = BTreeMap::new();
        let mut elements = 0;
        for (name, tensor) in references {
            if matches!(tensor.element, ElementType::Whole(_)) || tensor.shape.contains(&0) {
                continue;
            }
            let sum = tensor.len().and_then(|len| len.checked_add(elements));
            elements = sum.filter(|&sum| sum as u64 <= file_len).ok_or_else(|| {
                let reason = format!("shape {:?} is more than the file can hold", tensor.shape);
                CheckpointError::Tensor { name: shortened(&name), reason }
            })?;
            by_storage.entry(tensor.storage.clone()).or_default().push((name, tensor));
        }
        let mut tensors = BTreeMap::new();
        for views in by_storage.values() {
            for (name, tensor) in archive.read_storage(views)? {
                let name = if prefixed { &name[prefix.len()..] } else { name };
                tensors.insert(name.to_owned(), tensor);
            }
        }
        Ok(Self { tensors, sha256 })
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Option<&ArrayD<f32>> {
        self.tensors.get(name)
    }

    /// All keys, in alphabetical order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// SHA-256 of the file in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The number of weights.
    pub(super) fn elements(&self) -> usize {
        self.tensors.values().map(ArrayD::len).sum()
    }
}

/// SHA-256 and length of what is read; the reader is left at its start.
fn fingerprint(reader: &mut (impl Read + Seek)) -> Result<(String, u64), CheckpointError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut len = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            read => {
                hash.update(&buffer[..read]);
                len += read as u64;
            }
        }
    }
    reader.rewind()?;
    Ok((hex(&hash.finalize()), len))
}

/// The zip round a checkpoint.
struct Archive<R> {
    zip: ZipArchive<R>,
    /// What stands before `data.pkl` and `data/`.
    prefix: String,
    /// Bytes that may still be read: each byte of the file at most once, however entries overlap.
    budget: u64,
}

impl<R: Read + Seek> Archive<R> {
    fn open(mut reader: R, file_len: u64) -> Result<Self, CheckpointError> {
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
        let mut archive = Self { zip, prefix, budget: file_len };
        let byteorder = "byteorder";
        if archive.zip.index_for_name(&format!("{}{byteorder}", archive.prefix)).is_some()
            && archive.entry(byteorder, 16)? != b"little"
        {
            return Err(container("it was written on a big-endian machine"));
        }
        Ok(archive)
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
        self.budget = self.budget.checked_sub(size).ok_or_else(|| {
            bad(format!("claims {size} bytes, which with the others is more than the file has"))
        })?;
        let mut content = Vec::with_capacity(size as usize);
        entry.take(size).read_to_end(&mut content)?;
        if content.len() as u64 != size {
            return Err(bad(format!("claims {size} bytes and holds {}", content.len())));
        }
        Ok(content)
    }

    /// Reads the storage that all of `views` share, and the tensors in it.
    fn read_storage<'a>(
        &mut self,
        views: &'a StateDict,
    ) -> Result<Vec<(&'a str, ArrayD<f32>)>, CheckpointError> {
        let mut storage: Option<(ElementType, Vec<f32>)> = None;
        let mut tensors = Vec::with_capacity(views.len());
        for (name, tensor) in views {
            let bad = |reason| CheckpointError::Tensor { name: shortened(name), reason };
            let (element, values) = match &storage {
                Some(storage) => storage,
                None => {
                    let content = self.entry(&format!("data/{}", tensor.storage), u64::MAX)?;
                    storage.insert((tensor.element, tensor.element.decode(&content)))
                }
            };
            if *element != tensor.element || values.len() != tensor.storage_len {
                return Err(bad(format!(
                    "its storage should have {} elements of {} bytes; the file holds {} of {}",
                    tensor.storage_len,
                    tensor.element.size_bytes(),
                    values.len(),
                    element.size_bytes(),
                )));
            }
            let values = tensor.view(values).map_err(bad)?;
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(bad(format!("holds {value}; weights must be finite")));
            }
            tensors.push((&**name, values));
        }
        Ok(tensors)
    }
}
