//! Attention against f64, with the same bits on every instruction set.

use super::super::simd::Portable;
use super::super::testing::{assert_near, floats, not_finite, same_on_all};
use super::*;

/// A head with `tokens` that attend to themselves, or to other tokens.
struct Head {
    scores: Scores,
    width: usize,
    row: usize,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

const BOTH: [Scores; 2] = [Scores::Float, Scores::Int8];

/// Values of -4 to 4 become scores whose shares differ, but of which more than one counts.
const SCALE: f32 = 0.3;

impl Head {
    fn new(scores: Scores, width: usize, row: usize, queries: usize, keys: usize) -> Self {
        let scaled = |seed, len| floats(seed, len).iter().map(|v| v * SCALE).collect();
        Self {
            scores,
            width,
            row,
            queries: scaled(1, queries * width),
            keys: scaled(2, keys * width),
            values: floats(3, keys * width),
        }
    }

    fn tokens<'a>(&self, of: &'a [f32]) -> Vec<&'a [f32]> {
        of.chunks_exact(self.width).collect()
    }

    /// What the tokens from `first` on take, on all instruction sets.
    fn attended(&self, first: usize, bias: Bias) -> Vec<f32> {
        let queries = self.tokens(&self.queries);
        let queries: Vec<Query> =
            queries.into_iter().enumerate().map(|(i, query)| (query, first + i)).collect();
        let (keys, values) = (self.tokens(&self.keys), self.tokens(&self.values));
        same_on_all(|isa| {
            let packed = KeysValues::pack(isa, self.scores, (self.width, self.row), &keys, &values);
            let mut out = vec![7.0; self.queries.len()];
            attend(isa, &queries, 1.0, &packed, bias, &mut out);
            out
        })
    }

    /// The queries and keys as they are multiplied: as they are, or in whole steps.
    fn multiplied(&self) -> [Vec<Vec<f64>>; 2] {
        let exact = |of: &[f32]| of.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let (queries, keys) = (self.tokens(&self.queries), self.tokens(&self.keys));
        if self.scores == Scores::Float {
            return [queries, keys].map(|tokens| tokens.into_iter().map(exact).collect());
        }
        let in_steps = |token: Vec<f32>| -> Vec<f64> {
            let mut quantized = vec![];
            let step = f64::from(quantize_row(Portable, &token, &mut quantized, |q| q));
            quantized.into_iter().map(|q| f64::from(q) * step).collect()
        };
        let queries = queries.into_iter().map(|query| {
            let query = in_steps(query.iter().map(|q| q * LOG2_E).collect());
            query.into_iter().map(|q| q / f64::from(LOG2_E)).collect()
        });
        let mut mean = vec![0.0; self.width];
        for key in &keys {
            mean.iter_mut().zip(*key).for_each(|(mean, k)| *mean += k);
        }
        mean.iter_mut().for_each(|mean| *mean *= 1.0 / keys.len() as f32);
        let less = |key: &[f32]| key.iter().zip(&mean).map(|(k, mean)| k - mean).collect();
        [queries.collect(), keys.iter().map(|key| in_steps(less(key))).collect()]
    }

    /// Compares with f64; `bias` gives what is added to the score of a query for a key.
    ///
    /// The bound, 4e-6 of the largest value, is what rounding scores of this size costs; in int8, three
    /// times that, as powers are coarser.
    #[track_caller]
    fn check(&self, found: &[f32], bias: impl Fn(usize, usize) -> f64) {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let bound = match self.scores {
            Scores::Float => 4e-6,
            Scores::Int8 => 12e-6,
        };
        let ([queries, keys], values) = (self.multiplied(), self.tokens(&self.values));
        let mut exact = vec![];
        for (row, query) in queries.iter().enumerate() {
            let scores = keys.iter().enumerate().map(|(i, key)| dot(query, key) + bias(row, i));
            let scores: Vec<_> = scores.collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<_> = scores.iter().map(|score| (score - most).exp()).collect();
            let all: f64 = shares.iter().sum();
            for channel in 0..self.width {
                let taken = shares.iter().zip(&values).map(|(s, v)| s * f64::from(v[channel]));
                exact.push((taken.sum::<f64>() / all, 4.0 * bound));
            }
        }
        assert_near(found, exact);
    }
}

