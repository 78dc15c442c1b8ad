//! `model.toml`: what a package says about itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::package::PackageError;

/// The version of the package layout this program reads and writes.
pub const FORMAT: u32 = 1;

/// The largest side of a model's input, in pixels.
pub(crate) const MAX_INPUT_SIZE: u32 = 4096;

/// Names of the files that tell a package's fidelity, as JSON and as a drawing.
pub const FIDELITY_FILES: [&str; 2] = ["fidelity.json", "fidelity.svg"];

/// Name of the manifest inside a package.
pub const MANIFEST_FILE: &str = "model.toml";

/// A kind of prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptKind {
    /// Positive and negative points.
    Point,
    /// A box.
    Box,
    /// A mask from an earlier prediction.
    Mask,
}

/// Which of the decoder's mask tokens were trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskTokens {
    /// Token 0 alone (`multimask_output=False` in training).
    Single,
    /// Token 0 for unambiguous prompts, tokens 1 to 3 (whole, part, sub-part) for a lone point.
    Multi,
}

/// How a frame is brought to the model's square input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// The longer side takes the input's length, the rest is padded with zeros (after
    /// normalisation) at the bottom and right: SAM, LiteMedSAM.
    LongestSide,
    /// Both sides take the input's length, whatever that does to the aspect ratio: MedSAM.
    Squash,
}

/// How pixels are averaged when a frame is resized; both as Pillow does it on 8-bit pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Area averaging (Pillow's `BOX`): LiteMedSAM.
    Area,
    /// Antialiased triangle filter (Pillow's `BILINEAR`): SAM.
    Bilinear,
    /// Antialiased cubic filter (Pillow's `BICUBIC`, a = −0.5): MedSAM, whose own code takes
    /// scikit-image's cubic spline.
    Bicubic,
}

/// How prompt coordinates follow a frame that is resized by its longest side, where rounding the
/// shorter side makes the two differ by up to half an input pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoordinateScale {
    /// Each axis by its own resized over original length: SAM (`ResizeLongestSide.apply_coords`).
    PerAxis,
    /// Both axes by input size over longest side: LiteMedSAM (`CVPR24_LiteMedSAM_infer.py`).
    Uniform,
}

/// How 8-bit pixel values become the network's floats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Normalisation {
    /// `(v − min) / (max − min)` over all channels of the resized picture: LiteMedSAM, MedSAM.
    MinMax,
    /// `(v − mean) / std` per channel, in 8-bit units: SAM.
    MeanStd {
        /// Mean of red, green, blue.
        mean: [f32; 3],
        /// Standard deviation of red, green, blue.
        std: [f32; 3],
    },
}

/// How a frame becomes the encoder's input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Side of the square input in pixels.
    pub input_size: u32,
    /// Geometry.
    pub resize: Resize,
    /// Averaging.
    pub filter: Filter,
    /// Positions.
    pub coordinate_scale: CoordinateScale,
    /// Values.
    pub normalisation: Normalisation,
}

impl Preprocessing {
    /// LiteMedSAM's, as in upstream's `CVPR24_LiteMedSAM_infer.py`.
    pub const LITEMEDSAM: Self = Self {
        input_size: 256,
        resize: Resize::LongestSide,
        filter: Filter::Area,
        coordinate_scale: CoordinateScale::Uniform,
        normalisation: Normalisation::MinMax,
    };

    /// SAM's, as in `segment_anything/utils/transforms.py` and `Sam.preprocess`; also MobileSAM's.
    pub const SAM: Self = Self {
        input_size: 1024,
        resize: Resize::LongestSide,
        filter: Filter::Bilinear,
        coordinate_scale: CoordinateScale::PerAxis,
        normalisation: Normalisation::MeanStd {
            mean: [123.675, 116.28, 103.53],
            std: [58.395, 57.12, 57.375],
        },
    };

