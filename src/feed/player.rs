//! Plays a clip in real time.

use std::time::{Duration, Instant};

use super::{Clip, Feed, FeedError};
use crate::frame::Frame;

/// How fast a clip is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// At the clip's own rate; 10 frames a second where it states none (folders of pictures).
    Native,
    /// So many frames a second: a finite number greater than 0.
    Fps(f64),
    /// As fast as frames can be had.
    Unpaced,
}

/// How a clip is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Playback {
    /// How fast.
    pub rate: Rate,
    /// Whether it begins again after its last frame. Without, a still picture ends after one frame.
    pub looping: bool,
}

/// A clip being played: a [`Feed`].
///
/// Frames are counted on over loops, and `captured_at` is that count times the time from one frame
/// to the next as it was recorded: the clip's own interval, else that of [`Rate::Fps`], else 100 ms.
/// A frame that can't be read is reported and takes its place in count and time like any other; a
/// finite clip ends once as many frames as it has failed in a row.
pub struct Player {
    clip: Box<dyn Clip>,
    looping: bool,
    recorded_interval: Duration,
    pacer: Option<Pacer>,
    started: Instant,
    sequence: u64,
    failures_in_a_row: u64,
}

impl Player {
    /// The interval of clips that state none.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_millis(100);

    /// Begins to play `clip` from its first frame.
    ///
    /// # Errors
    /// [`FeedError::Rate`] for a rate that is not a finite number greater than 0, or so small that
    /// the next frame would never come.
    pub fn new(clip: Box<dyn Clip>, playback: Playback) -> Result<Self, FeedError> {
        let asked = match playback.rate {
            Rate::Fps(fps) => {
                let interval = Duration::try_from_secs_f64(1.0 / fps).ok();
                Some(
                    interval
                        .filter(|_| fps.is_finite() && fps > 0.0)
                        .ok_or(FeedError::Rate(fps))?,
                )
            }
            Rate::Native | Rate::Unpaced => None,
        };
        let recorded = clip.frame_interval().or(asked).unwrap_or(Self::DEFAULT_INTERVAL);
        let paced = (playback.rate != Rate::Unpaced).then(|| asked.unwrap_or(recorded));
        Ok(Self {
            clip,
            looping: playback.looping,
            recorded_interval: recorded,
            pacer: paced.map(Pacer::new),
            started: Instant::now(),
            sequence: 0,
            failures_in_a_row: 0,
        })
    }

    /// The index in the clip of the frame that is next, `None` at the end.
    fn next_index(&self) -> Option<u64> {
        let Some(count) = self.clip.frame_count() else { return Some(self.sequence) };
        let ended = self.failures_in_a_row >= count || (!self.looping && self.sequence >= count);
        (!ended).then(|| self.sequence % count.max(1))
    }
}

impl Feed for Player {
    fn name(&self) -> &str {
        self.clip.name()
    }

    fn frame_interval(&self) -> Option<Duration> {
        self.pacer.as_ref().map(|pacer| pacer.interval)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
        let Some(index) = self.next_index() else { return Ok(None) };
        // Read first and wait then, so that frames come out when they are due.
        let frame = self.clip.frame(index);
        if let Some(pacer) = &mut self.pacer {
            std::thread::sleep(pacer.wait(self.started.elapsed()));
        }
        let sequence = self.sequence;
        self.sequence += 1;
        self.failures_in_a_row = if frame.is_ok() { 0 } else { self.failures_in_a_row + 1 };
        let captured_at =
            Duration::try_from_secs_f64(self.recorded_interval.as_secs_f64() * sequence as f64)
                .unwrap_or(Duration::MAX);
        let mut frame = frame?;
        frame.sequence = sequence;
        frame.captured_at = captured_at;
        Ok(Some(frame))
    }
}

/// Says how long to wait before each frame. Deadlines are absolute, so that waiting too long once
/// is made up for; after a stall of more than an interval they begin anew instead of in a burst.
struct Pacer {
    interval: Duration,
    due: Option<Duration>,
}

impl Pacer {
    fn new(interval: Duration) -> Self {
        Self { interval, due: None }
    }

