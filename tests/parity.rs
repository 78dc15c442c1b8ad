//! The shipped package against what the official PyTorch code says to the same frames
//! (`tests/data/README.md` tells where the figures come from).

use std::collections::HashMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use ndarray::{Array2, Array4, ArrayD, s};
use ndarray_npy::NpzReader;
use tapseg::feed::read_still;
use tapseg::geometry::FrameBox;
use tapseg::prompt::MaskPrompt;
use tapseg::{Frame, ImageEmbedding, Mask, Package, Prompt, Segmenter};

static SEGMENTER: LazyLock<Segmenter> = LazyLock::new(|| {
    Segmenter::load(&Package::embedded().expect("the package inside the program is sound"))
        .expect("the package inside the program loads")
});

/// The embedding of each picture, by its path: emulated processors take a minute for one.
static EMBEDDINGS: LazyLock<Mutex<HashMap<&str, ImageEmbedding>>> = LazyLock::new(Mutex::default);

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

fn cases() -> NpzReader<File> {
    NpzReader::new(File::open(data("litemedsam/cases.npz")).unwrap()).unwrap()
}

fn frame(path: &str) -> Frame {
    read_still(&data(path)).unwrap()
}

fn embedding(path: &'static str) -> ImageEmbedding {
    let mut known = EMBEDDINGS.lock().unwrap();
    known.entry(path).or_insert_with(|| SEGMENTER.set_image(&frame(path)).unwrap()).clone()
}

fn outline(path: &str) -> Mask {
    let picture = frame(path);
    let pixels = picture.rgb().chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
    Mask::from_pixels(picture.size(), pixels)
}

fn boxes(npz: &mut NpzReader<File>, case: &str) -> Vec<FrameBox> {
    let boxes: Array2<f32> = npz.by_name(&format!("{case}/boxes_frame_px.npy")).unwrap();
    boxes.outer_iter().map(|b| FrameBox { x0: b[0], y0: b[1], x1: b[2], y1: b[3] }).collect()
}

#[test]
fn the_shipped_weights_give_the_official_masks() {
    let mut npz = cases();
    let mut agreement = vec![];
    for (case, picture) in [
        ("clarius_eye", "frames/clarius_eye.png"),
        ("clarius_contrast", "frames/clarius_contrast.png"),
        ("clarius_clip_f000", "frames/clarius_clip_f000.png"),
    ] {
        let embedding = embedding(picture);
        for (i, b) in boxes(&mut npz, case).into_iter().enumerate() {
            let expected: Array2<f32> =
                npz.by_name(&format!("{case}/box{i}/low_res_logits.npy")).unwrap();
            let expected_iou: ArrayD<f32> = npz.by_name(&format!("{case}/box{i}/iou.npy")).unwrap();
            let masks = SEGMENTER.predict(&embedding, &Prompt::default().in_box(b)).unwrap();
            assert_eq!(masks.candidates.len(), 1, "a box is not ambiguous");
            let found = masks.best();
            // The reference's own mask: padding cut off (192 of 256 rows are picture) and
            // enlarged. Given back as a prompt it would be decoded again, so both sides are
            // compared in low resolution, where the network decides.
            let size = tapseg::FrameSize::new(256, 192);
            let low = |logits: &Array2<f32>| {
                let inside = logits.slice(s![..192, ..]).into_iter().map(|&l| u8::from(l > 0.0));
                Mask::from_pixels(size, inside.collect())
            };
            let iou = low(&expected).iou(&low(&found.low_res_logits));
            let worst = expected
                .iter()
                .zip(found.low_res_logits.iter())
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            println!("{case} box {i}: mask IoU {iou:.5}, largest logit difference {worst:.4}");
            // What was promised of int8; f32 is held to more in `convert`.
            assert!(iou >= 0.95, "{case} box {i}: {iou}");
            agreement.push(iou);
            let predicted = expected_iou.iter().next().unwrap();
            assert!((found.predicted_iou - predicted).abs() < 2e-2, "{case} box {i}");
        }
    }
    let mean = agreement.iter().sum::<f64>() / agreement.len() as f64;
    assert!(mean >= 0.985, "{mean}");
}

/// Int8 leaves a noise of about 26 dB; f32 weights are held to 1e-4 in `convert`.
#[test]
fn the_embedding_is_the_official_one_within_int8() {
    let expected: Array4<f32> = cases().by_name("clarius_eye/embedding.npy").unwrap();
    let embedding = embedding("frames/clarius_eye.png");
    let features = embedding.features().unwrap();
    let found = features.slice(s![.., ..;32, .., ..]);
    assert_eq!(found.shape(), expected.shape());
    let power = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>();
    let noise = power(&mut found.iter().zip(expected.iter()).map(|(a, b)| a - b));
    let snr_db = 10.0 * (power(&mut expected.iter().copied()) / noise).log10();
    println!("signal-to-noise ratio of the embedding: {snr_db:.1} dB");
    assert!(snr_db > 23.0, "{snr_db}");
}

