use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_5X8;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};

use super::*;
use crate::feed::read_still;
use crate::screen::Canvas;

const SIZE: FrameSize = FrameSize::new(320, 240);

/// Grey noise in `parts` of a black frame, and a line of text at the bottom left.
fn screen(parts: &[FrameBox]) -> Frame {
    let inside =
        |b: &FrameBox, x: f32, y: f32| (b.x0..=b.x1).contains(&x) && (b.y0..=b.y1).contains(&y);
    let pixel = |k: usize| {
        let (x, y) = (k % SIZE.width as usize, k / SIZE.width as usize);
        let text = (200..210).contains(&y) && x < 80 && (x / 2 + y / 3) % 3 == 0;
        match parts.iter().any(|b| inside(b, x as f32, y as f32)) {
            true => 30 + ((x * 31 + y * 17) % 60) as u8,
            false if text => 255,
            false => 2,
        }
    };
    let rgb: Vec<u8> = (0..SIZE.pixels()).flat_map(|k| [pixel(k); 3]).collect();
    Frame::from_rgb(SIZE, rgb).unwrap()
}

/// `frame` with bars of one colour and letters on them.
fn with_bars(frame: &Frame, bars: &[FrameBox]) -> Frame {
    let mut rgb = frame.rgb().to_vec();
    for (k, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (k % SIZE.width as usize, k / SIZE.width as usize);
        let inside = |b: &FrameBox| {
            (b.x0..=b.x1).contains(&(x as f32)) && (b.y0..=b.y1).contains(&(y as f32))
        };
        if bars.iter().any(inside) {
            let written = (30..120).contains(&x) && !(24..216).contains(&y);
            let letter = written && (x / 2 + y / 3).is_multiple_of(3);
            pixel.copy_from_slice(if letter { &[250; 3] } else { &[40, 60, 110] });
        }
    }
    frame.repainted(rgb)
}

fn near(found: FrameBox, expected: FrameBox, off: f32) -> bool {
    let sides = |b: FrameBox| [b.x0, b.y0, b.x1, b.y1];
    sides(found).iter().zip(sides(expected)).all(|(a, b)| (a - b).abs() <= off)
}

#[test]
fn the_picture_is_found_without_text_and_margins() {
    let sector = FrameBox { x0: 120.0, y0: 30.0, x1: 260.0, y1: 220.0 };
    let found = find_region(&screen(&[sector])).unwrap().bounding_box();
    assert!(near(found, sector, 12.0), "{found:?}");
}

#[test]
fn the_picture_is_found_to_its_last_row() {
    for (x0, y0, x1, y1) in [(120.0, 30.0, 260.0, 220.0), (121.0, 33.0, 262.0, 218.0)] {
        let sector = FrameBox { x0, y0, x1, y1 };
        assert_eq!(find_picture(&screen(&[sector])).unwrap().bounding_box(), sector);
    }
    let all = FrameBox { x0: 0.0, y0: 0.0, x1: 319.0, y1: 239.0 };
    assert!(find_picture(&screen(&[all])).unwrap().is_whole(), "it fills the frame");
    assert_eq!(find_picture(&screen(&[])), None, "nothing is to be seen");
}

#[test]
fn what_lies_above_and_below_something_black_belongs_together() {
    let above = FrameBox { x0: 120.0, y0: 20.0, x1: 260.0, y1: 70.0 };
    let below = FrameBox { x0: 120.0, y0: 140.0, x1: 260.0, y1: 225.0 };
    let beside = FrameBox { x0: 10.0, y0: 20.0, x1: 60.0, y1: 60.0 };
    let found = find_region(&screen(&[above, below, beside])).unwrap().bounding_box();
    let expected = FrameBox { x0: 120.0, y0: 20.0, x1: 260.0, y1: 225.0 };
    assert!(near(found, expected, 12.0), "{found:?}");
}

#[test]
fn banners_at_the_rim_are_not_of_the_picture() {
    let bar = |x0, y0, x1, y1| FrameBox { x0, y0, x1, y1 };
    let (apart, wide) = (bar(120.0, 60.0, 260.0, 220.0), bar(90.0, 60.0, 300.0, 200.0));
    let touching = bar(60.0, 24.0, 270.0, 239.0);
    let (top, bottom) = (bar(0.0, 0.0, 319.0, 23.0), bar(0.0, 216.0, 319.0, 239.0));
    let cases = [
        ("above it", apart, vec![top]),
        ("above and below a wide one", wide, vec![top, bottom]),
        ("a strip that is not as wide as the frame", wide, vec![bar(0.0, 0.0, 230.0, 23.0)]),
        ("that it touches", touching, vec![top]),
        ("above one from side to side", bar(0.0, 24.0, 319.0, 239.0), vec![top]),
        ("beside it", bar(60.0, 60.0, 270.0, 239.0), vec![bar(0.0, 0.0, 59.0, 239.0)]),
    ];
    for (name, picture, bars) in cases {
        let frame = with_bars(&screen(&[picture]), &bars);
        let found = find_picture(&frame).expect(name).bounding_box();
        assert!(near(found, picture, 2.0), "{name}: {found:?}");
    }
}

