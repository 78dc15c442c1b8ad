//! The graphs of micro checkpoints against the official classes.

use ndarray::{Array2, Array3, Axis};
use tapseg::Package;
use tapseg::convert::{ConvertOptions, Preset, Stage, WeightPrecision, convert};

use crate::cases::{
    Cases, PROMPTS, Prompt, load, mask_iou, max_difference, micro_path, options, package_of,
};

/// Decodes all six prompts of `cases` and compares logits and predicted IoU.
pub fn assert_decoder_matches(decoder: &[u8], cases: &mut Cases, bound: f32) {
    let (decoder, embedding) = (load(decoder), cases.get("embedding"));
    for name in PROMPTS {
        let answer = decoder(&Prompt::of(cases, name).inputs(&embedding));
        let expected = cases.get(&format!("{name}/low_res_logits"));
        let logits = max_difference(&answer[0], &expected);
        let iou = max_difference(&answer[1], &cases.get(&format!("{name}/iou")));
        assert!(logits <= bound && iou <= bound, "{name}: logits {logits}, predicted IoU {iou}");
        assert!(mask_iou(&answer[0], &expected) >= 0.999, "{name}");
    }
}

/// Compares the embedding of the cases' `input`, and what the decoder makes of it.
fn assert_matches(package: &Package, cases: &mut Cases) {
    let embedding = load(package.encoder())(&[cases.get("input")]).remove(0);
    let difference = max_difference(&embedding, &cases.get("embedding"));
    assert!(difference <= 1e-4, "{package:?}: embedding {difference}");
    assert_decoder_matches(package.decoder(), cases, 1e-4);
}

#[test]
fn micro_networks_match_the_official_classes() {
    let cases = [
        ("micro.pth", "micro_cases.npz", Preset::LiteMedSam, Some(32), "tiny-vit", 32),
        ("micro_sam.pth", "micro_sam_cases.npz", Preset::Sam, None, "vit", 96),
        ("micro_sam.safetensors", "micro_sam_cases.npz", Preset::MedSam, None, "vit", 96),
        (
            "micro_mobile.pth",
            "micro_mobile_cases.npz",
            Preset::MobileSam,
            Some(128),
            "tiny-vit",
            128,
        ),
    ];
    for (file, npz, preset, input_size, architecture, found_size) in cases {
        let options =
            ConvertOptions { preset: Some(preset), ..options(input_size, WeightPrecision::F32) };
        let package = package_of(&micro_path(file), &options);
        assert_matches(&package, &mut Cases::open(&micro_path(npz)));
        let manifest = package.manifest();
        assert_eq!(manifest.architecture, architecture, "{file}");
        assert_eq!(manifest.preprocessing, preset.preprocessing(found_size), "{file}");
        assert_eq!(manifest.prompts, preset.prompts(), "{file}");
        assert_eq!((&*manifest.licence, &*manifest.weights), ("NOASSERTION", "f32"), "{file}");
    }
}

#[test]
fn a_package_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(Some(32), WeightPrecision::F32);
    let mut stages = vec![];
    let converted =
        convert(&micro_path("micro.pth"), &options, folder.path(), &mut |s, done, all| {
            assert!(done <= all, "{s:?}: {done} of {all}");
            stages.push(s);
        });
    let package = converted.unwrap().package;
    stages.dedup();
    assert_eq!(stages, [Stage::Opening, Stage::Building, Stage::Writing]);
    assert_eq!(package.manifest().name, "micro");
    assert!(!package.manifest().source.contains("PyPI"), "{}", package.manifest().source);
    assert_matches(&package, &mut Cases::open(&micro_path("micro_cases.npz")));
    assert_eq!(Package::open(folder.path()).unwrap().manifest(), package.manifest());
    let in_memory = package_of(&micro_path("micro.pth"), &options);
    assert!(in_memory.encoder() == package.encoder() && in_memory.decoder() == package.decoder());
}

#[test]
fn weights_stored_as_f16_give_nearly_the_same_masks() {
    let mut cases = Cases::open(&micro_path("micro_cases.npz"));
    let stored = |weights| package_of(&micro_path("micro.pth"), &options(Some(32), weights));
    let [exact, rounded] = [WeightPrecision::F32, WeightPrecision::F16].map(stored);
    let len = |package: &Package| package.encoder().len() + package.decoder().len();
    assert!(len(&rounded) < len(&exact), "{} bytes for {}", len(&rounded), len(&exact));
    let embedding = load(rounded.encoder())(&[cases.get("input")]).remove(0);
    let difference = max_difference(&embedding, &cases.get("embedding"));
    assert!(difference > 0.0 && difference < 0.02, "embedding: {difference}");
    let decoder = load(rounded.decoder());
    for name in PROMPTS {
        let logits = decoder(&Prompt::of(&mut cases, name).inputs(&embedding)).remove(0);
        let iou = mask_iou(&logits, &cases.get(&format!("{name}/low_res_logits")));
        assert!(iou >= 0.995, "{name}: IoU {iou}");
    }
}

#[test]
fn prompts_in_one_batch_are_answered_as_they_are_alone() {
    let package = package_of(&micro_path("micro.pth"), &options(Some(32), WeightPrecision::F32));
    let decoder = load(package.decoder());
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
    for weights in [WeightPrecision::F32, WeightPrecision::F16, WeightPrecision::Int8] {
        let build = || {
            let package = package_of(&micro_path("micro.pth"), &options(Some(32), weights));
            (package.encoder().to_vec(), package.decoder().to_vec())
        };
        assert!(build() == build(), "{weights:?}");
    }
}
