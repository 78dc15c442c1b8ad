//! How fast this machine is, and what it says about itself.

mod machine;
mod peak;
mod spread;

pub use machine::{frequency_mhz, peak_rss_mb, processor, temperature_celsius};
pub use peak::Peak;
pub use spread::{Spread, Sustained};
