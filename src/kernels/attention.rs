//! Attention of one head: softmax(q kᵀ + bias) v, a few queries at a time.
//!
//! Scores are taken for a chunk of keys and used at once, with the running maximum and sum of
//! *FlashAttention* (Dao et al., 2022, algorithm 1), so that neither they nor the biases are ever
//! stored whole. SAM's decomposed relative positions are added to a chunk of scores row by row of
//! keys.

#[cfg(test)]
mod tests;

use super::functions::exp_of_negative;
use super::gemm::{Rows, Start, multiply, pack_columns, pack_rows, padded};
use super::isa::Isa;
use super::rows::add_to;
use super::simd::{LANES, Simd, Task};

/// The most queries of a tile: their scores for a chunk of keys stay in the first cache.
pub(crate) const TILE: usize = 48;

/// About how many keys are in a chunk.
const CHUNK: usize = 256;

/// All keys are one chunk up to this many.
const SINGLE_CHUNK: usize = 512;

/// The keys and values of a head, packed.
pub(crate) struct KeysValues {
    width: usize,
    keys: usize,
    /// Keys of a chunk; the last may have fewer.
    chunk: usize,
    /// Of each chunk the keys' panels: channel × key.
    k: Vec<f32>,
    /// Of each chunk the values' panels: key × channel.
    v: Vec<f32>,
}

impl KeysValues {
    /// Packs `keys` and `values`, one slice per key, each `width` long. `row` is how many keys make
    /// a row of the image, for relative positions; 1 otherwise.
    ///
    /// # Panics
    ///
    /// If there are more keys than values, or one is shorter than `width`.
    pub(crate) fn pack(
        isa: Isa,
        width: usize,
        row: usize,
        keys: &[&[f32]],
        values: &[&[f32]],
    ) -> Self {
        let chunk = chunk(row, keys.len());
        isa.run(Pack { width, chunk, keys, values })
    }

    /// The panels of each chunk, with its keys.
    fn chunks(&self) -> impl Iterator<Item = (usize, &[f32], &[f32])> {
        let (k_size, v_size) = (self.width * padded(self.chunk), self.chunk * padded(self.width));
        let keys =
            (0..self.keys).step_by(self.chunk).map(|first| self.chunk.min(self.keys - first));
        keys.zip(self.k.chunks(k_size.max(1)).zip(self.v.chunks(v_size.max(1))))
            .map(|(keys, (k, v))| (keys, k, v))
    }
}

struct Pack<'a> {
    width: usize,
    chunk: usize,
    keys: &'a [&'a [f32]],
    values: &'a [&'a [f32]],
}

impl Task for Pack<'_> {
    type Output = KeysValues;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> KeysValues {
        let Self { width, chunk, keys, values } = self;
        let (mut k, mut v) = (vec![], vec![]);
        for (keys, values) in keys.chunks(chunk).zip(values.chunks(chunk)) {
            pack_columns(s, width, keys, &mut k);
            pack_rows(width, values, &mut v);
        }
        KeysValues { width, keys: keys.len(), chunk, k, v }
    }
}

/// Whole rows, about [`CHUNK`] keys.
fn chunk(row: usize, keys: usize) -> usize {
    if keys <= SINGLE_CHUNK {
        return keys.max(1);
    }
    (CHUNK / row * row).max(row)
}

/// Tables of decomposed relative positions (*Segment Anything*, appendix A; ViTDet): what a query
/// adds to the score of a key for the rows, and for the columns, from one to the other.
pub(crate) struct RelativePositions {
    /// Tokens per side of the square that attends to itself.
    side: usize,
    width: usize,
    /// Channel × offset, from the key farthest before the query on, padded by a vector.
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl RelativePositions {
    /// From tables of 2 · `side` − 1 offsets × `width` channels, from the query farthest before
    /// the key to the one farthest after it, as in checkpoints.
    ///
    /// # Panics
    ///
    /// If a table is shorter.
    pub(crate) fn new(side: usize, width: usize, rows: &[f32], columns: &[f32]) -> Self {
        let offsets = 2 * side - 1;
        let turned = |table: &[f32]| {
            let stride = offsets + LANES;
            let mut turned = vec![0.0; width * stride];
            for offset in 0..offsets {
                for channel in 0..width {
                    let from = (offsets - 1 - offset) * width + channel;
                    turned[channel * stride + offset] = table[from];
                }
            }
            turned
        };
        Self { side, width, rows: turned(rows), columns: turned(columns) }
    }

    /// What the query `q` at `position` along an axis adds for each position of keys along it, from
    /// that axis's `table`; whole vectors, with zeros in lanes past the last.
    #[inline(always)]
    fn biases<S: Simd>(&self, s: S, table: &[f32], q: &[f32], position: usize, to: &mut [f32]) {
        let stride = 2 * self.side - 1 + LANES;
        let first = self.side - 1 - position;
        for (vector, to) in to.chunks_mut(LANES).enumerate() {
            let mut sum = s.splat(0.0);
            let at = first + vector * LANES;
            for (q, table) in q.iter().zip(table.chunks_exact(stride)) {
                sum = s.mul_add(s.splat(*q), s.load_part(&table[at..], 0.0), sum);
            }
            s.store_part(sum, to);
        }
        to[self.side..].fill(0.0);
    }
}

/// What is added to scores.
#[derive(Clone, Copy)]
pub(crate) enum Bias<'a> {
    /// Nothing.
    None,
    /// A value for each position of a query and each key.
    Table(&'a [f32]),
    /// Relative positions.
    Relative(&'a RelativePositions),
}

/// A query, and which of the tokens it is, for biases.
pub(crate) type Query<'a> = (&'a [f32], usize);

/// Writes what `queries`, at most [`TILE`] of them, take from `head` to `out`: query × channel.
/// `scale` is what they are multiplied by for their products with keys, not for biases.
///
/// # Panics
///
/// If there are more queries, or `out` has not their length, or the bias not their positions.
pub(crate) fn attend(
    isa: Isa,
    queries: &[Query],
    scale: f32,
    head: &KeysValues,
    bias: Bias,
    out: &mut [f32],
) {
    isa.run(Attend { queries, scale, head, bias, out });
}

struct Attend<'a> {
    queries: &'a [Query<'a>],
    scale: f32,
    head: &'a KeysValues,
    bias: Bias<'a>,
    out: &'a mut [f32],
}

