//! What a session is told, and what it asks for.

use std::time::Duration;

use serde::Serialize;

use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint};
use crate::label;
use crate::measure::Calliper;
use crate::model::{MaskCandidate, Masks, ModelId};
use crate::overlay::Button;
use crate::prompt::Prompt;
use crate::record::{AlbumPage, AlbumView};
use crate::screen::Key;

use super::scaling::Scale;

/// Something that happened. Positions are pixels of the frame on the screen.
#[derive(Clone, Debug)]
pub enum Event {
    /// The time, since the program began; everything until the next tick happens now.
    Tick(Duration),
    /// The feed's newest frame.
    Frame(Frame),
    /// This frame, which is that of a [scene](super::Session::scene), is on the screen now.
    Presented(Frame),
    /// The feed could not deliver a frame; others may follow.
    FeedFailed(String),
    /// The feed will deliver no more.
    FeedEnded,
    /// The program ends: what is to be kept is kept as it is by now.
    Closing,
    /// A finger came down on the picture.
    Touched,
    /// A tap on the picture.
    Tap {
        /// Where.
        at: FramePoint,
        /// The finger's radius: points of the active object within it are hit.
        reach: f32,
    },
    /// A finger that rests on the picture: a point off the active object. Where there is none it
    /// counts as a tap.
    LongPress {
        /// Where.
        at: FramePoint,
        /// As for a tap.
        reach: f32,
    },
    /// A finger is being moved over the picture.
    DragMoved(Drag),
    /// It was lifted after that.
    Drag(Drag),
    /// The finger that was down is not to count.
    Cancelled,
    /// A button was pressed.
    Pressed(Button),
    /// The outcome of [`Job::Encode`].
    Encoded {
        /// The job's.
        id: u64,
        /// How it went, or why it failed.
        result: Result<Encoded, String>,
    },
    /// The outcome of [`Job::Decode`].
    Decoded {
        /// The job's.
        request: u64,
        /// The masks, or why there are none.
        result: Result<Decoded, String>,
    },
    /// The outcome of [`Job::Encode`] in [`Command::Refine`].
    RefinerEncoded {
        /// The job's.
        id: u64,
        /// How it went, or why it failed.
        result: Result<Encoded, String>,
    },
    /// The outcome of [`Job::Decode`] in [`Command::Refine`].
    Refined {
        /// The job's.
        request: u64,
        /// The masks, or why there are none.
        result: Result<Decoded, String>,
    },
    /// The second network is gone: nothing that is asked in [`Command::Refine`] will be answered.
    RefinerStopped,
    /// How far [`Job::Everything`] is.
    Searching {
        /// The job's.
        id: u64,
        /// Prompts decoded.
        done: u64,
        /// Prompts to be decoded.
        total: u64,
    },
    /// The outcome of [`Job::Everything`].
    Searched {
        /// The job's.
        id: u64,
        /// The masks, best first, or why there are none.
        result: Result<Vec<MaskCandidate>, String>,
    },
    /// The outcome of [`Command::Save`]: what the person is to know of it, last its name, or why it was not saved.
    Saved(Result<String, String>),
    /// The outcome of [`Command::Clip`], likewise.
    Clipped(Result<String, String>),
    /// The answer to [`Command::Records`].
    Records(Told),
    /// Something that the person is to know.
    Notice(String),
    /// A key was pressed.
    Key(Key),
    /// The outcome of [`Command::Label`].
    Label(label::Outcome),
}

/// A finger that was moved over the picture, in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drag {
    /// Where it came down.
    pub from: FramePoint,
    /// Where it is.
    pub to: FramePoint,
    /// Its radius.
    pub reach: f32,
}

impl Drag {
    /// The box that it spans.
    pub fn bounds(&self) -> FrameBox {
        FrameBox::from_corners(self.from, self.to)
    }
}

/// From a box's upper left corner to its lower right one, by a finger without breadth.
impl From<FrameBox> for Drag {
    fn from(b: FrameBox) -> Self {
        Self { from: FramePoint::new(b.x0, b.y0), to: FramePoint::new(b.x1, b.y1), reach: 0.0 }
    }
}

impl Event {
    /// Whether somebody does something, rather than the feed, the network or the clock.
    pub(super) fn is_by_a_person(&self) -> bool {
        use Event::*;
        matches!(
            self,
            Touched | Tap { .. } | LongPress { .. } | DragMoved(_) | Drag(_) | Pressed(_) | Key(_)
        )
    }
}

/// An embedding is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Encoded {
    /// How long that took.
    pub took: Duration,
    /// It was kept from an earlier time.
    pub cached: bool,
    /// The part of the frame that was looked at, where that was found by itself; all of it
    /// otherwise.
    pub region: Option<FrameBox>,
}

