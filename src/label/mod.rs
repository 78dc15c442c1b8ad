//! A folder of pictures becomes a dataset: masks are proposed, and a person accepts, corrects and names
//! them.
//!
//! It is the data engine of *Segment Anything* (section 4) for one person: masks that are pointed at
//! (assisted), proposals that are corrected (semi-automatic) and proposals taken as they are (automatic),
//! and each is noted with the time it took. A [`Desk`] is what the person sees and does, without a
//! device; a [`LabelSet`] is the dataset on the disk. What the first wants of the second is an
//! [`Errand`], which a thread of its own runs.

mod clerk;
mod coco;
mod desk;
mod error;
mod journal;
mod pictures;
mod set;
mod summary;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::mask::Mask;
use crate::prompt::PromptPoint;
use crate::{FrameBox, rle::Rle};

pub(crate) use clerk::{settle, spawn};
pub use desk::{Desk, DeskOptions};
pub use error::LabelError;
pub use pictures::{FrameOf, Picture};
pub use set::LabelSet;
pub use summary::Summary;

/// How a mask came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A proposal that was taken as it is.
    Proposed,
    /// A proposal that was corrected by prompts.
    Corrected,
    /// Prompts alone.
    Pointed,
}

/// What is noted about a mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What is outlined.
    pub name: String,
    /// How the mask came about.
    pub origin: Origin,
    /// The points that led to it, in frame pixels.
    pub points: Vec<PromptPoint>,
    /// The box that led to it, or that of the proposal.
    pub bounding_box: Option<FrameBox>,
    /// How many prompts were made and changed; 0 of a proposal as it was.
    pub prompts: usize,
    /// The model's own estimate of its IoU.
    pub predicted_iou: f32,
    /// The model's name.
    pub model: String,
    /// Seconds from the mask before, or from when the picture was there, until it was accepted.
    pub seconds: f64,
}

/// A mask that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptMask {
    /// Its number in the dataset, from 1.
    pub id: u64,
    /// The picture's path in the folder that is labelled.
    pub picture: String,
    /// Its file in the dataset's folder.
    pub file: String,
    /// The mask.
    pub segmentation: Rle,
    /// What is noted about it.
    #[serde(flatten)]
    pub about: About,
}

/// Something to be done to the dataset, whose [`Outcome`] is to be told.
#[derive(Clone, Debug)]
pub enum Errand {
    /// Read the picture with this index.
    Show(usize),
    /// Keep a mask.
    Keep {
        /// Names the outcome.
        id: u64,
        /// The picture's index.
        picture: usize,
        /// The picture.
        frame: Frame,
        /// The mask, which is not empty.
        mask: Mask,
        /// What is noted about it.
        about: Box<About>,
    },
    /// Take the mask with this number back.
    Withdraw(u64),
    /// Note that all on the picture with this index is outlined.
    Finish(usize),
}

/// What came of an [`Errand`]; where it failed, why.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A picture, with the masks that are kept of it.
    Shown {
        /// Its index.
        picture: usize,
        /// The frame and its masks.
        result: Result<(Frame, Vec<KeptMask>), String>,
    },
    /// A mask is on the disk.
    Kept {
        /// The errand's.
        id: u64,
        /// Its number in the dataset.
        result: Result<u64, String>,
    },
    /// A mask is no longer in the dataset.
    Withdrawn {
        /// Its number.
        mask: u64,
        /// Whether it is gone.
        result: Result<(), String>,
    },
    /// A picture is marked.
    Finished {
        /// Its index.
        picture: usize,
        /// Whether it is.
        result: Result<(), String>,
    },
}
