//! The records in a folder: listed, verified, exported.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files;
use crate::measure::Measurements;
use crate::words::{Word, Words};

use super::folder::is_record_name;
use super::{RecordError, io, private_folder, sync_folder, write_file};

/// The largest file of a record that is read: beyond it something else lies there.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// The file in a record's folder that tells where on another disk it was copied to.
const EXPORTED: &str = ".exported";

/// File systems that are gone with the power, or lie on another one, by what `statfs` calls their type: tmpfs,
/// ramfs and overlayfs.
const NO_DISKS: [u64; 3] = [0x0102_1994, 0x8584_58F6, 0x794C_7630];

/// One export at a time where the disk to copy to knows no locks: two of the same record would write over
/// each other's copy.
static EXPORTING: Mutex<()> = Mutex::new(());

/// A file of a record, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordFile {
    /// Its name in the record's folder.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Their SHA-256 in hexadecimal digits.
    pub sha256: String,
}

impl RecordFile {
    pub(super) fn of(name: &str, bytes: &[u8]) -> Self {
        let digits = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: name.into(), bytes: bytes.len() as u64, sha256: digits }
    }
}

/// A record that is kept in a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// The name of its folder: when it was saved (UTC).
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// What `record.json` says.
    pub record: serde_json::Value,
}

/// The records in `parent` that can be read, oldest first; a folder that is not there has none.
///
/// # Errors
/// [`RecordError::Io`] where the folder can't be read.
pub fn records(parent: &Path) -> Result<Vec<Kept>, RecordError> {
    let names = record_names(parent)?;
    Ok(names.iter().filter_map(|name| open(&parent.join(name)).ok()).collect())
}

/// The names of the records in `parent`, oldest first, whether they can be read or not: of what is called as
/// a record, or has a `record.json`. What is hidden is not finished.
///
/// # Errors
/// [`RecordError::Io`] where the folder can't be read.
pub fn record_names(parent: &Path) -> Result<Vec<String>, RecordError> {
    let mut names = names(parent)?;
    names.retain(|name| is_record_name(name) || parent.join(name).join("record.json").is_file());
    Ok(names)
}

/// The names in `parent` that are not hidden, sorted; none where it is not there.
pub(super) fn names(parent: &Path) -> Result<Vec<String>, RecordError> {
    let entries: std::io::Result<Vec<_>> =
        fs::read_dir(parent).and_then(|entries| entries.collect());
    let entries = match entries {
        // It is made when the first record is saved.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| io(parent, source))?,
    };
    let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    Ok(names)
}

/// The record in `folder`.
///
/// # Errors
/// [`RecordError`] where there is none.
pub fn open(folder: &Path) -> Result<Kept, RecordError> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.filter(|name| !name.starts_with('.'));
    let name = name.ok_or_else(|| damaged(folder, "it is no finished record"))?;
    if !folder.is_dir() {
        return Err(RecordError::Unknown(folder.into()));
    }
    let json = read(folder, "record.json")?;
    let record = serde_json::from_slice(&json)
        .map_err(|error| damaged(&folder.join("record.json"), &error.to_string()))?;
    Ok(Kept { name, folder: folder.into(), record })
}

impl Kept {
    /// The files beside `record.json`.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] where the record doesn't list them, or not by plain names.
    pub fn files(&self) -> Result<Vec<RecordFile>, RecordError> {
        let listed = self.record.get("files").cloned().unwrap_or_default();
        let files: Vec<RecordFile> = serde_json::from_value(listed)
            .map_err(|_| damaged(&self.folder, "it does not list its files"))?;
        files.iter().try_for_each(|file| self.check_name(&file.name))?;
        Ok(files)
    }

    /// Refuses what is not the plain name of a file in the record's folder.
    fn check_name(&self, name: &str) -> Result<(), RecordError> {
        match Path::new(name).file_name() == Some(name.as_ref()) {
            true => Ok(()),
            false => Err(damaged(&self.folder, &format!("{name:?} is no file's name"))),
        }
    }

    /// The content of the file that the record calls `name`.
    ///
    /// # Errors
    /// [`RecordError`] where it lists no such file, or it is not what was written.
    pub(super) fn content_of(&self, name: &str) -> Result<Vec<u8>, RecordError> {
        self.check_name(name)?;
        let files = self.files()?;
        let listed = files.iter().find(|file| file.name == name);
        let listed = listed.ok_or_else(|| damaged(&self.folder, &format!("it lists no {name}")))?;
        self.verified(listed)
    }

    /// The measurements of structure `number`, counted from 1.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] where the record has none of it.
    pub fn measurements(&self, number: usize) -> Result<Measurements, RecordError> {
        let object = number.checked_sub(1).and_then(|i| self.record["objects"].get(i));
        let sizes = object.and_then(|object| object.get("measurements")).cloned();
        let sizes = sizes.and_then(|sizes| serde_json::from_value(sizes).ok());
        sizes
            .ok_or_else(|| damaged(&self.folder, &format!("it has no sizes of structure {number}")))
    }

