//! `tapseg instances`, and COCO's scores.

use super::*;
use tapseg::coco::{Dataset, Found, Truth, score};
use tapseg::{FrameSize, Mask, Rle};

fn dataset(file: &str) -> Dataset {
    serde_json::from_str(&std::fs::read_to_string(data(file)).unwrap()).unwrap()
}

/// `tests/data/coco/make_coco.py` tells where the expected figures come from.
#[test]
fn scores_are_those_of_pycocotools() {
    let size = FrameSize::new(240, 180);
    let mask =
        |a: &tapseg::coco::Annotation| a.segmentation.as_ref().unwrap().to_rle(size).unwrap();
    let truth: Vec<Truth> = dataset("coco/truth.json")
        .annotations
        .iter()
        .map(|a| Truth {
            image_id: a.image_id,
            category_id: a.category_id,
            mask: mask(a),
            area: a.area.unwrap(),
            crowd: a.iscrowd != 0,
        })
        .collect();
    let found: Vec<Found> = dataset("coco/found.json")
        .annotations
        .iter()
        .map(|a| Found {
            image_id: a.image_id,
            category_id: a.category_id,
            mask: mask(a),
            score: a.score.unwrap(),
        })
        .collect();
    let expected = std::fs::read_to_string(data("coco/scores.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let agnostic = |truth: &[Truth], found: &[Found]| {
        let truth: Vec<_> = truth.iter().map(|t| Truth { category_id: 0, ..t.clone() }).collect();
        let found: Vec<_> = found.iter().map(|f| Found { category_id: 0, ..f.clone() }).collect();
        score(&truth, &found, 1000)
    };
    for (name, scores) in
        [("instances", score(&truth, &found, 100)), ("proposals", agnostic(&truth, &found))]
    {
        let scores = serde_json::to_value(scores).unwrap();
        for (figure, expected) in expected[name].as_object().unwrap() {
            let (found, expected) = (scores[figure].as_f64(), expected.as_f64());
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(same, "{name}, {figure}: {found:?}, not {expected:?}");
        }
    }
}

#[test]
fn boxes_become_masks_that_are_judged() {
    let out = tempfile::tempdir().unwrap();
    let images = data("frames").display().to_string();
    let truth = Rle::of(&Mask::from_pixels(FrameSize::new(1280, 960), {
        let mask = image::open(data("frames/clarius_eye_mask0.png")).unwrap().into_luma8();
        mask.into_raw()
    }));
    let json = serde_json::json!({
        "images": [{ "id": 7, "file_name": "clarius_eye.png" }],
        "annotations": [{
            "image_id": 7, "category_id": 3, "bbox": [305, 67, 550, 505], "segmentation": truth,
        }],
    });
    let [boxes, masks] =
        ["boxes.json", "masks.json"].map(|f| out.path().join(f).display().to_string());
    std::fs::write(&boxes, json.to_string()).unwrap();
    let printed =
        ok(["--json", "instances", &boxes, "--images", &images, "--truth", &boxes, "-o", &masks]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert!(report["scores"]["ap"].as_f64() >= Some(0.7), "{report}");
    assert_eq!(report["scores"]["ap_small"], Value::Null);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&masks).unwrap()).unwrap();
    assert_eq!((&written[0]["image_id"], &written[0]["category_id"]), (&7.into(), &3.into()));
    assert_eq!(written[0]["bbox"], Value::Null, "COCO's tools would take its area for the mask's");
    let mask: Rle = serde_json::from_value(written[0]["segmentation"].clone()).unwrap();
    assert!(mask.to_mask().dice(&truth.to_mask()) > 0.9);

    // A list of detections alone doesn't say which pictures it is about.
    std::fs::write(&boxes, json["annotations"].to_string()).unwrap();
    let told = refused(["instances", &boxes, "--images", &images, "-o", &masks]);
    assert!(told.contains("give --truth"), "{told}");
    for (bad, expected) in [
        (serde_json::json!({ "bbox": [2000, 0, 9, 9] }), "no area on the frame"),
        (serde_json::json!({ "score": 1 }), "no bbox"),
    ] {
        let mut json = json.clone();
        json["annotations"] = serde_json::json!([bad]);
        json["annotations"][0]["image_id"] = 7.into();
        std::fs::write(&boxes, json.to_string()).unwrap();
        let told = refused(["instances", &boxes, "--images", &images, "-o", &masks]);
        assert!(told.contains(expected), "{told}");
    }
    // A box without area, as detectors write them, costs nothing of the others on its picture.
    let mut more = json.clone();
    let boxes_of_it = more["annotations"].as_array_mut().unwrap();
    for bad in [serde_json::json!([305, 67, 0, 505]), serde_json::json!([1280, 0, 5, 5])] {
        boxes_of_it.push(serde_json::json!({ "image_id": 7, "category_id": 3, "bbox": bad }));
    }
    let detections = out.path().join("detections.json").display().to_string();
    std::fs::write(&detections, more.to_string()).unwrap();
    std::fs::write(&boxes, json.to_string()).unwrap();
    let asked = ["instances", &detections, "--images", &images, "--truth", &boxes, "-o", &masks];
    let report: Value = serde_json::from_str(&ok(["--json"].iter().chain(&asked))).unwrap();
    assert!(report["masks"] == 1 && report["scores"]["ap"].as_f64() >= Some(0.7), "{report}");
    let left_out = report["boxes_left_out"].as_array().unwrap();
    assert!(left_out.len() == 2 && left_out[0].as_str().unwrap().contains("picture 7: its box 2"));
    let told = ok(asked);
    assert!(told.contains("not found: 2\n") && told.contains("305, 67, 0 x 505"), "{told}");
    // Nor does one on a picture that nothing names.
    let mut stray = json.clone();
    let mut on_unknown = json["annotations"][0].clone();
    on_unknown["image_id"] = 99.into();
    stray["annotations"].as_array_mut().unwrap().push(on_unknown);
    std::fs::write(&detections, stray["annotations"].to_string()).unwrap();
    let report: Value = serde_json::from_str(&ok(["--json"].iter().chain(&asked))).unwrap();
    assert!(report["masks"] == 1 && report["scores"]["ap"].as_f64() >= Some(0.7), "{report}");
    let named = "picture 99: its box 1: nothing says which file the picture is";
    assert_eq!(report["boxes_left_out"], serde_json::json!([named]));
    let only_it = serde_json::json!([stray["annotations"][1]]);
    std::fs::write(&detections, only_it.to_string()).unwrap();
    let told = refused(asked);
    assert!(told.contains("picture 99 is: the truth names none"), "{told}");
    // A picture that can't be read costs nothing of the others.
    let mut more = json.clone();
    let missing = serde_json::json!({ "id": 8, "file_name": "missing.png" });
    more["images"].as_array_mut().unwrap().push(missing);
    let mut on_missing = json["annotations"][0].clone();
    on_missing["image_id"] = 8.into();
    more["annotations"].as_array_mut().unwrap().push(on_missing);
    std::fs::write(&boxes, more.to_string()).unwrap();
    std::fs::remove_file(&masks).unwrap();
    let told = refused(["instances", &boxes, "--images", &images, "-o", &masks]);
    assert!(told.contains("1 of 2 pictures") && told.contains("missing.png"), "{told}");
    assert_eq!(told.matches("No such file").count(), 1, "{told}");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&masks).unwrap()).unwrap();
    assert_eq!(written.as_array().map(Vec::len), Some(1));

    // Nor is it hidden by boxes of others.
    let mut no_box = more.clone();
    no_box["annotations"][0]["bbox"] = serde_json::json!([305, 67, 0, 505]);
    std::fs::write(&boxes, no_box.to_string()).unwrap();
    let told = refused(["instances", &boxes, "--images", &images, "-o", &masks]);
    assert!(told.contains("1 of 2 pictures") && told.contains("missing.png"), "{told}");

    // What is wrong is told with its place.
    more["annotations"][0]["segmentation"] = serde_json::json!({ "size": [4, 4], "counts": "~~" });
    for (text, expected) in [
        ("{}".to_string(), "no COCO JSON"),
        ("{}".to_string(), "missing field `images`"),
        (more.to_string(), "no compressed COCO RLE at line 1"),
    ] {
        std::fs::write(&boxes, text).unwrap();
        let told = refused(["instances", &boxes, "--images", &images, "-o", &masks]);
        assert!(told.contains(expected), "{told}");
    }
    // Before the work it is seen that nothing can be written.
    std::fs::write(&boxes, json.to_string()).unwrap();
    let nowhere = out.path().join("none").join("masks.json").display().to_string();
    let told = refused(["instances", &boxes, "--images", &images, "-o", &nowhere]);
    assert!(told.contains("can't write"), "{told}");
}

