//! The predictor: a frame is encoded once, and each prompt on it decoded.

use crate::frame::Frame;
use crate::prompt::Prompt;

use super::error::ModelError;
use super::masks::Masks;
use super::package::Package;

/// What the image encoder made of a frame; prompts on that frame are decoded from it.
#[derive(Clone, Debug)]
pub struct ImageEmbedding {}

impl ImageEmbedding {
    /// The memory it takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        todo!()
    }
}

/// A loaded model.
pub struct Segmenter {}

impl Segmenter {
    /// Loads the networks of `package`.
    pub fn load(_package: &Package) -> Result<Self, ModelError> {
        todo!()
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        todo!()
    }

    /// Encodes a frame.
    pub fn set_image(&self, _frame: &Frame) -> Result<ImageEmbedding, ModelError> {
        todo!()
    }

    /// Decodes a prompt.
    pub fn predict(
        &self,
        _embedding: &ImageEmbedding,
        _prompt: &Prompt,
    ) -> Result<Masks, ModelError> {
        todo!()
    }
}