    /// Whether it is a clip, and not a picture.
    pub fn is_clip(&self) -> bool {
        self.record["kind"] == "clip"
    }

    /// What is in it, in a few words of English.
    pub fn content(&self) -> String {
        self.content_in(&Words::default())
    }

    /// What is in it, in a few `words`.
    pub(super) fn content_in(&self, words: &Words) -> String {
        let count = |list: &str| self.record[list].as_array().map_or(0, Vec::len);
        match (self.is_clip(), count("objects")) {
            (true, _) => words.fill(Word::ClipOf, &[("count", &count("frames"))]),
            (_, 0) => words.get(Word::Picture).into(),
            (_, 1) => words.get(Word::OneStructure).into(),
            (_, objects) => words.fill(Word::Structures, &[("count", &objects)]),
        }
    }

    /// Whether it was copied to another disk.
    pub fn is_exported(&self) -> bool {
        self.folder.join(EXPORTED).exists()
    }

    /// Checks that every file is there with the bytes that were written.
    ///
    /// # Errors
    /// [`RecordError`] that names the first that is not.
    pub fn verify(&self) -> Result<(), RecordError> {
        self.files()?.iter().try_for_each(|file| self.verified(file).map(|_| ()))
    }

    /// Copies the record to the folder `to`, which may be pulled out at any time: under a hidden
    /// name, read back and compared, and renamed when all is on the disk. Returns where it is, and notes
    /// that it was exported where that [is another disk](is_another_disk). A whole copy that is there
    /// already is left as it is, and noted. Waits while another program copies to `to`.
    ///
    /// # Errors
    /// [`RecordError`] where the record is damaged, another one of its name is there, or `to` can't
    /// be written.
    pub fn export(&self, to: &Path) -> Result<PathBuf, RecordError> {
        if !to.is_dir() {
            return Err(RecordError::NoFolder(to.into()));
        }
        let _one = EXPORTING.lock().unwrap_or_else(PoisonError::into_inner);
        // Some disks on a network know no locks.
        let _alone = files::lock_folder(to).ok();
        let finished = to.join(&self.name);
        if finished.exists() {
            let copy = open(&finished)?;
            copy.verify()?;
            if copy.record != self.record {
                return Err(damaged(&finished, "another record of this name is there: move it"));
            }
            self.note_copy(to, &finished);
            return Ok(finished);
        }
        let unfinished = to.join(format!(".{}.part", self.name));
        // What a pulled stick left behind; there mostly is nothing.
        let _ = fs::remove_dir_all(&unfinished);
        private_folder(&unfinished)?;
        let copied = self.copy(&unfinished).and_then(|()| {
            fs::rename(&unfinished, &finished).map_err(|source| io(&finished, source))?;
            sync_folder(to)
        });
        if let Err(error) = copied {
            // Best effort: the error that is reported is the one that matters.
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error);
        }
        self.note_copy(to, &finished);
        Ok(finished)
    }

    /// Notes that a copy is in `to`, unless the copy is lost with the record.
    pub(super) fn note_copy(&self, to: &Path, copy: &Path) {
        if is_another_disk(to, &self.folder) {
            // A disk that is read only keeps it out; the copy is whole all the same.
            let _ = fs::write(self.folder.join(EXPORTED), format!("{}\n", copy.display()));
        }
    }

    fn copy(&self, to: &Path) -> Result<(), RecordError> {
        for file in self.files()? {
            write_file(to, &file.name, &self.verified(&file)?)?;
        }
        write_file(to, "record.json", &read(&self.folder, "record.json")?)?;
        sync_folder(to)?;
        Self { folder: to.into(), ..self.clone() }.verify()
    }

    fn verified(&self, file: &RecordFile) -> Result<Vec<u8>, RecordError> {
        let bytes = read(&self.folder, &file.name)?;
        if RecordFile::of(&file.name, &bytes) != *file {
            let reason = "it is not what was written: the disk or somebody changed it";
            return Err(damaged(&self.folder.join(&file.name), reason));
        }
        Ok(bytes)
    }
}

/// Whether `to` is on a disk that is neither that of `records` nor the system's, as a stick in its place is:
/// without one, its folder is an ordinary one of the system, or in memory.
pub fn is_another_disk(to: &Path, records: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
    let stays = |path: &Path| {
        let found = rustix::fs::statfs(path);
        found.is_ok_and(|found| !NO_DISKS.contains(&(found.f_type as u64 & 0xFFFF_FFFF)))
    };
    let of = device(to);
    of.is_some() && of != device(records) && of != device(Path::new("/")) && stays(to)
}

fn damaged(path: &Path, reason: &str) -> RecordError {
    RecordError::Damaged { path: path.into(), reason: reason.into() }
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, RecordError> {
    let path = folder.join(name);
    let mut bytes = Vec::new();
    let read = fs::File::open(&path).and_then(|f| f.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    read.map_err(|source| io(&path, source))?;
    Ok(bytes)
}
