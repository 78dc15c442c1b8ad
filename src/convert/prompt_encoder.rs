//! SAM's prompt encoder as ONNX nodes: points, boxes and masks to embeddings.
//!
//! Source: `segment_anything/modeling/prompt_encoder.py` and, for labels and the choice between a
//! mask and none at run time, `utils/onnx.py`.

use std::f64::consts::TAU;

use ndarray::{Array2, ArrayD};

use super::builder::{Builder, LAYER_NORM_2D_EPSILON};
use super::error::ConvertError;
use super::graph::{Attribute, Value};

/// The prompt encoder of the graph under construction.
pub(super) struct PromptEncoder {
    /// Channels of an embedding.
    channels: usize,
    /// Cells per side of the image embedding.
    grid: usize,
    /// Random frequencies times 2π: 2 (x, y) × channels / 2.
    frequencies: ArrayD<f32>,
    constant: Value,
}

impl PromptEncoder {
    /// Adds the weights that positions are encoded with.
    pub(super) fn new(
        builder: &mut Builder,
        channels: usize,
        grid: usize,
    ) -> Result<Self, ConvertError> {
        let key = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix";
        let frequencies = builder.tensor(key, &[2, channels / 2])?;
        let frequencies = frequencies.mapv(|value| (f64::from(value) * TAU) as f32);
        let constant = builder.graph.constant(key, &frequencies);
        Ok(Self { channels, grid, frequencies, constant })
    }

    /// Encodes positions from −1 to 1 along the last axis (x, y): its sines, then its cosines.
    fn encode(&self, builder: &mut Builder, positions: &Value) -> Value {
        let phases = builder.matmul(positions, &self.constant);
        let [sines, cosines] = ["Sin", "Cos"].map(|wave| builder.graph.node(wave, &[&phases], &[]));
        builder.concat(&[&sines, &cosines], -1)
    }

    /// The encoding of each cell of the image embedding: cell (row-major) × channel. It depends on
    /// weights alone and is folded into a constant by any engine.
    ///
    /// The sine and cosine of a sum are made of those of its parts, which are as few as rows and
    /// columns: a million others would take most of the time in which a model is loaded.
    pub(super) fn image_positions(&self, builder: &mut Builder) -> Value {
        let (grid, half) = (self.grid, self.channels / 2);
        let place = |index: usize| (index as f64 + 0.5) / grid as f64 * 2.0 - 1.0;
        let mut waves = |axis: usize, wave: fn(f64) -> f64, name: &str| {
            let sides = if axis == 0 { [1, grid, half] } else { [grid, 1, half] };
            let values = ArrayD::from_shape_fn(sides.to_vec(), |at| {
                wave(place(at[0].max(at[1])) * f64::from(self.frequencies[[axis, at[2]]])) as f32
            });
            builder.graph.constant(&format!("cells.{name}"), &values)
        };
        let [sin_x, cos_x] = [waves(0, f64::sin, "sin_x"), waves(0, f64::cos, "cos_x")];
        let [sin_y, cos_y] = [waves(1, f64::sin, "sin_y"), waves(1, f64::cos, "cos_y")];
        let mut product = |a: &Value, b: &Value| builder.mul(a, b);
        let [sc, cs] = [product(&sin_x, &cos_y), product(&cos_x, &sin_y)];
        let [cc, ss] = [product(&cos_x, &cos_y), product(&sin_x, &sin_y)];
        let sines = builder.add(&sc, &cs);
        let cosines = builder.graph.node("Sub", &[&cc, &ss], &[]);
        let cells = builder.concat(&[&sines, &cosines], -1);
        builder.reshape(&cells, &[(grid * grid) as i64, self.channels as i64])
    }

    /// Embeds points and box corners: `coords` batch × point × (x, y) in pixels of an input with
    /// sides of `input_size`, `labels` batch × point → batch × point × channel.
    pub(super) fn embed_points(
        &self,
        builder: &mut Builder,
        coords: &Value,
        labels: &Value,
        input_size: usize,
    ) -> Result<Value, ConvertError> {
        // ((coords + 0.5) / size) · 2 − 1
        let pixel = 1.0 / input_size as f32;
        let (scale, shift) = (builder.graph.scalar(2.0 * pixel), builder.graph.scalar(pixel - 1.0));
        let positions = builder.mul(coords, &scale);
        let positions = builder.add(&positions, &shift);
        let positions = self.encode(builder, &positions);

        let last = builder.graph.integers(&[1], &[-1]);
        let labels = builder.graph.node("Unsqueeze", &[labels, &last], &[]);
        let zero = builder.graph.scalar(0.0);
        let is_point = builder.graph.node("GreaterOrEqual", &[&labels, &zero], &[]);
        let positions = builder.graph.node("Where", &[&is_point, &positions, &zero], &[]);

        // Each label adds its own vector: one-hot × table.
        let known = ArrayD::from_shape_fn(vec![5], |index| index[0] as f32 - 1.0);
        let known = builder.graph.constant("labels", &known);
        let chosen = builder.graph.node("Equal", &[&labels, &known], &[]);
        let chosen = builder.graph.node("Cast", &[&chosen], &[("to", Attribute::FLOAT)]);
        let table = self.label_table(builder)?;
        let embedded = builder.matmul(&chosen, &table);
        Ok(builder.add(&positions, &embedded))
    }

