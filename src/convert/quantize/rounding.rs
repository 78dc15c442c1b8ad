//! Rounding weights to int8 so that the errors cancel on pictures.
//!
//! Source: Frantar et al., *GPTQ* (2023), section 3: the weights of one input after the other are
//! rounded, and what that changes is made up for by those that are not rounded yet, as far as inputs
//! go together. The order is that of the inputs. Scales stay those of the largest weights.

use std::collections::HashMap;

use ndarray::Array2;
use tract_onnx::pb;

use super::measure::Inputs;
use crate::kernels::{LEVELS, SMALLEST};
use crate::onnx::layers::{Linear, linear_layers};
use crate::onnx::nodes::f32_values;

/// Added to each input's own power, as a part of the mean: the paper's damping.
const DAMPING: f64 = 0.01;

/// A matrix (inputs × outputs) in int8, with a scale per output.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Int8 {
    pub(super) weight: Vec<i8>,
    pub(super) scale: Vec<f32>,
}

impl Int8 {
    /// Each weight to the nearest.
    pub(super) fn nearest(values: &[f32], outputs: usize) -> Self {
        let scale = scales(values, outputs);
        let rows = values.chunks_exact(outputs);
        let weight =
            rows.flat_map(|row| row.iter().zip(&scale).map(|(v, s)| round(v / s))).collect();
        Self { weight, scale }
    }

    /// So that the outputs for `inputs` (token × input) change least; to the nearest where these
    /// tell nothing.
    fn compensated(values: &[f32], outputs: usize, inputs: &Array2<f32>) -> Self {
        let Some(shares) = shares(inputs) else { return Self::nearest(values, outputs) };
        let scale = scales(values, outputs);
        let mut left = values.to_vec();
        let mut weight = Vec::with_capacity(values.len());
        for input in 0..inputs.ncols() {
            let (row, later) = left[input * outputs..].split_at_mut(outputs);
            // What is left of the row becomes its error.
            for (value, scale) in row.iter_mut().zip(&scale) {
                let rounded = round(*value / scale);
                weight.push(rounded);
                *value -= f32::from(rounded) * scale;
            }
            for (later, share) in later.chunks_exact_mut(outputs).zip(shares.later(input)) {
                later.iter_mut().zip(&*row).for_each(|(value, error)| *value -= share * error);
            }
        }
        Self { weight, scale }
    }
}

fn round(steps: f32) -> i8 {
    steps.round_ties_even().clamp(-LEVELS, LEVELS) as i8
}

fn scales(values: &[f32], outputs: usize) -> Vec<f32> {
    let mut largest = vec![0f32; outputs];
    for row in values.chunks_exact(outputs) {
        largest
            .iter_mut()
            .zip(row)
            .for_each(|(largest, value)| *largest = largest.max(value.abs()));
    }
    largest.iter().map(|largest| largest.max(SMALLEST) / LEVELS).collect()
}

/// How much of one input's error each later input takes over: row by row the upper triangle without
/// the diagonal.
struct Shares {
    size: usize,
    upper: Vec<f32>,
}

impl Shares {
    fn later(&self, input: usize) -> &[f32] {
        &self.upper[input * self.size..][..self.size][input + 1..]
    }
}

/// With `H` the products of inputs, summed over tokens and damped, and `U` the upper triangle with
/// `Uᵀ U = H⁻¹`, the shares are `U[i, j] / U[i, i]`. `U` is the inverse of the upper triangle `R`
/// with `R Rᵀ = H`, which is Cholesky's decomposition from the last row up.
fn shares(inputs: &Array2<f32>) -> Option<Shares> {
    let size = inputs.ncols();
    let mut r = inputs.t().dot(inputs).mapv(f64::from).into_raw_vec_and_offset().0;
    let mean = (0..size).map(|at| r[at * size + at]).sum::<f64>() / size.max(1) as f64;
    (0..size).for_each(|at| r[at * size + at] += DAMPING * mean);
    if mean <= 0.0 || !mean.is_finite() {
        return None;
    }
    for row in (0..size).rev() {
        for column in (row..size).rev() {
            let [upper, lower] = [row * size, column * size];
            let product: f64 = (column + 1..size).map(|at| r[upper + at] * r[lower + at]).sum();
            let rest = r[upper + column] - product;
            r[upper + column] = match column == row {
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / r[lower + column],
            };
        }
    }
    // Row by row from the last, U[i, ·] = (e_i − Σ_{j>i} R[i, j] U[j, ·]) / R[i, i].
    let mut u = vec![0f64; size * size];
    for row in (0..size).rev() {
        let (done, later) = u[row * size..].split_at_mut(size);
        done[row] = 1.0;
        for (at, later) in (row + 1..size).zip(later.chunks_exact(size)) {
            let factor = r[row * size + at];
            done[at..].iter_mut().zip(&later[at..]).for_each(|(u, l)| *u -= factor * l);
        }
        done[row..].iter_mut().for_each(|value| *value /= r[row * size + row]);
    }
    let upper = (0..size * size).map(|at| (u[at] / u[at / size * (size + 1)]) as f32).collect();
    Some(Shares { size, upper })
}

