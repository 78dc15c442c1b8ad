//! Folders of pictures.

use std::io;
use std::path::{Path, PathBuf};

/// How the names of pictures end.
const PICTURES: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "dcm", "dicom"];

/// Whether a file is a picture, by its name.
pub(crate) fn is_picture(path: &Path) -> bool {
    let kind = path.extension().map(|kind| kind.to_string_lossy().to_lowercase());
    kind.is_some_and(|kind| PICTURES.contains(&&*kind))
}

/// The files in `folder` and the folders in it, by name; hidden ones are left out. Where a folder
/// can't be listed, which and why.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    list(folder, &mut files).map(|()| files)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let failed = |source| (folder.to_path_buf(), source);
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(failed)?.collect();
    let mut paths: Vec<PathBuf> = entries.map_err(failed)?.iter().map(|e| e.path()).collect();
    paths.retain(|path| !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')));
    paths.sort();
    for path in paths {
        // A link may lead back to where it lies.
        if !path.is_dir() {
            files.push(path);
        } else if !path.is_symlink() {
            list(&path, files)?;
        }
    }
    Ok(())
}
