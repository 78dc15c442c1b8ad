//! Layers of SAM-family networks, from checkpoint weights to ONNX nodes.
//!
//! Sequences are batch × token × channel throughout, so that nearly all work is a plain matrix
//! product over the last axis.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, ArrayD, Axis, Ix2};
use tract_onnx::pb;

use super::architecture::looks_like;
use super::checkpoint::Checkpoint;
use super::error::ConvertError;
use super::graph::{Attribute, Graph, Value};
use crate::onnx::layers::CONVOLUTION;
use crate::ops::{CROSS_ATTENTION, DEPTHWISE_CONV, NEIGHBOURHOODS, WINDOW_ATTENTION};

/// `torch.nn.LayerNorm`'s default.
pub(super) const LAYER_NORM_EPSILON: f32 = 1e-5;
/// SAM's `LayerNorm2d`, which normalises over channels at each position.
pub(super) const LAYER_NORM_2D_EPSILON: f32 = 1e-6;
/// `torch.nn.BatchNorm2d`'s default.
const BATCH_NORM_EPSILON: f64 = 1e-5;

/// A graph, and the checkpoint its weights come from.
///
/// A missing weight is noted and stands as zeros, so that [`finish`](Self::finish) can name all
/// that are missing at once.
pub(super) struct Builder<'a> {
    pub(super) graph: Graph,
    pub(super) source: Source<'a>,
    network: &'static str,
    used: BTreeSet<String>,
    missing: Vec<String>,
    /// Elements that missing weights may still stand for.
    room: usize,
}

/// Where networks come from, and what they are made for.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    /// Whether standard operators alone are to be used. In their form images are 1 × channel × row ×
    /// column; with tapseg's own operators they are 1 × row × column × channel throughout.
    pub(super) plain: bool,
    /// Is told how many weights have just been read.
    pub(super) on_read: &'a dyn Fn(usize),
}

impl<'a> Builder<'a> {
    /// Starts the graph of `network`.
    pub(super) fn new(network: &'static str, source: Source<'a>) -> Self {
        let (graph, room) = (Graph::new(network), source.checkpoint.elements());
        Self { graph, source, network, used: BTreeSet::new(), missing: vec![], room }
    }

    /// The ONNX graph, for which every weight of the checkpoint under `modules` was used, those
    /// under `leftovers` excepted.
    ///
    /// # Errors
    /// [`ConvertError::Missing`] with every key that was not found, or [`ConvertError::Surplus`]
    /// with every key that was not used.
    pub(super) fn finish(
        self,
        modules: &[&str],
        leftovers: &[&str],
    ) -> Result<pb::ModelProto, ConvertError> {
        let Self { graph, source: Source { checkpoint, .. }, network, used, missing, .. } = self;
        if !missing.is_empty() {
            return Err(ConvertError::Missing { network, keys: missing });
        }
        let under = |key: &str, modules: &[&str]| modules.iter().any(|m| key.starts_with(m));
        let ours = |key: &&str| under(key, modules) && !under(key, leftovers);
        let surplus = checkpoint.keys().filter(ours).filter(|&key| !used.contains(key));
        let keys: Vec<String> = surplus.map(str::to_owned).collect();
        if keys.is_empty() {
            Ok(graph.finish())
        } else {
            let looks_like = looks_like(keys.iter().map(String::as_str));
            Err(ConvertError::Surplus { looks_like, network, keys })
        }
    }

    /// The shape of the tensor `key`, which has `N` axes.
    pub(super) fn shape<const N: usize>(&self, key: &str) -> Result<[usize; N], ConvertError> {
        let Some(shape) = self.source.checkpoint.shape(key) else {
            let keys = [&self.missing[..], &[key.to_owned()]].concat();
            return Err(ConvertError::Missing { network: self.network, keys });
        };
        shape.try_into().map_err(|_| wrong_shape(key, shape, format!("{N} axes")))
    }

