//! Pictures with outlines, as datasets keep them.
//!
//! A layout is recognised by what is there, see [`Layout`]. Opening lists names alone; a picture is
//! read when it is its turn, so that memory does not grow with the dataset.

mod classes;
mod files;
mod masks;
mod volume;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::feed::phantom::{Phantom, PhantomOptions};
use crate::feed::{Clip, FeedError, read_still};
use crate::frame::Frame;
use crate::geometry::FrameBox;
use crate::mask::Mask;

pub(crate) use files::{is_mask, name_in};

/// How a dataset lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// *Dataset of breast ultrasound images* (Al-Dhabyani et al., 2020): folders `benign`,
    /// `malignant` and `normal`, maybe in another folder, are the classes; `NAME_mask.png`, `NAME_mask_1.png`… beside
    /// `NAME.png` are its structures.
    Busi,
    /// HAM10000 (Tschandl et al., 2018): pictures, `NAME_segmentation.png` in whatever folder or
    /// `NAME.png` in `masks`, and a table (CSV or tab-separated) whose columns `image_id` and `dx`, or
    /// `image` and `MEL` to `VASC`, of which one is 1, give the classes.
    Ham10000,
    /// `NAME_mask.png`, or `NAME_mask0.png`, `NAME_mask1.png`…, beside `NAME.png`; or the folders
    /// `images` and `masks` with files of the same names. Folders in folders are searched too. Where an
    /// `annotations.json` (COCO) has the masks as its `mask_file`s, as [`label`](crate::label) writes it,
    /// its categories are the structures' classes.
    Pairs,
    /// Files of the CVPR 2024 challenge "Segment Anything in medical images on laptop":
    /// NumPy archives (`.npz`) with `imgs`, `gts`, and maybe `boxes` and `spacing`. Where there are
    /// pictures with masks as well, the layout is theirs, and the archives are read after them.
    Npz,
    /// Simulated ultrasound, whose outlines are exact.
    Phantom,
}

impl Layout {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busi => "BUSI",
            Self::Ham10000 => "HAM10000",
            Self::Pairs => "pairs of pictures and masks",
            Self::Npz => "NumPy archives",
            Self::Phantom => "phantom",
        }
    }
}

/// What keeps something in a dataset from being evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A picture without a mask.
    MissingMask,
    /// A mask without a picture.
    MissingPicture,
    /// A mask in which nothing is outlined.
    EmptyMask,
    /// A mask of another size than its picture.
    WrongSize,
    /// A mask in which greys may be labels or soft edges: save labels as 1, 2, 3…, or one structure as 0
    /// and 255.
    UnclearMask,
    /// A file that can't be read.
    Unreadable,
    /// A picture that the table of classes doesn't have, or a mask that `annotations.json` doesn't; it is
    /// evaluated all the same.
    NoClass,
}

impl ProblemKind {
    /// What it is called, for a list with numbers.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingMask => "without a mask",
            Self::MissingPicture => "masks without a picture",
            Self::EmptyMask => "empty masks",
            Self::WrongSize => "masks of another size than their picture",
            Self::UnclearMask => "masks whose greys may be labels or soft edges",
            Self::Unreadable => "unreadable",
            Self::NoClass => "without a class",
        }
    }
}

/// Something in a dataset that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Of what kind.
    pub kind: ProblemKind,
    /// The file, with what is wrong where its kind doesn't tell.
    pub what: String,
}

impl Problem {
    fn new(kind: ProblemKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }
}

/// Why a file is left out.
type Refusal = (ProblemKind, String);

/// Why there is nothing to evaluate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A folder or a table can't be read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A phantom that can't be simulated.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A number of phantoms that is not one.
    #[error("phantom: {0:?} is no count; write it as in phantom:seed=1,count=20")]
    Count(String),
    /// Nothing in it looks like a dataset.
    #[error(
        "{path}: no picture with a mask is there, but {pictures} pictures and {masks} masks that don't \
         belong together. Known are NAME.png with NAME_mask.png or NAME_mask0.png, folders images \
         and masks, BUSI, HAM10000 with its metadata table, and .npz with imgs and gts",
        path = .path.display()
    )]
    Empty {
        /// The folder.
        path: PathBuf,
        /// Pictures in it.
        pictures: usize,
        /// Masks in it.
        masks: usize,
    },
}

/// An outlined structure.
#[derive(Clone, Debug)]
pub struct Structure {
    /// Tells it from the others of its picture.
    pub name: String,
    /// Its class, where structures have their own.
    pub class: Option<String>,
    /// Its outline, never empty, at frame resolution.
    pub mask: Mask,
    /// The box that the dataset gives as a prompt, if it does.
    pub given_box: Option<FrameBox>,
}

/// A picture with what is outlined on it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its name in the dataset.
    pub name: String,
    /// The name of the volume that it is a slice of, if it is one.
    pub volume: Option<String>,
    /// Its class, where there are classes.
    pub class: Option<String>,
    /// The picture.
    pub frame: Frame,
    /// At least one.
    pub structures: Vec<Structure>,
}

/// A file of a dataset with its masks: one picture, or the slices of a volume.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name in the dataset.
    pub name: String,
    class: Option<String>,
    source: Source,
}

