//! What a board has, what is wrong with it, and how to mend that.

mod buttons;
mod devices;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but slower or with less than it could.
    Warning,
    /// It does not work.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub part: &'static str,
    /// How well it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// How to mend it; none where nothing is wrong.
    pub remedy: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(part: &'static str, found: impl Into<String>) -> Self {
        Self { part, state: State::Ok, found: found.into(), remedy: None }
    }

    /// Something that works, but not as well as it could.
    pub fn warning(
        part: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { part, state: State::Warning, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// Something that does not work.
    pub fn fault(part: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { part, state: State::Fault, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// Looks at the machine whose `/proc`, `/sys` and `/dev` are below `root`. What the system doesn't
/// tell is left out, or said not to be known.
pub fn examine(root: &Path) -> Vec<Finding> {
    let mut findings = machine::examine(root);
    findings.extend(devices::examine(root));
    findings
}

/// A file's text without white space round it and zero bytes at its end, where it can be read.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_matches(['\0', ' ', '\t', '\n']).to_owned())
}

/// The folders and files in `folder` whose names begin with `prefix`, sorted.
fn entries(folder: PathBuf, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_prefix = entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix));
    let mut paths: Vec<PathBuf> = of_prefix.map(|e| e.path()).collect();
    paths.sort();
    paths
}

/// A path's last part.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
