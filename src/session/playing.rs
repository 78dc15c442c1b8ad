//! A clip among the records that is played, again and again, at the pace at which it was taken.
//!
//! Frames are read ahead of their time, a few at once, so that memory stays bounded; where reading is
//! too slow, the clip is.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::Frame;
use crate::record::AlbumView;

/// A clip that is played.
#[derive(Clone, Debug)]
pub(super) struct Playing {
    /// How long each frame stays; at least two.
    stays: Vec<Duration>,
    /// Which one is on the screen, and when the next is due.
    shown: usize,
    due: Duration,
    /// Those that come next.
    ahead: VecDeque<Frame>,
    /// How many are asked for at once, and the question that is not answered yet.
    batch: usize,
    pub asked: Option<u64>,
}

impl Playing {
    /// Bytes of frames that are asked for at once; as many again may be waiting.
    const BATCH_BYTES: usize = 24 << 20;

    /// Begins with what `view` shows; none where that is no clip.
    pub fn new(view: &AlbumView, now: Duration) -> Option<Self> {
        let stays = view.stays.clone();
        let first = *stays.first().filter(|_| stays.len() > 1)?;
        let batch = (Self::BATCH_BYTES / view.frame.rgb().len()).clamp(1, 16);
        Some(Self { stays, shown: 0, due: now + first, ahead: VecDeque::new(), batch, asked: None })
    }

    /// The frame that is to be shown from `now` on, where it is another than before.
    pub fn advance(&mut self, now: Duration) -> Option<Frame> {
        let mut newest = None;
        while self.due <= now {
            let Some(frame) = self.ahead.pop_front() else {
                // It goes on from here, and doesn't hurry after what was missed.
                self.due = now;
                break;
            };
            self.shown = (self.shown + 1) % self.stays.len();
            self.due += self.stays[self.shown];
            newest = Some(frame);
        }
        newest
    }

    /// The frames to ask for: the first, and how many. None, where enough are there or on their way.
    pub fn wanted(&self) -> Option<(usize, usize)> {
        if self.asked.is_some() || self.ahead.len() > self.batch / 2 {
            return None;
        }
        let first = (self.shown + 1 + self.ahead.len()) % self.stays.len();
        Some((first, self.batch.min(self.stays.len() - first)))
    }

    /// Takes those that were asked for last.
    pub fn take(&mut self, frames: Vec<Frame>) {
        self.asked = None;
        self.ahead.extend(frames);
    }
}
