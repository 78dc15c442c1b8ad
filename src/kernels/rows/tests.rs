//! Against f64, with the same bits on every instruction set.

use super::super::testing::{ROUNDING, assert_near, floats, not_finite, same_on_all};
use super::*;

const EPSILON: f32 = 1e-6;

fn normalised(x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
    same_on_all(|isa| {
        let mut out = vec![7.0; x.len()];
        layer_norm(isa, x, (gamma, beta), EPSILON, &mut out);
        out
    })
}

/// What is exact, and how far off it may be: the mean and the variance are rounded a few times,
/// whatever the width, as each lane adds few values; a mean far from zero costs its magnitude.
fn exact_norm(x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<(f64, f64)> {
    let width = gamma.len();
    let values = |row: &[f32]| row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let mut exact = vec![];
    for row in x.chunks_exact(width) {
        let row = values(row);
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let deviation = (variance + f64::from(EPSILON)).sqrt();
        let largest = row.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let rounded = (4 + width / LANES) as f64 * ROUNDING;
        for (x, (gamma, beta)) in row.iter().zip(values(gamma).iter().zip(values(beta))) {
            let normal = (x - mean) / deviation;
            let off = rounded * (normal.abs() + largest / deviation) * gamma.abs();
            exact.push((normal * gamma + beta, off + ROUNDING * (normal * gamma + beta).abs()));
        }
    }
    exact
}

#[test]
fn rows_of_all_lengths() {
    for width in [1, 2, 15, 16, 17, 31, 32, 33, 64, 160, 768, 1280] {
        let (gamma, beta) = (floats(1, width), floats(2, width));
        for rows in [0, 1, 3] {
            for (scale, mean) in [(1.0, 0.0), (1e-3, 0.5), (30.0, -100.0), (1e-5, 0.0)] {
                let x: Vec<_> = floats(3, rows * width).iter().map(|x| x * scale + mean).collect();
                let found = normalised(&x, &gamma, &beta);
                assert_near(&found, exact_norm(&x, &gamma, &beta));
            }
        }
    }
}

#[test]
fn a_row_of_one_value_is_beta() {
    let (gamma, beta) = (floats(1, 40), floats(2, 40));
    for value in [0.0, -0.0, 1.0, -3.5] {
        assert_eq!(normalised(&[value; 40], &gamma, &beta), beta);
    }
}

#[test]
fn a_row_that_is_not_finite_shows_and_others_don_t_suffer() {
    let (gamma, beta) = (floats(1, 19), floats(2, 19));
    let mut x = floats(3, 5 * 19);
    x[19 + 18] = f32::NAN;
    x[3 * 19 + 4] = f32::INFINITY;
    let found = normalised(&x, &gamma, &beta);
    let rows: Vec<_> = (0..5 * 19).filter(|i| [1, 3].contains(&(i / 19))).collect();
    assert_eq!(not_finite(&found), rows);
}

#[test]
fn activations_of_all_lengths() {
    for len in [0, 1, 15, 16, 17, 40] {
        let x = floats(1, len);
        for activation in [Activation::Gelu, Activation::CoarseGelu, Activation::Relu] {
            let found = same_on_all(|isa| {
                let mut x = x.clone();
                activate(isa, activation, &mut x);
                x
            });
            let expected = x.iter().map(|&x| match activation {
                Activation::Relu => x.max(0.0),
                // The functions themselves have tests of their own.
                _ => same_on_all(|isa| {
                    let mut one = [x];
                    activate(isa, activation, &mut one);
                    one.to_vec()
                })[0],
            });
            assert_eq!(found, expected.collect::<Vec<_>>());
        }
    }
}

#[test]
fn activations_hide_nothing() {
    let values = [f32::NAN, -f32::NAN, f32::INFINITY];
    for activation in [Activation::Gelu, Activation::CoarseGelu, Activation::Relu] {
        let found = same_on_all(|isa| {
            let mut x = values;
            activate(isa, activation, &mut x);
            x.to_vec()
        });
        assert!(found[0].is_nan() && found[1].is_nan() && found[2] == f32::INFINITY);
    }
    let relu = |x: f32| {
        let mut x = [x];
        activate(Isa::Portable, Activation::Relu, &mut x);
        x[0]
    };
    assert_eq!([relu(f32::NEG_INFINITY), relu(-1e-45), relu(1e-45)], [0.0, 0.0, 1e-45]);
}

#[test]
fn sums_of_all_lengths() {
    for len in [0, 1, 15, 16, 17, 40] {
        let (mut x, mut y) = (floats(1, len), floats(2, len));
        if len > 2 {
            (x[0], y[1]) = (f32::NAN, f32::INFINITY);
        }
        let found = same_on_all(|isa| {
            let mut x = x.clone();
            add(isa, &mut x, &y);
            x
        });
        let expected = x.iter().zip(&y).map(|(x, y)| (x + y).to_bits());
        assert!(found.iter().map(|v| v.to_bits()).zip(expected).skip(1).all(|(a, b)| a == b));
        assert_eq!(not_finite(&found).len(), if len > 2 { 2 } else { 0 });
    }
}

#[test]
#[should_panic]
fn lengths_that_differ_are_refused() {
    add(Isa::Portable, &mut [1.0], &[]);
}
