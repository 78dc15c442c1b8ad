//! How fast frames arrive, and whether they still do.

use std::collections::VecDeque;
use std::time::Duration;

use crate::words::{Word, Words};

/// Watches the arrival of frames.
#[derive(Clone, Debug)]
pub(super) struct FeedWatch {
    /// No more frames will come.
    pub ended: bool,
    /// Why no frame came the last time; none once one has come.
    pub fault: Option<String>,
    stated_interval: Option<Duration>,
    /// When the last frame came.
    pub last_at: Duration,
    /// Sequence number and time of arrival over the last second.
    arrivals: VecDeque<(u64, Duration)>,
}

impl FeedWatch {
    const WINDOW: Duration = Duration::from_secs(1);
    const MAX_ARRIVALS: usize = 128;
    /// The feed is stalled after so many intervals without a frame, and no earlier than
    /// `STALLED_AFTER`.
    const STALLED_INTERVALS: u32 = 5;
    const STALLED_AFTER: Duration = Duration::from_secs(2);

    pub fn new(stated_interval: Option<Duration>) -> Self {
        Self {
            ended: false,
            fault: None,
            stated_interval,
            last_at: Duration::ZERO,
            arrivals: VecDeque::with_capacity(Self::MAX_ARRIVALS),
        }
    }

    pub fn frame(&mut self, sequence: u64, now: Duration) {
        self.ended = false;
        self.fault = None;
        self.last_at = now;
        if self.arrivals.back().is_some_and(|&(last, _)| sequence <= last) {
            self.arrivals.clear();
        }
        if self.arrivals.len() == Self::MAX_ARRIVALS {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back((sequence, now));
        // Two stay, so that a slow feed has a rate too.
        while self.arrivals.len() > 2
            && self.arrivals.front().is_some_and(|&(_, at)| now.saturating_sub(at) > Self::WINDOW)
        {
            self.arrivals.pop_front();
        }
    }

    /// Frames a second that the feed delivers, those left out by a busy screen included.
    pub fn fps(&self) -> Option<f32> {
        let (&(first, begin), &(last, end)) = (self.arrivals.front()?, self.arrivals.back()?);
        let seconds = end.saturating_sub(begin).as_secs_f32();
        (seconds > 0.0).then(|| (last - first) as f32 / seconds)
    }

    /// What is wrong with the feed, if anything is.
    pub fn trouble<'a>(&'a self, now: Duration, words: &'a Words) -> Option<&'a str> {
        if self.ended {
            return None;
        }
        let silent = || self.is_stalled(now).then(|| words.get(Word::NoSignal));
        self.fault.as_deref().or_else(silent)
    }

    /// Whether frames should have come and did not.
    pub fn is_stalled(&self, now: Duration) -> bool {
        let interval = self.stated_interval.unwrap_or_default();
        let patience = interval.saturating_mul(Self::STALLED_INTERVALS).max(Self::STALLED_AFTER);
        !self.ended && now.saturating_sub(self.last_at) > patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_counts_frames_that_were_left_out() {
        let mut watch = FeedWatch::new(None);
        assert_eq!(watch.fps(), None);
        for i in 0..100 {
            watch.frame(3 * i, Duration::from_millis(100 * i));
        }
        assert!((watch.fps().unwrap() - 30.0).abs() < 0.1, "{:?}", watch.fps());
        watch.frame(0, Duration::from_secs(11));
        assert_eq!(watch.fps(), None, "a feed that begins anew");
    }

    #[test]
    fn a_feed_stalls_after_its_own_patience() {
        let cases = [
            ("fast feed", Some(40), 1999, false),
            ("fast feed", Some(40), 2001, true),
            ("slow feed", Some(1000), 4999, false),
            ("slow feed", Some(1000), 5001, true),
            ("unknown rate", None, 2001, true),
        ];
        for (name, interval, silent, expected) in cases {
            let mut watch = FeedWatch::new(interval.map(Duration::from_millis));
            watch.frame(0, Duration::from_secs(10));
            let now = Duration::from_millis(10_000 + silent);
            assert_eq!(watch.is_stalled(now), expected, "{name}, {silent} ms");
            watch.ended = true;
            assert!(!watch.is_stalled(now), "an ended feed does not stall");
        }
    }
}
