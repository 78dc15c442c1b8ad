//! From a pair of ONNX files that somebody exported to a package.
//!
//! What people export differs in names, in whether the encoder prepares the picture itself, and in
//! how far the decoder goes on after the low-res masks. Both graphs are brought to the one
//! interface that packages have ([`Manifest::encoder`], [`Manifest::decoder`]); their weights stay
//! as they are.

mod decoder;
mod encoder;
mod file;
mod preparation;
mod signature;
mod surgery;

use std::fs;
use std::path::Path;

use tract_onnx::pb;
use tract_onnx::prelude::*;

use crate::contain::contain;
use crate::model::{
    Extras, FORMAT, Manifest, MaskTokens, ModelError, Package, PackageFile, Segmenter, Weights,
};

use super::{ConvertError, Networks, Preset};
use file::Exported;

/// What the files do not tell.
#[derive(Clone, Debug)]
pub struct ForeignOptions {
    /// The model's name in the package.
    pub name: String,
    /// How the model was trained to be fed and asked.
    pub preset: Preset,
}

/// Makes a package in the new folder `out` from an image encoder and a decoder in ONNX.
///
/// The encoder takes a normalised picture 1×3×S×S, or H×W×3 pixels that it prepares itself (as
/// samexporter's `--use-preprocess` has it; that part is left out, the preset has its place), and
/// gives an embedding 1×C×G×G. The decoder is what Segment Anything's `export_onnx_model.py`
/// writes; what follows its `low_res_masks` and `iou_predictions` is left out. Weights in files
/// beside the `.onnx` are taken in.
///
/// # Errors
/// [`ConvertError`] where a file can't be read, is no such network, the two do not belong together,
/// or the engine can't load them. Nothing is left of `out` then.
pub fn add_onnx(
    encoder: &Path,
    decoder: &Path,
    options: &ForeignOptions,
    out: &Path,
) -> Result<Package, ConvertError> {
    if fs::symlink_metadata(out).is_ok() {
        return Err(ConvertError::Exists { path: out.to_path_buf() });
    }
    let encoder_file = Exported::read(encoder)?;
    let decoder_file = Exported::read(decoder)?;
    let source = format!(
        "{} and {}",
        described(encoder, &encoder_file.sha256),
        described(decoder, &decoder_file.sha256)
    );
    let (encoder_model, input_size) = encoder::rewritten(encoder_file, options.preset)?;
    let [embedding] = output_shapes(encoder, &encoder_model).map_err(|error| match error {
        ConvertError::Engine { path, reason } => ConvertError::Engine {
            path,
            reason: format!("with an input of {input_size}×{input_size} pixels: {reason}"),
        },
        other => other,
    })?;
    let embedding = encoder::embedding(encoder, &embedding)?;
    let decoder_model = decoder::rewritten(decoder_file, embedding)?;
    let [_, iou] = output_shapes(decoder, &decoder_model)?;
    // With --return-single-mask, the graph itself chooses one.
    let single = iou.last() == Some(&Some(1));
    let mut weights = Weights::default();
    for graph in encoder_model.graph.iter().chain(&decoder_model.graph) {
        weights.add(graph);
    }
    let file = |name: &str| PackageFile { name: name.into(), sha256: String::new() };
    let manifest = Manifest {
        format: FORMAT,
        name: options.name.clone(),
        architecture: "onnx".into(),
        weights: weights.precision().into(),
        licence: "NOASSERTION".into(),
        source,
        prompts: options.preset.prompts(),
        mask_tokens: if single { MaskTokens::Single } else { options.preset.mask_tokens() },
        preprocessing: options.preset.preprocessing(input_size),
        encoder: file("encoder.onnx"),
        decoder: file("decoder.onnx"),
        tap_head: None,
        text_encoder: None,
        tuned: None,
    };
    let networks = Networks {
        manifest,
        encoder: encoder_model,
        decoder: decoder_model,
        extras: Extras::default(),
        assumptions: Vec::new(),
    };
    let package = networks.in_memory(out)?;
    Segmenter::load(&package).map_err(|error| match error {
        ModelError::Network { network, reason, .. } => {
            let path = if network == "encoder" { encoder } else { decoder };
            ConvertError::Engine { path: path.to_path_buf(), reason }
        }
        other => ConvertError::Engine { path: encoder.to_path_buf(), reason: other.to_string() },
    })?;
    let manifest = package.manifest().clone();
    Ok(Package::write(out, manifest, package.encoder(), package.decoder(), package.extras())?)
}

/// The error for a graph in the file `path` that is not what was expected of it.
fn wrong_interface(path: &Path, graph: &pb::GraphProto, expected: &'static str) -> ConvertError {
    ConvertError::Interface {
        path: path.to_path_buf(),
        found: signature::described(graph),
        expected,
    }
}

/// A file's name and checksum, for the manifest.
fn described(path: &Path, sha256: &str) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name} (sha256 {sha256})")
}

/// The shapes of the `N` outputs that the engine finds; `None` for an axis of any length.
fn output_shapes<const N: usize>(
    path: &Path,
    model: &pb::ModelProto,
) -> Result<[Vec<Option<usize>>; N], ConvertError> {
    let shapes = engine(path, || {
        let model = crate::ops::onnx().model_for_proto_model(model)?.into_typed()?;
        let shape = |outlet: &OutletId| -> TractResult<Vec<Option<usize>>> {
            Ok(model
                .outlet_fact(*outlet)?
                .shape
                .iter()
                .map(|d| d.as_i64().map(|d| d as usize))
                .collect())
        };
        model.outputs.iter().map(shape).collect::<TractResult<Vec<_>>>()
    })?;
    let count = shapes.len();
    shapes.try_into().map_err(|_| ConvertError::Engine {
        path: path.to_path_buf(),
        reason: format!("{count} outputs were found where there should be {N}"),
    })
}

/// Runs what the engine does with the network in the file `path`; it may panic on a hostile one.
fn engine<T>(path: &Path, task: impl FnOnce() -> TractResult<T>) -> Result<T, ConvertError> {
    let result = contain(task).and_then(|result| result.map_err(|e| format!("{e:#}")));
    result.map_err(|reason| ConvertError::Engine { path: path.to_path_buf(), reason })
}
