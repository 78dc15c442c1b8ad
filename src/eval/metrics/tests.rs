use ndarray::{Array2, Array3};

use super::*;
use crate::distance::depths;
use crate::geometry::FrameSize;

fn archive() -> ndarray_npy::NpzReader<std::fs::File> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/eval/masks.npz");
    ndarray_npy::NpzReader::new(std::fs::File::open(path).unwrap()).unwrap()
}

fn masks(name: &str) -> Vec<Mask> {
    let masks: Array3<u8> = archive().by_name(name).unwrap();
    let size = FrameSize::new(masks.shape()[2] as u32, masks.shape()[1] as u32);
    masks.outer_iter().map(|m| Mask::from_pixels(size, m.iter().copied().collect())).collect()
}

/// `tests/data/README.md` tells where the expected numbers come from.
#[test]
fn scores_are_those_of_reference_programs() {
    let (a, b) = (masks("a"), masks("b"));
    let spacings: Array2<f64> = archive().by_name("spacings").unwrap();
    let nsd: Array2<f64> = archive().by_name("nsd").unwrap();
    let overlap: Array2<f64> = archive().by_name("dice_iou_accuracy").unwrap();
    assert!(nsd.iter().any(|v| (0.1..0.9).contains(v)), "the cases tell something");
    for (at, (a, b)) in a.iter().zip(&b).enumerate() {
        for (j, spacing) in spacings.outer_iter().enumerate() {
            let found = surface_dice(a, b, [spacing[0], spacing[1]], NSD_TOLERANCE);
            assert!((found - nsd[[at, j]]).abs() < 1e-9, "{at} {j}: {found} {}", nsd[[at, j]]);
        }
        let spacing = Some(PixelSpacing { row_mm: 0.5, column_mm: 0.5 });
        let scores = Scores::of(a, b, spacing);
        assert!((scores.nsd_2mm.unwrap() - nsd[[at, 1]]).abs() < 1e-9);
        assert!((scores.nsd_2px - nsd[[at, 0]]).abs() < 1e-9);
        assert_eq!(Scores::of(a, b, None).nsd_2mm, None);
        let found = [scores.dice, scores.iou, scores.pixel_accuracy];
        for (found, expected) in found.iter().zip(overlap.row(at)) {
            assert!((found - expected).abs() < 1e-12, "{at}: {found} {expected}");
        }
    }
}

#[test]
fn distances_are_exact() {
    let mask = &masks("a")[3];
    let expected: Array2<f64> = archive().by_name("depths").unwrap();
    let close = |found: &[f64], expected: &Array2<f64>| {
        found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-9)
    };
    assert!(close(&depths(mask), &expected));
    let expected: Array2<f64> = archive().by_name("distances").unwrap();
    let inside: Vec<bool> = mask.pixels().iter().map(|p| *p != 0).collect();
    let size = mask.size();
    let found = distances(size.width as usize, size.height as usize, [1.7, 0.9], &inside);
    assert!(close(&found, &expected));
    assert!(distances(2, 1, [1.0; 2], &[false; 2]).iter().all(|d| d.is_infinite()));
}

#[test]
fn empty_masks_are_equal_and_unlike_others() {
    let size = FrameSize::new(4, 3);
    let [none, some] = [0, 1].map(|v| Mask::from_pixels(size, vec![v; 12]));
    assert_eq!(surface_dice(&none, &none, [1.0; 2], 2.0), 1.0);
    assert_eq!(surface_dice(&none, &some, [1.0; 2], 2.0), 0.0);
}
