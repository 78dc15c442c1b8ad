//! The tap head's network: what each cell is told → what it answers.
//!
//! Source: `models/tap_head/head.py`. Differences in form: cells are rows of channels, and products with
//! most weights are taken in int8, activations rounded row by row ([`PackedLinear`]), of which a tap's
//! boxes move by some tenths of a model input pixel.

use prost::Message;
use tract_onnx::pb;

use crate::kernels::{Activation, FloatLinear, Isa, PackedLinear, activate, add};

use super::grid::{ANGLES, RINGS};
use super::logistic;
use super::weights::{Matrix, Tensors};

/// Cells of the grid.
const CELLS: usize = RINGS * ANGLES;
/// The innermost rings, whose mean the other cells are likened to.
const CORE: usize = 6;
/// Parts in which cells are likened to the core.
const ASPECTS: usize = 8;
/// What cells are told beside features and likeness: on the frame, positive and negative taps, the ring
/// and its square.
const TOLD: usize = 5;
/// Channels are normalised in so many groups.
const GROUPS: usize = 8;
/// Added to a variance: that of PyTorch's `GroupNorm`.
const EPSILON: f32 = 1e-5;
/// The least length that a vector is divided by: that of PyTorch's `normalize`.
const SHORTEST: f32 = 1e-12;
/// How steeply the answers' first discs fall off (`Head.forward`).
const STEEPNESS: f32 = 6.0;

/// What the network says of a tap.
pub(super) struct Answers {
    /// For each answer the logit of each cell.
    pub logits: Vec<Vec<f32>>,
    /// The logit of each answer's estimated IoU.
    pub quality: Vec<f32>,
}

pub(super) struct Network {
    isa: Isa,
    enter: Linear,
    query: Affine,
    key: Affine,
    mix: Affine,
    core: FloatLinear,
    blocks: Vec<Block>,
    out: Affine,
    /// The ring of each answer's first disc, inmost at -1 and outmost at 1.
    start: Vec<f32>,
    quality: [Affine; 2],
}

/// A convolution among the cells, whose sums are normalised and added to what they were made of.
struct Block {
    /// How far apart the places are that it takes together.
    dilation: usize,
    conv: Linear,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    /// What is added by the mean of all cells.
    whole: Affine,
}

/// A linear layer with most of the weights.
enum Linear {
    Rounded(PackedLinear),
    /// The twin that rounds no activations.
    #[cfg(test)]
    Exact(Affine),
}

impl Linear {
    fn rounded(isa: Isa, matrix: &Matrix, bias: Vec<f32>) -> Result<Self, String> {
        let Matrix { outputs, inputs, .. } = *matrix;
        let weight: Vec<i8> = (0..inputs * outputs)
            .map(|at| matrix.values[at % outputs * inputs + at / outputs])
            .collect();
        PackedLinear::new(isa, (inputs, outputs), &weight, &matrix.scale, Some(&bias))
            .map(Self::Rounded)
            .map_err(|e| e.to_string())
    }

    #[cfg(test)]
    fn exact(isa: Isa, matrix: &Matrix, bias: Vec<f32>) -> Result<Self, String> {
        Ok(Self::Exact(Affine::new(isa, matrix, bias)))
    }

    fn apply(&self, rows: usize, x: &[f32], out: &mut [f32]) {
        match self {
            Self::Rounded(layer) => layer.apply(rows, x, out),
            #[cfg(test)]
            Self::Exact(layer) => out.copy_from_slice(&layer.apply(Isa::Portable, x)),
        }
    }
}

/// A small linear layer, in f32.
struct Affine {
    linear: FloatLinear,
    bias: Vec<f32>,
}

impl Affine {
    fn new(isa: Isa, matrix: &Matrix, bias: Vec<f32>) -> Self {
        let sides = (matrix.inputs, matrix.outputs);
        let linear = FloatLinear::new(isa, sides, |input, output| matrix.weight(output, input));
        Self { linear, bias }
    }

    fn apply(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        let mut out = product(&self.linear, x);
        add(isa, &mut out, &self.bias);
        out
    }
}

