//! What is thought of a picture beforehand, blended into it.

use super::PromptError;
use crate::frame::Frame;
use crate::geometry::FrameSize;

/// How likely each pixel of a frame is to be part of something: from another program, an atlas, or
/// masks of an earlier run.
#[derive(Clone, PartialEq, Eq)]
pub struct Prior {
    size: FrameSize,
    /// Row-major; 0 is nothing, 255 certain.
    likely: Vec<u8>,
}

impl Prior {
    /// The prior that a frame shows: the brighter (in its red channel), the likelier.
    pub fn from_frame(frame: &Frame) -> Self {
        let likely = frame.rgb().chunks_exact(3).map(|p| p[0]).collect();
        Self { size: frame.size(), likely }
    }

    /// `frame` with the prior in its green channel and the prior's boundaries in its blue one, half
    /// and half; red stays as it is.
    ///
    /// This is the input augmentation of Y. Zhang et al., *Input Augmentation with SAM: Boosting
    /// Medical Image Segmentation with Segmentation Foundation Model* (SAMAug, 2023):
    /// there the maps are added to the channels, here averaged with them, as frames have 8 bits. A
    /// boundary is drawn on both its sides.
    ///
    /// # Errors
    /// [`PromptError::MaskSize`] where the sizes differ.
    pub fn blended_into(&self, frame: &Frame) -> Result<Frame, PromptError> {
        if self.size != frame.size() {
            return Err(PromptError::MaskSize { found: self.size, expected: frame.size() });
        }
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let inside = |x: usize, y: usize| self.likely[y * width + x] > 127;
        let on_boundary = |x: usize, y: usize| {
            let here = inside(x, y);
            (x > 0 && inside(x - 1, y) != here)
                || (y > 0 && inside(x, y - 1) != here)
                || (x + 1 < width && inside(x + 1, y) != here)
                || (y + 1 < height && inside(x, y + 1) != here)
        };
        let mean = |a: u8, b: u8| (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
        let mut rgb = frame.rgb().to_vec();
        for (i, (pixel, &likely)) in rgb.chunks_exact_mut(3).zip(&self.likely).enumerate() {
            pixel[1] = mean(pixel[1], likely);
            pixel[2] = mean(pixel[2], 255 * u8::from(on_boundary(i % width, i / width)));
        }
        Ok(frame.repainted(rgb))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prior_is_in_green_and_its_boundary_in_blue() {
        let frame = |width, rgb: Vec<u8>| Frame::from_rgb(FrameSize::new(width, 1), rgb).unwrap();
        let mut picture = frame(5, vec![100; 15]);
        picture.sequence = 7;
        let prior = [0, 64, 200, 255, 255].iter().flat_map(|&v| [v; 3]).collect();
        let prior = Prior::from_frame(&frame(5, prior));
        let blended = prior.blended_into(&picture).unwrap();
        let expected =
            [[100, 50, 50], [100, 82, 178], [100, 150, 178], [100, 178, 50], [100, 178, 50]];
        assert_eq!(blended.rgb(), expected.concat());
        assert_eq!((blended.sequence, blended.size()), (7, picture.size()));
        let other = prior.blended_into(&frame(4, vec![0; 12])).unwrap_err().to_string();
        assert!(other.contains("5x1") && other.contains("4x1"), "{other}");
    }
}
