//! SAM's ViT image encoders as ONNX: ViT-B, L, H, MedSAM, and any other size of them.
//!
//! Source: `segment_anything/modeling/image_encoder.py` (after ViTDet, Li et al., 2022). Width, depth,
//! heads, windows, global blocks, patch and grid are read off the tensors.
//!
//! Differences in form, not in result: tokens stay a sequence; queries are scaled within their
//! projection, and the tables of relative positions the other way; tokens that only fill windows up
//! are zeros before the projection in the source, so that here they get its bias and are not
//! multiplied; the output of windows is cut to the image before its projection. With tapseg's own
//! operators all of attention but its projections is one. In standard operators biases of relative
//! positions are brought to all pairs of tokens by a product with zeros and ones, and blocks that
//! attend to the whole image do so one head after the other, for there the scores of a single head
//! have 64 MB.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, s};
use tract_onnx::pb;

use super::builder::{Builder, Conv, Source, wrong_shape};
use super::checkpoint::Checkpoint;
use super::error::ConvertError;
use super::graph::{Attribute, Side, Value};
use super::{MAX_GRID, check_sizes};

/// Of the norms within the encoder (`build_sam.py`).
const EPSILON: f32 = 1e-6;

/// What the tensors of a ViT tell about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vit {
    pub(super) width: usize,
    pub(super) depth: usize,
    /// Tokens per side of the image.
    pub(super) grid: usize,
    /// Pixels per side of a token's patch.
    pub(super) patch: usize,
}

impl Vit {
    /// A weight that only ViT has.
    pub(super) const MARK: &str = "image_encoder.patch_embed.proj.weight";

    /// Reads the sizes off the tensors.
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Self, ConvertError> {
        let source = Source { checkpoint, plain: true, on_read: &|_| () };
        let builder = Builder::new("image encoder", source);
        let [width, channels, patch, columns] = builder.shape(Self::MARK)?;
        if channels != 3 || patch != columns {
            let found = [width, channels, patch, columns];
            let expected = "square patches of 3 channels".into();
            return Err(wrong_shape(Self::MARK, &found, expected));
        }
        let positions = "image_encoder.pos_embed";
        let [one, grid, columns, channels] = builder.shape(positions)?;
        if one != 1 || grid != columns || channels != width {
            let expected = format!("a square of positions with {width} channels");
            return Err(wrong_shape(positions, &[one, grid, columns, channels], expected));
        }
        let vit = Self { width, depth: builder.members("image_encoder.blocks"), grid, patch };
        check_sizes(grid, vit.input_size())?;
        Ok(vit)
    }

    /// Side of the input in pixels.
    pub(super) fn input_size(self) -> usize {
        self.grid.saturating_mul(self.patch)
    }

    /// The encoder in `source`.
    pub(super) fn encoder(self, source: Source) -> Result<pb::ModelProto, ConvertError> {
        let Self { width, grid, patch, .. } = self;
        let builder = Builder::new("image encoder", source);
        let mut encoder = Encoder { builder, vit: self, spreads: BTreeMap::new(), window: None };
        let size = self.input_size();
        let image = encoder.builder.graph.input("image", &[1, 3, size, size].map(Side::Fixed));
        let mut x = encoder.tokens(&image, patch)?;
        for block in 0..self.depth {
            x = encoder.block(&x, &format!("image_encoder.blocks.{block}"))?;
        }
        let builder = &mut encoder.builder;
        let side = grid as i64;
        let x = builder.reshape(&x, &[1, side, side, width as i64]);
        let x = builder.convolvable(&x);
        let (x, channels) = builder.neck(&x, width)?;
        builder.graph.output(&x, "image_embeddings", &[1, channels, grid, grid].map(Side::Fixed));
        encoder.builder.finish(&["image_encoder."], &[])
    }
}

/// Tokens are 1 × token (row-major) × channel.
struct Encoder<'a> {
    builder: Builder<'a>,
    vit: Vit,
    /// [`Encoder::spread`] by tokens per side.
    spreads: BTreeMap<usize, Value>,
    /// Tokens per side of the windows met so far.
    window: Option<usize>,
}

