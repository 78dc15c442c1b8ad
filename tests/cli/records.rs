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
