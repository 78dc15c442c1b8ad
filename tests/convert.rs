//! From a checkpoint to a package: parity with the official classes, determinism, bad input.
//!
//! The micro checkpoint has LiteMedSAM's classes in a micro configuration (`tests/data/micro`). If
//! the environment variable `TAPSEG_REFERENCE` names a folder with `lite_medsam.pth`,
//! `litemedsam_cases.npz`, `sam_tiny.pth` and `sam_tiny_cases.npz`, the real weights are checked
//! as well.

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, Array4, ArrayD, Axis, Ix3, concatenate, s};
use ndarray_npy::NpzReader;
use proptest::prelude::*;
use tapseg::convert::{
    Checkpoint, ConvertError, ConvertOptions, WeightPrecision, convert, decoder_onnx, encoder_onnx,
};
use tract_onnx::prelude::*;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

const MICRO_GRID: usize = 8;
const PROMPTS: [&str; 6] =
    ["one_point", "three_points", "box", "box_and_points", "point_and_mask", "box_and_mask"];

fn micro_path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/micro").join(file)
}

fn micro_checkpoint() -> Checkpoint {
    Checkpoint::open(&micro_path("micro.pth")).unwrap()
}

/// Reference arrays by name.
struct Cases(NpzReader<File>);

impl Cases {
    fn open(path: &Path) -> Self {
        Self(NpzReader::new(File::open(path).unwrap()).unwrap())
    }

    fn get(&mut self, name: &str) -> ArrayD<f32> {
        self.find(name).unwrap_or_else(|| panic!("{name} is missing"))
    }

    fn find(&mut self, name: &str) -> Option<ArrayD<f32>> {
        let floats = self.0.by_name(name);
        floats.or_else(|_| self.0.by_name(name).map(|n: ArrayD<i64>| n.mapv(|v| v as f32))).ok()
    }
}

/// Loads an ONNX file as the program does.
fn load(onnx: &[u8]) -> impl Fn(&[ArrayD<f32>]) -> Vec<ArrayD<f32>> + use<> {
    let model = tract_onnx::onnx().model_for_read(&mut Cursor::new(onnx)).unwrap();
    let model = model.into_optimized().unwrap().into_runnable().unwrap();
    move |inputs| {
        let tensor = |input: &ArrayD<f32>| {
            let values: Vec<f32> = input.iter().copied().collect();
            Tensor::from_shape(input.shape(), &values).unwrap().into_tvalue()
        };
        let array = |output: &TValue| {
            let values = output.to_plain_array_view::<f32>().unwrap().iter().copied().collect();
            ArrayD::from_shape_vec(output.shape(), values).unwrap()
        };
        model.run(inputs.iter().map(tensor).collect()).unwrap().iter().map(array).collect()
    }
}

/// What a decoder is asked: points and box corners with their labels, and a mask or none.
struct Prompt {
    coords: Array3<f32>,
    labels: Array2<f32>,
    mask: Option<ArrayD<f32>>,
}

impl Prompt {
    /// The prompt called `name` in `cases`; a padding point stands in for a box.
    fn of(cases: &mut Cases, name: &str) -> Self {
        let (mut coords, mut labels) = (Array2::zeros((0, 2)), vec![]);
        if let Some(points) = cases.find(&format!("{name}/points")) {
            coords = points.into_dimensionality::<Ix3>().unwrap().remove_axis(Axis(0));
            labels = cases.get(&format!("{name}/labels")).iter().copied().collect();
        }
        let (last, last_labels) = match cases.find(&format!("{name}/box")) {
            Some(corners) => (corners.into_shape_with_order((2, 2)).unwrap(), vec![2.0, 3.0]),
            None => (Array2::zeros((1, 2)), vec![-1.0]),
        };
        labels.extend(last_labels);
        Self {
            coords: concatenate![Axis(0), coords, last].insert_axis(Axis(0)),
            labels: Array1::from(labels).insert_axis(Axis(0)),
            mask: name.ends_with("_mask").then(|| cases.get("mask_input")),
        }
    }