/// Layers whose weights have been rounded, by their names.
#[derive(Default)]
pub(super) struct Rounded(HashMap<String, Int8>);

impl Rounded {
    /// Rounds all linear layers of `encoder`, which is in f32, for what they get of `inputs`.
    /// `on_layer` is told how many are done, and how many there are.
    pub(super) fn of(
        encoder: &pb::ModelProto,
        inputs: &Inputs,
        mut on_layer: impl FnMut(u64, u64),
    ) -> Self {
        let layers = linear_layers(encoder);
        let total = layers.len() as u64;
        let rounded = layers.into_iter().enumerate().filter_map(|(done, layer)| {
            on_layer(done as u64 + 1, total);
            let graph = encoder.graph.as_ref()?;
            let tensor = &graph.initializer[layer.weight];
            let outputs = usize::try_from(*tensor.dims.get(1)?).ok()?;
            let seen = inputs.get(&graph.node[layer.product].input[0])?;
            let values = f32_values(tensor).filter(|v| v.len() == outputs * seen.ncols())?;
            Some((layer.name, Int8::compensated(&values, outputs, seen)))
        });
        Self(rounded.collect())
    }

    /// Whether `layer` is among them.
    pub(super) fn has(&self, layer: &Linear) -> bool {
        self.0.contains_key(&layer.name)
    }

    /// The weights of `layer`, which are `values`.
    pub(super) fn get(&self, layer: &Linear, values: &[f32], outputs: usize) -> Int8 {
        let known = self.0.get(&layer.name).cloned();
        known.unwrap_or_else(|| Int8::nearest(values, outputs))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// numpy: `u = cholesky(inv(h + 0.01 * mean(diag(h)) * eye(3))).T; u / diag(u)[:, None]`
    #[test]
    fn shares_are_those_of_gptq() {
        let inputs = array![[1.0, 0.9, 0.2], [-0.5, -0.3, 0.8], [2.0, 2.1, -0.4], [0.3, 0.0, 1.0]];
        let shares = shares(&inputs).unwrap();
        let expected: [&[f32]; 3] = [&[-0.998787, -0.105710], &[0.478308], &[]];
        for (input, expected) in expected.iter().enumerate() {
            for (found, expected) in shares.later(input).iter().zip(*expected) {
                assert!((found - expected).abs() < 1e-4, "{input}: {found} {expected}");
            }
        }
    }

    #[test]
    fn errors_cancel_where_inputs_go_together() {
        let noise = |at: usize| ((at * 7919 + 13) % 1009) as f32 / 504.5 - 1.0;
        let inputs = Array2::from_shape_fn((400, 24), |(token, input)| {
            noise(token) + 0.3 * noise(token * 31 + input % 6) + 0.05 * noise(token * 17 + input)
        });
        let outputs = 8;
        let values: Vec<f32> = (0..24 * outputs).map(|at| noise(at * 37)).collect();
        let error = |rounded: &Int8| {
            let change = values.iter().zip(&rounded.weight).enumerate();
            let change = change.map(|(at, (v, w))| v - f32::from(*w) * rounded.scale[at % outputs]);
            let change = Array2::from_shape_vec((24, outputs), change.collect()).unwrap();
            inputs.dot(&change).iter().map(|v| v * v).sum::<f32>()
        };
        let nearest = Int8::nearest(&values, outputs);
        let compensated = Int8::compensated(&values, outputs, &inputs);
        assert_eq!(nearest.scale, compensated.scale);
        let (before, after) = (error(&nearest), error(&compensated));
        assert!(after < before / 4.0, "{before} {after}");
        let blank = Array2::zeros((5, 24));
        assert_eq!(Int8::compensated(&values, outputs, &blank), nearest);
    }
}