impl Encoder<'_> {
    fn tokens(&mut self, image: &Value, patch: usize) -> Result<Value, ConvertError> {
        let Vit { width, grid, .. } = self.vit;
        let (builder, tokens) = (&mut self.builder, grid * grid);
        let conv = Conv::patches(3, width, patch);
        let weight = builder.tensor(Vit::MARK, &conv.weight_shape())?;
        let key = "image_encoder.patch_embed.proj";
        let bias = builder.vector(&format!("{key}.bias"), width)?;
        let image = builder.image(image);
        let x = builder.conv(&image, key, weight, bias, conv);
        let x = builder.channels_last(&x);
        let x = builder.reshape(&x, &[1, tokens as i64, width as i64]);
        let key = "image_encoder.pos_embed";
        let positions = builder.tensor(key, &[1, grid, grid, width])?;
        let positions: Array1<f32> = positions.into_iter().collect();
        let positions = positions.into_shape_with_order(vec![1, tokens, width]);
        let positions = positions.map_err(|_| wrong_shape(key, &[], "a square".into()))?;
        let positions = builder.graph.constant(key, &positions);
        Ok(builder.add(&x, &positions))
    }

    fn block(&mut self, x: &Value, key: &str) -> Result<Value, ConvertError> {
        let width = self.vit.width;
        let y = self.builder.layer_norm(x, &format!("{key}.norm1"), width, EPSILON)?;
        let y = self.attention(&y, &format!("{key}.attn"))?;
        let builder = &mut self.builder;
        let x = builder.add(x, &y);
        let y = builder.layer_norm(&x, &format!("{key}.norm2"), width, EPSILON)?;
        let [hidden, _] = builder.shape(&format!("{key}.mlp.lin1.weight"))?;
        let y = builder.linear(&y, &format!("{key}.mlp.lin1"), [width, hidden])?;
        let y = builder.gelu(&y);
        let y = builder.linear(&y, &format!("{key}.mlp.lin2"), [hidden, width])?;
        Ok(builder.add(&x, &y))
    }

    /// Attention within windows, or of all tokens where the table of relative positions spans the
    /// image.
    fn attention(&mut self, x: &Value, key: &str) -> Result<Value, ConvertError> {
        let Vit { width, grid, .. } = self.vit;
        let heads = Heads::read(&self.builder, key, self.vit)?;
        // Windows have one size; a table of another is one of the whole image that does not fit it.
        let window = *self.window.get_or_insert(heads.side);
        if heads.side != grid {
            if window != heads.side && window != grid {
                let expected = format!("{} offsets, as in the other blocks", 2 * window - 1);
                let found = [2 * heads.side - 1, heads.width];
                return Err(wrong_shape(&format!("{key}.rel_pos_h"), &found, expected));
            }
            self.window = Some(heads.side);
        }
        let mixed = if !self.builder.source.plain {
            self.in_windows(x, key, heads)?
        } else if heads.side == grid {
            let qkv = self.queries_keys_values(x, key, heads, grid)?;
            self.heads_one_by_one(&qkv, key, heads)?
        } else {
            let across = grid.div_ceil(heads.side);
            let qkv = self.queries_keys_values(x, key, heads, across * heads.side)?;
            let order = [across, heads.side, across, heads.side, 3 * width].map(|v| v as i64);
            let qkv = self.builder.reshape(&qkv, &order);
            let qkv = self.builder.transpose(&qkv, &[0, 2, 1, 3, 4]);
            let windows = [across * across, heads.side * heads.side, 3 * width].map(|v| v as i64);
            let qkv = self.builder.reshape(&qkv, &windows);
            let mixed = self.heads_at_once(&qkv, key, heads)?;
            self.without_windows(&mixed, heads.side)
        };
        self.builder.linear(&mixed, &format!("{key}.proj"), [width, width])
    }

    /// All of it in one node.
    fn in_windows(&mut self, x: &Value, key: &str, heads: Heads) -> Result<Value, ConvertError> {
        let builder = &mut self.builder;
        let [weight, bias] = scaled_qkv(builder, key, self.vit.width, heads)?;
        let x = builder.matmul(x, &weight);
        let qkv = builder.add(&x, &bias);
        let tables = ["rel_pos_h", "rel_pos_w"].map(|part| scaled_table(builder, key, part, heads));
        let [rows, columns] = tables;
        Ok(builder.attend_in_windows(&qkv, &bias, &[rows?, columns?], [heads.count, heads.side]))
    }

    /// The rows of `qkv` are the queries, keys and values of all heads. Where `side` is more than
    /// the grid, tokens that fill the windows up are added at the bottom and right: they are zeros
    /// before the projection, so its bias after it.
    fn queries_keys_values(
        &mut self,
        x: &Value,
        key: &str,
        heads: Heads,
        side: usize,
    ) -> Result<Value, ConvertError> {
        let Vit { width, grid, .. } = self.vit;
        let builder = &mut self.builder;
        let [weight, bias] = scaled_qkv(builder, key, width, heads)?;
        let product = builder.matmul(x, &weight);
        let padding = side - grid;
        if padding == 0 {
            return Ok(builder.add(&product, &bias));
        }
        let [grid, padding, channels] = [grid, padding, 3 * width].map(|value| value as i64);
        let product = builder.reshape(&product, &[grid, grid, channels]);
        let pads = builder.graph.integers(&[6], &[0, 0, 0, padding, padding, 0]);
        let padded = builder.graph.node("Pad", &[&product, &pads], &[]);
        Ok(builder.add(&padded, &bias))
    }

    /// `qkv`: 1 × token × 3·width → 1 × token × width.
    fn heads_one_by_one(
        &mut self,
        qkv: &Value,
        key: &str,
        heads: Heads,
    ) -> Result<Value, ConvertError> {
        let tables = self.relative_positions(key, heads)?;
        let (width, size) = (self.vit.width, heads.width);
        let mut mixed = Vec::with_capacity(heads.count);
        for head in 0..heads.count {
            let [q, k, v] = [0, 1, 2].map(|part| {
                let start = part * width + head * size;
                self.builder.slice(qkv, 2, start, start + size)
            });
            let k = self.builder.transpose(&k, &[0, 2, 1]);
            mixed.push(self.attend([&q, &k, &v], &[1], heads, &tables));
        }
        Ok(self.builder.concat(&mixed.iter().collect::<Vec<_>>(), 2))
    }

    /// `qkv`: window × token × 3·width → window × token × width.
    fn heads_at_once(
        &mut self,
        qkv: &Value,
        key: &str,
        heads: Heads,
    ) -> Result<Value, ConvertError> {
        let tables = self.relative_positions(key, heads)?;
        let Heads { count, width: size, .. } = heads;
        let width = self.vit.width;
        let mut part = |part: usize, order: &[i64]| {
            let part = self.builder.slice(qkv, 2, part * width, (part + 1) * width);
            let part = self.builder.reshape(&part, &[0, 0, count as i64, size as i64]);
            self.builder.transpose(&part, order)
        };
        let (q, k, v) = (part(0, &[0, 2, 1, 3]), part(1, &[0, 2, 3, 1]), part(2, &[0, 2, 1, 3]));
        let across = self.vit.grid.div_ceil(heads.side);
        let leading = [across * across, count].map(|side| side as i64);
        let mixed = self.attend([&q, &k, &v], &leading, heads, &tables);
        let mixed = self.builder.transpose(&mixed, &[0, 2, 1, 3]);
        Ok(self.builder.reshape(&mixed, &[0, 0, width as i64]))
    }

    /// `softmax(q k + bias) v`, for `q` and `v` of `leading` × token × channel, `k` of `leading` ×
    /// channel × token, and the biases of relative positions (`add_decomposed_rel_pos`).
    fn attend(
        &mut self,
        [q, k, v]: [&Value; 3],
        leading: &[i64],
        heads: Heads,
        [rows, columns]: &[Value; 2],
    ) -> Value {
        let spread = self.spread(heads.side);
        let builder = &mut self.builder;
        let (side, size, axes) = (heads.side as i64, heads.width as i64, leading.len() as i64);
        let shaped = |tail: &[i64]| [leading, tail].concat();
        // Swaps row and column of the query.
        let swap: Vec<i64> = (0..axes).chain([axes + 1, axes, axes + 2]).collect();
        let placed = builder.reshape(q, &shaped(&[side, side, size]));
        let by_row = builder.matmul(&placed, rows);
        let by_row = builder.reshape(&by_row, &shaped(&[side * side, side]));
        let placed = builder.transpose(&placed, &swap);
        let by_column = builder.matmul(&placed, columns);
        let by_column = builder.transpose(&by_column, &swap);
        let by_column = builder.reshape(&by_column, &shaped(&[side * side, side]));
        let biases = builder.concat(&[&by_row, &by_column], -1);
        let biases = builder.matmul(&biases, &spread);
        let scores = builder.matmul(q, k);
        let scores = builder.add(&scores, &biases);
        let shares = builder.graph.node("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        builder.matmul(&shares, v)
    }

    /// The tables of relative positions for rows and columns: query position × channel × key
    /// position, for queries that are scaled.
    fn relative_positions(&mut self, key: &str, heads: Heads) -> Result<[Value; 2], ConvertError> {
        let side = heads.side;
        let offsets: Vec<i64> =
            (0..side * side).map(|at| (at / side + side - 1 - at % side) as i64).collect();
        let builder = &mut self.builder;
        let mut table = |part: &str| -> Result<Value, ConvertError> {
            let table = scaled_table(builder, key, part, heads)?;
            let offsets = builder.graph.integers(&[side, side], &offsets);
            let axis = [("axis", Attribute::Int(0))];
            let table = builder.graph.node("Gather", &[&table, &offsets], &axis);
            Ok(builder.transpose(&table, &[0, 2, 1]))
        };
        Ok([table("rel_pos_h")?, table("rel_pos_w")?])
    }

    /// Brings what belongs to a row or column of keys to all keys in it: (row, then column) × key.
    fn spread(&mut self, side: usize) -> Value {
        let graph = &mut self.builder.graph;
        let spread = self.spreads.entry(side).or_insert_with(|| {
            let spread = Array2::from_shape_fn((2 * side, side * side), |(from, key)| {
                let belongs =
                    if from < side { key / side == from } else { key % side == from - side };
                u8::from(belongs)
            });
            let spread = graph.bytes(&format!("spread_{side}"), &spread.into_dyn());
            graph.node("Cast", &[&spread], &[("to", Attribute::FLOAT)])
        });
        spread.clone()
    }

    /// Windows × token × channel as 1 × token × channel, without what only filled windows up.
    fn without_windows(&mut self, x: &Value, window: usize) -> Value {
        let Vit { width, grid, .. } = self.vit;
        let across = grid.div_ceil(window);
        let [cells, size, long, channels] =
            [across, window, across * window, width].map(|value| value as i64);
        let builder = &mut self.builder;
        let x = builder.reshape(x, &[cells, cells, size, size, channels]);
        let x = builder.transpose(&x, &[0, 2, 1, 3, 4]);
        let mut x = builder.reshape(&x, &[long, long, channels]);
        if across * window > grid {
            x = builder.slice(&x, 0, 0, grid);
            x = builder.slice(&x, 1, 0, grid);
        }
        builder.reshape(&x, &[1, (grid * grid) as i64, channels])
    }
}

