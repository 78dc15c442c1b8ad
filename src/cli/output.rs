//! What the program prints, and writes to files.

use std::fmt::Display;
use std::fs;
use std::io::{Cursor, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image::{EncodableLayout, ImageBuffer, ImageFormat, PixelWithColorType};
use serde::Serialize;

/// Prints a line on standard output. Where nobody reads on, as with `tapseg models | head -1`, the
/// rest is left unsaid and the work goes on.
pub fn line(text: impl Display) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("can't write to standard output"),
    }
}

/// Prints a value as JSON, for scripts.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// An error and its causes in one line. The library's errors say their cause themselves, so that
/// what was said already is left out.
pub fn told_once(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        if told.is_empty() {
            cause
        } else if told.contains(&cause) {
            told
        } else {
            format!("{told}: {cause}")
        }
    })
}

/// Makes sure that the folder in which a file is to be written is there.
pub fn in_a_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("can't write {}: make the folder {} first", path.display(), folder.display());
    }
    Ok(())
}

/// Makes sure that [`file`] can write at `path` before the work that is to be written there begins. What is
/// there stays as it is.
pub fn writable(path: &Path) -> Result<()> {
    let place = place(path);
    let is_new = !place.exists();
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&place)
        .and_then(|_| if is_new { fs::remove_file(&place) } else { Ok(()) })
        .with_context(|| format!("can't write {}", path.display()))
}

/// Writes a file, whole or not at all: one that is there is replaced when the new one is written, and may be
/// read by whom that could. Where its folder takes no other file it is written in place.
pub fn file(path: &Path, bytes: &[u8]) -> Result<()> {
    let place = place(path);
    let beside = partial(&place).map(|partial| (fs::File::create(&partial), partial));
    let written = match beside {
        None => fs::write(&place, bytes),
        Some((Err(e), _)) if e.kind() == ErrorKind::PermissionDenied && place.is_file() => {
            fs::write(&place, bytes)
        }
        Some((Err(error), _)) => Err(error),
        Some((Ok(mut file), partial)) => {
            let written = fs::metadata(&place)
                .map_or(Ok(()), |before| file.set_permissions(before.permissions()))
                .and_then(|()| file.write_all(bytes))
                .and_then(|()| fs::rename(&partial, &place));
            if written.is_err() {
                // Best effort: the error that is told is the one that matters.
                let _ = fs::remove_file(&partial);
            }
            written
        }
    };
    written.with_context(|| format!("can't write {}", path.display()))
}

/// Writes a picture as a PNG, as [`file`] does.
pub fn png<P>(path: &Path, picture: &ImageBuffer<P, Vec<P::Subpixel>>) -> Result<()>
where
    P: PixelWithColorType,
    [P::Subpixel]: EncodableLayout,
{
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .with_context(|| format!("can't write {}", path.display()))?;
    file(path, bytes.get_ref())
}

/// Takes away the report that an earlier run left at `path`, before anything that it tells of is replaced:
/// the new one is written last, so that a report fits what lies beside it however a run ends.
pub fn remove_report(path: &Path) -> Result<()> {
    match fs::remove_file(place(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't replace {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Where `path` leads to: a link stays one.
fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// What is to be the file at `place` while it is written; none where there is something that can't be
/// replaced by a file, such as a pipe, or a link that leads nowhere yet.
fn partial(place: &Path) -> Option<PathBuf> {
    let name = place.file_name()?.to_string_lossy();
    let replaceable = place.is_file() || !(place.exists() || place.is_symlink());
    replaceable.then(|| place.with_file_name(format!(".{name}.part")))
}

/// Makes the folder to write to, where it isn't there.
pub fn folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("can't make the folder {}", path.display()))
}
