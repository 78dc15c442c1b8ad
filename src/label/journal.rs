//! What was accepted, line by line.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::KeptMask;
use super::error::{LabelError, io_error};
use crate::files;

/// The file's name.
const NAME: &str = "labels.jsonl";

/// A line of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// A mask is kept.
    Kept(KeptMask),
    /// The mask with this number is taken back.
    Withdrawn(u64),
    /// The picture of this name is done.
    Finished(String),
    /// The picture of this name can't be read.
    Unreadable(String),
    /// What masks can be called.
    Names(Vec<String>),
}

/// The file, locked against others.
pub(super) struct Journal {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// Bytes that are whole lines.
    good: u64,
}

impl Journal {
    /// Opens the journal in `folder`, or begins it there, and reads its lines. A last line that was cut
    /// short is dropped.
    pub fn open(folder: &Path) -> Result<(Self, Vec<Line>), LabelError> {
        let path = folder.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(&path);
        let not_writable = |source| LabelError::NotWritable { path: path.clone(), source };
        let mut file = opened.map_err(not_writable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LabelError::Busy(folder.display().to_string()));
            }
            Err(TryLockError::Error(source)) => return Err(io_error(&path)(source)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io_error(&path))?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let mut lines = Vec::new();
        for (at, line) in text[..whole].split(|&byte| byte == b'\n').enumerate() {
            if !line.is_empty() {
                let damaged = |error: serde_json::Error| LabelError::Damaged {
                    path: path.clone(),
                    line: at + 1,
                    reason: error.to_string(),
                };
                lines.push(serde_json::from_slice(line).map_err(damaged)?);
            }
        }
        let folder = folder.to_path_buf();
        Ok((Self { folder, path, file, good: whole as u64 }, lines))
    }

    /// Adds a line, and has it written to the disk.
    pub fn append(&mut self, line: &Line) -> Result<(), LabelError> {
        let failed = io_error(&self.path);
        let mut text = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        let Self { folder, file, good, .. } = self;
        file.set_len(*good)
            .and_then(|()| file.seek(SeekFrom::Start(*good)))
            .and_then(|_| file.write_all(&text))
            .and_then(|()| file.sync_all())
            .and_then(|()| if *good == 0 { files::sync_folder(folder) } else { Ok(()) })
            .map_err(failed)?;
        *good += text.len() as u64;
        Ok(())
    }

    /// Whether it was written to after the file at `path` was, or that is not there.
    pub fn is_newer_than(&self, path: &Path) -> bool {
        let modified = |file: io::Result<Metadata>| file.and_then(|file| file.modified()).ok();
        match (modified(self.file.metadata()), modified(path.metadata())) {
            // Times of the same tick tell nothing.
            (Some(own), Some(other)) => own >= other,
            _ => true,
        }
    }
}