/// The weight and bias of the projection to queries, keys and values, with the queries scaled.
fn scaled_qkv(
    builder: &mut Builder,
    key: &str,
    width: usize,
    heads: Heads,
) -> Result<[Value; 2], ConvertError> {
    let [weight_key, bias_key] = ["weight", "bias"].map(|part| format!("{key}.qkv.{part}"));
    let mut weight = builder.matrix(&weight_key, [3 * width, width])?;
    let mut bias = builder.vector(&bias_key, 3 * width)?;
    weight.slice_mut(s![..width, ..]).mapv_inplace(|value| value * heads.scale());
    bias.slice_mut(s![..width]).mapv_inplace(|value| value * heads.scale());
    let weight = builder.graph.constant(&weight_key, &weight.reversed_axes().into_dyn());
    Ok([weight, builder.graph.constant(&bias_key, &bias.into_dyn())])
}

/// A table of relative positions, offset × channel, for queries that are scaled.
fn scaled_table(
    builder: &mut Builder,
    key: &str,
    part: &str,
    Heads { side, width, .. }: Heads,
) -> Result<Value, ConvertError> {
    let key = format!("{key}.{part}");
    let table = builder.tensor(&key, &[2 * side - 1, width])?;
    Ok(builder.graph.constant(&key, &(table * (width as f32).sqrt())))
}

