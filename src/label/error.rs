//! Why pictures can't be labelled.

use std::io;
use std::path::{Path, PathBuf};

use crate::feed::FeedError;

/// Why pictures can't be labelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A file or folder can't be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file stands where the folder of pictures should be.
    #[error("{0} is a file: give the folder that it is in")]
    NoFolder(String),
    /// The dataset's folder can't be written to.
    #[error(
        "{path}: {source}; the dataset is written there: give a folder that can be written to with --out",
        path = .path.display()
    )]
    NotWritable {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A picture can't be read.
    #[error(transparent)]
    Picture(#[from] FeedError),
    /// There is nothing to label.
    #[error(
        "{folder}: no pictures are there; known are PNG, JPEG, BMP, TIFF and DICOM files{}",
        if *.masks == 0 { String::new() } else {
            format!(", and {} are masks by their names (as NAME_mask0.png)", .masks)
        }
    )]
    NoPictures {
        /// The folder.
        folder: String,
        /// Files in it that are masks by their names.
        masks: usize,
    },
    /// The dataset would lie among the pictures.
    #[error("{out} holds the pictures themselves: give another folder for the dataset with --out")]
    AmongPictures {
        /// The dataset's folder.
        out: String,
    },
    /// The dataset is damaged.
    #[error("{path}, line {line}: {reason}; mend or remove the line", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The dataset is of other pictures.
    #[error(
        "{out} holds labels of other pictures ({picture} is not in {pictures}); give another folder \
         with --out"
    )]
    OtherPictures {
        /// The dataset's folder.
        out: String,
        /// A picture of it.
        picture: String,
        /// The folder of pictures.
        pictures: String,
    },
    /// Somebody else is at it.
    #[error("{0} is being labelled by another tapseg; close that first")]
    Busy(String),
    /// A picture can't be encoded.
    #[error("{file}: {reason}")]
    Encode {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
}

impl LabelError {
    /// Why, without which file, where that is told beside it.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Picture(FeedError::Io { source, .. }) => source.to_string(),
            Self::Picture(FeedError::Decode { reason, .. }) => reason.clone(),
            Self::Picture(FeedError::Size { source, .. }) => source.to_string(),
            other => other.to_string(),
        }
    }
}

/// What the system said about a file.
pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> LabelError {
    let path = path.to_path_buf();
    move |source| LabelError::Io { path: path.clone(), source }
}
