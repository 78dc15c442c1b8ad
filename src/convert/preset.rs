//! What the weights of a model do not tell: how it was trained to be fed and asked.

use crate::model::{MaskTokens, Preprocessing, PromptKind};

/// A published way of preparing frames and prompts. Models of equal shapes can differ in it: MedSAM
/// has SAM's tensors and its own preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// *Segment Anything* and what was fine-tuned with its own predictor (BreastSAM, SkinSAM).
    Sam,
    /// *Segment anything in medical images*: ViT-B, trained on boxes alone.
    MedSam,
    /// *Faster Segment Anything*: a distilled TinyViT before SAM's own decoder.
    MobileSam,
    /// MedSAM's light model: a TinyViT at 256 pixels, trained on boxes alone.
    LiteMedSam,
}

impl Preset {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sam => "sam",
            Self::MedSam => "medsam",
            Self::MobileSam => "mobilesam",
            Self::LiteMedSam => "litemedsam",
        }
    }

    /// From a frame to an encoder input with sides of `input_size` pixels.
    pub fn preprocessing(self, input_size: u32) -> Preprocessing {
        Preprocessing { input_size, ..self.published() }
    }

    /// Side of the published model's input in pixels.
    pub fn input_size(self) -> u32 {
        self.published().input_size
    }

    fn published(self) -> Preprocessing {
        match self {
            Self::Sam | Self::MobileSam => Preprocessing::SAM,
            Self::MedSam => Preprocessing::MEDSAM,
            Self::LiteMedSam => Preprocessing::LITEMEDSAM,
        }
    }

    /// The prompts the model was trained for.
    pub fn prompts(self) -> Vec<PromptKind> {
        match self {
            Self::Sam | Self::MobileSam => {
                vec![PromptKind::Point, PromptKind::Box, PromptKind::Mask]
            }
            Self::MedSam | Self::LiteMedSam => vec![PromptKind::Box],
        }
    }

    /// The mask tokens the model was trained for.
    pub fn mask_tokens(self) -> MaskTokens {
        match self {
            Self::Sam | Self::MobileSam => MaskTokens::Multi,
            Self::MedSam | Self::LiteMedSam => MaskTokens::Single,
        }
    }
}
