use serde_json::Value;

use super::*;
use crate::feed::read_still;

fn read(path: &str) -> (FrameSize, Vec<u8>) {
    let path = format!("{}/tests/data/boundary/{path}", env!("CARGO_MANIFEST_DIR"));
    let frame = read_still(path.as_ref()).unwrap();
    (frame.size(), frame.rgb().chunks_exact(3).map(|p| p[0]).collect())
}

/// `tests/data/boundary/make_boundary.py` tells where the expected figures come from.
#[test]
fn figures_are_those_of_the_benchmark() {
    let expected = include_str!("../../tests/data/boundary/scores.json");
    let expected: Value = serde_json::from_str(expected).unwrap();
    let mut pictures = Vec::new();
    for name in ["a", "b"] {
        let (size, strength) = read(&format!("{name}.png"));
        let truth = |person: u32| {
            let (size, inside) = read(&format!("truth/{name}-{person}.png"));
            Mask::from_pixels(size, inside)
        };
        let counts = PictureCounts::new(size, &strength, &[1, 2, 3].map(truth));
        for (at, expected) in expected["counts"][name].as_array().unwrap().iter().enumerate() {
            let expected: [u64; 4] = serde_json::from_value(expected.clone()).unwrap();
            let Counts { recalled, boundary, right, edge } = counts.0[at * 7];
            assert_eq!([recalled, boundary, edge], [expected[0], expected[1], expected[3]], "{at}");
            // Which of two edge pixels has the partner is open.
            assert!(right.abs_diff(expected[2]) * 100 <= edge, "{at}: {right}, {expected:?}");
        }
        pictures.push(counts);
    }
    let scores = serde_json::to_value(BoundaryScores::of(&pictures).unwrap()).unwrap();
    let near = |found: &Value, expected: &Value, bound: f64| {
        let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
        assert!((found - expected).abs() <= bound, "{found}, expected {expected}: {scores}");
    };
    let expected = &expected["scores"];
    for scale in ["ods", "ois"] {
        near(&scores[scale]["f"], &expected[scale]["f"], 0.003);
        near(&scores[scale]["precision"], &expected[scale]["precision"], 0.005);
        near(&scores[scale]["recall"], &expected[scale]["recall"], 0.005);
    }
    near(&scores["ap"], &expected["ap"], 0.003);
    near(&scores["r50"], &expected["r50"], 0.003);
    near(&scores["ods_threshold"], &expected["ods_threshold"], 0.02);
}

#[test]
fn nothing_found_and_nothing_drawn_give_no_figures_out_of_range() {
    let size = FrameSize::new(30, 20);
    let none = Mask::from_pixels(size, vec![0; 600]);
    let line = Mask::from_pixels(size, (0..600).map(|i| u8::from(i % 30 == 9)).collect());
    let drawn: Vec<u8> = line.pixels().iter().map(|inside| inside * 255).collect();
    let of = |strength: &[u8], truth: &[Mask]| {
        BoundaryScores::of(&[PictureCounts::new(size, strength, truth)]).unwrap()
    };
    let perfect = of(&drawn, std::slice::from_ref(&line));
    assert_eq!((perfect.ods.f, perfect.ois.f, perfect.r50), (1.0, 1.0, None));
    for scores in [of(&[0; 600], &[line]), of(&drawn, &[none]), of(&drawn, &[])] {
        assert_eq!((scores.ods.f, scores.ois.f, scores.ap, scores.r50), (0.0, 0.0, 0.0, None));
    }
    assert_eq!(BoundaryScores::of(&[]), None);
}
