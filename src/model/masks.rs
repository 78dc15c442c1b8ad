//! What a prompt is answered with.

use std::sync::Arc;

use ndarray::Array2;

use crate::mask::Mask;

/// The IoU from which two candidates are taken for the same.
const SAME: f64 = 0.9;

/// One proposed mask.
#[derive(Clone, Debug)]
pub struct MaskCandidate {
    /// At frame resolution: logits above 0, without what negative points cut off and sever where the model
    /// itself takes no points.
    pub mask: Mask,
    /// The decoder's output, `4G × 4G` (rows × columns) for an embedding of `G × G`, over the
    /// padded model input. Refines the mask when given back as
    /// [`MaskPrompt::LowResLogits`](crate::prompt::MaskPrompt::LowResLogits).
    pub low_res_logits: Arc<Array2<f32>>,
    /// The decoder's own estimate of the mask's IoU with the truth, about 0 to 1; of the mask before
    /// anything was cut off.
    pub predicted_iou: f32,
    /// How little the mask depends on the threshold: IoU of the masks at logits above +1 and
    /// above −1 (Segment Anything, appendix B; `calculate_stability_score`); 0 to 1, and 0 for an empty mask; of the
    /// mask before anything was cut off.
    pub stability_score: f32,
}

/// The masks proposed for one prompt, best predicted IoU first (for a tap that a tap head found boxes
/// for, times the quality it gives the box; where the model itself takes no points and there are several,
/// times how well the mask agrees with them). A prediction has at least one.
#[derive(Clone, Debug)]
pub struct Masks {
    /// The candidates, best first.
    pub candidates: Vec<MaskCandidate>,
}

impl Masks {
    /// Ranks candidates by predicted IoU; equal ones keep their order.
    pub(super) fn ranked(candidates: Vec<MaskCandidate>) -> Self {
        Self::ranked_by(candidates.into_iter().map(|c| (c.predicted_iou, c)).collect())
    }

    /// Ranks candidates by what stands beside each; equal ones keep their order.
    pub(super) fn ranked_by(mut candidates: Vec<(f32, MaskCandidate)>) -> Self {
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        Self { candidates: candidates.into_iter().map(|(_, candidate)| candidate).collect() }
    }

    /// Drops candidates that say the same as a better one: an IoU of [`SAME`] and more.
    pub(super) fn without_repeats(mut self) -> Self {
        let mut distinct: Vec<MaskCandidate> = Vec::with_capacity(self.candidates.len());
        for candidate in self.candidates.drain(..) {
            if distinct.iter().all(|better| better.mask.iou(&candidate.mask) < SAME) {
                distinct.push(candidate);
            }
        }
        Self { candidates: distinct }
    }

    /// The candidates in the order in which one steps through them: the best, then ever larger ones,
    /// and after the largest from the smallest on, so that part and whole follow each other. Those that say
    /// the same as a better one, by an IoU of 0.9 and more, are left out: a step is to be seen.
    ///
    /// # Panics
    /// If masks are of different sizes, which no prediction gives.
    pub fn in_steps(self) -> Self {
        let mut distinct = self.without_repeats();
        if let [best, others @ ..] = &mut distinct.candidates[..] {
            let best = best.mask.area_px();
            others.sort_by_cached_key(|other| {
                let size = other.mask.area_px();
                (size < best, size)
            });
        }
        distinct
    }

    /// The first candidate.
    ///
    /// # Panics
    /// If there is none, which no prediction gives.
    pub fn best(&self) -> &MaskCandidate {
        &self.candidates[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::FrameSize;

    #[test]
    fn each_step_shows_another_mask() {
        let candidate = |columns: usize| MaskCandidate {
            mask: Mask::from_pixels(
                FrameSize::new(100, 2),
                (0..200).map(|k| u8::from(k % 100 < columns)).collect(),
            ),
            low_res_logits: Arc::new(Array2::zeros((4, 4))),
            predicted_iou: 0.9,
            stability_score: 1.0,
        };
        // Ranked, the best first, by how wide they are.
        for (name, ranked, steps) in [
            ("best, larger, smaller", vec![40, 60, 20, 90], vec![40, 60, 90, 20]),
            ("like the best", vec![40, 42, 60, 37], vec![40, 60]),
            ("like another", vec![40, 80, 75, 20], vec![40, 80, 20]),
            ("one", vec![40], vec![40]),
            ("none", vec![], vec![]),
        ] {
            let masks = Masks { candidates: ranked.into_iter().map(candidate).collect() };
            let widths = masks.in_steps().candidates.into_iter().map(|c| c.mask.area_px() / 2);
            assert_eq!(widths.collect::<Vec<_>>(), steps, "{name}");
        }
    }
}
