//! What a run leaves behind that can't write all it should.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Runs a command that can write no file of more than 40 KB, as on a disk that is full.
fn on_a_full_disk(arguments: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    shell.env_remove("TAPSEG_MODELS").env("XDG_DATA_HOME", "/nowhere").stdin(Stdio::null());
    shell.args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\""]);
    shell.arg(env!("CARGO_BIN_EXE_tapseg")).args(arguments).output().unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_that_breaks_off_leaves_no_half_file_and_no_report_of_another() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let picture = data("frames/clarius_eye.png").display().to_string();
    let segment = |corners| ["segment", &picture, "--box", corners, "-o", folder].map(String::from);
    ok(segment("305,67,855,572"));
    assert_eq!(names_in(out.path()), ["mask-1.png", "overlay.png", "result.json"]);
    let first = std::fs::read(out.path().join("overlay.png")).unwrap();

    let again = segment("405,167,755,472");
    let output = on_a_full_disk(&again.each_ref().map(|argument| &**argument));
    let told = text(&output.stderr);
    assert!(!output.status.success() && told.contains("can't write"), "{told}");
    assert!(told.contains("overlay.png: "), "{told}");
    // Nothing says that these belong together, and each is whole.
    assert_eq!(names_in(out.path()), ["mask-1.png", "overlay.png"]);
    assert_eq!(std::fs::read(out.path().join("overlay.png")).unwrap(), first);

    let npy = out.path().join("embedding.npy");
    let output = on_a_full_disk(&["embed", &picture, "-o", npy.to_str().unwrap()]);
    assert!(text(&output.stderr).contains("embedding.npy: "), "{}", text(&output.stderr));
    assert_eq!(names_in(out.path()), ["mask-1.png", "overlay.png"]);
}

#[test]
fn links_and_what_is_no_file_stay_what_they_are() {
    let out = tempfile::tempdir().unwrap();
    let picture = data("eval/kinds/deep.png").display().to_string();
    let [real, link] = ["real.npy", "link.npy"].map(|name| out.path().join(name));
    std::fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    ok(["embed", &picture, "-o", link.to_str().unwrap()]);
    assert!(link.is_symlink() && std::fs::metadata(&real).unwrap().len() > 1000);
    // One that leads nowhere yet is written through, too.
    std::fs::remove_file(&real).unwrap();
    ok(["embed", &picture, "-o", link.to_str().unwrap()]);
    assert!(link.is_symlink() && std::fs::metadata(&real).unwrap().len() > 1000);
    // What was for one person alone stays so.
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&real, private).unwrap();
    ok(["embed", &picture, "-o", real.to_str().unwrap()]);
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    let output = tapseg(["embed", &picture, "-o", "/dev/stdout"]);
    assert!(output.status.success() && output.stdout.starts_with(b"\x93NUMPY"));
}
