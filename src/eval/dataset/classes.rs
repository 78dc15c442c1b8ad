//! What a dataset says about the classes of its pictures and masks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::files::name_in;
use super::{DatasetError, Problem, ProblemKind};
use crate::coco;

/// HAM10000's classes, as columns of a table; the table that has one column calls them the same in
/// small letters.
const DIAGNOSES: [&str; 7] = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"];

/// The classes that files of a dataset tell.
pub(super) struct Classes {
    /// By the picture's key, where a table says it.
    pub of_pictures: Option<HashMap<String, String>>,
    /// By the mask's path in the dataset, where it says it of masks.
    pub of_masks: Option<HashMap<String, String>>,
}

impl Classes {
    /// Those that `files` in `folder` tell, and what is wrong with one that can't be read.
    pub(super) fn of(
        folder: &Path,
        files: &[PathBuf],
    ) -> Result<(Self, Option<Problem>), DatasetError> {
        let of_pictures = classes_in(folder, files)?;
        let (of_masks, problem) = match names_in(folder) {
            Ok(names) => (names, None),
            Err(reason) => (None, Some(Problem::new(ProblemKind::Unreadable, reason))),
        };
        Ok((Self { of_pictures, of_masks }, problem))
    }
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

/// The classes by picture, from the first table that has the columns `image_id` and `dx`, or `image`
/// and one for each diagnosis.
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
        let column = |name: &str| columns.iter().position(|column| column.trim() == name);
        let diagnoses: Option<Vec<usize>> = DIAGNOSES.iter().map(|name| column(name)).collect();
        let named = column("image_id").zip(column("dx").map(ClassColumns::Named));
        let ones = || column("image").zip(diagnoses.map(ClassColumns::Ones));
        let Some((image, columns)) = named.or_else(ones) else { continue };
        let class =
            |row: Vec<String>| Some((row.get(image)?.trim().to_owned(), columns.class(&row)?));
        return Ok(Some(rows.filter_map(class).collect()));
    }
    Ok(None)
}

/// Where a table says the class.
enum ClassColumns {
    /// In this column.
    Named(usize),
    /// By the column, of one for each of [`DIAGNOSES`], that alone is 1.
    Ones(Vec<usize>),
}

impl ClassColumns {
    fn class(&self, row: &[String]) -> Option<String> {
        match self {
            Self::Named(column) => row.get(*column).map(|value| value.trim().to_owned()),
            Self::Ones(columns) => {
                let value = |column: &usize| row.get(*column)?.trim().parse::<f64>().ok();
                let mut found =
                    DIAGNOSES.iter().zip(columns).filter(|(_, column)| value(column) == Some(1.0));
                let (name, _) = found.next()?;
                found.next().is_none().then(|| name.to_lowercase())
            }
        }
    }
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
