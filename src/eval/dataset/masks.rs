//! Mask pictures, as they come.

use std::collections::BTreeSet;
use std::path::Path;

use image::DynamicImage;

use super::{ProblemKind, Refusal};
use crate::feed::images;
use crate::geometry::FrameSize;
use crate::mask::Mask;

/// More values than this, with 0, are no labels.
const MOST_LABELS: usize = 32;

/// The structures in a mask picture with their labels; none where it is black.
///
/// Grey pictures whose greatest value is below 32 hold labels, as coloured ones with up to 32 colours
/// do: each value or colour but 0 or black is a structure. What all others hold, of 8 or 16 bits, their
/// [`Levels`] tell: labels again, or one structure, inside of which is what is brighter than half the
/// greatest value.
pub(super) fn read(path: &Path) -> Result<Vec<(u64, Mask)>, Refusal> {
    let picture =
        images::decode(path).map_err(|error| (ProblemKind::Unreadable, error.to_string()))?;
    let size = FrameSize::new(picture.width(), picture.height());
    let (colours, brightness) = samples(picture);
    let greatest = brightness.iter().copied().max().unwrap_or(0);
    if greatest == 0 {
        return Ok(vec![]);
    }
    let greys = || brightness.iter().map(|v| u64::from(*v)).collect();
    let labels = match colours {
        Some(colours) => labels(colours),
        None if (greatest as usize) < MOST_LABELS => labels(greys()),
        None => match Levels::of(&brightness, size).meaning() {
            Meaning::Labels => labels(greys()),
            Meaning::OneStructure => None,
            Meaning::Unclear(level) => {
                let what = format!(
                    "{}: grey {level} of {greatest} may be a label, a soft edge or astray: save labels \
                     as 1, 2, 3…, or one structure as 0 and 255",
                    path.display()
                );
                return Err((ProblemKind::UnclearMask, what));
            }
        },
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

/// What the greys of a mask picture stand for.
#[derive(Debug, PartialEq)]
enum Meaning {
    /// Each a structure.
    Labels,
    /// One structure, whose edge may be soft or blurred by compression.
    OneStructure,
    /// This one may be a label or not.
    Unclear(u16),
}

/// The greys of a mask picture but 0.
#[derive(Default)]
struct Levels {
    all: BTreeSet<u16>,
    /// Those of which there is an area: a pixel whose neighbours have the same grey. An edge that
    /// was drawn softly, scaled or compressed has greys of its own, but no area of them.
    of_areas: BTreeSet<u16>,
    /// Those of which there is an area still where lines equal to the one before are left out. A
    /// soft edge that was enlarged by repeating its pixels has areas, but none that remain.
    of_wide_areas: BTreeSet<u16>,
    /// Those that touch other greys but 0 somewhere.
    touching: BTreeSet<u16>,
}

impl Levels {
    fn of(greys: &[u16], size: FrameSize) -> Self {
        let width = size.width as usize;
        let mut levels = Self::within(greys, width);
        let mut rows: Vec<&[u16]> = greys.chunks_exact(width).collect();
        rows.dedup();
        let same = |x: usize| x > 0 && rows.iter().all(|row| row[x] == row[x - 1]);
        let columns: Vec<usize> = (0..width).filter(|x| !same(*x)).collect();
        let plain: Vec<u16> = rows.iter().flat_map(|row| columns.iter().map(|x| row[*x])).collect();
        levels.of_wide_areas = Self::within(&plain, columns.len()).of_areas;
        levels
    }

    /// Those in rows of `width`, without [`of_wide_areas`](Self::of_wide_areas).
    fn within(greys: &[u16], width: usize) -> Self {
        let mut levels = Self::default();
        let height = greys.len() / width;
        for (at, grey) in greys.iter().copied().enumerate().filter(|(_, grey)| *grey != 0) {
            let (x, y) = (at % width, at / width);
            let columns = x.saturating_sub(1)..(x + 2).min(width);
            let rows = y.saturating_sub(1)..(y + 2).min(height);
            let around = || rows.clone().flat_map(|row| &greys[row * width..][columns.clone()]);
            levels.all.insert(grey);
            if around().all(|other| *other == grey) {
                levels.of_areas.insert(grey);
            }
            if around().any(|other| *other != grey && *other != 0) {
                levels.touching.insert(grey);
            }
        }
        levels
    }

    /// Labels are as far from each other as 32 of them have the room, and each has an area: a wide
    /// one where it touches others. One structure has areas of nearly 0 and of nearly its greatest
    /// grey alone, and others at its edge. A grey alone is a label.
    fn meaning(&self) -> Meaning {
        let greatest = self.all.last().copied().unwrap_or(0);
        let step = usize::from(greatest) / MOST_LABELS;
        let apart = |level: u16| !self.touching.contains(&level);
        let mut below = 0;
        let doubtful = self.all.iter().copied().find(|&level| {
            let gap = level - std::mem::replace(&mut below, level);
            let label = self.of_wide_areas.contains(&level)
                || apart(level) && (self.of_areas.contains(&level) || self.all.len() == 1);
            usize::from(gap) < step || !label
        });
        let few = self.all.len() < MOST_LABELS;
        let sharp = |level: &u16| self.of_areas.contains(level) || apart(*level);
        let between = greatest / 8..greatest - greatest / 8;
        match doubtful {
            None if few => Meaning::Labels,
            Some(level) if few && self.all.iter().all(sharp) => Meaning::Unclear(level),
            _ => match self.of_areas.iter().find(|level| between.contains(level)) {
                Some(level) => Meaning::Unclear(*level),
                None => Meaning::OneStructure,
            },
        }
    }
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

#[cfg(test)]
mod tests;