    /// How many members the list `key.0.…`, `key.1.…` has, at least one: up to its highest index,
    /// so that one missing in between is noticed.
    pub(super) fn members(&self, key: &str) -> usize {
        let index = |name: &str| {
            let rest = name.strip_prefix(key)?.strip_prefix('.')?;
            rest.split('.').next()?.parse().ok()
        };
        let highest: usize = self.source.checkpoint.keys().filter_map(index).max().unwrap_or(0);
        highest.min(self.source.checkpoint.keys().len()) + 1
    }

    /// The tensor `key`, which must have the shape `shape`.
    pub(super) fn tensor(
        &mut self,
        key: &str,
        shape: &[usize],
    ) -> Result<ArrayD<f32>, ConvertError> {
        match self.source.checkpoint.shape(key) {
            Some(found) if found != shape => {
                return Err(wrong_shape(key, found, format!("{shape:?}")));
            }
            _ => {}
        }
        if let Some(tensor) = self.source.checkpoint.tensor(key)? {
            self.used.insert(key.to_owned());
            (self.source.on_read)(tensor.len());
            return Ok(tensor);
        }
        self.missing.push(key.to_owned());
        let elements = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        let Some(room) = elements.and_then(|elements| self.room.checked_sub(elements)) else {
            let keys = std::mem::take(&mut self.missing);
            return Err(ConvertError::Missing { network: self.network, keys });
        };
        self.room = room;
        Ok(ArrayD::zeros(shape))
    }

    /// The tensor `key` with one axis.
    pub(super) fn vector(&mut self, key: &str, len: usize) -> Result<Array1<f32>, ConvertError> {
        Ok(self.tensor(key, &[len])?.into_iter().collect())
    }

    /// The tensor `key` with one axis, which was read before.
    pub(super) fn vector_again(&self, key: &str, len: usize) -> Result<Array1<f32>, ConvertError> {
        Ok(match self.source.checkpoint.tensor(key)? {
            Some(tensor) => tensor.into_iter().collect(),
            None => Array1::zeros(len),
        })
    }

    /// The tensor `key` with two axes.
    pub(super) fn matrix(
        &mut self,
        key: &str,
        shape: [usize; 2],
    ) -> Result<Array2<f32>, ConvertError> {
        let matrix = self.tensor(key, &shape)?.into_dimensionality::<Ix2>();
        matrix.map_err(|_| wrong_shape(key, &shape, "2 axes".into()))
    }

    /// `x · weight + bias` for a `torch.nn.Linear` of `inputs` to `outputs` channels.
    pub(super) fn linear(
        &mut self,
        x: &Value,
        key: &str,
        [inputs, outputs]: [usize; 2],
    ) -> Result<Value, ConvertError> {
        let weight = self.matrix(&format!("{key}.weight"), [outputs, inputs])?;
        let bias = self.vector(&format!("{key}.bias"), outputs)?;
        Ok(self.affine(x, key, weight.reversed_axes(), bias))
    }

    /// `x · weight + bias` with `weight` as inputs × outputs.
    pub(super) fn affine(
        &mut self,
        x: &Value,
        key: &str,
        weight: Array2<f32>,
        bias: Array1<f32>,
    ) -> Value {
        let [weight, bias] = self.weight_and_bias(key, weight.into_dyn(), bias);
        let product = self.matmul(x, &weight);
        self.add(&product, &bias)
    }

    /// The constants `key.weight` and `key.bias`.
    fn weight_and_bias(&mut self, key: &str, weight: ArrayD<f32>, bias: Array1<f32>) -> [Value; 2] {
        let weight = self.graph.constant(&format!("{key}.weight"), &weight);
        [weight, self.graph.constant(&format!("{key}.bias"), &bias.into_dyn())]
    }

