//! `CrossAttention`: queries, keys and values of all heads to what the queries take; and
//! `WindowAttention`: an image's tokens attend to each other, all to all or within windows.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{
    Bias, FEW_KEYS, FewKeys, Isa, KeysValues, Query, RelativePositions, Scores, TILE, attend,
    bias_table,
};

use super::tensors::{ensure_f32, filled, values};
use super::threads::{for_each_chunk, share, with_threads};

/// softmax(q kᵀ) v for each of `heads`: q is batch × token × (head · channel), k and v batch ×
/// token × (head · channel) with tokens of their own; a batch of one goes with any other. The scale
/// is within q.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CrossAttention {
    pub(super) heads: usize,
}

/// Self-attention of the tokens of a square image, `window` × `window` at a time: windows that
/// reach over the bottom or right edge are filled up with padding tokens, which are attended to.
///
/// Inputs: `qkv`, image × … × 3C, of which the axes between hold an image's tokens row by row; `pad`,
/// 3C, the same of a padding token; then either `rows` and `columns`, the tables of decomposed
/// relative positions for each of 2 · `window` − 1 offsets and the channels of a head, or `table`, the
/// bias for each head and each two positions of a window. 3C is query, key, value × head × channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WindowAttention {
    pub(super) heads: usize,
    pub(super) window: usize,
    /// The bits of what queries are multiplied by for their products with keys, but not for
    /// relative positions.
    pub(super) scale: u32,
    /// How products of queries and keys are taken.
    pub(super) scores: Scores,
}

/// One head of one image or window.
struct Head<'a> {
    keys_values: KeysValues,
    queries: Vec<Query<'a>>,
    bias: Bias<'a>,
    scale: f32,
}

/// Attention in heads of one shape.
struct Mixing {
    isa: Isa,
    /// Tokens of an image's queries.
    tokens: usize,
    /// How many of them, one behind the other, are the queries of whole windows, `windows` of them; the last
    /// may be fewer.
    band: usize,
    windows: usize,
    /// Heads of a window.
    heads: usize,
    /// The most queries of a head.
    queries: usize,
    /// Keys of a head.
    keys: usize,
    /// Channels of a head.
    width: usize,
}

impl Mixing {
    /// Attends in each head of each window that `head` makes, of an image and by the window's number in it,
    /// and writes what queries take to `out`, which is image × token × (head · channel): `place` tells of a
    /// token in which window it is, and which of the queries there.
    ///
    /// Band by band, so that what the heads of one have taken is in the cache when it is put together.
    fn run<'a>(
        &self,
        out: &mut [f32],
        head: impl Fn(usize, usize, usize) -> Head<'a> + Sync + Send,
        place: impl Fn(usize) -> (usize, usize) + Sync + Send,
    ) -> TractResult<()> {
        let &Self { isa, tokens, band, windows, heads, queries, keys, width } = self;
        let channels = heads * width;
        let macs = [keys, 2].iter().fold(out.len(), |product, &n| product.saturating_mul(n));
        let of_band = |threads, image, index, out: &mut [f32]| {
            let mut mixed = vec![0.0; windows * heads * queries * width];
            for_each_chunk(threads, &mut mixed, (queries * width).max(1), |at, mixed| {
                let (window, at) = (index * windows + at / heads, at % heads);
                let Head { keys_values, queries, bias, scale } = head(image, window, at);
                let mixed = &mut mixed[..queries.len() * width];
                for_each_chunk(threads, mixed, (TILE * width).max(1), |tile, mixed| {
                    let queries = queries.chunks(TILE).nth(tile).unwrap_or_default();
                    attend(isa, queries, scale, &keys_values, bias, mixed);
                });
            });
            for (token, out) in (index * band..).zip(out.chunks_exact_mut(channels)) {
                let (window, query) = place(token);
                for (head, out) in out.chunks_exact_mut(width).enumerate() {
                    let of_head = (window - index * windows) * heads + head;
                    out.copy_from_slice(&mixed[(of_head * queries + query) * width..][..width]);
                }
            }
        };
        with_threads(macs, |threads| {
            for_each_chunk(threads, out, (tokens * channels).max(1), |image, out| {
                for_each_chunk(threads, out, (band * channels).max(1), |index, out| {
                    of_band(threads, image, index, out);
                });
            });
        });
        Ok(())
    }
}

impl Op for CrossAttention {
    fn name(&self) -> StaticName {
        "CrossAttention".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{} heads", self.heads)])
    }

    op_as_typed_op!();
}

