//! NIfTI volumes and the prompts beyond points and boxes, as the user gives them.

use super::*;
use tapseg::feed::Clip;
use tapseg::feed::nifti::{NiftiClip, View};

/// The voxels of a mask, k slowest.
fn voxels(path: &Path) -> Vec<bool> {
    let mut clip = NiftiClip::open(path, View::default()).unwrap();
    let slices = 0..clip.frame_count().unwrap();
    slices.flat_map(|k| clip.frame(k).unwrap().rgb().to_vec()).map(|v| v > 0).collect()
}

/// The box of a slice's structure, `x0,y0,x1,y1`.
fn box_of(path: &Path, slice: u64) -> String {
    let frame = NiftiClip::open(path, View::default()).unwrap().frame(slice).unwrap();
    let inside = frame.rgb().chunks(3).map(|p| p[0]).collect();
    let b = tapseg::Mask::from_pixels(frame.size(), inside).bounding_box().unwrap();
    format!("{},{},{},{}", b.x0, b.y0, b.x1, b.y1)
}

#[test]
fn a_structure_is_found_in_3d_from_a_box_on_one_slice() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let (volume, truth) = (data("nifti/ellipsoid.nii.gz"), data("nifti/ellipsoid_mask.nii.gz"));
    // Of an earlier run.
    std::fs::write(out.path().join("overlay-9999.png"), "old").unwrap();
    let bounding_box = box_of(&truth, 12);
    let volume = volume.to_str().unwrap();
    let printed =
        ok(["--json", "volume", volume, "--slice", "12", "--box", &bounding_box, "-o", folder]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["mask"], "mask.nii.gz");
    let mask = out.path().join("mask.nii.gz");
    let (found, truth) = (voxels(&mask), voxels(&truth));
    let count = |v: &[bool]| v.iter().filter(|&&inside| inside).count() as f64;
    let both = found.iter().zip(&truth).filter(|(a, b)| **a && **b).count() as f64;
    let dice = 2.0 * both / (count(&found) + count(&truth));
    // 0.86 with AVX2; other kernels round otherwise.
    assert!(dice > 0.8, "{dice}");
    let open = |path: &Path| NiftiClip::open(path, View::default()).unwrap();
    let geometry = open(&mask).geometry().clone();
    assert_eq!(&geometry, open(Path::new(volume)).geometry());
    // Frames have three channels.
    let ml = count(&found) / 3.0 * geometry.voxel_mm3() / 1000.0;
    assert!((report["volume_ml"].as_f64().unwrap() - ml).abs() < 1e-6 * ml);
    let slices = report["slices"].as_array().unwrap();
    assert!((8..=16).contains(&slices.len()), "{printed}");
    let pictures = std::fs::read_dir(out.path()).unwrap().count();
    assert_eq!(pictures, slices.len() + 2, "an overlay a slice, mask.nii.gz and result.json");
    assert_ne!(report["stopped_before"], "last_slice");
    assert_ne!(report["stopped_after"], "last_slice");
}

#[test]
fn clips_are_followed_frame_by_frame() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let frames = tempfile::tempdir().unwrap();
    for name in ["f012.png", "f013.png", "f014.png"] {
        std::fs::copy(data("clip").join(name), frames.path().join(name)).unwrap();
    }
    let clip = frames.path().to_str().unwrap();
    let truth = image::open(data("clip/f013_mask0.png")).unwrap().into_luma8();
    let inside: Vec<u8> = truth.iter().map(|&v| u8::from(v > 127)).collect();
    let size = tapseg::FrameSize::new(truth.width(), truth.height());
    let b = tapseg::Mask::from_pixels(size, inside).bounding_box().unwrap();
    let b = format!("{},{},{},{}", b.x0, b.y0, b.x1, b.y1);
    let printed = ok(["--json", "volume", clip, "--slice", "1", "--box", &b, "-o", folder]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["slices"].as_array().unwrap().len(), 3, "{printed}");
    assert_eq!((&report["volume_ml"], &report["mask"]), (&Value::Null, &Value::Null));
    assert!(out.path().join("mask-0002.png").exists() && !out.path().join("mask.nii.gz").exists());
}

