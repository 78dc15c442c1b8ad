//! What time it is.

use std::time::{Instant, SystemTime};

/// The clocks that a run goes by: the machine's, or those of a simulated day.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Goes forward only, and at an even pace.
    pub steady: fn() -> Instant,
    /// Tells the date. Somebody, or the network, may set it at any time, forward or backward.
    pub wall: fn() -> SystemTime,
}

/// The machine's.
impl Default for Clock {
    fn default() -> Self {
        Self { steady: Instant::now, wall: SystemTime::now }
    }
}
