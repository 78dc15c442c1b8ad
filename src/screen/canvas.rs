//! The picture a screen shows.

/// A picture in memory.
pub struct Canvas {}
