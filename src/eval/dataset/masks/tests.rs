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

/// Each pixel as `times` by `times`.
fn enlarged(picture: &GrayImage, times: u32) -> GrayImage {
    GrayImage::from_fn(picture.width() * times, picture.height() * times, |x, y| {
        *picture.get_pixel(x / times, y / times)
    })
}

#[test]
fn greys_with_areas_of_their_own_are_labels() {
    for greys in [&[85, 170][..], &[85, 170, 255], &[10, 200], &[50, 100, 150, 200, 250]] {
        let expected: Vec<_> = greys.iter().map(|v| (u64::from(*v), area(9))).collect();
        assert_eq!(read_picture(discs(greys, 9), "mask.png"), Ok(expected), "{greys:?}");
    }
    // As many as there may be; they touch one another.
    let stripes = GrayImage::from_fn(187, 6, |x, y| Luma([((x + y) / 6 * 8) as u8]));
    let found = read_picture(stripes, "mask.png").unwrap();
    assert_eq!((found.len(), found[0], found[30]), (31, (8, 36), (248, 21)));
    // One inside of another, and enlarged.
    let mut nested = discs(&[255], 20);
    for (x, y, _) in discs(&[1], 7).enumerate_pixels().filter(|(_, _, grey)| grey[0] == 1) {
        nested.put_pixel(x + 13, y + 13, Luma([127]));
    }
    let found = read_picture(nested.clone(), "mask.png").unwrap();
    assert_eq!(found, [(127, area(7)), (255, area(20) - area(7))]);
    let found = read_picture(enlarged(&nested, 4), "mask.png").unwrap();
    assert_eq!(found, [(127, 16 * area(7)), (255, 16 * (area(20) - area(7)))]);
    // One that stands alone may have straight sides.
    let mut small = discs(&[255, 0], 9);
    (0..9).for_each(|at| small.put_pixel(34 + at % 3, 10 + at / 3, Luma([85])));
    assert_eq!(read_picture(small, "mask.png"), Ok(vec![(85, 9), (255, area(9))]));
    // And where it is the only one, it may be of any size.
    let mut dot = GrayImage::new(9, 9);
    dot.put_pixel(4, 4, Luma([200]));
    assert_eq!(read_picture(dot, "mask.png"), Ok(vec![(200, 1)]));
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
    // Labels whose rims are marked as 255.
    let mut void = discs(&[2, 2], 9);
    imageops::overlay(&mut void, &discs(&[1], 9), 0, 0);
    (0..22).for_each(|y| (20..24).for_each(|x| void.put_pixel(x, y, Luma([255]))));
    // A soft edge of four samples a pixel, enlarged by whole pixels and otherwise.
    let whole = discs(&[255], 60);
    let four = GrayImage::from_fn(62, 62, |x, y| {
        let samples = [(0, 0), (1, 0), (0, 1), (1, 1)];
        let inside = samples.map(|(right, down)| whole.get_pixel(2 * x + right, 2 * y + down)[0]);
        Luma([(inside.iter().map(|v| u32::from(*v)).sum::<u32>() / 4) as u8])
    });
    let mut stray = discs(&[255, 0], 9);
    stray.put_pixel(34, 10, Luma([30]));
    for (picture, name) in [
        (soft_labels, "mask.png"),
        (thin, "mask.png"),
        (many, "mask.png"),
        (void, "mask.png"),
        (imageops::resize(&four, 230, 230, imageops::FilterType::Nearest), "mask.png"),
        (enlarged(&four, 4), "mask.png"),
        (stray, "mask.png"),
        (discs(&[85, 170], 20), "mask.jpg"),
    ] {
        let (kind, what) = read_picture(picture, name).unwrap_err();
        assert_eq!(kind, ProblemKind::UnclearMask);
        assert!(what.contains(name) && what.contains("save labels as 1, 2, 3"), "{what}");
    }
}
