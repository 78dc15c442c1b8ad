//! A mask propagated from slice to slice: a structure in 3-D from a prompt on one slice, or through
//! the frames of a clip.
//!
//! The mask found on a slice prompts the slice beside it: its box, a little larger, and its low-res
//! logits where the model was trained to refine masks. That goes on in both directions until there
//! is no more evidence of the structure; see [`Limits`].

use crate::feed::{Clip, FeedError};
use crate::frame::Frame;
use crate::geometry::{FrameBox, FrameSize};
use crate::mask::Mask;
use crate::model::MaskCandidate;
use crate::prompt::{MaskPrompt, Prompt};

/// What a mask must have to be kept and propagated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The least predicted IoU. Default 0.5.
    pub predicted_iou: f32,
    /// The least Dice coefficient with the mask of the slice before. Default 0.5.
    pub overlap: f64,
    /// The least and the greatest area, as shares of that on the slice before. Default 0.25 to 2.5.
    pub area: (f64, f64),
    /// The least contrast, as a share of that on the prompted slice: the difference of the mean grey
    /// inside and of the rest of the prompting box, over their spread. A model that was trained on
    /// boxes outlines something in every box; what it outlines past the structure's end differs
    /// little from what is round it. Not asked for where the prompted slice has less than
    /// [`FAINT`]. Default 0.4.
    pub contrast: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { predicted_iou: 0.5, overlap: 0.5, area: (0.25, 2.5), contrast: 0.4 }
    }
}

/// A contrast on the prompted slice that tells nothing of the others.
pub const FAINT: f64 = 0.3;

/// The fewest pixels of a mask that is kept.
pub const LEAST_AREA_PX: u64 = 9;

/// How much the box of the slice before is enlarged to each side: a share of its sides, and at least
/// so many pixels. The structure may be larger on the next slice.
const MARGIN: (f32, f32) = (0.1, 2.0);

/// Why a mask was propagated no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// There is no further slice.
    LastSlice,
    /// The next slice has another size.
    SliceSize,
    /// The mask had fewer than [`LEAST_AREA_PX`] pixels.
    Vanished,
    /// The area left [`Limits::area`].
    Area,
    /// The predicted IoU was below [`Limits::predicted_iou`].
    PredictedIou,
    /// The overlap with the slice before was below [`Limits::overlap`].
    Overlap,
    /// The contrast was below [`Limits::contrast`].
    Contrast,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LastSlice => "the last slice",
            Self::SliceSize => "a slice of another size",
            Self::Vanished => "the mask vanished",
            Self::Area => "the area jumped",
            Self::PredictedIou => "the model was unsure",
            Self::Overlap => "the mask moved away",
            Self::Contrast => "the contrast was gone",
        })
    }
}

/// A slice on which the structure was found.
#[derive(Clone, Debug)]
pub struct SliceMask {
    /// Which slice or frame of the clip.
    pub index: u64,
    /// The structure on it.
    pub mask: Mask,
    /// What the model said of it.
    pub predicted_iou: f32,
}

/// A structure on neighbouring slices.
#[derive(Clone, Debug)]
pub struct Propagated {
    /// By index, without gaps; none where the prompted slice gave an empty mask.
    pub slices: Vec<SliceMask>,
    /// Why it goes no further towards slice 0.
    pub before: Stop,
    /// Why it goes no further towards the last slice.
    pub after: Stop,
}

