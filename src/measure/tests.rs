//! Against shapes whose measures are known, and against scikit-image.

use std::f64::consts::PI;
use std::path::Path;

use super::*;
use crate::frame::Frame;
use crate::geometry::{FramePoint, FrameSize};
use crate::mask::Mask;

const SPACINGS: [Option<PixelSpacing>; 4] = [
    None,
    Some(PixelSpacing { row_mm: 0.12, column_mm: 0.12 }),
    Some(PixelSpacing { row_mm: 0.1, column_mm: 0.2 }),
    Some(PixelSpacing { row_mm: 0.3, column_mm: 0.17 }),
];

/// A mask of what is inside a shape that is `across` long and wide, in the unit that is measured in,
/// in the middle of it; `inside` is told positions from the middle along the turned axes.
fn drawn(
    across: f64,
    angle: f64,
    spacing: Option<PixelSpacing>,
    inside: impl Fn(f64, f64) -> bool,
) -> Mask {
    let (_, [width, height]) = pixel_size(spacing);
    let side = |pixel: f64| (across / pixel).ceil() as u32 + 6;
    let size = FrameSize::new(side(width), side(height));
    // Off the raster, as structures are.
    let middle = [f64::from(size.width) / 2.0 + 0.21, f64::from(size.height) / 2.0 - 0.37];
    let (sin, cos) = angle.to_radians().sin_cos();
    let pixel = |i: usize| {
        let (x, y) = (i % size.width as usize, i / size.width as usize);
        let (x, y) = ((x as f64 - middle[0]) * width, (y as f64 - middle[1]) * height);
        u8::from(inside(x * cos + y * sin, y * cos - x * sin))
    };
    Mask::from_pixels(size, (0..size.pixels()).map(pixel).collect())
}

#[track_caller]
fn near(found: Quantity, expected: f64, what: &str) {
    let off = found.value / expected - 1.0;
    assert!(off.abs() <= 0.01, "{what}: {found:.3}, not {expected:.3} ({:+.2} %)", off * 100.0);
}

#[test]
fn ellipses_and_discs_are_measured_within_a_percent() {
    for spacing in SPACINGS {
        let pixel = pixel_size(spacing).1;
        let unit = pixel[0].max(pixel[1]);
        for (a, b) in [(75.0, 75.0), (100.0, 60.0), (150.0, 70.0), (200.0, 200.0)] {
            let (a, b) = (a * unit, b * unit);
            for angle in [0.0, 17.0, 45.0, 63.0, 90.0, 141.0] {
                let inside = |x: f64, y: f64| (x / a).powi(2) + (y / b).powi(2) <= 1.0;
                let mask = drawn(2.0 * a, angle, spacing, inside);
                let found = Measurements::of(&mask, spacing, None).unwrap();
                let what = |name| format!("{name} of {a} x {b} at {angle}, {spacing:?}");
                near(found.area, PI * a * b, &what("area"));
                near(found.longest_diameter.length, 2.0 * a, &what("longest"));
                near(found.perpendicular_diameter.length, 2.0 * b, &what("perpendicular"));
                // Ramanujan's second approximation, good to 1e-7 here.
                let h = ((a - b) / (a + b)).powi(2);
                let round = PI * (a + b) * (1.0 + 3.0 * h / (10.0 + (4.0 - 3.0 * h).sqrt()));
                near(found.perimeter, round, &what("perimeter"));
                near(found.ellipse.major_axis, 2.0 * a, &what("major axis"));
                near(found.ellipse.minor_axis, 2.0 * b, &what("minor axis"));
                if a > 1.2 * b {
                    let off = (found.ellipse.angle_degrees - angle + 90.0).rem_euclid(180.0) - 90.0;
                    assert!(off.abs() < 0.5, "{}: off by {off}", what("angle"));
                    let expected = (1.0 - (b / a).powi(2)).sqrt();
                    assert!((found.ellipse.eccentricity - expected).abs() < 0.005);
                }
            }
        }
    }
}

