//! The dataset on the disk.
//!
//! In its folder are `images` (the pictures that have masks, as PNG), `masks` (`NAME_mask0.png`,
//! `NAME_mask1.png`…, 0 and 255), `annotations.json` (COCO) and `labels.jsonl`, to which a line is added
//! for all that is accepted. That line is what counts: it is on the disk before a mask is said to be
//! kept, and holds the mask itself, so that the other files can be made of it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::ExtendedColorType;

use super::error::{LabelError, io_error};
use super::journal::{Journal, Line};
use super::pictures::{self, Picture, Reader};
use super::summary::Summary;
use super::{About, KeptMask, coco};
use crate::files;
use crate::frame::Frame;
use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::rle::Rle;

/// COCO's JSON.
const ANNOTATIONS: &str = "annotations.json";

/// A dataset that is being made.
pub struct LabelSet {
    folder: PathBuf,
    out: PathBuf,
    pictures: Vec<Picture>,
    /// Their places in the list, by name.
    places: HashMap<String, usize>,
    reader: Reader,
    names: Vec<String>,
    journal: Journal,
    masks: BTreeMap<u64, KeptMask>,
    /// Masks that were taken back.
    withdrawn: Vec<KeptMask>,
    /// What the files of a picture, by its name, are called after, since it has had masks: other
    /// pictures may come and go.
    stems: BTreeMap<String, String>,
    /// How many masks each picture ever had, so that files are never named twice.
    numbers: BTreeMap<String, usize>,
    last_id: u64,
    /// Files of masks that were taken back which could not be removed, each with the reason.
    left_over: Vec<String>,
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
        let pictures = pictures::list(folder, out)?;
        let not_writable = |source| LabelError::NotWritable { path: out.to_path_buf(), source };
        fs::create_dir_all(out).map_err(not_writable)?;
        let (journal, lines) = Journal::open(out)?;
        let mut set = Self {
            folder: folder.to_path_buf(),
            out: out.to_path_buf(),
            places: pictures.iter().zip(0..).map(|(picture, at)| (picture.name(), at)).collect(),
            pictures,
            reader: Reader::default(),
            names: vec![],
            journal,
            masks: BTreeMap::new(),
            withdrawn: Vec::new(),
            stems: BTreeMap::new(),
            numbers: BTreeMap::new(),
            last_id: 0,
            left_over: Vec::new(),
        };
        lines.into_iter().for_each(|line| set.replay(line));
        set.check_pictures()?;
        if !names.is_empty() && names != set.names {
            set.journal.append(&Line::Names(names.clone()))?;
            set.names = names;
        } else if set.names.is_empty() {
            set.names.push("structure".to_owned());
        }
        set.files_follow()?;
        set.look_again();
        Ok(set)
    }

    fn replay(&mut self, line: Line) {
        match line {
            Line::Kept(mask) => {
                self.last_id = self.last_id.max(mask.id);
                *self.numbers.entry(mask.picture.clone()).or_default() += 1;
                if let Some(stem) = stem_of(&mask.file) {
                    self.stems.entry(mask.picture.clone()).or_insert_with(|| stem.to_owned());
                }
                self.masks.insert(mask.id, mask);
            }
            Line::Withdrawn(id) => self.withdrawn.extend(self.masks.remove(&id)),
            Line::Names(names) => self.names = names,
            Line::Finished(name) => {
                if let Some(&at) = self.places.get(&name) {
                    self.pictures[at].finished = true;
                }
            }
            Line::Unreadable(name) => {
                if let Some(&at) = self.places.get(&name) {
                    self.pictures[at].unreadable = true;
                }
            }
        }
    }

    /// Refuses labels of which no picture is in the folder.
    fn check_pictures(&self) -> Result<(), LabelError> {
        let known = self.masks.values().any(|mask| self.places.contains_key(&mask.picture));
        match self.masks.values().next() {
            Some(mask) if !known => Err(LabelError::OtherPictures {
                out: self.out.display().to_string(),
                picture: mask.picture.clone(),
                pictures: self.folder.display().to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Writes the masks' files that are missing, and removes those of masks that were taken back: the
    /// program was cut off before that was done. COCO's JSON is of the last time that it was not.
    fn files_follow(&mut self) -> Result<(), LabelError> {
        for mask in self.withdrawn.clone() {
            self.remove_files(&mask);
        }
        for mask in self.masks.values() {
            let path = self.out.join(&mask.file);
            if !path.exists() {
                let partial = self.write_mask(&path, &mask.segmentation.to_mask())?;
                files::finish(&partial, &path).map_err(io_error(&path))?;
            }
        }
        let had_masks = self.last_id > 0;
        match had_masks && self.journal.is_newer_than(&self.out.join(ANNOTATIONS)) {
            true => self.write_annotations(),
            false => Ok(()),
        }
    }

    /// Looks whether pictures that could not be read can be by now.
    fn look_again(&mut self) {
        for at in 0..self.pictures.len() {
            if self.pictures[at].unreadable {
                // Why it can't is told when it is its turn.
                let _ = self.read(at);
            }
        }
    }

    /// The pictures, by name.
    pub fn pictures(&self) -> &[Picture] {
        &self.pictures
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

    /// Reads a picture; its sequence number is its index. One that can't be read is noted as such.
    ///
    /// # Errors
    /// [`LabelError::Picture`] where it can't be read.
    pub fn read(&mut self, picture: usize) -> Result<Frame, LabelError> {
        match self.reader.read(&self.folder, &self.pictures[picture]) {
            Ok(mut frame) => {
                frame.sequence = picture as u64;
                self.pictures[picture].unreadable = false;
                Ok(frame)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.pictures[picture].unreadable, true) {
                    let line = Line::Unreadable(self.pictures[picture].name());
                    // The error that is reported is the one that matters.
                    if let Err(error) = self.journal.append(&line) {
                        log::warn!("{error}");
                    }
                }
                Err(error.into())
            }
        }
    }

    /// The masks of a picture, in the order in which they were accepted.
    pub fn masks_of(&self, picture: usize) -> Vec<KeptMask> {
        let name = self.pictures[picture].name();
        self.masks.values().filter(|mask| mask.picture == name).cloned().collect()
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
        let name = self.pictures[picture].name();
        let stem = match self.stems.get(&name) {
            Some(stem) => stem.clone(),
            None => self.free_stem(picture),
        };
        let image = self.image(&stem);
        if !image.exists() {
            let png = png(&image, frame.rgb(), frame.size(), ExtendedColorType::Rgb8)?;
            let partial = write_beside(&image, &png)?;
            files::finish(&partial, &image).map_err(io_error(&image))?;
        }
        let number = self.numbers.get(&name).copied().unwrap_or(0);
        let kept = KeptMask {
            id: self.last_id + 1,
            picture: name,
            file: format!("masks/{stem}_mask{number}.png"),
            segmentation: Rle::of(mask),
            about,
        };
        let path = self.out.join(&kept.file);
        let partial = self.write_mask(&path, mask)?;
        if let Err(error) = self.journal.append(&Line::Kept(kept.clone())) {
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

    /// What the files of a picture that has had no masks yet are called after: nothing that those of
    /// another are, wherever capitals don't count.
    fn free_stem(&self, picture: usize) -> String {
        let taken = |stem: &str| self.stems.values().any(|other| other.eq_ignore_ascii_case(stem));
        let mut stems = self.pictures[picture].stems(&self.pictures);
        stems.find(|stem| !taken(stem)).unwrap_or_default()
    }

    /// The file of the picture whose files are called after `stem`.
    fn image(&self, stem: &str) -> PathBuf {
        self.out.join("images").join(format!("{stem}.png"))
    }

    /// Takes a mask back: its files go, and the journal still has it.
    ///
    /// # Errors
    /// [`LabelError`] where that can't be written.
    pub fn withdraw(&mut self, id: u64) -> Result<(), LabelError> {
        let Some(mask) = self.masks.get(&id).cloned() else { return Ok(()) };
        self.journal.append(&Line::Withdrawn(id))?;
        self.replay(Line::Withdrawn(id));
        self.remove_files(&mask);
        Ok(())
    }

    /// Removes the file of a mask that was taken back, and its picture's where that has no other. What is
    /// gone already is fine; what can't be removed is told at the end, and tried again when the dataset is
    /// opened, as the journal is what counts.
    fn remove_files(&mut self, mask: &KeptMask) {
        let mut files = vec![self.out.join(&mask.file)];
        if self.masks.values().all(|other| other.picture != mask.picture) {
            files.extend(self.stems.get(&mask.picture).map(|stem| self.image(stem)));
        }
        for path in files {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.left_over.push(format!(
                        "{} was taken back and could not be removed: {error}",
                        path.display()
                    ));
                }
                _ => {}
            }
        }
    }

    /// Notes that a picture is done.
    ///
    /// # Errors
    /// [`LabelError`] where that can't be written.
    pub fn finish(&mut self, picture: usize) -> Result<(), LabelError> {
        let picture = &mut self.pictures[picture];
        if !picture.finished {
            self.journal.append(&Line::Finished(picture.name()))?;
            picture.finished = true;
        }
        Ok(())
    }

    /// Writes `annotations.json`, and says what the dataset holds, and what could not be written.
    pub fn close(self) -> Summary {
        let mut summary = Summary::of(&self.pictures, self.masks.values());
        summary.problems.extend_from_slice(&self.left_over);
        summary.problems.extend(self.write_annotations().err().map(|error| error.to_string()));
        summary
    }

    fn write_annotations(&self) -> Result<(), LabelError> {
        let path = self.out.join(ANNOTATIONS);
        let file = |name: &str| format!("{}.png", self.stems.get(name).map_or(name, |stem| stem));
        let content = coco::File::of(self.masks.values(), file, &self.names);
        let encode = |error: serde_json::Error| io_error(&path)(error.into());
        let json = serde_json::to_vec(&content).map_err(encode)?;
        let partial = files::write_beside(&path, &json).map_err(io_error(&path))?;
        files::finish(&partial, &path).map_err(io_error(&path))
    }

    fn write_mask(&self, path: &Path, mask: &Mask) -> Result<PathBuf, LabelError> {
        let png = png(path, &mask.to_grey(), mask.size(), ExtendedColorType::L8)?;
        write_beside(path, &png)
    }
}

/// What a mask's file is called after.
fn stem_of(file: &str) -> Option<&str> {
    Some(file.strip_prefix("masks/")?.rsplit_once("_mask")?.0)
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