/// Outlines the structure that `prompt` points at on slice `start` of `clip`, there and on the
/// slices beside it. `predict` gives the best mask for a prompt on a frame, `refine` says whether
/// its model was trained on masks; `kept` is told of each slice as it is kept.
///
/// # Errors
/// What `predict` and the clip say.
///
/// # Panics
/// If the clip has no slice `start`.
pub fn propagate<E: From<FeedError>>(
    clip: &mut dyn Clip,
    start: u64,
    prompt: &Prompt,
    limits: Limits,
    refine: bool,
    mut predict: impl FnMut(&Frame, &Prompt) -> Result<MaskCandidate, E>,
    mut kept: impl FnMut(&SliceMask),
) -> Result<Propagated, E> {
    let frame = clip.frame(start)?;
    let size = frame.size();
    let found = predict(&frame, prompt)?;
    let Some(around) = next_box(&found.mask).filter(|_| found.mask.area_px() >= LEAST_AREA_PX)
    else {
        let stop = Stop::Vanished;
        return Ok(Propagated { slices: Vec::new(), before: stop, after: stop });
    };
    let prompted_contrast = contrast(&frame, &found.mask, around);
    let first = slice_mask(start, &found);
    kept(&first);
    let mut slices = vec![first];

    let count = clip.frame_count().unwrap_or(u64::MAX);
    let mut walk = |indices: &mut dyn Iterator<Item = u64>| -> Result<Stop, E> {
        let mut last = found.clone();
        for index in indices {
            let frame = clip.frame(index)?;
            if frame.size() != size {
                return Ok(Stop::SliceSize);
            }
            let Some(around) = next_box(&last.mask) else { return Ok(Stop::Vanished) };
            let mut prompt = Prompt::default().in_box(around);
            if refine {
                prompt = prompt.refining(MaskPrompt::LowResLogits(last.low_res_logits.clone()));
            }
            let next = predict(&frame, &prompt)?;
            let contrast = contrast(&frame, &next.mask, around) / prompted_contrast;
            let contrast = (prompted_contrast.abs() >= FAINT).then_some(contrast);
            if let Some(stop) = limits.broken(&last.mask, &next, contrast) {
                return Ok(stop);
            }
            let slice = slice_mask(index, &next);
            kept(&slice);
            slices.push(slice);
            last = next;
        }
        Ok(Stop::LastSlice)
    };
    let before = walk(&mut (0..start).rev())?;
    let after = walk(&mut (start + 1..count))?;
    slices.sort_by_key(|slice| slice.index);
    Ok(Propagated { slices, before, after })
}

impl Limits {
    /// Which limit `next` breaks after `last`; `contrast` as a share of the prompted slice's.
    fn broken(&self, last: &Mask, next: &MaskCandidate, contrast: Option<f64>) -> Option<Stop> {
        let area = next.mask.area_px();
        let share = area as f64 / last.area_px() as f64;
        if area < LEAST_AREA_PX {
            Some(Stop::Vanished)
        } else if !(self.area.0..=self.area.1).contains(&share) {
            Some(Stop::Area)
        } else if next.predicted_iou < self.predicted_iou {
            Some(Stop::PredictedIou)
        } else if next.mask.dice(last) < self.overlap {
            Some(Stop::Overlap)
        } else if contrast.is_some_and(|contrast| contrast < self.contrast) {
            Some(Stop::Contrast)
        } else {
            None
        }
    }
}

fn slice_mask(index: u64, found: &MaskCandidate) -> SliceMask {
    SliceMask { index, mask: found.mask.clone(), predicted_iou: found.predicted_iou }
}

/// The box that prompts the slice beside that of `mask`.
fn next_box(mask: &Mask) -> Option<FrameBox> {
    let found = mask.bounding_box()?;
    let margin = |side: f32| (side * MARGIN.0).max(MARGIN.1);
    let (x, y) = (margin(found.width()), margin(found.height()));
    FrameBox { x0: found.x0 - x, y0: found.y0 - y, x1: found.x1 + x, y1: found.y1 + y }
        .clipped(mask.size())
}

/// How much brighter a frame is in a mask than in the rest of a box, over the spread of both; 0
/// where either is empty.
pub(crate) fn contrast(frame: &Frame, mask: &Mask, around: FrameBox) -> f64 {
    let FrameSize { width, .. } = frame.size();
    // Count, sum and sum of squares, outside and inside.
    let mut sums = [[0f64; 3]; 2];
    for y in around.y0 as usize..=around.y1 as usize {
        for x in around.x0 as usize..=around.x1 as usize {
            let pixel = y * width as usize + x;
            let grey =
                frame.rgb()[pixel * 3..][..3].iter().map(|&v| f64::from(v)).sum::<f64>() / 3.0;
            let side = &mut sums[usize::from(mask.pixels()[pixel])];
            side.iter_mut().zip([1.0, grey, grey * grey]).for_each(|(sum, v)| *sum += v);
        }
    }
    if sums.iter().any(|side| side[0] == 0.0) {
        return 0.0;
    }
    let [(out_mean, out_spread), (in_mean, in_spread)] = sums.map(|[count, sum, squares]| {
        let mean = sum / count;
        (mean, (squares / count - mean * mean).max(0.0))
    });
    // Rounding to 8 bits alone makes a spread of 1/12.
    (in_mean - out_mean) / (out_spread + in_spread + 1.0).sqrt()
}

#[cfg(test)]
mod tests;
