//! The program as its user runs it.

mod bench;
mod board;
mod convert;
mod eval;
mod everything;
mod instances;
mod kernels;
mod label;
mod look;
mod models;
mod records;
mod track;
mod tune;
mod volumes;
mod writing;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ndarray::{Array4, s};
use serde_json::Value;
use tapseg::feed::read_still;

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// The program, without the packages of whoever runs the tests.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapseg"));
    command.env_remove("TAPSEG_MODELS").env("XDG_DATA_HOME", "/nowhere");
    command
}

fn tapseg<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    command().args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed and gives what it prints.
fn ok<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let output = tapseg(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs a command that must fail without a panic, and gives what it complains about.
fn refused<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let output = tapseg(arguments);
    let complaint = text(&output.stderr);
    assert!(!output.status.success(), "it should have failed: {}", text(&output.stdout));
    assert!(complaint.starts_with("error: "), "{complaint}");
    assert!(!complaint.contains("panicked"), "{complaint}");
    complaint
}

#[test]
fn segment_writes_masks_overlay_and_report() {
    let out = tempfile::tempdir().unwrap();
    let picture = data("frames/clarius_eye.png");
    let (picture, folder) = (picture.to_str().unwrap(), out.path().to_str().unwrap());
    let printed = ok(["--json", "segment", picture, "--point", "580,320", "-o", folder]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    let written = std::fs::read_to_string(out.path().join("result.json")).unwrap();
    assert_eq!(report, serde_json::from_str::<Value>(&written).unwrap());
    assert_eq!(report["model"], "litemedsam");
    let shown: Value =
        serde_json::from_str(&ok(["--json", "models", "show", "litemedsam"])).unwrap();
    assert_eq!(report["model_sha256"], shown["manifest_sha256"]);
    assert_eq!(report["size"], serde_json::json!({ "width": 1280, "height": 960 }));
    let point = serde_json::json!({ "position": { "x": 580.0, "y": 320.0 }, "label": "positive" });
    assert_eq!(report["prompt"]["points"], serde_json::json!([point]));
    assert_eq!(report["prompt"]["bounding_box"], Value::Null);
    let none = ["pixel_spacing", "pixel_spacing_from", "unused_region"];
    assert!(none.iter().all(|key| report[key] == Value::Null), "{printed}");
    assert!(report["region"]["x0"].as_f64() > Some(0.0), "the margin is left out: {printed}");
    for key in ["load", "preprocess", "encode", "decode"] {
        assert!(report["timings_ms"][key].as_f64().unwrap() > 0.0, "{key}");
    }
    let masks = report["masks"].as_array().unwrap();
    assert!((1..=3).contains(&masks.len()), "{}", masks.len());
    for (i, mask) in masks.iter().enumerate() {
        assert_eq!(mask["file"], format!("mask-{}.png", i + 1));
        let pixels = image::open(out.path().join(format!("mask-{}.png", i + 1))).unwrap();
        let pixels = pixels.into_luma8();
        assert_eq!(pixels.dimensions(), (1280, 960));
        assert!(pixels.iter().all(|&p| p == 0 || p == 255));
        let inside = pixels.iter().filter(|&&p| p == 255).count() as u64;
        assert_eq!(mask["area_px"], inside);
        assert_eq!(mask["area_mm2"], Value::Null, "a PNG states no pixel spacing");
        assert!((0.0..=1.0).contains(&mask["stability_score"].as_f64().unwrap()));
    }
    let overlay = image::open(out.path().join("overlay.png")).unwrap();
    assert_eq!((overlay.width(), overlay.height()), (1280, 960));
    assert_ne!(overlay.into_rgb8(), image::open(picture).unwrap().into_rgb8());

    // A box has one answer; masks that are no longer proposed are gone.
    let report: Value = serde_json::from_str(&ok([
        "--json",
        "segment",
        picture,
        "--box",
        "305,67,855,572",
        "--threads",
        "100000",
        "-o",
        folder,
    ]))
    .unwrap();
    assert_eq!(report["masks"].as_array().unwrap().len(), 1);
    let left = std::fs::read_dir(out.path()).unwrap().count();
    assert_eq!(left, 3, "mask-1.png, overlay.png, result.json");

    // The mask just written, given back, is refined to about itself.
    let again = tempfile::tempdir().unwrap();
    let best = out.path().join("mask-1.png");
    let (best, folder) = (best.to_str().unwrap(), again.path().to_str().unwrap());
    let printed = ok(["--json", "segment", picture, "--mask", best, "-o", folder]);
    let refined: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(refined["prompt"]["mask"], best);
    let area = |r: &Value| r["masks"][0]["area_px"].as_f64().unwrap();
    assert!((area(&refined) / area(&report) - 1.0).abs() < 0.2);
}

#[test]
fn areas_are_in_square_millimetres_where_the_spacing_is_known() {
    let out = tempfile::tempdir().unwrap();
    let picture = data("feeds/implicit_rgb.dcm");
    let spacing = read_still(&picture).unwrap().pixel_spacing.unwrap();
    let (picture, folder) = (picture.to_str().unwrap(), out.path().to_str().unwrap());
    let printed = ok(["--json", "segment", picture, "--point", "3,3", "-o", folder]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["pixel_spacing"], serde_json::to_value(spacing).unwrap());
    assert_eq!(report["pixel_spacing_from"], "file");
    for mask in report["masks"].as_array().unwrap() {
        let expected = mask["area_px"].as_f64().unwrap() * f64::from(spacing.pixel_area_mm2());
        assert!((mask["area_mm2"].as_f64().unwrap() - expected).abs() <= 1e-4 * expected);
    }
}

#[test]
fn spacings_given_by_hand_make_millimetres() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let picture = data("frames/clarius_eye.png");
    let picture = picture.to_str().unwrap();
    let segment = ["segment", picture, "--box", "305,67,855,572", "-o", folder];
    let scale = ["--spacing", "0.05x0.1", "--transducer-row", "87"];
    let printed = ok(["--json"].iter().chain(&segment).chain(&scale));
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["pixel_spacing_from"], "--spacing");
    let mask = &report["masks"][0];
    let sizes = &mask["measurements"];
    assert_eq!(sizes["area"]["unit"], "mm2");
    let number = |value: &Value| value.as_f64().unwrap();
    let expected = number(&mask["area_px"]) * 0.005;
    assert!((number(&sizes["area"]["value"]) / expected - 1.0).abs() < 1e-6);
    // The eye nearly fills its box of 27.5 x 50.5 mm.
    let diameter = |name: &str| number(&sizes[name]["length"]["value"]);
    assert!((40.0..51.0).contains(&diameter("longest_diameter")), "{sizes}");
    assert!((21.0..28.0).contains(&diameter("perpendicular_diameter")), "{sizes}");
    assert_eq!(sizes["depth"]["nearest"]["unit"], "mm");
    assert!(ok(segment).contains(" px\u{b2}"), "without a spacing");
    let output = tapseg(segment.iter().chain(&["--spacing", "12cm"]));
    assert!(text(&output.stderr).contains("millimetres a pixel"), "{}", text(&output.stderr));
}

