//! `tapseg label`; what it does in its window is in tests/session.rs.

use super::*;

#[test]
fn what_can_not_be_labelled_is_refused_before_a_window_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let complaint = refused(["label", &path]);
    assert!(complaint.contains("no pictures are there"), "{complaint}");
    let missing = format!("{path}/nowhere");
    assert!(refused(["label", &missing]).contains("nowhere"));
    std::fs::copy(data("frames/clarius_eye.png"), folder.path().join("eye.png")).unwrap();
    for (names, wrong) in [("cyst,cyst", "twice"), ("cyst,", "empty"), ("a\x1b,b", "shown")] {
        let complaint = refused(["label", &path, "--names", names]);
        assert!(complaint.contains(wrong), "{complaint}");
    }
    std::fs::write(folder.path().join("file"), "").unwrap();
    let out = format!("{path}/file");
    assert!(refused(["label", &path, "--out", &out]).contains("file"));
}
