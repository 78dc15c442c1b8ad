//! `tapseg label`; what it does in its window is in tests/session.rs.

use tapseg::Mask;
use tapseg::label::{About, LabelSet, Origin};

use super::bench::plain;
use super::*;

#[test]
fn what_can_not_be_labelled_is_refused_before_a_window_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let complaint = refused(["label", &path]);
    assert!(complaint.contains("no pictures are there"), "{complaint}");
    let among = refused(["label", &path, "--out", &path]);
    assert!(among.contains("give another folder"), "{among}");
    let missing = format!("{path}/nowhere");
    assert!(refused(["label", &missing]).contains("nowhere"));
    std::fs::copy(data("frames/clarius_eye.png"), folder.path().join("eye.png")).unwrap();
    for (names, wrong) in [
        ("cyst,cyst", "twice"),
        ("cyst,", "empty"),
        ("a\x1b,b", "shown"),
        ("cyst,ไทย", "the name \"ไทย\" has a letter that there is no picture of"),
    ] {
        let complaint = refused(["label", &path, "--names", names]);
        assert!(complaint.contains(wrong), "{complaint}");
    }
    std::fs::write(folder.path().join("file"), "").unwrap();
    let out = format!("{path}/file");
    assert!(refused(["label", &path, "--out", &out]).contains("--out"));
    assert!(refused(["label", &out]).contains("give the folder"));
    assert!(refused(["label", &path, "--language", "fr"]).contains("give en, zh"));
}

#[test]
fn without_a_display_the_advice_is_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(data("frames/clarius_eye.png"), folder.path().join("eye.png")).unwrap();
    let mut label = command();
    label.arg("label").arg(folder.path()).arg("--out").arg(folder.path().join("out"));
    for display in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        label.env_remove(display);
    }
    let output = label.output().unwrap();
    let complaint = text(&output.stderr);
    assert!(!output.status.success() && complaint.contains("takes a window"), "{complaint}");
    assert!(complaint.contains("DISPLAY") && !complaint.contains("--screen"), "{complaint}");
}

#[test]
fn a_labelled_dataset_is_evaluated_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("scans");
    std::fs::create_dir(&pictures).unwrap();
    for name in ["a.png", "b.png"] {
        std::fs::copy(data("frames/clarius_eye.png"), pictures.join(name)).unwrap();
    }
    let out = folder.path().join("labels");
    let names = ["cyst", "nerve"].map(str::to_owned).to_vec();
    let mut set = LabelSet::open(&pictures, &out, names).unwrap();
    for (picture, name, side) in [(0, "cyst", 300), (0, "nerve", 200), (1, "nerve", 250)] {
        let frame = set.read(picture).unwrap();
        let width = frame.size().width;
        let inside = |i: u32| u8::from(i % width < side && i / width < side);
        let pixels = (0..frame.size().pixels() as u32).map(inside).collect();
        let about = About {
            name: name.into(),
            origin: Origin::Pointed,
            points: vec![],
            bounding_box: None,
            prompts: 1,
            predicted_iou: 0.9,
            model: "micro".into(),
            seconds: 1.0,
        };
        set.keep(picture, &frame, &Mask::from_pixels(frame.size(), pixels), about).unwrap();
    }
    assert!(set.close().problems.is_empty());
    let (package, out) = (plain(folder.path()), out.display().to_string());
    let eval = ["eval", &out, "--protocol", "box", "--model", &package];
    let report: Value = serde_json::from_str(&ok(["--json"].iter().chain(&eval))).unwrap();
    assert_eq!(report["problems"], serde_json::json!([]));
    let rows = report["results"].as_array().unwrap().iter();
    let rows: Vec<_> =
        rows.map(|row| (row["class"].as_str(), &row["metrics"]["dice"]["n"])).collect();
    assert_eq!(rows, [(None, &3.into()), (Some("cyst"), &1.into()), (Some("nerve"), &2.into())]);
    let table = ok(eval);
    assert!(table.contains(" cyst ") && table.contains(" nerve "), "{table}");
}
