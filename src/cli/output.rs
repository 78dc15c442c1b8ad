//! What the program prints.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
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

/// Makes sure that the folder in which a file is to be written is there.
pub fn in_a_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("can't write {}: make the folder {} first", path.display(), folder.display());
    }
    Ok(())
}

/// Makes sure that a file can be written at `path` before the work that is to be written there begins.
/// One that is there stays as it is.
pub fn writable(path: &Path) -> Result<()> {
    let is_new = !path.exists();
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|_| if is_new { std::fs::remove_file(path) } else { Ok(()) })
        .with_context(|| format!("can't write {}", path.display()))
}

/// Makes the folder to write to, where it isn't there.
pub fn folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path)
        .with_context(|| format!("can't make the folder {}", path.display()))
}