#[test]
fn rectangles_are_measured_within_a_percent() {
    for spacing in SPACINGS {
        let pixel = pixel_size(spacing).1;
        let unit = pixel[0].max(pixel[1]);
        for (w, h) in [(120.0, 90.0), (200.0, 120.0), (300.0, 299.0)] {
            let (w, h) = (w * unit, h * unit);
            for angle in [0.0, 8.0, 30.0, 45.0, 90.0, 118.0] {
                let inside = |x: f64, y: f64| x.abs() <= w / 2.0 && y.abs() <= h / 2.0;
                let mask = drawn(w.hypot(h), angle, spacing, inside);
                let found = Measurements::of(&mask, spacing, None).unwrap();
                let what = |name| format!("{name} of {w} x {h} at {angle}, {spacing:?}");
                near(found.area, w * h, &what("area"));
                near(found.perimeter, 2.0 * (w + h), &what("perimeter"));
                near(found.longest_diameter.length, w.hypot(h), &what("longest"));
                // From one long side to the other, at right angles to the diagonal.
                let across = h * w.hypot(h) / w;
                near(found.perpendicular_diameter.length, across, &what("perpendicular"));
            }
        }
    }
}

#[test]
fn outlines_with_notches_keep_their_length() {
    // A ring's outer edge, with a wedge cut out of it.
    let (outer, inner) = (100.0, 60.0);
    let inside =
        |x: f64, y: f64| (inner..=outer).contains(&x.hypot(y)) && !(x > 0.0 && y.abs() < x * 0.5);
    let mask = drawn(2.0 * outer, 20.0, None, inside);
    let found = Measurements::of(&mask, None, None).unwrap();
    let angle = 2.0 * PI - 2.0 * 0.5_f64.atan();
    let length = angle * (outer + inner) + 2.0 * (outer - inner);
    near(found.perimeter, length, "perimeter");
    near(found.area, angle / 2.0 * (outer * outer - inner * inner), "area");
}

#[test]
fn specks_count_for_the_area_alone() {
    let size = FrameSize::new(60, 40);
    let inside = |i: usize| {
        let (x, y) = (i % 60, i / 60);
        (x == 55 && y == 35) || ((10..30).contains(&x) && (5..15).contains(&y) && (x, y) != (20, 8))
    };
    let mask = Mask::from_pixels(size, (0..size.pixels()).map(|i| inside(i).into()).collect());
    let found = Measurements::of(&mask, None, None).unwrap();
    assert_eq!((found.area, found.pieces), (Quantity::new(200.0, Unit::SquarePixel), 2));
    assert!(found.longest_diameter.length.value < 23.0);
    assert_eq!(found.depth, None);
    let none = Mask::from_pixels(size, vec![0; size.pixels()]);
    assert_eq!(Measurements::of(&none, None, None), None);
}

#[test]
fn the_smallest_structures_have_measures() {
    for (name, pixels) in [
        ("a pixel", vec![[3, 3]]),
        ("a row", vec![[0, 0], [1, 0], [2, 0]]),
        ("a corner", vec![[2, 1], [3, 2]]),
        ("the frame's edge", vec![[7, 0], [7, 1], [7, 2], [7, 3]]),
    ] {
        let size = FrameSize::new(8, 4);
        let mut mask = vec![0; size.pixels()];
        pixels.iter().for_each(|&[x, y]: &[usize; 2]| mask[y * 8 + x] = 1);
        let found = Measurements::of(&Mask::from_pixels(size, mask), SPACINGS[2], Some(-2.0));
        let found = found.unwrap();
        assert!(found.longest_diameter.length.value > 0.0, "{name}: {found:?}");
        for value in [found.perimeter.value, found.ellipse.minor_axis.value] {
            assert!(value.is_finite() && value > 0.0, "{name}: {found:?}");
        }
        assert!(found.depth.unwrap().nearest.value > 0.0);
    }
    // A pixel's perimeter is that of the circle of its area.
    let one = Mask::from_pixels(FrameSize::new(1, 1), vec![1]);
    let found = Measurements::of(&one, None, None).unwrap();
    near(found.perimeter, 2.0 * PI.sqrt(), "a pixel's perimeter");
    near(found.longest_diameter.length, 1.0, "a pixel's diameter");
}

#[test]
fn every_number_has_its_unit() {
    let mask = Mask::from_pixels(FrameSize::new(30, 20), vec![1; 600]);
    let px = Measurements::of(&mask, None, Some(0.0)).unwrap();
    assert_eq!(px.area.to_string(), "600 px\u{b2}");
    assert_eq!((px.perimeter.unit, px.depth), (Unit::Pixel, None));
    let mm = Measurements::of(&mask, SPACINGS[2], Some(-1.5)).unwrap();
    assert_eq!(mm.area.to_string(), "12.0 mm\u{b2}");
    let depth = mm.depth.unwrap();
    assert_eq!(format!("{:.2} to {:.2}", depth.nearest, depth.farthest), "0.10 mm to 2.10 mm");
    let json = serde_json::to_value(&mm).unwrap();
    assert_eq!(json["area"]["unit"], "mm2");
    assert_eq!(json["longest_diameter"]["length"]["unit"], "mm");
}

