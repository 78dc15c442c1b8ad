//! Prompts for a model that was trained on boxes alone.
//!
//! LiteMedSAM answers points with nothing. A tap is therefore decoded through square boxes of
//! several sizes round it, and the decoder's predicted IoU picks among them; a mask is replaced by
//! its box, and negative points cut what the boxes gave.

use std::f32::consts::PI;

use crate::automatic::components;
use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::mask::Mask;
use crate::prompt::{PointLabel, Prompt, PromptPoint};

use super::masks::MaskCandidate;
use super::preprocess::InputGeometry;

/// Sides of the square boxes round a tap, in model input pixels.
const SIDES: [f32; 7] = [16.0, 24.0, 36.0, 52.0, 76.0, 108.0, 150.0];

/// How far the sides of a box that a tap head found are moved outward, as a part of its width and height:
/// the sizes in which it is tried, the likeliest first. What was found is a few hundredths off, and
/// LiteMedSAM answers best what it was trained on: boxes whose sides were moved outward by chance.
const BEYOND: [f32; 3] = [0.02, -0.06, 0.1];

/// How far a point reaches that is on the wrong side of an outline, in its distances from it: the midst of
/// what is wrong is as far from the one end as from the other.
const REACH: f32 = 2.0;

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

/// A size in which a box is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SizedBox {
    pub bounding_box: FrameBox,
    /// How likely it is, as a factor of what the decoder says of it.
    pub weight: f32,
}

/// The boxes to ask for one that a tap head found, each in its sizes: the box, grown to hold all positive
/// points; and, where negative points lie in it, that with [sides moved to them](cut_back), which is the
/// less likely the smaller that is: by the root of the area that it leaves.
pub(super) fn agreeing(found: FrameBox, prompt: &Prompt, frame: FrameSize) -> Vec<Vec<SizedBox>> {
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    let area = |b: FrameBox| b.width() * b.height();
    let negative = |b: &FrameBox| {
        prompt.points_labelled(PointLabel::Negative).filter(|point| holds(b, point)).count()
    };
    for beyond in BEYOND {
        let Some(size) = widened(found, beyond).clipped(frame) else { continue };
        let size = holding(size, prompt);
        // No size takes in a negative point that the likeliest leaves out.
        let likeliest = whole.first().map_or(size, |first: &SizedBox| first.bounding_box);
        if negative(&size) > negative(&likeliest) {
            continue;
        }
        whole.push(SizedBox { bounding_box: size, weight: 1.0 });
        let less = cut_back(size, prompt);
        if less != size {
            cut.push(SizedBox { bounding_box: less, weight: (area(less) / area(size)).sqrt() });
        }
    }
    [whole, cut].into_iter().filter(|sizes| !sizes.is_empty()).collect()
}

/// `b` with its sides moved outward by a part of its width and height.
fn widened(b: FrameBox, part: f32) -> FrameBox {
    let (right, down) = (part * b.width(), part * b.height());
    FrameBox { x0: b.x0 - right, y0: b.y0 - down, x1: b.x1 + right, y1: b.y1 + down }
}

