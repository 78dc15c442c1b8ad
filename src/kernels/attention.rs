//! Attention of one head: softmax(q kᵀ + bias) v, a few queries at a time.
//!
//! Scores are taken for a chunk of keys and used at once, with the running maximum and sum of
//! *FlashAttention* (Dao et al., 2022, algorithm 1), so that neither they nor the biases are ever
//! stored whole. SAM's decomposed relative positions are added to a chunk of scores row by row of
//! keys.
//!
//! Where queries and keys come of int8 layers, their products are taken in int8 too: keys less their
//! mean, which adds the same to all scores of a query and so changes nothing, but takes away what the
//! channels of all keys have in common (*SageAttention*, Zhang et al., 2024).

#[cfg(test)]
mod tests;

use std::f32::consts::LOG2_E;

use super::functions::{coarse_exp2_of_negative, exp_of_negative};
use super::gemm::{Rows, Start, multiply, pack_columns, pack_rows, padded};
use super::int8_gemm::PackedLinear;
use super::isa::Isa;
use super::quantize_rows::quantize_row;
use super::simd::{LANES, Simd, Task};

/// The most queries of a tile, so that their scores for a chunk of keys stay in the cache: all of a
/// window of 7, and a multiple of the rows of most kernels' tiles.
pub(crate) const TILE: usize = 60;

/// About how many keys are in a chunk.
const CHUNK: usize = 256;

/// All keys are one chunk up to this many.
const SINGLE_CHUNK: usize = 512;

/// How the products of queries and keys are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scores {
    /// In f32.
    Float,
    /// In int8, queries and keys quantized one by one; and shares of e within 1e-5.
    Int8,
}

/// The keys and values of a head, packed.
pub(crate) struct KeysValues {
    width: usize,
    keys: usize,
    /// Keys of a chunk; the last may have fewer.
    chunk: usize,
    k: Keys,
    /// Of each chunk the values' panels: key × channel.
    v: Vec<f32>,
}

enum Keys {
    /// Of each chunk the panels: channel × key.
    Float(Vec<f32>),
    /// Each chunk.
    Int8(Vec<PackedLinear>),
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
        scores: Scores,
        (width, row): (usize, usize),
        keys: &[&[f32]],
        values: &[&[f32]],
    ) -> Self {
        let chunk = chunk(row, keys.len());
        let k = match scores {
            Scores::Float => Keys::Float(isa.run(PackKeys { width, chunk, keys })),
            Scores::Int8 => {
                let (quantized, steps) = isa.run(QuantizeKeys { width, keys });
                let chunks = steps.chunks(chunk).zip(quantized.chunks((chunk * width).max(1)));
                let packed =
                    chunks.map(|(steps, keys)| PackedLinear::of_columns(isa, width, keys, steps));
                Keys::Int8(packed.collect())
            }
        };
        let mut v = vec![];
        for values in values[..keys.len()].chunks(chunk) {
            pack_rows(width, values, &mut v);
        }
        Self { width, keys: keys.len(), chunk, k, v }
    }

    /// How far apart rows of a chunk's scores are.
    fn stride(&self) -> usize {
        match &self.k {
            Keys::Float(_) => padded(self.chunk),
            Keys::Int8(chunks) => padded(chunks.first().map_or(0, PackedLinear::padded_outputs)),
        }
    }

    /// The products of `count` queries `q`, query × channel, with the keys of a chunk: query × key,
    /// the first `keys` of each [`stride`](Self::stride).
    #[inline(always)]
    fn scores<S: Simd>(
        &self,
        s: S,
        (q, count): (&[f32], usize),
        (chunk, keys): (usize, usize),
        out: &mut [f32],
    ) {
        let (width, stride) = (self.width, self.stride());
        match &self.k {
            Keys::Float(panels) => {
                let first = chunk * width * padded(self.chunk);
                let panels = &panels[first..][..width * padded(keys)];
                let q = Rows { values: q, stride: width, count };
                multiply(s, q, width, panels, Start::Zero, (out, stride, keys));
            }
            Keys::Int8(chunks) => chunks[chunk].apply_strided(count, q, (out, stride)),
        }
    }
}

struct PackKeys<'a> {
    width: usize,
    chunk: usize,
    keys: &'a [&'a [f32]],
}

impl Task for PackKeys<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let mut packed = vec![];
        for keys in self.keys.chunks(self.chunk) {
            pack_columns(s, self.width, keys, &mut packed);
        }
        packed
    }
}

/// Quantizes each key less the mean of all: key × channel, and what a step of each is worth.
struct QuantizeKeys<'a> {
    width: usize,
    keys: &'a [&'a [f32]],
}