#[test]
fn a_region_that_is_not_on_the_picture_is_refused() {
    let clip = data("clip").display().to_string();
    let picture = data("clip/f013.png").display().to_string();
    for region in ["2640,87,3015,872", "10,10,5000,960"] {
        for (verb, input) in [("segment", &picture), ("track", &clip)] {
            let point = ["--point", "580,328", "-o", "never-made"];
            let told = refused([&[verb, input, "--region", region][..], &point].concat());
            assert!(told.contains("beyond the frame of 1280x960"), "{verb}: {told}");
        }
    }
    // A prompt on the margin is answered on all of the frame, which is told.
    let out = tempfile::tempdir().unwrap();
    let segment = ["segment", &picture, "-o", out.path().to_str().unwrap(), "--point"];
    let told = |at| text(&tapseg(segment.iter().chain(&[at])).stderr);
    assert!(told("20,20").contains("outside of the picture that was found"));
    let report = std::fs::read_to_string(out.path().join("result.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["region"], Value::Null);
    assert!(report["unused_region"]["x0"].as_f64() > Some(20.0), "{report}");
    assert_eq!(told("580,328"), "");
}

#[test]
fn demo_outlines_real_ultrasound() {
    let out = tempfile::tempdir().unwrap();
    let printed = ok(["--json", "demo", "--out", out.path().to_str().unwrap()]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    let steps = report["steps"].as_array().unwrap();
    let dice = |name: &str| {
        let step = steps.iter().find(|s| s["step"] == name).unwrap();
        let picture = image::open(step["picture"].as_str().unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), (1280, 800), "{name}");
        step["dice"].as_f64().unwrap()
    };
    // The outlines are good to 0.03; which frame is frozen depends on how fast the machine is.
    assert!(dice("box round the eye") > 0.91);
    assert!(dice("tap on the eye") > 0.9);
    assert!(dice("tap on the nerve") > 0.7);
    assert!(dice("the eye followed live") > 0.88);
    // Two are tapped, one of which may be kept from before; while it is followed there are others.
    let count = |figure: &Value| figure.as_u64().unwrap();
    assert!(count(&report["run"]["encode"]["count"]) + count(&report["run"]["cache_hits"]) >= 3);
    assert!(report["run"]["decode"]["median_ms"].as_f64() > Some(0.0));
}

#[test]
fn run_plays_into_pictures() {
    let out = tempfile::tempdir().unwrap();
    let screen = format!("picture:{}", out.path().display());
    let phantom = "phantom:seed=3,size=320x240,fps=20";
    let common = ["--size", "400x300", "--screen", &screen];
    let endless = ["run", "--feed", phantom];
    assert!(refused(endless.iter().chain(&common)).contains("--frames"));
    let bounded = ["--json", "run", "--feed", phantom, "--frames", "8", "--fps", "max"];
    let printed = ok(bounded.iter().chain(&common));
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert!(report["frames_shown"].as_u64() >= Some(1));
    // A shorter run into the same folder leaves nothing of the longer one.
    let many = std::fs::read_dir(out.path()).unwrap().count();
    ok(["run", "--feed", phantom, "--frames", "1"].iter().chain(&common));
    assert!(std::fs::read_dir(out.path()).unwrap().count() <= many.min(3));
    let first = image::open(out.path().join("frame-00000.png")).unwrap();
    assert_eq!((first.width(), first.height()), (400, 300));

    let without = command()
        .args(["run", "--feed", "phantom"])
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .unwrap();
    assert!(text(&without.stderr).contains("picture:DIR"), "{}", text(&without.stderr));
    assert!(refused(["run", "--feed", "/nowhere"]).contains("/nowhere"));
    assert!(refused(["run", "--feed", "phantom:speed=3"]).contains("speed"));
    assert!(refused(["run", "--feed", "phantom", "--screen", "tv"]).contains("picture:DIR"));
}

#[test]
fn embed_writes_the_embedding_for_numpy() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("embedding.npy");
    let picture = data("frames/clarius_eye.png");
    ok(["embed", picture.to_str().unwrap(), "-o", file.to_str().unwrap()]);
    let found: Array4<f32> = ndarray_npy::read_npy(&file).unwrap();
    assert_eq!(found.shape(), [1, 256, 64, 64]);
    let cases = std::fs::File::open(data("litemedsam/cases.npz")).unwrap();
    let expected: Array4<f32> =
        ndarray_npy::NpzReader::new(cases).unwrap().by_name("clarius_eye/embedding.npy").unwrap();
    let difference = found.slice(s![.., ..;32, .., ..]).to_owned() - &expected;
    let power = |values: &Array4<f32>| values.iter().map(|v| v * v).sum::<f32>();
    // 23 dB, as in parity.rs.
    assert!(power(&expected) > 200.0 * power(&difference));
}

#[test]
fn embed_writes_several_pictures_to_a_folder() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("embeddings");
    let folder = folder.to_str().unwrap();
    let pictures = ["frames/clarius_eye.png", "frames/clarius_contrast.png"].map(data);
    let [eye, contrast] = [&pictures[0], &pictures[1]].map(|p| p.to_str().unwrap());
    let report = ok(["embed", eye, contrast, "-o", folder, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report[1]["shape"], serde_json::json!([1, 256, 64, 64]));
    for name in ["clarius_eye.npy", "clarius_contrast.npy"] {
        let found: Array4<f32> = ndarray_npy::read_npy(Path::new(folder).join(name)).unwrap();
        assert_eq!(found.shape(), [1, 256, 64, 64]);
    }
    let complaint = refused(["embed", eye, eye, "-o", folder]);
    assert!(complaint.contains("two of the pictures"), "{complaint}");
}

#[test]
fn slips_are_told_with_their_remedy() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let picture = data("frames/clarius_eye.png");
    let picture = picture.to_str().unwrap();
    let text_file = out.path().join("notes.png");
    std::fs::write(&text_file, "no picture at all").unwrap();
    let text_file = text_file.to_str().unwrap();
    let small = data("eval/kinds/deep.png");
    let small = small.to_str().unwrap();
    let cases: [(&[&str], &str); 15] = [
        (
            &["segment", picture, "--scribble", "500,300 6000,300", "-o", folder],
            "--scribble: the point (6000, 300) is not on the frame of 1280x960",
        ),
        (&["segment", picture, "-o", folder], "give a point, a box or a mask"),
        (
            &["segment", picture, "--point", "5000,10", "-o", folder],
            "(5000, 10) is not on the frame of 1280x960",
        ),
        (&["segment", picture, "--point", "nan,10", "-o", folder], "not on the frame"),
        (&["segment", picture, "--box", "2000,0,2100,10", "-o", folder], "not on the frame"),
        (&["segment", picture, "--point", "5,5,0", "-o", folder], "only negative points"),
        (&["segment", picture, "--box", "10,10,2000,2000", "-o", folder], "less than half of it"),
        (&["track", picture, "--box", "2000,2000,10,10", "-o", folder], "less than half of it"),
        (
            &["segment", picture, "--point", "5,5", "--transducer-row", "960", "-o", folder],
            "960 pixels high",
        ),
        (&["segment", "/nowhere.png", "--point", "5,5", "-o", folder], "/nowhere.png"),
        (&["segment", text_file, "--point", "5,5", "-o", folder], "notes.png"),
        (
            &["segment", picture, "--point", "5,5", "-o", folder, "--model", "/no"],
            "/no is no package's",
        ),
        (&["models", "--models-dir", "/no"], "--models-dir /no: there is no such folder"),
        (&["segment", picture, "--mask", small, "-o", folder], "deep.png: it is"),
        (
            &["segment", picture, "--point", "5,5", "--prior", small, "-o", folder],
            "deep.png: it is",
        ),
    ];
    for (arguments, expected) in cases {
        let complaint = refused(arguments);
        assert_eq!(complaint.matches(expected).count(), 1, "{arguments:?}: {complaint}");
    }
    let name = format!("not {picture}");
    let told = refused(["segment", picture, "--point", "5,5", "--window", "40,400", "-o", folder]);
    assert!(told.contains(&name), "{told}");
    let told = refused(["segment", picture, "--point", "5,5", "--slice", "3", "-o", folder]);
    assert!(told.contains("clarius_eye.png is a single picture"), "{told}");
    for verb in [&["segment", picture, "-o", folder][..], &["eval", "phantom"], &["bench"]] {
        let output = tapseg(verb.iter().chain(&["--threads", "0"]));
        assert!(text(&output.stderr).contains("at least 1"), "{}", text(&output.stderr));
    }
    for (option, value, expected) in [
        ("--spacing", "-1", "-1 mm a pixel can't be"),
        ("--slice", "-1", "a whole number, at least 0"),
        ("--threads", "-2", "at least 1"),
    ] {
        let output = tapseg(["segment", picture, "--point", "5,5", "-o", folder, option, value]);
        let told = text(&output.stderr);
        assert!(told.contains(expected) && !told.contains("-- -"), "{told}");
    }
    let output = tapseg(["track", picture, "--encode-ms", "-5", "-o", folder]);
    assert!(text(&output.stderr).contains("a whole number, at least 0"));
    // What clap itself refuses, it explains with the value.
    let output = tapseg(["segment", picture, "--point", "5", "-o", folder]);
    assert!(text(&output.stderr).contains("2 numbers are needed"));
}

