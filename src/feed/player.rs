//! Plays a clip in real time.
