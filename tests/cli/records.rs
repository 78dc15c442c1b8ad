//! `tapseg records`.

use super::*;

#[test]
fn a_folder_without_records_is_no_error() {
    let empty = tempfile::tempdir().unwrap();
    let nowhere = empty.path().join("nowhere");
    for folder in [empty.path(), &nowhere] {
        let folder = folder.to_str().unwrap();
        let to = empty.path().to_str().unwrap();
        for what in [&["list"][..], &["verify"], &["export", "--to", to]] {
            let output = tapseg(["records", "--save-dir", folder].iter().chain(what));
            let told = text(&output.stderr);
            assert!(output.status.success() && output.stdout.is_empty(), "{what:?}: {told}");
            let expected = format!("nothing was saved in {folder} yet; --save-dir names another");
            assert!(told.contains(&expected), "{what:?}: {told}");
        }
    }
}

#[test]
fn an_unknown_record_and_a_missing_stick_are_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let save_dir = folder.path().to_str().unwrap();
    let records = ["records", "--save-dir", save_dir];
    for what in [&["show", "absent"][..], &["export", "absent", "--to", save_dir]] {
        let complaint = refused(records.iter().chain(what));
        assert!(complaint.contains("absent: no such record; `tapseg records list`"), "{complaint}");
    }
    let record = folder.path().join("20261127T081502.123Z");
    std::fs::create_dir(&record).unwrap();
    std::fs::write(record.join("record.json"), r#"{"files": []}"#).unwrap();
    let complaint = refused(records.iter().chain(&["export", "--to", "/nowhere/usb"]));
    assert!(complaint.starts_with("error: /nowhere/usb: no such folder"), "{complaint}");
}

#[test]
fn a_volume_takes_two_views_that_share_an_axis() {
    let folder = tempfile::tempdir().unwrap();
    // Rectangles of 50 x 30 and 40 x 28 mm, and a small one.
    let object = |width: usize, height: usize| {
        let size = tapseg::FrameSize::new(60, 60);
        let inside = |(x, y): (usize, usize)| u8::from(x < width && y < height);
        let pixels = (0..60 * 60).map(|i| inside((i % 60, i / 60))).collect();
        let mask = tapseg::Mask::from_pixels(size, pixels);
        let spacing = tapseg::PixelSpacing { row_mm: 1.0, column_mm: 1.0 };
        let sizes = tapseg::measure::Measurements::of(&mask, Some(spacing), None);
        serde_json::json!({ "measurements": sizes })
    };
    let name = "20261127T081502.123Z";
    let record = folder.path().join(name);
    std::fs::create_dir(&record).unwrap();
    let objects = [object(50, 30), object(40, 28), object(6, 5)];
    let json = serde_json::json!({ "files": [], "objects": objects });
    std::fs::write(record.join("record.json"), json.to_string()).unwrap();
    let volume = |views: [&str; 2]| {
        let views = views.map(|number| format!("{name}{number}"));
        let records =
            ["--json", "records", "--save-dir", folder.path().to_str().unwrap(), "volume"];
        tapseg(records.iter().map(ToString::to_string).chain(views))
    };
    for same in [["", ""], ["", ":1"], [":2", ":2"]] {
        let output = volume(same);
        assert!(!output.status.success(), "{same:?}");
        assert!(text(&output.stderr).contains("one and the same view"), "{same:?}");
    }
    let found = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let views = volume(["", ":2"]);
    let told = found(&views);
    assert_eq!((&told["unit"], text(&views.stderr)), (&"ml".into(), String::new()), "{told}");
    assert!((0.0..0.2).contains(&told["disagreement"].as_f64().unwrap()), "{told}");
    let apart = volume(["", ":3"]);
    assert!(apart.status.success() && text(&apart.stderr).contains("may be of different"));
    assert!(found(&apart)["disagreement"].as_f64() > Some(0.5), "{}", found(&apart));
}

/// A record that can't be read is named, fails the command, and keeps no other back.
#[test]
fn damaged_records_are_told_and_keep_no_other_back() {
    let (folder, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (cut, lost, whole) =
        ("20261127T081501.000Z", "20261127T081502.000Z", "20261127T081503.000Z");
    for name in [cut, lost, whole] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::create_dir(folder.path().join("somebody's")).unwrap();
    let json = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name).join("record.json"), text).unwrap();
    };
    json(cut, r#"{"files": ["#);
    json(whole, r#"{"files": []}"#);
    let to = stick.path().to_str().unwrap();
    for what in [&["list"][..], &["list", "--json"], &["verify"], &["export", "--to", to]] {
        let save_dir = folder.path().to_str().unwrap();
        let output = tapseg(["records", "--save-dir", save_dir].iter().chain(what));
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success(), "{what:?}: {told}");
        for name in [cut, lost, whole] {
            assert!(told.contains(name), "{what:?}, {name}: {told}");
        }
        assert!(!told.contains("somebody's"), "{what:?}: {told}");
    }
    assert_eq!(std::fs::read_dir(stick.path()).unwrap().count(), 1);
    assert!(stick.path().join(whole).join("record.json").is_file());
}
