//! The dataset on the disk.
//!
//! In its folder are `images` (the pictures that have masks, as PNG), `masks` (`NAME_mask0.png`,
//! `NAME_mask1.png`…, 0 and 255), `annotations.json` (COCO) and `labels.jsonl`, to which a line is added
//! for all that is accepted. That line is what counts: it is on the disk before a mask is said to be
//! kept, and holds the mask itself, so that the other files can be made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use serde::{Deserialize, Serialize};

use super::{About, KeptMask, Origin, coco};
use crate::eval::{is_mask, name_in};
use crate::feed::{FeedError, read_still};
use crate::files::{self, files_below, is_picture};
use crate::frame::Frame;
use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::rle::Rle;

/// What was accepted, line by line.
const JOURNAL: &str = "labels.jsonl";
/// COCO's JSON.
const ANNOTATIONS: &str = "annotations.json";

/// Why pictures can't be labelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A file or folder can't be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A picture can't be read.
    #[error(transparent)]
    Picture(#[from] FeedError),
    /// There is nothing to label.
    #[error("{0}: no pictures are there; known are PNG, JPEG, BMP, TIFF and DICOM files")]
    NoPictures(String),
    /// The dataset is damaged.
    #[error("{path}, line {line}: {reason}; mend or remove the line", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The dataset is of other pictures.
    #[error(
        "{out} holds labels of other pictures ({picture} is not in {pictures}); give another folder \
         with --out"
    )]
    OtherPictures {
        /// The dataset's folder.
        out: String,
        /// A picture of it.
        picture: String,
        /// The folder of pictures.
        pictures: String,
    },
    /// Somebody else is at it.
    #[error("{0} is being labelled by another tapseg; close that first")]
    Busy(String),
    /// A picture can't be encoded.
    #[error("{file}: {reason}")]
    Encode {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Kept(KeptMask),
    Withdrawn(u64),
    Finished(String),
    Names(Vec<String>),
}

/// A picture of the folder.
struct Picture {
    /// Its path in the folder, with `/` between its parts.
    name: String,
    path: PathBuf,
    /// What its files in the dataset are called after.
    stem: String,
    finished: bool,
}

/// What a dataset holds, and how long it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Pictures in the folder.
    pub pictures: usize,
    /// Pictures that are done.
    pub finished: usize,
    /// Masks.
    pub masks: usize,
    /// Masks by name.
    pub names: BTreeMap<String, usize>,
    /// Masks by how they came about.
    pub origins: BTreeMap<Origin, usize>,
    /// The median of the seconds that masks took; `None` without masks.
    pub median_seconds: Option<f64>,
    /// The seconds that all masks took.
    pub total_seconds: f64,
}

/// A dataset that is being made.
pub struct LabelSet {
    out: PathBuf,
    pictures: Vec<Picture>,
    names: Vec<String>,
    journal: File,
    /// Bytes of the journal that are whole lines.
    good: u64,
    masks: BTreeMap<u64, KeptMask>,
    /// Masks that were taken back.
    withdrawn: Vec<KeptMask>,
    /// How many masks each picture ever had, so that files are never named twice.
    numbers: BTreeMap<String, usize>,
    last_id: u64,
}

