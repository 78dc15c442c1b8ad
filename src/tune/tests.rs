use std::path::Path;

use ndarray::Array2;

use super::*;
use crate::convert::{ConvertOptions, Preset, Quantization, WeightPrecision, convert, float_twin};
use crate::feed::read_still;
use crate::geometry::{FrameBox, FramePoint};
use crate::model::Manifest;
use crate::{Frame, Prompt};

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// A package of the micro SAM, which has random weights.
fn micro(folder: &Path, weights: WeightPrecision, plain: bool) -> Package {
    let options = ConvertOptions {
        preset: Some(Preset::Sam),
        quantization: Quantization { weights, plain, ..Default::default() },
        ..ConvertOptions::new("micro")
    };
    let checkpoint = data("micro/micro_sam.pth");
    convert(&checkpoint, &options, &folder.join("micro"), &mut |_, _, _| {}).unwrap().package
}

/// The largest differences of logits and predicted IoU between the network with gradients and the
/// package as it runs.
fn differences(package: &Package, frame: &Frame, prompt: &Prompt) -> [f32; 2] {
    let segmenter = Segmenter::load(package).unwrap();
    let network = Network::read(package.decoder()).unwrap();
    let embedding = segmenter.set_image(frame).unwrap();
    let masks = segmenter.predict_as_tokens(&embedding, prompt).unwrap();
    let lesson = segmenter.lesson(prompt, &masks.best().mask);
    let mut embeddings = Embeddings::new(&std::env::temp_dir()).unwrap();
    embeddings.push(embedding.features().unwrap()).unwrap();
    let features = embeddings.read(0).unwrap();
    let answer = network.forward(&features, &lesson.coordinates, &lesson.labels).unwrap();
    let predicted: Vec<f32> = answer.predicted_iou.to_vec1().unwrap();
    let mut tokens: Vec<usize> = segmenter.answering(&lesson, predicted.len()).collect();
    tokens.sort_by(|&a, &b| predicted[b].total_cmp(&predicted[a]));
    assert_eq!(tokens.len(), masks.candidates.len());
    let mut worst = [0f32; 2];
    for (token, candidate) in tokens.into_iter().zip(&masks.candidates) {
        let logits: Vec<Vec<f32>> = answer.logits.get(token).unwrap().to_vec2().unwrap();
        let found = Array2::from_shape_vec(candidate.low_res_logits.dim(), logits.concat());
        let apart = (&found.unwrap() - &*candidate.low_res_logits).mapv(f32::abs);
        worst[0] = apart.iter().copied().fold(worst[0], f32::max);
        worst[1] = worst[1].max((predicted[token] - candidate.predicted_iou).abs());
    }
    worst
}

/// The forward pass that learns is the one that runs. The engine's sums are in another order.
#[test]
fn the_network_with_gradients_says_what_the_package_says() {
    let frame = read_still(&data("frames/clarius_eye.png")).unwrap();
    let corners = [FramePoint::new(305.0, 67.0), FramePoint::new(855.0, 572.0)];
    let in_box = Prompt::default().in_box(FrameBox::from_corners(corners[0], corners[1]));
    let tap = Prompt::default().positive(580.0, 320.0);
    let folder = tempfile::tempdir().unwrap();
    for plain in [false, true] {
        let package = micro(folder.path(), WeightPrecision::F16, plain);
        for prompt in [&in_box, &tap, &in_box.clone().positive(580.0, 320.0)] {
            let [logits, iou] = differences(&package, &frame, prompt);
            assert!(logits < 1e-4 && iou < 1e-5, "{plain} {prompt:?}: {logits} {iou}");
        }
    }
    let twin = float_twin(&Package::embedded().unwrap()).unwrap().unwrap();
    let [logits, iou] = differences(&twin, &frame, &in_box);
    assert!(logits < 1e-3 && iou < 1e-4, "{logits} {iou}");
}

fn tuned(
    package: &Package,
    out: &Path,
    epochs: u32,
    mut each: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Tuning, TuneError> {
    let dataset = Dataset::open("phantom:seed=1,count=5,size=96x72").unwrap();
    // Weights that are seeded and know nothing take some epochs until anything is outlined.
    let learning_rate = 1e-3;
    let options = TuneOptions { epochs, learning_rate, patience: 9, ..TuneOptions::new("tuned") };
    tune(package, &dataset, &options, out, &mut each)
}

#[test]
fn tuning_gains_keeps_the_encoder_and_repeats_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let package = micro(folder.path(), WeightPrecision::F16, false);
    let [first, second] = ["first", "second"].map(|name| {
        tuned(&package, &folder.path().join(name), 7, |_| ControlFlow::Continue(())).unwrap()
    });
    let Tuned { dice_before, dice_after, epochs, pictures, held_out, .. } = first.tuned.clone();
    assert!(dice_after > dice_before + 0.05, "{dice_before} {dice_after}");
    assert_eq!((pictures, held_out), (4, 1));
    assert!((4..=7).contains(&epochs));
    assert_eq!(first.package.encoder(), package.encoder());
    assert_ne!(first.package.decoder(), package.decoder());
    assert_eq!(first.package.decoder(), second.package.decoder());
    let manifest: Manifest = Package::manifest_in(&folder.path().join("first")).unwrap();
    assert_eq!(manifest.tuned, Some(first.tuned));
    assert_eq!((&*manifest.name, &*manifest.weights), ("tuned", "f16"));
    // Nothing else is left beside it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn without_an_epoch_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let package = micro(folder.path(), WeightPrecision::Int8, false);
    let out = folder.path().join("same");
    let same = tuned(&package, &out, 0, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(same.package.decoder(), package.decoder());
    assert_eq!(same.tuned.dice_before, same.tuned.dice_after);
    assert_eq!(same.package.manifest().weights, "int8");
}

#[test]
fn stopping_keeps_the_best_epoch_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let package = micro(folder.path(), WeightPrecision::F16, false);
    let out = folder.path().join("stopped");
    let early = tuned(&package, &out, 9, |_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(early, TuneError::Stopped), "{early}");
    assert!(!out.exists());
    let mut best = 0;
    let kept = tuned(&package, &out, 9, |step| match step {
        Step::Epoch { epoch, best: true, .. } => {
            best = epoch;
            ControlFlow::Continue(())
        }
        Step::Learning { epoch: 6, done: 2, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(kept.unwrap().tuned.epochs, best);
}

#[test]
fn what_can_not_be_tuned_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let package = micro(folder.path(), WeightPrecision::F16, false);
    let go_on = |_: Step| ControlFlow::Continue(());
    let one = Dataset::open("phantom:count=1,size=96x72").unwrap();
    let options = TuneOptions::new("tuned");
    let refused = |package: &Package, dataset, out: &Path| {
        tune(package, dataset, &options, out, &mut { go_on }).unwrap_err().to_string()
    };
    let out = folder.path().join("out");
    let reason = refused(&package, &one, &out);
    assert!(reason.contains("at least 2 are needed"), "{reason}");
    let reason = refused(&package, &one, &folder.path().join("micro"));
    assert!(reason.contains("write to another folder"), "{reason}");
    assert!(!out.exists());
}
