//! `tapseg everything`.

use super::*;
use tapseg::Rle;
use tapseg::automatic::AutomaticMask;

/// A small package that answers points, in `folder`.
pub fn points_package(folder: &Path) -> String {
    let package = folder.join("points").display().to_string();
    let micro = data("automatic/micro_points.pth").display().to_string();
    ok(["convert", &micro, "--preset", "sam", "--weights", "f32", "-o", &package]);
    package
}

#[test]
fn thresholds_that_no_mask_can_reach_are_refused() {
    for option in ["--pred-iou-thresh", "--stability-score-thresh"] {
        for value in ["2", "-0.5", "nan"] {
            let output = tapseg(["everything", "picture.png", option, value, "-o", "never-made"]);
            let told = text(&output.stderr);
            assert!(told.contains(option) && told.contains("a number from 0 to 1"), "{told}");
        }
    }
}

/// `tests/data/automatic/make_automatic.py` tells where the expected masks come from.
#[test]
fn everything_is_what_the_official_generator_finds() {
    let out = tempfile::tempdir().unwrap();
    let package = points_package(out.path());
    let picture = data("automatic/picture.png").display().to_string();
    let cases = std::fs::read_to_string(data("automatic/cases.json")).unwrap();
    let cases: Value = serde_json::from_str(&cases).unwrap();
    for (name, case) in cases.as_object().unwrap() {
        let folder = out.path().join(name);
        let mut arguments: Vec<String> =
            ["--json", "everything", &picture, "--model", &package, "-o"].map(String::from).into();
        arguments.push(folder.display().to_string());
        for (option, value) in case["options"].as_object().unwrap() {
            arguments.extend([format!("--{}", option.replace('_', "-")), value.to_string()]);
        }
        let report: Value = serde_json::from_str(&ok(&arguments)).unwrap();
        assert_eq!((&report["complete"], &report["model"]), (&true.into(), &"points".into()));
        let written = std::fs::read_to_string(folder.join("masks.json")).unwrap();
        let found: Vec<AutomaticMask> = serde_json::from_str(&written).unwrap();
        assert_eq!(report["masks"].as_array().unwrap().len(), found.len());
        let expected = case["masks"].as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let at = format!("{name}, mask {index}");
            let mask: Rle = serde_json::from_value(expected["segmentation"].clone()).unwrap();
            assert!(found.segmentation.to_mask().iou(&mask.to_mask()) >= 0.99, "{at}");
            assert_eq!(found.area, found.segmentation.area_px(), "{at}");
            assert_eq!(found.bbox.to_vec(), whole_numbers(&expected["bbox"]), "{at}");
            assert_eq!(found.crop_box.to_vec(), whole_numbers(&expected["crop_box"]), "{at}");
            let near = |value: f64, name: &str, bound: f64| {
                let expected = expected[name].as_f64().unwrap();
                assert!((value - expected).abs() <= bound, "{at}: {name} {value}, not {expected}");
            };
            near(found.predicted_iou.into(), "predicted_iou", 1e-4);
            near(found.stability_score.into(), "stability_score", 1e-3);
            for axis in 0..2 {
                let point = expected["point_coords"][0][axis].as_f64().unwrap();
                assert!((found.point_coords[0][axis] - point).abs() < 1e-3, "{at}");
            }
        }
        let labels = image::open(folder.join("labels.png")).unwrap().into_luma16();
        assert_eq!(labels.dimensions(), (320, 240));
        let smallest = (0..found.len()).min_by_key(|&i| found[i].area).unwrap();
        let seen = labels.iter().filter(|&&label| usize::from(label) == smallest + 1).count();
        assert_eq!(seen as u64, found[smallest].area, "{name}: the smallest lies on top");
        assert!(image::open(folder.join("overlay.png")).is_ok());
    }
}

fn whole_numbers(list: &Value) -> Vec<u32> {
    list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as u32).collect()
}

#[test]
fn a_model_of_boxes_is_asked_with_boxes() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let picture = data("frames/clarius_eye.png").display().to_string();
    let options = ["--points-per-side", "6", "--pred-iou-thresh", "0.7"];
    let everything = ["--json", "everything", &picture, "-o", folder];
    let printed = ok(everything.iter().chain(&options));
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["prompts"], &report["model"]), (&36.into(), &"litemedsam".into()));
    let masks = report["masks"].as_array().unwrap();
    assert!(!masks.is_empty());
    for mask in masks {
        let corners = mask["box_coords"].as_array().unwrap();
        assert!(corners[2].as_f64() > corners[0].as_f64(), "{mask}");
    }
}

/// Only there can a signal be sent without further means.
#[cfg(target_os = "linux")]
#[test]
fn what_is_found_before_a_stop_is_kept() {
    let out = tempfile::tempdir().unwrap();
    let picture = data("frames/clarius_eye.png").display().to_string();
    let mut running = command()
        .args(["-v", "everything", &picture, "--points-per-side", "200", "-o"])
        .arg(out.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Once the model is loaded, signals are watched for.
    let mut errors = std::io::BufReader::new(running.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("decoding") {
        assert!(std::io::BufRead::read_line(&mut errors, &mut told).unwrap() > 0, "{told}");
    }
    let id = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    std::io::Read::read_to_string(&mut errors, &mut told).unwrap();
    assert!(running.wait().unwrap().success(), "{told}");
    assert!(told.contains("stopped after"), "{told}");
    let masks = std::fs::read_to_string(out.path().join("masks.json")).unwrap();
    assert!(serde_json::from_str::<Vec<AutomaticMask>>(&masks).is_ok());
    assert!(out.path().join("labels.png").exists());
}

#[test]
fn what_makes_no_grid_is_refused() {
    let picture = data("frames/clarius_eye.png").display().to_string();
    let complain = |more: &[&str]| refused_as_usage(["everything", &picture].iter().chain(more));
    assert!(complain(&["-o", "x", "--points-per-side", "0"]).contains("points-per-side"));
    assert!(complain(&["-o", "x", "--box-nms-thresh", "2"]).contains("from 0 to 1"));
    assert!(refused(["everything", "none.png", "-o", "x"]).contains("none.png"));
}

/// Runs a command that the command line's rules forbid, and gives what it complains about.
fn refused_as_usage<'a>(arguments: impl IntoIterator<Item = &'a &'a str>) -> String {
    let output = tapseg(arguments);
    assert_eq!(output.status.code(), Some(2));
    text(&output.stderr)
}