    /// MedSAM's, as in upstream's `MedSAM_Inference.py`.
    pub const MEDSAM: Self = Self {
        input_size: 1024,
        resize: Resize::Squash,
        filter: Filter::Bicubic,
        coordinate_scale: CoordinateScale::PerAxis,
        normalisation: Normalisation::MinMax,
    };
}

/// A file of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// Its name inside the package's folder: no folders, no `..`.
    pub name: String,
    /// SHA-256 of its content in lower-case hexadecimal.
    pub sha256: String,
}

/// The content of `model.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Layout version: [`FORMAT`].
    pub format: u32,
    /// The model's name, as shown on the status line.
    pub name: String,
    /// The image encoder's architecture, e.g. `tiny-vit`.
    pub architecture: String,
    /// Storage type of the weights, e.g. `f16`.
    pub weights: String,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// Where the weights come from.
    pub source: String,
    /// The prompts it was trained for: points or a box at least, through which the others are answered.
    pub prompts: Vec<PromptKind>,
    /// The mask tokens it was trained for.
    pub mask_tokens: MaskTokens,
    /// From frame to encoder input.
    pub preprocessing: Preprocessing,
    /// The image encoder: ONNX, `image` 1×3×S×S → `image_embeddings` 1×C×G×G.
    pub encoder: PackageFile,
    /// Prompt encoder and mask decoder: ONNX with the names of Segment Anything's own export
    /// (`scripts/export_onnx_model.py`). `image_embeddings` 1×C×G×G, `point_coords` B×N×2 in
    /// input pixels, `point_labels` B×N, `mask_input` B×1×4G×4G, `has_mask_input` B →
    /// `low_res_masks` B×T×4G×4G, `iou_predictions` B×T. B may be fixed at 1.
    pub decoder: PackageFile,
    /// What finds the boxes for a tap, in a package whose decoder was trained on boxes alone: ONNX as
    /// `models/tap_head/export.py` writes it, `cell_features` 1×C×28×24 and `given` 1×3×28×24 →
    /// `cell_logits` 1×H×28×24, `quality_logits` 1×H. The cells are a log-polar grid round the tap,
    /// rings × angles. Its weights are read by their names and run by kernels of tapseg's own, in which most
    /// activations are of 8 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap_head: Option<PackageFile>,
    /// What makes prompt tokens of a text's embedding, as CLIP's text encoder gives it: ONNX,
    /// `text_embedding` 1×D → `prompt_tokens` 1×K×C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_encoder: Option<PackageFile>,
    /// How the decoder was tuned, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Tuned>,
}

/// How a package's decoder was made of another's by `tapseg tune`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    /// The name of the package it was tuned from.
    pub from: String,
    /// SHA-256 of that package's decoder.
    pub from_decoder_sha256: String,
    /// The dataset, as it was named.
    pub dataset: String,
    /// Pictures that it learned from.
    pub pictures: usize,
    /// Pictures that were held out, on which the epoch was chosen and Dice measured.
    pub held_out: usize,
    /// Decided on the split, the order and the prompts.
    pub seed: u64,
    /// Times that it saw all pictures.
    pub epochs: u32,
    /// AdamW's.
    pub learning_rate: f64,
    /// Mean Dice on the held-out pictures before.
    pub dice_before: f64,
    /// Mean Dice on them afterwards.
    pub dice_after: f64,
}

impl Manifest {
    /// The manifest with this text, from the file `path`.
    pub(super) fn parse(path: &Path, text: Vec<u8>) -> Result<Self, PackageError> {
        let bad = |reason: String| PackageError::Manifest { path: path.to_path_buf(), reason };
        let text = String::from_utf8(text).map_err(|_| bad("is not text".into()))?;
        let manifest: Self = toml::from_str(&text).map_err(|e| bad(printable(&e.to_string())))?;
        manifest.check(path)?;
        Ok(manifest)
    }

