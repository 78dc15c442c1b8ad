//! Where frames come from.
//!
//! A [`Clip`] is a recording that can be asked for any of its frames: [`images`], [`dicom`] and the
//! [`phantom`] simulator. A [`Player`] plays a clip in real time as a [`Feed`], which is what the
//! rest of the program sees; a capture card is a feed of its own.

pub mod dicom;
pub mod images;
pub mod phantom;
mod player;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::frame::{Frame, FrameError};

/// Why a feed can't deliver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// A file or folder can't be read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what its name says, is damaged, or uses a feature that is not supported.
    #[error("{path}: {reason}", path = .path.display())]
    Decode {
        /// Which.
        path: PathBuf,
        /// What is wrong, and the remedy where there is one.
        reason: String,
    },
    /// A picture of an impossible size.
    #[error("{path}: {source}", path = .path.display())]
    Size {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: FrameError,
    },
    /// A folder or list without any picture in it.
    #[error("{path}: no PNG, JPEG, BMP or TIFF picture there", path = .0.display())]
    NoPictures(PathBuf),
    /// A feed specification that can't be understood.
    #[error("feed {spec:?}: {reason}")]
    Spec {
        /// As it was given.
        spec: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Frames one after the other, as they come.
pub trait Feed: Send {
    /// A short name for the status line.
    fn name(&self) -> &str;

    /// The time from one frame to the next, where the source states one.
    fn frame_interval(&self) -> Option<Duration>;

    /// Waits for the next frame; `None` when the feed has ended.
    ///
    /// # Errors
    /// [`FeedError`] for this frame alone: a caller may ask again for the one after it.
    fn next_frame(&mut self) -> Result<Option<Frame>, FeedError>;
}

/// A recording (or simulation) whose frames can be had in any order.
pub trait Clip: Send {
    /// A short name for the status line.
    fn name(&self) -> &str;

    /// The number of frames, at least 1; `None` where there is no end.
    fn frame_count(&self) -> Option<u64>;

    /// The clip's own time from one frame to the next, where it has one.
    fn frame_interval(&self) -> Option<Duration>;

    /// Frame `index`, with `sequence` set to it.
    ///
    /// # Errors
    /// [`FeedError`] where the frame can't be read; other frames may be fine.
    fn frame(&mut self, index: u64) -> Result<Frame, FeedError>;
}