    /// A decoder's inputs for an `embedding`.
    fn inputs(self, embedding: &ArrayD<f32>) -> [ArrayD<f32>; 5] {
        let (batch, side) = (self.labels.nrows(), 4 * embedding.shape()[2]);
        let has_mask = Array1::from_elem(batch, if self.mask.is_some() { 1.0 } else { 0.0 });
        let none = || Array4::zeros((batch, 1, side, side)).into_dyn();
        let mask = self.mask.unwrap_or_else(none);
        let (coords, labels) = (self.coords.into_dyn(), self.labels.into_dyn());
        [embedding.clone(), coords, labels, mask, has_mask.into_dyn()]
    }
}

fn max_difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// IoU of the masks that two sets of logits give at a threshold of 0.
fn mask_iou(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let count = |keep: fn(bool, bool) -> bool| {
        a.iter().zip(b).filter(|&(&a, &b)| keep(a > 0.0, b > 0.0)).count() as f64
    };
    count(|a, b| a && b) / count(|a, b| a || b).max(1.0)
}

/// Decodes all six prompts of `cases` and compares logits and predicted IoU.
fn assert_decoder_matches(decoder: &[u8], cases: &mut Cases) {
    let (decoder, embedding) = (load(decoder), cases.get("embedding"));
    for name in PROMPTS {
        let answer = decoder(&Prompt::of(cases, name).inputs(&embedding));
        let logits = max_difference(&answer[0], &cases.get(&format!("{name}/low_res_logits")));
        let iou = max_difference(&answer[1], &cases.get(&format!("{name}/iou")));
        assert!(logits <= 1e-4 && iou <= 1e-4, "{name}: logits {logits}, predicted IoU {iou}");
    }
}

#[test]
fn micro_package_matches_the_official_classes() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        ConvertOptions { name: "micro".into(), weights: WeightPrecision::F32, grid: MICRO_GRID };
    let package = convert(&micro_path("micro.pth"), &options, folder.path()).unwrap();
    assert_eq!(package.manifest().name, "micro");
    assert_eq!(package.manifest().licence, "NOASSERTION");
    assert!(!package.manifest().source.contains("PyPI"), "{}", package.manifest().source);
    assert_eq!(package.manifest().weights, "f32");
    assert_eq!(package.manifest().preprocessing.input_size, 32);
    let mut cases = Cases::open(&micro_path("micro_cases.npz"));
    let embedding = load(package.encoder())(&[cases.get("input")]).remove(0);
    let difference = max_difference(&embedding, &cases.get("embedding"));
    assert!(difference <= 1e-4, "embedding: {difference}");
    assert_decoder_matches(package.decoder(), &mut cases);
    let reopened = tapseg::Package::open(folder.path()).unwrap();
    assert_eq!(reopened.manifest(), package.manifest());
}

#[test]
fn weights_stored_as_f16_give_nearly_the_same_masks() {
    let checkpoint = micro_checkpoint();
    let mut cases = Cases::open(&micro_path("micro_cases.npz"));
    let decoder = |weights| decoder_onnx(&checkpoint, MICRO_GRID, 32, weights).unwrap();
    let [exact, rounded] = [WeightPrecision::F32, WeightPrecision::F16].map(decoder);
    assert!(rounded.len() < exact.len(), "{} bytes for {}", rounded.len(), exact.len());
    let encoder = encoder_onnx(&checkpoint, MICRO_GRID, WeightPrecision::F16).unwrap();
    let embedding = load(&encoder)(&[cases.get("input")]).remove(0);
    let difference = max_difference(&embedding, &cases.get("embedding"));
    assert!(difference > 0.0 && difference < 0.02, "embedding: {difference}");
    let decoder = load(&rounded);
    for name in PROMPTS {
        let logits = decoder(&Prompt::of(&mut cases, name).inputs(&embedding)).remove(0);
        let iou = mask_iou(&logits, &cases.get(&format!("{name}/low_res_logits")));
        assert!(iou >= 0.995, "{name}: IoU {iou}");
    }
}