/// A prompt is answered.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// How long that took.
    pub took: Duration,
    /// The proposals.
    pub masks: Masks,
}

/// Something to be done, whose outcome is to be told as an [`Event`].
#[derive(Clone, Debug)]
pub enum Command {
    /// Let the network do this.
    Network(Job),
    /// Let the second network do this ([`SessionOptions::refiner`](super::SessionOptions::refiner)).
    Refine(Job),
    /// Keep this.
    Save(Snapshot),
    /// Keep the last seconds of the feed.
    Clip {
        /// The frame that it ends with, where the picture is frozen.
        last: Option<Frame>,
        /// The scale that was set, in place of what the feed states.
        scale: Option<Scale>,
        /// The sequence number of the frame that it was set on.
        since: u64,
    },
    /// Look at records, or do something with them.
    Records(Ask),
    /// Know this at the next start.
    Remember(Memory),
    /// Do this to the dataset that is labelled.
    Label(label::Errand),
}

/// What is to be known at the next start.
#[derive(Clone, Debug)]
pub enum Memory {
    /// The guide was read.
    GuideRead,
    /// The scale that was set on the screen; none, and it holds no more.
    Scale(Option<Scale>),
}

/// What is wanted of the records.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A part of the list.
    Page {
        /// Names the answer.
        id: u64,
        /// How many newer ones are left out.
        first: usize,
        /// How many are wanted.
        count: usize,
    },
    /// One of them, large.
    View {
        /// Names the answer.
        id: u64,
        /// The record's name.
        name: String,
    },
    /// Frames of a clip.
    Frames {
        /// Names the answer.
        id: u64,
        /// The record's name.
        name: String,
        /// How many come before those that are wanted.
        first: usize,
        /// How many are wanted.
        count: usize,
    },
    /// Copies of them.
    Export {
        /// The records' names; all that were never exported where there are none.
        names: Vec<String>,
    },
}

/// The answer to an [`Ask`], or why there is none.
#[derive(Clone, Debug)]
pub enum Told {
    /// A part of the list.
    Page {
        /// The question's.
        id: u64,
        /// The records.
        result: Result<AlbumPage, String>,
    },
    /// One record.
    View {
        /// The question's.
        id: u64,
        /// The record.
        result: Result<Box<AlbumView>, String>,
    },
    /// Frames of a clip.
    Frames {
        /// The question's.
        id: u64,
        /// The frames, in order.
        result: Result<Vec<Frame>, String>,
    },
    /// A sentence about what was copied.
    Exported(Result<String, String>),
}

/// Work for the network.
#[derive(Clone, Debug)]
pub enum Job {
    /// Make the embedding of a frame. A newer one makes it, and all that was to be decoded before
    /// it, void: void jobs may be left unanswered.
    Encode {
        /// Names the embedding in [`Job::Decode`].
        id: u64,
        /// The frame.
        frame: Frame,
        /// The part of it to look at, where that was set by hand.
        region: Option<FrameBox>,
    },
    /// Answer a prompt. A newer one for the same object makes it void.
    Decode {
        /// Names the answer.
        request: u64,
        /// Which object the prompt is for.
        object: u64,
        /// The embedding to decode from: that of the newest [`Job::Encode`].
        encoding: u64,
        /// The prompt, in pixels of the encoded frame.
        prompt: Prompt,
    },
    /// Find everything on a frame. Any job that comes meanwhile stops it, with what it has found.
    Everything {
        /// Names the outcome.
        id: u64,
        /// The frame.
        frame: Frame,
    },
    /// Do nothing, but stop [`Job::Everything`].
    Stop,
}

/// What was on the screen when it was to be saved.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The picture.
    pub frame: Frame,
    /// The structures that have a mask.
    pub objects: Vec<SnapshotObject>,
    /// Distances that were measured by hand.
    pub callipers: Vec<Calliper>,
    /// The model.
    pub model: ModelId,
    /// The second model, where there is one.
    pub refiner: Option<ModelId>,
}

/// What a structure on a picture began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A point or a box.
    Prompted,
    /// An outline that followed the live picture to this one.
    Tracked,
    /// A mask that was picked of everything that was found.
    Found,
}

/// A structure that is saved.
#[derive(Clone, Debug)]
pub struct SnapshotObject {
    /// What it began with.
    pub origin: Origin,
    /// What was pointed at: points and box, on this picture.
    pub prompt: Prompt,
    /// The proposals for it.
    pub masks: Masks,
    /// Which of them was shown.
    pub chosen: usize,
    /// Whether that one was drawn by the second network.
    pub refined: bool,
    /// Index into the overlay's colours.
    pub colour: usize,
    /// What it was called.
    pub label: Option<String>,
}
