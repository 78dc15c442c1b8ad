//! `tapseg tune`.

#[cfg(not(feature = "tune"))]
use super::bench::plain;
use super::*;

#[cfg(not(feature = "tune"))]
#[test]
fn without_the_training_library_it_is_told_how_to_get_it() {
    let out = tempfile::tempdir().unwrap();
    let package = plain(out.path());
    let tuned = out.path().join("tuned").display().to_string();
    let complaint = refused(["tune", &package, "phantom:count=3", "--out", &tuned]);
    assert!(complaint.contains("--features tune"), "{complaint}");
    assert!(!Path::new(&tuned).exists());
}

#[cfg(feature = "tune")]
#[test]
fn a_package_is_tuned_and_runs() {
    let out = tempfile::tempdir().unwrap();
    let package = out.path().join("micro").display().to_string();
    let checkpoint = data("micro/micro_sam.pth").display().to_string();
    ok(["convert", &checkpoint, "--preset", "sam", "-o", &package]);
    let tuned = out.path().join("tuned").display().to_string();
    let phantoms = "phantom:seed=1,count=5,size=96x72";
    let tune = ["tune", &package, phantoms, "--out", &tuned, "--epochs", "7"];
    let printed =
        ok(["--json"].iter().chain(&tune).chain(&["--patience", "7", "--learning-rate", "1e-3"]));
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["pictures"], &report["held_out"]), (&4.into(), &1.into()));
    assert!(report["dice_after"].as_f64() > report["dice_before"].as_f64(), "{report}");
    let shown = ok(["models", "show", &tuned]);
    assert!(shown.contains("tuned from"), "{shown}");
    let picture = data("frames/clarius_eye.png").display().to_string();
    let masks = out.path().join("masks").display().to_string();
    ok(["segment", &picture, "--model", &tuned, "--box", "305,67,855,572", "-o", &masks]);
    let complaint = refused(["tune", &package, phantoms, "--out", &package]);
    assert!(complaint.contains("write to another folder"), "{complaint}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for bad in [["--learning-rate", "0"], ["--patience", "0"]] {
        let tune = ["tune", "litemedsam", "phantom", "--out", "nowhere"];
        assert!(refused(tune.iter().chain(&bad)).contains(bad[0]));
    }
}
