//! A record's folder: all of it is on the disk when it gets its name, or it is not there.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};

use super::{RecordError, RecordFile};
use crate::files;

/// Makes a record of what `fill` writes into a new folder, which is told with the time `at`. Where a
/// record has that time already, as when the clock was set back, it is the next that is free.
pub(super) fn keep(
    parent: &Path,
    at: SystemTime,
    fill: impl FnOnce(&Path, Timestamp) -> Result<(), RecordError>,
) -> Result<PathBuf, RecordError> {
    if !parent.exists() {
        fs::create_dir_all(parent).map_err(|source| io(parent, source))?;
        // Its own name as well must outlive a power cut.
        sync_folder(parent.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new(".")))?;
    }
    let new = New::begin(parent, Timestamp::try_from(at).unwrap_or_default())?;
    let finished = fill(&new.unfinished, new.at).and_then(|()| {
        // The names of the files first, then the folder's own: after a power cut it is whole or gone.
        sync_folder(&new.unfinished)?;
        fs::rename(&new.unfinished, &new.folder).map_err(|source| io(&new.folder, source))?;
        sync_folder(parent)
    });
    if let Err(error) = finished {
        // Best effort: the error that is reported is the one that matters.
        let _ = fs::remove_dir_all(&new.unfinished);
        return Err(error);
    }
    Ok(new.folder)
}

/// A record that is being written.
struct New {
    at: Timestamp,
    unfinished: PathBuf,
    folder: PathBuf,
    /// Tells other programs that it is not abandoned.
    _lock: Option<File>,
}

impl New {
    fn begin(parent: &Path, mut at: Timestamp) -> Result<Self, RecordError> {
        loop {
            let name = at.strftime("%Y%m%dT%H%M%S.%3fZ").to_string();
            let (unfinished, folder) = (parent.join(format!(".{name}.part")), parent.join(name));
            match private_folder(&unfinished) {
                Err(RecordError::Io { source, .. })
                    if source.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                // Nobody else makes it any more, as its unfinished name is taken.
                Ok(()) if !folder.exists() => {
                    let _lock = files::try_lock_folder(&unfinished).ok().flatten();
                    return Ok(Self { at, unfinished, folder, _lock });
                }
                Ok(()) => fs::remove_dir(&unfinished).map_err(|source| io(&unfinished, source))?,
            }
            at = at.saturating_add(SignedDuration::from_millis(1)).unwrap_or_default();
        }
    }
}

/// Whether a record may be called so, as 20261127T081502.123Z.
pub(super) fn is_record_name(name: &str) -> bool {
    let shape = name.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b });
    shape.eq(*b"00000000T000000.000Z")
}

pub(super) fn io(path: &Path, source: std::io::Error) -> RecordError {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => RecordError::Full(path.into()),
        _ => RecordError::Io { path: path.into(), source },
    }
}

/// Has the names in a folder written to the disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), RecordError> {
    files::sync_folder(path).map_err(|source| io(path, source))
}

/// Makes a folder for its owner alone.
pub(super) fn private_folder(path: &Path) -> Result<(), RecordError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| io(path, source))
}

/// Writes a new file that is on the disk then.
pub(super) fn write_file(
    folder: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<RecordFile, RecordError> {
    let file = written(folder, name, bytes)?;
    file.sync_all().map_err(|source| io(&folder.join(name), source))?;
    Ok(RecordFile::of(name, bytes))
}

/// Writes a new file, which may not be on the disk yet.
pub(super) fn written(folder: &Path, name: &str, bytes: &[u8]) -> Result<File, RecordError> {
    let path = folder.join(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(bytes).map(|()| file));
    written.map_err(|source| io(&path, source))
}

/// Has a file that was [`written`] on the disk.
pub(super) fn sync_file(folder: &Path, name: &str) -> Result<(), RecordError> {
    let path = folder.join(name);
    File::open(&path).and_then(|file| file.sync_all()).map_err(|source| io(&path, source))
}
