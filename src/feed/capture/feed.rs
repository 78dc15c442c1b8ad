//! The feed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{CaptureDevice, CaptureFault, Filled, Interval, Mode, Wake, Wishes, choose};
use crate::feed::pixels::{BufferLayout, Converter, PixelError};
use crate::feed::{Feed, FeedError};
use crate::frame::Frame;

/// Opens the device, again and again.
type Opener = Box<dyn FnMut() -> Result<Box<dyn CaptureDevice>, CaptureFault> + Send>;

/// A capture device as a feed; see the [module](super).
///
/// [`next_frame`](Feed::next_frame) gives the newest frame there is and lets older ones go. After a
/// fault it tells, it opens the device when it is asked again; so whoever asks sets the pace, as
/// [`spawn_latest`](crate::feed::spawn_latest) does. It never ends by itself. Frames are counted as the
/// device counts them, so that those left out show as gaps.
pub struct CaptureFeed {
    name: Arc<str>,
    wishes: Wishes,
    converter: Converter,
    open: Opener,
    running: Option<Running>,
    interval: Option<Duration>,
    first_taken_at: Option<Instant>,
    last_sequence: Option<u64>,
}

/// A device that delivers.
struct Running {
    device: Box<dyn CaptureDevice>,
    layout: BufferLayout,
    /// How long a frame may take.
    patience: Duration,
    signal_seen_at: Instant,
    last_sequence: Option<u32>,
    bad_in_a_row: u32,
}

impl CaptureFeed {
    /// No frame for so long, or for five intervals, and the device is started again.
    const PATIENCE: Duration = Duration::from_secs(2);
    const PATIENCE_INTERVALS: u32 = 5;

    /// How often a device that delivers is asked for its signal: without one, some deliver noise or a
    /// picture of their own.
    const SIGNAL_EVERY: Duration = Duration::from_millis(500);

    /// So many frames without a picture in a row, and the device is started again.
    const BAD_FRAMES: u32 = 8;

    /// A feed called `name` of the device that `open` opens. It is opened when the first frame is
    /// asked for, and before that once to learn its rate; that it can't be opened now is no error.
    pub fn new(
        name: &str,
        wishes: Wishes,
        converter: Converter,
        mut open: impl FnMut() -> Result<Box<dyn CaptureDevice>, CaptureFault> + Send + 'static,
    ) -> Self {
        let mode = open().and_then(|mut device| choose(&device.modes()?, &wishes));
        if let Err(fault) = &mode {
            log::warn!("{name}: {fault}");
        }
        Self {
            name: name.into(),
            wishes,
            converter,
            open: Box::new(open),
            running: None,
            interval: mode.ok().and_then(|mode| mode.interval).and_then(Interval::duration),
            first_taken_at: None,
            last_sequence: None,
        }
    }

    fn connect(&mut self) -> Result<Running, CaptureFault> {
        let mut device = (self.open)()?;
        if let Some(fault) = CaptureFault::of(device.signal()) {
            return Err(fault);
        }
        let mode: Mode = choose(&device.modes()?, &self.wishes)?;
        let started = device.start(&mode)?;
        log::info!("{}: {mode}, {:?}", self.name, started.layout);
        let interval = started.interval.and_then(Interval::duration).unwrap_or_default();
        Ok(Running {
            device,
            layout: started.layout,
            patience: interval.saturating_mul(Self::PATIENCE_INTERVALS).max(Self::PATIENCE),
            signal_seen_at: Instant::now(),
            last_sequence: None,
            bad_in_a_row: 0,
        })
    }

    fn newest_frame(&mut self) -> Result<Frame, CaptureFault> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.connect()?,
        };
        // Dropped, and so stopped, where it has a fault.
        let filled = running.newest()?;
        let steps = running.steps_to(filled.sequence);
        let picture = match filled.damaged {
            true => Err(CaptureFault::Damaged),
            false => self
                .converter
                .convert(&running.layout, running.device.bytes(&filled))
                .map_err(CaptureFault::Picture),
        };
        running.device.requeue(filled)?;
        running.bad_in_a_row = if picture.is_ok() { 0 } else { running.bad_in_a_row + 1 };
        if running.bad_in_a_row < Self::BAD_FRAMES {
            self.running = Some(running);
        }
        let sequence = self.last_sequence.map_or(0, |last| last + steps);
        self.last_sequence = Some(sequence);
        let first_taken_at = *self.first_taken_at.get_or_insert(filled.taken_at);
        let (size, rgb) = picture?;
        let mut frame = Frame::from_rgb(size, rgb).map_err(PixelError::Size)?;
        frame.sequence = sequence;
        frame.captured_at = filled.taken_at.saturating_duration_since(first_taken_at);
        frame.taken_at = Some(filled.taken_at);
        frame.source = self.name.clone();
        Ok(frame)
    }
}

impl Running {
    /// The newest filled buffer; waits for one.
    fn newest(&mut self) -> Result<Filled, CaptureFault> {
        const A_MOMENT: Duration = Duration::from_millis(1);
        let begun = Instant::now();
        loop {
            if self.signal_seen_at.elapsed() >= CaptureFeed::SIGNAL_EVERY {
                if let Some(fault) = CaptureFault::of(self.device.signal()) {
                    return Err(fault);
                }
                self.signal_seen_at = Instant::now();
            }
            let left = self.patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(CaptureFault::Stalled(self.patience));
            }
            match self.device.wait(left.min(CaptureFeed::SIGNAL_EVERY))? {
                Wake::SourceChanged => return Err(CaptureFault::SourceChanged),
                Wake::TimedOut => {}
                Wake::Filled => match self.drain()? {
                    Some(filled) => return Ok(filled),
                    // A driver that wakes for nothing must not take the processor.
                    None => std::thread::sleep(A_MOMENT),
                },
            }
        }
    }

    /// Takes all filled buffers, and gives all but the newest back.
    fn drain(&mut self) -> Result<Option<Filled>, CaptureFault> {
        // More than any device has; a driver that never runs out must not hold the feed.
        const MOST: usize = 64;
        let mut newest = None;
        for _ in 0..MOST {
            let Some(filled) = self.device.dequeue()? else { break };
            if let Some(older) = newest.replace(filled) {
                self.device.requeue(older)?;
            }
        }
        Ok(newest)
    }

    /// How many frames further the device has counted, at least 1.
    fn steps_to(&mut self, sequence: u32) -> u64 {
        let last = self.last_sequence.replace(sequence);
        let steps = last.map_or(1, |last| sequence.wrapping_sub(last));
        // Devices that count backwards or don't count: one after the other.
        if steps == 0 || steps > u32::MAX / 2 { 1 } else { u64::from(steps) }
    }
}

impl Feed for CaptureFeed {
    fn name(&self) -> &str {
        &self.name
    }

    fn frame_interval(&self) -> Option<Duration> {
        self.interval
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
        self.newest_frame()
            .map(Some)
            .map_err(|fault| FeedError::Capture { device: self.name.to_string(), fault })
    }
}