#[test]
fn a_slice_of_a_volume_is_a_picture() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let volume = data("nifti/ellipsoid.nii.gz");
    let volume = volume.to_str().unwrap();
    let coronal = ["segment", volume, "--axis", "coronal", "--slice", "30", "--window", "100,120"];
    let printed =
        ok(["--json"].iter().chain(&coronal).chain(&["--box", "20,6,60,18", "-o", folder]));
    let report: Value = serde_json::from_str(&printed).unwrap();
    let mask = &report["masks"][0];
    let area = mask["area_px"].as_f64().unwrap() * 0.8 * 1.6;
    assert!((mask["area_mm2"].as_f64().unwrap() - area).abs() < 1e-3 * area, "{printed}");
    let overlay = image::open(out.path().join("overlay.png")).unwrap();
    assert_eq!((overlay.width(), overlay.height()), (80, 24));
}

#[test]
fn strokes_gaze_and_priors_point_as_well() {
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| out.path().join(name).display().to_string();
    let picture = data("frames/clarius_eye.png");
    let picture = picture.to_str().unwrap();
    let gaze = at("gaze.csv");
    let samples = (0..30).map(|i| format!("{},{},{}\n", i * 10, 578 + i % 4, 320 + i % 3));
    std::fs::write(&gaze, "t_ms,x,y\n".to_string() + &samples.collect::<String>()).unwrap();
    let truth = image::open(data("frames/clarius_eye_mask0.png")).unwrap().into_luma8();
    let prior = data("frames/clarius_eye_mask0.png").display().to_string();
    let dice = |prompt: &[&str]| {
        let folder = at("out");
        ok(["segment", picture, "-o", &folder].iter().chain(prompt));
        let found = image::open(out.path().join("out/mask-1.png")).unwrap().into_luma8();
        let size = tapseg::FrameSize::new(found.width(), found.height());
        let mask = |picture: &image::GrayImage| {
            let inside = picture.iter().map(|&v| u8::from(v > 127)).collect();
            tapseg::Mask::from_pixels(size, inside)
        };
        mask(&found).dice(&mask(&truth))
    };
    let stroke = dice(&["--scribble", "480,300 580,340 680,300"]);
    let looked = dice(&["--gaze", &gaze]);
    let with_prior = dice(&["--box", "305,67,855,572", "--prior", &prior]);
    let without = dice(&["--box", "305,67,855,572"]);
    assert!(stroke > 0.8 && looked > 0.8, "{stroke} {looked}");
    assert!(with_prior != without && with_prior > 0.85, "{with_prior} {without}");
}

#[test]
fn slips_with_volumes_and_prompts_are_told_with_their_remedy() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let path = |name: &str| data(name).display().to_string();
    let (volume, four) = (path("nifti/ellipsoid.nii.gz"), path("nifti/four_dimensions.nii.gz"));
    let picture = path("frames/clarius_eye.png");
    let pair = tempfile::tempdir().unwrap();
    let [header, voxels] = ["scan.hdr", "scan.img.gz"].map(|name| {
        let path = pair.path().join(name);
        std::fs::write(&path, vec![0; 400]).unwrap();
        path.display().to_string()
    });
    let cases: [(&[&str], &str); 11] = [
        (&["volume", &header, "--slice", "10", "--point", "1,1"], "scan.hdr: half of a NIfTI pair"),
        (&["segment", &voxels, "--point", "1,1"], "to one .nii file"),
        (&["volume", &volume], "give a point, a box or a mask"),
        (&["volume", &four, "--point", "1,1"], "it has 4 dimensions"),
        (&["volume", &volume, "--point", "1,1", "--slice", "24"], "has slices 0 to 23"),
        (&["volume", &volume, "--point", "500,1"], "not on the frame of 80x64"),
        (&["volume", "phantom", "--point", "1,1"], "never ends"),
        (&["segment", &picture, "--point", "1,1", "--axis", "axial"], "are for NIfTI volumes"),
        (&["segment", &picture, "--gaze", "/nowhere.csv"], "/nowhere.csv"),
        (&["segment", &picture, "--gaze", &picture], "is not text"),
        (&["segment", &picture, "--point", "1,1", "--prior", &volume], "the picture 1280x960"),
    ];
    for (arguments, expected) in cases {
        let complaint = refused(arguments.iter().chain(&["-o", folder]));
        assert_eq!(complaint.matches(expected).count(), 1, "{arguments:?}: {complaint}");
    }
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "nothing is written");
}
