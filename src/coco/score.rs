//! How well masks are found: COCO's average precision and recall (`cocoeval.py`, `segm`).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::rle::Rle;

/// A mask that is there.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The picture it is on.
    pub image_id: u64,
    /// What it is.
    pub category_id: u64,
    /// The mask.
    pub mask: Rle,
    /// Its area in pixels, as the dataset counts it: what small and large go by.
    pub area: f64,
    /// Whether it is a crowd: nothing found on it is wrong, and it need not be found.
    pub crowd: bool,
}

/// A mask that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The picture it is on.
    pub image_id: u64,
    /// What it is taken for.
    pub category_id: u64,
    /// The mask.
    pub mask: Rle,
    /// How sure the finder is; the surer are judged first.
    pub score: f32,
}

/// Shares from 0 to 1, `None` where there is nothing to find.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Average precision: the mean over IoU thresholds 0.5, 0.55 … 0.95.
    pub ap: Option<f64>,
    /// At the IoU threshold 0.5.
    pub ap50: Option<f64>,
    /// At the IoU threshold 0.75.
    pub ap75: Option<f64>,
    /// Of masks below 32² pixels.
    pub ap_small: Option<f64>,
    /// Of masks from 32² to 96² pixels.
    pub ap_medium: Option<f64>,
    /// Of masks above 96² pixels.
    pub ap_large: Option<f64>,
    /// Average recall: the share of masks that are found, as a mean over the IoU thresholds.
    pub ar: Option<f64>,
    /// Of masks below 32² pixels.
    pub ar_small: Option<f64>,
    /// Of masks from 32² to 96² pixels.
    pub ar_medium: Option<f64>,
    /// Of masks above 96² pixels.
    pub ar_large: Option<f64>,
}

const THRESHOLDS: usize = 10;
const RECALLS: usize = 101;

/// The IoU threshold and the recall of a step, rounded as NumPy's `linspace(0.5, 0.95, 10)` and
/// `linspace(0, 1, 101)` round them: counts and areas are small whole numbers, which often lie just
/// on one.
fn threshold(step: usize) -> f64 {
    0.5 + step as f64 * ((0.95 - 0.5) / (THRESHOLDS - 1) as f64)
}
fn recall(step: usize) -> f64 {
    step as f64 * 0.01
}

/// All, small, medium, large, in pixels.
const AREAS: [(f64, f64); 4] = [(0.0, 1e10), (0.0, 1024.0), (1024.0, 9216.0), (9216.0, 1e10)];

/// Scores `found` against `truth`. Of each picture and category the `most` surest are judged (COCO:
/// 100; 1000 for proposals). Pictures without truth count too: all found there is wrong.
///
/// # Panics
/// If masks on one picture differ in size.
pub fn score(truth: &[Truth], found: &[Found], most: usize) -> Scores {
    // By category, then picture.
    type Group<'a> = (Vec<&'a Truth>, Vec<&'a Found>);
    let mut groups: BTreeMap<(u64, u64), Group<'_>> = BTreeMap::new();
    for t in truth {
        groups.entry((t.category_id, t.image_id)).or_default().0.push(t);
    }
    for f in found {
        groups.entry((f.category_id, f.image_id)).or_default().1.push(f);
    }
    let mut categories: BTreeMap<u64, Vec<Pairs>> = BTreeMap::new();
    for ((category, _), (truth, found)) in groups {
        categories.entry(category).or_default().push(Pairs::new(truth, found, most));
    }
    let judged = AREAS.map(|area| {
        let all: Vec<_> =
            categories.values().filter_map(|pairs| of_category(pairs, area)).collect();
        let mean = |value: &dyn Fn(&Judged) -> f64| {
            (!all.is_empty()).then(|| all.iter().map(value).sum::<f64>() / all.len() as f64)
        };
        let over_thresholds = |values: &[f64]| values.iter().sum::<f64>() / THRESHOLDS as f64;
        (
            mean(&|j| over_thresholds(&j.precision)),
            mean(&|j| over_thresholds(&j.recall)),
            mean(&|j| j.precision[0]),
            mean(&|j| j.precision[5]),
        )
    });
    let [all, small, medium, large] = judged;
    Scores {
        ap: all.0,
        ap50: all.2,
        ap75: all.3,
        ap_small: small.0,
        ap_medium: medium.0,
        ap_large: large.0,
        ar: all.1,
        ar_small: small.1,
        ar_medium: medium.1,
        ar_large: large.1,
    }
}

/// One category on one picture.
struct Pairs<'a> {
    truth: Vec<&'a Truth>,
    /// The surest first.
    found: Vec<&'a Found>,
    /// IoU of each found with each true mask; of a crowd the share of the found that lies on it.
    iou: Vec<Vec<f64>>,
}

