//! The `tapseg` program.

fn main() {}