impl LabelSet {
    /// The pictures below `folder`, without those that are masks of others, and the dataset in `out`,
    /// which is begun where it is not there. `names` are the names that masks may get and COCO's
    /// categories; without any, those of the last time, or else one, `structure`.
    ///
    /// # Errors
    /// [`LabelError`] where there are no pictures, or the dataset can't be read or written, is another's,
    /// or damaged. A last line that was cut short was never said to be kept, and is dropped.
    pub fn open(folder: &Path, out: &Path, names: Vec<String>) -> Result<Self, LabelError> {
        let pictures = pictures(folder, out)?;
        if pictures.is_empty() {
            return Err(LabelError::NoPictures(folder.display().to_string()));
        }
        fs::create_dir_all(out).map_err(io_error(out))?;
        let path = out.join(JOURNAL);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut journal = options.open(&path).map_err(io_error(&path))?;
        match journal.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LabelError::Busy(out.display().to_string()));
            }
            Err(TryLockError::Error(source)) => return Err(io_error(&path)(source)),
        }
        let mut text = Vec::new();
        journal.read_to_end(&mut text).map_err(io_error(&path))?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let mut set = Self {
            out: out.to_path_buf(),
            pictures,
            names: vec![],
            journal,
            good: whole as u64,
            masks: BTreeMap::new(),
            withdrawn: Vec::new(),
            numbers: BTreeMap::new(),
            last_id: 0,
        };
        let lines = text[..whole].split(|&byte| byte == b'\n');
        for (at, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let line = serde_json::from_slice(line).map_err(|error| LabelError::Damaged {
                path: path.clone(),
                line: at + 1,
                reason: error.to_string(),
            })?;
            set.replay(line);
        }
        set.check_pictures(folder)?;
        if !names.is_empty() && names != set.names {
            set.append(&Line::Names(names.clone()))?;
            set.names = names;
        } else if set.names.is_empty() {
            set.names.push("structure".to_owned());
        }
        set.files_follow()?;
        Ok(set)
    }

    fn replay(&mut self, line: Line) {
        match line {
            Line::Kept(mask) => {
                self.last_id = self.last_id.max(mask.id);
                *self.numbers.entry(mask.picture.clone()).or_default() += 1;
                self.masks.insert(mask.id, mask);
            }
            Line::Withdrawn(id) => self.withdrawn.extend(self.masks.remove(&id)),
            Line::Names(names) => self.names = names,
            Line::Finished(name) => {
                if let Some(picture) = self.pictures.iter_mut().find(|p| p.name == name) {
                    picture.finished = true;
                }
            }
        }
    }

    /// Refuses labels of which no picture is in the folder.
    fn check_pictures(&self, folder: &Path) -> Result<(), LabelError> {
        let there: BTreeSet<&str> = self.pictures.iter().map(|p| &*p.name).collect();
        let known = self.masks.values().any(|mask| there.contains(&*mask.picture));
        match self.masks.values().next() {
            Some(mask) if !known => Err(LabelError::OtherPictures {
                out: self.out.display().to_string(),
                picture: mask.picture.clone(),
                pictures: folder.display().to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Writes the masks' files that are missing, and removes those of masks that were taken back: the
    /// program was cut off before that was done.
    fn files_follow(&self) -> Result<(), LabelError> {
        self.withdrawn.iter().try_for_each(|mask| self.remove_files(mask))?;
        for mask in self.masks.values() {
            let path = self.out.join(&mask.file);
            if !path.exists() {
                let partial = self.write_mask(&path, &mask.segmentation.to_mask())?;
                files::finish(&partial, &path).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }

    /// How many pictures there are.
    pub fn picture_names(&self) -> Vec<String> {
        self.pictures.iter().map(|picture| picture.name.clone()).collect()
    }

    /// For each picture whether it is done.
    pub fn finished(&self) -> Vec<bool> {
        self.pictures.iter().map(|picture| picture.finished).collect()
    }

    /// The names given, then those that masks have.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.names.clone();
        for mask in self.masks.values() {
            if !names.contains(&mask.about.name) {
                names.push(mask.about.name.clone());
            }
        }
        names
    }

    /// Reads a picture; its sequence number is its index.
    ///
    /// # Errors
    /// [`LabelError::Picture`] where it can't be read.
    pub fn read(&self, picture: usize) -> Result<Frame, LabelError> {
        let mut frame = read_still(&self.pictures[picture].path)?;
        frame.sequence = picture as u64;
        Ok(frame)
    }

    /// The masks of a picture, in the order in which they were accepted.
    pub fn masks_of(&self, picture: usize) -> Vec<KeptMask> {
        let name = &self.pictures[picture].name;
        self.masks.values().filter(|mask| mask.picture == *name).cloned().collect()
    }

    /// Keeps a mask of a picture, and gives its number. It is on the disk then.
    ///
    /// # Errors
    /// [`LabelError`] where it can't be written; then nothing is kept.
    pub fn keep(
        &mut self,
        picture: usize,
        frame: &Frame,
        mask: &Mask,
        about: About,
    ) -> Result<u64, LabelError> {
        let Picture { name, stem, .. } = &self.pictures[picture];
        let image = self.out.join("images").join(format!("{stem}.png"));
        if !image.exists() {
            let png = png(&image, frame.rgb(), frame.size(), ExtendedColorType::Rgb8)?;
            let partial = write_beside(&image, &png)?;
            files::finish(&partial, &image).map_err(io_error(&image))?;
        }
        let number = self.numbers.get(name).copied().unwrap_or(0);
        let kept = KeptMask {
            id: self.last_id + 1,
            picture: name.clone(),
            file: format!("masks/{stem}_mask{number}.png"),
            segmentation: Rle::of(mask),
            about,
        };
        let path = self.out.join(&kept.file);
        let partial = self.write_mask(&path, mask)?;
        if let Err(error) = self.append(&Line::Kept(kept.clone())) {
            // Best effort: the error that is reported is the one that matters.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        if let Err(error) = files::finish(&partial, &path) {
            // The journal has the mask; the file is written when the dataset is opened again.
            log::warn!("{}: {error}", path.display());
        }
        let id = kept.id;
        self.replay(Line::Kept(kept));
        Ok(id)
    }

    /// Takes a mask back: its files go, and the journal still has it.
    ///
    /// # Errors
    /// [`LabelError`] where that can't be written.
    pub fn withdraw(&mut self, id: u64) -> Result<(), LabelError> {
        let Some(mask) = self.masks.get(&id).cloned() else { return Ok(()) };
        self.append(&Line::Withdrawn(id))?;
        self.replay(Line::Withdrawn(id));
        self.remove_files(&mask)
    }

    /// Removes the file of a mask that was taken back, and its picture's where that has no other; what
    /// is gone already is fine.
    fn remove_files(&self, mask: &KeptMask) -> Result<(), LabelError> {
        let remove = |path: PathBuf| match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path)(error)),
            _ => Ok(()),
        };
        remove(self.out.join(&mask.file))?;
        if self.masks.values().all(|other| other.picture != mask.picture)
            && let Some(picture) = self.pictures.iter().find(|p| p.name == mask.picture)
        {
            remove(self.out.join("images").join(format!("{}.png", picture.stem)))?;
        }
        Ok(())
    }

    /// Notes that a picture is done.
    ///
    /// # Errors
    /// [`LabelError`] where that can't be written.
    pub fn finish(&mut self, picture: usize) -> Result<(), LabelError> {
        if !self.pictures[picture].finished {
            self.append(&Line::Finished(self.pictures[picture].name.clone()))?;
            self.pictures[picture].finished = true;
        }
        Ok(())
    }

    /// Writes `annotations.json`, and says what the dataset holds.
    ///
    /// # Errors
    /// [`LabelError`] where it can't be written.
    pub fn close(self) -> Result<Summary, LabelError> {
        let path = self.out.join(ANNOTATIONS);
        let stems: BTreeMap<&str, &str> =
            self.pictures.iter().map(|p| (&*p.name, &*p.stem)).collect();
        let file = |name: &str| format!("{}.png", stems.get(name).copied().unwrap_or(name));
        let content = coco::File::of(self.masks.values(), file, &self.names);
        let encode = |error: serde_json::Error| io_error(&path)(error.into());
        let json = serde_json::to_vec(&content).map_err(encode)?;
        let partial = files::write_beside(&path, &json).map_err(io_error(&path))?;
        files::finish(&partial, &path).map_err(io_error(&path))?;
        Ok(self.summary())
    }

    fn summary(&self) -> Summary {
        let mut summary = Summary {
            pictures: self.pictures.len(),
            finished: self.pictures.iter().filter(|picture| picture.finished).count(),
            masks: self.masks.len(),
            ..Summary::default()
        };
        let mut seconds: Vec<f64> = Vec::with_capacity(self.masks.len());
        for KeptMask { about, .. } in self.masks.values() {
            *summary.names.entry(about.name.clone()).or_default() += 1;
            *summary.origins.entry(about.origin).or_default() += 1;
            seconds.push(about.seconds);
        }
        seconds.sort_by(f64::total_cmp);
        summary.median_seconds = seconds.get(seconds.len() / 2).copied();
        summary.total_seconds = seconds.iter().sum();
        summary
    }

    /// Adds a line to the journal, and has it written to the disk.
    fn append(&mut self, line: &Line) -> Result<(), LabelError> {
        let path = self.out.join(JOURNAL);
        let mut text = serde_json::to_vec(line).map_err(|error| io_error(&path)(error.into()))?;
        text.push(b'\n');
        let (good, journal) = (self.good, &mut self.journal);
        let written = journal
            .set_len(good)
            .and_then(|()| journal.seek(SeekFrom::Start(good)))
            .and_then(|_| journal.write_all(&text))
            .and_then(|()| journal.sync_all())
            .and_then(|()| if good == 0 { files::sync_folder(&self.out) } else { Ok(()) });
        written.map_err(io_error(&path))?;
        self.good += text.len() as u64;
        Ok(())
    }

    fn write_mask(&self, path: &Path, mask: &Mask) -> Result<PathBuf, LabelError> {
        let png = png(path, &mask.to_grey(), mask.size(), ExtendedColorType::L8)?;
        write_beside(path, &png)
    }
}

fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, LabelError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(io_error(folder))?;
    files::write_beside(path, bytes).map_err(io_error(path))
}

