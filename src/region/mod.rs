//! The part of a frame that is the picture itself, without the scanner's margins, text and rulers.
//!
//! A network sees a frame in as few pixels as its input has (256 × 256 of LiteMedSAM): what margins take
//! of them the structure lacks. So the picture's part is [found](find_region), cut out, and what the
//! network says of it brought back to the frame. All positions that go in and come out are frame pixels.

mod cells;
mod find;

use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::mask::Mask;
use crate::model::{MaskCandidate, Masks};
use crate::prompt::{MaskPrompt, PointLabel, Prompt, PromptError, PromptPoint};

pub use find::{RegionChoice, RegionError, RegionFinder, find_picture, find_region};

/// A rectangle of whole pixels of frames of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    left: u32,
    top: u32,
    size: FrameSize,
    frame: FrameSize,
}

impl Region {
    /// The pixels of a frame of size `frame` that `b` touches; `None` where it touches none.
    pub fn of(b: FrameBox, frame: FrameSize) -> Option<Self> {
        let b = b.clipped(frame)?;
        let (left, top) = (b.x0.floor() as u32, b.y0.floor() as u32);
        let (right, bottom) = (b.x1.ceil() as u32, b.y1.ceil() as u32);
        let size = FrameSize::new(right - left + 1, bottom - top + 1);
        Some(Self { left, top, size, frame })
    }

    /// All of frames of size `frame`.
    fn whole(frame: FrameSize) -> Self {
        Self { left: 0, top: 0, size: frame, frame }
    }

    /// Its box, through the centres of its outermost pixels.
    pub fn bounding_box(&self) -> FrameBox {
        let (left, top) = (self.left as f32, self.top as f32);
        let FrameSize { width, height } = self.size;
        FrameBox { x0: left, y0: top, x1: left + width as f32 - 1.0, y1: top + height as f32 - 1.0 }
    }

    /// The size of the frames that it is a part of.
    pub fn frame_size(&self) -> FrameSize {
        self.frame
    }

    /// Its own size.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// Whether it is all of its frames.
    pub fn is_whole(&self) -> bool {
        self.size == self.frame
    }

    /// What of `frame` lies in it; all of a frame of another size than it belongs to.
    pub fn cut_from(&self, frame: &Frame) -> Frame {
        match frame.size() == self.frame {
            // It lies on frames of this size.
            true => frame.cropped(self.left, self.top, self.size).unwrap_or_else(|_| frame.clone()),
            false => frame.clone(),
        }
    }

    /// `frame` with all of it outside of this region black; as it is where it has another size.
    pub fn blanked_outside(&self, frame: &Frame) -> Frame {
        if frame.size() != self.frame {
            return frame.clone();
        }
        let mut rgb = vec![0; frame.rgb().len()];
        for y in self.top..self.top + self.size.height {
            let start = (y as usize * self.frame.width as usize + self.left as usize) * 3;
            let row = start..start + self.size.width as usize * 3;
            rgb[row.clone()].copy_from_slice(&frame.rgb()[row]);
        }
        frame.repainted(rgb)
    }

    /// The smallest one that covers this and `other`, of frames of the same size.
    pub(crate) fn joined(self, other: Self) -> Self {
        let (left, top) = (self.left.min(other.left), self.top.min(other.top));
        let right = (self.left + self.size.width).max(other.left + other.size.width);
        let bottom = (self.top + self.size.height).max(other.top + other.size.height);
        Self { left, top, size: FrameSize::new(right - left, bottom - top), frame: self.frame }
    }

    fn inwards(&self, p: FramePoint) -> FramePoint {
        FramePoint::new(p.x - self.left as f32, p.y - self.top as f32)
    }

    /// A prompt on the frame as one on what was cut out. Boxes are cut to it, negative points outside
    /// say nothing, low-res logits are those of an answer on it already.
    ///
    /// # Errors
    /// [`PromptError`] where the prompt can't be answered there: for a positive point or a box outside.
    pub fn prompt(&self, prompt: &Prompt) -> Result<Prompt, PromptError> {
        let outside = |p: FramePoint| PromptError::PointOutsideRegion {
            x: p.x,
            y: p.y,
            region: self.bounding_box(),
        };
        let mut inner = prompt.clone().checked(self.frame)?;
        inner.points.clear();
        for PromptPoint { position, label } in prompt.points.iter().copied() {
            let at = self.inwards(position);
            match (at.is_inside(self.size), label) {
                (true, _) => inner.points.push(PromptPoint { position: at, label }),
                (false, PointLabel::Negative) => {}
                (false, PointLabel::Positive) => return Err(outside(position)),
            }
        }
        if let Some(b) = inner.bounding_box {
            let corner = self.inwards(FramePoint::new(b.x0, b.y0));
            let other = self.inwards(FramePoint::new(b.x1, b.y1));
            let cut = FrameBox::from_corners(corner, other).clipped(self.size);
            inner.bounding_box = Some(cut.ok_or_else(|| outside(FramePoint::new(b.x0, b.y0)))?);
        }
        if let Some(MaskPrompt::Binary(mask)) = &inner.mask {
            let rows = (0..self.size.height).flat_map(|y| {
                &mask.row(self.top + y)[self.left as usize..][..self.size.width as usize]
            });
            let cut = Mask::from_pixels(self.size, rows.copied().collect());
            inner.mask = Some(MaskPrompt::Binary(cut));
        }
        inner.checked(self.size)
    }

    /// A mask of what was cut out as one of the frame.
    ///
    /// # Panics
    /// If its size is not the region's.
    pub fn mask_on_frame(&self, mask: &Mask) -> Mask {
        assert_eq!(mask.size(), self.size, "a mask of what was cut out");
        let mut pixels = vec![0; self.frame.pixels()];
        let width = self.frame.width as usize;
        for y in 0..self.size.height {
            let start = (self.top + y) as usize * width + self.left as usize;
            pixels[start..start + self.size.width as usize].copy_from_slice(mask.row(y));
        }
        Mask::from_pixels(self.frame, pixels)
    }

    /// Answers on what was cut out as answers on the frame; their low-res logits stay.
    pub fn masks_on_frame(&self, masks: Masks) -> Masks {
        let placed = |c: MaskCandidate| MaskCandidate { mask: self.mask_on_frame(&c.mask), ..c };
        Masks { candidates: masks.candidates.into_iter().map(placed).collect() }
    }
}

#[cfg(test)]
mod tests;
