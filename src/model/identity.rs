//! Which model it is.

/// Tells a model from all others, also from one that was given its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelId {
    /// Its name.
    pub name: String,
    /// SHA-256 of its package's `model.toml`, in lower-case hexadecimal. That holds the checksums of the
    /// networks, against which they were verified. None of what is no package.
    pub sha256: Option<String>,
}

/// By its name alone.
impl From<&str> for ModelId {
    fn from(name: &str) -> Self {
        Self { name: name.into(), sha256: None }
    }
}