#[test]
fn a_box_that_is_cut_to_the_picture_is_told() {
    let out = tempfile::tempdir().unwrap();
    let picture = data("frames/clarius_eye.png");
    let segment = |corners: &str| {
        let [picture, folder] = [&picture, out.path()].map(|path| path.to_str().unwrap());
        let output = tapseg(["segment", picture, "--box", corners, "-o", folder]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let told = segment("640,-100,1600,900");
    assert!(
        told.contains("--box 640,-100,1600,900 is cut to the picture: 640,0,1279,900"),
        "{told}"
    );
    assert_eq!(segment("305,67,855,572"), "");
}

#[test]
fn help_has_an_example_for_every_verb() {
    for verb in [
        "demo",
        "run",
        "records",
        "segment",
        "everything",
        "instances",
        "proposals",
        "edges",
        "volume",
        "embed",
        "models",
        "convert",
        "bench",
        "eval",
        "calibrate",
        "label",
        "tune",
    ] {
        let help = ok([verb, "--help"]);
        assert!(help.contains(&format!("tapseg {verb}")) && help.contains("Example"), "{help}");
    }
    for verb in ["everything", "edges", "bench"] {
        assert!(ok([verb, "--help"]).contains("NIfTI"), "{verb}");
    }
    for verb in ["list", "show", "verify", "add", "remove"] {
        let help = ok(["models", verb, "--help"]);
        let example = help.split_once("Example").map(|(_, example)| example).unwrap_or_default();
        assert!(example.contains("tapseg models"), "{help}");
    }
}

#[test]
fn nobody_reading_on_is_no_error() {
    let mut child = command()
        .args(["--json", "models"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn a_text_needs_a_package_with_a_text_encoder() {
    let out = tempfile::tempdir().unwrap();
    let embedding = out.path().join("lesion.npy");
    ndarray_npy::write_npy(&embedding, &ndarray::Array1::<f32>::zeros(4)).unwrap();
    let picture = data("frames/clarius_eye.png").display().to_string();
    let folder = out.path().join("masks").display().to_string();
    let told = |file: &str| refused(["segment", &picture, "--text-embedding", file, "-o", &folder]);
    let complaint = told(embedding.to_str().unwrap());
    assert!(complaint.contains("litemedsam has no text encoder"), "{complaint}");
    let complaint = told(&picture);
    assert!(complaint.contains("no array of 32-bit floats"), "{complaint}");
}

#[test]
fn a_mask_of_zeros_and_ones_is_told_as_that() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("labels.png");
    let labels = image::GrayImage::from_fn(1280, 960, |x, _| image::Luma([u8::from(x > 640)]));
    labels.save(&file).unwrap();
    let picture = data("frames/clarius_eye.png").display().to_string();
    let told = |more: &[&str]| {
        let segment = ["segment", &picture, "--mask", file.to_str().unwrap(), "-o", "never-made"];
        refused(segment.iter().chain(more))
    };
    let complaint = told(&[]);
    assert!(complaint.contains("labels.png: its brightest value is 1, and"), "{complaint}");
    // With a box it was left out without a word.
    assert_eq!(told(&["--box", "305,67,855,572"]), complaint);
}
