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
