//! SAM's prompt encoder and mask decoder as one ONNX graph.
//!
//! Source: `segment_anything/modeling/mask_decoder.py` and `transformer.py`. All widths and depths
//! are read off the tensors but the number of attention heads, which is 8 in every SAM.
//!
//! Differences in form, not in result: the image stays a sequence of cells to the end, the
//! transposed 2×2 convolutions of stride 2 being products that give four pixels per cell each, and
//! pixels are brought into rows and columns only when they are masks; the four hypernetworks are
//! one batch of products.

use ndarray::{Array1, Array2, ArrayD};
use tract_onnx::pb;

use super::builder::{Builder, LAYER_NORM_2D_EPSILON, LAYER_NORM_EPSILON, Source};
use super::check_sizes;
use super::error::ConvertError;
use super::graph::{Attribute, Side, Value};
use super::prompt_encoder::PromptEncoder;
use crate::ops::PIXEL_MASKS;

/// Attention heads of the two-way transformer.
const HEADS: usize = 8;

/// The decoder in `source`, for embeddings of `grid` × `grid` of an input of `input_size`
/// pixels.
pub(super) fn decoder(
    source: Source,
    grid: usize,
    input_size: usize,
) -> Result<pb::ModelProto, ConvertError> {
    check_sizes(grid, input_size)?;
    let mut builder = Builder::new("mask decoder", source);
    let [_, channels] = builder.shape("mask_decoder.iou_token.weight")?;
    let [masks, _] = builder.shape("mask_decoder.mask_tokens.weight")?;
    let (batch, points) = (Side::Free("batch"), Side::Free("points"));
    let [one, two, side] = [1, 2, 4 * grid].map(Side::Fixed);

    let embedding = [1, channels, grid, grid].map(Side::Fixed);
    let embedding = builder.graph.input("image_embeddings", &embedding);
    let coords = builder.graph.input("point_coords", &[batch, points, two]);
    let labels = builder.graph.input("point_labels", &[batch, points]);
    let mask = builder.graph.input("mask_input", &[batch, one, side, side]);
    let has_mask = builder.graph.input("has_mask_input", &[batch]);

    let prompt = PromptEncoder::new(&mut builder, channels, grid)?;
    let positions = prompt.image_positions(&mut builder);
    let sparse = prompt.embed_points(&mut builder, &coords, &labels, input_size)?;
    let dense = prompt.embed_mask(&mut builder, &mask, &has_mask)?;

    let mut decoder = Decoder { builder, channels, masks, positions };
    let tokens = decoder.tokens(&sparse, &labels)?;
    let cells = decoder.builder.reshape(&embedding, &[1, channels as i64, (grid * grid) as i64]);
    let cells = decoder.builder.transpose(&cells, &[0, 2, 1]);
    let cells = decoder.builder.add(&cells, &dense);
    let (tokens, cells) = decoder.two_way_transformer(&tokens, &cells)?;
    let logits = decoder.masks(&tokens, &cells, grid)?;
    let quality = decoder.quality(&tokens)?;

    let masks = Side::Fixed(masks);
    decoder.builder.graph.output(&logits, "low_res_masks", &[batch, masks, side, side]);
    decoder.builder.graph.output(&quality, "iou_predictions", &[batch, masks]);
    decoder.builder.finish(&["prompt_encoder.", "mask_decoder."], &[])
}

/// Tokens and cells are batch × token × channel and batch × cell × channel.
struct Decoder<'a> {
    builder: Builder<'a>,
    channels: usize,
    /// Mask tokens.
    masks: usize,
    /// The positional encoding of the cells.
    positions: Value,
}

