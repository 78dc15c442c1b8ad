//! A binary mask at frame resolution.

use std::sync::Arc;

use crate::geometry::{FrameBox, FramePoint, FrameSize};

/// Which pixels of a frame belong to a structure. Cloning shares the pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    pixels: Arc<[u8]>,
    size: FrameSize,
}

impl Mask {
    /// A mask over `pixels`: row-major, one byte a pixel, 0 outside and anything else inside.
    ///
    /// # Panics
    /// If `pixels` does not hold `size.width × size.height` bytes.
    pub fn from_pixels(size: FrameSize, mut pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), size.pixels(), "a mask of {size} has one byte a pixel");
        pixels.iter_mut().for_each(|p| *p = u8::from(*p != 0));
        Self { pixels: pixels.into(), size }
    }

    /// Width and height: those of the frame.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The pixels, row-major, 0 or 1.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels as an 8-bit grey picture, row-major, 0 or 255.
    pub fn to_grey(&self) -> Vec<u8> {
        self.pixels.iter().map(|p| p * 255).collect()
    }

    /// Row `y` of the mask, 0 or 1 a pixel.
    ///
    /// # Panics
    /// If `y` is not a row of the mask.
    pub fn row(&self, y: u32) -> &[u8] {
        let width = self.size.width as usize;
        &self.pixels[y as usize * width..][..width]
    }

    /// The part of `size` whose top left pixel is (`left`, `top`), where all of it is on the mask.
    pub(crate) fn cropped(&self, left: u32, top: u32, size: FrameSize) -> Option<Self> {
        let fits = |from: u32, length: u32, whole: u32| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= whole)
        };
        let inside =
            fits(left, size.width, self.size.width) && fits(top, size.height, self.size.height);
        inside.then(|| {
            let rows = (top..top + size.height).map(|y| self.row(y));
            let part = |row: &'_ [u8]| row[left as usize..][..size.width as usize].to_vec();
            Self { pixels: rows.flat_map(part).collect(), size }
        })
    }

    /// Whether the pixel nearest to `point` is inside; points off the frame are not.
    pub fn contains(&self, point: FramePoint) -> bool {
        point.is_inside(self.size) && {
            let x = (point.x.round() as u32).min(self.size.width - 1);
            self.row((point.y.round() as u32).min(self.size.height - 1))[x as usize] != 0
        }
    }

    /// The number of pixels inside.
    pub fn area_px(&self) -> u64 {
        self.pixels.iter().map(|&p| u64::from(p)).sum()
    }

    /// The tight box round the pixels inside (through their centres), `None` for an empty mask.
    pub fn bounding_box(&self) -> Option<FrameBox> {
        let mut found: Option<(usize, usize, usize, usize)> = None;
        for (y, row) in self.pixels.chunks_exact(self.size.width as usize).enumerate() {
            let Some(first) = row.iter().position(|&p| p != 0) else { continue };
            let last = row.iter().rposition(|&p| p != 0).unwrap_or(first);
            found = Some(match found {
                None => (first, y, last, y),
                Some((x0, y0, x1, _)) => (x0.min(first), y0, x1.max(last), y),
            });
        }
        found.map(|(x0, y0, x1, y1)| FrameBox {
            x0: x0 as f32,
            y0: y0 as f32,
            x1: x1 as f32,
            y1: y1 as f32,
        })
    }

    /// Intersection over union with another mask of the same size; 1 where both are empty.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn iou(&self, other: &Mask) -> f64 {
        let (both, either) = self.overlap(other);
        if either == 0 { 1.0 } else { both as f64 / either as f64 }
    }

    /// The Dice coefficient with another mask of the same size; 1 where both are empty.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn dice(&self, other: &Mask) -> f64 {
        let (both, either) = self.overlap(other);
        if either == 0 { 1.0 } else { 2.0 * both as f64 / (both + either) as f64 }
    }

    /// Pixels in both masks, and in either.
    fn overlap(&self, other: &Mask) -> (u64, u64) {
        assert_eq!(self.size, other.size, "only masks of the same frame can be compared");
        self.pixels.iter().zip(other.pixels.iter()).fold((0, 0), |(both, either), (&a, &b)| {
            (both + u64::from(a & b), either + u64::from(a | b))
        })
    }
}

/// Size and area only.
impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({}, {} px inside)", self.size, self.area_px())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: [&str; 3]) -> Mask {
        let pixels = rows.concat().bytes().map(|c| u8::from(c == b'#')).collect();
        Mask::from_pixels(FrameSize::new(4, 3), pixels)
    }

    #[test]
    fn measures_of_small_masks() {
        let a = mask(["....", ".##.", ".##."]);
        let b = mask(["....", "..##", "...."]);
        let none = mask(["....", "....", "...."]);
        assert_eq!(a.area_px(), 4);
        assert_eq!(a.bounding_box(), Some(FrameBox { x0: 1.0, y0: 1.0, x1: 2.0, y1: 2.0 }));
        assert_eq!(none.bounding_box(), None);
        assert_eq!(a.iou(&b), 0.2);
        assert_eq!(a.dice(&b), 2.0 / 6.0);
        assert_eq!(none.iou(&none), 1.0);
        assert!(a.contains(FramePoint::new(2.4, 1.6)) && !a.contains(FramePoint::new(0.0, 0.0)));
        assert!(!a.contains(FramePoint::new(f32::NAN, 1.0)));
    }

    #[test]
    fn a_crop_stays_on_the_mask() {
        let a = mask(["....", ".##.", ".##."]);
        let part = a.cropped(2, 1, FrameSize::new(2, 2)).unwrap();
        assert_eq!(part.pixels(), [1, 0, 1, 0]);
        for (left, top, w, h) in [(3, 0, 2, 1), (0, 0, 0, 1), (u32::MAX, 0, 2, 1)] {
            assert_eq!(a.cropped(left, top, FrameSize::new(w, h)), None);
        }
    }
}
