//! Embeddings of a dataset's pictures, kept in a file: the encoder runs once a picture, and memory
//! does not grow with the dataset.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use candle_core::{Device, Tensor};
use ndarray::ArrayView4;

use super::TuneError;

/// Embeddings in a file without a name, which is gone with the program.
pub(super) struct Embeddings {
    file: File,
    /// 1 × C × G × G.
    shape: [usize; 4],
}

impl Embeddings {
    /// Makes the file in `folder`.
    pub fn new(folder: &Path) -> Result<Self, TuneError> {
        let path = folder.join(".embeddings.partial");
        let io = |source| TuneError::Io { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(io)?;
        std::fs::remove_file(&path).map_err(io)?;
        Ok(Self { file, shape: [0; 4] })
    }

    /// Keeps another.
    pub fn push(&mut self, features: ArrayView4<f32>) -> std::io::Result<()> {
        self.shape = features.shape().try_into().unwrap_or(self.shape);
        let bytes: Vec<u8> = features.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file.write_all(&bytes)
    }

    /// The one that was kept after `index` others.
    pub fn read(&mut self, index: usize) -> Result<Tensor, TuneError> {
        let mut bytes = vec![0; self.shape.iter().product::<usize>() * size_of::<f32>()];
        self.file
            .seek(SeekFrom::Start((index * bytes.len()) as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| TuneError::Io { path: "the kept embeddings".into(), source })?;
        let values = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        Ok(Tensor::from_vec(values, self.shape.to_vec(), &Device::Cpu)?)
    }
}