    /// The time to wait at time `now` until the next frame is due.
    fn wait(&mut self, now: Duration) -> Duration {
        let due = self.due.filter(|due| now <= due.saturating_add(self.interval)).unwrap_or(now);
        self.due = Some(due.saturating_add(self.interval));
        due.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::FrameSize;

    /// Frames whose grey value is their index; those listed in `broken` can't be read.
    struct Counting {
        count: Option<u64>,
        interval: Option<Duration>,
        broken: Vec<u64>,
    }

    impl Clip for Counting {
        fn name(&self) -> &str {
            "counting"
        }
        fn frame_count(&self) -> Option<u64> {
            self.count
        }
        fn frame_interval(&self) -> Option<Duration> {
            self.interval
        }
        fn frame(&mut self, index: u64) -> Result<Frame, FeedError> {
            if self.broken.contains(&index) {
                return Err(FeedError::NoPictures("broken".into()));
            }
            Ok(Frame::from_rgb(FrameSize::new(1, 1), vec![index as u8; 3]).unwrap())
        }
    }

    fn player(clip: Counting, rate: Rate, looping: bool) -> Player {
        Player::new(Box::new(clip), Playback { rate, looping }).unwrap()
    }

    /// What a player delivers: grey values, `!` for a failure, `.` for the end.
    fn played(mut player: Player, calls: usize) -> String {
        let mut one = || match player.next_frame() {
            Ok(Some(frame)) => frame.rgb()[0].to_string(),
            Ok(None) => ".".into(),
            Err(_) => "!".into(),
        };
        (0..calls).map(|_| one()).collect()
    }

    #[test]
    fn clips_end_loop_and_survive_broken_frames() {
        type Case<'a> = (&'a str, Option<u64>, &'a [u64], bool, &'a str);
        let cases: [Case; 7] = [
            ("to its end", Some(3), &[], false, "012..."),
            ("looping", Some(3), &[], true, "012012"),
            ("a still", Some(1), &[], false, "0....."),
            ("a still looping", Some(1), &[], true, "000000"),
            ("no end", None, &[], false, "012345"),
            ("one broken frame", Some(3), &[1], true, "0!20!2"),
            ("all broken", Some(3), &[0, 1, 2], true, "!!!..."),
        ];
        for (name, count, broken, looping, expected) in cases {
            let clip = Counting { count, interval: None, broken: broken.to_vec() };
            assert_eq!(played(player(clip, Rate::Unpaced, looping), 6), expected, "{name}");
        }
    }

    #[test]
    fn sequence_and_time_go_on_over_loops() {
        let ms = Duration::from_millis;
        let cases = [
            ("its own interval", Some(ms(40)), Rate::Unpaced, None, ms(200)),
            ("recorded at 25, played at 1000", Some(ms(40)), Rate::Fps(1000.0), Some(1), ms(200)),
            ("states none, played at 500", None, Rate::Fps(500.0), Some(2), ms(10)),
            ("states none", None, Rate::Unpaced, None, ms(500)),
        ];
        for (name, interval, rate, paced, expected) in cases {
            let clip = Counting { count: Some(2), interval, broken: vec![] };
            let mut player = player(clip, rate, true);
            assert_eq!(player.frame_interval(), paced.map(ms), "{name}");
            let last = (0..6).map(|_| player.next_frame().unwrap().unwrap()).last().unwrap();
            assert_eq!((last.sequence, last.captured_at), (5, expected), "{name}");
        }
    }

    #[test]
    fn impossible_rates_are_refused() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-300] {
            let clip = Counting { count: None, interval: None, broken: vec![] };
            let playback = Playback { rate: Rate::Fps(fps), looping: false };
            let refused = Player::new(Box::new(clip), playback).err();
            assert!(matches!(refused, Some(FeedError::Rate(_))), "{fps}");
        }
    }

    #[test]
    fn pacing_neither_drifts_nor_bursts() {
        let ms = Duration::from_millis;
        let mut pacer = Pacer::new(ms(10));
        // (name, the time of asking, the wait)
        let steps = [
            ("the first frame comes at once", 100, 0),
            ("decoded fast", 102, 8),
            ("woken 3 ms late: the deadline stays", 113, 7),
            ("late by less than an interval", 137, 0),
            ("made up for", 138, 2),
            ("after a stall the next frame comes at once", 500, 0),
            ("and the one after it waits a whole interval", 500, 10),
            ("no matter how long the stall was", 511, 9),
        ];
        for (name, now, expected) in steps {
            assert_eq!(pacer.wait(ms(now)), ms(expected), "{name}");
        }
    }

    #[test]
    fn a_paced_clip_takes_its_time() {
        let clip =
            Counting { count: Some(4), interval: Some(Duration::from_millis(20)), broken: vec![] };
        let started = Instant::now();
        assert_eq!(played(player(clip, Rate::Native, false), 5), "0123.");
        assert!(started.elapsed() >= Duration::from_millis(60));
    }
}
