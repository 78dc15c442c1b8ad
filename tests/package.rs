//! Packages: what prompts each kind of model is given, and packages that are not what they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use prost::Message;
use tapseg::convert::{ConvertOptions, Quantization, WeightPrecision, convert};
use tapseg::model::{Extras, Manifest, MaskTokens, PackageFile, PromptKind, remove_package};
use tapseg::prompt::MaskPrompt;
use tapseg::{Frame, FrameBox, FrameSize, Mask, Package, Prompt, Segmenter};
use tract_onnx::pb;

const SIZE: FrameSize = FrameSize::new(64, 48);

/// The very small network of `tests/data/micro` as a package in `folder`.
fn micro(folder: &Path) -> Package {
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/micro/micro.pth");
    let weights = WeightPrecision::F32;
    let options = ConvertOptions {
        input_size: Some(32),
        quantization: Quantization { weights, ..Quantization::default() },
        ..ConvertOptions::new("micro")
    };
    convert(&checkpoint, &options, folder, &mut |_, _, _| ()).unwrap().package
}

/// The micro package with another manifest.
fn changed(folder: &Path, change: impl FnOnce(&mut Manifest)) -> Package {
    let package = micro(folder);
    let mut manifest = package.manifest().clone();
    change(&mut manifest);
    let (encoder, decoder) = (package.encoder().to_vec(), package.decoder().to_vec());
    Package::write(folder, manifest, encoder, decoder, &Extras::default()).unwrap()
}

fn frame() -> Frame {
    let rgb: Vec<u8> = (0..SIZE.pixels() * 3).map(|i| (i * 31 % 251) as u8).collect();
    Frame::from_rgb(SIZE, rgb).unwrap()
}

#[test]
fn each_model_gets_the_prompts_it_was_trained_for() {
    let folder = tempfile::tempdir().unwrap();
    let boxes_only = Segmenter::load(&micro(folder.path())).unwrap();
    let points = Segmenter::load(&changed(folder.path(), |m| {
        m.prompts = vec![PromptKind::Point, PromptKind::Box, PromptKind::Mask];
        m.mask_tokens = MaskTokens::Multi;
    }))
    .unwrap();
    let single = Segmenter::load(&changed(folder.path(), |m| {
        m.prompts = vec![PromptKind::Point];
    }))
    .unwrap();

    let tap = || Prompt::default().positive(20.0, 30.0);
    let frame_box = FrameBox { x0: 40.0, y0: 8.0, x1: 10.0, y1: 33.0 };
    let logits = MaskPrompt::LowResLogits(Arc::new(Array2::from_elem((32, 32), 3.0)));
    let binary = MaskPrompt::Binary(Mask::from_pixels(SIZE, vec![1; SIZE.pixels()]));
    let many = (0..16).fold(tap(), |p, i| p.negative(i as f32, 2.0));
    // How many masks each model proposes: boxes only; points, multi; points, single.
    let cases = [
        ("a tap", tap(), [7, 3, 1]),
        ("two taps", tap().positive(25.0, 30.0), [7, 1, 1]),
        ("a box", Prompt::default().in_box(frame_box), [1, 1, 1]),
        ("a box and a tap", tap().in_box(frame_box), [1, 1, 1]),
        ("a tap and logits", tap().refining(logits.clone()), [1, 1, 1]),
        ("a binary mask", Prompt::default().refining(binary), [1, 1, 1]),
        ("seventeen points", many, [7, 1, 1]),
    ];
    for (name, prompt, counts) in cases {
        for (segmenter, count) in [&boxes_only, &points, &single].into_iter().zip(counts) {
            let embedding = segmenter.set_image(&frame()).unwrap();
            let masks =
                segmenter.predict(&embedding, &prompt).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(masks.candidates.len(), count, "{name}");
            for c in &masks.candidates {
                assert_eq!(c.mask.size(), SIZE, "{name}");
                assert_eq!(c.low_res_logits.dim(), (32, 32), "{name}");
                assert!((0.0..=1.0).contains(&c.stability_score), "{name}");
            }
        }
    }
    let differs = |prompt: &Prompt| {
        let embedding = points.set_image(&frame()).unwrap();
        points.predict(&embedding, prompt).unwrap().best().low_res_logits.clone()
    };
    assert_ne!(differs(&tap()), differs(&tap().refining(logits)), "the mask has a say");
}

#[test]
fn a_tap_head_for_another_encoder_is_refused_and_goes_with_its_package() {
    let folder = tempfile::tempdir().unwrap();
    let head = Package::embedded().unwrap().tap_head().unwrap().to_vec();
    let package = micro(folder.path());
    let mut manifest = package.manifest().clone();
    let file = PackageFile { name: "tap_head.onnx".into(), sha256: String::new() };
    manifest.tap_head = Some(file);
    let (encoder, decoder) = (package.encoder().to_vec(), package.decoder().to_vec());
    let extras = Extras { tap_head: Some(head.clone().into()), ..Extras::default() };
    let with = Package::write(folder.path(), manifest, encoder, decoder, &extras).unwrap();
    assert_eq!(with.tap_head(), Some(&*head));
    assert_eq!(with.size_bytes(), package.size_bytes() + head.len() as u64);
    let Err(error) = Segmenter::load(&with) else { panic!("it has 256 channels") };
    assert!(error.to_string().contains("for this encoder it must take"), "{error}");

    fs::write(folder.path().join("tap_head.onnx"), b"something else").unwrap();
    let error = Package::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("tap_head.onnx") && error.contains("SHA-256"), "{error}");
    let (removed, left) = remove_package(folder.path()).unwrap();
    assert!(removed.contains(&"tap_head.onnx".to_owned()) && left.is_empty(), "{left:?}");
}