#[test]
fn two_views_make_a_volume() {
    let view = |a: f64, b: f64| {
        let spacing = SPACINGS[1];
        let inside = |x: f64, y: f64| (x / a).powi(2) + (y / b).powi(2) <= 1.0;
        Measurements::of(&drawn(2.0 * a, 2.0 * b, spacing, inside), spacing, None).unwrap()
    };
    // 48 x 40 x 30 mm.
    let (sagittal, transverse) = (view(24.0, 15.0), view(20.0, 15.0));
    let found = ellipsoid_volume(&sagittal, &transverse).unwrap();
    let volume = found.volume;
    found.shared_axis.iter().for_each(|axis| near(*axis, 30.0, "shared axis"));
    assert!(found.disagreement < 0.02, "{found:?}");
    let apart = ellipsoid_volume(&sagittal, &view(6.0, 5.0)).unwrap();
    // 30 and 12 mm are nearest.
    assert!((apart.disagreement - 0.6).abs() < 0.02, "{apart:?}");
    near(volume, PI / 6.0 * 48.0 * 40.0 * 30.0 / 1000.0, "volume");
    assert!(volume.to_string().ends_with(" ml"));
    // The third axis beside each other one: shared is what both tell alike.
    for (other, name) in [(view(15.0, 20.0), "30 x 40"), (view(24.0, 20.0), "48 x 40")] {
        near(
            ellipsoid_volume(&sagittal, &other).unwrap().volume,
            PI / 6.0 * 48.0 * 40.0 * 30.0 / 1000.0,
            name,
        );
        near(
            ellipsoid_volume(&other, &sagittal).unwrap().volume,
            PI / 6.0 * 48.0 * 40.0 * 30.0 / 1000.0,
            name,
        );
    }
    let px = Measurements::of(&Mask::from_pixels(FrameSize::new(3, 3), vec![1; 9]), None, None);
    assert_eq!(ellipsoid_volume(&sagittal, &px.unwrap()), None);
}

#[test]
fn callipers_measure_in_both_spacings() {
    let (a, b) = (FramePoint::new(10.0, 10.0), FramePoint::new(40.0, 50.0));
    assert_eq!(calliper(a, b, None).length, Quantity::new(50.0, Unit::Pixel));
    let spacing = Some(PixelSpacing { row_mm: 0.5, column_mm: 0.5 });
    assert_eq!(calliper(a, b, spacing).length, Quantity::new(25.0, Unit::Millimetre));
    near(calliper(a, b, SPACINGS[2]).length, 6.0_f64.hypot(4.0), "anisotropic");
}

#[test]
fn spacings_are_read() {
    let spacing = |row_mm, column_mm| PixelSpacing { row_mm, column_mm };
    assert_eq!(parse_spacing("0.12").unwrap(), spacing(0.12, 0.12));
    assert_eq!(parse_spacing("0.1x0.12").unwrap(), spacing(0.12, 0.1));
    for bad in ["", "x", "0.1x", "0", "-1", "nan", "inf", "0.1x0.2x0.3", "1e9"] {
        assert!(parse_spacing(bad).is_err(), "{bad}");
    }
    assert!(parse_spacing("200").unwrap_err().to_string().contains("0.001 to 100"));
}

