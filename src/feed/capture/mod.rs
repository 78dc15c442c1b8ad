//! A capture device as a feed that outlives whatever happens to the device.
//!
//! [`CaptureDevice`] is what a driver does, and all that is known of one here; [`CaptureFeed`] opens
//! it, chooses a [`Mode`], keeps the newest frame and, after a [fault](CaptureFault), begins anew.
//! [`CaptureSpec`] is what `--feed` says of a device.

mod choice;
mod fault;
mod feed;
mod spec;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::pixels::{BufferLayout, PixelFormat};
use crate::geometry::FrameSize;

pub use choice::{Wishes, choose};
pub use fault::CaptureFault;
pub use feed::CaptureFeed;
pub use spec::{CaptureSpec, Place};

/// How the names of devices begin that a Raspberry Pi has of its own: its codecs and image processors,
/// which need another program to feed them.
const PARTS_OF_BOARDS: [&str; 5] = ["bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc", "rpivid"];

/// Whether a device that calls itself so is a part of the board, and no source of pictures, though it
/// says that it delivers some.
pub fn is_part_of_board(name: &str) -> bool {
    PARTS_OF_BOARDS.iter().any(|part| name.trim().starts_with(part))
}

/// The time from one frame to the next, in seconds, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Above.
    pub numerator: u32,
    /// Below.
    pub denominator: u32,
}

impl Interval {
    /// Frames a second; `None` where the fraction is none.
    pub fn fps(self) -> Option<f64> {
        (self.numerator > 0 && self.denominator > 0)
            .then(|| f64::from(self.denominator) / f64::from(self.numerator))
    }

    /// The same as a duration; `None` where the fraction is none.
    pub fn duration(self) -> Option<Duration> {
        self.fps().map(|fps| Duration::from_secs_f64(1.0 / fps))
    }
}

/// Something a device can deliver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mode {
    /// How pixels are stored.
    #[serde(serialize_with = "as_text")]
    pub format: PixelFormat,
    /// Width and height.
    pub size: FrameSize,
    /// How often, where the device says.
    #[serde(rename = "fps", serialize_with = "as_fps")]
    pub interval: Option<Interval>,
}

fn as_text<S: Serializer>(format: &PixelFormat, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(format)
}

fn as_fps<S: Serializer>(interval: &Option<Interval>, to: S) -> Result<S::Ok, S::Error> {
    interval.and_then(Interval::fps).serialize(to)
}

/// As `1280x720 YUYV at 30 fps`.
impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{} {}", self.size.width, self.size.height, self.format)?;
        match self.interval.and_then(Interval::fps) {
            // Two places, but for whole numbers none.
            Some(fps) => write!(f, " at {} fps", (fps * 100.0).round() / 100.0),
            None => Ok(()),
        }
    }
}

/// Whether a device has something to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It has, or it does not say.
    Present,
    /// Nothing arrives.
    Absent,
    /// Something arrives that can't be locked on to.
    Unstable,
    /// The source's timing is none that the device knows.
    OutOfRange,
}

/// What a device delivers once it is started.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// How its buffers are read.
    pub layout: BufferLayout,
    /// The time from one frame to the next, where it says.
    pub interval: Option<Interval>,
}

/// Why waiting for a device ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A buffer is filled, or the device has an error to tell.
    Filled,
    /// The source's resolution or timing changed.
    SourceChanged,
    /// The time is over.
    TimedOut,
}

/// A filled buffer.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    /// Which.
    pub index: usize,
    /// The device's count of frames.
    pub sequence: u32,
    /// When the frame was taken, by the driver.
    pub taken_at: Instant,
    /// The device knows that the frame is damaged.
    pub damaged: bool,
}

/// A capture device that is open. Dropping it stops it.
pub trait CaptureDevice: Send {
    /// What it can deliver, without what can't be shown.
    ///
    /// # Errors
    /// [`CaptureFault`].
    fn modes(&mut self) -> Result<Vec<Mode>, CaptureFault>;

    /// Whether it has something to show, at present.
    fn signal(&mut self) -> Signal;

    /// Begins to deliver; called once. The device may do otherwise than asked, and says so.
    ///
    /// # Errors
    /// [`CaptureFault`].
    fn start(&mut self, mode: &Mode) -> Result<Started, CaptureFault>;

    /// Waits for a filled buffer, `patience` at most.
    ///
    /// # Errors
    /// [`CaptureFault`].
    fn wait(&mut self, patience: Duration) -> Result<Wake, CaptureFault>;

    /// The oldest filled buffer; none where no other is filled yet.
    ///
    /// # Errors
    /// [`CaptureFault`].
    fn dequeue(&mut self) -> Result<Option<Filled>, CaptureFault>;

    /// What is in a buffer that was dequeued.
    fn bytes(&self, filled: &Filled) -> &[u8];

    /// Gives a buffer back to be filled.
    ///
    /// # Errors
    /// [`CaptureFault`].
    fn requeue(&mut self, filled: Filled) -> Result<(), CaptureFault>;
}
