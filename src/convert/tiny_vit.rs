//! TinyViT image encoders as ONNX: LiteMedSAM's and MobileSAM's.
//!
//! Source: `tiny_vit_sam.py` of ChaoningZhang/MobileSAM (Wu et al., 2022), whose patch embedding has
//! two 3×3 convolutions of stride 2, and of bowang-lab/MedSAM, branch LiteMedSAM, where they are 1×1
//! without stride. Widths, depths, heads, windows and the patch embedding are read off the tensors.
//! Two things can't be: the size of the input, and the strides between the four stages, which are 2,
//! 2 and 1 in every published TinyViT for SAM (the source ties the last to the widths 320, 448 and
//! 576).
//!
//! Differences in form, not in result: BatchNorm is folded into the convolutions, the scale of the
//! attention into its queries, and of the heads' interleaved `qkv` all queries come first, then all
//! keys and all values: as one matrix, or as three in standard operators.

use ndarray::{Array1, Array2, Axis, concatenate};

use tract_onnx::pb;

use super::builder::{Builder, Conv, LAYER_NORM_EPSILON, Source, wrong_shape};
use super::check_sizes;
use super::checkpoint::Checkpoint;
use super::error::ConvertError;
use super::graph::{Attribute, Side, Value};

/// Stride from each stage to the next.
const STRIDES: [usize; 3] = [2, 2, 1];
/// The widest attention window accepted; published ones have 7 and 14.
const MAX_WINDOW: usize = 32;

/// What the tensors of a TinyViT tell about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TinyVit {
    /// Side of the patch embedding's kernels: 1 (LiteMedSAM) or 3 (MobileSAM).
    kernel: usize,
}

impl TinyVit {
    /// A weight that only TinyViT has.
    pub(super) const MARK: &str = "image_encoder.patch_embed.seq.0.c.weight";

    /// Reads the patch embedding off the tensors.
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Self, ConvertError> {
        let found = checkpoint.shape(Self::MARK).unwrap_or_default();
        match found {
            [_, 3, 1, 1] => Ok(Self { kernel: 1 }),
            [_, 3, 3, 3] => Ok(Self { kernel: 3 }),
            _ => Err(ConvertError::Shape {
                name: Self::MARK.into(),
                found: found.to_vec(),
                expected: "a patch embedding of 3 channels and 1×1 or 3×3 pixels".into(),
            }),
        }
    }

    /// Whether the patch embedding is LiteMedSAM's, which no other model has.
    pub(super) fn is_litemedsam(self) -> bool {
        self.kernel == 1
    }

    /// Input pixels per cell of the embedding.
    pub(super) fn stride(self) -> usize {
        let patch = self.patch_stride();
        patch * patch * STRIDES.iter().product::<usize>()
    }

    /// Stride of each convolution of the patch embedding.
    fn patch_stride(self) -> usize {
        if self.is_litemedsam() { 1 } else { 2 }
    }

    /// The encoder in `source`, for an embedding of `grid` × `grid`.
    pub(super) fn encoder(
        self,
        source: Source,
        grid: usize,
    ) -> Result<pb::ModelProto, ConvertError> {
        let size = self.stride().saturating_mul(grid);
        check_sizes(grid, size)?;
        let mut encoder = Encoder { builder: Builder::new("image encoder", source) };
        let x = encoder.builder.graph.input("image", &[1, 3, size, size].map(Side::Fixed));
        let x = encoder.builder.image(&x);
        let (mut x, mut width) = encoder.patch_embedding(&x, self)?;
        let mut side = size / (self.patch_stride() * self.patch_stride());
        for stage in 0..=STRIDES.len() {
            let key = format!("image_encoder.layers.{stage}");
            x = match stage {
                0 => encoder.convolution_blocks(x, &key, width)?,
                _ => encoder.attention_blocks(x, &key, width, side)?,
            };
            if let Some(&stride) = STRIDES.get(stage) {
                (x, width) = encoder.downsample(&x, &key, width, stride)?;
                side /= stride;
            }
        }
        let (x, channels) = encoder.builder.neck(&x, width)?;
        let output = [1, channels, grid, grid].map(Side::Fixed);
        encoder.builder.graph.output(&x, "image_embeddings", &output);
        // MobileSAM's file keeps the classifier that its TinyViT was first trained with.
        let leftovers = ["image_encoder.norm_head.", "image_encoder.head."];
        encoder.builder.finish(&["image_encoder."], &leftovers)
    }
}

