//! A picture of labels over a frame: many masks at once.

use image::{Rgb, RgbImage};

use embedded_graphics::pixelcolor::RgbColor;

use crate::frame::Frame;

use super::palette::object_colour;

/// The share of the colour within a label, of 256.
const TINT: u32 = 90;

/// The frame with each label's pixels tinted in its own colour, and a line of that colour along
/// its edge; label 0 is left as it is.
///
/// # Panics
/// If `labels` does not have one label a pixel.
pub fn draw_labels(frame: &Frame, labels: &[u16]) -> RgbImage {
    let size = frame.size();
    assert_eq!(labels.len(), size.pixels(), "a frame of {size} has one label a pixel");
    let (width, height) = (size.width as usize, size.height as usize);
    RgbImage::from_fn(size.width, size.height, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let at = y * width + x;
        let below: [u8; 3] = std::array::from_fn(|channel| frame.rgb()[3 * at + channel]);
        let label = labels[at];
        if label == 0 {
            return Rgb(below);
        }
        let neighbours = (y.saturating_sub(1)..(y + 2).min(height))
            .flat_map(|y| (x.saturating_sub(1)..(x + 2).min(width)).map(move |x| y * width + x));
        let edge = neighbours.into_iter().any(|neighbour| labels[neighbour] != label);
        let colour = object_colour(usize::from(label) - 1);
        let share = if edge { 256 } else { TINT };
        let mixed = |below: u8, colour: u8| {
            ((u32::from(below) * (256 - share) + u32::from(colour) * share) >> 8) as u8
        };
        let channels = [colour.r(), colour.g(), colour.b()];
        Rgb(std::array::from_fn(|channel| mixed(below[channel], channels[channel])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::FrameSize;

    #[test]
    fn labels_are_tinted_and_lined() {
        let size = FrameSize::new(7, 5);
        let frame = Frame::from_rgb(size, vec![100; size.pixels() * 3]).unwrap();
        let labels: Vec<u16> =
            (0..35).map(|i| u16::from((1..6).contains(&(i % 7)) && i / 7 < 4)).collect();
        let picture = draw_labels(&frame, &labels);
        let colour = object_colour(0);
        assert_eq!(picture.get_pixel(0, 0).0, [100; 3]);
        assert_eq!(picture.get_pixel(1, 1).0, [colour.r(), colour.g(), colour.b()]);
        let tint = picture.get_pixel(3, 1).0;
        assert!(tint != [100; 3] && tint != picture.get_pixel(1, 1).0, "{tint:?}");
    }
}
