//! How well edges fit boundaries that people drew: the benchmark of BSDS500 (Arbelaez et al., *Contour
//! detection and hierarchical image segmentation*, 2011), as Dollár's Structured Edge Detection Toolbox
//! counts (`edgesEvalImg.m`, `edgesEvalDir.m`).
//!
//! Edges are cut off at 99 thresholds and thinned. Their pixels and those of a person's boundary
//! correspond one to one within 0.0075 of the picture's diagonal. Precision is the share of edge pixels
//! that correspond to any person's boundary, recall the share of all persons' boundary pixels that
//! correspond to an edge.
//!
//! One difference: the toolbox looks for the matching of least distance with a program that adds random
//! candidates (CSA), so that now and then a pair is missed; here there are always as many pairs as there
//! can be. Where several people drew, which of two edge pixels has a partner may differ, and precision by
//! a few thousandths.

mod matching;
mod thinning;

use serde::Serialize;

use crate::geometry::FrameSize;
use crate::mask::Mask;

use matching::Target;
use thinning::thin;

/// How many thresholds there are: 0.01, 0.02 … 0.99.
const THRESHOLDS: usize = 99;

/// How far apart pixels that correspond may be, as a share of the picture's diagonal.
const MOST_DISTANCE: f64 = 0.0075;

/// Steps between two thresholds in which the best F is looked for.
const STEPS: usize = 100;

/// Pixels at one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Of all persons' boundaries, those that correspond to an edge.
    recalled: u64,
    /// Of all persons' boundaries.
    boundary: u64,
    /// Of edges, those that correspond to any person's boundary.
    right: u64,
    /// Of edges.
    edge: u64,
}

/// How the edges of a picture fit its boundaries, at each threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureCounts([Counts; THRESHOLDS]);

/// A point of a curve of precision over recall.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Operating {
    /// The harmonic mean of precision and recall.
    pub f: f64,
    /// The share of edge pixels that are right.
    pub precision: f64,
    /// The share of boundary pixels that are found.
    pub recall: f64,
}

/// Figures of the benchmark, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BoundaryScores {
    /// Optimal dataset scale: at the one threshold that is best for all pictures together.
    pub ods: Operating,
    /// That threshold.
    pub ods_threshold: f64,
    /// Optimal image scale: at each picture's own best threshold.
    pub ois: Operating,
    /// Average precision: the area under the curve of precision over recall.
    pub ap: f64,
    /// The recall at a precision of 0.5; `None` where it is not reached.
    pub r50: Option<f64>,
}

impl PictureCounts {
    /// Compares edges of `strength` (a byte a pixel, row by row, 255 the strongest) with `boundaries`, a
    /// person each.
    ///
    /// # Panics
    /// If sizes differ.
    pub fn new(size: FrameSize, strength: &[u8], boundaries: &[Mask]) -> Self {
        assert_eq!(strength.len(), size.pixels(), "a byte a pixel");
        let diagonal = f64::from(size.width).hypot(f64::from(size.height));
        let target = |boundary: &Mask| {
            assert_eq!(boundary.size(), size, "boundaries are of their picture's size");
            Target::new(boundary, MOST_DISTANCE * diagonal)
        };
        let targets: Vec<Target> = boundaries.iter().map(target).collect();
        let mut counts = [Counts::default(); THRESHOLDS];
        for step in 0..THRESHOLDS {
            let least = least_strength(step);
            counts[step] = match step.checked_sub(1) {
                // Nothing lies between the two.
                Some(before)
                    if !strength.iter().any(|s| (least_strength(before)..least).contains(s)) =>
                {
                    counts[before]
                }
                _ => Counts::at(size, strength, least, &targets),
            };
        }
        Self(counts)
    }
}

/// The strength, as a byte, from which on edges are beyond threshold `step`.
fn least_strength(step: usize) -> u8 {
    ((step as f64 + 1.0) / (THRESHOLDS as f64 + 1.0) * 255.0).ceil() as u8
}

