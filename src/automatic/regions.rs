//! Small holes and islands of a mask.

use crate::mask::Mask;

/// What is too small to be meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Regions outside, within the mask or at the frame's edge.
    Holes,
    /// Regions inside.
    Islands,
}

/// The mask without regions of fewer than `min_area` pixels, or `None` where it has none
/// (`remove_small_regions`). Pixels that touch at a corner are of one region. Where all islands are
/// too small the largest stays.
pub(super) fn without_small(mask: &Mask, min_area: u64, kind: Kind) -> Option<Mask> {
    let sought = u8::from(kind == Kind::Islands);
    let (labels, areas) = components(mask, sought);
    let mut small: Vec<bool> = areas.iter().map(|&area| area < min_area).collect();
    if !small.contains(&true) {
        return None;
    }
    if kind == Kind::Islands && !small.contains(&false) {
        // The first of equally large ones.
        let largest = (0..areas.len()).rev().max_by_key(|&i| areas[i])?;
        small[largest] = false;
    }
    let pixels = mask.pixels().iter().zip(&labels).map(|(&pixel, &label)| match label {
        0 => pixel,
        _ if small[label as usize - 1] => 1 - sought,
        _ => sought,
    });
    Some(Mask::from_pixels(mask.size(), pixels.collect()))
}

/// The regions of pixels that are `sought`: for each pixel the number of its region, counted from 1,
/// or 0; and each region's area.
pub(crate) fn components(mask: &Mask, sought: u8) -> (Vec<u32>, Vec<u64>) {
    let (width, height) = (mask.size().width as usize, mask.size().height as usize);
    let pixels = mask.pixels();
    let mut labels = vec![0; pixels.len()];
    let (mut areas, mut waiting) = (Vec::new(), Vec::new());
    for first in 0..pixels.len() {
        if pixels[first] != sought || labels[first] != 0 {
            continue;
        }
        areas.push(0);
        let label = areas.len() as u32;
        labels[first] = label;
        waiting.push(first);
        while let Some(at) = waiting.pop() {
            areas[label as usize - 1] += 1;
            let (x, y) = (at % width, at / width);
            for y in y.saturating_sub(1)..(y + 2).min(height) {
                for x in x.saturating_sub(1)..(x + 2).min(width) {
                    let neighbour = y * width + x;
                    if pixels[neighbour] == sought && labels[neighbour] == 0 {
                        labels[neighbour] = label;
                        waiting.push(neighbour);
                    }
                }
            }
        }
    }
    (labels, areas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::FrameSize;

    fn mask(rows: [&str; 4]) -> Mask {
        let pixels = rows.concat().bytes().map(|c| u8::from(c == b'#')).collect();
        Mask::from_pixels(FrameSize::new(6, 4), pixels)
    }

    #[test]
    fn small_regions_go_and_the_largest_island_stays() {
        let worn = mask(["###...", "#.#..#", "###...", "......"]);
        let filled = mask(["###...", "###..#", "###...", "......"]);
        assert_eq!(without_small(&worn, 2, Kind::Holes), Some(filled));
        let alone = mask(["###...", "#.#...", "###...", "......"]);
        assert_eq!(without_small(&worn, 2, Kind::Islands), Some(alone.clone()));
        assert_eq!(without_small(&worn, 100, Kind::Islands), Some(alone.clone()));
        assert_eq!(without_small(&alone, 8, Kind::Islands), None);
        // Across the corner it is one region.
        assert_eq!(
            without_small(&mask(["#.....", ".#....", "..#...", "......"]), 3, Kind::Islands),
            None
        );
    }
}
