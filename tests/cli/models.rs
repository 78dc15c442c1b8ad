//! `tapseg models`.

use super::*;

/// A copy of the package that ships, called `name`, in `folder`.
fn copy_of_shipped(folder: &Path, name: &str) -> PathBuf {
    let copy = folder.join(name);
    std::fs::create_dir_all(&copy).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/litemedsam");
    for file in ["model.toml", "encoder.onnx", "decoder.onnx", "tap_head.onnx"] {
        std::fs::copy(shipped.join(file), copy.join(file)).unwrap();
    }
    copy
}

#[test]
fn models_are_found_by_name_listed_shown_and_verified() {
    let out = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| out.path().join(name));
    let mine = copy_of_shipped(&first, "mine");
    copy_of_shipped(&second, "mine");
    let (dir, other) = (first.to_str().unwrap(), second.to_str().unwrap());
    let folders = ["--models-dir", dir, "--models-dir", other];
    let with = |arguments: &[&str]| {
        arguments.iter().chain(&folders).map(ToString::to_string).collect::<Vec<_>>()
    };

    let listed: Value = serde_json::from_str(&ok(with(&["--json", "models"]))).unwrap();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|m| &m["name"]).collect();
    assert_eq!(names, ["litemedsam", "mine", "mine"]);
    assert_eq!(listed[1]["place"], mine.to_str().unwrap());
    assert_eq!((&listed[1]["shadowed"], &listed[2]["shadowed"]), (&false.into(), &true.into()));
    let sizes = ["encoder.onnx", "decoder.onnx", "tap_head.onnx"]
        .map(|file| std::fs::metadata(mine.join(file)).unwrap().len());
    let bytes: u64 = sizes.iter().sum();
    assert!(listed.as_array().unwrap().iter().all(|m| m["bytes"] == bytes));
    let table = ok(with(&["models", "list"]));
    assert_eq!(table.matches("another of this name comes first").count(), 1, "{table}");
    let by_variable = command().env("TAPSEG_MODELS", dir).arg("models").output().unwrap();
    assert!(text(&by_variable.stdout).contains(mine.to_str().unwrap()));

    let shown: Value =
        serde_json::from_str(&ok(with(&["--json", "models", "show", "mine"]))).unwrap();
    assert_eq!(shown["parameters"].as_f64().map(|n| (n / 1e5).round()), Some(99.0));
    assert_eq!(shown["manifest"]["licence"], "Apache-2.0");
    let shown = ok(["models", "show", mine.to_str().unwrap()]);
    for line in ["parameters     9.8", "trained for    box", "256x256", "weights        int8"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(ok(with(&["models", "verify"])).matches("sound").count(), 3);

    let mut decoder = std::fs::read(mine.join("decoder.onnx")).unwrap();
    decoder[1_000_000] ^= 1;
    std::fs::write(mine.join("decoder.onnx"), decoder).unwrap();
    assert!(refused(with(&["models", "verify"])).contains("1 of 3 packages"));
    assert!(refused(with(&["models", "verify", "mine"])).contains("1 of 1 packages"));
    assert!(ok(with(&["models", "verify", "litemedsam"])).contains("sound"));
    // One that nothing was changed in, but that no engine can load.
    let theirs = second.join("mine");
    std::fs::write(theirs.join("encoder.onnx"), "no network").unwrap();
    let manifest = std::fs::read_to_string(theirs.join("model.toml")).unwrap();
    let sum = |bytes: &[u8]| {
        use sha2::Digest;
        sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    let stated = sum(&std::fs::read(mine.join("encoder.onnx")).unwrap());
    assert!(manifest.contains(&stated));
    std::fs::write(theirs.join("model.toml"), manifest.replace(&stated, &sum(b"no network")))
        .unwrap();
    let output = tapseg(["models", "verify", theirs.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("encoder of"), "{}", text(&output.stdout));
    assert!(!text(&output.stdout).contains("sound"), "{}", text(&output.stdout));
    let picture = data("frames/clarius_eye.png");
    let segment = ["segment", picture.to_str().unwrap(), "--point", "5,5", "-o", dir, "--model"];
    let complaint = refused(with(&[&segment[..], &["mine"]].concat()));
    assert!(complaint.contains("decoder.onnx: SHA-256 is"), "{complaint}");
    let complaint = refused(with(&[&segment[..], &["yours"]].concat()));
    assert!(complaint.contains("there are: litemedsam, mine."), "{complaint}");
    assert!(complaint.contains(&format!("Looked in {dir}, {other}, /nowhere/tapseg/models")));
}

#[test]
fn models_are_removed_when_it_is_meant() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().to_str().unwrap();
    let [mine, bare] = ["mine", "bare"].map(|name| copy_of_shipped(out.path(), name));
    std::fs::write(mine.join("notes.txt"), "of the owner").unwrap();
    let remove = |more: &[&str]| {
        ["models", "--models-dir", dir, "remove"]
            .iter()
            .chain(more)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert!(refused(remove(&["mine"])).contains("--yes"));
    assert!(refused(remove(&["litemedsam", "--yes"])).contains("inside the program"));
    assert!(refused(remove(&["absent", "--yes"])).contains("there are: litemedsam, bare, mine"));
    assert!(refused(remove(&[dir, "--yes"])).contains("is no package's folder"));
    assert!(mine.join("encoder.onnx").exists());

    assert!(ok(remove(&["mine", "--yes"])).contains("left there: notes.txt"));
    let left: Vec<_> = std::fs::read_dir(&mine).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    // One whose removal was broken off is removed all the same.
    std::fs::remove_file(bare.join("encoder.onnx")).unwrap();
    let report = ok(["--json".to_owned()].into_iter().chain(remove(&["bare", "--yes"])));
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["left"], Value::Array(vec![]));
    assert!(!bare.exists());
}

#[test]
fn an_exported_pair_is_added_and_used_by_its_name() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("models").display().to_string();
    let [encoder, decoder] = ["encoder_hwc.onnx", "decoder.onnx"]
        .map(|file| data("foreign").join(file).display().to_string());
    let add = |more: &[&str]| {
        let pair = ["--json", "models", "add", "--encoder", &encoder, "--decoder", &decoder];
        let folder = ["--models-dir", &dir, "--preset", "sam"];
        let all = pair.iter().chain(&folder).chain(more);
        all.map(ToString::to_string).collect::<Vec<_>>()
    };
    let report: Value = serde_json::from_str(&ok(add(&["--name", "tiny"]))).unwrap();
    assert_eq!((&report["name"], &report["shadowed"]), (&"tiny".into(), &false.into()));
    assert_eq!(report["manifest"]["preprocessing"]["input_size"], 64);
    assert!(refused(add(&["--name", "tiny"])).contains("is there already"));
    assert!(refused(add(&["--name", "../tiny"])).contains("must not start with a dot"));
    assert!(refused(add(&["--name", "litemedsam"])).contains("inside the program has it"));
    assert_eq!(serde_json::from_str::<Value>(&ok(add(&[]))).unwrap()["name"], "encoder_hwc");

    let picture = data("frames/clarius_eye.png");
    let masks = out.path().join("masks").display().to_string();
    let segment = ["--json", "segment", picture.to_str().unwrap(), "--point", "580,320"];
    let more = ["-o", &masks, "--model", "tiny", "--models-dir", &dir];
    let report: Value = serde_json::from_str(&ok(segment.iter().chain(&more))).unwrap();
    assert_eq!(report["model"], "tiny");
    assert_eq!(report["masks"].as_array().unwrap().len(), 3);
}

#[test]
fn a_prompt_that_a_package_was_not_trained_for_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let package = super::everything::points_package(out.path());
    let manifest = Path::new(&package).join("model.toml");
    let stated = std::fs::read_to_string(&manifest).unwrap();
    let all = "prompts = [\"point\", \"box\", \"mask\"]";
    assert!(stated.contains(all), "{stated}");
    let [picture, mask] = ["frames/clarius_eye.png", "frames/clarius_eye_mask0.png"].map(data);
    let [picture, mask] = [&picture, &mask].map(|path| path.to_str().unwrap());
    let masks = out.path().join("masks").display().to_string();
    let with = |argument: &'static str, value: &str| {
        ["segment", picture, "--model", &package, "-o", &masks, argument, value].map(String::from)
    };
    ok(with("--box", "305,67,855,572"));
    std::fs::write(&manifest, stated.replace(all, "prompts = [\"point\"]")).unwrap();
    ok(with("--point", "580,320"));
    for (argument, value, kind) in [("--box", "305,67,855,572", "box"), ("--mask", mask, "mask")] {
        let told = refused(with(argument, value));
        assert!(told.contains(argument) && told.contains(&format!("add {kind:?}")), "{told}");
    }
}