#[test]
fn proposals_are_ranked_and_recall_is_told() {
    let out = tempfile::tempdir().unwrap();
    let images = data("frames").display().to_string();
    let mask = image::open(data("frames/clarius_eye_mask0.png")).unwrap().into_luma8().into_raw();
    let eye = Rle::of(&Mask::from_pixels(FrameSize::new(1280, 960), mask));
    let truth = serde_json::json!({
        "images": [{ "id": 7, "file_name": "clarius_eye.png" }],
        "annotations": [{ "image_id": 7, "category_id": 3, "segmentation": eye }],
    });
    let [json, found] = ["truth.json", "found.json"].map(|f| out.path().join(f));
    std::fs::write(&json, truth.to_string()).unwrap();
    let (json, to) = (json.to_str().unwrap(), found.to_str().unwrap());
    let proposals = ["proposals", json, "--images", &images, "--points-per-side", "8", "-o", to];
    let report: Value = serde_json::from_str(&ok(["--json"].iter().chain(&proposals))).unwrap();
    let found: Value = serde_json::from_str(&std::fs::read_to_string(&found).unwrap()).unwrap();
    let scores: Vec<f64> =
        found.as_array().unwrap().iter().map(|f| f["score"].as_f64().unwrap()).collect();
    assert_eq!(report["masks"], scores.len());
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let plain = |f: &Value| f["category_id"] == 3 && f["bbox"] == Value::Null;
    assert!(found.as_array().unwrap().iter().all(plain), "as COCO's tools count them");
    assert!(report["scores"]["ar"].as_f64().is_some(), "{report}");
    assert_eq!(report["scores"]["ar_small"], Value::Null, "the eye is large");
}