/// The heads of one block's attention.
#[derive(Clone, Copy)]
struct Heads {
    count: usize,
    /// Channels of each.
    width: usize,
    /// Tokens per side of what is attended to: a window, or the whole image.
    side: usize,
}

impl Heads {
    /// Reads them off the tables of relative positions, which have a row per offset.
    fn read(
        builder: &Builder,
        key: &str,
        Vit { width, grid, .. }: Vit,
    ) -> Result<Self, ConvertError> {
        let key = format!("{key}.rel_pos_h");
        let [offsets, head] = builder.shape(&key)?;
        let side = offsets.div_ceil(2);
        let possible = head > 0
            && width.is_multiple_of(head)
            && !offsets.is_multiple_of(2)
            && side <= MAX_GRID;
        if !possible {
            let expected = format!(
                "an odd number of offsets, up to {}, and a width that divides {width}",
                2 * MAX_GRID - 1
            );
            return Err(wrong_shape(&key, &[offsets, head], expected));
        }
        if side > grid {
            let expected = format!(
                "at most {} offsets for {grid} tokens a side; it was trained for larger images, and \
                 blocks that attend to the whole image need other tables",
                2 * grid - 1
            );
            return Err(wrong_shape(&key, &[offsets, head], expected));
        }
        Ok(Self { count: width / head, width: head, side })
    }

    /// What queries are multiplied by.
    fn scale(self) -> f32 {
        (self.width as f64).powf(-0.5) as f32
    }
}