fn png(
    path: &Path,
    pixels: &[u8],
    size: FrameSize,
    colour: ExtendedColorType,
) -> Result<Vec<u8>, LabelError> {
    let file = path.display().to_string();
    files::png(pixels, size, colour).map_err(|reason| LabelError::Encode { file, reason })
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> LabelError {
    let path = path.to_path_buf();
    move |source| LabelError::Io { path: path.clone(), source }
}

/// The pictures below `folder`, but for masks and what lies in `out`.
fn pictures(folder: &Path, out: &Path) -> Result<Vec<Picture>, LabelError> {
    let found = files_below(folder).map_err(|(path, source)| LabelError::Io { path, source })?;
    let own = out.canonicalize().ok();
    let is_own = |path: &Path| {
        let whole = path.canonicalize().ok();
        own.as_ref().zip(whole).is_some_and(|(own, path)| path.starts_with(own))
    };
    let mut pictures: Vec<Picture> = Vec::new();
    for path in found.into_iter().filter(|path| is_picture(path) && !is_own(path)) {
        let name = name_in(folder, &path);
        if !is_mask(&name) {
            let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem).to_owned();
            pictures.push(Picture { name, path, stem, finished: false });
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    pictures.iter().for_each(|p| *counts.entry(p.stem.clone()).or_default() += 1);
    for picture in &mut pictures {
        // NAME.jpg beside NAME.png.
        if counts[&picture.stem] > 1 {
            picture.stem = picture.name.clone();
        }
    }
    Ok(pictures)
}