#[test]
fn edges_are_thin_lines() {
    let out = tempfile::tempdir().unwrap();
    let package = super::everything::points_package(out.path());
    let picture = data("automatic/picture.png").display().to_string();
    let edges = out.path().join("edges.png").display().to_string();
    ok(["edges", &picture, "--model", &package, "-o", &edges]);
    let edges = image::open(&edges).unwrap().into_luma8();
    assert_eq!(edges.dimensions(), (320, 240));
    let lit = edges.iter().filter(|&&p| p > 0).count();
    assert!(edges.as_raw().contains(&255), "the strongest edge is white");
    assert!(lit > 300 && lit < 320 * 240 / 3, "{lit} pixels");
}

#[test]
fn edges_of_a_folder_are_judged() {
    let out = tempfile::tempdir().unwrap();
    let package = super::everything::points_package(out.path());
    let [pictures, truth, first, second] =
        ["pictures", "truth", "first", "second"].map(|name| out.path().join(name));
    [&pictures, &truth].iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let from = data("automatic/picture.png");
    std::fs::copy(&from, pictures.join("one.png")).unwrap();
    let [pictures_at, truth_at, first_at, second_at] =
        [&pictures, &truth, &first, &second].map(|path| path.display().to_string());
    ok(["edges", &pictures_at, "--model", &package, "-o", &first_at]);
    // Two people who drew what is found, one of them half of it.
    let drawn = image::open(first.join("one.png")).unwrap().into_luma8();
    drawn.save(truth.join("one-1.png")).unwrap();
    let half = image::GrayImage::from_fn(320, 240, |x, y| match x {
        0..160 => *drawn.get_pixel(x, y),
        _ => image::Luma([0]),
    });
    half.save(truth.join("one-2.png")).unwrap();
    let judged = ["edges", &pictures_at, "--truth", &truth_at, "--model", &package];
    let printed = ok(["--json"].iter().chain(&judged).chain(&["-o", &second_at]));
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["pictures"], 1);
    let figure = |scale: &str, name: &str| report["scores"][scale][name].as_f64().unwrap();
    assert!(figure("ods", "f") > 0.8 && figure("ods", "precision") > 0.95, "{report}");
    assert!(figure("ois", "f") > 0.8, "{report}");

    // What has no boundaries, or some of another size, is told by name.
    image::GrayImage::new(7, 7).save(truth.join("one-3.png")).unwrap();
    let told = refused(judged.iter().chain(&["-o", &second_at]));
    assert!(told.contains("7x7, its picture 320x240"), "{told}");
    std::fs::rename(pictures.join("one.png"), pictures.join("two.png")).unwrap();
    let told = refused(judged.iter().chain(&["-o", &second_at]));
    assert!(told.contains("neither two.png nor two-1.png"), "{told}");
    std::fs::remove_dir_all(&truth).unwrap();
    std::fs::create_dir(&truth).unwrap();
    std::fs::write(truth.join("two.mat"), "MATLAB").unwrap();
    let told = refused(judged.iter().chain(&["-o", &second_at]));
    assert!(told.contains("scipy.io.loadmat"), "{told}");
}
