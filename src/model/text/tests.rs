use std::path::Path;

use prost::Message;

use super::super::decoder::{Tokens, label};
use super::*;
use crate::convert::{ConvertOptions, Preset, Quantization, WeightPrecision, convert};
use crate::onnx::nodes::{f32_values, initializer};
use crate::random::SplitMix64;
use crate::{Frame, FrameSize, Prompt, Segmenter};

const LENGTH: usize = 6;

/// A text encoder that gives two tokens of `channels` channels, with seeded weights.
fn text_encoder(channels: usize) -> Vec<u8> {
    let mut random = SplitMix64::new(5);
    let weights = (0..LENGTH * 2 * channels).flat_map(|_| random.uniform(-0.5, 0.5).to_le_bytes());
    let shape = [1i64, 2, channels as i64];
    let value = |name: &str, sides: &[i64]| pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(pb::TensorShapeProto {
                    dim: sides
                        .iter()
                        .map(|&side| pb::tensor_shape_proto::Dimension {
                            value: Some(dimension::Value::DimValue(side)),
                            ..Default::default()
                        })
                        .collect(),
                }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    };
    let sides = [LENGTH as i64, 2 * channels as i64];
    let shape_bytes = shape.iter().flat_map(|side| side.to_le_bytes()).collect();
    let graph = pb::GraphProto {
        name: "text".into(),
        node: vec![
            node("MatMul", &["text_embedding", "weight"], "flat", vec![]),
            node("Reshape", &["flat", "shape"], "prompt_tokens", vec![]),
        ],
        initializer: vec![
            initializer("weight".into(), DataType::Float, &sides, weights.collect()),
            initializer("shape".into(), DataType::Int64, &[3], shape_bytes),
        ],
        input: vec![value("text_embedding", &[1, LENGTH as i64])],
        output: vec![value("prompt_tokens", &shape)],
        ..Default::default()
    };
    let opset = pb::OperatorSetIdProto { domain: String::new(), version: 17 };
    let model = pb::ModelProto {
        ir_version: 8,
        opset_import: vec![opset],
        graph: Some(graph),
        ..Default::default()
    };
    model.encode_to_vec()
}

fn micro(folder: &Path, weights: WeightPrecision, text_encoder: Option<Vec<u8>>) -> Package {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let options = ConvertOptions {
        preset: Some(Preset::Sam),
        quantization: Quantization { weights, ..Default::default() },
        text_encoder,
        ..ConvertOptions::new("micro")
    };
    let checkpoint = root.join("tests/data/micro/micro_sam.pth");
    convert(&checkpoint, &options, folder, &mut |_, _, _| {}).unwrap().package
}

fn frame() -> Frame {
    let size = FrameSize::new(96, 64);
    let rgb: Vec<u8> = (0..size.pixels() * 3).map(|i| (i * 31 % 251) as u8).collect();
    Frame::from_rgb(size, rgb).unwrap()
}

fn channels(package: &Package) -> usize {
    let embedding = Segmenter::load(package).unwrap().set_image(&frame()).unwrap();
    embedding.features().unwrap().dim().1
}

/// A token that is handed over embedded counts as the same token made of a label.
#[test]
fn an_embedded_token_is_as_good_as_one_that_the_network_embeds() {
    let folder = tempfile::tempdir().unwrap();
    for weights in [WeightPrecision::F32, WeightPrecision::F16, WeightPrecision::Int8] {
        let package = micro(folder.path(), weights, None);
        let segmenter = Segmenter::load(&package).unwrap();
        let embedding = segmenter.set_image(&frame()).unwrap();
        let mut onnx = pb::ModelProto::decode(package.decoder()).unwrap();
        crate::convert::quantize::in_f32(&mut onnx).unwrap();
        let graph = onnx.graph.unwrap();
        let table = graph.initializer.iter().find(|tensor| tensor.name == LABELS).unwrap();
        let padding = &f32_values(table).unwrap()[..table.dims[1] as usize];
        let mut known = Tokens::default();
        known.push([30.0, 40.0], label::POSITIVE);
        let mut embedded = known.clone();
        known.push([0.0, 0.0], label::PADDING);
        embedded.push_embedded(Array2::from_shape_vec((1, padding.len()), padding.into()).unwrap());
        let decode = |tokens: &Tokens| {
            let batch = std::slice::from_ref(tokens);
            segmenter.decoder.decode(&embedding.prepared, batch, None).unwrap().remove(0)
        };
        let (known, embedded) = (decode(&known), decode(&embedded));
        for (a, b) in known.low_res_logits.iter().zip(&embedded.low_res_logits) {
            assert!((a - b).iter().all(|apart| apart.abs() < 1e-4), "{weights:?}");
        }
        for (a, b) in known.predicted_iou.iter().zip(&embedded.predicted_iou) {
            assert!((a - b).abs() < 1e-5, "{weights:?}");
        }
    }
}

#[test]
fn a_text_names_the_structure_where_the_package_has_an_encoder_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let bare = micro(folder.path(), WeightPrecision::F16, None);
    let text = |values: [f32; LENGTH]| Prompt::default().named(values);
    let one = text([1.0, 0.0, -1.0, 0.5, 0.0, 2.0]);
    let segmenter = Segmenter::load(&bare).unwrap();
    let embedding = segmenter.set_image(&frame()).unwrap();
    let error = segmenter.predict(&embedding, &one).unwrap_err().to_string();
    assert!(error.contains("no text encoder") && error.contains("--text-encoder"), "{error}");

    let encoder = text_encoder(channels(&bare));
    let package = micro(folder.path(), WeightPrecision::F16, Some(encoder.clone()));
    assert_eq!(package.text_encoder(), Some(&*encoder));
    assert_eq!(package.size_bytes(), bare.size_bytes() + encoder.len() as u64);
    let segmenter = Segmenter::load(&package).unwrap();
    let embedding = segmenter.set_image(&frame()).unwrap();
    let logits = |prompt: &Prompt| {
        let masks = segmenter.predict(&embedding, prompt).unwrap();
        assert_eq!(masks.candidates.len(), 1, "a text is not ambiguous");
        masks.best().low_res_logits.clone()
    };
    let other = text([0.0, 1.0, 1.0, 0.0, -3.0, 0.0]);
    assert_ne!(logits(&one), logits(&other));
    assert_eq!(logits(&one), logits(&one));
    let with_point = one.clone().positive(20.0, 20.0);
    assert_ne!(logits(&one), logits(&with_point));
    let negative = one.clone().negative(20.0, 20.0);
    assert_ne!(logits(&with_point), logits(&negative));

    let short = Prompt::default().named([1.0; 3]);
    let error = segmenter.predict(&embedding, &short).unwrap_err().to_string();
    assert!(error.contains("has 3 numbers") && error.contains("6 are needed"), "{error}");
    let nan = text([f32::NAN; LENGTH]);
    assert!(segmenter.predict(&embedding, &nan).is_err());

    // One for another decoder is refused before anything is written.
    let wrong = text_encoder(7);
    let options = ConvertOptions {
        preset: Some(Preset::Sam),
        text_encoder: Some(wrong),
        ..ConvertOptions::new("micro")
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/micro/micro_sam.pth");
    let out = folder.path().join("wrong");
    let error = convert(&root, &options, &out, &mut |_, _, _| {}).unwrap_err().to_string();
    assert!(
        error.contains("it takes 1×6 and gives 1×2×7; for this decoder it must take 1×N")
            && !out.exists(),
        "{error}"
    );
}
