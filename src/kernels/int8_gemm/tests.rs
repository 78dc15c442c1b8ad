//! Every kernel against the definition, with the same bits.

use proptest::prelude::*;

use super::super::testing::{bits, floats, numbers};
use super::packed::{BLOCK_BYTES, BLOCK_ROWS};
use super::*;

/// The layer as it is defined, one value at a time.
struct Layer {
    k: usize,
    n: usize,
    weight: Vec<i8>,
    scale: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Layer {
    fn defined(&self, rows: usize, x: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        for row in 0..rows {
            let x = &x[row * self.k..][..self.k];
            let has_nan = x.iter().any(|x| x.is_nan());
            let largest = x.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
            let largest = if has_nan { f32::NAN } else { largest };
            let inv = 127.0 / largest.max(1e-30);
            let q: Vec<i64> =
                x.iter().map(|x| i64::from((x * inv).round_ties_even() as i8)).collect();
            for n in 0..self.n {
                let weight = |k: usize| i64::from(self.weight[k * self.n + n]);
                let acc: i64 = (0..self.k).map(|k| q[k] * weight(k)).sum();
                let acc = i32::try_from(acc).expect("it fits");
                let y = (acc as f32 * (largest * (1.0 / 127.0))) * self.scale[n];
                out.push(self.bias.as_ref().map_or(y, |bias| y + bias[n]));
            }
        }
        out
    }

    /// Compares all instruction sets with the definition.
    #[track_caller]
    fn check(&self, rows: usize, x: &[f32]) {
        let expected = bits(&self.defined(rows, x));
        for isa in Isa::available() {
            let bias = self.bias.as_deref();
            let packed =
                PackedLinear::new(isa, (self.k, self.n), &self.weight, &self.scale, bias).unwrap();
            assert_eq!((packed.inputs(), packed.outputs()), (self.k, self.n));
            let mut out = vec![7.0; rows * self.n];
            packed.apply(rows, x, &mut out);
            let found = bits(&out);
            let wrong = found.iter().zip(&expected).position(|(found, expected)| found != expected);
            let shape = (rows, self.k, self.n);
            assert_eq!(wrong.map(|i| (i, out[i])), None, "{} {shape:?}", isa.name());
            if self.bias.is_none() {
                self.check_columns(isa, rows, x, &out);
            }
        }
    }
}

impl Layer {
    /// The same from weights column by column, with room between the rows of the output.
    #[track_caller]
    fn check_columns(&self, isa: Isa, rows: usize, x: &[f32], expected: &[f32]) {
        let columns = (0..self.n).flat_map(|n| (0..self.k).map(move |k| (k, n)));
        let weight: Vec<i8> = columns.map(|(k, n)| self.weight[k * self.n + n]).collect();
        let packed = PackedLinear::of_columns(isa, self.k, &weight, &self.scale);
        for stride in [self.n + 1, packed.padded_outputs() + 3] {
            let mut out = vec![7.0; rows * stride];
            packed.apply_strided(rows, x, (&mut out, stride));
            let found: Vec<f32> =
                out.chunks_exact(stride).flat_map(|row| &row[..self.n]).copied().collect();
            let shape = (rows, self.k, self.n);
            assert_eq!(bits(&found), bits(expected), "{} {shape:?}", isa.name());
        }
    }
}

fn layer(k: usize, n: usize, with_bias: bool) -> Layer {
    let weight = numbers(k as u32 + 1, k * n).map(|v| ((v >> 8) % 255) as i32 - 127);
    Layer {
        k,
        n,
        weight: weight.map(|w| w as i8).collect(),
        scale: floats(3, n),
        bias: with_bias.then(|| floats(4, n)),
    }
}

#[test]
fn all_sizes_round_the_tiles() {
    for k in [0, 1, 2, 3, 4, 5, 15, 16, 17, 33] {
        for n in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 70] {
            let layer = layer(k, n, n % 2 == 0);
            for rows in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 25] {
                layer.check(rows, &floats(5, rows * k));
            }
        }
    }
}