impl Counts {
    fn at(size: FrameSize, strength: &[u8], least: u8, targets: &[Target]) -> Self {
        let mut edges: Vec<bool> = strength.iter().map(|s| *s >= least).collect();
        thin(&mut edges, size.width as usize);
        let pixels: Vec<usize> = (0..edges.len()).filter(|at| edges[*at]).collect();
        let mut counts = Self { edge: pixels.len() as u64, ..Self::default() };
        let mut right = vec![false; pixels.len()];
        for target in targets {
            let found = target.matching(&pixels);
            counts.recalled += found.pairs as u64;
            counts.boundary += target.count as u64;
            right.iter_mut().zip(found.matched).for_each(|(right, matched)| *right |= matched);
        }
        counts.right = right.iter().filter(|right| **right).count() as u64;
        counts
    }

    fn plus(self, other: Self) -> Self {
        Self {
            recalled: self.recalled + other.recalled,
            boundary: self.boundary + other.boundary,
            right: self.right + other.right,
            edge: self.edge + other.edge,
        }
    }

    fn operating(self) -> Operating {
        let share = |part: u64, all: u64| part as f64 / (all as f64).max(f64::EPSILON);
        Operating::new(share(self.recalled, self.boundary), share(self.right, self.edge))
    }
}

impl Operating {
    fn new(recall: f64, precision: f64) -> Self {
        let f = 2.0 * precision * recall / (precision + recall).max(f64::EPSILON);
        Self { f, precision, recall }
    }

    /// A part of the way from one to the other.
    fn towards(self, other: Self, part: f64) -> Self {
        let between = |a: f64, b: f64| b * part + a * (1.0 - part);
        let recall = between(self.recall, other.recall);
        Self::new(recall, between(self.precision, other.precision))
    }
}

impl BoundaryScores {
    /// The figures of all pictures together; `None` where there are none.
    pub fn of(pictures: &[PictureCounts]) -> Option<Self> {
        let mut together = [Counts::default(); THRESHOLDS];
        let mut at_own_best = Counts::default();
        for PictureCounts(counts) in pictures {
            together.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.plus(*count));
            let f = |counts: &Counts| counts.operating().f;
            // The first of equally good ones.
            let best = counts.iter().rev().max_by(|a, b| f(a).total_cmp(&f(b)))?;
            at_own_best = at_own_best.plus(*best);
        }
        if pictures.is_empty() {
            return None;
        }
        let curve = together.map(Counts::operating);
        let (ods, ods_threshold) = best_between(&curve)?;
        let (by_recall, by_precision) = (
            sorted(&curve, |o| (o.recall, o.precision)),
            sorted(&curve, |o| (o.precision, o.recall)),
        );
        let hundredths = (0..=100).filter_map(|i| interpolated(&by_recall, f64::from(i) / 100.0));
        // Of 101 values, as in the toolbox.
        let ap = if by_recall.len() > 1 { hundredths.sum::<f64>() / 100.0 } else { 0.0 };
        let r50 = by_precision.first().and_then(|(least, _)| {
            if by_precision.len() > 1 { interpolated(&by_precision, least.max(0.5)) } else { None }
        });
        Some(Self { ods, ods_threshold, ois: at_own_best.operating(), ap, r50 })
    }
}

/// The best F on the curve, also between its points, and the threshold there (`findBestRPF`).
fn best_between(curve: &[Operating]) -> Option<(Operating, f64)> {
    let threshold = |step: usize| (step as f64 + 1.0) / (THRESHOLDS as f64 + 1.0);
    let mut best: Option<(Operating, f64)> = None;
    for (step, pair) in curve.windows(2).enumerate() {
        for part in (0..STEPS).map(|i| i as f64 / (STEPS - 1) as f64) {
            let here = pair[0].towards(pair[1], part);
            if best.is_none_or(|(best, _)| here.f > best.f) {
                let at = threshold(step) * (1.0 - part) + threshold(step + 1) * part;
                best = Some((here, at));
            }
        }
    }
    best
}

/// The curve as (x, y) by rising x, each x once, with the y of the lowest threshold.
fn sorted(curve: &[Operating], of: impl Fn(&Operating) -> (f64, f64)) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = curve.iter().map(of).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by(|later, first| later.0 == first.0);
    points
}

/// The y at `x`, linear between points; `None` beyond them.
fn interpolated(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = points.partition_point(|(at, _)| *at < x);
    let &(x1, y1) = points.get(after)?;
    if x1 == x {
        return Some(y1);
    }
    let (x0, y0) = points[after.checked_sub(1)?];
    Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
}

#[cfg(test)]
mod tests;
