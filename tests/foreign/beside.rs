//! Weights in files beside the `.onnx`.

use super::*;

/// The decoder with its larger weights in the file that `location` names, and these weights.
fn with_weights_beside(location: &str) -> (Vec<u8>, Vec<u8>) {
    let mut weights = Vec::new();
    let onnx = changed("decoder.onnx", |graph| {
        for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.raw_data.len() >= 64) {
            let entry =
                |key: &str, value: String| pb::StringStringEntryProto { key: key.into(), value };
            tensor.external_data = vec![
                entry("location", location.into()),
                entry("offset", weights.len().to_string()),
                entry("length", tensor.raw_data.len().to_string()),
            ];
            weights.append(&mut tensor.raw_data);
            tensor.data_location = Some(pb::tensor_proto::DataLocation::External as i32);
        }
    });
    (onnx, weights)
}

#[test]
fn weights_beside_the_file_are_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("model");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("d.onnx");
    let add = |location: &str| {
        fs::write(&path, with_weights_beside(location).0).unwrap();
        let out = folder.path().join("out");
        let result = add_onnx(&data("encoder.onnx"), &path, &options(Preset::Sam), &out);
        let _ = fs::remove_dir_all(out);
        result.map_err(|e| e.to_string())
    };
    let weights = with_weights_beside("").1;
    assert!(weights.len() > 50_000);
    let error = add("d.onnx.data").unwrap_err();
    assert!(error.contains("\"d.onnx.data\"") && error.contains("put it beside"), "{error}");

    fs::write(inner.join("d.onnx.data"), &weights).unwrap();
    let package = add("d.onnx.data").unwrap();
    let whole = added("encoder.onnx", "decoder.onnx", Preset::Sam);
    assert!(package.decoder() == whole.decoder(), "as if they had been inside");
    add("./d.onnx.data").unwrap();

    fs::write(inner.join("short.data"), &weights[..weights.len() - 1]).unwrap();
    fs::write(folder.path().join("outside.data"), &weights).unwrap();
    std::os::unix::fs::symlink("../outside.data", inner.join("link.data")).unwrap();
    std::os::unix::fs::symlink("d.onnx.data", inner.join("inner.data")).unwrap();
    fs::create_dir(inner.join("folder.data")).unwrap();
    add("inner.data").unwrap();
    let outside = folder.path().join("outside.data").display().to_string();
    for (location, expected) in [
        ("short.data", "the file is cut short or belongs to another .onnx"),
        ("../outside.data", "from the folder of the .onnx alone"),
        (&outside, "from the folder of the .onnx alone"),
        ("", "from the folder of the .onnx alone"),
        ("link.data", "a link out of the folder"),
        ("folder.data", "not a regular file"),
    ] {
        let error = add(location).unwrap_err();
        assert!(error.contains(expected), "{location}: {error}");
    }
}

#[test]
fn weights_beside_with_sizes_that_can_not_be_are_refused() {
    let refused = |change: &dyn Fn(&mut pb::TensorProto)| {
        let mut model = pb::ModelProto::decode(&*with_weights_beside("d.onnx").0).unwrap();
        let graph = model.graph.as_mut().unwrap();
        let tensor = graph.initializer.iter_mut().find(|t| !t.external_data.is_empty());
        change(tensor.unwrap());
        let encoder = fs::read(data("encoder.onnx")).unwrap();
        refusal(&encoder, &model.encode_to_vec()).to_string()
    };
    let set = |at: usize, value: &str| {
        let value = value.to_owned();
        refused(&move |tensor: &mut pb::TensorProto| tensor.external_data[at].value = value.clone())
    };
    assert!(set(1, "-1").contains("is not a number"));
    assert!(set(1, "18446744073709551615").contains("cut short"));
    assert!(set(2, "3").contains("states another length"));
    let sides = |dims: [i64; 2]| {
        refused(&move |tensor: &mut pb::TensorProto| {
            tensor.dims = dims.into();
            tensor.external_data.truncate(2);
        })
    };
    assert!(sides([-1, 4]).contains("can't be read"));
    assert!(sides([i64::MAX, i64::MAX]).contains("can't be read"));
    assert!(sides([1 << 20, 1 << 20]).contains("limit of 2147483647 bytes"));
}