    /// Layers of a perceptron `key.layers.0`, `key.layers.1`, … with ReLU between them, as wide as
    /// their weights say; `inputs` channels in.
    ///
    /// Gives the output and its width.
    pub(super) fn perceptron(
        &mut self,
        x: &Value,
        key: &str,
        inputs: usize,
    ) -> Result<(Value, usize), ConvertError> {
        let (mut x, mut width) = (x.clone(), inputs);
        for layer in 0..self.members(&format!("{key}.layers")) {
            let key = format!("{key}.layers.{layer}");
            let [outputs, _] = self.shape(&format!("{key}.weight"))?;
            if layer > 0 {
                x = self.graph.node("Relu", &[&x], &[]);
            }
            x = self.linear(&x, &key, [width, outputs])?;
            width = outputs;
        }
        Ok((x, width))
    }

    /// Normalises the last axis, which has `width` channels.
    pub(super) fn layer_norm(
        &mut self,
        x: &Value,
        key: &str,
        width: usize,
        epsilon: f32,
    ) -> Result<Value, ConvertError> {
        let [weight, bias] = [format!("{key}.weight"), format!("{key}.bias")];
        let scale = self.tensor(&weight, &[width])?;
        let scale = self.graph.constant(&weight, &scale);
        let shift = self.tensor(&bias, &[width])?;
        let shift = self.graph.constant(&bias, &shift);
        let attributes = [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(epsilon))];
        Ok(self.graph.node("LayerNormalization", &[x, &scale, &shift], &attributes))
    }

    /// A convolution without bias followed by BatchNorm (`key.c`, `key.bn`), folded into one in
    /// f64; padded so that a stride of 1 keeps the size.
    pub(super) fn conv_batch_norm(
        &mut self,
        x: &Value,
        key: &str,
        conv: Conv,
    ) -> Result<Value, ConvertError> {
        let Conv { outputs, .. } = conv;
        let name = format!("{key}.c.weight");
        let mut weight = self.tensor(&name, &conv.weight_shape())?;
        let mut parameter = |part: &str| self.vector(&format!("{key}.bn.{part}"), outputs);
        let (gamma, beta) = (parameter("weight")?, parameter("bias")?);
        let (mean, variance) = (parameter("running_mean")?, parameter("running_var")?);
        let mut bias = Array1::zeros(outputs);
        for (channel, mut kernel) in weight.axis_iter_mut(Axis(0)).enumerate() {
            let deviation = (f64::from(variance[channel]) + BATCH_NORM_EPSILON).sqrt();
            let factor = f64::from(gamma[channel]) / deviation;
            kernel.mapv_inplace(|value| (f64::from(value) * factor) as f32);
            let shift = f64::from(beta[channel]) - f64::from(mean[channel]) * factor;
            bias[channel] = shift as f32;
        }
        if !weight.iter().chain(&bias).all(|value| value.is_finite()) {
            let key = format!("{key}.bn");
            return Err(ConvertError::BatchNorm { key });
        }
        Ok(self.conv(x, &format!("{key}.c"), weight, bias, conv))
    }

    /// A convolution of the image `x`, with `weight` as output × input × row × column; its tensors
    /// are called `key.weight` and `key.bias`.
    ///
    /// In operators of our own, one of all channels is a linear layer on what is under the kernel.
    pub(super) fn conv(
        &mut self,
        x: &Value,
        key: &str,
        weight: ArrayD<f32>,
        bias: Array1<f32>,
        conv: Conv,
    ) -> Value {
        let Conv { inputs, outputs, kernel, stride, groups, padding } = conv;
        let [side, step, pad] = [kernel, stride, padding].map(|side| side as i64);
        let geometry = [("stride", Attribute::Int(step)), ("padding", Attribute::Int(pad))];
        if groups == 1 && !self.source.plain {
            let neighbours = match kernel {
                1 if stride == 1 => x.clone(),
                _ => {
                    let [step, pad] = geometry;
                    let attributes = [("kernel", Attribute::Int(side)), step, pad];
                    self.graph.own_node(NEIGHBOURHOODS, &[x], &attributes)
                }
            };
            let from = |(place, output): (usize, usize)| {
                let (place, input) = (place / inputs, place % inputs);
                weight[[output, input, place / kernel, place % kernel]]
            };
            let weight = Array2::from_shape_fn((kernel * kernel * inputs, outputs), from);
            let [weight, bias] = self.weight_and_bias(key, weight.into_dyn(), bias);
            let name = format!("{key}{CONVOLUTION}");
            let product = self.graph.named_product(&neighbours, &weight, name);
            return self.add(&product, &bias);
        }
        let [weight, bias] = self.weight_and_bias(key, weight, bias);
        let inputs = [x, &weight, &bias];
        if !self.source.plain {
            return self.graph.own_node(DEPTHWISE_CONV, &inputs, &geometry);
        }
        let attributes = [
            ("kernel_shape", Attribute::Ints(&[side, side])),
            ("strides", Attribute::Ints(&[step, step])),
            ("pads", Attribute::Ints(&[pad, pad, pad, pad])),
            ("group", Attribute::Int(groups as i64)),
        ];
        self.graph.node("Conv", &inputs, &attributes)
    }

    /// Multi-head attention of projected sequences, each batch × token × (`heads` · `width`):
    /// `softmax(q kᵀ + bias) v`. The scale is the caller's, best within the projection to `q`.
    pub(super) fn attend(
        &mut self,
        [q, k, v]: [&Value; 3],
        [heads, width]: [usize; 2],
        bias: Option<&Value>,
    ) -> Value {
        if let (false, None) = (self.source.plain, bias) {
            let heads = [("heads", Attribute::Int(heads as i64))];
            return self.graph.own_node(CROSS_ATTENTION, &[q, k, v], &heads);
        }
        let mut split = |x: &Value, order: &[i64]| {
            let split = self.reshape(x, &[0, 0, heads as i64, width as i64]);
            self.transpose(&split, order)
        };
        let (q, k, v) = (split(q, &[0, 2, 1, 3]), split(k, &[0, 2, 3, 1]), split(v, &[0, 2, 1, 3]));
        let mut scores = self.matmul(&q, &k);
        if let Some(bias) = bias {
            scores = self.add(&scores, bias);
        }
        let shares = self.graph.node("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let mixed = self.matmul(&shares, &v);
        let mixed = self.transpose(&mixed, &[0, 2, 1, 3]);
        self.reshape(&mixed, &[0, 0, (heads * width) as i64])
    }

    /// The exact GELU, `x/2 · (1 + erf(x/√2))`.
    pub(super) fn gelu(&mut self, x: &Value) -> Value {
        let (root, half, one) = (
            self.graph.scalar(2f32.sqrt().recip()),
            self.graph.scalar(0.5),
            self.graph.scalar(1.0),
        );
        let scaled = self.mul(x, &root);
        let erf = self.graph.node("Erf", &[&scaled], &[]);
        let gate = self.add(&erf, &one);
        let halved = self.mul(x, &half);
        self.mul(&halved, &gate)
    }

    /// An image of 1 × channel × row × column as convolutions take it.
    pub(super) fn image(&mut self, x: &Value) -> Value {
        if self.source.plain { x.clone() } else { self.transpose(x, &[0, 2, 3, 1]) }
    }

    /// An image as convolutions give it, as 1 × row × column × channel.
    pub(super) fn channels_last(&mut self, x: &Value) -> Value {
        if self.source.plain { self.transpose(x, &[0, 2, 3, 1]) } else { x.clone() }
    }

    /// An image of 1 × row × column × channel, as convolutions take it.
    pub(super) fn convolvable(&mut self, x: &Value) -> Value {
        if self.source.plain { self.transpose(x, &[0, 3, 1, 2]) } else { x.clone() }
    }

    /// Attention of an image's tokens to each other, `window` × `window` at a time: `qkv` is 1 × …
    /// × 3C, and `pad` its row for tokens that fill windows up; `biases` are the tables of relative
    /// positions for rows and columns, or the biases of all heads.
    pub(super) fn attend_in_windows(
        &mut self,
        qkv: &Value,
        pad: &Value,
        biases: &[Value],
        [heads, window]: [usize; 2],
    ) -> Value {
        let inputs: Vec<&Value> = [qkv, pad].into_iter().chain(biases).collect();
        let [heads, window] = [heads, window].map(|count| Attribute::Int(count as i64));
        self.graph.own_node(WINDOW_ATTENTION, &inputs, &[("heads", heads), ("window", window)])
    }

    /// The neck of SAM's image encoders: a 1×1 and a 3×3 convolution, each followed by a norm over
    /// the channels, bring the image `x` of `width` channels to the decoder's.
    ///
    /// Gives the output, 1 × channel × row × column, and its channels.
    pub(super) fn neck(&mut self, x: &Value, width: usize) -> Result<(Value, usize), ConvertError> {
        let key = |layer: usize| format!("image_encoder.neck.{layer}");
        let [channels, ..] = self.shape::<4>(&format!("{}.weight", key(0)))?;
        let mut x = x.clone();
        let reduce = Conv::pointwise(width, channels);
        let smooth = Conv::three(channels, channels, 1);
        for (layer, conv) in [(0, reduce), (2, smooth)] {
            let weight = self.tensor(&format!("{}.weight", key(layer)), &conv.weight_shape())?;
            let y = self.conv(&x, &key(layer), weight, Array1::zeros(channels), conv);
            let y = self.channels_last(&y);
            let y = self.layer_norm(&y, &key(layer + 1), channels, LAYER_NORM_2D_EPSILON)?;
            x = self.convolvable(&y);
        }
        let x = self.channels_last(&x);
        Ok((self.transpose(&x, &[0, 3, 1, 2]), channels))
    }

    pub(super) fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.graph.node("Add", &[a, b], &[])
    }

    pub(super) fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.graph.node("Mul", &[a, b], &[])
    }

    pub(super) fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        self.graph.node("MatMul", &[a, b], &[])
    }

    pub(super) fn concat(&mut self, parts: &[&Value], axis: i64) -> Value {
        self.graph.node("Concat", parts, &[("axis", Attribute::Int(axis))])
    }

    /// Gives `x` the shape `shape`, in which 0 keeps the side at that position.
    pub(super) fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.graph.integers(&[shape.len()], shape);
        self.graph.node("Reshape", &[x, &shape], &[])
    }

    pub(super) fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.graph.node("Transpose", &[x], &[("perm", Attribute::Ints(order))])
    }

    /// The part of `x` from `start` to before `end` along `axis`.
    pub(super) fn slice(&mut self, x: &Value, axis: i64, start: usize, end: usize) -> Value {
        let [start, end, axis] =
            [start as i64, end as i64, axis].map(|value| self.graph.integers(&[1], &[value]));
        self.graph.node("Slice", &[x, &start, &end, &axis], &[])
    }
}

