//! The simulator against its own truth.

use tapseg::feed::phantom::{Phantom, PhantomOptions};

use super::*;

#[test]
fn options_are_read_and_checked() {
    let default = PhantomOptions::default();
    assert_eq!((default.size, default.fps), (FrameSize::new(640, 480), 20.0));
    assert_eq!(PhantomOptions::parse("").unwrap(), default);
    let all = PhantomOptions { seed: 7, size: FrameSize::new(320, 200), fps: 12.5 };
    assert_eq!(PhantomOptions::parse("seed=7, size=320x200,fps=12.5").unwrap(), all);
    let cases = [
        ("colour=red", "seed, size and fps"),
        ("seed", "is no seed"),
        ("seed=-1", "is no seed"),
        ("size=640", "is no size"),
        ("size=10x10", "smaller"),
        ("size=100000x100000", "limit"),
        ("fps=0", "frames a second"),
        ("fps=1e-300", "frames a second"),
        ("fps=1001", "frames a second"),
        ("fps=NaN", "frames a second"),
        ("fps=fast", "is no fps"),
    ];
    for (text, expected) in cases {
        let error = open_clip(&[format!("phantom:{text}")]).err().expect(text).to_string();
        assert!(error.contains(expected) && error.contains(text), "{text}: {error}");
    }
    assert_eq!(open_clip(&["phantom:seed=3".into()]).unwrap().frame_count(), None);
}

#[test]
fn frames_are_a_function_of_options_and_index() {
    let mut one = Phantom::from_options("seed=5,size=320x240").unwrap();
    let mut other = Phantom::from_options("seed=5,size=320x240").unwrap();
    let mut different = Phantom::from_options("seed=6,size=320x240").unwrap();
    let later = one.frame(9).unwrap();
    let hash = |clip: &mut Phantom, index| clip.frame(index).unwrap().content_hash();
    assert_eq!(hash(&mut other, 3), hash(&mut one, 3));
    assert_eq!(hash(&mut other, 9), later.content_hash());
    assert_ne!(hash(&mut other, 10), later.content_hash());
    assert_ne!(hash(&mut different, 9), later.content_hash());
    assert!(one.frame(u64::MAX).is_ok());
    assert_eq!((later.sequence, one.frame_interval()), (9, Some(Duration::from_millis(50))));
}

/// The same bits on every platform: these were computed on x86-64.
#[test]
fn frames_are_the_same_everywhere() {
    let mut phantom = Phantom::from_options("seed=1,size=160x120").unwrap();
    let hash = phantom.frame(17).unwrap().content_hash();
    assert_eq!(hash[..8], [46, 130, 175, 223, 77, 83, 4, 159]);
}

#[test]
fn the_lesion_is_dark_moves_and_is_measured() {
    for seed in 1..9 {
        let mut phantom = Phantom::from_options(&format!("seed={seed}")).unwrap();
        let mut centres = Vec::new();
        for index in [0, 21, 42, 230] {
            let (frame, truth) = (phantom.frame(index).unwrap(), phantom.truth(index));
            let size = frame.size();
            let found = truth.bounding_box().expect("a lesion");
            let (mut inside, mut around) = ((0.0, 0.0), (0.0, 0.0));
            for y in (found.y0 as u32).saturating_sub(25)..(found.y1 as u32 + 25).min(size.height) {
                for x in
                    (found.x0 as u32).saturating_sub(25)..(found.x1 as u32 + 25).min(size.width)
                {
                    let at = (y * size.width + x) as usize;
                    let sum = if truth.pixels()[at] != 0 { &mut inside } else { &mut around };
                    *sum = (sum.0 + f64::from(frame.rgb()[at * 3]), sum.1 + 1.0);
                }
            }
            let (inside, around) = (inside.0 / inside.1, around.0 / around.1);
            assert!(inside + 35.0 < around, "seed {seed} frame {index}: {inside} in {around}");
            let spacing = frame.pixel_spacing.unwrap();
            let cm2 = truth.area_px() as f32 * spacing.pixel_area_mm2() / 100.0;
            assert!((3.0..11.0).contains(&cm2), "seed {seed}: {cm2} cm²");
            centres.push(((found.x0 + found.x1) / 2.0, (found.y0 + found.y1) / 2.0));
        }
        assert_ne!(centres[0], centres[1], "seed {seed}");
        assert_ne!(centres[2], centres[3], "seed {seed}");
    }
}

#[test]
fn the_margins_are_black_and_the_sector_is_not() {
    for size in ["640x480", "64x64", "400x900", "900x200"] {
        let frame = Phantom::from_options(&format!("size={size}")).unwrap().frame(0).unwrap();
        let FrameSize { width, height } = frame.size();
        let grey = |x: u32, y: u32| frame.rgb()[(y * width + x) as usize * 3];
        let border = (0..width).flat_map(|x| [grey(x, 0), grey(x, height - 1)]);
        let border = border.chain((0..height).flat_map(|y| [grey(0, y), grey(width - 1, y)]));
        assert_eq!(border.max(), Some(0), "{size}");
        let lit = frame.rgb().iter().filter(|v| **v > 20).count() as f64 / frame.rgb().len() as f64;
        assert!(lit > 0.05, "{size}: {lit}");
    }
}
