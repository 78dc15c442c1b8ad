//! The last seconds of a feed, kept so that they can still be saved when they are over.
//!
//! Every frame is compressed as it comes, on a thread of its own: PNG, without loss, with one channel
//! where it is grey. On one x86-64 core a frame of 1280 × 960 takes 1 ms (grey) to 3 ms and 0.2 to
//! 0.5 MB. Where the machine is too busy for that, frames are left out, and a clip tells how many.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use image::ExtendedColorType;

use crate::feed::{Feed, FeedError};
use crate::files;
use crate::frame::{Frame, PixelSpacing};
use crate::geometry::FrameSize;

/// How much of a feed is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CineLimits {
    /// From the oldest frame to the newest.
    pub span: Duration,
    /// What the compressed frames may take together; beyond it the oldest go earlier.
    pub bytes: usize,
}

impl CineLimits {
    /// 128 MiB: ten seconds of 25 frames of 1280 × 960 with a scanner's coloured chrome.
    pub const BYTES: usize = 128 << 20;

    /// So many frames are kept at most: DICOM has no room for the times of more.
    const FRAMES: usize = 7000;

    /// The last `span` of a feed, in [`BYTES`](Self::BYTES).
    pub fn of(span: Duration) -> Self {
        Self { span, bytes: Self::BYTES }
    }
}

/// A frame of a clip.
#[derive(Clone, Debug)]
pub struct CineFrame {
    /// The picture as a PNG file, with one channel where it is grey and three else.
    pub png: Arc<[u8]>,
    /// Whether it has one channel.
    pub is_grey: bool,
    /// Its size.
    pub size: FrameSize,
    /// See [`Frame::sequence`].
    pub sequence: u64,
    /// See [`Frame::captured_at`].
    pub captured_at: Duration,
    /// See [`Frame::pixel_spacing`].
    pub pixel_spacing: Option<PixelSpacing>,
    /// See [`Frame::source`].
    pub source: Arc<str>,
}

impl CineFrame {
    /// Compresses `frame`.
    ///
    /// # Errors
    /// Why it can't be, which no frame was seen to do.
    pub fn of(frame: &Frame) -> Result<Self, String> {
        let (rgb, size) = (frame.rgb(), frame.size());
        let grey = grey_of(rgb);
        let png = match &grey {
            Some(grey) => files::quick_png(grey, size, ExtendedColorType::L8)?,
            None => files::quick_png(rgb, size, ExtendedColorType::Rgb8)?,
        };
        Ok(Self {
            png: png.into(),
            is_grey: grey.is_some(),
            size,
            sequence: frame.sequence,
            captured_at: frame.captured_at,
            pixel_spacing: frame.pixel_spacing,
            source: frame.source.clone(),
        })
    }

    /// The picture alone, as a frame.
    ///
    /// # Errors
    /// Why it can't be read.
    pub(crate) fn picture(&self) -> Result<Frame, String> {
        let picture = image::load_from_memory(&self.png).map_err(|error| error.to_string())?;
        let rgb = picture.into_rgb8().into_raw();
        Frame::from_rgb(self.size, rgb).map_err(|error| error.to_string())
    }
}

/// The levels of a picture of red, green and blue without colours. A loop over blocks that compilers make
/// vectors of, as it looks for colours at their ends alone.
fn grey_of(rgb: &[u8]) -> Option<Vec<u8>> {
    const BLOCK: usize = 4096;
    let mut levels = vec![0; rgb.len() / 3];
    for (levels, rgb) in levels.chunks_mut(BLOCK).zip(rgb.chunks(3 * BLOCK)) {
        let mut difference = 0;
        for (level, &[red, green, blue]) in levels.iter_mut().zip(rgb.as_chunks().0) {
            *level = green;
            difference |= (red ^ green) | (green ^ blue);
        }
        if difference != 0 {
            return None;
        }
    }
    Some(levels)
}

/// What is kept of a feed; clones are of the same.
#[derive(Clone)]
pub struct CineBuffer {
    ring: Arc<Mutex<Ring>>,
    held: Arc<AtomicBool>,
}

impl CineBuffer {
    /// The frames that are kept, oldest first; where `last` is given, those before it, and it. All
    /// have the same size.
    ///
    /// # Errors
    /// See [`CineFrame::of`].
    pub fn frames(&self, last: Option<&Frame>) -> Result<Vec<CineFrame>, String> {
        let before = |frame: &&CineFrame| {
            last.is_none_or(|last| {
                frame.sequence < last.sequence
                    && frame.captured_at <= last.captured_at
                    && frame.size == last.size()
            })
        };
        let frames: Vec<CineFrame> = self.ring().frames.iter().filter(before).cloned().collect();
        let last = last.map(CineFrame::of).transpose()?;
        Ok(frames.into_iter().chain(last).collect())
    }