impl<'a> Pairs<'a> {
    fn new(truth: Vec<&'a Truth>, mut found: Vec<&'a Found>, most: usize) -> Self {
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(most);
        let overlap = |f: &Found, t: &Truth| {
            let (a, b) = (f.mask.area_px(), t.mask.area_px());
            let both = f.mask.intersection_px(&t.mask);
            let either = if t.crowd { a } else { a + b - both };
            if either == 0 { 0.0 } else { both as f64 / either as f64 }
        };
        let iou = found.iter().map(|f| truth.iter().map(|t| overlap(f, t)).collect()).collect();
        Self { truth, found, iou }
    }

    /// For each found mask, whether it is right; `None` where it counts neither way.
    fn matched(&self, threshold: f64, outside: impl Fn(f64) -> bool) -> Vec<Option<bool>> {
        let ignored: Vec<bool> = self.truth.iter().map(|t| t.crowd || outside(t.area)).collect();
        let mut order: Vec<usize> = (0..self.truth.len()).collect();
        order.sort_by_key(|&i| ignored[i]);
        let mut taken = vec![false; self.truth.len()];
        let judge = |(found, iou): (&&Found, &Vec<f64>)| {
            let (mut best, mut least) = (None, threshold.min(1.0 - 1e-10));
            for &t in &order {
                if taken[t] && !self.truth[t].crowd {
                    continue;
                }
                // What counts goes before what doesn't.
                if best.is_some_and(|best: usize| !ignored[best]) && ignored[t] {
                    break;
                }
                if iou[t] >= least {
                    (best, least) = (Some(t), iou[t]);
                }
            }
            match best {
                Some(t) => {
                    taken[t] = true;
                    (!ignored[t]).then_some(true)
                }
                None => (!outside(found.mask.area_px() as f64)).then_some(false),
            }
        };
        self.found.iter().zip(&self.iou).map(judge).collect()
    }
}

/// A category's figures at each threshold.
struct Judged {
    precision: [f64; THRESHOLDS],
    recall: [f64; THRESHOLDS],
}

/// `None` where there is nothing of the category with such an area.
fn of_category(pictures: &[Pairs<'_>], (low, high): (f64, f64)) -> Option<Judged> {
    let outside = |area: f64| area < low || area > high;
    let counts = |t: &&&Truth| !t.crowd && !outside(t.area);
    let there: usize = pictures.iter().map(|p| p.truth.iter().filter(counts).count()).sum();
    if there == 0 {
        return None;
    }
    let mut judged = Judged { precision: [0.0; THRESHOLDS], recall: [0.0; THRESHOLDS] };
    for step in 0..THRESHOLDS {
        let threshold = threshold(step);
        let mut verdicts: Vec<(f32, bool)> = Vec::new();
        for picture in pictures {
            let matched = picture.matched(threshold, outside);
            let scored = picture.found.iter().zip(matched);
            verdicts.extend(scored.filter_map(|(f, right)| Some((f.score, right?))));
        }
        verdicts.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut right = 0;
        let mut curve: Vec<(f64, f64)> = Vec::with_capacity(verdicts.len());
        for (index, (_, is_right)) in verdicts.iter().enumerate() {
            right += usize::from(*is_right);
            curve.push((right as f64 / there as f64, right as f64 / (index + 1) as f64));
        }
        judged.recall[step] = curve.last().map_or(0.0, |(recall, _)| *recall);
        // Precision never rises with recall: the best that can be had from here on.
        for i in (1..curve.len()).rev() {
            curve[i - 1].1 = curve[i - 1].1.max(curve[i].1);
        }
        let at = |i: usize| {
            let first = curve.partition_point(|(reached, _)| *reached < recall(i));
            curve.get(first).map_or(0.0, |(_, precision)| *precision)
        };
        judged.precision[step] = (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64;
    }
    Some(judged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::FrameSize;

    /// Twenty masks of which each is found with an IoU of just 0.85; the eighth surest finds nothing,
    /// so that a recall of just 0.35 matters. Expected figures printed by pycocotools 2.0.
    #[test]
    fn what_lies_just_on_a_threshold_counts_as_in_pycocotools() {
        let column = |column: u32, rows: u32| {
            let outside = 20 * column;
            let counts = vec![outside, rows, 42 * 20 - outside - rows];
            Rle::from_counts(FrameSize::new(42, 20), counts).unwrap()
        };
        let truth: Vec<Truth> = (0..20)
            .map(|i| Truth {
                image_id: 1,
                category_id: 1,
                mask: column(2 * i, 20),
                area: 20.0,
                crowd: false,
            })
            .collect();
        let mut masks: Vec<Rle> = (0..20).map(|i| column(2 * i, 17)).collect();
        masks.insert(7, column(41, 20));
        let found: Vec<Found> = (0u8..)
            .zip(masks)
            .map(|(i, mask)| {
                let score = 1.0 - f32::from(i) / 100.0;
                Found { image_id: 1, category_id: 1, mask, score }
            })
            .collect();
        let scores = score(&truth, &found, 100);
        let near = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 1e-9;
        assert!(near(scores.ap, 0.7751060820367751), "{scores:?}");
        assert!(near(scores.ap50, 0.9688826025459688), "{scores:?}");
        assert!(near(scores.ar, 0.8), "{scores:?}");
    }
}
