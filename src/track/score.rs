//! How well a structure was tracked, where the truth is known.

use std::time::Duration;

use serde::Serialize;

use crate::mask::Mask;

/// An outline with a Dice coefficient below this is wrong.
const WRONG: f64 = 0.5;

/// What was shown on a frame, and what is true there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackedFrame {
    /// When, on the feed's clock.
    pub at: Duration,
    /// Whether there was an outline.
    pub shown: bool,
    /// The Dice coefficient of the outline with the truth, 0 where none was shown; `None` where the
    /// structure isn't in the picture.
    pub dice: Option<f64>,
}

impl TrackedFrame {
    /// Compares what was shown with what is true; `None` is no outline, and no structure.
    ///
    /// # Panics
    /// If the masks' sizes differ.
    pub fn compare(at: Duration, shown: Option<&Mask>, truth: Option<&Mask>) -> Self {
        let dice = truth.map(|truth| shown.map_or(0.0, |shown| shown.dice(truth)));
        Self { at, shown: shown.is_some(), dice }
    }

    fn is_wrong(&self) -> bool {
        self.shown && self.dice.is_none_or(|dice| dice < WRONG)
    }
}

/// The figures of a clip. Rates are 0 where there is nothing to count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackScore {
    /// Frames on which the structure is to be seen.
    pub frames: usize,
    /// Their mean Dice coefficient; 0 counts where there was no outline.
    pub mean_dice: f64,
    /// The least of it where there was an outline.
    pub least_dice: f64,
    /// How much the mean over the last fifth of the frames with structure and outline is above that
    /// over the first.
    pub drift: f64,
    /// The share of frames with the structure that had no outline.
    pub lost_rate: f64,
    /// The share of frames without the structure that had one.
    pub false_rate: f64,
    /// The longest time for which an outline was on the screen that was wrong (Dice below 0.5, or no
    /// structure there), in seconds.
    pub longest_wrong_s: f64,
}

impl TrackScore {
    /// Of frames in order.
    pub fn of(frames: &[TrackedFrame]) -> Self {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let share = |part: usize, of: usize| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        let all: Vec<f64> = frames.iter().filter_map(|f| f.dice).collect();
        let outlined: Vec<f64> = frames.iter().filter(|f| f.shown).filter_map(|f| f.dice).collect();
        let fifth = outlined.len().div_ceil(5);
        let first = mean(&outlined[..fifth]);
        let last = mean(&outlined[outlined.len() - fifth..]);
        let absent = frames.len() - all.len();
        let false_outlines = frames.iter().filter(|f| f.shown && f.dice.is_none()).count();
        Self {
            frames: all.len(),
            mean_dice: mean(&all),
            least_dice: outlined.iter().copied().reduce(f64::min).unwrap_or(0.0),
            drift: last - first,
            lost_rate: share(all.len() - outlined.len(), all.len()),
            false_rate: share(false_outlines, absent),
            longest_wrong_s: longest_wrong(frames).as_secs_f64(),
        }
    }
}

/// From the first frame of a stretch of wrong outlines until the frame after it.
fn longest_wrong(frames: &[TrackedFrame]) -> Duration {
    let mut longest = Duration::ZERO;
    let mut since = None;
    for frame in frames {
        if let Some(since) = since {
            longest = longest.max(frame.at.saturating_sub(since));
        }
        since = if frame.is_wrong() { since.or(Some(frame.at)) } else { None };
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_false_and_wrong_is_counted() {
        let frame = |ms: u64, shown: bool, dice: Option<f64>| TrackedFrame {
            at: Duration::from_millis(ms),
            shown,
            dice,
        };
        let frames = [
            frame(0, true, Some(0.9)),
            frame(100, true, Some(0.8)),
            frame(200, true, Some(0.2)), // wrong from here
            frame(300, true, None),      // the structure is gone
            frame(400, false, None),     // and that is seen
            frame(500, false, Some(0.0)),
            frame(600, true, Some(0.7)),
        ];
        let score = TrackScore::of(&frames);
        assert_eq!(score.frames, 5);
        assert!((score.mean_dice - 2.6 / 5.0).abs() < 1e-9);
        assert_eq!(score.least_dice, 0.2);
        assert!((score.drift - (0.7 - 0.9)).abs() < 1e-9);
        assert_eq!(score.lost_rate, 0.2);
        assert_eq!(score.false_rate, 0.5);
        assert!((score.longest_wrong_s - 0.2).abs() < 1e-9);
    }

    #[test]
    fn nothing_to_count_is_no_division_by_nothing() {
        let score = TrackScore::of(&[]);
        assert_eq!((score.frames, score.mean_dice, score.false_rate), (0, 0.0, 0.0));
    }
}