impl Task for QuantizeKeys<'_> {
    type Output = (Vec<i8>, Vec<f32>);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (Vec<i8>, Vec<f32>) {
        let Self { width, keys } = self;
        let mut mean = vec![0.0; width];
        for key in keys {
            add_scaled(s, &mut mean, &key[..width], 1.0);
        }
        scale(s, &mut mean, 1.0 / keys.len() as f32);
        let mut quantized = Vec::with_capacity(keys.len() * width);
        let (mut steps, mut less) = (Vec::with_capacity(keys.len()), vec![0.0; width]);
        for key in keys {
            for ((less, key), mean) in less.iter_mut().zip(&key[..width]).zip(&mean) {
                *less = key - mean;
            }
            steps.push(quantize_row(s, &less, &mut quantized, |q| q));
        }
        (quantized, steps)
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
    /// A value for each position of a query and each key, as [`bias_table`] lays them out.
    Table(&'a [f32]),
    /// Relative positions.
    Relative(&'a RelativePositions),
}

/// For [`Bias::Table`]: of `biases` of a head, position × key, the rows of whole vectors, so that none
/// ends within one.
pub(crate) fn bias_table(keys: usize, biases: &[f32]) -> Vec<f32> {
    let mut table = Vec::with_capacity(biases.len() / keys.max(1) * padded(keys));
    for row in biases.chunks_exact(keys.max(1)) {
        table.extend_from_slice(row);
        table.resize(table.len().next_multiple_of(LANES), 0.0);
    }
    table
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
        // In int8, scores are exponents of 2.
        let unit = match head.k {
            Keys::Float(_) => 1.0,
            Keys::Int8(_) => LOG2_E,
        };
        let factor = q_scale * unit;
        let mut q = Vec::with_capacity(count * width);
        for (query, _) in queries {
            q.extend_from_slice(&query[..width]);
        }
        scale(s, &mut q, factor);
        let positions = Positions::of(s, bias, unit, queries);
        let stride = head.stride();
        let mut scores = vec![0.0; count * stride];
        let (mut largest, mut before) = ([f32::NEG_INFINITY; TILE], [0.0; TILE]);
        let mut sums = [s.splat(0.0); TILE];
        out.fill(0.0);
        let panels = head.v.chunks((head.chunk * padded(width)).max(1));
        for (chunk, v) in panels.enumerate() {
            let first = chunk * head.chunk;
            let keys = head.chunk.min(head.keys - first);
            head.scores(s, (&q, count), (chunk, keys), &mut scores);
            for row in 0..count {
                let scores = &mut scores[row * stride..][..padded(keys)];
                scores[keys..].fill(f32::NEG_INFINITY);
                match bias {
                    Bias::None => {}
                    Bias::Table(table) => {
                        let table = &table[queries[row].1 * padded(head.keys) + first..];
                        add_scaled(s, scores, table, unit);
                    }
                    Bias::Relative(..) => positions.add(s, row, first, &mut scores[..keys]),
                }
                before[row] = largest[row];
                let mut most = s.splat(before[row]);
                for score in scores.as_chunks().0 {
                    most = s.max(most, s.load(score));
                }
                largest[row] = s.largest(most);
            }
            for row in 0..count {
                let scores = &mut scores[row * stride..][..padded(keys)];
                let most = largest[row];
                let sum = match head.k {
                    Keys::Float(_) => shares::<S, false>(s, scores, most),
                    Keys::Int8(_) => shares::<S, true>(s, scores, most),
                };
                // What was summed of chunks before fades by as much as the scores of this are larger.
                if chunk > 0 {
                    let less = s.splat(before[row] - most);
                    let fade = match head.k {
                        Keys::Float(_) => exp_of_negative(s, less),
                        Keys::Int8(_) => coarse_exp2_of_negative(s, less),
                    };
                    sums[row] = s.mul(sums[row], fade);
                    let fade = s.lanes(fade)[0];
                    if fade != 1.0 {
                        scale(s, &mut out[row * width..][..width], fade);
                    }
                }
                sums[row] = s.add(sums[row], sum);
            }
            let shares = Rows { values: &scores, stride, count };
            multiply(s, shares, keys, v, Start::Output, (out, width, width));
        }
        for (out, sum) in out.chunks_exact_mut(width.max(1)).zip(sums) {
            scale(s, out, 1.0 / s.sum(sum));
        }
    }
}

/// Turns the scores of a query into their shares beside one of `most`, by powers of e or, coarsely, of
/// 2; gives the sum, by lanes.
#[inline(always)]
fn shares<S: Simd, const COARSE: bool>(s: S, scores: &mut [f32], most: f32) -> S::F {
    let most = s.splat(most);
    let mut sum = s.splat(0.0);
    for score in scores.as_chunks_mut().0 {
        let less = s.sub(s.load(score), most);
        let share =
            if COARSE { coarse_exp2_of_negative(s, less) } else { exp_of_negative(s, less) };
        sum = s.add(sum, share);
        s.store(share, score);
    }
    sum
}

/// x += factor · y, as far as both go.
#[inline(always)]
fn add_scaled<S: Simd>(s: S, x: &mut [f32], y: &[f32], factor: f32) {
    let (both, factor) = (x.len().min(y.len()), s.splat(factor));
    let ((vectors, x), (others, y)) = (x[..both].as_chunks_mut(), y[..both].as_chunks());
    for (x, y) in vectors.iter_mut().zip(others) {
        s.store(s.mul_add(s.load(y), factor, s.load(x)), x);
    }
    s.store_part(s.mul_add(s.load_part(y, 0.0), factor, s.load_part(x, 0.0)), x);
}

#[inline(always)]
fn scale<S: Simd>(s: S, values: &mut [f32], factor: f32) {
    for values in values.chunks_mut(LANES) {
        s.store_part(s.mul(s.load_part(values, 0.0), s.splat(factor)), values);
    }
}

/// The biases of a tile's queries for rows and columns of keys, in the unit of their scores.
struct Positions {
    side: usize,
    /// Query × row, then query × column, each padded to whole vectors.
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl Positions {
    #[inline(always)]
    fn of<S: Simd>(s: S, bias: Bias, unit: f32, queries: &[Query]) -> Self {
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
        if unit != 1.0 {
            scale(s, &mut rows, unit);
            scale(s, &mut columns, unit);
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
