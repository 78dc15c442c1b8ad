//! What a person points at: points, a box, a previous mask, and any mix of them, in frame pixels.
//!
//! Strokes ([`Scribble`]) and recordings of where somebody looked ([`gaze_points`]) become points; a
//! [`Prior`] is blended into the frame before it is encoded.

mod gaze;
mod prior;
mod scribble;

use std::sync::Arc;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::mask::Mask;

pub use gaze::{
    DISPERSION, Fixation, GazeError, GazeSample, MAX_FIXATIONS, MIN_DURATION_MS, fixations,
    gaze_points, read_samples,
};
pub use prior::Prior;
pub use scribble::Scribble;

/// Whether a point lies on the structure or on what is to be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointLabel {
    /// On the structure.
    Positive,
    /// Off the structure.
    Negative,
}

/// One tapped point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptPoint {
    /// Where, in frame pixels.
    pub position: FramePoint,
    /// On or off the structure.
    pub label: PointLabel,
}

/// A mask that is to be refined.
#[derive(Clone, Debug)]
pub enum MaskPrompt {
    /// Low-res logits of an earlier prediction on the same frame by the same model, `height ×
    /// width` in the decoder's resolution; as sharp as it gets.
    LowResLogits(Arc<Array2<f32>>),
    /// A binary mask at frame resolution, from wherever it came.
    Binary(Mask),
}

/// Why a prompt can't be answered.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// Neither point nor box nor mask.
    #[error("the prompt is empty: give a point, a box or a mask")]
    Empty,
    /// A point that is not on the frame, or not a number.
    #[error("the point ({x}, {y}) is not on the frame of {frame} pixels")]
    PointOutside {
        /// Its x.
        x: f32,
        /// Its y.
        y: f32,
        /// The frame's size.
        frame: FrameSize,
    },
    /// A point or box outside the part of the frame that the network is shown.
    #[error("({x}, {y}) is outside the region the network is shown, ({}, {}, {}, {}); --region none shows it all of the frame", .region.x0, .region.y0, .region.x1, .region.y1)]
    PointOutsideRegion {
        /// Its x.
        x: f32,
        /// Its y.
        y: f32,
        /// The region.
        region: FrameBox,
    },
    /// A box that does not touch the frame, or whose corners are not numbers.
    #[error("the box ({}, {}, {}, {}) is not on the frame of {frame} pixels", .found.x0, .found.y0, .found.x1, .found.y1)]
    BoxOutside {
        /// The box.
        found: FrameBox,
        /// The frame's size.
        frame: FrameSize,
    },
    /// A box without width or height.
    #[error("the box ({}, {}, {}, {}) has no area: give two opposite corners", .0.x0, .0.y0, .0.x1, .0.y1)]
    BoxWithoutArea(FrameBox),
    /// A mask of another resolution than the frame's or the decoder's.
    #[error("the prompt's mask is {found}, but {expected} is needed")]
    MaskSize {
        /// The mask's size.
        found: FrameSize,
        /// The frame's size for a binary mask, the decoder's for logits.
        expected: FrameSize,
    },
    /// A mask with nothing in it, and nothing else to go by.
    #[error("the prompt's mask is empty: add a point or a box")]
    EmptyMask,
    /// A text for a package that makes nothing of it.
    #[error(
        "package {model} has no text encoder; tapseg convert --text-encoder makes one that has, of a \
         checkpoint that was trained with texts"
    )]
    NoTextEncoder {
        /// The model's name.
        model: String,
    },
    /// A text's embedding of another length, or with what is no number in it.
    #[error(
        "the text's embedding has {found} numbers, all of which must be finite; {expected} are needed"
    )]
    TextSize {
        /// How many it has.
        found: usize,
        /// How many the package takes.
        expected: usize,
    },
    /// Only negative points: nothing says where the structure is.
    #[error("the prompt has only negative points: add a positive point, a box or a mask")]
    OnlyNegative,
}

/// A prompt: any number of points, at most one box, at most one mask. Built up with
/// [`positive`](Self::positive), [`negative`](Self::negative), [`in_box`](Self::in_box),
/// [`refining`](Self::refining).
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// The points, in the order they were tapped.
    pub points: Vec<PromptPoint>,
    /// The box round the structure.
    pub bounding_box: Option<FrameBox>,
    /// The mask to refine.
    pub mask: Option<MaskPrompt>,
    /// What a text encoder (as CLIP's) made of words that name the structure; for models whose package
    /// makes tokens of it.
    pub text: Option<Arc<[f32]>>,
}

impl Prompt {
    /// Adds a point on the structure.
    pub fn positive(self, x: f32, y: f32) -> Self {
        self.point(FramePoint::new(x, y), PointLabel::Positive)
    }

    /// Adds a point off the structure.
    pub fn negative(self, x: f32, y: f32) -> Self {
        self.point(FramePoint::new(x, y), PointLabel::Negative)
    }