/// `tests/data/measure/make.py` tells where the numbers come from.
#[test]
fn masks_are_measured_as_scikit_image_measures_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let text = std::fs::read_to_string(root.join("measure/regionprops.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 6);
    for case in &cases {
        let file = case["file"].as_str().unwrap();
        let frame = crate::feed::read_still(&root.join(file)).unwrap();
        let inside = frame.rgb().chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
        let mask = Mask::from_pixels(frame.size(), inside);
        let spacing = case["spacing"].as_array().map(|s| PixelSpacing {
            row_mm: s[0].as_f64().unwrap() as f32,
            column_mm: s[1].as_f64().unwrap() as f32,
        });
        let found = Measurements::of(&mask, spacing, None).unwrap();
        let check = |name: &str, found: f64, tolerance: f64| {
            let expected = case[name].as_f64().unwrap();
            let off = (found / expected - 1.0).abs();
            assert!(off <= tolerance, "{file}, {spacing:?}: {name} {found}, not {expected}");
        };
        check("area", found.area.value, 1e-6);
        // It takes pixels for points, without their own second moment of 1/12.
        check("axis_major_length", found.ellipse.major_axis.value, 1e-3);
        check("axis_minor_length", found.ellipse.minor_axis.value, 1e-3);
        let eccentricity = case["eccentricity"].as_f64().unwrap();
        assert!((found.ellipse.eccentricity - eccentricity).abs() < 1e-3, "{file}, {spacing:?}");
        check("feret_diameter_max", found.longest_diameter.length.value, 1e-6);
        // Crofton's formula is another estimator, off by up to 5 % with the angle.
        if !case["perimeter_crofton"].is_null() {
            check("perimeter_crofton", found.perimeter.value, 0.03);
        }
    }
}

/// Ticks every `period` pixels of a dim picture, larger ones among them, and speckle beside them.
fn with_ruler(period: f32, large_every: usize, vertical: bool) -> Frame {
    let (long, short) = (700, 500);
    let mut grey = vec![0u8; long * short];
    let mut random = crate::random::SplitMix64::new(3);
    for (i, value) in grey.iter_mut().enumerate() {
        if i % short < 440 {
            *value = random.below(120) as u8;
        }
    }
    for tick in 0.. {
        let at = 40.0 + tick as f32 * period;
        if at > 650.0 {
            break;
        }
        let length = if tick % large_every == 0 { 14 } else { 6 };
        let at = at.round() as usize;
        for v in 470 - length..470 {
            grey[at * short + v] = 230;
            grey[(at + 1) * short + v] = 140;
        }
    }
    let size = if vertical {
        FrameSize::new(short as u32, long as u32)
    } else {
        FrameSize::new(long as u32, short as u32)
    };
    let rgb = (0..size.pixels()).flat_map(|i| {
        let (x, y) = (i % size.width as usize, i / size.width as usize);
        let (u, v) = if vertical { (y, x) } else { (x, y) };
        [grey[u * short + v]; 3]
    });
    Frame::from_rgb(size, rgb.collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_ruler_is_found_near_the_taps() {
    for (period, large_every, vertical) in [(37.4, 5, true), (61.0, 1, true), (22.6, 2, false)] {
        let frame = with_ruler(period, large_every, vertical);
        let point = |u: f32, v: f32| {
            if vertical { FramePoint::new(v, u) } else { FramePoint::new(u, v) }
        };
        // Fingers miss by some pixels.
        let far = 40.0 + 8.0 * period;
        let ruler = Ruler::between(&frame, point(45.0, 473.0), point(far - 4.0, 462.0)).unwrap();
        assert_eq!(ruler.steps, 8, "{period}: {ruler:?}");
        let spacing = ruler.spacing(5.0, None);
        let off = f64::from(spacing.row_mm * period / 5.0 - 1.0);
        assert!(off.abs() < 0.005, "{period}: {spacing:?}");
        assert_eq!(spacing.row_mm, spacing.column_mm);
        let known = PixelSpacing { row_mm: 9.0, column_mm: 9.0 };
        let along = ruler.spacing(5.0, Some(known));
        assert_eq!(if vertical { along.column_mm } else { along.row_mm }, 9.0);
    }
}

#[test]
fn without_ticks_the_taps_count_as_they_are() {
    let frame = Frame::from_rgb(FrameSize::new(300, 300), vec![0; 270_000]).unwrap();
    let (a, b) = (FramePoint::new(20.0, 30.0), FramePoint::new(24.0, 230.0));
    let ruler = Ruler::between(&frame, a, b).unwrap();
    assert_eq!((ruler.steps, ruler.from.y, ruler.to.y), (1, 30.0, 230.0));
    assert_eq!(ruler.spacing(20.0, None).row_mm, 0.1);
    assert_eq!(Ruler::between(&frame, a, FramePoint::new(22.0, 31.0)), None);
}

/// What is written beside the rulers: a dot every 2 mm of 4 cm.
#[test]
fn a_scanners_ruler_gives_its_spacing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames");
    let frame = crate::feed::read_still(&root.join("clarius_eye.png")).unwrap();
    let (a, b) = (FramePoint::new(992.0, 90.0), FramePoint::new(999.0, 870.0));
    let ruler = Ruler::between(&frame, a, b).unwrap();
    assert_eq!(ruler.steps, 20, "{ruler:?}");
    let found = ruler.spacing(2.0, None);
    // The first and last dot are at rows 86.5 and 873.5.
    assert!((found.row_mm / (40.0 / 787.0) - 1.0).abs() < 0.005, "{found:?}");
}