#[test]
fn taps_and_boxes_outline_what_the_semi_automatic_outlines_show() {
    let embedding = embedding("frames/clarius_contrast.png");
    for (outline, truth) in [
        ("left cylinder", outline("frames/clarius_contrast_mask0.png")),
        ("right cylinder", outline("frames/clarius_contrast_mask1.png")),
    ] {
        let tight = truth.bounding_box().unwrap();
        let (x, y) = ((tight.x0 + tight.x1) / 2.0, (tight.y0 + tight.y1) / 2.0);
        let boxed = SEGMENTER.predict(&embedding, &Prompt::default().in_box(tight)).unwrap();
        let tapped = SEGMENTER.predict(&embedding, &Prompt::default().positive(x, y)).unwrap();
        let distinct =
            |i: usize, j: usize| tapped.candidates[i].mask.iou(&tapped.candidates[j].mask) < 0.9;
        let count = tapped.candidates.len();
        assert!((1..=3).contains(&count), "{count} masks: the tap head finds three boxes");
        assert!((0..count).all(|i| (0..i).all(|j| distinct(i, j))), "{outline}: said twice");
        let (by_box, by_tap) = (boxed.best().mask.dice(&truth), tapped.best().mask.dice(&truth));
        println!("{outline}: Dice {by_box:.3} by a tight box, {by_tap:.3} by a tap");
        assert!(by_box > 0.85 && by_tap > 0.8, "{outline}: {by_box} {by_tap}");
        assert!(boxed.best().stability_score > 0.8);
    }
}

#[test]
fn a_tap_is_answered_alike_on_one_thread_and_on_all() {
    let package = Package::embedded().unwrap();
    let alone = Segmenter::load_with_threads(&package, NonZeroUsize::MIN).unwrap();
    let embedding = embedding("clip/f013.png");
    let answers = |segmenter: &Segmenter| {
        [(580.0, 328.0), (620.0, 700.0)].map(|(x, y)| {
            let masks = segmenter.predict(&embedding, &Prompt::default().positive(x, y)).unwrap();
            let of = masks.candidates.into_iter().map(|c| (c.mask, c.predicted_iou.to_bits()));
            of.collect::<Vec<_>>()
        })
    };
    let alone = answers(&alone);
    assert!(alone.iter().any(|masks| masks.len() > 1), "none has several answers");
    assert!(alone == answers(&SEGMENTER));
}

#[test]
fn a_negative_tap_takes_off_what_does_not_belong() {
    let embedding = embedding("clip/f013.png");
    let nerve = outline("clip/f013_mask1.png");
    let dice =
        |prompt: &Prompt| SEGMENTER.predict(&embedding, prompt).unwrap().best().mask.dice(&nerve);
    let tap = Prompt::default().positive(582.0, 655.0);
    let off_the_wall = tap.clone().negative(582.0, 585.0).negative(582.0, 725.0);
    let (before, after) = (dice(&tap), dice(&off_the_wall));
    println!(
        "the optic nerve: Dice {before:.3} by a tap, {after:.3} with points on its wall taken off"
    );
    assert!(after > before + 0.05 && after > 0.7, "{before} {after}");
}

#[test]
fn a_mask_prompt_counts_as_its_box() {
    let truth = outline("frames/clarius_eye_mask0.png");
    let embedding = embedding("frames/clarius_eye.png");
    let size = truth.size();
    let by = |prompt: Prompt| SEGMENTER.predict(&embedding, &prompt).unwrap();
    let by_box = by(Prompt::default().in_box(truth.bounding_box().unwrap()));
    let by_mask = by(Prompt::default().refining(MaskPrompt::Binary(truth)));
    assert_eq!(by_box.best().mask, by_mask.best().mask);
    let again =
        by(Prompt::default()
            .refining(MaskPrompt::LowResLogits(by_mask.best().low_res_logits.clone())));
    assert!(again.best().mask.iou(&by_mask.best().mask) > 0.9);

    let empty = Mask::from_pixels(size, vec![0; size.pixels()]);
    let nothing = Prompt::default().refining(MaskPrompt::Binary(empty));
    let error = SEGMENTER.predict(&embedding, &nothing).unwrap_err().to_string();
    assert!(error.contains("empty"), "{error}");
    let wrong = MaskPrompt::LowResLogits(Array2::zeros((3, 4)).into());
    let error = SEGMENTER.predict(&embedding, &Prompt::default().refining(wrong)).unwrap_err();
    assert!(error.to_string().contains("256x256 is needed"), "{error}");
}
