//! Files that are no pair of encoder and decoder.

use super::*;

/// Sets side `axis` of the input `name`; `None` leaves it to the caller.
fn set_side(graph: &mut pb::GraphProto, name: &str, axis: usize, length: Option<i64>) {
    use pb::tensor_shape_proto::dimension::Value;
    let input = graph.input.iter_mut().find(|input| input.name == name).unwrap();
    let Some(pb::type_proto::Value::TensorType(tensor)) = &mut input.r#type.as_mut().unwrap().value
    else {
        panic!("{name} is no tensor");
    };
    let value = length.map_or(Value::DimParam("any".into()), Value::DimValue);
    tensor.shape.as_mut().unwrap().dim[axis].value = Some(value);
}

fn set_type(graph: &mut pb::GraphProto, input: usize, kind: pb::tensor_proto::DataType) {
    let Some(pb::type_proto::Value::TensorType(tensor)) =
        &mut graph.input[input].r#type.as_mut().unwrap().value
    else {
        panic!("input {input} is no tensor");
    };
    tensor.elem_type = kind as i32;
}

#[test]
fn files_that_do_not_fit_are_refused_by_what_is_wrong() {
    let encoder = fs::read(data("encoder.onnx")).unwrap();
    let decoder = fs::read(data("decoder.onnx")).unwrap();
    let hwc = fs::read(data("encoder_hwc.onnx")).unwrap();
    let enc = |change: fn(&mut pb::GraphProto)| changed("encoder.onnx", change);
    let dec = |change: fn(&mut pb::GraphProto)| changed("decoder.onnx", change);
    let cases: Vec<(&str, Vec<u8>, Vec<u8>, &str)> = vec![
        ("an empty file", vec![], decoder.clone(), "e.onnx is not an ONNX model"),
        ("text", b"no network at all".to_vec(), decoder.clone(), "e.onnx is not an ONNX model"),
        (
            "a checkpoint",
            encoder.clone(),
            fs::read(data("../micro/micro.pth")).unwrap(),
            "tapseg convert",
        ),
        ("swapped files", decoder.clone(), encoder.clone(), "point_coords (float 1×num_points×2)"),
        (
            "two encoders",
            encoder.clone(),
            encoder.clone(),
            "d.onnx takes images (float 1×3×64×64) and gives embeddings",
        ),
        (
            "pixels as bytes",
            enc(|g| set_type(g, 0, pb::tensor_proto::DataType::Uint8)),
            decoder.clone(),
            "images (uint8 1×3×64×64)",
        ),
        (
            "four channels",
            enc(|g| set_side(g, "images", 1, Some(4))),
            decoder.clone(),
            "expected an image encoder, which takes one float 1×3×S×S",
        ),
        (
            "an oblong picture",
            enc(|g| set_side(g, "images", 2, Some(48))),
            decoder.clone(),
            "images (float 1×3×48×64)",
        ),
        (
            "another size than the positions have",
            enc(|g| [2, 3].into_iter().for_each(|axis| set_side(g, "images", axis, None))),
            decoder.clone(),
            "e.onnx: the engine can't load it",
        ),
        (
            "a decoder for other embeddings",
            encoder.clone(),
            dec(|g| set_side(g, "image_embeddings", 1, Some(256))),
            "an embedding of 1×32×4×4, and the decoder takes one of 1×256×4×4",
        ),
        (
            "a fixed number of points",
            encoder.clone(),
            dec(|g| set_side(g, "point_coords", 1, Some(5))),
            "point_coords (float 1×5×2)",
        ),
        (
            "a batch of two",
            encoder.clone(),
            dec(|g| set_side(g, "mask_input", 0, Some(2))),
            "mask_input (float 2×1×16×16)",
        ),
        (
            "no masks before they are enlarged",
            encoder.clone(),
            dec(|g| g.output.retain(|o| o.name != "low_res_masks")),
            "expected a decoder",
        ),
        (
            "an operator that nobody knows",
            enc(|g| g.node[5].op_type = "Surprise".into()),
            decoder.clone(),
            "e.onnx: the engine can't load it",
        ),
        (
            "an encoder that divides by 255",
            changed("encoder_hwc.onnx", |g| {
                let weights = g.node.iter_mut().flat_map(|n| &mut n.attribute);
                let std = weights.filter_map(|a| a.t.as_mut()).find(|t| t.dims == [3, 1, 1]);
                let values = [255f32; 3].iter().flat_map(|v| v.to_le_bytes()).collect();
                std.unwrap().raw_data = values;
            }),
            decoder.clone(),
            "e.onnx prepares the picture otherwise than the preset sam: it gives other values",
        ),
    ];
    for (name, encoder, decoder, expected) in cases {
        let error = refusal(&encoder, &decoder).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    // MedSAM's values are those of each picture: whatever the graph does in their place is left out.
    let folder = tempfile::tempdir().unwrap();
    let [e, out] = ["e.onnx", "out"].map(|name| folder.path().join(name));
    fs::write(&e, hwc).unwrap();
    add_onnx(&e, &data("decoder.onnx"), &options(Preset::MedSam), &out).unwrap();
    let again = add_onnx(&e, &data("decoder.onnx"), &options(Preset::MedSam), &out).unwrap_err();
    assert!(matches!(again, ConvertError::Exists { .. }), "{again}");
}

/// Flipped bits may leave a valid pair; they must never take the program down.
#[test]
fn damaged_files_give_an_error_or_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["encoder_hwc.onnx", "decoder_single.onnx"];
    let sound = names.map(|name| fs::read(data(name)).unwrap());
    let paths = ["e.onnx", "d.onnx"].map(|name| folder.path().join(name));
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for round in 0..40 {
        for (path, sound) in paths.iter().zip(&sound) {
            let mut bytes = sound.clone();
            if round % 3 == 0 {
                bytes.truncate(random(bytes.len()));
            } else {
                let at = random(bytes.len());
                bytes[at] ^= 1 << random(8);
            }
            fs::write(path, bytes).unwrap();
        }
        let out = folder.path().join(round.to_string());
        let _ = add_onnx(&paths[0], &paths[1], &options(Preset::Sam), &out);
    }
}
