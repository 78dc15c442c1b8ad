//! Blanks what a scanner writes beside its picture: whose it is, where, and when.
//!
//! No letters are looked for, which could be missed: everything outside of the picture becomes black.
//! What is written on the picture itself stays.

use crate::cine::CineFrame;
use crate::frame::Frame;
use crate::region::{Region, RegionChoice, find_picture};

use super::{RecordError, encode};

/// What of pictures that are kept is blanked, where that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blanking {
    /// Everything outside of the picture.
    Outside(Region),
    /// Nothing: no picture could be told from what is round it, or it is all of the frame.
    Nothing,
}

impl Blanking {
    /// What `record.json` says where nothing could be blanked; the screen has words of its own.
    pub const NOTHING: &str =
        "nothing was blanked: no picture was found on the screen, or it fills it";

    /// That of `frame`. The picture is where `choice` says, or else where it is found. Where a
    /// [`RegionChoice::Fixed`] says that it is all of the frame, there is nothing to blank.
    ///
    /// # Errors
    /// [`RecordError::Region`] where that is not on the frame: it would blank what was not meant, or nothing.
    pub fn of_frame(frame: &Frame, choice: RegionChoice) -> Result<Self, RecordError> {
        Ok(Self::outside(picture(frame, choice)?))
    }

    /// That of a clip: outside of where the picture is on any of its frames, and so nothing where it fills
    /// one of them. A frame without any, as where the screen was black, is blanked like the others; nothing
    /// is, where none has any.
    ///
    /// # Errors
    /// [`RecordError::Encode`] where a frame can't be read, and as for [`of_frame`](Self::of_frame).
    pub fn of_clip(frames: &[CineFrame], choice: RegionChoice) -> Result<Self, RecordError> {
        let mut all: Option<Region> = None;
        for frame in frames {
            let Some(region) = picture(&decoded(frame)?, choice)? else { continue };
            all = Some(all.map_or(region, |all| all.joined(region)));
        }
        Ok(Self::outside(all))
    }

    fn outside(picture: Option<Region>) -> Self {
        picture.filter(|region| !region.is_whole()).map_or(Self::Nothing, Self::Outside)
    }

    /// `frame`, blanked.
    pub(super) fn blanked(self, frame: &Frame) -> Frame {
        match self {
            Self::Outside(region) => region.blanked_outside(frame),
            Self::Nothing => frame.clone(),
        }
    }

    /// A clip's `frame`, blanked.
    pub(super) fn blanked_of_clip(self, frame: &CineFrame) -> Result<CineFrame, RecordError> {
        let Self::Outside(region) = self else { return Ok(frame.clone()) };
        let blanked = CineFrame::of(&region.blanked_outside(&decoded(frame)?));
        let blanked = blanked.map_err(|reason| encode("a frame of the clip", reason))?;
        let CineFrame { png, is_grey, .. } = blanked;
        Ok(CineFrame { png, is_grey, ..frame.clone() })
    }

    /// What `record.json` tells of it.
    pub(super) fn told(self) -> serde_json::Value {
        match self {
            Self::Outside(region) => serde_json::json!({ "outside_of": region.bounding_box() }),
            Self::Nothing => serde_json::json!({ "outside_of": null, "reason": Self::NOTHING }),
        }
    }
}

fn picture(frame: &Frame, choice: RegionChoice) -> Result<Option<Region>, RecordError> {
    Ok(match choice.on(frame.size())? {
        RegionChoice::Fixed(b) => Region::of(b, frame.size()),
        // Where the network is shown all of it, there may be text round the picture all the same.
        RegionChoice::Auto | RegionChoice::Whole => find_picture(frame),
    })
}

fn decoded(frame: &CineFrame) -> Result<Frame, RecordError> {
    frame.picture().map_err(|reason| encode("a frame of the clip", reason))
}