impl EvalOp for CrossAttention {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let sides = |value: &TValue| -> TractResult<[usize; 3]> { Ok(value.shape().try_into()?) };
        let ([q_batch, tokens, channels], [k_batch, keys, _]) =
            (sides(&inputs[0])?, sides(&inputs[1])?);
        let (batch, heads) = (if q_batch == 1 { k_batch } else { q_batch }, self.heads);
        let width = channels / heads;
        let (q, k, v): (&[f32], &[f32], &[f32]) =
            (values(&inputs[0])?, values(&inputs[1])?, values(&inputs[2])?);
        let isa = Isa::chosen()?;
        if (1..=FEW_KEYS).contains(&keys) {
            return filled(&[batch, tokens, channels], |out| {
                let macs = [tokens, keys, 2 * channels];
                let macs = macs.iter().fold(batch, |product, &n| product.saturating_mul(n));
                with_threads(macs, |threads| {
                    let images = out.chunks_exact_mut((tokens * channels).max(1));
                    for (image, out) in images.enumerate() {
                        let own = |batch: usize, tokens: usize| {
                            let first = image.min(batch - 1) * tokens * channels;
                            first..first + tokens * channels
                        };
                        let (q_range, kv) = (own(q_batch, tokens), own(k_batch, keys));
                        let few = FewKeys::new((heads, width), &k[kv.clone()], &v[kv]);
                        let q = &q[q_range];
                        let rows = share(tokens, threads, tokens);
                        for_each_chunk(threads, out, (rows * channels).max(1), |index, out| {
                            let q = &q[index * rows * channels..][..out.len()];
                            few.attend(isa, q, out);
                        });
                    }
                });
                Ok(())
            });
        }
        let (band, windows, queries) = (tokens, 1, tokens);
        let mixing = Mixing { isa, tokens, band, windows, heads, queries, keys, width };
        let head = |image: usize, _, head: usize| {
            let (queries, first) = (image.min(q_batch - 1) * tokens, image.min(k_batch - 1) * keys);
            let at = |token: usize| token * channels + head * width;
            let [k, v] = [k, v].map(|x| -> Vec<&[f32]> {
                (first..first + keys).map(|key| &x[at(key)..][..width]).collect()
            });
            Head {
                keys_values: KeysValues::pack(isa, Scores::Float, (width, 1), &k, &v),
                queries: (0..tokens).map(|t| (&q[at(queries + t)..][..width], t)).collect(),
                bias: Bias::None,
                scale: 1.0,
            }
        };
        filled(&[batch, tokens, channels], |out| mixing.run(out, head, |token| (0, token)))
    }
}

impl TypedOp for CrossAttention {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure_f32("CrossAttention", inputs)?;
        let &[q, k, v] = inputs else { bail!("CrossAttention takes q, k and v") };
        ensure!(
            [q, k, v].iter().all(|x| x.rank() == 3 && x.shape[2] == q.shape[2])
                && k.shape == v.shape
                && (self.heads > 0 && q.shape[2].to_usize()?.is_multiple_of(self.heads)),
            "CrossAttention of {} heads takes batch × token × channel, not {q:?}, {k:?}, {v:?}",
            self.heads
        );
        let one = 1.to_dim();
        let batch = match (&q.shape[0], &k.shape[0]) {
            (q, k) if *k == one || q == k => q,
            (q, k) if *q == one => k,
            (q, k) => bail!("CrossAttention of batches of {q} and {k}"),
        };
        Ok(tvec!(f32::fact([batch.clone(), q.shape[1].clone(), q.shape[2].clone()])))
    }

    fn cost(&self, inputs: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let out = self.output_facts(inputs)?.remove(0);
        let scores: TDim = out.shape.iter().product::<TDim>() * &inputs[1].shape[1];
        Ok(tvec!((Cost::FMA(f32::datum_type()), scores * 2)))
    }

    as_op!();
}

/// The largest window: whole images of four times SAM's tokens a side.
const MAX_WINDOW: usize = 256;

/// Where tokens are.
#[derive(Clone, Copy)]
struct Grid {
    /// Tokens per side of the image.
    side: usize,
    /// Tokens per side of a window.
    window: usize,
}

impl Grid {
    fn new(tokens: usize, window: usize) -> TractResult<Self> {
        let side = tokens.isqrt();
        ensure!(
            side > 0 && side * side == tokens && (1..=MAX_WINDOW).contains(&window),
            "WindowAttention takes the tokens of a square image, not {tokens}, in windows of 1 to \
             {MAX_WINDOW}, not {window}"
        );
        Ok(Self { side, window })
    }

    /// Windows along a side.
    fn across(self) -> usize {
        self.side.div_ceil(self.window)
    }

    /// The token at each position of window `index`, where one is there.
    fn tokens(self, index: usize) -> Vec<Option<usize>> {
        let Self { side, window } = self;
        let (top, left) = (index / self.across() * window, index % self.across() * window);
        let mut tokens = Vec::with_capacity(window * window);
        for row in top..top + window {
            let there = |column| row < side && column < side;
            let columns = left..left + window;
            tokens.extend(columns.map(|column| there(column).then_some(row * side + column)));
        }
        tokens
    }

