//! A checkpoint's networks as ONNX graphs, on their way to a package.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::path::Path;

use tract_onnx::pb;

use super::architecture::{Architecture, Published};
use super::builder::Source;
use super::checkpoint::Checkpoint;
use super::error::{ConvertError, listed};
use super::preset::Preset;
use super::{ConvertOptions, Progress, Stage, mask_decoder};
use crate::model::{Extras, FORMAT, Manifest, Package, PackageFile};
use crate::onnx::file::OnnxFile;

/// The image encoder and mask decoder of a model, with what is known about it.
#[derive(Clone)]
pub struct Networks {
    pub(super) manifest: Manifest,
    pub(super) encoder: pb::ModelProto,
    pub(super) decoder: pb::ModelProto,
    /// What finds the boxes for a tap, and what makes tokens of texts.
    pub(super) extras: Extras,
    /// What the checkpoint did not tell and was assumed, in words.
    pub assumptions: Vec<String>,
}

impl Networks {
    /// Builds the networks in `checkpoint`, in f32.
    ///
    /// # Errors
    /// [`ConvertError`] where the checkpoint is of another network, lacks weights or has more than
    /// the network has, or where it is not clear how the model is to be fed.
    pub fn read(
        checkpoint: &Checkpoint,
        options: &ConvertOptions,
        progress: Progress<'_>,
    ) -> Result<Self, ConvertError> {
        let mut assumptions = Vec::new();
        let architecture = Architecture::read(checkpoint)?;
        let input_size = architecture.input_size(options.input_size, &mut assumptions)?;
        let preset = architecture.preset(options.preset, checkpoint, &mut assumptions)?;
        let (read, progress) = (Cell::new(0), RefCell::new(progress));
        let on_read = |weights: usize| {
            read.set(read.get() + weights as u64);
            progress.borrow_mut()(Stage::Building, read.get(), checkpoint.elements() as u64);
        };
        let grid = architecture.grid(input_size);
        let source = Source { checkpoint, plain: options.quantization.plain, on_read: &on_read };
        let encoder = architecture.encoder(source, input_size)?;
        let decoder = mask_decoder::decoder(source, grid, input_size)?;
        let parts = ["image_encoder.", "prompt_encoder.", "mask_decoder."];
        let outside: Vec<String> = checkpoint
            .keys()
            .filter(|key| !parts.iter().any(|part| key.starts_with(part)))
            .map(str::to_owned)
            .collect();
        if !outside.is_empty() {
            let (count, keys) = (outside.len(), listed(&outside));
            assumptions.push(format!("{count} tensors to be of no account: {keys}"));
        }
        let published = Published::find(checkpoint.sha256());
        let tap_head = match &options.tap_head {
            Some(given) => Some(Cow::Owned(given.clone())),
            // The head that ships was trained on the embeddings of these very weights.
            None if published.is_some_and(|p| p.preset == Preset::LiteMedSam) => {
                Package::embedded()?.extras().tap_head.clone()
            }
            None => None,
        };
        let text_encoder = options.text_encoder.clone().map(Cow::Owned);
        let (licence, source) = match published {
            Some(published) => (published.licence, published.source),
            None => ("NOASSERTION", "a checkpoint"),
        };
        let file = |name: &str| PackageFile { name: name.into(), sha256: String::new() };
        let manifest = Manifest {
            format: FORMAT,
            name: options.name.clone(),
            architecture: architecture.name().into(),
            weights: "f32".into(),
            licence: licence.into(),
            source: format!("{source} (sha256 of the checkpoint {})", checkpoint.sha256()),
            prompts: preset.prompts(),
            mask_tokens: preset.mask_tokens(),
            preprocessing: preset.preprocessing(input_size as u32), // checked: at most 4096
            encoder: file("encoder.onnx"),
            decoder: file("decoder.onnx"),
            tap_head: tap_head.as_ref().map(|_| file("tap_head.onnx")),
            text_encoder: text_encoder.as_ref().map(|_| file("text_encoder.onnx")),
            tuned: None,
        };
        let extras = Extras { tap_head, text_encoder };
        Ok(Self { manifest, encoder, decoder, extras, assumptions })
    }

    /// Builds the networks in `checkpoint`, in f32, to be fed and asked as `manifest` says, which is
    /// that of a package made of the same checkpoint.
    ///
    /// # Errors
    /// As [`read`](Self::read), and where the input is of another size.
    pub fn read_as(
        checkpoint: &Checkpoint,
        manifest: &Manifest,
        progress: Progress<'_>,
    ) -> Result<Self, ConvertError> {
        let options = ConvertOptions {
            // Any: what it says is replaced.
            preset: Some(Preset::Sam),
            input_size: Some(manifest.preprocessing.input_size as usize),
            ..ConvertOptions::new(manifest.name.clone())
        };
        let mut networks = Self::read(checkpoint, &options, progress)?;
        networks.manifest.prompts = manifest.prompts.clone();
        networks.manifest.mask_tokens = manifest.mask_tokens;
        networks.manifest.preprocessing = manifest.preprocessing;
        Ok(networks)
    }

    /// Writes the package to the folder `out` and reads it back.
    ///
    /// # Errors
    /// [`ConvertError::TooLarge`] where a network is larger than an ONNX file can be,
    /// [`ConvertError::Package`] where a file can't be written.
    pub fn write(self, out: &Path, progress: Progress<'_>) -> Result<Package, ConvertError> {
        let (encoder, decoder) = (OnnxFile::new(self.encoder), OnnxFile::new(self.decoder));
        if let Some(bytes) = encoder.oversize().or(decoder.oversize()) {
            return Err(ConvertError::TooLarge { bytes });
        }
        let total = encoder.len() + decoder.len();
        let (written, progress) = (Cell::new(0), RefCell::new(progress));
        let on_write = |bytes: u64| {
            written.set(written.get() + bytes);
            progress.borrow_mut()(Stage::Writing, written.get(), total);
        };
        let (encoder, decoder) = (encoder.watched(&on_write), decoder.watched(&on_write));
        Ok(Package::write(out, self.manifest, encoder, decoder, &self.extras)?)
    }

    /// The package in memory, called `location` in errors; it may be larger than a file.
    ///
    /// # Errors
    /// [`ConvertError::Package`] where a network can't be encoded.
    pub fn in_memory(self, location: &Path) -> Result<Package, ConvertError> {
        let (encoder, decoder) = (OnnxFile::new(self.encoder), OnnxFile::new(self.decoder));
        Ok(Package::in_memory(location, self.manifest, encoder, decoder, self.extras)?)
    }
}
