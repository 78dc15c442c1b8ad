//! What an evaluation has done so far, on the disk, so that an interrupted one goes on.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::protocol::Protocol;
use super::run::Outcome;
use crate::model::Manifest;

/// Why a journal can't be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It can't be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It has what another evaluation did.
    #[error(
        "{path} has what an interrupted evaluation did, of {of}: start that one again to go on with it, \
         have this one write to another file, or remove the journal",
        path = .path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs.
        of: String,
    },
    /// Its place is taken by something else.
    #[error(
        "{path} is no journal that this version of tapseg reads: have the evaluation write to another file, \
         or move that one away",
        path = .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

/// A model, told from others by the checksums of its networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelKey {
    /// What it is called.
    pub name: String,
    sha256: Vec<String>,
}

impl ModelKey {
    /// The key of the model called `name`.
    pub fn new(name: &str, manifest: &Manifest) -> Self {
        let sha256 = manifest.files().map(|file| file.sha256.clone()).collect();
        Self { name: name.to_owned(), sha256 }
    }
}

/// What results depend on: a journal of another key is not gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The program's version.
    pub tapseg: String,
    /// The dataset, and the names of its items.
    pub dataset: String,
    /// The names of the dataset's items, in order.
    pub items: Vec<String>,
    /// The models.
    pub models: Vec<ModelKey>,
    /// The protocols.
    pub protocols: Vec<Protocol>,
    /// The seed.
    pub seed: u64,
    /// Whether the networks are shown regions.
    pub regions: bool,
}

impl Key {
    /// What is other in `other`, in words.
    fn differences(&self, other: &Self) -> String {
        let differ = [
            (self.tapseg != other.tapseg, "another version of tapseg"),
            (self.dataset != other.dataset, "another dataset"),
            (self.items != other.items, "other pictures"),
            (self.models != other.models, "other models"),
            (self.protocols != other.protocols, "other protocols"),
            (self.seed != other.seed, "another seed"),
            (self.regions != other.regions, "other regions"),
        ];
        let names: Vec<_> =
            differ.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
        names.join(" and ")
    }
}

/// A file of JSON lines: the key, then what came of each item and model.
pub struct Journal {
    path: PathBuf,
    file: File,
    done: HashMap<(usize, usize), Outcome>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    model: usize,
    item: usize,
    outcome: Outcome,
}

impl Journal {
    /// Opens the journal at `path` and reads what it holds for `key`; begins it where it is not
    /// there or has nothing after a key. A last line that was cut short is dropped.
    ///
    /// # Errors
    /// [`JournalError`] where it can't be read or written, or holds something else.
    pub fn open(path: &Path, key: &Key) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Io { path: path.to_path_buf(), source };
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.map_err(failed)?;
        let (mut done, mut good) = (HashMap::new(), 0);
        let mut reader = BufReader::new(&mut file);
        let mut text = Vec::new();
        reader.read_until(b'\n', &mut text).map_err(failed)?;
        let found = serde_json::from_slice::<Key>(&text).ok();
        if found.as_ref() == Some(key) && text.ends_with(b"\n") {
            while text.ends_with(b"\n") {
                good += text.len() as u64;
                text.clear();
                reader.read_until(b'\n', &mut text).map_err(failed)?;
                let Ok(line) = serde_json::from_slice::<Line>(&text) else { break };
                if text.ends_with(b"\n") {
                    done.insert((line.model, line.item), line.outcome);
                }
            }
        } else {
            // Nothing was done where not even the key was written whole, or nothing follows it.
            let own = serde_json::to_vec(key).map_err(|error| failed(error.into()))?;
            let bare = found.is_some() && reader.fill_buf().map_err(failed)?.is_empty();
            if !bare && !own.starts_with(&text) {
                let path = path.to_path_buf();
                return Err(match found {
                    Some(found) => JournalError::Other { path, of: key.differences(&found) },
                    None => JournalError::Foreign { path },
                });
            }
        }
        file.set_len(good).map_err(failed)?;
        file.seek(SeekFrom::Start(good)).map_err(failed)?;
        let mut journal = Self { path: path.to_path_buf(), file, done };
        if good == 0 {
            journal.write(key)?;
        }
        Ok(journal)
    }

    /// What came of item `item` and model `model`, where that is known, and forgets it.
    pub fn take(&mut self, model: usize, item: usize) -> Option<Outcome> {
        self.done.remove(&(model, item))
    }

    /// How many outcomes were read and not taken yet.
    pub fn known(&self) -> usize {
        self.done.len()
    }

    /// Keeps what came of item `item` and model `model`, unless something is wrong with the item:
    /// it may have been mended when the evaluation goes on.
    ///
    /// # Errors
    /// [`JournalError`] where it can't be written.
    pub fn keep(
        &mut self,
        model: usize,
        item: usize,
        outcome: Outcome,
    ) -> Result<Outcome, JournalError> {
        let line = Line { model, item, outcome };
        if line.outcome.cases.is_empty() || !line.outcome.problems.is_empty() {
            return Ok(line.outcome);
        }
        self.write(&line)?;
        Ok(line.outcome)
    }

    /// Removes the file, when all is done.
    ///
    /// # Errors
    /// [`JournalError`] where it can't be removed.
    pub fn remove(self) -> Result<(), JournalError> {
        let Self { path, file, .. } = self;
        drop(file);
        std::fs::remove_file(&path).map_err(|source| JournalError::Io { path, source })
    }

    fn write(&mut self, value: &impl Serialize) -> Result<(), JournalError> {
        let failed = |source| JournalError::Io { path: self.path.clone(), source };
        let mut text = serde_json::to_vec(value).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(failed)
    }
}

#[cfg(test)]
mod tests;
