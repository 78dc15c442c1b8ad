//! The pictures of a folder, and what their files in the dataset are called.

use std::path::{Path, PathBuf};

use super::error::LabelError;
use crate::eval::{is_mask, name_in};
use crate::feed::dicom::{self, DicomClip};
use crate::feed::{Clip, FeedError, read_still};
use crate::files::{files_below, is_picture};
use crate::frame::Frame;

/// A picture that is to be labelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Its file's path in the folder, with `/` between its parts.
    pub file: String,
    /// Which frame of its file it is; none where the file is one picture.
    pub frame: Option<FrameOf>,
    /// Whether all on it is outlined.
    pub finished: bool,
    /// Whether it could not be read when it was wanted last.
    pub unreadable: bool,
}

/// A frame of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameOf {
    /// Which, from 1.
    pub number: u64,
    /// Of how many.
    pub count: u64,
}

impl Picture {
    /// What tells it from the others: its file, with `#2` behind it for the second frame of a clip. The
    /// first is what the file is as a still.
    pub fn name(&self) -> String {
        match self.frame {
            Some(FrameOf { number: number @ 2.., .. }) => format!("{}#{number}", self.file),
            _ => self.file.clone(),
        }
    }

    /// What its files in the dataset are called after: its own file without the ending, or with it
    /// where that is `whole`.
    fn stem(&self, whole: bool) -> String {
        let without = self.file.rsplit_once('.').map_or(&*self.file, |(stem, _)| stem);
        let stem = if whole { &self.file } else { without };
        match self.frame {
            // As many digits as the last one has, so that they are in order by name.
            Some(FrameOf { number, count }) => {
                format!("{stem}_frame{number:0digits$}", digits = count.to_string().len())
            }
            None => stem.to_owned(),
        }
    }

    /// What its files can be called after, the best first; `others` are the folder's pictures.
    pub(super) fn stems(&self, others: &[Self]) -> impl Iterator<Item = String> {
        let (short, whole) = (self.stem(false), self.stem(true));
        // NAME.jpg beside NAME.png.
        let shared = others.iter().filter(|other| other.stem(false) == short).count() > 1;
        let numbered = whole.clone();
        let numbered = (2..).map(move |number: u32| format!("{numbered}-{number}"));
        (!shared).then_some(short).into_iter().chain([whole]).chain(numbered)
    }
}

/// The pictures below `folder`, but for masks and what lies in `out`. A clip is as many as it has frames.
///
/// # Errors
/// [`LabelError`] where there are none.
pub(super) fn list(folder: &Path, out: &Path) -> Result<Vec<Picture>, LabelError> {
    if folder.is_file() {
        return Err(LabelError::NoFolder(folder.display().to_string()));
    }
    let found = files_below(folder).map_err(|(path, source)| LabelError::Io { path, source })?;
    let own = out.canonicalize().ok();
    let is_own = |path: &Path| {
        let whole = path.canonicalize().ok();
        own.as_ref().zip(whole).is_some_and(|(own, path)| path.starts_with(own))
    };
    if is_own(folder) {
        return Err(LabelError::AmongPictures { out: out.display().to_string() });
    }
    let (mut pictures, mut masks) = (Vec::new(), 0);
    for path in found.into_iter().filter(|path| is_picture(path) && !is_own(path)) {
        let file = name_in(folder, &path);
        if is_mask(&file) {
            masks += 1;
            continue;
        }
        let picture = |frame| Picture { file: file.clone(), frame, ..Picture::default() };
        match frames(&path) {
            1 => pictures.push(picture(None)),
            count => {
                pictures.extend((1..=count).map(|n| picture(Some(FrameOf { number: n, count }))));
            }
        }
    }
    if pictures.is_empty() {
        let folder = folder.display().to_string();
        return Err(LabelError::NoPictures { folder, masks });
    }
    Ok(pictures)
}

/// How many frames a file has. One that can't be read counts as one picture, which then tells why.
fn frames(path: &Path) -> u64 {
    let kind = path.extension().map(|kind| kind.to_string_lossy().to_lowercase());
    match kind.as_deref() {
        Some("dcm" | "dicom") => dicom::frame_count(path).unwrap_or(1),
        _ => 1,
    }
}

/// Reads pictures. The clip of the last one stays open, so that its next frame is there at once; one at a
/// time, so that memory does not grow with the folder.
#[derive(Default)]
pub(super) struct Reader {
    clip: Option<(PathBuf, DicomClip)>,
}

impl Reader {
    pub fn read(&mut self, folder: &Path, picture: &Picture) -> Result<Frame, FeedError> {
        let path = folder.join(&picture.file);
        let last = self.clip.take().filter(|(open, _)| *open == path);
        let Some(FrameOf { number, .. }) = picture.frame else { return read_still(&path) };
        let (_, mut clip) = match last {
            Some(open) => open,
            None => (path.clone(), DicomClip::open(&path)?),
        };
        // The file may be another by now than the one that was listed.
        if clip.frame_count().is_some_and(|count| number > count) {
            let reason = format!("it has no frame {number} any more");
            return Err(FeedError::Decode { path, reason });
        }
        let frame = clip.frame(number - 1);
        self.clip = Some((path, clip));
        frame
    }
}
