//! Outlines that become others, smoothly.

use std::time::Duration;

/// How long that takes.
const TAKES: Duration = Duration::from_millis(300);

/// Something on its way to something else.
#[derive(Clone, Debug)]
pub(super) struct Transition<T> {
    /// What is between them.
    pub between: T,
    since: Duration,
}

impl<T> Transition<T> {
    /// One that begins now.
    pub fn new(between: T, now: Duration) -> Self {
        Self { between, since: now }
    }

    pub fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= TAKES
    }

    /// How much of the way is behind it, from 0 to 1: slow at either end.
    pub fn share(&self, now: Duration) -> f32 {
        let share = now.saturating_sub(self.since).as_secs_f32() / TAKES.as_secs_f32();
        let share = share.min(1.0);
        share * share * (3.0 - 2.0 * share)
    }
}
