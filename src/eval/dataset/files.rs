//! Layouts of files: which mask belongs to which picture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::classes::Classes;
use super::{DatasetError, Item, Layout, MaskFile, Problem, ProblemKind, Source};
use crate::files::{files_below, is_picture};

/// BUSI's classes, which are its folders.
const BUSI: [&str; 3] = ["benign", "malignant", "normal"];

/// A picture and its masks; either may be missing.
#[derive(Default)]
struct Pair {
    picture: Option<PathBuf>,
    masks: Vec<PathBuf>,
}

pub(super) fn open(path: &Path) -> Result<(Layout, Vec<Item>, Vec<Problem>), DatasetError> {
    let files = if path.is_file() {
        vec![path.to_path_buf()]
    } else {
        files_below(path).map_err(|(path, source)| DatasetError::Io { path, source })?
    };
    let (classes, problem) = Classes::of(path, &files)?;
    let is_busi = |file: &PathBuf| busi_class(&name_in(path, file)).is_some_and(|c| c != "normal");
    let layout = if classes.of_pictures.is_some() {
        Layout::Ham10000
    } else if files.iter().any(is_busi) {
        Layout::Busi
    } else {
        Layout::Pairs
    };
    let mut archives = Vec::new();
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    for file in files {
        if file.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz")) {
            let name = name_in(path, &file);
            archives.push(Item { name, class: None, source: Source::Archive(file) });
            continue;
        }
        if !is_picture(&file) {
            continue;
        }
        let (key, is_mask) = key(&name_in(path, &file), layout);
        let pair = pairs.entry(key).or_default();
        match pair.picture {
            None if !is_mask => pair.picture = Some(file),
            // A second picture of the same name, as NAME.jpg beside NAME.png, has no mask.
            Some(_) if !is_mask => {
                let own = pairs.entry(name_in(path, &file)).or_default();
                own.picture = Some(file);
            }
            _ => pair.masks.push(file),
        }
    }
    let pictures = pairs.values().filter(|pair| pair.picture.is_some()).count();
    let (mut items, mut problems) = items(path, pairs, layout, &classes);
    let layout = if items.is_empty() { Layout::Npz } else { layout };
    items.extend(archives);
    if items.is_empty() {
        let orphan = |problem: &&Problem| problem.kind == ProblemKind::MissingPicture;
        let masks = problems.iter().filter(orphan).count();
        return Err(DatasetError::Empty { path: path.to_path_buf(), pictures, masks });
    }
    problems.extend(problem);
    Ok((layout, items, problems))
}

/// The innermost of the folders of a file called `name`, a path in the dataset, that is a class of BUSI.
fn busi_class(name: &str) -> Option<&str> {
    name.split('/').rev().skip(1).find(|folder| BUSI.contains(folder))
}

fn items(
    folder: &Path,
    pairs: BTreeMap<String, Pair>,
    layout: Layout,
    classes: &Classes,
) -> (Vec<Item>, Vec<Problem>) {
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    for (key, pair) in pairs {
        let Some(picture) = pair.picture else {
            let orphan = |mask: &PathBuf| {
                Problem::new(ProblemKind::MissingPicture, mask.display().to_string())
            };
            problems.extend(pair.masks.iter().map(orphan));
            continue;
        };
        let what = picture.display().to_string();
        if pair.masks.is_empty() {
            problems.push(Problem::new(ProblemKind::MissingMask, what));
            continue;
        }
        let class = match &classes.of_pictures {
            Some(of_pictures) => of_pictures.get(&key).cloned(),
            None => busi_class(&key).filter(|_| layout == Layout::Busi).map(str::to_owned),
        };
        if layout != Layout::Pairs && class.is_none() {
            problems.push(Problem::new(ProblemKind::NoClass, what));
        }
        let name = name_in(folder, &picture);
        let mask = |path: PathBuf| {
            let of_masks = classes.of_masks.as_ref();
            let class = of_masks.and_then(|names| names.get(&name_in(folder, &path)).cloned());
            if of_masks.is_some() && class.is_none() {
                problems.push(Problem::new(ProblemKind::NoClass, path.display().to_string()));
            }
            MaskFile { path, class }
        };
        let masks = pair.masks.into_iter().map(mask).collect();
        items.push(Item { name, class, source: Source::Files { picture, masks } });
    }
    (items, problems)
}

/// What a picture and its masks have in common, and whether `name`, a path in the dataset, is a
/// mask's.
fn key(name: &str, layout: Layout) -> (String, bool) {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (folder, file) = stem.rsplit_once('/').unwrap_or(("", stem));
    let folders = folder.split('/').filter(|part| !part.is_empty());
    let of_masks = folders.clone().any(|part| part == "masks");
    if layout == Layout::Ham10000 {
        let mask = file.strip_suffix("_segmentation");
        return (mask.unwrap_or(file).to_owned(), of_masks || mask.is_some());
    }
    let base = file.rsplit_once("_mask").filter(|(_, number)| {
        number.trim_start_matches('_').bytes().all(|digit| digit.is_ascii_digit())
    });
    let base = base.map(|(name, _)| name);
    let of_pictures = folders.map(|part| if part == "masks" { "images" } else { part });
    let key: Vec<&str> = of_pictures.chain([base.unwrap_or(file)]).collect();
    (key.join("/"), of_masks || base.is_some())
}

/// Whether a file called `name`, a path in a dataset, is a mask of another.
pub(crate) fn is_mask(name: &str) -> bool {
    key(name, Layout::Pairs).1
}

/// The path of `file` within `folder`, with `/` between its parts.
pub(crate) fn name_in(folder: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(folder).unwrap_or(file);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    if parts.is_empty() { file.display().to_string() } else { parts.join("/") }
}