#[test]
fn prompts_in_one_batch_are_answered_as_they_are_alone() {
    let decoder = decoder_onnx(&micro_checkpoint(), MICRO_GRID, 32, WeightPrecision::F32).unwrap();
    let decoder = load(&decoder);
    let mut cases = Cases::open(&micro_path("micro_cases.npz"));
    let embedding = cases.get("embedding");
    let boxes = [[5.0, 6.0, 22.5, 21.0], [1.0, 2.0, 30.0, 9.0], [8.0, 8.0, 12.0, 30.0]];
    let prompt = |boxes: &[[f32; 4]]| Prompt {
        coords: Array3::from_shape_fn((boxes.len(), 2, 2), |(b, c, axis)| boxes[b][2 * c + axis]),
        labels: Array2::from_shape_fn((boxes.len(), 2), |(_, corner)| 2.0 + corner as f32),
        mask: None,
    };
    let together = decoder(&prompt(&boxes).inputs(&embedding));
    for (index, corners) in boxes.iter().enumerate() {
        let alone = decoder(&prompt(&[*corners]).inputs(&embedding));
        for (alone, together) in alone.iter().zip(&together) {
            let together = together.slice_axis(Axis(0), (index..=index).into()).to_owned();
            assert!(max_difference(alone, &together) <= 1e-5, "box {index}");
        }
    }
}

#[test]
fn the_same_checkpoint_gives_the_same_bytes() {
    for weights in [WeightPrecision::F32, WeightPrecision::F16] {
        let build = || {
            let checkpoint = micro_checkpoint();
            let encoder = encoder_onnx(&checkpoint, MICRO_GRID, weights).unwrap();
            (encoder, decoder_onnx(&checkpoint, MICRO_GRID, 32, weights).unwrap())
        };
        assert!(build() == build(), "{weights:?}");
    }
}

