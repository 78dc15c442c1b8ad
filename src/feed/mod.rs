//! Where frames come from.
//!
//! A [`Clip`] is a recording that can be asked for any of its frames: [`images`], [`dicom`], the
//! slices of a [`nifti`] volume and the [`phantom`] simulator. A [`Player`] plays a clip in real time as a [`Feed`], which is what the
//! rest of the program sees. A capture device is a feed of its own ([`capture`]), whose frames are
//! made RGB by [`pixels`]. [`spawn_latest`] reads a feed on a thread and keeps its newest frame.

pub mod capture;
pub mod dicom;
pub mod images;
mod jpeg;
mod latest;
pub mod nifti;
pub mod phantom;
pub mod pixels;
mod player;
#[cfg(feature = "v4l")]
pub mod v4l;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::frame::{Frame, FrameError};

pub use latest::{FeedEvent, Rest, spawn_latest, spawn_latest_with};
pub use player::{Playback, Player, Rate};

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
    #[error(
        "{path}: no PNG, JPEG, BMP or TIFF picture there (give DICOM and NIfTI files one at a time)",
        path = .0.display()
    )]
    NoPictures(PathBuf),
    /// A feed specification that can't be understood.
    #[error("feed {spec:?}: {reason}")]
    Spec {
        /// As it was given.
        spec: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A capture device delivers no frame.
    #[error("{device}: {fault}")]
    Capture {
        /// Which.
        device: String,
        /// Why, and what to do about it.
        fault: capture::CaptureFault,
    },
    /// The row of a transducer's face that is below the picture, or no number.
    #[error(
        "transducer row {row} is not on the picture, which is {height} pixels high: count from 0 at its top, below 0 above it"
    )]
    TransducerRow {
        /// The row.
        row: f32,
        /// The picture's height.
        height: u32,
    },
    /// A frame rate that can't be played.
    #[error("{0} frames a second can't be played: give a number greater than 0, such as 25")]
    Rate(f64),
}

impl FeedError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    fn decode(path: &Path, reason: impl ToString) -> Self {
        Self::Decode { path: path.into(), reason: reason.to_string() }
    }
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
    ///
    /// # Panics
    /// If `index` is not below [`frame_count`](Self::frame_count).
    fn frame(&mut self, index: u64) -> Result<Frame, FeedError>;
}

/// Opens the clip that `specs` names: one folder or any number of pictures (see [`images`]), a
/// DICOM file (see [`dicom`]), a NIfTI volume (see [`nifti`]) as it is stored, or `phantom`, with options as `phantom:seed=7,size=640x480,fps=20`
/// (see [`phantom::Phantom::from_options`]).
///
/// # Errors
/// [`FeedError`] where nothing playable is there.
pub fn open_clip(specs: &[String]) -> Result<Box<dyn Clip>, FeedError> {
    match specs {
        [one] if one == "phantom" => Ok(Box::new(phantom::Phantom::from_options("")?)),
        [one] if one.starts_with("phantom:") => {
            Ok(Box::new(phantom::Phantom::from_options(&one["phantom:".len()..])?))
        }
        [one] if nifti::looks_like_nifti(Path::new(one)) => {
            Ok(Box::new(nifti::NiftiClip::open(Path::new(one), nifti::View::default())?))
        }
        [one] if dicom::looks_like_dicom(Path::new(one))? => {
            Ok(Box::new(dicom::DicomClip::open(Path::new(one))?))
        }
        _ => {
            let paths: Vec<PathBuf> = specs.iter().map(PathBuf::from).collect();
            for (spec, path) in specs.iter().zip(&paths) {
                nifti::refuse_pair(path)?;
                if nifti::looks_like_nifti(path) || dicom::looks_like_dicom(path)? {
                    let reason = "a DICOM or NIfTI file among several inputs: give one at a time";
                    return Err(FeedError::Spec { spec: spec.clone(), reason: reason.into() });
                }
            }
            Ok(Box::new(images::ImageClip::open(&paths)?))
        }
    }
}

/// Reads one picture, the first frame of a DICOM file, or the middle slice of a NIfTI volume.
///
/// # Errors
/// [`FeedError`] where it can't be read.
pub fn read_still(path: &Path) -> Result<Frame, FeedError> {
    if nifti::looks_like_nifti(path) {
        let mut volume = nifti::NiftiClip::open(path, nifti::View::default())?;
        let middle = volume.frame_count().unwrap_or(1) / 2;
        volume.frame(middle)
    } else if dicom::looks_like_dicom(path)? {
        dicom::DicomClip::open(path)?.frame(0)
    } else {
        nifti::refuse_pair(path)?;
        images::read_picture(path)
    }
}