    /// The window of a token, and the place among those that are there.
    fn place(self, token: usize) -> (usize, usize) {
        let Self { side, window } = self;
        let (row, column) = (token / side, token % side);
        let columns = window.min(side - column / window * window);
        let index = row / window * self.across() + column / window;
        (index, row % window * columns + column % window)
    }
}

impl Op for WindowAttention {
    fn name(&self) -> StaticName {
        "WindowAttention".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let scores = match self.scores {
            Scores::Float => "",
            Scores::Int8 => ", scores in int8",
        };
        Ok(vec![format!("{} heads, windows of {}{scores}", self.heads, self.window)])
    }

    op_as_typed_op!();
}

impl EvalOp for WindowAttention {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (qkv, pad): (&[f32], &[f32]) = (values(&inputs[0])?, values(&inputs[1])?);
        let (channels, heads) = (pad.len() / 3, self.heads);
        let shape = inputs[0].shape();
        let (width, tokens) = (channels / heads, shape[1..shape.len() - 1].iter().product());
        let grid = Grid::new(tokens, self.window)?;
        let (window, positions) = (grid.window, grid.window * grid.window);
        let (relative, table) = match &inputs[2..] {
            [rows, columns] => {
                let (rows, columns) = (values(rows)?, values(columns)?);
                (Some(RelativePositions::new(window, width, rows, columns)), vec![])
            }
            _ => (None, bias_table(positions, values(&inputs[2])?)),
        };
        let isa = Isa::chosen()?;
        let (band, windows) = (window * grid.side, grid.across());
        let (queries, keys) = (positions, positions);
        let mixing = Mixing { isa, tokens, band, windows, heads, queries, keys, width };
        let scale = f32::from_bits(self.scale);
        let head = |image: usize, at: usize, head: usize| {
            let first = image * tokens;
            let part = |part: usize, token: Option<usize>| {
                let of = token.map_or(pad, |token| &qkv[(first + token) * pad.len()..]);
                &of[part * channels + head * width..][..width]
            };
            let tokens = grid.tokens(at);
            let [k, v] = [1, 2]
                .map(|index| tokens.iter().map(|&token| part(index, token)).collect::<Vec<_>>());
            let mut queries = Vec::with_capacity(positions);
            for (position, token) in tokens.into_iter().enumerate() {
                if token.is_some() {
                    queries.push((part(0, token), position));
                }
            }
            Head {
                keys_values: KeysValues::pack(isa, self.scores, (width, window), &k, &v),
                queries,
                bias: match &relative {
                    Some(relative) => Bias::Relative(relative),
                    None => Bias::Table(&table[head * (table.len() / heads)..]),
                },
                scale,
            }
        };
        let mut shape: TVec<usize> = shape.into();
        if let Some(last) = shape.last_mut() {
            *last = channels;
        }
        filled(&shape, |out| mixing.run(out, head, |token| grid.place(token)))
    }
}

impl TypedOp for WindowAttention {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure_f32("WindowAttention", inputs)?;
        let (qkv, pad, biases) = (inputs[0], inputs[1], &inputs[2..]);
        let mut shape: TVec<usize> = qkv.shape.as_concrete().context("tokens vary")?.into();
        let [_, tokens @ .., last] = &mut shape[..] else { bail!("tokens without axes") };
        let grid = Grid::new(tokens.iter().product(), self.window)?;
        let (heads, window, channels) = (self.heads, grid.window, *last / 3);
        ensure!(
            heads > 0
                && *last > 0
                && last.is_multiple_of(3)
                && channels.is_multiple_of(heads)
                && pad.shape.volume() == last.to_dim(),
            "WindowAttention of {heads} heads takes qkv and a padding token of it, not {inputs:?}"
        );
        let (offsets, positions) = (2 * window - 1, window * window);
        let expected = match biases.len() {
            2 => offsets * (channels / heads),
            _ => heads * positions * positions,
        };
        ensure!(
            matches!(biases.len(), 1 | 2)
                && biases.iter().all(|bias| bias.shape.volume() == expected.to_dim()),
            "biases of WindowAttention don't fit windows of {window} in an image of {}: {biases:?}",
            grid.side
        );
        *last = channels;
        Ok(tvec!(f32::fact(shape)))
    }

    fn cost(&self, inputs: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let out = self.output_facts(inputs)?.remove(0);
        let macs = out.shape.volume() * self.window * self.window;
        let scores = match self.scores {
            Scores::Float => f32::datum_type(),
            Scores::Int8 => i8::datum_type(),
        };
        Ok(tvec!((Cost::FMA(scores), macs.clone()), (Cost::FMA(f32::datum_type()), macs)))
    }

    as_op!();
}
