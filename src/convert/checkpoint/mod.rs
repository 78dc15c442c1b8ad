//! Checkpoints, read without executing them: PyTorch's state dicts and safetensors.
//!
//! A checkpoint knows what tensors its file has; the weights of each are read when they are asked
//! for, so that a network of 2.5 GB needs no 2.5 GB of memory. Nothing is allocated from a size
//! that a file merely claims: all tensors together may have no more elements than the file has
//! bytes.

#[cfg(test)]
mod fuzz;
mod names;
mod pickle;
mod safetensors;
mod tensor;
#[cfg(test)]
mod tests;
mod torch;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use sha2::{Digest, Sha256};

use super::error::{CheckpointError, ConvertError};
use crate::model::hex;
use safetensors::SafeTensors;
use torch::Torch;

/// A file, or bytes in memory.
trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

enum Container {
    Torch(Torch<Box<dyn Source>>),
    SafeTensors(SafeTensors<Box<dyn Source>>),
}

/// A tensor as the file has it.
struct Entry {
    /// Its name in the file.
    name: String,
    shape: Vec<usize>,
}

/// The weights of a network: f32 tensors in row-major order by their state dict keys.
///
/// Values stored as f16, bf16 or f64 become f32; tensors without elements and tensors of whole
/// numbers, such as BatchNorm's `num_batches_tracked`, are left out. Hugging Face's names of SAM's
/// tensors become the official ones.
pub struct Checkpoint {
    tensors: BTreeMap<String, Entry>,
    container: RefCell<Container>,
    sha256: String,
    /// For errors.
    path: PathBuf,
}

impl Checkpoint {
    /// Opens the checkpoint in the file `path`, which is read once for its checksum: `progress` is
    /// told the bytes done and to do.
    ///
    /// # Errors
    /// [`ConvertError::Checkpoint`] where the file can't be read, is not a checkpoint, or asks for
    /// anything beyond tensors.
    pub fn open(path: &Path, progress: impl FnMut(u64, u64)) -> Result<Self, ConvertError> {
        // A pipe or a device has no end to wait for.
        let regular = std::fs::metadata(path).and_then(|metadata| match metadata.is_file() {
            true => File::open(path),
            false => Err(std::io::Error::other("it is not a regular file")),
        });
        regular
            .map_err(CheckpointError::from)
            .and_then(|file| Self::read_from(BufReader::new(file), path, progress))
            .map_err(|source| ConvertError::Checkpoint { path: path.to_path_buf(), source })
    }

    /// Opens a checkpoint in `reader`: PyTorch's zip format (torch 1.6 or newer) or safetensors.
    /// Wrappers such as `{"model": …}` or `{"state_dict": …}` and a prefix such as `module.` before the
    /// network's keys are seen through.
    ///
    /// # Errors
    /// As [`open`](Self::open), without a path.
    pub fn read(reader: impl Read + Seek + 'static) -> Result<Self, CheckpointError> {
        Self::read_from(reader, Path::new("the checkpoint"), |_, _| ())
    }

    fn read_from(
        mut reader: impl Read + Seek + 'static,
        path: &Path,
        progress: impl FnMut(u64, u64),
    ) -> Result<Self, CheckpointError> {
        let mut start = Vec::new();
        reader.by_ref().take(9).read_to_end(&mut start)?;
        let (sha256, file_len) = fingerprint(&mut reader, progress)?;
        let reader: Box<dyn Source> = Box::new(reader);
        // Safetensors begins with the length of a JSON header, then `{`.
        let container = match start.get(8) {
            Some(b'{') if !start.starts_with(b"PK") => {
                Container::SafeTensors(SafeTensors::open(reader, file_len)?)
            }
            _ => Container::Torch(Torch::open(reader, file_len)?),
        };
        let shapes: Vec<(&str, &[usize])> = match &container {
            Container::Torch(torch) => torch.shapes().collect(),
            Container::SafeTensors(file) => file.shapes().collect(),
        };
        let official = names::official(shapes.iter().map(|(name, _)| *name));
        let tensors = shapes.iter().zip(official).map(|(&(name, shape), official)| {
            (official, Entry { name: name.to_owned(), shape: shape.to_vec() })
        });
        let tensors = tensors.collect();
        Ok(Self { tensors, container: RefCell::new(container), sha256, path: path.to_path_buf() })
    }

    /// The shape of the tensor called `name`.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|entry| &*entry.shape)
    }

    /// Reads the tensor called `name`, if there is one. All values are finite.
    ///
    /// # Errors
    /// [`ConvertError::Checkpoint`] where the file holds something else than it says, or values
    /// that are not finite.
    pub fn tensor(&self, name: &str) -> Result<Option<ArrayD<f32>>, ConvertError> {
        let Some(Entry { name: stored, .. }) = self.tensors.get(name) else { return Ok(None) };
        let read = match &mut *self.container.borrow_mut() {
            Container::Torch(torch) => torch.read(stored),
            Container::SafeTensors(file) => file.read(stored),
        };
        let finite = read.and_then(|tensor| match tensor.iter().find(|v| !v.is_finite()) {
            None => Ok(Some(tensor)),
            Some(value) => Err(CheckpointError::Tensor {
                name: name.to_owned(),
                reason: format!("holds {value}; weights must be finite"),
            }),
        });
        finite.map_err(|source| ConvertError::Checkpoint { path: self.path.clone(), source })
    }

    /// All keys, in alphabetical order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.tensors.keys().map(String::as_str)
    }

    /// SHA-256 of the file in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The number of weights.
    pub(super) fn elements(&self) -> usize {
        self.tensors.values().map(|entry| entry.shape.iter().product::<usize>()).sum()
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checkpoint({} tensors, sha256 {})", self.tensors.len(), self.sha256)
    }
}

/// SHA-256 and length of what is read; the reader is left at its start.
fn fingerprint(
    reader: &mut (impl Read + Seek),
    mut progress: impl FnMut(u64, u64),
) -> Result<(String, u64), CheckpointError> {
    let total = reader.seek(SeekFrom::End(0))?;
    reader.rewind()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut len = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            read => {
                hash.update(&buffer[..read]);
                len += read as u64;
                progress(len, total);
            }
        }
    }
    reader.rewind()?;
    Ok((hex(&hash.finalize()), len))
}
