//! All masks in one picture of labels.

use crate::geometry::FrameSize;
use crate::rle::Rle;

/// A label for each pixel, row by row: the number of a mask that holds it, counted from 1 in the
/// order given, or 0. Where masks overlap the smallest one is seen, so that parts lie on wholes.
/// Masks after the 65,535th have none.
///
/// # Panics
/// If a mask is of another size than `size`.
pub fn label_map(size: FrameSize, masks: &[&Rle]) -> Vec<u16> {
    let mut labels = vec![0; size.pixels()];
    let mut order: Vec<(u16, &Rle)> = (1..=u16::MAX).zip(masks.iter().copied()).collect();
    order.sort_by_key(|(_, mask)| std::cmp::Reverse(mask.area_px()));
    for (number, rle) in order {
        assert_eq!(rle.size(), size, "all masks are of one frame");
        let mask = rle.to_mask();
        for (label, _) in labels.iter_mut().zip(mask.pixels()).filter(|(_, inside)| **inside != 0) {
            *label = number;
        }
    }
    labels
}
