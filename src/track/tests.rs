//! Known motions of a textured picture.

use super::*;
use crate::geometry::FrameSize;

const SIZE: FrameSize = FrameSize::new(200, 160);
const MIDDLE: [f32; 2] = [90.0, 80.0];
const RADIUS: f32 = 30.0;

/// A smooth texture, darker inside a disc, both moved by `shift` and stretched about the middle.
fn picture(shift: [f32; 2], scale: [f32; 2]) -> (Frame, Mask) {
    let mut rgb = Vec::new();
    let mut inside = Vec::new();
    for k in 0..SIZE.pixels() {
        let at = [(k % SIZE.width as usize) as f32, (k / SIZE.width as usize) as f32];
        let [x, y] = [0, 1].map(|a| (at[a] - shift[a] - MIDDLE[a]) / scale[a]);
        let texture = (0.9 * x).sin() * (0.7 * y + 0.3 * x).cos() + (0.35 * x - 0.5 * y).sin();
        let disc = x.hypot(y) < RADIUS;
        rgb.extend([(if disc { 60.0 } else { 140.0 } + 25.0 * texture) as u8; 3]);
        inside.push(u8::from(disc));
    }
    (Frame::from_rgb(SIZE, rgb).unwrap(), Mask::from_pixels(SIZE, inside))
}

#[test]
fn shifts_and_stretches_are_found() {
    let (before, mask) = picture([0.0; 2], [1.0; 2]);
    let bounds = mask.bounding_box().unwrap();
    // How far a side may be off, in pixels: fractions of a pixel are interpolated, and stretches held
    // back a little.
    let cases = [
        ([0.0, 0.0], [1.0, 1.0], 0.05),
        ([3.0, -2.0], [1.0, 1.0], 0.2),
        ([1.5, 0.5], [1.0, 1.0], 0.4),
        ([-11.0, 9.0], [1.0, 1.0], 0.3),
        ([0.0, 0.0], [1.04, 0.97], 0.6),
        ([4.0, 2.0], [1.0, 1.05], 0.6),
    ];
    for (shift, scale, off) in cases {
        let (now, moved) = picture(shift, scale);
        let found = motion(&before, &now, &mask, bounds).unwrap();
        let (found_box, expected) = (found.shift.of_box(bounds), moved.bounding_box().unwrap());
        for (a, b) in [
            (found_box.x0, expected.x0),
            (found_box.y0, expected.y0),
            (found_box.x1, expected.x1),
            (found_box.y1, expected.y1),
        ] {
            // The mask's own box is in whole pixels.
            assert!((a - b).abs() <= off + 0.5, "{shift:?} {scale:?}: {found_box:?} {expected:?}");
        }
        assert!(found.likeness > 0.8, "{shift:?} {scale:?}: {}", found.likeness);
        assert!(found.shift.of_mask(&mask, bounds).dice(&moved) > 0.97, "{shift:?} {scale:?}");
    }
}

#[test]
fn another_picture_is_not_alike_and_a_flat_one_says_nothing() {
    let (before, mask) = picture([0.0; 2], [1.0; 2]);
    let bounds = mask.bounding_box().unwrap();
    let mut random = crate::random::SplitMix64::new(3);
    let noise: Vec<u8> = (0..3 * SIZE.pixels()).map(|_| random.uniform(0.0, 255.0) as u8).collect();
    let noise = Frame::from_rgb(SIZE, noise).unwrap();
    assert!(motion(&before, &noise, &mask, bounds).is_none_or(|m| m.likeness < 0.35));
    let flat = Frame::from_rgb(SIZE, vec![90; 3 * SIZE.pixels()]).unwrap();
    assert!(motion(&flat, &before, &mask, bounds).is_none());
    assert!(motion(&before, &flat, &mask, bounds).is_none_or(|m| m.likeness < 0.35));
}

