use image::{GrayImage, Luma, imageops};

use super::*;

fn read_picture(picture: GrayImage, name: &str) -> Result<Vec<(u64, u64)>, Refusal> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    picture.save(&path).unwrap();
    let found = read(&path)?;
    Ok(found.into_iter().map(|(label, mask)| (label, mask.area_px())).collect())
}

/// Discs of the given greys, each of radius `radius` beside the last.
fn discs(greys: &[u8], radius: i32) -> GrayImage {
    let step = 2 * radius + 4;
    GrayImage::from_fn((step * greys.len() as i32) as u32, step as u32, |x, y| {
        let (x, y) = (x as i32, y as i32 - step / 2);
        let inside = (x % step - step / 2).pow(2) + y * y <= radius * radius;
        Luma([if inside { greys[(x / step) as usize] } else { 0 }])
    })
}

fn area(radius: i32) -> u64 {
    discs(&[1], radius).iter().filter(|v| **v == 1).count() as u64
}

#[test]
fn greys_with_areas_of_their_own_are_labels() {
    for greys in [&[85, 170][..], &[85, 170, 255], &[10, 200], &[50, 100, 150, 200, 250]] {
        let expected: Vec<_> = greys.iter().map(|v| (u64::from(*v), area(9))).collect();
        assert_eq!(read_picture(discs(greys, 9), "mask.png"), Ok(expected), "{greys:?}");
    }
    // As many as there may be; they touch one another.
    let stripes = GrayImage::from_fn(96, 5, |x, _| Luma([(x / 3 * 8) as u8]));
    let found = read_picture(stripes, "mask.png").unwrap();
    assert_eq!((found.len(), found[0], found[30]), (31, (8, 15), (248, 15)));
    // A small one that stands alone is one as well.
    let mut small = discs(&[255, 0], 9);
    small.put_pixel(34, 10, Luma([85]));
    assert_eq!(read_picture(small, "mask.png"), Ok(vec![(85, 1), (255, area(9))]));
}

#[test]
fn soft_edges_and_the_noise_of_jpeg_are_no_labels() {
    let whole = discs(&[255], 60);
    let near = |found: Result<Vec<(u64, u64)>, Refusal>, area: u64, what: &str| {
        let found = found.unwrap();
        assert!(
            found.len() == 1 && found[0].1.abs_diff(area) * 100 <= 3 * area,
            "{what}: {found:?}"
        );
    };
    near(read_picture(whole.clone(), "mask.jpg"), area(60), "jpeg");
    for (side, filter) in [
        (62, imageops::FilterType::Triangle),
        (93, imageops::FilterType::CatmullRom),
        (300, imageops::FilterType::Triangle),
        (500, imageops::FilterType::Lanczos3),
    ] {
        let scaled = imageops::resize(&whole, side, side, filter);
        let expected = area(60) * u64::from(side * side) / (124 * 124);
        near(read_picture(scaled.clone(), "mask.png"), expected, &format!("{side}"));
        near(read_picture(scaled, "mask.jpg"), expected, &format!("{side}, jpeg"));
    }
    near(read_picture(imageops::blur(&whole, 2.0), "mask.png"), area(60), "blurred");
    // With few greys, as of four samples a pixel.
    let four = imageops::resize(&whole, 62, 62, imageops::FilterType::Nearest);
    let rim = |x: u32, y: u32| {
        (1..61).contains(&x) && four.get_pixel(x - 1, y)[0] != four.get_pixel(x + 1, y)[0]
    };
    let soft =
        GrayImage::from_fn(
            62,
            62,
            |x, y| {
                if rim(x, y) { Luma([128]) } else { *four.get_pixel(x, y) }
            },
        );
    assert_eq!(read_picture(soft, "mask.png").unwrap().len(), 1, "one grey between");
}

#[test]
fn what_may_be_either_is_left_to_the_person() {
    let soft_labels = imageops::blur(&discs(&[85, 170], 20), 1.0);
    // A structure too thin for an area beside one that has one.
    let mut thin = discs(&[85], 9);
    (0..9).for_each(|x| thin.put_pixel(x, 11, Luma([170])));
    let many = GrayImage::from_fn(200, 4, |x, _| Luma([(x / 4) as u8]));
    for (picture, name) in [
        (soft_labels, "mask.png"),
        (thin, "mask.png"),
        (many, "mask.png"),
        (discs(&[85, 170], 20), "mask.jpg"),
    ] {
        let (kind, what) = read_picture(picture, name).unwrap_err();
        assert_eq!(kind, ProblemKind::UnclearMask);
        assert!(what.contains(name) && what.contains("save labels as 1, 2, 3"), "{what}");
    }
}
