//! How fast this machine is, and what it says about itself.

mod memory;
mod peak;
mod spread;
mod system;

pub use memory::keep_freed_memory;
pub use peak::Peak;
pub use spread::{Spread, Sustained};
pub use system::{frequency_mhz, give_way, peak_rss_mb, processor, temperature_celsius};
