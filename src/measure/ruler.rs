//! The pixel spacing from a ruler on the picture.

use serde::{Deserialize, Serialize};

use crate::frame::{Frame, PixelSpacing};
use crate::geometry::FramePoint;

/// How far beside the taps the ruler is looked for, as a share of the picture's longer side.
const REACH: f32 = 0.015;

/// Marks longer than this share of the distance between the taps are no ticks.
const LONGEST_TICK: f32 = 0.06;

/// Marks must stand out by this much grey from what is round them.
const CONTRAST: f32 = 30.0;

/// A tick lies within this share of the period from where it should.
const PLAY: f32 = 0.12;

/// Between two points of a ruler that runs along a picture's side or its lower edge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruler {
    /// The tick next to the first point, or the point itself where no ticks are found.
    pub from: FramePoint,
    /// The tick next to the second point, or likewise.
    pub to: FramePoint,
    /// How many steps from tick to tick lie between; 1 where no ticks are found.
    pub steps: u32,
}

impl Ruler {
    /// What a step may be, in millimetres: scanners draw ticks every 10, 5, 2 or 1 mm.
    pub const STEPS_MM: [f32; 6] = [10.0, 5.0, 2.0, 1.0, 20.0, 50.0];

    /// Looks for ticks along the vertical or horizontal line, whichever is nearer, between two
    /// points, and takes the period that most of them keep to. Large ticks among small ones count
    /// like them. `None` where the points are nearly the same.
    pub fn between(frame: &Frame, a: FramePoint, b: FramePoint) -> Option<Self> {
        let vertical = (a.y - b.y).abs() >= (a.x - b.x).abs();
        let along = |p: FramePoint| if vertical { [p.y, p.x] } else { [p.x, p.y] };
        let point = |[u, v]: [f32; 2]| {
            if vertical { FramePoint::new(v, u) } else { FramePoint::new(u, v) }
        };
        let ([first, v0], [last, v1]) = (along(a), along(b));
        let distance = (last - first).abs();
        if distance < 8.0 || !distance.is_finite() {
            return None;
        }
        let reach = frame.size().longest_side() as f32 * REACH;
        let lines = (v0.min(v1) - reach).floor() as i64..=(v0.max(v1) + reach).ceil() as i64;
        let found = lines.filter_map(|line| {
            let comb = Comb::fit(&Profile::of(frame, vertical, line), first.min(last), distance)?;
            Some((line, comb))
        });
        let best = found.max_by(|a, b| a.1.score.total_cmp(&b.1.score));
        let Some((line, comb)) = best else {
            return Some(Self { from: point([first, v0]), to: point([last, v0]), steps: 1 });
        };
        let [from, to] = [first, last].map(|u| ((u - comb.phase) / comb.period).round());
        let at = |index: f32| point([comb.phase + index * comb.period, line as f32]);
        let steps = (to - from).abs() as u32;
        (steps > 0).then(|| Self { from: at(from), to: at(to), steps })
    }

    /// The spacing if each step is `step_mm` long. It holds along the ruler, and across it too
    /// unless that is known by `other`.
    pub fn spacing(&self, step_mm: f32, other: Option<PixelSpacing>) -> PixelSpacing {
        let (dx, dy) = ((self.to.x - self.from.x).abs(), (self.to.y - self.from.y).abs());
        let mm = step_mm * self.steps as f32 / dx.hypot(dy);
        match other {
            None => PixelSpacing { row_mm: mm, column_mm: mm },
            Some(known) if dy >= dx => PixelSpacing { row_mm: mm, ..known },
            Some(known) => PixelSpacing { column_mm: mm, ..known },
        }
    }
}

/// How bright a line of pixels is against what is round it.
struct Profile(Vec<f32>);

impl Profile {
    /// The column (or row) `line` of the frame, each pixel less the mean of those round it.
    fn of(frame: &Frame, vertical: bool, line: i64) -> Self {
        let size = frame.size();
        let (length, breadth) =
            if vertical { (size.height, size.width) } else { (size.width, size.height) };
        if !(0..i64::from(breadth)).contains(&line) {
            return Self(Vec::new());
        }
        let grey = |i: u32| {
            let (x, y) = if vertical { (line as u32, i) } else { (i, line as u32) };
            let at = (y as usize * size.width as usize + x as usize) * 3;
            frame.rgb()[at..at + 3].iter().map(|&v| f32::from(v)).sum::<f32>() / 3.0
        };
        let values: Vec<f32> = (0..length).map(grey).collect();
        let window = 12;
        let around = |i: usize| {
            let part = &values[i.saturating_sub(window)..(i + window + 1).min(values.len())];
            part.iter().sum::<f32>() / part.len() as f32
        };
        Self((0..values.len()).map(|i| values[i] - around(i)).collect())
    }