    /// While held, nothing is added, so that what led to a frozen picture stays. What comes afterwards follows
    /// it, with times that tell of the pause.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing is left half done in it by a thread that broke off.
        self.ring.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn compress_all(&self, frames: &Receiver<Frame>, limits: CineLimits) {
        for frame in frames {
            match CineFrame::of(&frame) {
                Ok(frame) => self.ring().push(frame, limits),
                Err(reason) => log::warn!("{frame:?} is left out of clips: {reason}"),
            }
        }
    }
}

/// Frames of one size and pixel spacing, oldest first.
#[derive(Default)]
struct Ring {
    frames: VecDeque<CineFrame>,
    bytes: usize,
}

impl Ring {
    fn push(&mut self, frame: CineFrame, limits: CineLimits) {
        let follows = |last: &CineFrame| {
            last.size == frame.size
                && last.pixel_spacing == frame.pixel_spacing
                && last.sequence < frame.sequence
                && last.captured_at <= frame.captured_at
        };
        // A source of another size or depth, or one that begins anew, is another clip.
        if !self.frames.back().is_none_or(follows) {
            *self = Self::default();
        }
        let newest = frame.captured_at;
        self.bytes += frame.png.len();
        self.frames.push_back(frame);
        let is_old = |oldest: &CineFrame| newest - oldest.captured_at > limits.span;
        while self.bytes > limits.bytes
            || self.frames.len() > CineLimits::FRAMES
            || self.frames.front().is_some_and(is_old)
        {
            let Some(oldest) = self.frames.pop_front() else { return };
            self.bytes -= oldest.png.len();
        }
    }
}

/// Gives `feed` again, of which the last frames are kept.
///
/// # Errors
/// What the system says where it gives no thread.
pub fn remember(
    feed: Box<dyn Feed>,
    limits: CineLimits,
) -> std::io::Result<(Box<dyn Feed>, CineBuffer)> {
    // A few wait while the machine is busy; more would only take memory.
    let (newest, frames) = bounded(4);
    let buffer = CineBuffer { ring: Arc::default(), held: Arc::default() };
    let kept = buffer.clone();
    std::thread::Builder::new()
        .name("cine".into())
        .spawn(move || kept.compress_all(&frames, limits))?;
    let held = buffer.held.clone();
    Ok((Box::new(Remembered { feed, newest, held }), buffer))
}

struct Remembered {
    feed: Box<dyn Feed>,
    newest: Sender<Frame>,
    held: Arc<AtomicBool>,
}

impl Feed for Remembered {
    fn name(&self) -> &str {
        self.feed.name()
    }

