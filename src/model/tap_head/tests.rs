use ndarray::{Array3, Array4};
use prost::Message;
use tract_onnx::pb;

use super::grid::RINGS;
use super::*;
use crate::fuzz::{Mutator, runs};
use crate::geometry::FrameSize;
use crate::model::manifest::Preprocessing;

const CENTRE: [f32; 2] = [100.0, 80.0];

fn taps<'a>(positive: &'a [[f32; 2]], negative: &'a [[f32; 2]]) -> Taps<'a> {
    Taps { centre: CENTRE, positive, negative }
}

fn geometry() -> InputGeometry {
    InputGeometry::new(FrameSize::new(512, 384), &Preprocessing::LITEMEDSAM)
}

/// 1 in the cells of a disc round `middle`, falling over half a ring.
fn disc(middle: [f32; 2], radius: f32) -> Outline {
    let radii = ring_radii();
    let cells = cells(CENTRE, &radii);
    let probability = |ring: usize, angle: usize| {
        let [x, y] = cells[ring * ANGLES + angle];
        let inside = radius - (x - middle[0]).hypot(y - middle[1]);
        logistic(inside / (0.1 * radii[ring]))
    };
    Outline { centre: CENTRE, radii: reach(probability, &radii), quality: 1.0 }
}

#[test]
fn a_disc_has_its_box_wherever_it_is_tapped() {
    for (middle, radius) in [([100.0, 80.0], 40.0), ([110.0, 90.0], 40.0), ([104.0, 77.0], 9.0)] {
        let outline = disc(middle, radius);
        let [low, high] = outline.bounding_box();
        // Half of the angle between two directions cuts 1 - cos off, and the rings are coarse.
        let near = |found: f32, expected: f32| (found - expected).abs() < 0.05 * radius + 0.5;
        for axis in 0..2 {
            assert!(near(low[axis], middle[axis] - radius), "{middle:?} {low:?}");
            assert!(near(high[axis], middle[axis] + radius), "{middle:?} {high:?}");
        }
    }
}

#[test]
fn what_does_not_hang_together_with_the_tap_is_left_out() {
    let radii = ring_radii();
    // A disc of 10 rings, and a part of a ring far out.
    let apart =
        reach(|ring, angle| f32::from(u8::from(ring < 10 || (ring == 20 && angle < 5))), &radii);
    assert!(apart.iter().all(|&r| r < radii[10]), "{apart:?}");
    // Over the seam between the last and the first direction all hangs together.
    let over = reach(
        |ring, angle| f32::from(u8::from(ring < 2 || (ring < 15 && !(2..22).contains(&angle)))),
        &radii,
    );
    assert!(over[0] > radii[13] && over[23] > radii[13] && over[10] < radii[2], "{over:?}");
    // Nothing at all still has the first two rings, and everything ends at the last.
    assert!(reach(|_, _| 0.0, &radii).iter().all(|&r| (radii[1]..radii[2]).contains(&r)));
    assert_eq!(reach(|_, _| 1.0, &radii), [radii[RINGS - 1]; ANGLES]);
}

/// The features of a plane are those of its formula, and beyond the rim those of the rim.
#[test]
fn features_are_those_at_the_cells() {
    let plane = Array3::from_shape_fn((2, 64, 64), |(channel, row, column)| {
        // In model input pixels, at the centre of each of the embedding's.
        let (x, y) = (4.0 * column as f32 + 1.5, 4.0 * row as f32 + 1.5);
        if channel == 0 { x } else { y }
    });
    let cells = cells(CENTRE, &ring_radii());
    let found = sampled(plane.view(), &cells, 4.0);
    for (found, cell) in found.chunks_exact(2).zip(&cells) {
        for axis in 0..2 {
            let found = found[axis];
            assert!((found - cell[axis].clamp(1.5, 253.5)).abs() < 1e-3, "{cell:?} {found}");
        }
    }
}

#[test]
fn further_taps_are_shared_among_cells_and_the_frame_is_known() {
    let radii = ring_radii();
    let cells = cells(CENTRE, &radii);
    let near = cells[12 * ANGLES + 23];
    let between = [CENTRE[0] + (radii[4] * radii[5]).sqrt(), CENTRE[1]];
    let given = given(taps(&[near], &[between, CENTRE]), &cells, &radii, geometry());
    let told = |channel: usize, ring: usize, angle: usize| given[ring * ANGLES + angle][channel];
    assert!((told(1, 12, 23) - 1.0).abs() < 1e-3);
    assert!((told(2, 4, 0) - 0.5).abs() < 1e-3 && (told(2, 5, 0) - 0.5).abs() < 1e-3);
    assert!(told(2, 0, 0) > 0.99, "a tap on the middle is on the first ring");
    for (at, [x, y]) in cells.iter().enumerate() {
        let on = (-0.5..255.5).contains(x) && (-0.5..191.5).contains(y);
        assert_eq!(given[at][0], f32::from(u8::from(on)), "{x} {y}");
    }
}

