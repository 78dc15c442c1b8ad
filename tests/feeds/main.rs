//! Feeds from files of every kind, good and bad. `data/feeds/make.py` made the DICOM files there.

use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba};
use tapseg::feed::dicom::{DicomClip, frame_count, looks_like_dicom};
use tapseg::feed::images::ImageClip;
use tapseg::feed::{
    Clip, FeedError, FeedEvent, Playback, Player, Rate, open_clip, read_still, spawn_latest,
};
use tapseg::{FrameSize, PixelSpacing};

mod dicom;
mod dicom_file;
mod nifti;
mod phantom;
mod pictures;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/feeds").join(name)
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG of one colour.
fn flat_png(width: u32, height: u32, grey: u8) -> Vec<u8> {
    encoded(GrayImage::from_pixel(width, height, Luma([grey])), ImageFormat::Png)
}

fn open_error(specs: &[&Path]) -> FeedError {
    let specs: Vec<String> = specs.iter().map(|path| path.display().to_string()).collect();
    let opened = open_clip(&specs).and_then(|mut clip| clip.frame(0));
    opened.expect_err(&specs.join(" "))
}

#[test]
fn a_clip_plays_through_to_its_end_on_a_thread() {
    let clip = open_clip(&[data("rle_rgb.dcm").display().to_string()]).unwrap();
    let playback = Playback { rate: Rate::Fps(200.0), looping: false };
    let player = Player::new(clip, playback).unwrap();
    let events: Vec<FeedEvent> = spawn_latest(Box::new(player)).unwrap().iter().collect();
    let last = events.iter().rev().find_map(|event| match event {
        FeedEvent::Frame(frame) => Some((frame.sequence, frame.captured_at)),
        _ => None,
    });
    assert_eq!(last, Some((2, Duration::from_millis(80))));
    assert!(matches!(events.last(), Some(FeedEvent::Ended)));
}