    fn frame_interval(&self) -> Option<Duration> {
        self.feed.frame_interval()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
        let frame = self.feed.next_frame()?;
        if let Some(frame) = frame.as_ref().filter(|_| !self.held.load(Ordering::Relaxed)) {
            // Where it can't keep up, this one is left out; the sequence number tells.
            let _ = self.newest.try_send(frame.clone());
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sequence: u64, ms: u64, side: u32) -> CineFrame {
        let size = FrameSize::new(side, side);
        let mut frame = Frame::from_rgb(size, vec![9; size.pixels() * 3]).unwrap();
        frame.sequence = sequence;
        frame.captured_at = Duration::from_millis(ms);
        CineFrame::of(&frame).unwrap()
    }

    fn kept(frames: &[(u64, u64, u32)], limits: CineLimits) -> Vec<u64> {
        let mut ring = Ring::default();
        frames
            .iter()
            .for_each(|&(sequence, ms, side)| ring.push(frame(sequence, ms, side), limits));
        let bytes: usize = ring.frames.iter().map(|f| f.png.len()).sum();
        assert_eq!(ring.bytes, bytes);
        ring.frames.iter().map(|f| f.sequence).collect()
    }

    #[test]
    fn the_last_frames_of_one_picture_stay() {
        let second = CineLimits::of(Duration::from_secs(1));
        let one = frame(0, 0, 8).png.len();
        let two = CineLimits { bytes: 2 * one, ..second };
        let cases = [
            (
                "a second",
                vec![(0, 0, 8), (1, 500, 8), (2, 1000, 8), (3, 1400, 8)],
                second,
                vec![1, 2, 3],
            ),
            ("a pause", vec![(0, 0, 8), (1, 5000, 8)], second, vec![1]),
            ("too many bytes", vec![(0, 0, 8), (1, 1, 8), (2, 2, 8)], two, vec![1, 2]),
            ("another size", vec![(0, 0, 8), (1, 1, 9), (2, 2, 9)], second, vec![1, 2]),
            ("it begins anew", vec![(7, 900, 8), (0, 0, 8), (1, 40, 8)], second, vec![0, 1]),
        ];
        for (name, frames, limits, expected) in cases {
            assert_eq!(kept(&frames, limits), expected, "{name}");
        }
        let mut ring = Ring::default();
        for (sequence, row_mm) in [(0, 0.1), (1, 0.1), (2, 0.2), (3, 0.2)] {
            let pixel_spacing = Some(PixelSpacing { row_mm, column_mm: row_mm });
            ring.push(CineFrame { pixel_spacing, ..frame(sequence, 40 * sequence, 8) }, second);
        }
        let left: Vec<u64> = ring.frames.iter().map(|f| f.sequence).collect();
        assert_eq!(left, [2, 3], "another depth is another clip");
        let nothing = CineLimits { bytes: 0, ..second };
        assert!(kept(&[(0, 0, 8)], nothing).is_empty());
    }

    #[test]
    fn colours_are_seen_wherever_they_are() {
        let levels: Vec<u8> = (0..9000).map(|i| (i * 7) as u8).collect();
        let grey: Vec<u8> = levels.iter().flat_map(|level| [*level; 3]).collect();
        assert_eq!(grey_of(&grey), Some(levels));
        for pixel in [0, 4095, 4096, 8191, 8192, 8999] {
            for channel in 0..3 {
                let mut coloured = grey.clone();
                coloured[3 * pixel + channel] ^= 1;
                assert_eq!(grey_of(&coloured), None, "pixel {pixel}, channel {channel}");
            }
        }
        assert_eq!(grey_of(&[]), Some(vec![]));
    }

    #[test]
    fn grey_frames_have_one_channel_and_nothing_is_lost() {
        let size = FrameSize::new(5, 3);
        let pixels: Vec<u8> = (0..45).map(|i| (i * 37 % 251) as u8).collect();
        let grey: Vec<u8> = pixels.iter().take(15).flat_map(|&v| [v; 3]).collect();
        for (rgb, is_grey) in [(pixels, false), (grey, true)] {
            let frame = CineFrame::of(&Frame::from_rgb(size, rgb.clone()).unwrap()).unwrap();
            assert_eq!(frame.is_grey, is_grey);
            let read = image::load_from_memory(&frame.png).unwrap();
            assert_eq!(read.color().has_color(), !is_grey);
            assert_eq!(*read.into_rgb8().as_raw(), rgb);
        }
    }

    /// Frames 0, 1, 2… of one size.
    struct Counting(u64);

    impl Feed for Counting {
        fn name(&self) -> &str {
            "counting"
        }
        fn frame_interval(&self) -> Option<Duration> {
            None
        }
        fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
            let mut frame = Frame::from_rgb(FrameSize::new(8, 8), vec![1; 192]).unwrap();
            frame.sequence = self.0;
            frame.captured_at = Duration::from_millis(self.0);
            self.0 += 1;
            Ok(Some(frame))
        }
    }

    #[test]
    fn what_is_held_stays_and_what_comes_afterwards_follows_it() {
        let limits = CineLimits::of(Duration::from_secs(9));
        let (mut feed, buffer) = remember(Box::new(Counting(0)), limits).unwrap();
        let kept = |last: Option<&Frame>| -> Vec<u64> {
            buffer.frames(last).unwrap().iter().map(|frame| frame.sequence).collect()
        };
        let mut next = |count: usize| {
            let frame = feed.next_frame().unwrap().unwrap();
            let began = std::time::Instant::now();
            while kept(None).len() < count {
                assert!(began.elapsed() < Duration::from_secs(20), "it is not kept");
                std::thread::sleep(Duration::from_millis(1));
            }
            frame
        };
        let frames = [next(1), next(2), next(3)];
        assert_eq!(kept(None), [0, 1, 2]);
        assert_eq!(kept(Some(&frames[1])), [0, 1]);
        buffer.hold(true);
        let unseen = next(3);
        buffer.hold(true);
        assert_eq!((kept(None), kept(Some(&unseen))), (vec![0, 1, 2], vec![0, 1, 2, 3]));
        buffer.hold(false);
        assert_eq!(kept(None), [0, 1, 2]);
        next(4);
        assert_eq!(kept(None), [0, 1, 2, 4]);
    }
}
