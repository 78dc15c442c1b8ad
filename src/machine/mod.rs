//! How fast this machine is, and what it says about itself.

mod peak;
mod spread;
mod system;

pub use peak::Peak;
pub use spread::{Spread, Sustained};
pub use system::{frequency_mhz, give_way, peak_rss_mb, processor, temperature_celsius};
