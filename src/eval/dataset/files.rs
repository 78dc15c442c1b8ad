//! Layouts of files: which mask belongs to which picture.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::{DatasetError, Item, Layout, MaskFile, Problem, ProblemKind, Source};
use crate::coco;
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
    let is_archive =
        |file: &&PathBuf| file.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"));
    let archives: Vec<_> = files.iter().filter(is_archive).cloned().collect();
    if !archives.is_empty() {
        let item = |file: PathBuf| Item {
            name: name_in(path, &file),
            class: None,
            source: Source::Archive(file),
        };
        return Ok((Layout::Npz, archives.into_iter().map(item).collect(), vec![]));
    }
    let table = classes_in(path, &files)?;
    let (names, problem) = match names_in(path) {
        Ok(names) => (names, None),
        Err(reason) => (None, Some(Problem::new(ProblemKind::Unreadable, reason))),
    };
    let layout = if table.is_some() {
        Layout::Ham10000
    } else if BUSI[..2].iter().any(|class| path.join(class).is_dir()) {
        Layout::Busi
    } else {
        Layout::Pairs
    };
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    for file in files.into_iter().filter(|file| is_picture(file)) {
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
    let classes = Classes { of_pictures: table.unwrap_or_default(), of_masks: names };
    let (layout, items, mut problems) = items(path, pairs, layout, &classes)?;
    problems.extend(problem);
    Ok((layout, items, problems))
}

/// What a dataset says about classes.
struct Classes {
    /// By the picture's key.
    of_pictures: HashMap<String, String>,
    /// By the mask's path in the dataset, where it says it of masks.
    of_masks: Option<HashMap<String, String>>,
}

fn items(
    folder: &Path,
    pairs: BTreeMap<String, Pair>,
    layout: Layout,
    classes: &Classes,
) -> Result<(Layout, Vec<Item>, Vec<Problem>), DatasetError> {
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    let (mut pictures, mut masks) = (0, 0);
    for (key, pair) in pairs {
        let Some(picture) = pair.picture else {
            masks += pair.masks.len();
            let orphan = |mask: &PathBuf| {
                Problem::new(ProblemKind::MissingPicture, mask.display().to_string())
            };
            problems.extend(pair.masks.iter().map(orphan));
            continue;
        };
        pictures += 1;
        let what = picture.display().to_string();
        if pair.masks.is_empty() {
            problems.push(Problem::new(ProblemKind::MissingMask, what));
            continue;
        }
        let class = match layout {
            Layout::Busi => key.split('/').next().map(str::to_owned),
            Layout::Ham10000 => classes.of_pictures.get(&key).cloned(),
            _ => None,
        };
        if layout == Layout::Ham10000 && class.is_none() {
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
    if items.is_empty() {
        return Err(DatasetError::Empty { path: folder.to_path_buf(), pictures, masks });
    }
    Ok((layout, items, problems))
}

/// What a picture and its masks have in common, and whether `name`, a path in the dataset, is a
/// mask's.
fn key(name: &str, layout: Layout) -> (String, bool) {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (folder, file) = stem.rsplit_once('/').unwrap_or(("", stem));
    if layout == Layout::Ham10000 {
        let mask = file.strip_suffix("_segmentation");
        return (mask.unwrap_or(file).to_owned(), mask.is_some());
    }
    let base = file.rsplit_once("_mask").filter(|(_, number)| {
        number.trim_start_matches('_').bytes().all(|digit| digit.is_ascii_digit())
    });
    let base = base.map(|(name, _)| name);
    let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let of_masks = parts.contains(&"masks");
    let of_pictures = parts.iter().map(|part| if *part == "masks" { "images" } else { part });
    let key: Vec<&str> = of_pictures.chain([base.unwrap_or(file)]).collect();
    (key.join("/"), of_masks || base.is_some())
}

/// Whether a file called `name`, a path in a dataset, is a mask of another.
pub(crate) fn is_mask(name: &str) -> bool {
    key(name, Layout::Pairs).1
}

/// The classes by the mask's path in the dataset, from COCO's JSON where that names masks as files; or
/// what is wrong with it.
fn names_in(folder: &Path) -> Result<Option<HashMap<String, String>>, String> {
    let path = folder.join("annotations.json");
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(|error| failed(&error))?;
    let coco: coco::Dataset = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
    let categories: HashMap<u64, String> =
        coco.categories.into_iter().map(|category| (category.id, category.name)).collect();
    let named = coco.annotations.into_iter().filter_map(|annotation| {
        Some((annotation.mask_file?, categories.get(&annotation.category_id)?.clone()))
    });
    let names: HashMap<String, String> = named.collect();
    Ok((!names.is_empty()).then_some(names))
}

/// The classes by picture, from the first table that has the columns `image_id` and `dx`.
fn classes_in(
    folder: &Path,
    files: &[PathBuf],
) -> Result<Option<HashMap<String, String>>, DatasetError> {
    for path in files {
        let name = name_in(folder, path).to_lowercase();
        if ![".csv", ".tab", ".tsv", "metadata"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let io = |source| DatasetError::Io { path: path.clone(), source };
        let text = std::fs::read(path).map_err(io)?;
        let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let delimiter = if header.contains(&b'\t') { b'\t' } else { b',' };
        let mut rows = rows(&text, delimiter).into_iter();
        let columns = rows.next().unwrap_or_default();
        let column = |name| columns.iter().position(|column| column.trim() == name);
        let (Some(image), Some(class)) = (column("image_id"), column("dx")) else { continue };
        let mut classes = HashMap::new();
        for row in rows {
            if let (Some(image), Some(class)) = (row.get(image), row.get(class)) {
                classes.insert(image.trim().to_owned(), class.trim().to_owned());
            }
        }
        return Ok(Some(classes));
    }
    Ok(None)
}

/// The fields of a table, row by row; a row of more than 256 fields is read as several.
fn rows(mut text: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    use csv_core::ReadRecordResult::{End, InputEmpty, Record};
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    // No field is longer than the text.
    let (mut fields, mut ends) = (vec![0; text.len() + 1], [0; 256]);
    let (mut length, mut count) = (0, 0);
    let mut rows = Vec::new();
    loop {
        let (result, read, written, ended) =
            reader.read_record(text, &mut fields[length..], &mut ends[count..]);
        text = &text[read..];
        (length, count) = (length + written, count + ended);
        match result {
            // Asked again, the reader hands out a last row without a line end.
            InputEmpty => continue,
            End => return rows,
            Record | csv_core::ReadRecordResult::OutputEndsFull => {
                let starts = std::iter::once(0).chain(ends[..count].iter().copied());
                let field = |(from, to): (usize, &usize)| {
                    String::from_utf8_lossy(&fields[from..*to]).into_owned()
                };
                rows.push(starts.zip(&ends[..count]).map(field).collect());
                (length, count) = (0, 0);
            }
            csv_core::ReadRecordResult::OutputFull => return rows,
        }
    }
}

/// The path of `file` within `folder`, with `/` between its parts.
pub(crate) fn name_in(folder: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(folder).unwrap_or(file);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    if parts.is_empty() { file.display().to_string() } else { parts.join("/") }
}