fn product(layer: &FloatLinear, x: &[f32]) -> Vec<f32> {
    let rows = x.len() / layer.inputs();
    let mut out = vec![0.0; rows * layer.outputs()];
    layer.apply(rows, x, &mut out);
    out
}

/// What bytes that can't be read as ONNX are told as.
const NOT_ONNX: &str = "it isn't ONNX, so it may be damaged: get the package again, or make a head with \
                        models/tap_head/run";

impl Network {
    /// That of the bytes of an ONNX file, for embeddings of `channels` channels. Says what is wrong with it.
    pub fn new(onnx: &[u8], channels: usize) -> Result<Self, String> {
        Self::of(onnx, channels, Linear::rounded)
    }

    /// Its twin in f32, which does as `models/tap_head/head.py`.
    #[cfg(test)]
    pub fn exact(onnx: &[u8], channels: usize) -> Result<Self, String> {
        Self::of(onnx, channels, Linear::exact)
    }

    /// The network, whose layers with most of the weights are made by `layer`.
    fn of(
        onnx: &[u8],
        channels: usize,
        layer: impl Fn(Isa, &Matrix, Vec<f32>) -> Result<Linear, String>,
    ) -> Result<Self, String> {
        let isa = Isa::chosen().map_err(|e| e.to_string())?;
        let model = pb::ModelProto::decode(onnx).map_err(|_| NOT_ONNX)?;
        let graph = model.graph.as_ref().ok_or("it has no graph")?;
        let tensors = Tensors::new(graph);

        let enter = tensors.matrix("enter.weight")?;
        let width = enter.outputs;
        if enter.inputs != channels || width % GROUPS != 0 {
            let found = enter.inputs;
            return Err(format!(
                "it makes {width} channels of {found}; for this encoder it must make a multiple of \
                 {GROUPS} of {channels}"
            ));
        }
        let sized = |name: &str, (outputs, inputs): (Option<usize>, usize)| {
            let matrix = tensors.matrix(name)?;
            if matrix.inputs != inputs || outputs.is_some_and(|outputs| outputs != matrix.outputs) {
                return Err(format!(
                    "{name} is {} × {}, which doesn't fit {width} channels",
                    matrix.outputs, matrix.inputs
                ));
            }
            Ok(matrix)
        };
        let affine = |layer: &str, sides| {
            let matrix = sized(&format!("{layer}.weight"), sides)?;
            let bias = tensors.values(&format!("{layer}.bias"), matrix.outputs)?;
            Ok::<_, String>(Affine::new(isa, &matrix, bias))
        };
        // Weights that are too few to be worth rounding are in f32.
        let exact = |layer: &str, outputs: usize, inputs: usize| {
            let weight = tensors.values(&format!("{layer}.weight"), outputs * inputs)?;
            let bias = tensors.values(&format!("{layer}.bias"), outputs)?;
            let at = |input: usize, output: usize| weight[output * inputs + input];
            Ok::<_, String>(Affine { linear: FloatLinear::new(isa, (inputs, outputs), at), bias })
        };

        let key = affine("key", (None, width))?;
        let inner = key.bias.len();
        if !inner.is_multiple_of(ASPECTS) {
            return Err(format!("key.weight gives {inner}, which is no multiple of {ASPECTS}"));
        }
        let mix = sized("mix.cells.weight", (Some(width), width + ASPECTS + TOLD))?;
        let core = tensors.values("mix.core.weight", width * width)?;
        let mut blocks = Vec::new();
        while tensors.has(&format!("convs.{}.weight.int8", blocks.len())) {
            let part = |part: &str| format!("{part}.{}", blocks.len());
            let name = format!("{}.weight", part("convs"));
            blocks.push(Block {
                dilation: tensors.dilation(&name)?,
                conv: layer(
                    isa,
                    &by_place(&sized(&name, (Some(width), 9 * width))?),
                    tensors.values(&format!("{}.bias", part("convs")), width)?,
                )?,
                gamma: tensors.values(&format!("{}.weight", part("norms")), width)?,
                beta: tensors.values(&format!("{}.bias", part("norms")), width)?,
                whole: affine(&part("globals"), (Some(width), width))?,
            });
        }
        let answers = graph.initializer.iter().find(|tensor| tensor.name == "out.bias");
        let answers = answers.and_then(|tensor| usize::try_from(*tensor.dims.first()?).ok());
        let answers = answers.filter(|answers| (1..=16).contains(answers));
        let answers = answers.ok_or("out.bias isn't of 1 to 16 answers")?;
        let quality = affine("quality.0", (None, 2 * width + 1))?;
        let hidden = quality.bias.len();
        Ok(Self {
            isa,
            enter: layer(isa, &enter, tensors.values("enter.bias", width)?)?,
            query: affine("query", (Some(inner), width))?,
            key,
            mix: Affine::new(isa, &mix, tensors.values("mix.bias", width)?),
            core: FloatLinear::new(isa, (width, width), |input, output| {
                core[input * width + output]
            }),
            blocks,
            out: exact("out", answers, width)?,
            start: tensors.values("start", answers)?,
            quality: [quality, exact("quality.2", 1, hidden)?],
        })
    }