impl Task for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { queries, scale: q_scale, head, bias, out } = self;
        let (count, width) = (queries.len(), head.width);
        assert!(count <= TILE && out.len() == count * width);
        let mut q = Vec::with_capacity(count * width);
        for (query, _) in queries {
            q.extend(query[..width].iter().map(|value| value * q_scale));
        }
        let positions = Positions::of(s, bias, queries);
        let q = Rows { values: &q, stride: width, count };
        let stride = padded(head.chunk);
        let mut scores = vec![0.0; count * stride];
        let mut largest = [f32::NEG_INFINITY; TILE];
        let mut sums = [s.splat(0.0); TILE];
        out.fill(0.0);
        let mut first = 0;
        for (keys, k, v) in head.chunks() {
            multiply(s, q, width, k, Start::Zero, (&mut scores, stride, keys));
            for row in 0..count {
                let scores = &mut scores[row * stride..][..stride];
                scores[keys..].fill(f32::NEG_INFINITY);
                let scores = &mut scores[..padded(keys)];
                match bias {
                    Bias::None => {}
                    Bias::Table(table) => {
                        let table = &table[queries[row].1 * head.keys + first..][..keys];
                        add_to(s, scores, table);
                    }
                    Bias::Relative(..) => positions.add(s, row, first, &mut scores[..keys]),
                }
                let before = largest[row];
                let mut most = s.splat(before);
                for score in scores.as_chunks().0 {
                    most = s.max(most, s.load(score));
                }
                let most = s.largest(most);
                largest[row] = most;
                let fade = s.lanes(exp_of_negative(s, s.splat(before - most)))[0];
                let mut sum = s.mul(sums[row], s.splat(fade));
                for score in scores.as_chunks_mut().0 {
                    let share = exp_of_negative(s, s.sub(s.load(score), s.splat(most)));
                    sum = s.add(sum, share);
                    s.store(share, score);
                }
                sums[row] = sum;
                if fade != 1.0 {
                    scale(s, &mut out[row * width..][..width], fade);
                }
            }
            let shares = Rows { values: &scores, stride, count };
            multiply(s, shares, keys, v, Start::Output, (out, width, width));
            first += keys;
        }
        for (out, sum) in out.chunks_exact_mut(width.max(1)).zip(sums) {
            scale(s, out, 1.0 / s.sum(sum));
        }
    }
}

#[inline(always)]
fn scale<S: Simd>(s: S, values: &mut [f32], factor: f32) {
    for values in values.chunks_mut(LANES) {
        s.store_part(s.mul(s.load_part(values, 0.0), s.splat(factor)), values);
    }
}

/// The biases of a tile's queries for rows and columns of keys.
struct Positions {
    side: usize,
    /// Query × row, then query × column, each padded to whole vectors.
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl Positions {
    #[inline(always)]
    fn of<S: Simd>(s: S, bias: Bias, queries: &[Query]) -> Self {
        let Bias::Relative(positions) = bias else {
            return Self { side: 1, rows: vec![], columns: vec![] };
        };
        let (side, stride) = (positions.side, padded(positions.side));
        let mut rows = vec![0.0; queries.len() * stride];
        let mut columns = vec![0.0; queries.len() * stride];
        let both = rows.chunks_exact_mut(stride).zip(columns.chunks_exact_mut(stride));
        for (&(q, at), (rows, columns)) in queries.iter().zip(both) {
            let q = &q[..positions.width];
            positions.biases(s, &positions.rows, q, at / side, rows);
            positions.biases(s, &positions.columns, q, at % side, columns);
        }
        Self { side, rows, columns }
    }

    /// Adds the biases of query `query` to its `scores` for whole rows of keys from `first` on.
    #[inline(always)]
    fn add<S: Simd>(&self, s: S, query: usize, first: usize, scores: &mut [f32]) {
        let stride = padded(self.side);
        let columns = &self.columns[query * stride..][..self.side];
        for (row, scores) in scores.chunks_mut(self.side).enumerate() {
            let at = s.splat(self.rows[query * stride + first / self.side + row]);
            for (score, column) in scores.chunks_mut(LANES).zip(columns.chunks(LANES)) {
                let bias = s.add(at, s.load_part(column, 0.0));
                s.store_part(s.add(s.load_part(score, 0.0), bias), score);
            }
        }
    }
}