/// What ONNX Runtime says with the same weights (`models/tap_head/reference.py`), on an embedding that a
/// formula gives.
#[test]
fn the_shipped_head_answers_as_in_training() {
    let package = Package::embedded().unwrap();
    let onnx = pb::ModelProto::decode(package.tap_head().unwrap()).unwrap();
    // In f32 sums are taken in another order. Activations of 8 bits move an outline by a pixel or two of 256
    // here, where the embedding is of nothing that the head knows.
    let twins = [(PolarNetwork::exact(&onnx, 256), 2e-3), (PolarNetwork::new(&onnx, 256), 3e-2)];
    let features = Array4::from_shape_fn((1, 256, 64, 64), |(_, channel, row, column)| {
        let phase = (channel * 7 % 31) as f32 + (channel as f32 * 0.05) * row as f32 * 0.1;
        0.3 * (phase + column as f32 * 0.11).sin()
    });
    let expected = include_str!("../../../tests/data/tap_head/outlines.txt");
    let taps = taps(&[[110.0, 70.0]], &[[150.0, 120.0]]);
    for (network, tolerance) in twins {
        let head = TapHead { network: network.unwrap() };
        let found = head.outlines(features.view(), geometry(), taps).unwrap();
        let mut lines = expected.lines();
        for outline in found {
            let numbers: Vec<f32> =
                lines.next().unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
            let [[x0, y0], [x1, y1]] = outline.bounding_box();
            for (found, expected) in [outline.quality, x0, y0, x1, y1].into_iter().zip(numbers) {
                let most = tolerance * expected.abs().max(1.0);
                assert!((found - expected).abs() < most, "{found}, not {expected} within {most}");
            }
        }
        assert_eq!(lines.next(), None);
    }
}

#[test]
fn what_is_wrong_with_a_head_is_told() {
    let package = Package::embedded().unwrap();
    let whole = pb::ModelProto::decode(package.tap_head().unwrap()).unwrap();
    type Damage = fn(&mut pb::GraphProto);
    fn tensor<'a>(graph: &'a mut pb::GraphProto, name: &str) -> &'a mut pb::TensorProto {
        graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }
    let cases: [(Damage, &str); 9] = [
        (|graph| graph.initializer.clear(), "it has no tensor enter.weight.int8"),
        (|graph| tensor(graph, "mix.bias").name.clear(), "it has no tensor mix.bias"),
        (
            |graph| tensor(graph, "convs.3.weight.int8").name.clear(),
            "no tensor convs.3.weight.int8",
        ),
        (|graph| tensor(graph, "start").dims = vec![2], "start isn't 3 values in f32"),
        (|graph| tensor(graph, "query.weight.int8").dims = vec![64, 32], "isn't 32 × 64 values"),
        (|graph| tensor(graph, "convs.5.weight.int8").raw_data[7] = 0x80, "is -128"),
        (|graph| graph.node.clear(), "the convolution with convs.0.weight isn't 1 to 8 apart"),
        (|graph| graph.output.clear(), "cell_logits"),
        (|graph| graph.input.truncate(1), "given"),
    ];
    for (damage, expected) in cases {
        let mut damaged = whole.clone();
        damage(damaged.graph.as_mut().unwrap());
        let reason = PolarNetwork::new(&damaged, 256).err().unwrap();
        assert!(reason.contains(expected), "{reason}, not {expected}");
    }
    let other = PolarNetwork::new(&whole, 192).err().unwrap();
    assert!(other.contains("1×192×28×24"), "{other}");
}

/// A file from elsewhere may be anything.
#[test]
fn a_damaged_head_is_refused_or_answers() {
    let package = Package::embedded().unwrap();
    let head = package.tap_head().unwrap();
    let mut mutator = Mutator::new(11, &[head]);
    let (features, given) =
        (vec![0.5; RINGS * ANGLES * 256], vec![[1.0, 0.0, 0.0]; RINGS * ANGLES]);
    for _ in 0..runs() / 40 {
        let Ok(onnx) = parsed(&mutator.changed(head)) else { continue };
        if let Ok(network) = PolarNetwork::new(&onnx, 256) {
            let Answers { logits, quality } = network.answer(&features, &given);
            assert_eq!((logits.len(), quality.len()), (3, 3));
        }
    }
}

#[test]
fn a_head_is_not_asked_of_another_models_embedding() {
    let head = TapHead::load(&Package::embedded().unwrap(), 256).unwrap().unwrap();
    let error = head.outlines(Array4::zeros((1, 192, 64, 64)).view(), geometry(), taps(&[], &[]));
    assert!(error.unwrap_err().to_string().contains("192 channels, not 256"));
}

#[test]
fn what_is_far_less_likely_than_the_best_is_left_out() {
    let qualities = |given: &[f32]| -> Vec<f32> {
        let bounding_box = FrameBox { x0: 0.0, y0: 0.0, x1: 9.0, y1: 9.0 };
        let boxes = given.iter().map(|&quality| FoundBox { bounding_box, quality });
        likely(boxes.collect()).iter().map(|found| found.quality).collect()
    };
    assert_eq!(qualities(&[0.35, 0.9, 0.37]), [0.9, 0.37]);
    assert_eq!(qualities(&[0.02, 0.01]), [0.02, 0.01]);
    assert_eq!(qualities(&[]), [0.0; 0]);
}

#[test]
fn the_middle_of_a_disc_is_where_it_is_tapped_or_not() {
    for (middle, radius) in [([100.0, 80.0], 40.0), ([110.0, 90.0], 40.0), ([80.0, 80.0], 30.0)] {
        let found = disc(middle, radius).middle();
        for axis in 0..2 {
            assert!((found[axis] - middle[axis]).abs() < 0.05 * radius, "{middle:?} {found:?}");
        }
    }
}

#[test]
fn boxes_overlap_by_what_they_share() {
    let (a, b) = ([[0.0, 0.0], [4.0, 2.0]], [[2.0, 0.0], [6.0, 2.0]]);
    assert_eq!(overlap(a, a), 1.0);
    assert_eq!(overlap(a, b), 4.0 / 12.0);
    assert_eq!(overlap(a, [[5.0, 0.0], [6.0, 2.0]]), 0.0);
    assert_eq!(joined(a, b), [[1.0, 0.0], [5.0, 2.0]]);
}
