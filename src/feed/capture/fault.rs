//! What can happen to a capture device, in words for the screen.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use super::Signal;
use crate::feed::pixels::PixelError;

/// Why a capture device delivers no frame. Each says what to do about it; all but those of a single
/// frame end the stream, which is begun anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureFault {
    /// There is no such device.
    #[error("not there: plug it in{}", others(.found))]
    Absent {
        /// The devices there are.
        found: Vec<String>,
    },
    /// The user may not open it.
    #[error("may not be used: sudo usermod -aG video $USER, and log in again")]
    Permission,
    /// Somebody else has it.
    #[error("in use: end the other program that shows it")]
    Busy,
    /// It is something else.
    #[error("no capture device: {0}")]
    NotCapture(String),
    /// It delivers nothing that can be shown.
    #[error("delivers no format that can be shown, but {0}")]
    NoFormat(String),
    /// It delivers nothing that was asked for.
    #[error("has no {wish}; it has {nearest}, and what tapseg run --list-feeds shows")]
    NoMode {
        /// What was asked for.
        wish: String,
        /// What is most like it.
        nearest: String,
    },
    /// Nothing arrives.
    #[error("no signal: check the cable from the scanner, and that the scanner is on")]
    NoSignal,
    /// Something arrives that can't be locked on to.
    #[error("the signal is unstable: check the cable from the scanner")]
    UnstableSignal,
    /// The source's timing is none that the device knows.
    #[error("the signal is out of range: set the scanner's output to 1920x1080 or less")]
    SignalOutOfRange,
    /// The device is gone.
    #[error("unplugged: plug it in again")]
    Unplugged,
    /// No frame came.
    #[error("no frame for {:.0} s: starting it again", .0.as_secs_f32())]
    Stalled(Duration),
    /// The source's resolution or timing changed.
    #[error("the source changed its resolution: starting again")]
    SourceChanged,
    /// The device knows that a frame is damaged.
    #[error("a frame arrived damaged: check the cable")]
    Damaged,
    /// There is no picture in the buffer.
    #[error("{0}")]
    Picture(#[from] PixelError),
    /// The driver refuses.
    #[error("{doing}: {source}")]
    Driver {
        /// What.
        doing: &'static str,
        /// How it says so.
        source: io::Error,
    },
}

fn others(found: &[String]) -> String {
    match found {
        [] => String::new(),
        found => format!(" (there is {})", found.join(", ")),
    }
}

impl CaptureFault {
    /// What the system's `error` means, which came from `doing` something.
    pub fn from_io(doing: &'static str, source: io::Error) -> Self {
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NODEV | Errno::NXIO) => Self::Unplugged,
            Some(Errno::NOENT) => Self::Absent { found: Vec::new() },
            Some(Errno::ACCESS | Errno::PERM) => Self::Permission,
            Some(Errno::BUSY) => Self::Busy,
            Some(Errno::NOLINK) => Self::NoSignal,
            Some(Errno::NOLCK) => Self::UnstableSignal,
            _ => Self::Driver { doing, source },
        }
    }

    /// The fault in having such a signal; none where there is one.
    pub fn of(signal: Signal) -> Option<Self> {
        match signal {
            Signal::Present => None,
            Signal::Absent => Some(Self::NoSignal),
            Signal::Unstable => Some(Self::UnstableSignal),
            Signal::OutOfRange => Some(Self::SignalOutOfRange),
        }
    }

    /// Whether it concerns one frame alone, and the next may be sound.
    pub fn is_of_one_frame(&self) -> bool {
        matches!(self, Self::Damaged | Self::Picture(_))
    }
}
