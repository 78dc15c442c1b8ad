//! Attention to a few keys, as the cells of an image attend to a prompt's tokens: softmax(q kᵀ) v, with
//! queries rather than keys side by side in vectors, most of which would be empty otherwise.

use super::functions::exp_of_negative;
use super::isa::Isa;
use super::simd::{LANES, Simd, Task};

/// The most keys that are few.
pub(crate) const FEW_KEYS: usize = 24;

/// Keys are padded with zeros to a multiple of this: most prompts have no more tokens.
const STEP: usize = 8;

/// The few keys and values of all heads.
pub(crate) struct FewKeys {
    width: usize,
    /// Channels of a token: head × channel.
    channels: usize,
    keys: usize,
    /// As many tokens as there are to be scores, zeros in those that are not there.
    k: Vec<f32>,
    v: Vec<f32>,
}

impl FewKeys {
    /// From `keys` and `values`, token × (head · channel), each head `width` wide.
    ///
    /// # Panics
    ///
    /// If there are more than [`FEW_KEYS`], none, or not as many values.
    pub(crate) fn new((heads, width): (usize, usize), keys: &[f32], values: &[f32]) -> Self {
        let channels = heads * width;
        let count = keys.len() / channels.max(1);
        assert!((1..=FEW_KEYS).contains(&count) && keys.len() == values.len());
        let size = count.next_multiple_of(STEP);
        let padded = |tokens: &[f32]| {
            let mut padded = tokens.to_vec();
            padded.resize(size * channels, 0.0);
            padded
        };
        Self { width, channels, keys: count, k: padded(keys), v: padded(values) }
    }

    /// Writes what `queries`, token × (head · channel) with the scale in them, take to `out`, of the
    /// same shape.
    ///
    /// # Panics
    ///
    /// If `out` has another length.
    pub(crate) fn attend(&self, isa: Isa, queries: &[f32], out: &mut [f32]) {
        assert_eq!(queries.len(), out.len());
        match self.keys.div_ceil(STEP) {
            1 => isa.run(Attend::<STEP> { few: self, queries, out }),
            2 => isa.run(Attend::<{ 2 * STEP }> { few: self, queries, out }),
            _ => isa.run(Attend::<FEW_KEYS> { few: self, queries, out }),
        }
    }
}

struct Attend<'a, const KEYS: usize> {
    few: &'a FewKeys,
    queries: &'a [f32],
    out: &'a mut [f32],
}

impl<const KEYS: usize> Task for Attend<'_, KEYS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let FewKeys { width, channels, keys, ref k, ref v } = *self.few;
        let k: [&[f32]; KEYS] = std::array::from_fn(|key| &k[key * channels..][..channels]);
        let v: [&[f32]; KEYS] = std::array::from_fn(|key| &v[key * channels..][..channels]);
        let block = (LANES * channels).max(1);
        for (queries, out) in self.queries.chunks(block).zip(self.out.chunks_mut(block)) {
            let rows = queries.len() / channels;
            for first in (0..channels).step_by(width.max(1)) {
                let mut scores = [s.splat(0.0); KEYS];
                for from in (first..first + width).step_by(LANES) {
                    let part = LANES.min(first + width - from);
                    let mut square = [s.splat(0.0); LANES];
                    for row in 0..rows {
                        square[row] = s.load_part(&queries[row * channels + from..][..part], 0.0);
                    }
                    let square = s.transpose(square);
                    for channel in 0..part {
                        for key in 0..KEYS {
                            let factor = s.splat(k[key][from + channel]);
                            scores[key] = s.mul_add(factor, square[channel], scores[key]);
                        }
                    }
                }
                for score in &mut scores[keys..] {
                    *score = s.splat(f32::NEG_INFINITY);
                }
                let mut most = scores[0];
                for score in &scores[1..] {
                    most = s.max(most, *score);
                }
                let mut sum = s.splat(0.0);
                for score in &mut scores {
                    *score = exp_of_negative(s, s.sub(*score, most));
                    sum = s.add(sum, *score);
                }
                let inverse = s.load(&s.lanes(sum).map(|sum| 1.0 / sum));
                for from in (first..first + width).step_by(LANES) {
                    let part = LANES.min(first + width - from);
                    let mut square = [s.splat(0.0); LANES];
                    for channel in 0..part {
                        let mut taken = s.splat(0.0);
                        for key in 0..KEYS {
                            let factor = s.splat(v[key][from + channel]);
                            taken = s.mul_add(factor, scores[key], taken);
                        }
                        square[channel] = s.mul(taken, inverse);
                    }
                    let square = s.transpose(square);
                    for row in 0..rows {
                        s.store_part(square[row], &mut out[row * channels + from..][..part]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attention::{Bias, KeysValues, Query, Scores, attend};
    use super::super::testing::{floats, same_on_all};
    use super::*;

    #[test]
    fn as_with_any_number_of_keys() {
        for (heads, width) in [(1, 1), (2, 15), (8, 16), (3, 17), (1, 40)] {
            for keys in [1, 2, 7, 8, 9, 16, 17, 24] {
                for queries in [0, 1, 16, 17, 40] {
                    compare((heads, width), keys, queries);
                }
            }
        }
    }

    fn compare((heads, width): (usize, usize), keys: usize, queries: usize) {
        let channels = heads * width;
        let scaled = |seed, tokens: usize| -> Vec<f32> {
            floats(seed, tokens * channels).iter().map(|value| value * 0.3).collect()
        };
        let (q, k, v) = (scaled(1, queries), scaled(2, keys), scaled(3, keys));
        let found = same_on_all(|isa| {
            let mut out = vec![7.0; q.len()];
            FewKeys::new((heads, width), &k, &v).attend(isa, &q, &mut out);
            out
        });
        for head in 0..heads {
            let of = |tokens: &'_ [f32]| -> Vec<Vec<f32>> {
                let head = |token: &[f32]| token[head * width..][..width].to_vec();
                tokens.chunks_exact(channels).map(head).collect()
            };
            let (q, k, v) = (of(&q), of(&k), of(&v));
            let [k, v] = [&k, &v].map(|x| x.iter().map(|x| &x[..]).collect::<Vec<_>>());
            let isa = Isa::chosen().unwrap();
            let packed = KeysValues::pack(isa, Scores::Float, (width, 1), &k, &v);
            for (token, query) in q.iter().enumerate() {
                let mut expected = vec![0.0; width];
                let query: Query = (query, 0);
                attend(isa, &[query], 1.0, &packed, Bias::None, &mut expected);
                let found = &found[token * channels + head * width..][..width];
                let near = found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 2e-6);
                assert!(near, "{heads} × {width}, {keys} keys: {found:?}, not {expected:?}");
            }
        }
    }
}