/// `frame` with lines of letters over a share of a bar, which is of one colour where one is given.
fn with_letters(frame: &Frame, bar: FrameBox, ground: Option<Rgb888>, share: f32) -> Frame {
    let mut canvas = Canvas::new(Size::new(SIZE.width, SIZE.height));
    let pixels = frame.rgb().chunks_exact(3).map(|p| Rgb888::new(p[0], p[1], p[2]));
    let Ok(()) = canvas.fill_contiguous(&canvas.bounding_box(), pixels);
    let corner = Point::new(bar.x0 as i32, bar.y0 as i32);
    let size = Size::new((bar.x1 - bar.x0) as u32 + 1, (bar.y1 - bar.y0) as u32 + 1);
    if let Some(ground) = ground {
        let Ok(()) = canvas.fill_solid(&Rectangle::new(corner, size), ground);
    }
    let style = MonoTextStyle::new(&FONT_5X8, Rgb888::WHITE);
    let line = "DOE^JOHN 19700102"[..size.width as usize / 5].to_owned();
    let lines = size.height as i32 / 8;
    // Spread over all of it.
    let written = |i: &i32| ((i + 1) as f32 * share) as i32 > (*i as f32 * share) as i32;
    for i in (0..lines).filter(written) {
        let at = corner + Point::new(0, 8 * i);
        let Ok(_) = Text::with_baseline(&line, at, style, Baseline::Top).draw(&mut canvas);
    }
    frame.repainted(canvas.to_image().into_raw())
}

#[test]
fn a_bar_is_one_however_much_is_written_on_it() {
    let grounds = [Rgb888::new(40, 60, 110), Rgb888::new(25, 25, 25), Rgb888::new(150, 150, 150)];
    for (percent, ground) in (0..=100).step_by(5).flat_map(|p| grounds.map(|g| (p, g))) {
        for (name, bar, picture) in [
            ("at the left", [0.0, 0.0, 59.0, 239.0], [60.0, 20.0, 270.0, 239.0]),
            ("at the right", [261.0, 0.0, 319.0, 239.0], [40.0, 20.0, 260.0, 239.0]),
            ("apart", [0.0, 0.0, 59.0, 239.0], [90.0, 40.0, 270.0, 220.0]),
        ] {
            let [bar, picture] = [bar, picture].map(|[x0, y0, x1, y1]| FrameBox { x0, y0, x1, y1 });
            let share = percent as f32 / 100.0;
            let frame = with_letters(&screen(&[picture]), bar, Some(ground), share);
            let found = find_picture(&frame).expect(name).bounding_box();
            assert!(near(found, picture, 3.0), "{name}, {percent} %, {ground:?}: {found:?}");
        }
    }
}

/// What is written on the picture makes no bar of it, wherever that reaches.
#[test]
fn tissue_with_letters_on_it_is_of_the_picture() {
    let all = FrameBox { x0: 0.0, y0: 0.0, x1: 319.0, y1: 239.0 };
    let sector = FrameBox { x0: 0.0, x1: 200.0, ..all };
    for percent in (0..=100).step_by(10) {
        for (picture, over) in [
            (all, FrameBox { x1: 59.0, ..all }),
            (all, FrameBox { x0: 262.0, ..all }),
            (all, FrameBox { y1: 30.0, x1: 80.0, ..all }),
            (sector, FrameBox { x1: 59.0, ..all }),
        ] {
            let frame = with_letters(&screen(&[picture]), over, None, percent as f32 / 100.0);
            let found = find_picture(&frame).unwrap().bounding_box();
            assert!(near(found, picture, 3.0), "{percent} % of {over:?}: {found:?}");
        }
    }
}

#[test]
fn skin_at_the_rim_is_of_the_picture() {
    let below = FrameBox { x0: 60.0, y0: 120.0, x1: 260.0, y1: 239.0 };
    for skin in [
        FrameBox { x0: 60.0, y0: 0.0, x1: 260.0, y1: 17.0 },
        FrameBox { x0: 50.0, y0: 0.0, x1: 270.0, y1: 50.0 },
    ] {
        let found = find_picture(&screen(&[skin, below])).unwrap().bounding_box();
        let expected = FrameBox { x0: skin.x0, x1: skin.x1, y0: 0.0, y1: 239.0 };
        assert!(near(found, expected, 0.0), "{found:?}");
    }
}

