//! A live B-mode simulator with a known outline.
