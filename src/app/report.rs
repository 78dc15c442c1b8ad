//! What a run did, and how long it took.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::overlay::Scene;
use crate::touch::Action;

/// How long something took that was done again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    /// How often it was done; the figures are 0 where it never was.
    pub count: u64,
    /// The shortest in milliseconds.
    pub min_ms: f32,
    /// The median in milliseconds, of the newest 1024.
    pub median_ms: f32,
    /// The longest in milliseconds.
    pub max_ms: f32,
}

/// What a scripted step led to.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// What was done.
    pub action: Action,
    /// From then until the answer was on the screen.
    pub took: Duration,
    /// What was on the screen at the end: frame, masks and figures.
    pub scene: Scene,
}

/// What a run did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Frames of the feed that were on the screen.
    pub frames_shown: u64,
    /// Frames whose embedding was kept from an earlier time.
    pub cache_hits: u64,
    /// Frames encoded.
    pub encode: Timings,
    /// Prompts answered.
    pub decode: Timings,
    /// Pictures drawn.
    pub draw: Timings,
    /// Pictures handed to the screen.
    pub present: Timings,
    /// From the moment a frame was taken until it was on the screen; live feeds alone.
    pub latency: Timings,
    /// The script's steps, in order.
    #[serde(skip)]
    pub steps: Vec<StepReport>,
}

/// Gathers [`Timings`] in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Samples {
    count: u64,
    min: Option<Duration>,
    max: Duration,
    newest: VecDeque<Duration>,
}

impl Samples {
    const KEPT: usize = 1024;

    pub fn add(&mut self, took: Duration) {
        self.count += 1;
        self.min = Some(self.min.map_or(took, |min| min.min(took)));
        self.max = self.max.max(took);
        if self.newest.len() == Self::KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(took);
    }

    pub fn timings(&self) -> Timings {
        let mut sorted: Vec<Duration> = self.newest.iter().copied().collect();
        sorted.sort_unstable();
        let ms = |d: Duration| d.as_secs_f32() * 1e3;
        Timings {
            count: self.count,
            min_ms: ms(self.min.unwrap_or_default()),
            median_ms: ms(sorted.get(sorted.len() / 2).copied().unwrap_or_default()),
            max_ms: ms(self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_few_and_of_many_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.timings(), Timings::default());
        [5, 1, 9].into_iter().for_each(|ms| samples.add(Duration::from_millis(ms)));
        let expected = Timings { count: 3, min_ms: 1.0, median_ms: 5.0, max_ms: 9.0 };
        assert_eq!(samples.timings(), expected);
        (0..5000).for_each(|_| samples.add(Duration::from_millis(4)));
        let expected = Timings { count: 5003, median_ms: 4.0, ..expected };
        assert_eq!(samples.timings(), expected);
        assert_eq!(samples.newest.len(), Samples::KEPT);
    }
}