/// The box with a side moved to each negative point in it: that side which loses least of the box and
/// no positive point. It stays as it is where a point would take two fifths of it or more: such a
/// point lies in the midst of the structure, and only cuts the mask.
fn cut_back(mut b: FrameBox, prompt: &Prompt) -> FrameBox {
    let positive: Vec<FramePoint> = prompt.points_labelled(PointLabel::Positive).collect();
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

fn holds(b: &FrameBox, point: &FramePoint) -> bool {
    (b.x0..=b.x1).contains(&point.x) && (b.y0..=b.y1).contains(&point.y)
}

/// `b`, grown to hold all positive points.
fn holding(b: FrameBox, prompt: &Prompt) -> FrameBox {
    prompt.points_labelled(PointLabel::Positive).fold(b, |b, point| grown(b, &point))
}

/// How well a mask agrees with several points, from 1 down to 0: its area as a share of what that would be
/// with a disc more for each negative point inside and each positive one outside, of [`REACH`] times its
/// distance from the outline. A point that is on the wrong side by a pixel says little; a part that
/// leaves most of a structure out says more.
pub(super) fn agreement(mask: &Mask, prompt: &Prompt) -> f32 {
    // A lone tap may be just beside what is meant.
    let [_, _, ..] = prompt.points[..] else { return 1.0 };
    let area = mask.area_px().max(1) as f32;
    let share = |point: &PromptPoint| {
        let wrong = mask.contains(point.position) != (point.label == PointLabel::Positive);
        if !wrong {
            return 1.0;
        }
        let disc = PI * (REACH * to_outline(mask, point.position)).powi(2);
        area / (area + disc)
    };
    prompt.points.iter().map(share).product()
}

/// Cuts off the masks what belongs to a negative point inside: what lies nearer to it than to any
/// positive one (or, without positive points, to the middle of the prompt's box) and within [`REACH`];
/// and what that severs from the positive points.
pub(super) fn cut_off(candidates: &mut [MaskCandidate], prompt: &Prompt, boxes: &[FrameBox]) {
    let negative: Vec<FramePoint> = prompt.points_labelled(PointLabel::Negative).collect();
    let mut positive: Vec<FramePoint> = prompt.points_labelled(PointLabel::Positive).collect();
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

/// `mask` without the pixels that are nearer to one of `negative`, which are inside, than to all of
/// `positive`, as far as [`REACH`], and without what hung together with them and then with no positive
/// point any more.
fn cut(mask: &Mask, positive: &[FramePoint], negative: &[FramePoint]) -> Mask {
    let square = |p: &FramePoint, x: f32, y: f32| (p.x - x).powi(2) + (p.y - y).powi(2);
    let reach: Vec<f32> = negative.iter().map(|p| (REACH * to_outline(mask, *p)).powi(2)).collect();
    let width = mask.size().width as usize;
    let mut pixels = mask.pixels().to_vec();
    for (i, pixel) in pixels.iter_mut().enumerate().filter(|(_, p)| **p != 0) {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        let belongs = positive.iter().map(|p| square(p, x, y)).fold(f32::INFINITY, f32::min);
        let off = negative.iter().zip(&reach).any(|(p, reach)| {
            let off = square(p, x, y);
            off < belongs && off <= *reach
        });
        *pixel = u8::from(!off);
    }
    let left = Mask::from_pixels(mask.size(), pixels);
    let (before, after) = (components(mask, 1).0, components(&left, 1).0);
    let at = |p: &FramePoint| p.y.round() as usize * width + p.x.round() as usize;
    let kept: Vec<u32> =
        positive.iter().filter(|p| left.contains(**p)).map(|p| after[at(p)]).collect();
    if kept.is_empty() {
        return left;
    }
    let touched: Vec<u32> = negative.iter().map(|p| before[at(p)]).collect();
    let pieces = before.iter().zip(&after);
    let stays = pieces.map(|(before, after)| {
        u8::from(*after != 0 && (kept.contains(after) || !touched.contains(before)))
    });
    Mask::from_pixels(mask.size(), stays.collect())
}

/// The distance in pixels from the one at `point`, which is on the frame, to the nearest that is on the
/// other side of the outline. Beyond the frame is outside; infinite where there is nothing else.
fn to_outline(mask: &Mask, point: FramePoint) -> f32 {
    let FrameSize { width, height } = mask.size();
    let (x, y) =
        ((point.x.round() as u32).min(width - 1), (point.y.round() as u32).min(height - 1));
    let here = mask.row(y)[x as usize];
    let rim = [x + 1, y + 1, width - x, height - y].into_iter().min().unwrap_or(0);
    let mut nearest = if here == 0 { f32::INFINITY } else { rim as f32 };
    for row in 0..height {
        let dy = row.abs_diff(y) as f32;
        let (left, right) = mask.row(row).split_at(x as usize);
        if dy < nearest {
            let columns = [
                left.iter().rev().position(|p| *p != here).map(|at| at + 1),
                right.iter().position(|p| *p != here),
            ];
            let off = columns.into_iter().flatten().map(|dx| (dx as f32).hypot(dy));
            nearest = off.fold(nearest, f32::min);
        }
    }
    nearest
}

fn grown(b: FrameBox, to: &FramePoint) -> FrameBox {
    FrameBox { x0: b.x0.min(to.x), y0: b.y0.min(to.y), x1: b.x1.max(to.x), y1: b.y1.max(to.y) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array2;

    use super::*;
    use crate::distance::depths;
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
        let alone = agreeing(b, &prompt, SIZE);
        let [sizes] = &alone[..] else { panic!("{alone:?}") };
        let widths: Vec<f32> = sizes.iter().map(|s| s.bounding_box.x0).collect();
        assert_eq!(widths, [98.0, 106.0, 90.0], "the sizes of the box");
        for size in sizes {
            assert_eq!(
                (size.bounding_box.x1, size.bounding_box.y0, size.weight),
                (230.0, 40.0, 1.0)
            );
        }
        let cut = agreeing(b, &prompt.negative(120.0, 139.0), SIZE);
        assert_eq!(cut[0], *sizes);
        for (cut, whole) in cut[1].iter().zip(sizes) {
            assert_eq!(cut.bounding_box, FrameBox { y1: 139.0, ..whole.bounding_box });
            let left = cut.bounding_box.height() / whole.bounding_box.height();
            assert!((cut.weight - left.sqrt()).abs() < 1e-6, "{cut:?}");
        }
    }

    #[test]
    fn no_size_takes_in_a_negative_point_beside_the_box() {
        let b = FrameBox { x0: 100.0, y0: 50.0, x1: 200.0, y1: 150.0 };
        let beside = Prompt::default().positive(150.0, 100.0).negative(206.0, 100.0);
        let sizes = agreeing(b, &beside, SIZE);
        let rights: Vec<f32> = sizes.concat().iter().map(|s| s.bounding_box.x1).collect();
        assert_eq!(rights, [202.0, 194.0], "{sizes:?}");
    }

    #[test]
    fn no_size_of_a_found_box_leaves_the_frame() {
        let b = FrameBox { x0: 1.0, y0: 0.0, x1: 511.0, y1: 250.0 };
        let sizes = agreeing(b, &Prompt::default().positive(200.0, 100.0), SIZE).concat();
        assert_eq!(sizes.len(), 3);
        for SizedBox { bounding_box: b, .. } in sizes {
            assert!(b.x0 >= 0.0 && b.y0 >= 0.0 && b.x1 <= 511.0 && b.y1 <= 255.0, "{b:?}");
        }
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

    fn mask(inside: impl Fn(f32, f32) -> bool) -> Mask {
        let at = |i: u32| ((i % SIZE.width) as f32, (i / SIZE.width) as f32);
        let pixels = (0..SIZE.pixels() as u32).map(at).map(|(x, y)| u8::from(inside(x, y)));
        Mask::from_pixels(SIZE, pixels.collect())
    }

    fn after(mask: Mask, prompt: &Prompt) -> Mask {
        let low_res_logits = Arc::new(Array2::zeros((4, 4)));
        let mut candidates =
            [MaskCandidate { mask, low_res_logits, predicted_iou: 0.9, stability_score: 1.0 }];
        cut_off(&mut candidates, prompt, &[FrameBox { x0: 0.0, y0: 0.0, x1: 511.0, y1: 255.0 }]);
        let [candidate] = candidates;
        candidate.mask
    }

    #[test]
    fn a_negative_point_takes_what_it_lies_in_and_no_more() {
        // A disc, and another that leaks out of it through a neck.
        let disc = |x: f32, y: f32| (x - 100.0).hypot(y - 128.0) < 60.0;
        let leak = |x: f32, y: f32| (x - 300.0).hypot(y - 128.0) < 40.0;
        let neck = |x: f32, y: f32| (100.0..300.0).contains(&x) && (y - 128.0).abs() < 5.0;
        let whole = mask(|x, y| disc(x, y) || leak(x, y) || neck(x, y));
        let tap = Prompt::default().positive(90.0, 128.0);
        let cut = after(whole.clone(), &tap.clone().negative(300.0, 128.0));
        let right = mask(|x, y| disc(x, y) || neck(x, y) && x < 220.0);
        assert!(cut.iou(&right) > 0.99, "{}", cut.iou(&right));
        assert_eq!(after(whole.clone(), &tap), whole, "nothing goes without a point");

        // Just inside the rim only a spot goes: half of the way to the tap would be a third of the disc.
        let cut = after(mask(disc), &tap.clone().negative(155.0, 128.0));
        let gone = 1.0 - cut.area_px() as f64 / mask(disc).area_px() as f64;
        assert!(!cut.contains(FramePoint::new(155.0, 128.0)) && gone < 0.03, "{gone}");
        // A box and a point off it.
        let boxed = Prompt::default().negative(300.0, 128.0);
        assert!(!after(whole, &boxed).contains(FramePoint::new(300.0, 128.0)));
    }

    #[test]
    fn what_a_cut_severs_goes_with_it() {
        let bar = mask(|x, y| (50.0..450.0).contains(&x) && (y - 128.0).abs() < 10.0);
        let prompt = Prompt::default().positive(80.0, 128.0).negative(200.0, 128.0);
        let cut = after(bar, &prompt);
        assert!(cut.contains(FramePoint::new(170.0, 128.0)));
        assert!(!cut.contains(FramePoint::new(400.0, 128.0)), "the far end hangs on nothing");
        // What never hung together with it stays.
        let two =
            mask(|x, y| (x - 100.0).hypot(y - 60.0) < 40.0 || (x - 300.0).hypot(y - 60.0) < 40.0);
        let cut =
            after(two.clone(), &Prompt::default().positive(300.0, 60.0).negative(335.0, 60.0));
        assert!(!cut.contains(FramePoint::new(335.0, 60.0)));
        assert!((0..200).all(|x| cut.row(60)[x] == two.row(60)[x]), "the other disc is whole");
    }

    #[test]
    fn a_part_agrees_less_than_a_whole_that_is_wrong_by_a_pixel() {
        let (whole, part) = (mask(|x, _| x < 300.0), mask(|x, _| x < 60.0));
        let prompt = Prompt::default().positive(30.0, 100.0).negative(299.0, 50.0);
        let more = prompt.clone().positive(250.0, 200.0);
        assert!((0.999..1.0).contains(&agreement(&whole, &prompt)));
        assert_eq!(agreement(&part, &prompt), 1.0);
        assert!(agreement(&part, &more) < 0.2 && agreement(&whole, &more) > 0.999);
        let deep = Prompt::default().positive(30.0, 100.0).negative(200.0, 128.0);
        assert!((0.1..0.8).contains(&agreement(&whole, &deep)), "{}", agreement(&whole, &deep));
        let lone = Prompt::default().positive(301.0, 100.0);
        assert_eq!(agreement(&part, &lone), 1.0, "a lone tap may miss");
        assert_eq!(agreement(&mask(|_, _| false), &more), 0.0, "nothing holds nothing");
    }

    #[test]
    fn distances_to_the_outline_are_those_of_all_pixels() {
        let bent = mask(|x, y| (x - 100.0).hypot(y - 60.0) < 50.0 || (x > 200.0 && y > 200.0));
        let outside = Mask::from_pixels(SIZE, bent.pixels().iter().map(|p| 1 - p).collect());
        let (inner, outer) = (depths(&bent), depths(&outside));
        for (x, y) in
            [(100, 60), (140, 70), (149, 60), (150, 60), (180, 90), (511, 255), (300, 210)]
        {
            let at = (y * SIZE.width + x) as usize;
            // Outside, the frame's rim is no outline.
            let all = if inner[at] > 0.0 { inner[at] } else { outer[at] };
            let found = to_outline(&bent, FramePoint::new(x as f32, y as f32));
            assert!((f64::from(found) - all).abs() < 1e-4, "({x}, {y}): {found}, {all}");
        }
        assert_eq!(to_outline(&mask(|_, _| false), FramePoint::new(5.0, 5.0)), f32::INFINITY);
    }
}
