//! `run --board` and `doctor`.

use std::fs;

use serde_json::Value;

use super::*;

#[test]
fn a_profile_fills_in_and_the_command_line_comes_first() {
    let out = tempfile::tempdir().unwrap();
    let profile = out.path().join("ward.toml");
    let shown = out.path().join("shown");
    let text = format!(
        "feed = {:?}\nscreen = \"picture:{}\"\nsize = \"640x400\"\nthreads = 1\n\
         precision = \"int8\"\nmemory_mb = 4000\n",
        data("clip").display().to_string(),
        shown.display()
    );
    fs::write(&profile, text).unwrap();
    let profile = profile.to_str().unwrap();
    ok(["run", "--board", profile, "--fps", "max", "--frames", "2"]);
    let picture = |folder: &Path| {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        image::image_dimensions(&files[0]).unwrap()
    };
    assert_eq!(picture(&shown), (640, 400));

    let other = out.path().join("other");
    let screen = format!("picture:{}", other.display());
    ok([
        "run", "--board", profile, "--screen", &screen, "--size", "320x240", "--fps", "max",
        "--frames", "2",
    ]);
    assert_eq!(picture(&other), (320, 240));
}

#[test]
fn profiles_that_do_not_fit_are_refused_with_the_remedy() {
    let complaint = refused(["run", "--board", "rasperry-pi-4", "--feed", "phantom"]);
    assert!(complaint.contains("did you mean raspberry-pi-4?"), "{complaint}");
    let complaint = refused(["run", "--board", "pc"]);
    assert!(complaint.contains("names no feed: give --feed"), "{complaint}");

    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("ward.toml");
    let path = path.to_str().unwrap();
    fs::write(path, "scren = \"window\"").unwrap();
    let complaint = refused(["run", "--board", path, "--feed", "phantom"]);
    assert!(complaint.contains("ward.toml") && complaint.contains("\"screen\""), "{complaint}");
    fs::write(path, "model = \"litemedsam\"\nprecision = \"f32\"").unwrap();
    let complaint = refused(["run", "--board", path, "--feed", "phantom"]);
    assert!(complaint.contains("asks for f32 weights"), "{complaint}");
    fs::write(path, "size = \"wide\"").unwrap();
    let complaint = refused(["run", "--board", path, "--feed", "phantom"]);
    assert!(complaint.contains("size = \"wide\""), "{complaint}");
}

#[test]
fn the_doctor_tells_by_its_exit_code() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().to_str().unwrap();
    let put = |path: &str, content: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    put("proc/device-tree/model", "Raspberry Pi 4 Model B\0");
    put("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n");
    let findings: Value =
        serde_json::from_str(&ok(["--json", "doctor", "--root", folder])).unwrap();
    let of = |part: &str| {
        let all = findings.as_array().unwrap();
        all.iter().find(|f| f["part"] == part).unwrap().clone()
    };
    assert_eq!(of("board")["found"], "Raspberry Pi 4 Model B");
    assert_eq!(of("cameras")["state"], "warning");
    assert!(of("cameras")["remedy"].as_str().unwrap().contains("dmesg"));
    assert!(of("models")["found"].as_str().unwrap().contains("litemedsam"));

    put("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 100000 kB\n");
    let output = tapseg(["doctor", "--root", folder]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("WRONG memory"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("one thing needs mending"));
    assert!(refused(["doctor", "--root", "/nowhere"]).contains("no such folder"));
}

#[test]
fn panels_that_are_not_there_are_named_with_the_remedy() {
    let cases = [
        ("drm:card=/nowhere/card3", "/nowhere/card3: it is not there"),
        ("fb:/nowhere/fb3", "/nowhere/fb3: it is not there"),
        ("fb:/dev/null", "/dev/null: it isn't a framebuffer"),
        ("drm:card=/dev/null", "/dev/null: it drives no display"),
        ("drm:mode=wide", "1280x800@60"),
        ("panel", "drm:card=/dev/dri/card1"),
    ];
    for (screen, expected) in cases {
        let complaint =
            refused(["run", "--feed", "phantom", "--screen", screen, "--touch", "none"]);
        assert!(complaint.contains(expected), "{screen}: {complaint}");
    }
    let complaint = refused(["calibrate", "--screen", "window"]);
    assert!(complaint.contains("only panels"), "{complaint}");
}

#[test]
fn profiles_of_panels_are_checked() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("ward.toml");
    let path = path.to_str().unwrap();
    let cases = [
        ("rotation = 45", "rotation = \"45\": give 0, 90, 180 or 270"),
        ("touch = \"event5\"", "touch = \"event5\": \"event5\" is no touch device"),
        ("screen = \"dmr\"", "screen = \"dmr\": \"dmr\" is no screen"),
        ("toch = \"auto\"", "did you mean \"touch\"?"),
    ];
    for (text, expected) in cases {
        fs::write(path, text).unwrap();
        let complaint = refused(["run", "--board", path, "--feed", "phantom"]);
        assert!(complaint.contains(expected), "{text}: {complaint}");
    }
}

#[test]
fn manual_pages_are_written_for_each_verb() {
    let out = tempfile::tempdir().unwrap();
    ok(["man", out.path().to_str().unwrap()]);
    let page = fs::read_to_string(out.path().join("tapseg-run.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains("screen"), "{page}");
    assert!(out.path().join("tapseg.1").exists() && out.path().join("tapseg-calibrate.1").exists());
}

#[test]
fn capture_devices_that_cannot_be_shown_are_told() {
    let out = tempfile::tempdir().unwrap();
    let screen = format!("picture:{}", out.path().join("shown").display());
    let complaint = |feed: &str, more: &[&str]| {
        let run = ["run", "--feed", feed, "--screen", &screen, "--size", "320x240"];
        refused(run.iter().chain(more).copied())
    };
    let built_in = cfg!(feature = "v4l");
    let cases = [
        ("/dev/video-none", "not there: plug it in"),
        ("v4l:by-name/nobody", "not there: plug it in"),
        ("/dev/null", "no capture device"),
    ];
    for (feed, reason) in cases {
        let told = complaint(feed, &["--frames", "2"]);
        assert!(told.contains(if built_in { reason } else { "--features v4l" }), "{feed}: {told}");
    }
    assert!(complaint("/dev/video0,size=0x0", &[]).contains("size=0x0"));
    assert!(complaint("v4l:sideways", &[]).contains("--list-feeds"));
    assert!(complaint("/dev/video0", &["--loop"]).contains("fps=30"));
    assert!(complaint("/dev/video0", &["--axis", "i"]).contains("NIfTI"));
    assert!(complaint("phantom", &["--feed", "/dev/video0"]).contains("give it alone"));
    if built_in {
        assert!(complaint("/dev/video-none", &[]).contains("give --frames"));
        ok(["run", "--list-feeds"]);
    } else {
        assert!(refused(["run", "--list-feeds"]).contains("--features v4l"));
    }
}