    /// What the labels −1 (padding), 0 (negative), 1 (positive), 2 and 3 (box corners) add.
    fn label_table(&self, builder: &mut Builder) -> Result<Value, ConvertError> {
        let mut rows =
            vec![builder.tensor("prompt_encoder.not_a_point_embed.weight", &[1, self.channels])?];
        for label in 0..4 {
            let key = format!("prompt_encoder.point_embeddings.{label}.weight");
            rows.push(builder.tensor(&key, &[1, self.channels])?);
        }
        let table =
            ArrayD::from_shape_fn(vec![rows.len(), self.channels], |at| rows[at[0]][[0, at[1]]]);
        Ok(builder.graph.constant("prompt_encoder.point_embeddings", &table))
    }

    /// Embeds masks: `mask` batch × 1 × 4G × 4G of logits, where `has_mask` (batch) is above zero,
    /// and otherwise the vector that stands for none → batch × cell × channel.
    ///
    /// Its 2×2 convolutions of stride 2 are products with blocks of four pixels, brought next to
    /// each other first.
    pub(super) fn embed_mask(
        &self,
        builder: &mut Builder,
        mask: &Value,
        has_mask: &Value,
    ) -> Result<Value, ConvertError> {
        let key = |layer: usize| format!("prompt_encoder.mask_downscaling.{layer}");
        let [first, ..] = builder.shape::<4>(&format!("{}.weight", key(0)))?;
        let [second, ..] = builder.shape::<4>(&format!("{}.weight", key(3)))?;
        let (grid, cells) = (self.grid as i64, (self.grid * self.grid) as i64);

        // Rows and columns are cell, block within the cell, pixel within the block.
        let x = builder.reshape(mask, &[0, grid, 2, 2, grid, 2, 2]);
        let x = builder.transpose(&x, &[0, 1, 4, 2, 5, 3, 6]);
        let x = builder.reshape(&x, &[0, cells, 4, 4]);
        let x = self.block_product(builder, &x, &key(0), [1, first, 2])?;
        let x = builder.layer_norm(&x, &key(1), first, LAYER_NORM_2D_EPSILON)?;
        let x = builder.gelu(&x);
        let x = builder.reshape(&x, &[0, cells, 4 * first as i64]);
        let x = self.block_product(builder, &x, &key(3), [first, second, 2])?;
        let x = builder.layer_norm(&x, &key(4), second, LAYER_NORM_2D_EPSILON)?;
        let x = builder.gelu(&x);
        let x = self.block_product(builder, &x, &key(6), [second, self.channels, 1])?;

        let none_key = "prompt_encoder.no_mask_embed.weight";
        let none = builder.tensor(none_key, &[1, self.channels])?;
        let none = builder.graph.constant(none_key, &none);
        let axes = builder.graph.integers(&[2], &[1, 2]);
        let has_mask = builder.graph.node("Unsqueeze", &[has_mask, &axes], &[]);
        let zero = builder.graph.scalar(0.0);
        let has_mask = builder.graph.node("Greater", &[&has_mask, &zero], &[]);
        Ok(builder.graph.node("Where", &[&has_mask, &x, &none], &[]))
    }

    /// A convolution of `kernel` × `kernel` whose stride is its size, on blocks of pixels: the last
    /// axis of `x` is pixel × input channel.
    fn block_product(
        &self,
        builder: &mut Builder,
        x: &Value,
        key: &str,
        [inputs, outputs, kernel]: [usize; 3],
    ) -> Result<Value, ConvertError> {
        let weight =
            builder.tensor(&format!("{key}.weight"), &[outputs, inputs, kernel, kernel])?;
        let bias = builder.vector(&format!("{key}.bias"), outputs)?;
        let weight = Array2::from_shape_fn((kernel * kernel * inputs, outputs), |(row, output)| {
            let (pixel, input) = (row / inputs, row % inputs);
            weight[[output, input, pixel / kernel, pixel % kernel]]
        });
        Ok(builder.affine(x, key, weight, bias))
    }
}
