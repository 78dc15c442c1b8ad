//! PNG files where there is no display.
