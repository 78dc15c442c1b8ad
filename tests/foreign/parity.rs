//! The same numbers as PyTorch gives.

use super::*;

fn max_difference<'a>(a: impl IntoIterator<Item = &'a f32>, b: &ArrayD<f32>) -> f32 {
    let a: Vec<f32> = a.into_iter().copied().collect();
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_kind_of_encoder_gives_the_official_embedding() {
    let mut cases = Cases::open();
    for encoder in ["encoder.onnx", "encoder_hwc.onnx", "encoder_dynamo.onnx"] {
        let package = added(encoder, "decoder.onnx", Preset::Sam);
        let manifest = package.manifest();
        assert_eq!(
            manifest.preprocessing,
            Preprocessing { input_size: 64, ..Preprocessing::SAM },
            "{encoder}"
        );
        assert_eq!((&*manifest.name, &*manifest.architecture), ("micro", "onnx"));
        assert_eq!((&*manifest.weights, &*manifest.licence), ("f32", "NOASSERTION"));
        assert!(manifest.source.contains(&format!("{encoder} (sha256 ")), "{}", manifest.source);
        let segmenter = Segmenter::load(&package).unwrap();
        let embedding = segmenter.set_image(&cases.frame()).unwrap();
        let difference =
            max_difference(embedding.features().unwrap().iter(), &cases.get("embedding"));
        assert!(difference <= 1e-4, "{encoder}: {difference}");
    }
}

#[test]
fn every_kind_of_decoder_gives_the_official_masks() {
    let mut cases = Cases::open();
    let kinds = [
        ("decoder.onnx", "", MaskTokens::Multi),
        ("decoder_dynamo.onnx", "", MaskTokens::Multi),
        ("decoder_single.onnx", "single_", MaskTokens::Single),
    ];
    for (decoder, kind, mask_tokens) in kinds {
        let package = added("encoder.onnx", decoder, Preset::Sam);
        assert_eq!(package.manifest().mask_tokens, mask_tokens, "{decoder}");
        let model = tract_onnx::onnx().model_for_read(&mut package.decoder()).unwrap();
        let model = model.into_optimized().unwrap().into_runnable().unwrap();
        for name in PROMPTS {
            let has_mask = if name == "tap_and_mask" { 1.0f32 } else { 0.0 };
            let tensor = |values: ArrayD<f32>| {
                let shape = values.shape().to_vec();
                Tensor::from_shape(&shape, values.as_slice().unwrap()).unwrap().into_tvalue()
            };
            let (coords, labels) = (format!("{name}/coords"), format!("{name}/labels"));
            let given = ["embedding", &coords, &labels, "mask_input"];
            let mut inputs: TVec<_> =
                given.map(|name| tensor(cases.get(name))).into_iter().collect();
            inputs.push(tensor1(&[has_mask]).into());
            let answer = model.run(inputs).unwrap();
            for (output, what) in answer.iter().zip(["low_res_masks", "iou"]) {
                let found = output.to_plain_array_view::<f32>().unwrap();
                let expected = cases.get(&format!("{name}/{kind}{what}"));
                assert_eq!(found.shape(), expected.shape(), "{decoder}, {name}, {what}");
                let difference = max_difference(found.iter(), &expected);
                assert!(difference <= 1e-4, "{decoder}, {name}, {what}: {difference}");
            }
        }
    }
}

#[test]
fn the_predictor_asks_them_as_the_official_one_does() {
    let mut cases = Cases::open();
    let segmenter =
        Segmenter::load(&added("encoder_hwc.onnx", "decoder.onnx", Preset::Sam)).unwrap();
    let embedding = segmenter.set_image(&cases.frame()).unwrap();
    let frame_box = FrameBox { x0: 10.0, y0: 8.0, x1: 41.0, y1: 33.0 };
    let tap = || Prompt::default().positive(20.0, 30.5);
    let mask = cases.get("mask_input").into_shape_with_order((16, 16)).unwrap();
    let logits = MaskPrompt::LowResLogits(std::sync::Arc::new(mask));
    let prompts = [
        tap(),
        tap().negative(5.0, 44.0).positive(50.0, 12.0),
        Prompt::default().in_box(frame_box),
        tap().in_box(frame_box),
        tap().refining(logits),
    ];
    for (name, prompt) in PROMPTS.into_iter().zip(prompts) {
        let tokens = if name == "tap" { 1..4 } else { 0..1 };
        let iou = cases.get(&format!("{name}/iou"));
        let mut best: Vec<usize> = tokens.collect();
        best.sort_by(|&a, &b| iou[[0, b]].total_cmp(&iou[[0, a]]));
        let masks = segmenter.predict(&embedding, &prompt).unwrap();
        assert_eq!(masks.candidates.len(), best.len(), "{name}");
        let low_res = cases.get(&format!("{name}/low_res_masks"));
        for (candidate, token) in masks.candidates.iter().zip(best) {
            assert!((candidate.predicted_iou - iou[[0, token]]).abs() <= 1e-4, "{name}");
            let expected = low_res.index_axis(Axis(1), token).to_owned();
            let difference = max_difference(candidate.low_res_logits.iter(), &expected);
            assert!(difference <= 1e-4, "{name}, token {token}: {difference}");
        }
    }
}

#[test]
fn a_decoder_for_one_prompt_answers_a_tap_through_boxes() {
    let mut cases = Cases::open();
    let package = added("encoder.onnx", "decoder.onnx", Preset::LiteMedSam);
    let manifest = package.manifest();
    assert_eq!(
        (&*manifest.prompts, manifest.mask_tokens),
        (&[PromptKind::Box][..], MaskTokens::Single)
    );
    assert_eq!(manifest.preprocessing.normalisation, Normalisation::MinMax);
    let segmenter = Segmenter::load(&package).unwrap();
    let embedding = segmenter.set_image(&cases.frame()).unwrap();
    let masks = segmenter.predict(&embedding, &Prompt::default().positive(20.0, 30.0)).unwrap();
    assert_eq!(masks.candidates.len(), 7);
    // The larger boxes reach beyond the picture and are cut to it.
    let answers = masks.candidates.iter().map(|c| c.predicted_iou.to_bits());
    assert!(answers.collect::<BTreeSet<_>>().len() >= 3, "each box has its own answer");
}

#[test]
fn a_decoder_for_many_prompts_keeps_its_batch() {
    // LiteMedSAM's micro decoder takes embeddings of 8 × 8 cells, and so do its own encoder's.
    let checkpoint = Checkpoint::open(&data("../micro/micro.pth"), |_, _| ()).unwrap();
    let quantization = Quantization { plain: true, ..Default::default() };
    let options =
        ConvertOptions { input_size: Some(32), quantization, ..ConvertOptions::new("own") };
    let own = Networks::read(&checkpoint, &options, &mut |_, _, _| ()).unwrap();
    let own = own.in_memory("own".as_ref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [encoder, decoder, out] = ["e.onnx", "d.onnx", "out"].map(|n| folder.path().join(n));
    fs::write(&encoder, own.encoder()).unwrap();
    fs::write(&decoder, own.decoder()).unwrap();
    let package = add_onnx(&encoder, &decoder, &super::options(Preset::LiteMedSam), &out).unwrap();
    let decoder = pb::ModelProto::decode(package.decoder()).unwrap();
    let model = tract_onnx::onnx().model_for_proto_model(&decoder).unwrap().into_typed().unwrap();
    assert_eq!(model.input_fact(1).unwrap().shape[0].as_i64(), None);
    let segmenter = Segmenter::load(&package).unwrap();
    let embedding = segmenter.set_image(&Cases::open().frame()).unwrap();
    let masks = segmenter.predict(&embedding, &Prompt::default().positive(20.0, 30.0)).unwrap();
    assert_eq!(masks.candidates.len(), 7);
}
