//! Prompts for a model that was trained on boxes alone.
//!
//! LiteMedSAM answers points with nothing. A tap is therefore decoded through square boxes of
//! several sizes round it, and the decoder's predicted IoU picks among them; a mask is replaced by
//! its box, and negative points cut what the boxes gave.

use crate::geometry::{FrameBox, FramePoint};
use crate::mask::Mask;
use crate::prompt::{PointLabel, Prompt};

use super::masks::MaskCandidate;
use super::preprocess::InputGeometry;

/// Sides of the square boxes round a tap, in model input pixels.
const SIDES: [f32; 7] = [16.0, 24.0, 36.0, 52.0, 76.0, 108.0, 150.0];

/// The boxes that stand for a prompt. `mask_box` is the box of the prompt's mask, if it has one
/// with anything in it.
///
/// A box given by the person, or else the mask's, is the only one; taps alone give one for each of
/// [`SIDES`] round the first of them. Every box is grown to hold all positive points and cut to the
/// frame. None is left where nothing was given.
pub(super) fn boxes(
    prompt: &Prompt,
    mask_box: Option<FrameBox>,
    geometry: InputGeometry,
) -> Vec<FrameBox> {
    let taps: Vec<FramePoint> = prompt.points_labelled(PointLabel::Positive).collect();
    let bases = match (prompt.bounding_box.or(mask_box), taps.first()) {
        (Some(given), _) => vec![given],
        (None, Some(first)) => SIDES
            .map(|side| {
                let (width, height) = geometry.lengths_to_frame(side);
                FrameBox::centred(*first, width, height)
            })
            .to_vec(),
        (None, None) => Vec::new(),
    };
    bases
        .into_iter()
        .map(|b| holding(b, prompt))
        .filter_map(|b| b.clipped(geometry.frame))
        .collect()
}

/// The box that a tap head found, made to agree with the points that were given: grown to hold all
/// positive ones, and [cut back](cut_back) to leave negative ones out.
pub(super) fn agreeing(b: FrameBox, prompt: &Prompt) -> FrameBox {
    cut_back(holding(b, prompt), prompt)
}

fn holding(b: FrameBox, prompt: &Prompt) -> FrameBox {
    prompt.points_labelled(PointLabel::Positive).fold(b, |b, point| grown(b, &point))
}

/// The box with a side moved to each negative point in it: that side which loses least of the box and
/// no positive point. It stays as it is where a point would take two fifths of it or more: such a
/// point lies in the midst of the structure, and cuts the mask instead.
fn cut_back(mut b: FrameBox, prompt: &Prompt) -> FrameBox {
    let positive: Vec<FramePoint> = prompt.points_labelled(PointLabel::Positive).collect();
    let holds =
        |b: &FrameBox, p: &FramePoint| (b.x0..=b.x1).contains(&p.x) && (b.y0..=b.y1).contains(&p.y);
    for point in prompt.points_labelled(PointLabel::Negative) {
        if !holds(&b, &point) {
            continue;
        }
        let sides = [
            FrameBox { x0: point.x, ..b },
            FrameBox { x1: point.x, ..b },
            FrameBox { y0: point.y, ..b },
            FrameBox { y1: point.y, ..b },
        ];
        let area = |b: &FrameBox| b.width() * b.height();
        let kept = |cut: &FrameBox| {
            area(cut) > 0.6 * area(&b) && positive.iter().all(|p| holds(cut, p) || !holds(&b, p))
        };
        let cuts = sides.into_iter().filter(kept);
        b = cuts.max_by(|a, b| area(a).total_cmp(&area(b))).unwrap_or(b);
    }
    b
}

/// Applies the points to what the boxes gave: the candidates that miss fewer positive and hold fewer
/// negative points come first, and what lies nearer to a negative point inside the mask than to any
/// positive one (or, without positive points, to the middle of the prompt's box) is cut off.
pub(super) fn apply_points(candidates: &mut [MaskCandidate], prompt: &Prompt, boxes: &[FrameBox]) {
    let negative: Vec<FramePoint> = prompt.points_labelled(PointLabel::Negative).collect();
    let mut positive: Vec<FramePoint> = prompt.points_labelled(PointLabel::Positive).collect();
    if prompt.points.len() > 1 {
        candidates.sort_by_key(|c| {
            let missed = positive.iter().filter(|p| !c.mask.contains(**p)).count();
            missed + negative.iter().filter(|p| c.mask.contains(**p)).count()
        });
    }
    if positive.is_empty() {
        let middle = |b: &FrameBox| FramePoint::new((b.x0 + b.x1) / 2.0, (b.y0 + b.y1) / 2.0);
        positive.extend(boxes.iter().map(middle));
    }
    for candidate in candidates {
        let inside: Vec<_> =
            negative.iter().copied().filter(|p| candidate.mask.contains(*p)).collect();
        if !inside.is_empty() {
            candidate.mask = cut(&candidate.mask, &positive, &inside);
        }
    }
}