#[test]
fn boxes_at_the_rim_and_of_one_pixel_do_no_harm() {
    let (before, _) = picture([0.0; 2], [1.0; 2]);
    let (now, _) = picture([2.0, 1.0], [1.0; 2]);
    for b in [
        FrameBox { x0: 0.0, y0: 0.0, x1: 12.0, y1: 9.0 },
        FrameBox { x0: 199.0, y0: 159.0, x1: 199.0, y1: 159.0 },
        FrameBox { x0: 0.0, y0: 0.0, x1: 199.0, y1: 159.0 },
    ] {
        let inside = |k: usize| {
            let (x, y) = ((k % SIZE.width as usize) as f32, (k / SIZE.width as usize) as f32);
            u8::from((b.x0..=b.x1).contains(&x) && (b.y0..=b.y1).contains(&y))
        };
        let mask = Mask::from_pixels(SIZE, (0..SIZE.pixels()).map(inside).collect());
        let found = motion(&before, &now, &mask, b);
        assert!(found.is_none_or(|m| m.shift.scale.iter().all(|s| (0.9..=1.1).contains(s))));
    }
}

#[test]
fn a_look_is_found_where_it_went() {
    let (before, mask) = picture([0.0; 2], [1.0; 2]);
    let bounds = mask.bounding_box().unwrap();
    let look = Look::of(&before, bounds);
    let (now, moved) = picture([36.0, -20.0], [1.0; 2]);
    let found = look.found_on(&now, 0.8).unwrap();
    let expected = moved.bounding_box().unwrap();
    assert!((found.x0 - expected.x0).abs() < 6.0 && (found.y0 - expected.y0).abs() < 6.0);
    let flat = Frame::from_rgb(SIZE, vec![90; 3 * SIZE.pixels()]).unwrap();
    assert_eq!(look.found_on(&flat, 0.8), None);
}

/// Frames 30 a second, each by its number, without any answer; how many showed an outline.
fn outlined(frames: impl Iterator<Item = Frame>) -> usize {
    let (first, mask) = picture([0.0; 2], [1.0; 2]);
    let structure = Structure { id: 0, found: candidate(mask), prompted: None };
    let mut tracker = Tracker::new(&first, [structure], TrackLimits::default());
    let frames = frames.zip(1..).map(|(mut frame, number)| {
        frame.sequence = number;
        frame.captured_at = Duration::from_secs(number) / 30;
        frame
    });
    frames
        .filter(|frame| {
            tracker.advance(frame);
            tracker.tracked()[0].found.is_some()
        })
        .count()
}

#[test]
fn what_fades_away_is_lost_within_half_a_second() {
    let (with, _) = picture([0.0; 2], [1.0; 2]);
    let (tissue, _) = picture([-400.0, 13.0], [1.0; 2]);
    let faded = |number: u32| {
        let share = (number as f32 / 6.0).min(1.0);
        let mixed = with.rgb().iter().zip(tissue.rgb());
        let mixed =
            mixed.map(|(&a, &b)| (f32::from(a) * (1.0 - share) + f32::from(b) * share) as u8);
        Frame::from_rgb(SIZE, mixed.collect::<Vec<u8>>()).unwrap()
    };
    // Half of it is gone on the third frame.
    let shown = outlined((1..60).map(faded));
    assert!((3..=3 + 15).contains(&shown), "{shown}");
}

#[test]
fn what_moves_and_grows_is_kept_without_an_answer() {
    let moved = |n: u32| {
        let along = n as f32 / 60.0;
        picture([30.0 * along, -20.0 * along], [1.0 + 0.1 * along; 2]).0
    };
    assert_eq!(outlined((1..=60).map(moved)), 60);
}

fn candidate(mask: Mask) -> MaskCandidate {
    MaskCandidate {
        mask,
        low_res_logits: std::sync::Arc::new(ndarray::Array2::zeros((4, 4))),
        predicted_iou: 0.9,
        stability_score: 1.0,
    }
}

#[test]
fn structures_without_a_mask_and_frames_of_another_size_are_left_out() {
    let (frame, mask) = picture([0.0; 2], [1.0; 2]);
    let empty = Mask::from_pixels(SIZE, vec![0; SIZE.pixels()]);
    let structures = [mask, empty].into_iter().zip(0..).map(|(mask, id)| Structure {
        id,
        found: candidate(mask),
        prompted: None,
    });
    let mut tracker = Tracker::new(&frame, structures, TrackLimits::default());
    assert_eq!(tracker.tracked().len(), 1);
    let other = Frame::from_rgb(FrameSize::new(8, 8), vec![0; 192]).unwrap();
    tracker.advance(&other);
    assert!(tracker.tracked().is_empty() && tracker.questions(&other).is_empty());
}
