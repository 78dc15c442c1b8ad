//! What is known from one start to the next: files in a folder of their own.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files;
use crate::session::{Memory, Scale};

/// The file that is there once the guide was read.
const GUIDE: &str = "guide-read";

/// What is remembered of one feed. What can't be read is not known.
#[derive(Clone, Debug)]
pub struct Remembered {
    folder: PathBuf,
    feed: String,
    /// What is to be kept, in order, and who keeps it.
    waiting: Arc<Mutex<VecDeque<Memory>>>,
    keeping: Arc<Mutex<()>>,
}

/// The content of a scale's file.
#[derive(Serialize, Deserialize)]
struct KeptScale {
    /// For who looks at it.
    feed: String,
    scale: Scale,
}

impl Remembered {
    /// What `folder` knows of `feed`, a name that no other feed has, such as a file's whole path; the
    /// folder is made when there is something to remember.
    pub fn new(folder: impl Into<PathBuf>, feed: &str) -> Self {
        let (folder, feed) = (folder.into(), feed.to_owned());
        Self { folder, feed, waiting: Arc::default(), keeping: Arc::default() }
    }

    /// Whether somebody read the guide.
    pub fn guide_was_read(&self) -> bool {
        self.folder.join(GUIDE).exists()
    }

    /// The scale that was set on the screen.
    pub fn scale(&self) -> Option<Scale> {
        let bytes = fs::read(self.scale_file()).ok()?;
        let kept: KeptScale = serde_json::from_slice(&bytes).ok()?;
        let possible = |mm: f32| mm.is_finite() && mm > 0.0;
        let spacing = kept.scale.spacing;
        (kept.feed == self.feed && possible(spacing.row_mm) && possible(spacing.column_mm))
            .then_some(kept.scale)
    }

    /// Remembers it, on the disk when this returns.
    ///
    /// # Errors
    /// Why it can't be.
    pub fn keep(&self, memory: &Memory) -> io::Result<()> {
        match memory {
            Memory::GuideRead => self.write(&self.folder.join(GUIDE), &[]),
            Memory::Scale(Some(scale)) => {
                let kept = KeptScale { feed: self.feed.clone(), scale: scale.clone() };
                self.write(&self.scale_file(), &serde_json::to_vec_pretty(&kept)?)
            }
            Memory::Scale(None) => match fs::remove_file(self.scale_file()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed.and_then(|()| files::sync_folder(&self.folder)),
            },
        }
    }

    /// Puts it behind what [`keep_waiting`](Self::keep_waiting) is to keep.
    pub(super) fn put(&self, memory: Memory) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(memory);
    }

    /// Remembers all that was put there, in order, on whatever thread: what was set last is what stays.
    ///
    /// # Errors
    /// Why the first that can't be can't be.
    pub(super) fn keep_waiting(&self) -> io::Result<()> {
        let _alone = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let next = || self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut outcome = Ok(());
        while let Some(memory) = next() {
            outcome = outcome.and(self.keep(&memory));
        }
        outcome
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        files::finish(&files::write_beside(path, bytes)?, path)
    }

    /// Feeds' names are paths and more, so the file is named after their hash.
    fn scale_file(&self) -> PathBuf {
        let hash = Sha256::digest(self.feed.as_bytes());
        let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("scale-{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PixelSpacing;
    use crate::geometry::{FramePoint, FrameSize};
    use crate::measure::Ruler;

    fn scale() -> Scale {
        let (from, to) = (FramePoint::new(9.0, 1.0), FramePoint::new(9.0, 201.0));
        Scale {
            size: Some(FrameSize::new(640, 480)),
            spacing: PixelSpacing { row_mm: 0.125, column_mm: 0.1 },
            ruler: Some(Ruler { from, to, steps: 5 }),
        }
    }

    #[test]
    fn each_feed_has_its_own_scale_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let of = |feed| Remembered::new(folder.path().join("a/b"), feed);
        assert_eq!(of("v4l").scale(), None);
        of("v4l").keep(&Memory::Scale(None)).unwrap();
        of("v4l").keep(&Memory::Scale(Some(scale()))).unwrap();
        assert_eq!((of("v4l").scale(), of("clip.dcm").scale()), (Some(scale()), None));
        of("clip.dcm").keep(&Memory::Scale(Some(Scale { size: None, ..scale() }))).unwrap();
        of("v4l").keep(&Memory::Scale(None)).unwrap();
        assert_eq!((of("v4l").scale(), of("clip.dcm").scale().unwrap().size), (None, None));
    }

    #[test]
    fn what_was_set_last_stays_whoever_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let of = Remembered::new(folder.path(), "v4l");
        for round in 0..20 {
            let last = (round % 2 == 0).then(scale);
            of.put(Memory::Scale(Some(Scale { size: None, ..scale() })));
            let early = std::thread::spawn({
                let of = of.clone();
                move || of.keep_waiting()
            });
            of.put(Memory::Scale(None));
            of.put(Memory::Scale(last.clone()));
            of.keep_waiting().unwrap();
            early.join().unwrap().unwrap();
            assert_eq!(of.scale(), last, "{round}");
        }
    }

    #[test]
    fn what_is_broken_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let of = Remembered::new(folder.path(), "v4l");
        of.keep(&Memory::Scale(Some(scale()))).unwrap();
        let sound = fs::read_to_string(of.scale_file()).unwrap();
        for broken in ["", "{", &sound.replace("0.125", "-1"), &sound.replace("v4l", "other")] {
            fs::write(of.scale_file(), broken).unwrap();
            assert_eq!(of.scale(), None, "{broken}");
        }
    }

    #[test]
    fn the_guide_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let of = |feed| Remembered::new(folder.path(), feed);
        assert!(!of("v4l").guide_was_read());
        of("v4l").keep(&Memory::GuideRead).unwrap();
        assert!(of("v4l").guide_was_read() && of("clip.dcm").guide_was_read());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(
            Remembered::new(folder.path().join("file"), "v4l").keep(&Memory::GuideRead).is_err()
        );
    }
}
