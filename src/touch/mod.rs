//! Fingers and mice become gestures.