/// Values between stages and blocks are images as convolutions take them.
struct Encoder<'a> {
    builder: Builder<'a>,
}

impl Encoder<'_> {
    fn patch_embedding(&mut self, x: &Value, vit: TinyVit) -> Result<(Value, usize), ConvertError> {
        let [first, second] = [0, 2].map(|layer| format!("image_encoder.patch_embed.seq.{layer}"));
        let [hidden, ..] = self.builder.shape::<4>(&format!("{first}.c.weight"))?;
        let [width, ..] = self.builder.shape::<4>(&format!("{second}.c.weight"))?;
        let conv = |inputs: usize, outputs: usize| match vit.is_litemedsam() {
            true => Conv::pointwise(inputs, outputs),
            false => Conv::three(inputs, outputs, vit.patch_stride()),
        };
        let x = self.builder.conv_batch_norm(x, &first, conv(3, hidden))?;
        let x = self.builder.gelu(&x);
        let x = self.builder.conv_batch_norm(&x, &second, conv(hidden, width))?;
        Ok((x, width))
    }

    /// `ConvLayer`'s inverted bottlenecks.
    fn convolution_blocks(
        &mut self,
        mut x: Value,
        key: &str,
        width: usize,
    ) -> Result<Value, ConvertError> {
        let builder = &mut self.builder;
        for block in 0..builder.members(&format!("{key}.blocks")) {
            let part = |part: &str| format!("{key}.blocks.{block}.{part}");
            let [hidden, ..] = builder.shape::<4>(&part("conv1.c.weight"))?;
            let y = builder.conv_batch_norm(&x, &part("conv1"), Conv::pointwise(width, hidden))?;
            let y = builder.gelu(&y);
            let y = builder.conv_batch_norm(&y, &part("conv2"), Conv::depthwise(hidden, 1))?;
            let y = builder.gelu(&y);
            let y = builder.conv_batch_norm(&y, &part("conv3"), Conv::pointwise(hidden, width))?;
            let y = builder.add(&x, &y);
            x = builder.gelu(&y);
        }
        Ok(x)
    }

    /// `PatchMerging`.
    fn downsample(
        &mut self,
        x: &Value,
        key: &str,
        width: usize,
        stride: usize,
    ) -> Result<(Value, usize), ConvertError> {
        let builder = &mut self.builder;
        let part = |part: &str| format!("{key}.downsample.{part}");
        let [wider, ..] = builder.shape::<4>(&part("conv1.c.weight"))?;
        let x = builder.conv_batch_norm(x, &part("conv1"), Conv::pointwise(width, wider))?;
        let x = builder.gelu(&x);
        let x = builder.conv_batch_norm(&x, &part("conv2"), Conv::depthwise(wider, stride))?;
        let x = builder.gelu(&x);
        let x = builder.conv_batch_norm(&x, &part("conv3"), Conv::pointwise(wider, wider))?;
        Ok((x, wider))
    }

    /// `BasicLayer`'s blocks: windowed attention, a depthwise convolution, a perceptron.
    fn attention_blocks(
        &mut self,
        mut x: Value,
        key: &str,
        width: usize,
        side: usize,
    ) -> Result<Value, ConvertError> {
        for block in 0..self.builder.members(&format!("{key}.blocks")) {
            let part = |part: &str| format!("{key}.blocks.{block}.{part}");
            let attention = Attention::read(&self.builder, part("attn"), width, side)?;
            let tokens = self.builder.channels_last(&x);
            let mixed = self.attention(&tokens, &attention)?;
            let builder = &mut self.builder;
            let mixed = builder.add(&tokens, &mixed);
            let image = builder.convolvable(&mixed);
            let local = Conv::depthwise(width, 1);
            let image = builder.conv_batch_norm(&image, &part("local_conv"), local)?;
            let tokens = builder.channels_last(&image);

            let [hidden, _] = builder.shape(&part("mlp.fc1.weight"))?;
            let y = builder.layer_norm(&tokens, &part("mlp.norm"), width, LAYER_NORM_EPSILON)?;
            let y = builder.linear(&y, &part("mlp.fc1"), [width, hidden])?;
            let y = builder.gelu(&y);
            let y = builder.linear(&y, &part("mlp.fc2"), [hidden, width])?;
            let tokens = builder.add(&tokens, &y);
            x = builder.convolvable(&tokens);
        }
        Ok(x)
    }

    /// Attention within windows of `x`, which is 1 × row × column × channel. Where windows don't
    /// fill the image, they are padded with zeros at the bottom and right before the norm, so that
    /// padded tokens take part as the norm's bias, as in the source.
    fn attention(&mut self, x: &Value, attention: &Attention) -> Result<Value, ConvertError> {
        let &Attention { ref key, width, heads, window, side } = attention;
        if !self.builder.source.plain {
            return self.attention_in_windows(x, attention);
        }
        let across = side.div_ceil(window);
        let padding = across * window - side;
        let builder = &mut self.builder;
        let [channels, cells, size, short, long] =
            [width, across, window, padding, across * window].map(|value| value as i64);

        let mut x = x.clone();
        if padding > 0 {
            let pads = builder.graph.integers(&[8], &[0, 0, 0, 0, 0, short, short, 0]);
            x = builder.graph.node("Pad", &[&x, &pads], &[]);
        }
        let x = builder.reshape(&x, &[cells, size, cells, size, channels]);
        let x = builder.transpose(&x, &[0, 2, 1, 3, 4]);
        let x = builder.reshape(&x, &[cells * cells, size * size, channels]);

        let x = builder.layer_norm(&x, &format!("{key}.norm"), width, LAYER_NORM_EPSILON)?;
        let parts = self.projections(attention)?;
        let mut names = ["q", "k", "v"].into_iter();
        let [q, k, v] = parts.map(|(weight, bias)| {
            let name = names.next().unwrap_or_default();
            self.builder.affine(&x, &format!("{key}.{name}"), weight, bias)
        });
        let bias = self.attention_bias(attention)?;
        let builder = &mut self.builder;
        let x = builder.attend([&q, &k, &v], [heads, width / heads], Some(&bias));
        let x = builder.linear(&x, &format!("{key}.proj"), [width, width])?;

        let x = builder.reshape(&x, &[cells, cells, size, size, channels]);
        let x = builder.transpose(&x, &[0, 2, 1, 3, 4]);
        let mut x = builder.reshape(&x, &[1, long, long, channels]);
        if padding > 0 {
            x = builder.slice(&x, 1, 0, side);
            x = builder.slice(&x, 2, 0, side);
        }
        Ok(x)
    }

    /// All of it in one node. Tokens that pad windows are zeros before the norm, so they are the
    /// projection of its bias.
    fn attention_in_windows(
        &mut self,
        x: &Value,
        attention: &Attention,
    ) -> Result<Value, ConvertError> {
        let &Attention { ref key, width, heads, window, .. } = attention;
        let norm = format!("{key}.norm");
        let x = self.builder.layer_norm(x, &norm, width, LAYER_NORM_EPSILON)?;
        let parts = self.projections(attention)?;
        let weights: Vec<_> = parts.iter().map(|(weight, _)| weight.view()).collect();
        let biases: Vec<_> = parts.iter().map(|(_, bias)| bias.view()).collect();
        let joined = (concatenate(Axis(1), &weights), concatenate(Axis(0), &biases));
        let (Ok(weight), Ok(bias)) = joined else {
            return Err(wrong_shape(&format!("{key}.qkv"), &[], format!("{width} channels")));
        };
        let shift = self.builder.vector_again(&format!("{norm}.bias"), width)?;
        let pad = shift.dot(&weight) + &bias;
        let pad = self.builder.graph.constant(&format!("{key}.qkv.pad"), &pad.into_dyn());
        let qkv = self.builder.affine(&x, &format!("{key}.qkv"), weight, bias);
        let bias = self.attention_bias(attention)?;
        let x = self.builder.attend_in_windows(&qkv, &pad, &[bias], [heads, window]);
        self.builder.linear(&x, &format!("{key}.proj"), [width, width])
    }

    /// The projections to queries, keys and values, with the queries scaled. The rows of `qkv` are
    /// head by head the queries, keys and values of that head.
    fn projections(
        &mut self,
        &Attention { ref key, width, heads, .. }: &Attention,
    ) -> Result<[Projection; 3], ConvertError> {
        let head = width / heads;
        let (weight_key, bias_key) = (format!("{key}.qkv.weight"), format!("{key}.qkv.bias"));
        let weight = self.builder.tensor(&weight_key, &[3 * width, width])?;
        let bias = self.builder.tensor(&bias_key, &[3 * width])?;
        let scale = (head as f64).powf(-0.5) as f32;
        let part = |index: usize, factor: f32| {
            let rows = |row: usize| (row / head * 3 + index) * head + row % head;
            let weight = Array2::from_shape_fn((width, width), |(column, row)| {
                weight[[rows(row), column]] * factor
            });
            let bias = Array1::from_shape_fn(width, |row| bias[rows(row)] * factor);
            (weight, bias)
        };
        Ok([part(0, scale), part(1, 1.0), part(2, 1.0)])
    }

    /// The learnt bias between any two positions of a window: heads × position × position. The
    /// offsets (|Δrow|, |Δcolumn|) are numbered in row-major order, as the source meets them.
    fn attention_bias(
        &mut self,
        &Attention { ref key, heads, window, .. }: &Attention,
    ) -> Result<Value, ConvertError> {
        let key = format!("{key}.attention_biases");
        let table = self.builder.tensor(&key, &[heads, window * window])?;
        let positions = window * window;
        let mut offsets = Vec::with_capacity(positions * positions);
        for from in 0..positions {
            for to in 0..positions {
                let rows = (from / window).abs_diff(to / window);
                let columns = (from % window).abs_diff(to % window);
                offsets.push((rows * window + columns) as i64);
            }
        }
        let graph = &mut self.builder.graph;
        let table = graph.constant(&key, &table);
        let offsets = graph.integers(&[positions, positions], &offsets);
        Ok(graph.node("Gather", &[&table, &offsets], &[("axis", Attribute::Int(1))]))
    }
}

/// A weight, inputs × outputs, and its bias.
type Projection = (Array2<f32>, Array1<f32>);

/// The windowed attention of one block.
struct Attention {
    key: String,
    width: usize,
    heads: usize,
    /// Tokens per side of a window.
    window: usize,
    /// Tokens per side of the image.
    side: usize,
}

impl Attention {
    /// Reads heads and window off the table of biases, which has a column per offset within the
    /// window.
    fn read(
        builder: &Builder,
        key: String,
        width: usize,
        side: usize,
    ) -> Result<Self, ConvertError> {
        let biases = format!("{key}.attention_biases");
        let [heads, offsets] = builder.shape(&biases)?;
        let window = offsets.isqrt();
        let possible = window * window == offsets
            && (1..=MAX_WINDOW).contains(&window)
            && heads > 0
            && width.is_multiple_of(heads);
        if !possible {
            let expected = format!(
                "heads that divide {width}, and the square of a window of 1 to {MAX_WINDOW}"
            );
            return Err(ConvertError::Shape {
                name: biases,
                found: vec![heads, offsets],
                expected,
            });
        }
        Ok(Self { key, width, heads, window, side })
    }
}