pub(super) fn wrong_shape(key: &str, found: &[usize], expected: String) -> ConvertError {
    ConvertError::Shape { name: key.to_owned(), found: found.to_vec(), expected }
}

/// The size of a square convolution.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) groups: usize,
    /// Zeros on each side.
    pub(super) padding: usize,
}

impl Conv {
    /// A convolution of one pixel.
    pub(super) fn pointwise(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, kernel: 1, stride: 1, groups: 1, padding: 0 }
    }

    /// A 3×3 convolution, padded so that a stride of 1 keeps the size.
    pub(super) fn three(inputs: usize, outputs: usize, stride: usize) -> Self {
        Self { kernel: 3, stride, padding: 1, ..Self::pointwise(inputs, outputs) }
    }

    /// A 3×3 convolution of each channel by itself.
    pub(super) fn depthwise(channels: usize, stride: usize) -> Self {
        Self { groups: channels, ..Self::three(channels, channels, stride) }
    }

    /// Patches of `side` × `side` pixels, each by itself.
    pub(super) fn patches(inputs: usize, outputs: usize, side: usize) -> Self {
        Self { kernel: side, stride: side, ..Self::pointwise(inputs, outputs) }
    }

    /// The shape of its weight.
    pub(super) fn weight_shape(self) -> [usize; 4] {
        [self.outputs, self.inputs / self.groups.max(1), self.kernel, self.kernel]
    }
}
