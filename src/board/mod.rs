//! Boards: how `tapseg run` is set up on each ([`Profile`]), which one this is ([`detect()`]), and what
//! is wrong with it ([`doctor`]).
//!
//! Whatever is read from the system lies below a root folder that the caller gives: `/`, or a copy of
//! another machine's `/proc`, `/sys`, `/dev` and `/etc`.

mod cores;
mod detect;
pub mod doctor;
mod profile;

pub use cores::{CoreChoice, CoreList};
pub use detect::{DetectError, detect};
pub use profile::{Profile, ProfileError, Profiles};
