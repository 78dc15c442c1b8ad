//! Strokes drawn over a structure, or over what is to be left out.

use super::{PointLabel, PromptPoint};
use crate::geometry::{FramePoint, FrameSize};

/// A stroke: the corners of its path, in the order they were drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Scribble {
    /// Corners in frame pixels; one alone is a dot.
    pub path: Vec<FramePoint>,
    /// On or off the structure.
    pub label: PointLabel,
}

impl Scribble {
    /// The most points a stroke becomes: each is a token for the decoder.
    pub const MAX_POINTS: usize = 10;

    /// The stroke as points for a frame of `size`: the middles of equal parts of its length, one
    /// part for each 32nd of the frame's longest side. The ends themselves, where a hand overshoots,
    /// are none of them. A path with a corner that is no number becomes its corners, for
    /// [`Prompt::checked`](super::Prompt::checked) to refuse; without corners, nothing.
    pub fn points(&self, size: FrameSize) -> Vec<PromptPoint> {
        let labelled = |position| PromptPoint { position, label: self.label };
        if self.path.iter().any(|p| !p.x.is_finite() || !p.y.is_finite()) {
            return self.path.iter().copied().map(labelled).collect();
        }
        let Some(&first) = self.path.first() else { return Vec::new() };
        let legs = self.path.windows(2).map(|leg| (leg[0], leg[1]));
        let length = |(a, b): (FramePoint, FramePoint)| (b.x - a.x).hypot(b.y - a.y);
        let total: f32 = legs.clone().map(length).sum();
        let part = size.longest_side() as f32 / 32.0;
        let count = ((total / part).round() as usize).clamp(1, Self::MAX_POINTS);
        let at = |distance: f32| {
            let mut left = distance;
            let mut end = first;
            for leg in legs.clone() {
                let (a, b) = leg;
                let length = length(leg);
                if left < length {
                    let share = left / length;
                    return FramePoint::new(a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share);
                }
                left -= length;
                end = b;
            }
            end
        };
        let middles = (0..count).map(|i| (i as f32 + 0.5) / count as f32 * total);
        middles.map(|distance| labelled(at(distance))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(path: &[(f32, f32)]) -> Vec<(f32, f32)> {
        let path = path.iter().map(|&(x, y)| FramePoint::new(x, y)).collect();
        let scribble = Scribble { path, label: PointLabel::Negative };
        let points = scribble.points(FrameSize::new(320, 240));
        assert!(points.iter().all(|p| p.label == PointLabel::Negative));
        points.iter().map(|p| (p.position.x, p.position.y)).collect()
    }

    #[test]
    fn strokes_become_evenly_spread_points() {
        assert_eq!(points(&[]), []);
        assert_eq!(points(&[(5.0, 6.0)]), [(5.0, 6.0)]);
        assert_eq!(points(&[(5.0, 6.0), (5.0, 6.0)]), [(5.0, 6.0)]);
        assert_eq!(points(&[(0.0, 0.0), (20.0, 0.0)]), [(5.0, 0.0), (15.0, 0.0)]);
        // Round a corner, however unevenly its corners are spread.
        let bent = points(&[(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (20.0, 0.0), (20.0, 20.0)]);
        assert_eq!(bent, [(5.0, 0.0), (15.0, 0.0), (20.0, 5.0), (20.0, 15.0)]);
        assert_eq!(points(&[(0.0, 0.0), (300.0, 200.0)]).len(), Scribble::MAX_POINTS);
        assert!(points(&[(0.0, 0.0), (f32::NAN, 2.0)])[1].0.is_nan());
    }
}
