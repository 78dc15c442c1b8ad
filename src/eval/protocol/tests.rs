use super::*;
use crate::frame::Frame;

/// A picture of 1000 × 600 with a disc of radius 100 round (300, 200).
fn picture(name: &str) -> Picture {
    let size = FrameSize::new(1000, 600);
    let inside = |at: i64| (at % 1000 - 300).pow(2) + (at / 1000 - 200).pow(2) <= 100 * 100;
    let pixels = (0..600_000).map(|at| u8::from(inside(at))).collect();
    let mask = Mask::from_pixels(size, pixels);
    let structures = vec![Structure { name: "disc".into(), class: None, mask, given_box: None }];
    let frame = Frame::from_rgb(size, vec![0; size.pixels() * 3]).unwrap();
    Picture { name: name.into(), volume: None, class: None, frame, structures }
}

fn prompts(setting: Setting, picture: &Picture, seed: u64) -> Vec<Prompt> {
    setting.prompts(picture, &picture.structures[0], seed)
}

#[test]
fn what_is_random_follows_from_seed_and_names() {
    let (a, b) = (picture("a"), picture("b"));
    for setting in [Setting::Breastsam, Setting::OnePoint, Setting::InteriorTap, Setting::RimTap] {
        let told = |picture, seed| format!("{:?}", prompts(setting, picture, seed));
        assert_eq!(told(&a, 1), told(&a, 1));
        assert_ne!(told(&a, 1), told(&a, 2));
        assert_ne!(told(&a, 1), told(&b, 1));
    }
}

#[test]
fn points_lie_where_they_should() {
    let picture = picture("a");
    let disc = &picture.structures[0].mask;
    let radius = |at: FramePoint| (at.x - 300.0).hypot(at.y - 200.0);
    let tap = &prompts(Setting::CentreTap, &picture, 1)[0].points[0];
    assert!(radius(tap.position) <= 1.0, "{tap:?}");
    for seed in 0..20 {
        let rim = prompts(Setting::RimTap, &picture, seed);
        assert_eq!(rim.len(), TAPS as usize);
        assert!(rim.iter().all(|p| (79.0..=100.0).contains(&radius(p.points[0].position))));
        let inside = prompts(Setting::InteriorTap, &picture, seed);
        assert!(inside.iter().all(|p| disc.contains(p.points[0].position)));
        let twenty = &prompts(Setting::TwentyPoints, &picture, seed)[0];
        for (label, within) in [(PointLabel::Positive, true), (PointLabel::Negative, false)] {
            let points: Vec<_> = twenty.points_labelled(label).collect();
            assert_eq!(points.len(), 10);
            assert!(points.iter().all(|at| disc.contains(*at) == within));
        }
    }
}

#[test]
fn careless_boxes_are_breastsams() {
    let picture = picture("a");
    // At the picture's scale, twice that of the paper: a tight box of 200, grown by 40 a side, to
    // 280, its sides scaled by up to 10 %, and shifted by up to 60.
    let (mut least, mut most) = (f32::MAX, f32::MIN);
    for seed in 0..200 {
        let prompt = &prompts(Setting::Breastsam, &picture, seed)[0];
        let b = prompt.bounding_box.unwrap();
        let [right, down] = [(b.x0 + b.x1) / 2.0 - 300.0, (b.y0 + b.y1) / 2.0 - 200.0];
        assert!(right.abs() <= 60.0 && down.abs() <= 60.0 && b.y0 >= 0.0, "{b:?}");
        assert!((251.9..=308.1).contains(&b.width()) && (251.9..=308.1).contains(&b.height()));
        (least, most) = (least.min(b.width()), most.max(b.width()));
        assert_eq!(prompt.points.len(), 1);
    }
    assert!(least < 260.0 && most > 300.0, "{least} {most}");
}

#[test]
fn the_smallest_structures_can_be_asked_about() {
    let size = FrameSize::new(9, 5);
    for at in [0, 8, 22, 44] {
        let mut pixels = vec![0; 45];
        pixels[at] = 1;
        let mask = Mask::from_pixels(size, pixels);
        let frame = Frame::from_rgb(size, vec![0; 135]).unwrap();
        let structures = vec![Structure { name: "dot".into(), class: None, mask, given_box: None }];
        let picture = Picture { name: "dots".into(), volume: None, class: None, frame, structures };
        for setting in Protocol::ALL.iter().flat_map(|protocol| protocol.settings()) {
            for prompt in prompts(*setting, &picture, 3) {
                prompt.checked(size).unwrap();
            }
        }
    }
}

#[test]
fn a_given_box_is_used() {
    let mut picture = picture("a");
    let tight = FrameBox { x0: 200.0, y0: 100.0, x1: 400.0, y1: 300.0 };
    let of = |picture: &Picture| prompts(Setting::GivenBox, picture, 1)[0].bounding_box;
    assert_eq!(of(&picture), Some(tight));
    let given = FrameBox { x0: 150.0, y0: 90.0, x1: 410.0, y1: 320.0 };
    picture.structures[0].given_box = Some(given);
    assert_eq!(of(&picture), Some(given));
    assert_eq!(prompts(Setting::TightBox, &picture, 1)[0].bounding_box, Some(tight));
}