/// The pixels of `mask` that are at least as near to one of `positive` as to all of `negative`.
fn cut(mask: &Mask, positive: &[FramePoint], negative: &[FramePoint]) -> Mask {
    let nearest = |points: &[FramePoint], x: f32, y: f32| {
        points.iter().map(|p| (p.x - x).powi(2) + (p.y - y).powi(2)).fold(f32::INFINITY, f32::min)
    };
    let width = mask.size().width as usize;
    let mut pixels = mask.pixels().to_vec();
    for (i, pixel) in pixels.iter_mut().enumerate().filter(|(_, p)| **p != 0) {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        *pixel = u8::from(nearest(positive, x, y) <= nearest(negative, x, y));
    }
    Mask::from_pixels(mask.size(), pixels)
}

fn grown(b: FrameBox, to: &FramePoint) -> FrameBox {
    FrameBox { x0: b.x0.min(to.x), y0: b.y0.min(to.y), x1: b.x1.max(to.x), y1: b.y1.max(to.y) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array2;

    use super::*;
    use crate::geometry::FrameSize;
    use crate::model::manifest::Preprocessing;

    const SIZE: FrameSize = FrameSize::new(512, 256);

    fn geometry() -> InputGeometry {
        InputGeometry::new(SIZE, &Preprocessing::LITEMEDSAM)
    }

    #[test]
    fn a_tap_becomes_seven_squares_and_a_box_stays_one() {
        let tap = Prompt::default().positive(200.0, 100.0);
        let squares = boxes(&tap, None, geometry());
        assert_eq!(squares.len(), 7);
        assert_eq!(squares[0], FrameBox { x0: 184.0, y0: 84.0, x1: 216.0, y1: 116.0 });
        assert_eq!(squares[6], FrameBox { x0: 50.0, y0: 0.0, x1: 350.0, y1: 250.0 });

        let given = FrameBox { x0: 10.0, y0: 20.0, x1: 60.0, y1: 70.0 };
        let both = tap.clone().in_box(given);
        let grown = FrameBox { x0: 10.0, y0: 20.0, x1: 200.0, y1: 100.0 };
        assert_eq!(boxes(&both, None, geometry()), [grown]);
        assert_eq!(boxes(&Prompt::default(), Some(given), geometry()), [given]);
        assert_eq!(boxes(&Prompt::default(), None, geometry()), []);
    }

    #[test]
    fn two_taps_lie_in_every_box() {
        let taps = Prompt::default().positive(100.0, 100.0).positive(300.0, 120.0);
        for b in boxes(&taps, None, geometry()) {
            assert!(b.x0 < 100.0 && b.x1 >= 300.0 && b.y0 < 100.0 && b.y1 >= 116.0, "{b:?}");
        }
    }

    #[test]
    fn a_found_box_comes_to_hold_a_positive_point_that_it_missed() {
        let b = FrameBox { x0: 100.0, y0: 50.0, x1: 200.0, y1: 150.0 };
        let prompt = Prompt::default().positive(150.0, 100.0).positive(230.0, 40.0);
        assert_eq!(agreeing(b, &prompt), FrameBox { x1: 230.0, y0: 40.0, ..b });
        let off = prompt.negative(120.0, 145.0);
        assert_eq!(agreeing(b, &off), FrameBox { x1: 230.0, y0: 40.0, y1: 145.0, ..b });
    }

    #[test]
    fn a_negative_point_moves_the_side_that_loses_least() {
        let b = FrameBox { x0: 100.0, y0: 50.0, x1: 200.0, y1: 150.0 };
        let tap = Prompt::default().positive(150.0, 100.0);
        let cut = |prompt: Prompt| cut_back(b, &prompt);
        assert_eq!(cut(tap.clone().negative(140.0, 60.0)), FrameBox { y0: 60.0, ..b });
        assert_eq!(cut(tap.clone().negative(190.0, 110.0)), FrameBox { x1: 190.0, ..b });
        // Not beyond a tap that belongs, not much of it, and nothing for a point outside.
        assert_eq!(cut(tap.clone().positive(150.0, 55.0).negative(145.0, 60.0)), b);
        assert_eq!(cut(tap.clone().negative(151.0, 101.0)), b);
        assert_eq!(cut(tap.negative(300.0, 60.0)), b);
    }

    #[test]
    fn a_negative_point_cuts_and_prefers_masks_without_it() {
        let columns = |from: u32, to: u32, predicted_iou| MaskCandidate {
            mask: Mask::from_pixels(
                SIZE,
                (0..SIZE.pixels() as u32)
                    .map(|i| u8::from((from..to).contains(&(i % SIZE.width))))
                    .collect(),
            ),
            low_res_logits: Arc::new(Array2::zeros((4, 4))),
            predicted_iou,
            stability_score: 1.0,
        };
        let mut candidates = [columns(0, 400, 0.9), columns(0, 200, 0.5)];
        let prompt = Prompt::default().positive(100.0, 50.0).negative(300.0, 50.0);
        apply_points(&mut candidates, &prompt, &[]);
        assert_eq!(candidates[0].predicted_iou, 0.5, "it leaves the negative point out");
        assert_eq!(candidates[0].mask.area_px(), 200 * 256, "and is not cut");
        assert_eq!(candidates[1].mask.area_px(), 201 * 256, "cut half way between the points");
    }
}
