//! From ONNX files that others exported to a package: parity with the official classes, weights in
//! files beside, bad input. `tests/data/foreign` tells how the files were made.

mod beside;
mod parity;
mod refused;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, Axis};
use ndarray_npy::NpzReader;
use prost::Message;
use tapseg::convert::{
    Checkpoint, ConvertError, ConvertOptions, ForeignOptions, Networks, Preset, Quantization,
    add_onnx,
};
use tapseg::model::{MaskTokens, Normalisation, Preprocessing, PromptKind};
use tapseg::prompt::MaskPrompt;
use tapseg::{Frame, FrameBox, FrameSize, Package, Prompt, Segmenter};
use tract_onnx::pb;
use tract_onnx::prelude::*;

const PROMPTS: [&str; 5] = ["tap", "taps", "box", "tap_in_box", "tap_and_mask"];

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/foreign").join(file)
}

/// What PyTorch says.
struct Cases(NpzReader<File>);

impl Cases {
    fn open() -> Self {
        Self(NpzReader::new(File::open(data("cases.npz")).unwrap()).unwrap())
    }

    fn get(&mut self, name: &str) -> ArrayD<f32> {
        self.0.by_name(name).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The picture of 64 × 48 pixels.
    fn frame(&mut self) -> Frame {
        let pixels: ArrayD<u8> = self.0.by_name("picture").unwrap();
        Frame::from_rgb(FrameSize::new(64, 48), pixels.into_raw_vec_and_offset().0).unwrap()
    }
}

fn options(preset: Preset) -> ForeignOptions {
    ForeignOptions { name: "micro".into(), preset }
}

/// The package made of two of the files.
fn added(encoder: &str, decoder: &str, preset: Preset) -> Package {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("micro");
    add_onnx(&data(encoder), &data(decoder), &options(preset), &out).unwrap();
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["micro"]);
    Package::open(&out).unwrap()
}

/// One of the files with a change.
fn changed(file: &str, change: impl FnOnce(&mut pb::GraphProto)) -> Vec<u8> {
    let mut model = pb::ModelProto::decode(&*fs::read(data(file)).unwrap()).unwrap();
    change(model.graph.as_mut().unwrap());
    model.encode_to_vec()
}

/// Adds the pair made of `encoder` and `decoder`, the bytes of two files, and gives the error.
/// Nothing must be left then.
fn refusal(encoder: &[u8], decoder: &[u8]) -> ConvertError {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["e.onnx", "d.onnx"].map(|name| folder.path().join(name));
    fs::write(&paths[0], encoder).unwrap();
    fs::write(&paths[1], decoder).unwrap();
    let out = folder.path().join("micro");
    let error = add_onnx(&paths[0], &paths[1], &options(Preset::Sam), &out).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{error}");
    error
}
