//! `tapseg convert` and `models check`.

use super::*;

/// The micro checkpoint called `file`.
fn checkpoint(file: &str) -> String {
    data("micro").join(file).display().to_string()
}

#[test]
fn a_checkpoint_becomes_a_package_and_what_it_cost_is_told() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("micro").display().to_string();
    let sam = checkpoint("micro_sam.pth");
    let asked = refused(["convert", &sam, "-o", &folder]);
    assert!(asked.contains("--preset sam"), "{asked}");
    let fitted = ["--weights", "int8", "--calibrate", "phantom", "--target-iou", "0.5", "--report"];
    let convert = ["--json", "convert", &sam, "--preset", "sam", "-o", &folder];
    let report: Value = serde_json::from_str(&ok(convert.iter().chain(&fitted))).unwrap();
    assert_eq!(report["manifest"]["weights"], "int8");
    assert_eq!(report["manifest"]["name"], "micro");
    assert_eq!(report["assumed"].as_array().unwrap().len(), 0);
    let fidelity = &report["fidelity"];
    for measured in ["embedding_cosine", "box_mask_iou", "point_mask_iou"] {
        for figure in ["n", "mean", "p5", "min"] {
            assert!(fidelity[measured][figure].as_f64() > Some(0.0), "{measured} {figure}");
        }
    }
    let written = std::fs::read_to_string(Path::new(&folder).join("fidelity.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), *fidelity);
    assert!(std::fs::read_to_string(Path::new(&folder).join("fidelity.svg")).is_ok());
    let manifest = || std::fs::read(Path::new(&folder).join("model.toml")).unwrap();
    let before = manifest();
    let told = refused(["convert", &sam, "--preset", "sam", "-o", &folder]);
    assert!(told.contains("micro is there already; remove it or give another name"), "{told}");
    assert!(manifest() == before, "the package that is there stays");

    let pictures = tempfile::tempdir().unwrap();
    let picture = data("frames/clarius_contrast.png");
    for file in ["clarius_contrast.png", "clarius_contrast_mask0.png"] {
        std::fs::copy(picture.with_file_name(file), pictures.path().join(file)).unwrap();
    }
    let images = pictures.path().display().to_string();
    let check = ["--json", "models", "check", &folder, "--images", &images];
    let itself: Value = serde_json::from_str(&ok(check)).unwrap();
    let reference: Value =
        serde_json::from_str(&ok(check.iter().chain(&["--reference", &sam]))).unwrap();
    assert_eq!(reference["images"], 1);
    assert_eq!(reference["box_mask_iou"]["n"], 2, "an outline's box, tight and grown");
    for report in [&itself, &reference] {
        assert!(report["embedding_cosine"]["mean"].as_f64() > Some(0.999), "{report}");
        let layers = report["layers"].as_array().unwrap();
        let names: Vec<_> = layers.iter().map(|layer| layer["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), 27, "{names:?}");
        assert!(names.contains(&"mask_decoder.output_upscaling.0"), "{names:?}");
    }
    let table = ok(["models", "check", &folder, "--images", &images]);
    for line in ["own weights", "mask IoU, boxes", "image_encoder.blocks.0.mlp.lin1", "agree least"]
    {
        assert!(table.contains(line), "{line}: {table}");
    }
    // What measuring wrote goes with the package.
    ok(["models", "remove", &folder, "--yes"]);
    assert!(!Path::new(&folder).exists());
}

#[test]
fn what_is_not_possible_is_refused_before_anything_is_written() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("new").display().to_string();
    let micro = checkpoint("micro.pth");
    let cases: [(&[&str], &str); 5] = [
        (&["--calibrate", "phantom"], "--weights int8"),
        (&["--weights", "int8", "--calibrate", "/nowhere"], "/nowhere"),
        (&["--weights", "int8", "--calibrate", &folder], "new"),
        (&["--input-size", "30"], "a multiple of 4"),
        (&["--report", "--images", "/nowhere"], "/nowhere"),
    ];
    for (options, expected) in cases {
        let convert = ["convert", &micro, "-o", &folder];
        let complaint = refused(convert.iter().chain(options));
        assert!(complaint.contains(expected), "{options:?}: {complaint}");
        assert!(!Path::new(&folder).exists(), "{options:?}");
    }
}