impl Decoder<'_> {
    /// The IoU token and the mask tokens, before the `sparse` embeddings of the prompt.
    fn tokens(&mut self, sparse: &Value, labels: &Value) -> Result<Value, ConvertError> {
        let (channels, masks) = (self.channels, self.masks);
        let builder = &mut self.builder;
        let quality = builder.tensor("mask_decoder.iou_token.weight", &[1, channels])?;
        let mask = builder.tensor("mask_decoder.mask_tokens.weight", &[masks, channels])?;
        let own = ArrayD::from_shape_fn(vec![1, 1 + masks, channels], |at| match at[1] {
            0 => quality[[0, at[2]]],
            token => mask[[token - 1, at[2]]],
        });
        let own = builder.graph.constant("mask_decoder.tokens", &own);
        let first = [("start", Attribute::Int(0)), ("end", Attribute::Int(1))];
        let batch = builder.graph.node("Shape", &[labels], &first);
        let rest = builder.graph.integers(&[2], &[1 + masks as i64, channels as i64]);
        let shape = builder.concat(&[&batch, &rest], 0);
        let own = builder.graph.node("Expand", &[&own, &shape], &[]);
        Ok(builder.concat(&[&own, sparse], 1))
    }

    fn two_way_transformer(
        &mut self,
        prompt: &Value,
        cells: &Value,
    ) -> Result<(Value, Value), ConvertError> {
        let layer_key = |layer: usize| format!("mask_decoder.transformer.layers.{layer}");
        let layers = self.builder.members("mask_decoder.transformer.layers");
        let (mut tokens, mut cells) = (prompt.clone(), cells.clone());
        for layer in 0..layers {
            let part = |part: &str| format!("{}.{part}", layer_key(layer));
            let attended = match layer {
                0 => self.attention(&part("self_attn"), [&tokens, &tokens, &tokens])?,
                _ => {
                    let placed = self.builder.add(&tokens, prompt);
                    let mixed = self.attention(&part("self_attn"), [&placed, &placed, &tokens])?;
                    self.builder.add(&tokens, &mixed)
                }
            };
            tokens = self.norm(&attended, &part("norm1"))?;
            tokens =
                self.tokens_to_image(&tokens, prompt, &cells, &part("cross_attn_token_to_image"))?;
            tokens = self.norm(&tokens, &part("norm2"))?;

            let [hidden, _] = self.builder.shape(&part("mlp.lin1.weight"))?;
            let y = self.builder.linear(&tokens, &part("mlp.lin1"), [self.channels, hidden])?;
            let y = self.builder.graph.node("Relu", &[&y], &[]);
            let y = self.builder.linear(&y, &part("mlp.lin2"), [hidden, self.channels])?;
            let y = self.builder.add(&tokens, &y);
            tokens = self.norm(&y, &part("norm3"))?;

            let placed_tokens = self.builder.add(&tokens, prompt);
            let placed_cells = self.builder.add(&cells, &self.positions);
            let key = part("cross_attn_image_to_token");
            let mixed = self.attention(&key, [&placed_cells, &placed_tokens, &tokens])?;
            let mixed = self.builder.add(&cells, &mixed);
            cells = self.norm(&mixed, &part("norm4"))?;
        }
        let key = "mask_decoder.transformer.final_attn_token_to_image";
        let tokens = self.tokens_to_image(&tokens, prompt, &cells, key)?;
        Ok((self.norm(&tokens, "mask_decoder.transformer.norm_final_attn")?, cells))
    }

    /// Tokens plus what they find in the image.
    fn tokens_to_image(
        &mut self,
        tokens: &Value,
        prompt: &Value,
        cells: &Value,
        key: &str,
    ) -> Result<Value, ConvertError> {
        let placed_tokens = self.builder.add(tokens, prompt);
        let placed_cells = self.builder.add(cells, &self.positions);
        let mixed = self.attention(key, [&placed_tokens, &placed_cells, cells])?;
        Ok(self.builder.add(tokens, &mixed))
    }

    fn norm(&mut self, x: &Value, key: &str) -> Result<Value, ConvertError> {
        self.builder.layer_norm(x, key, self.channels, LAYER_NORM_EPSILON)
    }

    fn attention(&mut self, key: &str, [q, k, v]: [&Value; 3]) -> Result<Value, ConvertError> {
        let (channels, builder) = (self.channels, &mut self.builder);
        let q_key = format!("{key}.q_proj");
        let weight_key = format!("{q_key}.weight");
        let [inner, _] = builder.shape(&weight_key)?;
        if inner % HEADS != 0 || inner == 0 {
            let expected = format!("rows for {HEADS} heads");
            let found = vec![inner, channels];
            return Err(ConvertError::Shape { name: weight_key, found, expected });
        }
        let width = inner / HEADS;
        let scale = (width as f64).powf(-0.5) as f32;
        let weight = builder.matrix(&weight_key, [inner, channels])?.reversed_axes() * scale;
        let bias = builder.vector(&format!("{q_key}.bias"), inner)? * scale;
        let q = builder.affine(q, &q_key, weight, bias);
        let k = builder.linear(k, &format!("{key}.k_proj"), [channels, inner])?;
        let v = builder.linear(v, &format!("{key}.v_proj"), [channels, inner])?;
        let mixed = builder.attend([&q, &k, &v], [HEADS, width], None);
        builder.linear(&mixed, &format!("{key}.out_proj"), [inner, channels])
    }

    /// Logits: batch × mask token × 4G × 4G.
    fn masks(&mut self, tokens: &Value, cells: &Value, grid: usize) -> Result<Value, ConvertError> {
        let (side, masks) = (grid as i64, self.masks as i64);
        let key = |layer: usize| format!("mask_decoder.output_upscaling.{layer}");
        let [_, first, ..] = self.builder.shape::<4>(&format!("{}.weight", key(0)))?;
        let [_, second, ..] = self.builder.shape::<4>(&format!("{}.weight", key(3)))?;
        let pixels = 4 * side * side;
        let x = self.upscale(cells, &key(0), [self.channels, first], pixels)?;
        let x = self.builder.layer_norm(&x, &key(1), first, LAYER_NORM_2D_EPSILON)?;
        let x = self.builder.gelu(&x);
        let x = self.upscale(&x, &key(3), [first, second], 4 * pixels)?;
        let x = self.builder.gelu(&x);

        let tokens = self.builder.slice(tokens, 1, 1, 1 + self.masks);
        let kernels = self.hypernetworks(&tokens, second)?;
        if !self.builder.source.plain {
            return Ok(self.builder.graph.own_node(PIXEL_MASKS, &[&x, &kernels], &[]));
        }
        let x = self.builder.transpose(&x, &[0, 2, 1]);
        let x = self.builder.matmul(&kernels, &x);
        // Row and column of the cell, then of the pixel in it, twice.
        let x = self.builder.reshape(&x, &[0, masks, side, side, 2, 2, 2, 2]);
        let x = self.builder.transpose(&x, &[0, 1, 2, 4, 6, 3, 5, 7]);
        Ok(self.builder.reshape(&x, &[0, masks, 4 * side, 4 * side]))
    }

    /// A transposed 2×2 convolution of stride 2: four pixels from each, `pixels` in all.
    fn upscale(
        &mut self,
        x: &Value,
        key: &str,
        [inputs, outputs]: [usize; 2],
        pixels: i64,
    ) -> Result<Value, ConvertError> {
        let weight = self.builder.tensor(&format!("{key}.weight"), &[inputs, outputs, 2, 2])?;
        let bias = self.builder.vector(&format!("{key}.bias"), outputs)?;
        let weight = Array2::from_shape_fn((inputs, 4 * outputs), |(input, column)| {
            let (pixel, output) = (column / outputs, column % outputs);
            weight[[input, output, pixel / 2, pixel % 2]]
        });
        let bias = Array1::from_shape_fn(4 * outputs, |column| bias[column % outputs]);
        let x = self.builder.affine(x, key, weight, bias);
        Ok(self.builder.reshape(&x, &[0, pixels, outputs as i64]))
    }

    /// From each mask token the `outputs` factors of its mask, by a perceptron of its own: batch ×
    /// mask token × factor.
    fn hypernetworks(&mut self, tokens: &Value, outputs: usize) -> Result<Value, ConvertError> {
        let (masks, builder) = (self.masks, &mut self.builder);
        let key = |mask: usize, layer: usize| {
            format!("mask_decoder.output_hypernetworks_mlps.{mask}.layers.{layer}")
        };
        let layers = builder.members("mask_decoder.output_hypernetworks_mlps.0.layers");
        let axis = builder.graph.integers(&[1], &[2]);
        let mut x = builder.graph.node("Unsqueeze", &[tokens, &axis], &[]);
        let mut inputs = self.channels;
        for layer in 0..layers {
            let [width, _] = builder.shape(&format!("{}.weight", key(0, layer)))?;
            let (mut weights, mut biases) = (vec![], vec![]);
            for mask in 0..masks {
                let key = key(mask, layer);
                weights.push(builder.tensor(&format!("{key}.weight"), &[width, inputs])?);
                biases.push(builder.tensor(&format!("{key}.bias"), &[width])?);
            }
            let weight = ArrayD::from_shape_fn(vec![masks, inputs, width], |at| {
                weights[at[0]][[at[2], at[1]]]
            });
            let bias = ArrayD::from_shape_fn(vec![masks, 1, width], |at| biases[at[0]][at[2]]);
            let key = format!("mask_decoder.output_hypernetworks_mlps.layers.{layer}");
            let weight = builder.graph.constant(&format!("{key}.weight"), &weight);
            let bias = builder.graph.constant(&format!("{key}.bias"), &bias);
            if layer > 0 {
                x = builder.graph.node("Relu", &[&x], &[]);
            }
            x = builder.matmul(&x, &weight);
            x = builder.add(&x, &bias);
            inputs = width;
        }
        if inputs != outputs {
            let name = format!("{}.weight", key(0, layers - 1));
            let expected = format!("{outputs} rows");
            return Err(ConvertError::Shape { name, found: vec![inputs], expected });
        }
        Ok(builder.reshape(&x, &[0, masks as i64, outputs as i64]))
    }

    /// The predicted IoU of each mask: batch × mask token.
    fn quality(&mut self, tokens: &Value) -> Result<Value, ConvertError> {
        let first = self.builder.slice(tokens, 1, 0, 1);
        let first = self.builder.reshape(&first, &[0, self.channels as i64]);
        let key = "mask_decoder.iou_prediction_head";
        let (quality, width) = self.builder.perceptron(&first, key, self.channels)?;
        if width != self.masks {
            let name = format!("{key}.layers");
            let expected = format!("{} outputs", self.masks);
            return Err(ConvertError::Shape { name, found: vec![width], expected });
        }
        Ok(quality)
    }
}
