//! Edges of a frame without a prompt (*Segment Anything*, section 7.2 and appendix D.2).

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use crate::frame::Frame;
use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::model::{ModelError, PromptKind, Proposal, Segmenter};

use super::crops::Crop;
use super::{
    AutomaticOptions, Corners, PROMPTS_PER_REPORT, judged, non_maximum_suppression, spots,
};

/// Places a side of the grid.
const PLACES_PER_SIDE: u32 = 16;

/// How strong the edge is at each pixel.
#[derive(Clone, Debug)]
pub struct Edges {
    /// The frame's size.
    pub size: FrameSize,
    /// Row by row, from 0 to 1: the strongest edge has 1. Lines are one pixel wide.
    pub strength: Vec<f32>,
    /// Masks whose edges they are.
    pub masks: usize,
}

/// A proposal by its spot and its number there.
struct Candidate {
    spot: usize,
    number: usize,
    corners: Corners,
    predicted_iou: f32,
}

/// The edges on `frame`: those of the masks that a grid of 16 × 16 points gives, three each, without
/// those whose boxes are there twice (IoU above 0.7). On the outer boundary of each mask the
/// probabilities' Sobel gradient is taken; the largest of all masks counts, and is thinned across
/// the edge. A model trained on boxes alone is asked with a grid of boxes instead, and of what it says
/// only that is taken which would be kept of everything: most boxes hold no structure. `progress` is told
/// how many prompts of how many are decoded, and may stop it, which gives `None`.
///
/// # Errors
/// [`ModelError::Run`] where the engine fails.
pub fn edges(
    segmenter: &Segmenter,
    frame: &Frame,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Option<Edges>, ModelError> {
    let size = frame.size();
    let points = segmenter.manifest().was_trained_for(PromptKind::Point);
    let options = if points {
        AutomaticOptions {
            points_per_side: PLACES_PER_SIDE,
            pred_iou_thresh: 0.0,
            stability_score_thresh: 0.0,
            ..AutomaticOptions::default()
        }
    } else {
        let model = AutomaticOptions::for_model(segmenter.manifest());
        AutomaticOptions { points_per_side: 2 * PLACES_PER_SIDE, ..model }
    };
    let whole = Crop::whole(size);
    let spots = spots(whole, points, &options);
    let embedding = segmenter.set_image(frame)?;
    let mut candidates: Vec<Candidate> = Vec::new();
    for (batch, part) in spots.chunks(PROMPTS_PER_REPORT).enumerate() {
        let first = batch * PROMPTS_PER_REPORT;
        if progress(first as u64, spots.len() as u64).is_break() {
            return Ok(None);
        }
        candidates.extend(segmenter.decode_each(&embedding, part, |spot, proposal| {
            let found = judged(&proposal, part[spot], whole, size, &options)?;
            Some(Candidate {
                spot: first + spot,
                number: proposal.number,
                corners: found.corners.map(|v| v as f32),
                predicted_iou: found.predicted_iou,
            })
        })?);
    }
    let boxes: Vec<Corners> = candidates.iter().map(|c| c.corners).collect();
    let scores: Vec<f32> = candidates.iter().map(|c| c.predicted_iou).collect();
    let kept = non_maximum_suppression(&boxes, &scores, options.box_nms_thresh);
    // They are decoded again rather than all held until now.
    let mut wanted: Vec<usize> = kept.iter().map(|&index| candidates[index].spot).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let again: Vec<_> = wanted.iter().map(|&spot| spots[spot]).collect();
    let strength = Mutex::new(vec![0f32; size.pixels()]);
    segmenter.decode_each(&embedding, &again, |index, proposal| {
        let is_kept = |&k: &usize| {
            candidates[k].spot == wanted[index] && candidates[k].number == proposal.number
        };
        if kept.iter().any(is_kept) {
            let (logits, mask) = logits_of(&proposal, size);
            let found = boundary_gradients(&logits, &mask);
            let mut strength = strength.lock().unwrap_or_else(PoisonError::into_inner);
            for (at, gradient) in found {
                strength[at] = strength[at].max(gradient);
            }
        }
        None::<()>
    })?;
    let mut strength = strength.into_inner().unwrap_or_else(PoisonError::into_inner);
    let most = strength.iter().copied().fold(0.0, f32::max);
    if most > 0.0 {
        strength.iter_mut().for_each(|s| *s /= most);
    }
    Ok(Some(Edges { size, strength: thinned(&strength, size), masks: kept.len() }))
}

/// The logits at the frame's size, and the mask that they make.
fn logits_of(proposal: &Proposal<'_>, size: FrameSize) -> (Vec<f32>, Mask) {
    let mut logits = Vec::with_capacity(size.pixels());
    proposal.frame_logits(|row| logits.extend_from_slice(row));
    let pixels = logits.iter().map(|l| u8::from(*l > 0.0)).collect();
    (logits, Mask::from_pixels(size, pixels))
}

/// The pixels just outside the mask, and how steep the probabilities are there: the length of the
/// Sobel gradient, whose taps add up to 8.
fn boundary_gradients(logits: &[f32], mask: &Mask) -> Vec<(usize, f32)> {
    let (width, height) = (mask.size().width as usize, mask.size().height as usize);
    let pixels = mask.pixels();
    let probability = |x: usize, y: usize| 1.0 / (1.0 + (-logits[y * width + x]).exp());
    let mut found = Vec::new();
    for y in 0..height {
        let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
        for x in 0..width {
            if pixels[y * width + x] != 0 {
                continue;
            }
            let columns = [x.saturating_sub(1), x, (x + 1).min(width - 1)];
            let inside =
                |row: &usize| columns.iter().any(|column| pixels[row * width + column] != 0);
            if !rows.iter().any(inside) {
                continue;
            }
            let p = rows.map(|row| columns.map(|column| probability(column, row)));
            let across = p[0][2] + 2.0 * p[1][2] + p[2][2] - p[0][0] - 2.0 * p[1][0] - p[2][0];
            let down = p[2][0] + 2.0 * p[2][1] + p[2][2] - p[0][0] - 2.0 * p[0][1] - p[0][2];
            found.push((y * width + x, across.hypot(down)));
        }
    }
    found
}

/// Where the strength is largest across the edge, whose direction the smoothed strength tells (as
/// `edgesNms` of Dollár and Zitnick, "Fast Edge Detection Using Structured Forests", 2015, does it).
fn thinned(strength: &[f32], size: FrameSize) -> Vec<f32> {
    let (width, height) = (size.width as usize, size.height as usize);
    let smooth = smoothed(strength, width, height);
    let at = |map: &[f32], x: isize, y: isize| {
        let x = x.clamp(0, width as isize - 1) as usize;
        map[y.clamp(0, height as isize - 1) as usize * width + x]
    };
    let between = |x: f32, y: f32| {
        let (left, top) = (x.floor(), y.floor());
        let (right, down) = (x - left, y - top);
        let (left, top) = (left as isize, top as isize);
        let row = |y| at(strength, left, y) * (1.0 - right) + at(strength, left + 1, y) * right;
        row(top) * (1.0 - down) + row(top + 1) * down
    };
    let mut thin = vec![0.0; strength.len()];
    for (index, &here) in strength.iter().enumerate().filter(|(_, here)| **here > 0.0) {
        let (x, y) = ((index % width) as isize, (index / width) as isize);
        let s = |dx, dy| at(&smooth, x + dx, y + dy);
        let across = s(1, 0) - 2.0 * s(0, 0) + s(-1, 0);
        let down = s(0, 1) - 2.0 * s(0, 0) + s(0, -1);
        let both = (s(1, 1) - s(1, -1) - s(-1, 1) + s(-1, -1)) / 4.0;
        // The direction in which the smoothed strength bends down most.
        let angle = 0.5 * (2.0 * both).atan2(across - down) + std::f32::consts::FRAC_PI_2;
        let (step_y, step_x) = angle.sin_cos();
        let (x, y) = (x as f32, y as f32);
        let beside = between(x + step_x, y + step_y).max(between(x - step_x, y - step_y));
        // A little slack, so that lines two pixels wide are not lost altogether.
        if here * 1.01 >= beside {
            thin[index] = here;
        }
    }
    thin
}

/// The map under a triangle that reaches 4 pixels each way.
fn smoothed(map: &[f32], width: usize, height: usize) -> Vec<f32> {
    const REACH: isize = 4;
    let pass = |map: &[f32], step: usize, along: fn(usize, usize) -> usize, length: usize| {
        let sum = |index: usize| {
            let here = along(index, width) as isize;
            (-REACH..=REACH)
                .map(|d| {
                    let to = (here + d).clamp(0, length as isize - 1) - here;
                    let weight = (REACH + 1 - d.abs()) as f32 / ((REACH + 1) * (REACH + 1)) as f32;
                    map[(index as isize + to * step as isize) as usize] * weight
                })
                .sum::<f32>()
        };
        (0..map.len()).map(sum).collect::<Vec<f32>>()
    };
    let rows = pass(map, 1, |index, width| index % width, width);
    pass(&rows, width, |index, width| index / width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize::new(24, 20);

    #[test]
    fn a_step_has_its_gradient_just_outside() {
        let logits: Vec<f32> = (0..480).map(|i| if i % 24 < 10 { 50.0 } else { -50.0 }).collect();
        let mask = Mask::from_pixels(SIZE, logits.iter().map(|l| u8::from(*l > 0.0)).collect());
        let found = boundary_gradients(&logits, &mask);
        assert_eq!(found.len(), 20);
        assert!(found.iter().all(|(at, g)| at % 24 == 10 && (g - 4.0).abs() < 1e-5), "{found:?}");
    }

    #[test]
    fn a_ridge_is_thinned_in_any_direction() {
        for (name, distance) in [
            ("upright", (|x, _| x - 12.0) as fn(f32, f32) -> f32),
            ("level", |_, y| y - 9.0),
            ("falling", |x, y| (x - y - 2.0) * 0.7),
        ] {
            let strength: Vec<f32> = (0..480)
                .map(|i| (1.0 - distance((i % 24) as f32, (i / 24) as f32).abs() / 3.0).max(0.0))
                .collect();
            let thin = thinned(&strength, SIZE);
            let inner = |i: &usize| (5..19).contains(&(i % 24)) && (5..15).contains(&(i / 24));
            for i in (0..480).filter(inner) {
                assert_eq!(thin[i] > 0.0, strength[i] > 0.99, "{name} at {} {}", i % 24, i / 24);
            }
        }
    }
}