#[test]
fn all_numbers_of_queries_and_keys() {
    for width in [1, 15, 16, 17, 32, 64] {
        for keys in [1, 2, 15, 16, 17, 49, 196, 512, 513, 700] {
            for queries in [0, 1, 7, 48] {
                for scores in BOTH {
                    let head = Head::new(scores, width, 1, queries, keys);
                    head.check(&head.attended(0, Bias::None), |_, _| 0.0);
                }
            }
        }
    }
}

#[test]
fn a_table_of_biases() {
    for (width, keys) in [(16, 9), (32, 49), (17, 600)] {
        for scores in BOTH {
            let head = Head::new(scores, width, 1, 6, keys);
            let table = floats(5, 8 * keys);
            let found = head.attended(2, Bias::Table(&bias_table(keys, &table)));
            head.check(&found, |query, key| table[(2 + query) * keys + key].into());
        }
    }
}

/// Tables of relative positions, as in checkpoints.
fn tables(side: usize, width: usize) -> [Vec<f32>; 2] {
    [6, 7].map(|seed| floats(seed, (2 * side - 1) * width).iter().map(|v| v * SCALE).collect())
}

#[test]
fn relative_positions() {
    // The last two are more than a chunk, the very last with a part of one.
    for (side, width) in [(1, 16), (3, 15), (14, 64), (16, 17), (17, 16), (32, 16), (24, 33)] {
        let tokens = side * side;
        let [rows, columns] = tables(side, width);
        let positions = RelativePositions::new(side, width, &rows, &columns);
        let firsts = [0, tokens / 2, tokens.saturating_sub(20)];
        for (first, scores) in firsts.into_iter().flat_map(|first| BOTH.map(|s| (first, s))) {
            let head = Head::new(scores, width, side, (tokens - first).min(20), tokens);
            let found = head.attended(first, Bias::Relative(&positions));
            let queries = head.tokens(&head.queries);
            let bias = |query: usize, key: usize| {
                let at = first + query;
                let along = |table: &[f32], query_at: usize, key_at: usize| {
                    let offset = &table[(query_at + side - 1 - key_at) * width..][..width];
                    let products = offset.iter().zip(queries[query]);
                    products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
                };
                along(&rows, at / side, key / side) + along(&columns, at % side, key % side)
            };
            head.check(&found, bias);
        }
    }
}

#[test]
fn scores_far_apart() {
    for (keys, scores) in [40, 600].into_iter().flat_map(|keys| BOTH.map(|s| (keys, s))) {
        let mut head = Head::new(scores, 16, 1, 3, keys);
        head.queries.iter_mut().for_each(|q| *q = 100.0);
        // The key that counts comes first, then last: what was summed before it fades.
        for best in [0, keys - 1] {
            head.keys.iter_mut().for_each(|k| *k = -10.0);
            head.keys[best * 16..][..16].fill(10.0);
            let found = head.attended(0, Bias::None);
            let value = &head.values[best * 16..][..16];
            assert!(found.chunks_exact(16).all(|found| found == value));
        }
    }
}

#[test]
fn what_is_not_a_number_shows() {
    for (keys, scores) in [40, 600].into_iter().flat_map(|keys| BOTH.map(|s| (keys, s))) {
        let head = || Head::new(scores, 17, 1, 5, keys);
        let all = |wanted: fn(usize, usize) -> bool| -> Vec<usize> {
            (0..5 * 17).filter(|i| wanted(i / 17, i % 17)).collect()
        };
        for value in [f32::NAN, f32::INFINITY, f32::from_bits(0x7fc0_0001)] {
            let mut query = head();
            query.queries[2 * 17 + 3] = value;
            assert_eq!(not_finite(&query.attended(0, Bias::None)), all(|query, _| query == 2));
            let mut channel = head();
            channel.values[(keys - 1) * 17 + 4] = value;
            let expected = all(|_, channel| channel == 4);
            assert_eq!(not_finite(&channel.attended(0, Bias::None)), expected);
        }
        let mut key = head();
        key.keys[17 + 16] = f32::NAN;
        assert_eq!(not_finite(&key.attended(0, Bias::None)), all(|_, _| true));
        // Nothing to attend to is no number either.
        let nothing = Head { keys: vec![], values: vec![], ..head() };
        assert_eq!(not_finite(&nothing.attended(0, Bias::None)), all(|_, _| true));
    }
}

#[test]
#[should_panic]
fn more_queries_than_a_tile_are_refused() {
    Head::new(Scores::Float, 4, 1, TILE + 1, 4).attended(0, Bias::None);
}
