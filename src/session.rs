//! The state machine a person drives: Live, Frozen, Encoding, Prompting.
