//! `tapseg track`: found, lost and found again.

use std::path::Path;

use serde_json::Value;
use tapseg::feed::Clip;
use tapseg::feed::phantom::Phantom;
use tapseg::{Frame, FrameSize, Mask};

use super::{data, ok, refused, tapseg};

fn phantom(seed: u64) -> Phantom {
    Phantom::from_options(&format!("seed={seed},size=320x240")).unwrap()
}

/// What a probe in the air shows: nothing but noise in the last bits.
fn air(size: FrameSize, number: u64) -> Frame {
    let noise = |k: usize| ((k as u64 * 7919 + number * 104_729) % 3) as u8;
    Frame::from_rgb(size, (0..3 * size.pixels()).map(noise).collect::<Vec<u8>>()).unwrap()
}

/// Writes frames and, where the structure is to be seen, masks.
fn write_clip(folder: &Path, frames: impl Iterator<Item = (Frame, Option<Mask>)>) {
    for (index, (frame, mask)) in frames.enumerate() {
        let (width, height) = (frame.size().width, frame.size().height);
        let rgb = image::RgbImage::from_raw(width, height, frame.rgb().to_vec()).unwrap();
        rgb.save(folder.join(format!("frames/f{index:03}.png"))).unwrap();
        if let Some(mask) = mask {
            let grey = image::GrayImage::from_raw(width, height, mask.to_grey()).unwrap();
            grey.save(folder.join(format!("truth/f{index:03}_mask0.png"))).unwrap();
        }
    }
}

/// The probe is lifted, and later looks elsewhere, and comes back each time.
#[test]
fn a_structure_is_lost_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["frames", "truth"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let (mut here, mut elsewhere) = (phantom(1), phantom(9));
    let first_box = here.truth(0).bounding_box().unwrap();
    let frames = (0..90).map(|index| match index {
        20..32 => (air(FrameSize::new(320, 240), index), None),
        56..68 => (elsewhere.frame(index).unwrap(), None),
        _ => (here.frame(index).unwrap(), Some(here.truth(index))),
    });
    write_clip(folder.path(), frames);
    let b = first_box;
    let corners = format!("{},{},{},{}", b.x0, b.y0, b.x1, b.y1);
    let report = ok(["track", &at("frames"), "--box", &corners, "--encode-ms", "200", "--truth"]
        .into_iter()
        .map(String::from)
        .chain([at("truth"), "-o".into(), at("out"), "--json".into()]));
    let report: Value = serde_json::from_str(&report).unwrap();
    let found = |index: usize| report["frames"][index]["found"].as_bool().unwrap();
    assert!((0..20).all(found), "{report:#}");
    // A frame of nothing is soon noticed, and the structure soon found again.
    for gone in [26..32, 62..68] {
        assert!(!gone.clone().any(found), "{gone:?} {report:#}");
    }
    for back in [42..56, 78..90] {
        assert!(back.clone().all(found), "{back:?} {report:#}");
    }
    let score = |name: &str| report["score"][name].as_f64().unwrap();
    assert!(score("longest_wrong_s") <= 0.5, "{}", report["score"]);
    assert!(score("mean_dice") > 0.7, "{}", report["score"]);
}

#[test]
fn what_cannot_be_tracked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let track = |more: &[&str]| {
        refused(["track", "phantom:size=128x128", "-o", &out].iter().chain(more).copied())
    };
    assert!(track(&["--truth", "/nowhere"]).contains("/nowhere"));
    assert!(track(&["--truth", &out]).contains("no NAME_mask0.png"));
    let clip = data("clip").display().to_string();
    assert!(refused(["track", &clip, "-o", &out]).contains("say what to track"));
    assert!(refused(["track", &clip, "--start", "99", "-o", &out]).contains("--start 99"));
    assert!(!tapseg(["track", "phantom", "--fps", "0", "-o", &out]).status.success());
}
