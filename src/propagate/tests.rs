use std::sync::Arc;
use std::time::Duration;

use ndarray::Array2;

use super::*;

const SIDE: u32 = 40;

/// A bright disc of radius `radius(slice)` on dark ground.
struct Discs<F>(u64, F);

impl<F: Fn(u64) -> f32 + Send> Clip for Discs<F> {
    fn name(&self) -> &str {
        "discs"
    }

    fn frame_count(&self) -> Option<u64> {
        Some(self.0)
    }

    fn frame_interval(&self) -> Option<Duration> {
        None
    }

    fn frame(&mut self, index: u64) -> Result<Frame, FeedError> {
        let radius = (self.1)(index);
        let inside = |p: u32| {
            let (x, y) = ((p % SIDE) as f32 - 20.0, (p / SIDE) as f32 - 20.0);
            x * x + y * y <= radius * radius
        };
        // A ground that is not flat.
        let grey = |p: u32| if inside(p) { 200 } else { 40 + (p % 7) as u8 };
        let rgb: Vec<u8> = (0..SIDE * SIDE).flat_map(|p| [grey(p); 3]).collect();
        Ok(Frame::from_rgb(FrameSize::new(SIDE, SIDE), rgb).unwrap())
    }
}

/// What is bright in the box; the whole box where nothing is, as models trained on boxes do.
fn outline(frame: &Frame, prompt: &Prompt) -> MaskCandidate {
    let b = prompt.bounding_box.unwrap();
    let in_box = |p: usize| {
        let (x, y) = ((p % SIDE as usize) as f32, (p / SIDE as usize) as f32);
        (b.x0..=b.x1).contains(&x) && (b.y0..=b.y1).contains(&y)
    };
    let bright = |p: usize| in_box(p) && frame.rgb()[p * 3] > 100;
    let pixels = (SIDE * SIDE) as usize;
    let any = (0..pixels).any(bright);
    let inset = |p: usize| in_box(p) && in_box(p + 2) && in_box(p.saturating_sub(2));
    let inside = (0..pixels).map(|p| u8::from(if any { bright(p) } else { inset(p) })).collect();
    MaskCandidate {
        mask: Mask::from_pixels(frame.size(), inside),
        low_res_logits: Arc::new(Array2::zeros((4, 4))),
        predicted_iou: 0.9,
        stability_score: 1.0,
    }
}

fn start_box() -> Prompt {
    Prompt::default().in_box(FrameBox { x0: 8.0, y0: 8.0, x1: 32.0, y1: 32.0 })
}

fn found(
    radius: impl Fn(u64) -> f32 + Send,
    start: u64,
    predict: impl FnMut(&Frame, &Prompt) -> MaskCandidate,
) -> (Vec<u64>, Stop, Stop) {
    let mut clip = Discs(21, radius);
    let mut predict = predict;
    let predict = |frame: &Frame, prompt: &Prompt| Ok::<_, FeedError>(predict(frame, prompt));
    let mut told = 0;
    let limits = Limits::default();
    let all = propagate(&mut clip, start, &start_box(), limits, false, predict, |_| told += 1);
    let all = all.unwrap();
    assert_eq!(told, all.slices.len());
    (all.slices.iter().map(|s| s.index).collect(), all.before, all.after)
}

/// A ball of radius 8 round slice 10.
fn ball(slice: u64) -> f32 {
    let z = slice as f32 - 10.0;
    (64.0 - z * z).max(-1.0).sqrt()
}

#[test]
fn a_ball_is_followed_to_its_poles_and_no_further() {
    for start in [5, 10, 14] {
        let (slices, before, after) = found(ball, start, outline);
        assert_eq!(slices, (3..=17).collect::<Vec<_>>(), "{start}");
        assert!([before, after].iter().all(|stop| *stop != Stop::LastSlice));
    }
}

#[test]
fn a_rod_is_followed_from_end_to_end() {
    let (slices, before, after) = found(|_| 9.0, 0, outline);
    assert_eq!(slices, (0..21).collect::<Vec<_>>());
    assert_eq!((before, after), (Stop::LastSlice, Stop::LastSlice));
}

#[test]
fn each_limit_stops_it() {
    let rod = |_| 9.0;
    let gone = |slice: u64| if slice < 8 { 9.0 } else { f32::NAN };
    assert_eq!(found(gone, 5, outline).2, Stop::Contrast);
    let jump = |slice: u64| if slice < 8 { 5.0 } else { 16.0 };
    let whole = |frame: &Frame, _: &Prompt| outline(frame, &start_box());
    assert_eq!(found(jump, 5, whole).2, Stop::Area);
    let mut calls = 0;
    let unsure = |frame: &Frame, prompt: &Prompt| {
        calls += 1;
        let predicted_iou = if calls > 3 { 0.2 } else { 0.9 };
        MaskCandidate { predicted_iou, ..outline(frame, prompt) }
    };
    assert_eq!(found(rod, 0, unsure), (vec![0, 1, 2], Stop::LastSlice, Stop::PredictedIou));
    let empty = |frame: &Frame, prompt: &Prompt| MaskCandidate {
        mask: Mask::from_pixels(frame.size(), vec![0; (SIDE * SIDE) as usize]),
        ..outline(frame, prompt)
    };
    assert_eq!(found(rod, 3, empty), (vec![], Stop::Vanished, Stop::Vanished));
    let mut calls = 0;
    let moved = |frame: &Frame, prompt: &Prompt| {
        calls += 1;
        let found = outline(frame, prompt);
        let mut pixels = found.mask.pixels().to_vec();
        pixels.rotate_right(if calls > 2 { 12 } else { 0 });
        MaskCandidate { mask: Mask::from_pixels(frame.size(), pixels), ..found }
    };
    assert_eq!(found(rod, 0, moved), (vec![0, 1], Stop::LastSlice, Stop::Overlap));
}

#[test]
fn the_mask_before_is_refined_where_the_model_takes_masks() {
    for refine in [false, true] {
        let mut refined = Vec::new();
        let predict = |frame: &Frame, prompt: &Prompt| {
            refined.push(prompt.mask.is_some());
            Ok::<_, FeedError>(outline(frame, prompt))
        };
        let mut clip = Discs(3, |_| 9.0);
        let limits = Limits::default();
        propagate(&mut clip, 1, &start_box(), limits, refine, predict, |_| ()).unwrap();
        assert_eq!(refined, [false, refine, refine]);
    }
}