    /// What is said of a tap round which the cells have such `features`, cell × channel, and `given` of
    /// each: on the frame, further positive and negative taps.
    pub fn answer(&self, features: &[f32], given: &[[f32; 3]]) -> Answers {
        let (isa, width) = (self.isa, self.core.outputs());
        let mut cells = vec![0.0; CELLS * width];
        self.enter.apply(CELLS, features, &mut cells);
        activate(isa, Activation::Gelu, &mut cells);

        let core = mean(&cells[..CORE * ANGLES * width], width);
        let alike = self.alike(&cells, &core);
        let mut told = Vec::with_capacity(CELLS * (width + ASPECTS + TOLD));
        for (at, cell) in cells.chunks_exact(width).enumerate() {
            let ring = ring_place(at / ANGLES);
            told.extend_from_slice(cell);
            told.extend_from_slice(&alike[at]);
            told.extend_from_slice(&given[at]);
            told.extend([ring, ring * ring]);
        }
        let mut cells = self.mix.apply(isa, &told);
        add(isa, &mut cells, &product(&self.core, &core));
        for block in &self.blocks {
            block.apply(isa, &mut cells);
        }

        let answers = self.start.len();
        let of_cells = self.out.apply(isa, &cells);
        let logit = |answer: usize, cell: usize| {
            let disc = STEEPNESS * (self.start[answer] - ring_place(cell / ANGLES));
            of_cells[cell * answers + answer] + disc
        };
        let logits: Vec<Vec<f32>> = (0..answers)
            .map(|answer| (0..CELLS).map(|cell| logit(answer, cell)).collect())
            .collect();
        let mean = mean(&cells, width);
        let quality = logits.iter().map(|logits| self.quality(&cells, &mean, logits)).collect();
        Answers { logits, quality }
    }

    /// How much each cell is like the core, in each aspect: the cosine of its key and the core's query.
    fn alike(&self, cells: &[f32], core: &[f32]) -> Vec<[f32; ASPECTS]> {
        let (query, keys) = (self.query.apply(self.isa, core), self.key.apply(self.isa, cells));
        let part = query.len() / ASPECTS;
        let length = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>().sqrt().max(SHORTEST);
        let likeness = |key: &[f32]| {
            std::array::from_fn(|aspect| {
                let [key, query] = [key, &query].map(|x| &x[aspect * part..][..part]);
                let dot: f32 = key.iter().zip(query).map(|(k, q)| k * q).sum();
                dot / (length(key) * length(query))
            })
        };
        keys.chunks_exact(query.len()).map(likeness).collect()
    }

    /// The logit of the IoU that is expected of an answer, by the mean of all cells and of its own.
    fn quality(&self, cells: &[f32], mean: &[f32], logits: &[f32]) -> f32 {
        let mut sum = vec![0.0; mean.len()];
        let mut area = 0.0;
        for (cell, logit) in cells.chunks_exact(mean.len()).zip(logits) {
            let inside = logistic(*logit);
            area += inside;
            sum.iter_mut().zip(cell).for_each(|(sum, cell)| *sum += inside * cell);
        }
        sum.iter_mut().for_each(|sum| *sum /= area + 1e-3);
        let all = [mean, &sum, &[area / CELLS as f32]].concat();
        let mut hidden = self.quality[0].apply(self.isa, &all);
        activate(self.isa, Activation::Gelu, &mut hidden);
        self.quality[1].apply(self.isa, &hidden)[0]
    }
}

