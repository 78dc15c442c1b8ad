//! Full checkpoints against the official code, where they are at hand.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, ArrayD, s};
use tapseg::convert::{Checkpoint, ConvertOptions, Networks, Preset, WeightPrecision};
use tapseg::fidelity::{Baseline, cases_in};
use tapseg::{Package, Segmenter};

use crate::cases::{Cases, PROMPTS, Prompt, load, mask_iou, max_difference, options, package_of};

/// The folder with full checkpoints, if there is one here and it has `file`.
fn reference(file: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("TAPSEG_REFERENCE").map(PathBuf::from) else {
        eprintln!("skipped: TAPSEG_REFERENCE names no folder with {file} and its cases");
        return None;
    };
    let there = folder.join(file).is_file();
    if !there {
        eprintln!("skipped: {file} is not in {}", folder.display());
    }
    there.then_some(folder)
}

#[test]
fn the_real_litemedsam_matches_the_official_code() {
    let Some(reference) = reference("lite_medsam.pth") else { return };
    let mut cases = Cases::open(&reference.join("litemedsam_cases.npz"));
    let networks = |weights| {
        let package = package_of(&reference.join("lite_medsam.pth"), &options(None, weights));
        (load(package.encoder()), load(package.decoder()))
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

/// The encoder's input for the frame of the cases, whose longer side has the model's size.
fn normalised(cases: &mut Cases) -> ArrayD<f32> {
    let frame = cases.get("frame");
    let (mean, deviation) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);
    let size = frame.shape()[1];
    let input = Array4::from_shape_fn((1, 3, size, size), |(_, channel, y, x)| {
        match frame.get([y, x, channel]) {
            Some(value) => (value - mean[channel]) / deviation[channel],
            None => 0.0,
        }
    });
    input.into_dyn()
}

/// Checks the checkpoint in `file`: its embedding to `bound`, and the masks of all six prompts.
fn assert_sam_matches(file: &str, npz: &str, bound: f32) {
    let Some(reference) = reference(file) else { return };
    let options =
        ConvertOptions { preset: Some(Preset::Sam), ..options(None, WeightPrecision::F32) };
    let package: Package = package_of(&reference.join(file), &options);
    let mut cases = Cases::open(&reference.join(npz));
    let embedding = load(package.encoder())(&[normalised(&mut cases)]).remove(0);
    let difference = max_difference(&embedding, &cases.get("embedding"));
    println!("{file}: embedding {difference}");
    assert!(difference <= bound, "{file}: embedding {difference}");
    let decoder = load(package.decoder());
    for name in PROMPTS {
        let logits = decoder(&Prompt::of(&mut cases, name).inputs(&embedding)).remove(0);
        let expected = cases.get(&format!("{name}/low_res_logits"));
        let (iou, difference) = (mask_iou(&logits, &expected), max_difference(&logits, &expected));
        println!("{file}, {name}: mask IoU {iou:.6}, logits {difference:.1e}");
        assert!(iou >= 0.999, "{file}, {name}: {iou}");
    }
}

#[test]
fn the_small_sam_matches_the_official_code() {
    assert_sam_matches("sam_tiny.pth", "sam_tiny_cases.npz", 1e-4);
}

/// The stored embeddings are rounded to f16.
#[test]
fn vit_b_matches_the_official_code() {
    assert_sam_matches("sam_vit_b_random.pth", "sam_vit_b_random_cases.npz", 2e-3);
}

#[test]
fn vit_l_matches_the_official_code() {
    assert_sam_matches("sam_vit_l_random.pth", "sam_vit_l_random_cases.npz", 2e-3);
}

#[test]
fn mobile_sam_matches_the_official_code() {
    assert_sam_matches("mobile_sam_random.pth", "mobile_sam_random_cases.npz", 2e-3);
}

/// Fitting int8 to pictures takes the float arithmetic of the machine that does it, so that another
/// kind of processor may round a few weights differently: the package that ships is compared by what
/// it answers, not by its bytes.
#[test]
fn the_package_that_ships_is_of_the_real_checkpoint_and_near_it() {
    let Some(reference) = reference("lite_medsam.pth") else { return };
    let shipped = Package::embedded().unwrap();
    let checkpoint = Checkpoint::open(&reference.join("lite_medsam.pth"), |_, _| ()).unwrap();
    let networks = Networks::read_as(&checkpoint, shipped.manifest(), &mut |_, _, _| ()).unwrap();
    let exact = networks.in_memory(Path::new("f32")).unwrap();
    let told = |package: &Package| {
        let manifest = package.manifest();
        (manifest.name.clone(), manifest.licence.clone(), manifest.source.clone())
    };
    assert_eq!(told(&shipped), told(&exact));
    let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames");
    let segmenter = Segmenter::load(&exact).unwrap();
    let mut cases = cases_in(&frames).unwrap();
    // What is promised is promised of boxes round structures, which have outlines here, not of the
    // squares on a grid that stand in for them.
    let outlined = |name: &str| Path::new(&name.replace(".png", "_mask0.png")).is_file();
    cases.retain(|case| outlined(&case.name));
    assert_eq!(cases.len(), 2);
    let baseline = Baseline::new(&exact, &segmenter, cases, |_| ()).unwrap();
    let fidelity =
        baseline.compare(&shipped, &Segmenter::load(&shipped).unwrap(), vec![], |_| ()).unwrap();
    println!("{fidelity:?}");
    let boxes = fidelity.box_mask_iou;
    assert!(boxes.mean >= 0.985 && boxes.min >= 0.95, "{fidelity:?}");
    assert!(fidelity.embedding_cosine.min > 0.998, "{fidelity:?}");
    assert!(fidelity.bytes < 12_500_000);
}