#[test]
fn more_rows_than_a_block() {
    layer(9, 5, true).check(2 * BLOCK_ROWS + 3, &floats(1, (2 * BLOCK_ROWS + 3) * 9));
    // So deep that a block is one tile.
    layer(BLOCK_BYTES / 3, 3, true).check(15, &floats(2, 15 * (BLOCK_BYTES / 3)));
}

#[test]
fn extremes_don_t_saturate() {
    for (weight, x) in [(127, 1.0), (-127, 1.0), (127, -1.0), (-127, -1.0)] {
        for k in [64, 1000, MAX_DEPTH] {
            let layer =
                Layer { k, n: 2, weight: vec![weight; 2 * k], scale: vec![1.0; 2], bias: None };
            layer.check(1, &vec![x; k]);
        }
    }
}

#[test]
fn rows_that_are_zero_tiny_or_not_finite() {
    let layer = layer(37, 19, true);
    let mut x = floats(6, 9 * 37);
    for (row, value) in
        [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX].into_iter().enumerate()
    {
        x[row * 37 + 5 * row] = value;
    }
    x[5 * 37..6 * 37].fill(0.0);
    x[6 * 37..7 * 37].iter_mut().for_each(|x| *x *= 1e-31);
    x[7 * 37..8 * 37].iter_mut().for_each(|x| *x *= 1e-42);
    let expected = layer.defined(9, &x);
    let row = |row: usize| &expected[row * 19..][..19];
    assert!((0..4).all(|infinite| row(infinite).iter().all(|y| !y.is_finite())));
    // The largest floats times the weights may go beyond what is finite.
    assert!((5..9).all(|finite| row(finite).iter().all(|y| y.is_finite())));
    layer.check(9, &x);
}

#[test]
fn a_scale_or_bias_that_is_not_finite_shows() {
    let mut layer = layer(8, 3, true);
    layer.scale[1] = f32::NAN;
    layer.bias.as_mut().unwrap()[2] = f32::INFINITY;
    layer.check(2, &floats(7, 16));
}

#[test]
fn a_missing_bias_keeps_the_sign_of_zero() {
    let layer = Layer { k: 1, n: 1, weight: vec![0], scale: vec![-1.0], bias: None };
    assert_eq!(layer.defined(1, &[3.0])[0].to_bits(), (-0.0f32).to_bits());
    layer.check(1, &[3.0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let new = |shape: (usize, usize), weight: &[i8], scale: &[f32], bias: Option<&[f32]>| {
        PackedLinear::new(Isa::Portable, shape, weight, scale, bias).map(|_| ()).unwrap_err()
    };
    assert_eq!(new((MAX_DEPTH + 1, 0), &[], &[], None), LinearError::Depth(MAX_DEPTH + 1));
    assert_eq!(
        new((2, 2), &[1; 3], &[1.0; 2], None).to_string(),
        "3 weights, but the shape is 2 × 2"
    );
    let huge = (2, usize::MAX);
    assert!(matches!(new(huge, &[1; 3], &[1.0; 2], None), LinearError::Weights { found: 3, .. }));
    assert_eq!(new((2, 1), &[1, -128], &[1.0], None), LinearError::Range(1));
    let scales = LinearError::Scales { found: 3, n: 2 };
    assert_eq!(new((1, 2), &[1; 2], &[1.0; 3], None), scales);
    let biases = LinearError::Biases { found: 1, n: 2 };
    assert_eq!(new((1, 2), &[1; 2], &[1.0; 2], Some(&[0.0])), biases);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_layer_has_the_same_bits(
        (rows, k, n) in (0usize..30, 0usize..150, 0usize..80),
        seed in any::<u32>(),
        with_bias in any::<bool>(),
        exponent in -40i32..38,
    ) {
        let mut x = floats(seed, rows * k);
        x.iter_mut().for_each(|x| *x *= 10f32.powi(exponent));
        layer(k, n, with_bias).check(rows, &x);
    }
}