/// A picture of a mask, and the class of what is outlined on it.
#[derive(Clone, Debug)]
struct MaskFile {
    path: PathBuf,
    class: Option<String>,
}

#[derive(Clone, Debug)]
enum Source {
    Files { picture: PathBuf, masks: Vec<MaskFile> },
    Archive(PathBuf),
    Phantom(PhantomOptions),
}

/// A dataset.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// As it was given.
    pub name: String,
    /// How it lies on the disk.
    pub layout: Layout,
    /// What is in it, by name.
    pub items: Vec<Item>,
    /// What its names alone tell to be wrong.
    pub problems: Vec<Problem>,
}

impl Dataset {
    /// How many phantoms there are if nobody says.
    const PHANTOMS: u64 = 20;

    /// Finds the dataset that `spec` names: a folder, a `.npz` file, or `phantom`, with options as
    /// in `phantom:seed=1,count=20,size=640x480`, whose pictures have the seeds 1 to 20.
    ///
    /// # Errors
    /// [`DatasetError`] where there is none.
    pub fn open(spec: &str) -> Result<Self, DatasetError> {
        if spec == "phantom" || spec.starts_with("phantom:") {
            return Self::phantoms(spec);
        }
        let path = Path::new(spec);
        let (layout, items, problems) = files::open(path)?;
        Ok(Self { name: spec.to_owned(), layout, items, problems })
    }

    fn phantoms(spec: &str) -> Result<Self, DatasetError> {
        let options = spec.split_once(':').map_or("", |(_, options)| options);
        let is_count = |option: &&str| option.trim().starts_with("count=");
        let (counts, others): (Vec<_>, Vec<_>) = options.split(',').partition(is_count);
        let options = PhantomOptions::parse(&others.join(","))?;
        let read = |option: &&str| {
            let value = option.trim().trim_start_matches("count=");
            let count = value.parse().ok().filter(|count| (1..=1_000_000).contains(count));
            count.ok_or_else(|| DatasetError::Count(value.to_owned()))
        };
        let count = counts.first().map_or(Ok(Self::PHANTOMS), read)?;
        let item = |index| {
            let options = PhantomOptions { seed: options.seed.wrapping_add(index), ..options };
            let name = format!("phantom:seed={}", options.seed);
            Item { name, class: None, source: Source::Phantom(options) }
        };
        let items = (0..count).map(item).collect();
        Ok(Self { name: spec.to_owned(), layout: Layout::Phantom, items, problems: vec![] })
    }
}

impl Item {
    /// Reads it and hands out its pictures, one after the other; `problems` gets what can't be
    /// handed out.
    ///
    /// # Errors
    /// What `each` returns, which ends it.
    pub fn read<E>(
        &self,
        problems: &mut Vec<Problem>,
        mut each: impl FnMut(Picture) -> Result<(), E>,
    ) -> Result<(), E> {
        let picture = match &self.source {
            Source::Archive(path) => return volume::read(self, path, problems, each),
            Source::Files { picture, masks } => self.read_files(picture, masks, problems),
            Source::Phantom(options) => self.simulate(*options),
        };
        match picture {
            Ok(Some(picture)) => each(picture),
            Ok(None) => Ok(()),
            Err(error) => {
                problems.push(Problem::new(ProblemKind::Unreadable, error.to_string()));
                Ok(())
            }
        }
    }

    fn read_files(
        &self,
        path: &Path,
        masks: &[MaskFile],
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Picture>, FeedError> {
        let frame = read_still(path)?;
        let mut structures = Vec::new();
        for MaskFile { path, class } in masks {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let labels = match masks::read(path) {
                Ok(labels) => labels,
                Err((kind, reason)) => {
                    problems.push(Problem::new(kind, reason));
                    continue;
                }
            };
            let what = path.display().to_string();
            if labels.is_empty() {
                problems.push(Problem::new(ProblemKind::EmptyMask, what));
            } else if labels[0].1.size() != frame.size() {
                let (found, expected) = (labels[0].1.size(), frame.size());
                let what = format!("{what}: {found}, the picture {expected}");
                problems.push(Problem::new(ProblemKind::WrongSize, what));
            } else {
                let one = labels.len() == 1;
                structures.extend(labels.into_iter().map(|(label, mask)| {
                    let name = if one { name.to_string() } else { format!("{name}#{label}") };
                    Structure { name, class: class.clone(), mask, given_box: None }
                }));
            }
        }
        Ok(self.picture(frame, structures))
    }

    fn simulate(&self, options: PhantomOptions) -> Result<Option<Picture>, FeedError> {
        let mut phantom = Phantom::new(options)?;
        let mask = phantom.truth(0);
        let lesion = Structure { name: "lesion".into(), class: None, mask, given_box: None };
        Ok(self.picture(phantom.frame(0)?, vec![lesion]))
    }

    fn picture(&self, frame: Frame, structures: Vec<Structure>) -> Option<Picture> {
        let (name, class) = (self.name.clone(), self.class.clone());
        (!structures.is_empty()).then_some(Picture { name, volume: None, class, frame, structures })
    }
}

/// How many problems of each kind there are.
pub fn count_problems(problems: &[Problem]) -> BTreeMap<ProblemKind, usize> {
    let mut counts = BTreeMap::new();
    for problem in problems {
        *counts.entry(problem.kind).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests;
