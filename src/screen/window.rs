//! A window on a desktop.