impl Block {
    fn apply(&self, isa: Isa, cells: &mut [f32]) {
        let width = self.gamma.len();
        let whole = self.whole.apply(isa, &mean(cells, width));
        let mut sums = vec![0.0; cells.len()];
        let mut places = Vec::with_capacity(ANGLES * 9 * width);
        for (ring, sums) in sums.chunks_exact_mut(ANGLES * width).enumerate() {
            places.clear();
            self.neighbourhoods(cells, ring, &mut places);
            self.conv.apply(ANGLES, &places, sums);
        }
        let (factor, shift) = self.normal(&sums, &whole);
        for cell in sums.chunks_exact_mut(width) {
            for ((value, factor), shift) in cell.iter_mut().zip(&factor).zip(&shift) {
                *value = *value * factor + shift;
            }
        }
        activate(isa, Activation::Gelu, &mut sums);
        add(isa, cells, &sums);
    }

    /// Appends for each cell of a ring the nine that the convolution sees, as far apart as it takes them:
    /// directions go round, and beyond the first and the last ring lies that ring again.
    fn neighbourhoods(&self, cells: &[f32], ring: usize, places: &mut Vec<f32>) {
        let (width, apart) = (self.gamma.len(), self.dilation);
        let rings = [ring.saturating_sub(apart), ring, (ring + apart).min(RINGS - 1)];
        for angle in 0..ANGLES {
            for ring in rings {
                for angle in [angle + ANGLES - apart, angle, angle + apart] {
                    let at = (ring * ANGLES + angle % ANGLES) * width;
                    places.extend_from_slice(&cells[at..][..width]);
                }
            }
        }
    }

    /// By what each channel of `sums` is multiplied, and what is added then, to normalise groups of
    /// channels and to add `whole`.
    fn normal(&self, sums: &[f32], whole: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let width = self.gamma.len();
        let group = width / GROUPS;
        let of_groups = |channels: &[f32]| -> Vec<f32> {
            let mean = |channels: &[f32]| channels.iter().sum::<f32>() / group as f32;
            channels.chunks_exact(group).map(mean).collect()
        };
        let means = of_groups(&mean(sums, width));
        let mut squares = vec![0.0; width];
        for cell in sums.chunks_exact(width) {
            for (channel, (square, value)) in squares.iter_mut().zip(cell).enumerate() {
                let difference = value - means[channel / group];
                *square += difference * difference;
            }
        }
        squares.iter_mut().for_each(|square| *square /= CELLS as f32);
        let variances = of_groups(&squares);
        let factor =
            |channel: usize| self.gamma[channel] / (variances[channel / group] + EPSILON).sqrt();
        let shift = |channel: usize| {
            self.beta[channel] - means[channel / group] * factor(channel) + whole[channel]
        };
        ((0..width).map(factor).collect(), (0..width).map(shift).collect())
    }
}

/// The weights of a 3×3 convolution for inputs place × channel; the file has them for channel × place.
fn by_place(matrix: &Matrix) -> Matrix {
    let channels = matrix.inputs / 9;
    let value = |at: usize| {
        let (output, place, channel) =
            (at / matrix.inputs, at % matrix.inputs / channels, at % channels);
        matrix.values[output * matrix.inputs + channel * 9 + place]
    };
    let values = (0..matrix.values.len()).map(value).collect();
    Matrix { values, scale: matrix.scale.clone(), ..*matrix }
}

/// The mean of rows of `width` values.
fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let count = (rows.len() / width) as f32;
    sums.iter_mut().for_each(|sum| *sum /= count);
    sums
}

/// Where a ring lies between the first, -1, and the last, 1.
fn ring_place(ring: usize) -> f32 {
    2.0 * ring as f32 / (RINGS - 1) as f32 - 1.0
}
