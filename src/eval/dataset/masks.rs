//! Mask pictures, as they come.

use std::collections::BTreeSet;
use std::path::Path;

use image::DynamicImage;

use crate::feed::{FeedError, images};
use crate::geometry::FrameSize;
use crate::mask::Mask;

/// More values than this are no labels.
const MOST_LABELS: usize = 32;

/// The structures in a mask picture with their labels; none where it is black.
///
/// Grey pictures whose greatest value is below 32 hold labels, as pictures of a palette with up to
/// 32 colours do: each value or colour but 0 or black is a structure. In all others, of 8 or 16
/// bits, what is brighter than half the greatest value is inside.
pub(super) fn read(path: &Path) -> Result<Vec<(u64, Mask)>, FeedError> {
    let picture = images::decode(path)?;
    let size = FrameSize::new(picture.width(), picture.height());
    let (colours, brightness) = samples(picture);
    let greatest = brightness.iter().copied().max().unwrap_or(0);
    if greatest == 0 {
        return Ok(vec![]);
    }
    let labels = match colours {
        Some(colours) => labels(colours),
        None if (greatest as usize) < MOST_LABELS => {
            labels(brightness.iter().map(|v| u64::from(*v)).collect())
        }
        None => None,
    };
    let mask = |inside: Vec<u8>| Mask::from_pixels(size, inside);
    Ok(match labels {
        Some((values, labels)) => {
            let of = |label| (label, mask(values.iter().map(|v| u8::from(*v == label)).collect()));
            labels.into_iter().map(of).collect()
        }
        None => {
            let inside = |v: &u16| u8::from(u32::from(*v) * 2 > u32::from(greatest));
            vec![(1, mask(brightness.iter().map(inside).collect()))]
        }
    })
}

/// Each pixel's colour, where there are colours, and the greatest of its samples.
fn samples(picture: DynamicImage) -> (Option<Vec<u64>>, Vec<u16>) {
    use DynamicImage::*;
    match picture {
        ImageLuma8(grey) => (None, grey.iter().map(|v| u16::from(*v)).collect()),
        ImageLuma16(grey) => (None, grey.into_raw()),
        ImageLumaA8(_) => (None, picture.into_luma8().iter().map(|v| u16::from(*v)).collect()),
        ImageLumaA16(_) => (None, picture.into_luma16().into_raw()),
        ImageRgb16(_) | ImageRgba16(_) | ImageRgb32F(_) | ImageRgba32F(_) => {
            of_pixels(picture.into_rgb16().pixels().map(|pixel| pixel.0))
        }
        _ => of_pixels(picture.into_rgb8().pixels().map(|pixel| pixel.0.map(u16::from))),
    }
}

fn of_pixels(pixels: impl Iterator<Item = [u16; 3]>) -> (Option<Vec<u64>>, Vec<u16>) {
    let (mut colours, mut brightness, mut grey) = (Vec::new(), Vec::new(), true);
    for [red, green, blue] in pixels {
        grey &= red == green && green == blue;
        colours.push((u64::from(red) << 32) | (u64::from(green) << 16) | u64::from(blue));
        brightness.push(red.max(green).max(blue));
    }
    ((!grey).then_some(colours), brightness)
}

/// The values, and which there are but 0, unless they are too many for labels.
fn labels(values: Vec<u64>) -> Option<(Vec<u64>, BTreeSet<u64>)> {
    let mut found = BTreeSet::new();
    for value in values.iter().filter(|value| **value != 0) {
        found.insert(*value);
        if found.len() >= MOST_LABELS {
            return None;
        }
    }
    Some((values, found))
}