    /// The text of `model.toml`, which is to be the file `path`.
    pub(super) fn to_text(&self, path: &Path) -> Result<String, PackageError> {
        toml::to_string(self).map_err(|error| PackageError::Manifest {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })
    }

    /// Refuses what no package says; `path` names the file in errors.
    pub(super) fn check(&self, path: &Path) -> Result<(), PackageError> {
        let bad = |reason: String| PackageError::Manifest { path: path.to_path_buf(), reason };
        if self.format != FORMAT {
            let found = self.format;
            return Err(bad(format!("layout version {found}; this program reads {FORMAT}")));
        }
        if self.name.is_empty() {
            return Err(bad("name is empty: say what the model is called".into()));
        }
        if !self.was_trained_for(PromptKind::Point) && !self.was_trained_for(PromptKind::Box) {
            let reason = "prompts says neither \"point\" nor \"box\": list what the model was trained for, as in \
                          prompts = [\"box\"]";
            return Err(bad(reason.into()));
        }
        let input_size = self.preprocessing.input_size;
        if !(16..=MAX_INPUT_SIZE).contains(&input_size) {
            let range = format!("from 16 to {MAX_INPUT_SIZE}");
            return Err(bad(format!("input_size is {input_size}; {range} is possible")));
        }
        let names: Vec<&str> = self.files().map(|file| &*file.name).collect();
        let plain =
            |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        if let Some(name) = names.iter().find(|name| !plain(name)) {
            return Err(bad(format!("{name:?} is not a plain file name")));
        }
        let taken = |at: usize| names[at] == MANIFEST_FILE || names[..at].contains(&names[at]);
        if (0..names.len()).any(taken) {
            return Err(bad(format!("its files are {names:?}; each needs a name of its own")));
        }
        // They are printed on terminals.
        let texts = [&self.name, &self.architecture, &self.weights, &self.licence, &self.source];
        match texts
            .into_iter()
            .chain(self.files().map(|file| &file.name))
            .chain(self.tuned.iter().flat_map(|tuned| [&tuned.from, &tuned.dataset]))
            .find(|text| text.chars().any(char::is_control))
        {
            Some(text) => Err(bad(format!("{text:?} holds characters that can't be shown"))),
            None => Ok(()),
        }
    }

    /// The files of its networks.
    pub fn files(&self) -> impl Iterator<Item = &PackageFile> {
        [&self.encoder, &self.decoder].into_iter().chain(&self.tap_head).chain(&self.text_encoder)
    }

    /// Whether the model was trained for prompts of `kind`.
    pub fn was_trained_for(&self, kind: PromptKind) -> bool {
        self.prompts.contains(&kind)
    }
}

/// A message about a foreign text, without its control characters but for line ends.
fn printable(message: &str) -> String {
    message.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{Mutator, runs};

    /// What is left of a manifest says nothing that a package can't.
    #[test]
    fn damaged_manifests_give_errors_or_sound_ones() {
        let sound = include_bytes!("../../models/litemedsam/model.toml");
        let path = Path::new("model.toml");
        let parse = |text: Vec<u8>| Manifest::parse(path, text);
        assert!(parse(sound.to_vec()).is_ok());
        let mut mutator = Mutator::new(2, &[sound, b"\x1b[2J ../ nan = [[[[ \"\"\" 1e999 -1"]);
        let mut sound_ones = 0;
        for _ in 0..runs() {
            match parse(mutator.changed(sound)) {
                Ok(manifest) => {
                    manifest.check(path).unwrap();
                    assert!((16..=MAX_INPUT_SIZE).contains(&manifest.preprocessing.input_size));
                    sound_ones += 1;
                }
                Err(error) => {
                    let told = error.to_string();
                    let shown = |c: char| !c.is_control() || c == '\n';
                    assert!(told.chars().all(shown), "{told:?}");
                }
            }
        }
        assert!(sound_ones > runs() / 100, "{sound_ones}");
    }
}