#[test]
fn a_manifest_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.toml");
    micro(folder.path());
    let sound = fs::read_to_string(&path).unwrap();
    let cases = [
        ("format = 1", "format = 9", "layout version 9"),
        ("input_size = 32", "input_size = 0", "from 16 to 4096"),
        ("name = \"encoder.onnx\"", "name = \"../encoder.onnx\"", "not a plain file name"),
        ("name = \"encoder.onnx\"", "name = \"absent.onnx\"", "absent.onnx"),
        ("resize = \"longest-side\"", "resize = \"stretch\"", "stretch"),
        ("[preprocessing]", "surprise = 1\n[preprocessing]", "surprise"),
        ("architecture", "# architecture", "architecture"),
        ("name = \"micro\"", "name = \"\"", "name is empty"),
        ("prompts = [\"box\"]", "prompts = []", "neither \"point\" nor \"box\""),
        ("prompts = [\"box\"]", "prompts = [\"mask\"]", "prompts = [\"box\"]"),
    ];
    for (from, to, expected) in cases {
        assert!(sound.contains(from), "{from}");
        fs::write(&path, sound.replacen(from, to, 1)).unwrap();
        let error = Package::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    fs::write(&path, vec![b'#'; 100_000]).unwrap();
    assert!(Package::open(folder.path()).unwrap_err().to_string().contains("limit"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(Package::open(folder.path()).unwrap_err().to_string().contains("not a regular file"));
    fs::remove_dir(&path).unwrap();
    assert!(Package::open(folder.path()).unwrap_err().to_string().contains("model.toml"));

    // The input size is also in the graph, which wins.
    let wrong = changed(folder.path(), |m| m.preprocessing.input_size = 64);
    let error = Segmenter::load(&wrong).err().unwrap().to_string();
    assert!(error.contains("encoder") && error.contains("64"), "{error}");
}

#[test]
fn an_interrupted_write_is_no_package() {
    let folder = tempfile::tempdir().unwrap();
    micro(folder.path());
    let left: Vec<PathBuf> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left.len(), 3, "nothing but the package is left behind: {left:?}");
    // As if the power went after the first file of a newer conversion.
    fs::write(folder.path().join("encoder.onnx"), b"newer").unwrap();
    let error = Package::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("SHA-256") && error.contains("encoder.onnx"), "{error}");
}

/// A graph whose output `name` has nothing left along `axis`.
fn emptied(onnx: &[u8], name: &str, axis: i64) -> Vec<u8> {
    let mut model = pb::ModelProto::decode(onnx).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let whole = format!("{name}_whole");
    let producer = graph.node.iter_mut().find(|n| n.output.iter().any(|o| o == name)).unwrap();
    producer.output.iter_mut().filter(|o| *o == name).for_each(|o| *o = whole.clone());
    for (initializer, value) in [("zero", 0), ("axis", axis)] {
        graph.initializer.push(pb::TensorProto {
            name: initializer.into(),
            dims: vec![1],
            data_type: pb::tensor_proto::DataType::Int64.into(),
            int64_data: vec![value],
            ..Default::default()
        });
    }
    graph.node.push(pb::NodeProto {
        op_type: "Slice".into(),
        name: "emptied".into(),
        input: vec![whole, "zero".into(), "zero".into(), "axis".into()],
        output: vec![name.into()],
        ..Default::default()
    });
    graph.output.iter_mut().filter(|o| o.name == name).for_each(|o| o.r#type = None);
    model.encode_to_vec()
}

/// Checksums protect against accidents, not against whoever writes the manifest.
#[test]
fn hostile_networks_give_errors() {
    let folder = tempfile::tempdir().unwrap();
    let sound = micro(folder.path());
    let with = |encoder: Vec<u8>, decoder: Vec<u8>| {
        let package = Package::write(
            folder.path(),
            sound.manifest().clone(),
            encoder,
            decoder,
            &Extras::default(),
        )
        .unwrap();
        Segmenter::load(&package).and_then(|s| {
            let embedding = s.set_image(&frame())?;
            s.predict(&embedding, &Prompt::default().positive(20.0, 30.0))
        })
    };
    let (encoder, decoder) = (sound.encoder().to_vec(), sound.decoder().to_vec());
    let refused = |result: Result<_, tapseg::model::ModelError>| result.err().unwrap().to_string();
    assert!(refused(with(decoder.clone(), encoder.clone())).contains("expected (image)"));
    assert!(refused(with(encoder.clone(), encoder.clone())).contains("image_embeddings"));
    assert!(refused(with(Vec::new(), decoder.clone())).contains("encoder"));
    assert!(refused(with(b"PK not an ONNX file".to_vec(), decoder.clone())).contains("encoder"));
    for part in 1..8 {
        let cut = encoder[..encoder.len() * part / 8].to_vec();
        assert!(with(cut, decoder.clone()).is_err(), "{part} eighths of an encoder");
    }
    for (output, axis, network) in [
        ("low_res_masks", 0, "decoder"),
        ("low_res_masks", 1, "decoder"),
        ("low_res_masks", 3, "decoder"),
        ("iou_predictions", 1, "decoder"),
    ] {
        let error = refused(with(encoder.clone(), emptied(&decoder, output, axis)));
        assert!(error.contains(network), "{output} without axis {axis}: {error}");
    }
    let error = refused(with(emptied(&encoder, "image_embeddings", 1), decoder.clone()));
    assert!(error.contains("1×0×8×8"), "{error}");
    // Flipped bits may leave a valid graph; they must never take the program down.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..40 {
        let (mut encoder, mut decoder) = (encoder.clone(), decoder.clone());
        for file in [&mut encoder, &mut decoder] {
            let at = random(file.len());
            file[at] ^= 1 << random(8);
        }
        let _ = with(encoder, decoder);
    }
}