    /// Adds a point.
    pub fn point(mut self, position: FramePoint, label: PointLabel) -> Self {
        self.points.push(PromptPoint { position, label });
        self
    }

    /// Sets the box round the structure.
    pub fn in_box(mut self, bounding_box: FrameBox) -> Self {
        self.bounding_box = Some(bounding_box);
        self
    }

    /// Sets the mask to refine.
    pub fn refining(mut self, mask: MaskPrompt) -> Self {
        self.mask = Some(mask);
        self
    }

    /// Sets the embedding of a text that names the structure.
    pub fn named(mut self, embedding: impl Into<Arc<[f32]>>) -> Self {
        self.text = Some(embedding.into());
        self
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        let nowhere = self.points.is_empty() && self.bounding_box.is_none();
        nowhere && self.mask.is_none() && self.text.is_none()
    }

    /// The points of one label.
    pub fn points_labelled(&self, label: PointLabel) -> impl Iterator<Item = FramePoint> + '_ {
        self.points.iter().filter(move |p| p.label == label).map(|p| p.position)
    }

    /// The prompt with its box put in order and cut to a frame of `size`.
    ///
    /// # Errors
    /// [`PromptError`] where it can't be answered on such a frame. Logits are not checked here:
    /// their size is the decoder's.
    pub fn checked(mut self, size: FrameSize) -> Result<Self, PromptError> {
        if self.is_empty() {
            return Err(PromptError::Empty);
        }
        for p in &self.points {
            if !p.position.is_inside(size) {
                let FramePoint { x, y } = p.position;
                return Err(PromptError::PointOutside { x, y, frame: size });
            }
        }
        if let Some(found) = self.bounding_box {
            let ordered = FrameBox::from_corners(
                FramePoint::new(found.x0, found.y0),
                FramePoint::new(found.x1, found.y1),
            );
            // `min` and `max` would swallow a NaN, so the box is judged as it was given.
            let numbers = [found.x0, found.y0, found.x1, found.y1].iter().all(|v| v.is_finite());
            let clipped = ordered.clipped(size).filter(|_| numbers);
            let clipped = clipped.ok_or(PromptError::BoxOutside { found, frame: size })?;
            // A frame one pixel wide or high has no other boxes.
            let flat = |side: f32, length: u32| side <= 0.0 && length > 1;
            if flat(clipped.width(), size.width) || flat(clipped.height(), size.height) {
                return Err(PromptError::BoxWithoutArea(found));
            }
            self.bounding_box = Some(clipped);
        }
        if let Some(MaskPrompt::Binary(mask)) = &self.mask
            && mask.size() != size
        {
            return Err(PromptError::MaskSize { found: mask.size(), expected: size });
        }
        let positive = self.points_labelled(PointLabel::Positive).next().is_some();
        let elsewhere = self.bounding_box.is_some() || self.mask.is_some() || self.text.is_some();
        if !positive && !elsewhere {
            return Err(PromptError::OnlyNegative);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize::new(100, 50);

    #[test]
    fn a_box_is_put_in_order_and_cut_to_the_frame() {
        let swapped = FrameBox { x0: 120.0, y0: 40.0, x1: 20.0, y1: -7.0 };
        let prompt = Prompt::default().in_box(swapped).checked(SIZE).unwrap();
        let expected = FrameBox { x0: 20.0, y0: 0.0, x1: 99.0, y1: 40.0 };
        assert_eq!(prompt.bounding_box, Some(expected));
    }

    #[test]
    fn what_cannot_be_answered_is_refused_by_name() {
        let nan_box = FrameBox { x0: f32::NAN, y0: 0.0, x1: 5.0, y1: 5.0 };
        let flat = FrameBox { x0: 9.0, y0: 9.0, x1: 9.0, y1: 20.0 };
        let off = FrameBox { x0: 200.0, y0: 0.0, x1: 300.0, y1: 5.0 };
        let mask = Mask::from_pixels(FrameSize::new(2, 2), vec![1; 4]);
        let cases = [
            ("empty", Prompt::default(), "empty"),
            ("point off the frame", Prompt::default().positive(100.0, 10.0), "(100, 10)"),
            ("NaN point", Prompt::default().positive(f32::NAN, 10.0), "not on the frame"),
            ("NaN box", Prompt::default().in_box(nan_box), "not on the frame"),
            ("box off the frame", Prompt::default().in_box(off), "not on the frame"),
            ("flat box", Prompt::default().in_box(flat), "no area"),
            ("mask", Prompt::default().refining(MaskPrompt::Binary(mask)), "100x50 is needed"),
            ("negative alone", Prompt::default().negative(3.0, 3.0), "only negative"),
        ];
        for (name, prompt, expected) in cases {
            let error = prompt.checked(SIZE).expect_err(name).to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
