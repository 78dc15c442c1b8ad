//! Taking a package off the disk.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::manifest::{FIDELITY_FILES, MANIFEST_FILE};
use super::package::{Package, PackageError};

/// Removes the files of the package in the folder `location`, those that tell its fidelity too, and
/// the folder if it is empty then.
/// Gives the names of the files that are removed, and of what else was in the folder and stays.
///
/// # Errors
/// [`PackageError`] where the folder is not a package, or a file can't be removed; what then
/// remains can be removed again.
pub fn remove_package(location: &Path) -> Result<(Vec<String>, Vec<String>), PackageError> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| PackageError::Io { path, source }
    };
    let manifest = Package::manifest_in(location)?;
    // The manifest goes last: as long as it is there, the folder can be told to be a package.
    let measured = FIDELITY_FILES.map(str::to_owned);
    let networks: Vec<String> = manifest.files().map(|file| file.name.clone()).collect();
    let mut removed = Vec::new();
    for name in measured.into_iter().chain(networks).chain([MANIFEST_FILE.to_owned()]) {
        let path = location.join(&name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            result => {
                result.map_err(io(&path))?;
                removed.push(name);
            }
        }
    }
    let mut left = Vec::new();
    for entry in fs::read_dir(location).map_err(io(location))? {
        left.push(entry.map_err(io(location))?.file_name().to_string_lossy().into_owned());
    }
    left.sort();
    if left.is_empty() {
        fs::remove_dir(location).map_err(io(location))?;
    }
    Ok((removed, left))
}
