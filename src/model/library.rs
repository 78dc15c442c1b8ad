//! The search path: where packages are found by name.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::{MANIFEST_FILE, Manifest};
use super::package::{Package, PackageError};

/// The environment variable with folders of packages, separated like those in `PATH`.
pub const SEARCH_VARIABLE: &str = "TAPSEG_MODELS";

/// Where packages for all users of a machine are.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/local/share/tapseg/models", "/usr/share/tapseg/models"];

/// Longest name of a package, in characters.
const MAX_NAME: usize = 64;

/// Why a name does not lead to a package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// No package on the search path has this name.
    #[error(
        "there is no model called {name:?}; there are: {found}. Give one of these, a package's \
         folder (with a / in it), or the folder it is in as --models-dir. Looked in {searched}",
        found = .found.join(", "),
        searched = joined(.searched)
    )]
    Unknown {
        /// What was looked for.
        name: String,
        /// The names there are.
        found: Vec<String>,
        /// The folders that were searched, in order.
        searched: Vec<PathBuf>,
    },
    /// A folder that is no package's.
    #[error(
        "{folder} is no package's folder: there is no {MANIFEST_FILE} in it. `tapseg models list` \
         tells which packages there are",
        folder = .0.display()
    )]
    NoPackage(PathBuf),
    /// A name that can't become a folder's.
    #[error("{name:?} can't be a model's name: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it, and what is possible.
        reason: &'static str,
    },
}

/// Where a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Inside the program.
    Embedded,
    /// A folder.
    Folder(PathBuf),
}

impl Place {
    /// Reads and verifies the package.
    ///
    /// # Errors
    /// As [`Package::embedded`] and [`Package::open`].
    pub fn open(&self) -> Result<Package, PackageError> {
        match self {
            Self::Embedded => Package::embedded(),
            Self::Folder(folder) => Package::open(folder),
        }
    }

    /// Reads what the package says about itself, and the size of its networks in bytes; their
    /// content is not looked at.
    ///
    /// # Errors
    /// [`PackageError`] where `model.toml` can't be read or does not say what it must, or a
    /// network is missing.
    pub fn summary(&self) -> Result<(Manifest, u64), PackageError> {
        let folder = match self {
            Self::Embedded => {
                let package = Package::embedded()?;
                let bytes = package.size_bytes();
                return Ok((package.manifest().clone(), bytes));
            }
            Self::Folder(folder) => folder,
        };
        let manifest = Package::manifest_in(folder)?;
        let mut bytes = 0;
        for file in manifest.files() {
            let path = folder.join(&file.name);
            let metadata = fs::metadata(&path);
            bytes += metadata.map_err(|source| PackageError::Io { path, source })?.len();
        }
        Ok((manifest, bytes))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("inside the program"),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

/// A package on the search path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called: the name of its folder.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Whether another of this name comes first.
    pub shadowed: bool,
}

/// The packages inside the program and in the folders of a search path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    folders: Vec<PathBuf>,
}

impl Library {
    /// A library over `folders`, the first of which wins; the package inside the program comes
    /// before them all.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut known = BTreeSet::new();
        Self { folders: folders.into_iter().filter(|f| known.insert(f.clone())).collect() }
    }

    /// The folders `first`, then those of [`SEARCH_VARIABLE`], the user's data folder, and the
    /// system's. `variable` reads the environment.
    pub fn from_environment(
        first: impl IntoIterator<Item = PathBuf>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let listed = variable(SEARCH_VARIABLE).unwrap_or_default();
        let listed = std::env::split_paths(&listed).filter(|f| !f.as_os_str().is_empty());
        let user = user_data_folder(&variable).map(|folder| folder.join("models"));
        let system = SYSTEM_FOLDERS.map(PathBuf::from);
        Self::new(first.into_iter().chain(listed).chain(user).chain(system))
    }

    /// The folders that are searched, in order.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// All packages, in the order in which they are searched. What can't be read is not there.
    pub fn entries(&self) -> Vec<Entry> {
        let embedded = (Package::EMBEDDED.to_owned(), Place::Embedded);
        let on_disk = self.folders.iter().flat_map(|folder| packages_in(folder));
        let mut known = BTreeSet::new();
        let all = std::iter::once(embedded).chain(on_disk);
        all.map(|(name, place)| Entry { shadowed: !known.insert(name.clone()), name, place })
            .collect()
    }

    /// The package that `name` means: a folder, if there is a separator in it or a `model.toml` in
    /// the folder of this name; else the first package that is called so.
    ///
    /// # Errors
    /// [`LibraryError::NoPackage`] for a folder that is none's, else [`LibraryError::Unknown`] with the
    /// names there are.
    pub fn find(&self, name: &str) -> Result<Place, LibraryError> {
        if name == Package::EMBEDDED {
            return Ok(Place::Embedded);
        }
        let path = Path::new(name);
        if path.join(MANIFEST_FILE).is_file() {
            return Ok(Place::Folder(path.to_path_buf()));
        }
        if name.contains(std::path::is_separator) {
            return Err(LibraryError::NoPackage(path.to_path_buf()));
        }
        let entries = self.entries();
        let unknown = || LibraryError::Unknown {
            name: name.to_owned(),
            found: entries.iter().filter(|e| !e.shadowed).map(|e| e.name.clone()).collect(),
            searched: self.folders.clone(),
        };
        let found = entries.iter().find(|entry| entry.name == name);
        found.map(|entry| entry.place.clone()).ok_or_else(unknown)
    }
}

/// The folder in which the program keeps its user's data: `$XDG_DATA_HOME/tapseg`, by default
/// `~/.local/share/tapseg`. `variable` reads the environment.
pub fn user_data_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG specification has relative paths ignored.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(absolute("HOME")?.join(".local/share"));
    Some(absolute("XDG_DATA_HOME").or_else(home)?.join("tapseg"))
}

/// Whether a package can be called `name`, which becomes its folder's name.
///
/// # Errors
/// [`LibraryError::Name`] with what is possible.
pub fn check_name(name: &str) -> Result<(), LibraryError> {
    let reason = if name.is_empty() || name.chars().count() > MAX_NAME {
        "it must have 1 to 64 characters"
    } else if name.starts_with('.') {
        "it must not start with a dot"
    } else if name.contains(['/', '\\']) || name.contains(char::is_control) {
        "it becomes a folder's name, so it must not have separators or control characters"
    } else if name == Package::EMBEDDED {
        "the model inside the program has it"
    } else {
        return Ok(());
    };
    Err(LibraryError::Name { name: name.to_owned(), reason })
}

/// The packages in `folder` by name. Hidden folders are unfinished ones.
fn packages_in(folder: &Path) -> Vec<(String, Place)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let visible = !name.starts_with('.') && entry.path().join(MANIFEST_FILE).is_file();
            visible.then(|| (name, Place::Folder(entry.path())))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn joined(folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    folders.join(", ")
}

#[cfg(test)]
mod tests;
