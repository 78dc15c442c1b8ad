//! From a checkpoint to a package: parity with the official classes, determinism, bad input.
//!
//! The micro checkpoints have the official classes in micro configurations (`tests/data/micro`). If
//! the environment variable `TAPSEG_REFERENCE` names a folder with full checkpoints and what the
//! official code answers with them, those are checked as well (`full_size.rs`).

mod cases;
mod full_size;
mod parity;
mod refused;