/// The micro checkpoint with `change` applied to the content of each entry, by its name.
fn repacked(change: impl Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut source = ZipArchive::new(File::open(micro_path("micro.pth")).unwrap()).unwrap();
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for index in 0..source.len() {
        let mut entry = source.by_index(index).unwrap();
        let (name, mut content) = (entry.name().unwrap().into_owned(), vec![]);
        entry.read_to_end(&mut content).unwrap();
        change(name.trim_start_matches("micro/"), &mut content);
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name, stored).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Replaces `from` by `to`, of the same length, wherever it stands.
fn replace(content: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = (0..content.len().saturating_sub(from.len()))
        .filter(|&at| content[at..].starts_with(from.as_bytes()))
        .collect();
    for at in places {
        content[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
}

/// The micro checkpoint with `change` applied to the content of one entry.
fn changed(entry: &str, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    repacked(|name, content| {
        if name == entry {
            change(content);
        }
    })
}

/// The micro checkpoint with `change` applied to the pickle that describes it.
fn described(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    changed("data.pkl", change)
}

/// The micro checkpoint with one piece of text in its keys replaced.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    described(|pickle| replace(pickle, from, to))
}

/// Adds a tensor called `name`: the last one once more, out of the memo.
fn add_tensor(pickle: &mut Vec<u8>, name: &str) {
    let end = (0..pickle.len()).rfind(|&at| pickle[at..].starts_with(b"u}r")).unwrap();
    let key = [b"X", &(name.len() as u32).to_le_bytes()[..], name.as_bytes()].concat();
    let recalled = [b"j", &pickle[end - 4..end]].concat();
    pickle.splice(end..end, [key, recalled].concat());
}

/// Builds both networks, or says why not.
fn build(bytes: &[u8]) -> Result<(), String> {
    let checkpoint = Checkpoint::read(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    encoder_onnx(&checkpoint, MICRO_GRID, WeightPrecision::F32)
        .and_then(|_| decoder_onnx(&checkpoint, MICRO_GRID, 32, WeightPrecision::F32))
        .map(drop)
        .map_err(|e| e.to_string())
}

#[test]
fn checkpoints_that_do_not_fit_are_refused_by_what_is_wrong() {
    build(&repacked(|_, _| {})).unwrap();
    let cases = [
        (
            "a missing tensor",
            renamed("layers.1.blocks.0.mlp.fc1.bias", "layers.1.blocks.0.mlp.fc1.bent"),
            "lacks 1 tensors: image_encoder.layers.1.blocks.0.mlp.fc1.bias",
        ),
        (
            "a missing block",
            renamed("layers.2.blocks.0.", "layers.2.blocks.7."),
            "image_encoder.layers.2.blocks.0.",
        ),
        (
            "a missing norm",
            renamed("transformer.layers.0.norm1.", "transformer.layers.0.norm9."),
            "the mask decoder lacks 2 tensors: mask_decoder.transformer.layers.0.norm1.",
        ),
        (
            "a variant with more tensors",
            described(|pickle| add_tensor(pickle, "mask_decoder.hf_token.weight")),
            "variant of it: mask_decoder.hf_token.weight",
        ),
        (
            "tensors in each other's place",
            described(|pickle| {
                for (from, to) in [("fc1.w", "fcX.w"), ("fc2.w", "fc1.w"), ("fcX.w", "fc2.w")] {
                    replace(pickle, from, to);
                }
            }),
            "image_encoder.layers.1.blocks.0.mlp.fc1.weight has shape [16, 32]",
        ),
        (
            "another network",
            renamed("image_encoder.", "vision_tower0."),
            "the first being mask_decoder.iou_prediction_head.layers.0.bias",
        ),
        (
            "NaN",
            changed("data/0", |content| content[..4].copy_from_slice(&f32::NAN.to_le_bytes())),
            "tensor image_encoder.patch_embed.seq.0.c.weight: holds NaN",
        ),
        (
            "a short storage",
            changed("data/0", |content| content.truncate(content.len() - 4)),
            "should have 12 elements of 4 bytes; the file holds 11 of 4",
        ),
        (
            "a negative variance",
            changed("data/4", |content| content[..4].copy_from_slice(&(-1f32).to_le_bytes())),
            "image_encoder.patch_embed.seq.0.bn has statistics",
        ),
    ];
    for (name, bytes, expected) in cases {
        let error = build(&bytes).expect_err(name);
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn sizes_that_no_network_has_are_refused() {
    let checkpoint = micro_checkpoint();
    for (grid, input_size) in [(0, 32), (257, 1028), (8, 0), (8, 4097), (usize::MAX, 32)] {
        let error = decoder_onnx(&checkpoint, grid, input_size, WeightPrecision::F32).unwrap_err();
        assert!(matches!(error, ConvertError::Size { .. }), "{grid}, {input_size}: {error}");
    }
    let error = encoder_onnx(&checkpoint, usize::MAX, WeightPrecision::F32).unwrap_err();
    assert!(matches!(error, ConvertError::Size { .. }), "{error}");
}

#[test]
fn a_file_that_is_missing_or_cut_short_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(micro_path("micro.pth")).unwrap();
    let (path, out) = (folder.path().join("cut.pth"), folder.path().join("out"));
    let options = ConvertOptions { grid: MICRO_GRID, ..Default::default() };
    for len in (0..whole.len()).step_by(whole.len() / 64).map(Some).chain([None]) {
        match len {
            Some(len) => fs::write(&path, &whole[..len]).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = convert(&path, &options, &out).unwrap_err().to_string();
        assert!(error.contains("cut.pth"), "{len:?}: {error}");
        assert!(!out.exists(), "{len:?}: a package was begun");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// No change of a few bytes makes the reader or the builders panic, hang or take memory.
    #[test]
    fn changed_bytes_give_an_error_or_a_network(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        place in 0..3,
    ) {
        let change = |content: &mut Vec<u8>| {
            for (index, byte) in &changes {
                let at = index.index(content.len());
                content[at] = *byte;
            }
        };
        let bytes = match place {
            // What describes the tensors, with a checksum that is right again.
            0 => described(change),
            // The zip's directory, at the end.
            1 => {
                let mut bytes = fs::read(micro_path("micro.pth")).unwrap();
                let mut directory = bytes.split_off(bytes.len() - 24_000);
                change(&mut directory);
                bytes.extend(directory);
                bytes
            }
            _ => {
                let mut bytes = fs::read(micro_path("micro.pth")).unwrap();
                change(&mut bytes);
                bytes
            }
        };
        let _ = build(&bytes);
    }
}

/// The folder with the real weights, if there is one here.
fn reference() -> Option<PathBuf> {
    let folder = std::env::var_os("TAPSEG_REFERENCE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: TAPSEG_REFERENCE names no folder with lite_medsam.pth and its cases");
    }
    folder
}

#[test]
fn the_real_litemedsam_matches_the_official_code() {
    let Some(reference) = reference() else { return };
    let checkpoint = Checkpoint::open(&reference.join("lite_medsam.pth")).unwrap();
    let mut cases = Cases::open(&reference.join("litemedsam_cases.npz"));
    let networks = |weights| {
        let encoder = encoder_onnx(&checkpoint, 64, weights).unwrap();
        (load(&encoder), load(&decoder_onnx(&checkpoint, 64, 256, weights).unwrap()))
    };
    let [exact, rounded] = [WeightPrecision::F32, WeightPrecision::F16].map(networks);
    const FRAME_SIDE: f32 = 1280.0;
    for frame in ["clarius_eye", "clarius_contrast", "clarius_clip_f000"] {
        let input = cases.get(&format!("{frame}/input"));
        let embedding = (exact.0)(std::slice::from_ref(&input)).remove(0);
        let difference = max_difference(&embedding, &cases.get(&format!("{frame}/embedding")));
        assert!(difference <= 1e-4, "{frame}: embedding {difference}");
        let rounded_embedding = (rounded.0)(&[input]).remove(0);
        let boxes = cases.get(&format!("{frame}/boxes_frame_px")) * (256.0 / FRAME_SIDE);
        for (index, corners) in boxes.outer_iter().enumerate() {
            let prompt = || Prompt {
                coords: Array3::from_shape_fn((1, 2, 2), |(_, c, axis)| corners[2 * c + axis]),
                labels: Array2::from_shape_fn((1, 2), |(_, corner)| 2.0 + corner as f32),
                mask: None,
            };
            let first =
                |logits: &ArrayD<f32>| logits.slice(s![.., ..1, .., ..]).to_owned().into_dyn();
            let expected = cases.get(&format!("{frame}/box{index}/low_res_logits"));
            let logits = first(&(exact.1)(&prompt().inputs(&embedding))[0]);
            let difference = max_difference(&logits, &expected);
            assert!(difference <= 2e-3, "{frame}, box {index}: logits {difference}");
            let logits = first(&(rounded.1)(&prompt().inputs(&rounded_embedding))[0]);
            let iou = mask_iou(&logits, &expected);
            assert!(iou >= 0.995, "{frame}, box {index}: IoU with f16 weights {iou}");
        }
    }
}

#[test]
fn the_decoder_of_any_sam_matches_the_official_code() {
    let Some(reference) = reference() else { return };
    let checkpoint = Checkpoint::open(&reference.join("sam_tiny.pth")).unwrap();
    let decoder = decoder_onnx(&checkpoint, 16, 256, WeightPrecision::F32).unwrap();
    assert_decoder_matches(&decoder, &mut Cases::open(&reference.join("sam_tiny_cases.npz")));
    let error = encoder_onnx(&checkpoint, 16, WeightPrecision::F32).unwrap_err();
    assert!(matches!(error, ConvertError::OtherNetwork { .. }), "{error}");
}

#[test]
fn the_package_that_ships_is_what_the_real_checkpoint_gives() {
    let Some(reference) = reference() else { return };
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = reference.join("lite_medsam.pth");
    convert(&checkpoint, &ConvertOptions::default(), folder.path()).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/litemedsam");
    for file in ["model.toml", "encoder.onnx", "decoder.onnx"] {
        let [made, shipped] = [folder.path(), &shipped].map(|at| fs::read(at.join(file)).unwrap());
        assert!(made == shipped, "{file} differs; convert the checkpoint again");
    }
}