/// A sector whose tip is narrow, on a bright ground: its tip is not taken for letters on a bar.
#[test]
fn a_bright_ground_round_the_picture_is_no_banner() {
    let noise = screen(&[FrameBox { x0: 0.0, y0: 0.0, x1: 319.0, y1: 239.0 }]);
    let mut rgb = noise.rgb().to_vec();
    for (k, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((k % SIZE.width as usize) as f32, (k / SIZE.width as usize) as f32);
        if (x - 160.0).abs() > 10.0 + 4.0 * (y - 8.0) || !(8.0..230.0).contains(&y) {
            pixel.copy_from_slice(&[90, 90, 100]);
        }
    }
    let found = find_picture(&noise.repainted(rgb));
    assert!(found.unwrap().is_whole(), "nothing tells them apart: {found:?}");
}

#[test]
fn pictures_that_fill_the_frame_and_black_ones_have_no_region() {
    let all = FrameBox { x0: 0.0, y0: 0.0, x1: 319.0, y1: 239.0 };
    assert_eq!(find_region(&screen(&[all])), None);
    assert_eq!(find_region(&screen(&[])), None);
    let tiny = Frame::from_rgb(FrameSize::new(1, 1), vec![200; 3]).unwrap();
    assert_eq!(find_region(&tiny), None);
}

/// The scanned area of real screens holds every structure that was outlined on them.
#[test]
fn real_screens_keep_their_structures() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for (picture, mask) in [
        ("frames/clarius_eye.png", "frames/clarius_eye_mask0.png"),
        ("frames/clarius_contrast.png", "frames/clarius_contrast_mask0.png"),
        ("clip/f010.png", "clip/f010_mask0.png"),
        ("clip/f013.png", "clip/f013_mask1.png"),
    ] {
        let frame = read_still(&data.join(picture)).unwrap();
        let region = find_region(&frame).expect(picture);
        let share = region.size().pixels() as f32 / frame.size().pixels() as f32;
        assert!((0.25..0.7).contains(&share), "{picture}: {region:?}");
        let truth = read_still(&data.join(mask)).unwrap();
        let inside = truth.rgb().chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
        let truth = Mask::from_pixels(truth.size(), inside);
        let (b, r) = (truth.bounding_box().unwrap(), region.bounding_box());
        assert!(r.x0 <= b.x0 && r.y0 <= b.y0 && r.x1 >= b.x1 && r.y1 >= b.y1, "{picture}");
    }
}

#[test]
fn a_finder_keeps_its_region_until_the_picture_is_another() {
    let sector = FrameBox { x0: 120.0, y0: 30.0, x1: 260.0, y1: 220.0 };
    let darker = FrameBox { y1: 180.0, ..sector };
    let other = FrameBox { x0: 20.0, y0: 20.0, x1: 110.0, y1: 120.0 };
    let mut finder = RegionFinder::new(RegionChoice::Auto);
    let mut of = |shapes: &[_]| finder.of(&screen(shapes)).unwrap();
    let first = of(&[sector]);
    assert_eq!(of(&[darker]), first);
    assert_eq!(of(&[]), first, "the probe is off");
    let moved = of(&[other]).unwrap();
    assert!(near(moved.bounding_box(), other, 12.0), "{moved:?}");
    let all = FrameBox { x0: 0.0, y0: 0.0, x1: 319.0, y1: 239.0 };
    assert_eq!(of(&[all]), None);
}

#[test]
fn prompts_and_masks_go_in_and_come_back() {
    let region = Region::of(FrameBox { x0: 100.2, y0: 50.0, x1: 199.0, y1: 149.0 }, SIZE).unwrap();
    assert_eq!((region.size(), region.frame_size()), (FrameSize::new(100, 100), SIZE));
    let b = FrameBox { x0: 90.0, y0: 60.0, x1: 150.0, y1: 160.0 };
    let prompt = Prompt::default().positive(120.0, 70.0).negative(5.0, 5.0).in_box(b);
    let inner = region.prompt(&prompt).unwrap();
    assert_eq!(inner.points.len(), 1, "a point off it all says nothing");
    assert_eq!((inner.points[0].position.x, inner.points[0].position.y), (20.0, 20.0));
    let cut = FrameBox { x0: 0.0, y0: 10.0, x1: 50.0, y1: 99.0 };
    assert_eq!(inner.bounding_box, Some(cut));
    for outside in [
        Prompt::default().positive(10.0, 10.0),
        Prompt::default().in_box(FrameBox { x0: 0.0, y0: 0.0, x1: 20.0, y1: 20.0 }),
    ] {
        let error = region.prompt(&outside).unwrap_err().to_string();
        assert!(error.contains("outside the region"), "{error}");
    }
    let mask =
        Mask::from_pixels(region.size(), (0..10_000).map(|k| u8::from(k % 3 == 0)).collect());
    let placed = region.mask_on_frame(&mask);
    assert_eq!(placed.area_px(), mask.area_px());
    let back = region.prompt(&Prompt::default().refining(MaskPrompt::Binary(placed))).unwrap();
    assert!(matches!(back.mask, Some(MaskPrompt::Binary(m)) if m == mask));
}