    /// The middles of the marks between `start` and `end` that are not longer than `longest`.
    fn marks(&self, start: f32, end: f32, longest: f32) -> Vec<f32> {
        let last = self.0.len().saturating_sub(1);
        let (start, end) = (start.max(0.0) as usize, (end.max(0.0) as usize).min(last));
        let Some(part) = self.0.get(start..=end) else { return Vec::new() };
        let brightest = part.iter().copied().fold(0.0, f32::max);
        let threshold = (brightest * 0.3).max(CONTRAST);
        let mut marks = Vec::new();
        let mut mark: Option<(f32, f32, u32)> = None;
        for (i, &value) in part.iter().chain([&0.0]).enumerate() {
            if value >= threshold {
                let (sum, weight, count) = mark.get_or_insert((0.0, 0.0, 0));
                *sum += (start + i) as f32 * value;
                *weight += value;
                *count += 1;
            } else if let Some((sum, weight, count)) = mark.take()
                && count as f32 <= longest
            {
                marks.push(sum / weight);
            }
        }
        marks
    }
}

/// Ticks at equal distances.
struct Comb {
    period: f32,
    /// Where one of them is.
    phase: f32,
    score: f32,
}

impl Comb {
    /// The comb that fits the marks of a profile between `start` and `start + distance` best.
    fn fit(profile: &Profile, start: f32, distance: f32) -> Option<Self> {
        let slack = (distance * 0.03).max(4.0);
        let longest = (distance * LONGEST_TICK).max(4.0);
        let marks = profile.marks(start - slack, start + distance + slack, longest);
        let steps = marks.windows(2).map(|pair| pair[1] - pair[0]).filter(|&step| step >= 4.0);
        steps
            .filter_map(|step| Self::refined(&marks, step))
            .max_by(|a, b| a.score.total_cmp(&b.score))
    }

    /// The comb of about this period through most of the marks, by least squares.
    fn refined(marks: &[f32], period: f32) -> Option<Self> {
        let mut best: Option<Self> = None;
        for &phase in marks {
            let mut comb = Self { period, phase, score: 0.0 };
            let mut kept = comb.kept(marks);
            // A longer and longer part of the ruler corrects the period that one step gave.
            for _ in 0..3 {
                let fitted = line(&kept)?;
                (comb.phase, comb.period) = fitted;
                kept = comb.kept(marks);
            }
            let (first, last) = (kept.first()?.0, kept.last()?.0);
            let missing = (last - first + 1.0) - kept.len() as f32;
            let strange = (marks.len() - kept.len()) as f32;
            comb.score = kept.len() as f32 - missing - strange;
            let sound = kept.len() >= 3 && comb.score > 0.5 * kept.len() as f32;
            if sound && best.as_ref().is_none_or(|best| comb.score > best.score) {
                best = Some(comb);
            }
        }
        best
    }

    /// The marks that lie at a tick: its number and where.
    fn kept(&self, marks: &[f32]) -> Vec<(f32, f32)> {
        let numbered =
            marks.iter().map(|&mark| (((mark - self.phase) / self.period).round(), mark));
        let mut kept: Vec<(f32, f32)> = numbered
            .filter(|&(n, mark)| (mark - self.phase - n * self.period).abs() <= PLAY * self.period)
            .collect();
        kept.dedup_by_key(|tick| tick.0);
        kept
    }
}

/// The line through points by least squares: its height at 0, and its slope.
fn line(points: &[(f32, f32)]) -> Option<(f32, f32)> {
    let count = points.len() as f32;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
    let (x, y) = (x / count, y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), p| {
        (above + (p.0 - x) * (p.1 - y), below + (p.0 - x).powi(2))
    });
    (below > 0.0).then(|| (y - above / below * x, above / below))
}
