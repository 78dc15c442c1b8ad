//! What was timed several times, in a few numbers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long something took that was done several times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The shortest, in milliseconds.
    pub min: f64,
    /// The median, in milliseconds: of an even number the mean of the middle two.
    pub median: f64,
    /// The longest, in milliseconds.
    pub max: f64,
}

impl Spread {
    /// The spread of `times`; `None` where there are none.
    pub fn of(times: &[Duration]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = &sorted[(sorted.len() - 1) / 2..=sorted.len() / 2];
        let median = middle.iter().sum::<Duration>() / middle.len() as u32;
        // To a microsecond: what is below it says nothing, and makes numbers long to read.
        let [min, median, max] =
            [min, median, max].map(|time| (time.as_secs_f64() * 1e6).round() / 1e3);
        Some(Self { min, median, max })
    }
}

/// How work that goes on slows down, as a processor that gets hot does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sustained {
    /// How often the work was done.
    pub count: usize,
    /// The median of the first fifth, in milliseconds.
    pub first_ms: f64,
    /// The median of the last fifth, in milliseconds.
    pub last_ms: f64,
    /// How many times as long the last took as the first: 1 where nothing slows down.
    pub slowdown: f64,
}

impl Sustained {
    /// What `times`, in the order they were taken, say; `None` where there are none.
    pub fn of(times: &[Duration]) -> Option<Self> {
        let fifth = times.len().div_ceil(5);
        let first_ms = Spread::of(&times[..fifth])?.median;
        let last_ms = Spread::of(&times[times.len() - fifth..])?.median;
        let slowdown = if first_ms > 0.0 { last_ms / first_ms } else { 1.0 };
        Some(Self { count: times.len(), first_ms, last_ms, slowdown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(times: &[u64]) -> Vec<Duration> {
        times.iter().map(|&ms| Duration::from_millis(ms)).collect()
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        let spread = |times| Spread::of(&milliseconds(times)).map(|s| (s.min, s.median, s.max));
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7]), Some((7.0, 7.0, 7.0)));
        assert_eq!(spread(&[9, 1]), Some((1.0, 5.0, 9.0)));
        assert_eq!(spread(&[5, 100, 1]), Some((1.0, 5.0, 100.0)));
        assert_eq!(spread(&[4, 1, 3, 2]), Some((1.0, 2.5, 4.0)));
    }

    #[test]
    fn the_last_fifth_is_compared_with_the_first() {
        assert_eq!(Sustained::of(&[]), None);
        let steady = Sustained::of(&milliseconds(&[8])).unwrap();
        assert_eq!((steady.count, steady.slowdown), (1, 1.0));
        let times = [10, 10, 99, 1, 1, 1, 1, 99, 15, 15];
        let slowed = Sustained::of(&milliseconds(&times)).unwrap();
        assert_eq!((slowed.first_ms, slowed.last_ms, slowed.slowdown), (10.0, 15.0, 1.5));
        assert_eq!(Sustained::of(&[Duration::ZERO; 3]).unwrap().slowdown, 1.0);
    }
}
