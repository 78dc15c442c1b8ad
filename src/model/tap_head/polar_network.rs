//! The tap head's network: what each cell is told → what it answers.
//!
//! Source: `models/tap_head/head.py`. Differences in form: cells are rows of channels, and products with
//! most weights are taken in int8, activations rounded row by row ([`PackedLinear`]): logits move by about
//! 0.1, and no mean of Dice that `tests/taps/run` prints by more than 0.002.

use std::array::from_fn;

use tract_onnx::pb;

use crate::kernels::{Activation, FloatLinear, Isa, PackedLinear, activate, add};
use crate::model::graph::{Names, input_shapes};

use super::grid::{ANGLES, RINGS};
use super::logistic;
use super::weights::{Matrix, Tensors};

/// Cells of the grid.
const CELLS: usize = RINGS * ANGLES;
/// Channels of a cell, once features were taken in.
const WIDTH: usize = 64;
/// The innermost rings, whose mean the other cells are likened to.
const CORE: usize = 6;
/// Channels of what cells are likened by, and the parts in which it is done.
const KEY: usize = 32;
const ASPECTS: usize = 8;
/// What cells are told beside features and likeness: on the frame, positive and negative taps, the ring
/// and its square.
const TOLD: usize = 5;
/// Convolutions, each of [`PLACES`] cells.
const BLOCKS: usize = 6;
const PLACES: usize = 9;
/// Channels are normalised in so many groups.
const GROUPS: usize = 8;
/// Added to a variance: that of PyTorch's `GroupNorm`.
const EPSILON: f32 = 1e-5;
/// The least length that a vector is divided by: that of PyTorch's `normalize`.
const SHORTEST: f32 = 1e-12;
/// How steeply the answers' first discs fall off (`Head.forward`).
const STEEPNESS: f32 = 6.0;
/// How many answers there are.
const ANSWERS: usize = 3;
/// Channels between the two layers that estimate an answer's IoU.
const HIDDEN: usize = 64;

const NAMES: Names =
    Names { inputs: &["cell_features", "given"], outputs: &["cell_logits", "quality_logits"] };

/// What the network says of a tap.
pub(super) struct Answers {
    /// For each answer the logit of each cell.
    pub logits: Vec<Vec<f32>>,
    /// The logit of each answer's estimated IoU.
    pub quality: Vec<f32>,
}

/// The weights, packed for this processor.
pub(super) struct PolarNetwork {
    isa: Isa,
    channels: usize,
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
            Self::Exact(layer) => out.copy_from_slice(&layer.apply(x)),
        }
    }
}

/// A small linear layer, in f32.
struct Affine {
    isa: Isa,
    linear: FloatLinear,
    bias: Vec<f32>,
}

impl Affine {
    fn new(isa: Isa, matrix: &Matrix, bias: Vec<f32>) -> Self {
        let sides = (matrix.inputs, matrix.outputs);
        let linear = FloatLinear::new(isa, sides, |input, output| matrix.weight(output, input));
        Self { isa, linear, bias }
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = product(&self.linear, x);
        add(self.isa, &mut out, &self.bias);
        out
    }
}

fn product(layer: &FloatLinear, x: &[f32]) -> Vec<f32> {
    let rows = x.len() / layer.inputs();
    let mut out = vec![0.0; rows * layer.outputs()];
    layer.apply(rows, x, &mut out);
    out
}

impl PolarNetwork {
    /// That of an ONNX file, for embeddings of `channels` channels. Says what is wrong with it.
    pub fn new(onnx: &pb::ModelProto, channels: usize) -> Result<Self, String> {
        Self::of(onnx, channels, Linear::rounded)
    }

    /// Its twin in f32, which does as `models/tap_head/head.py`.
    #[cfg(test)]
    pub fn exact(onnx: &pb::ModelProto, channels: usize) -> Result<Self, String> {
        Self::of(onnx, channels, Linear::exact)
    }

    /// The network, whose layers with most of the weights are made by `layer`.
    fn of(
        onnx: &pb::ModelProto,
        channels: usize,
        layer: impl Fn(Isa, &Matrix, Vec<f32>) -> Result<Linear, String>,
    ) -> Result<Self, String> {
        let isa = Isa::chosen().map_err(|e| e.to_string())?;
        let expected = [channels, 3].map(|c| [1, c, RINGS, ANGLES].map(Some).to_vec());
        if input_shapes(onnx, &NAMES)? != expected {
            return Err(format!(
                "for this encoder it must take 1×{channels}×{RINGS}×{ANGLES} and \
                 1×3×{RINGS}×{ANGLES}"
            ));
        }
        let tensors = Tensors::new(onnx.graph.as_ref().ok_or("it has no graph")?);
        let affine = |layer: &str, outputs: usize, inputs: usize| {
            let matrix = tensors.matrix(&format!("{layer}.weight"), outputs, inputs)?;
            let bias = tensors.values(&format!("{layer}.bias"), outputs)?;
            Ok::<_, String>(Affine::new(isa, &matrix, bias))
        };
        // Weights that are too few to be worth rounding are in f32.
        let exact = |layer: &str, outputs: usize, inputs: usize| {
            let weight = tensors.values(&format!("{layer}.weight"), outputs * inputs)?;
            let bias = tensors.values(&format!("{layer}.bias"), outputs)?;
            let at = |input: usize, output: usize| weight[output * inputs + input];
            let linear = FloatLinear::new(isa, (inputs, outputs), at);
            Ok::<_, String>(Affine { isa, linear, bias })
        };
        let block = |index: usize| {
            let part = |part: &str| format!("{part}.{index}");
            let name = format!("{}.weight", part("convs"));
            let matrix = by_place(&tensors.matrix(&name, WIDTH, PLACES * WIDTH)?);
            let bias = tensors.values(&format!("{}.bias", part("convs")), WIDTH)?;
            Ok::<_, String>(Block {
                dilation: tensors.dilation(&name)?,
                conv: layer(isa, &matrix, bias)?,
                gamma: tensors.values(&format!("{}.weight", part("norms")), WIDTH)?,
                beta: tensors.values(&format!("{}.bias", part("norms")), WIDTH)?,
                whole: affine(&part("globals"), WIDTH, WIDTH)?,
            })
        };
        let enter = tensors.matrix("enter.weight", WIDTH, channels)?;
        let mix = tensors.matrix("mix.cells.weight", WIDTH, WIDTH + ASPECTS + TOLD)?;
        let core = tensors.values("mix.core.weight", WIDTH * WIDTH)?;
        Ok(Self {
            isa,
            channels,
            enter: layer(isa, &enter, tensors.values("enter.bias", WIDTH)?)?,
            query: affine("query", KEY, WIDTH)?,
            key: affine("key", KEY, WIDTH)?,
            mix: Affine::new(isa, &mix, tensors.values("mix.bias", WIDTH)?),
            core: FloatLinear::new(isa, (WIDTH, WIDTH), |input, output| {
                core[input * WIDTH + output]
            }),
            blocks: (0..BLOCKS).map(block).collect::<Result<_, _>>()?,
            out: exact("out", ANSWERS, WIDTH)?,
            start: tensors.values("start", ANSWERS)?,
            quality: [affine("quality.0", HIDDEN, 2 * WIDTH + 1)?, exact("quality.2", 1, HIDDEN)?],
        })
    }

    /// The channels of the embeddings that it is for.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// What is said of a tap round which the cells have such `features`, cell × channel, and `given` of
    /// each: on the frame, further positive and negative taps.
    ///
    /// # Panics
    /// If there are not as many of both as there are cells, and of features channels.
    pub fn answer(&self, features: &[f32], given: &[[f32; 3]]) -> Answers {
        let isa = self.isa;
        let mut cells = vec![0.0; CELLS * WIDTH];
        self.enter.apply(CELLS, features, &mut cells);
        activate(isa, Activation::Gelu, &mut cells);

        let core = mean(&cells[..CORE * ANGLES * WIDTH]);
        let alike = self.alike(&cells, &core);
        let mut told = Vec::with_capacity(CELLS * (WIDTH + ASPECTS + TOLD));
        for (at, cell) in cells.chunks_exact(WIDTH).enumerate() {
            let ring = ring_place(at / ANGLES);
            told.extend_from_slice(cell);
            told.extend_from_slice(&alike[at]);
            told.extend_from_slice(&given[at]);
            told.extend([ring, ring * ring]);
        }
        let mut cells = self.mix.apply(&told);
        add(isa, &mut cells, &product(&self.core, &core));
        for block in &self.blocks {
            block.apply(isa, &mut cells);
        }

        let of_cells = self.out.apply(&cells);
        let logit = |answer: usize, cell: usize| {
            let disc = STEEPNESS * (self.start[answer] - ring_place(cell / ANGLES));
            of_cells[cell * ANSWERS + answer] + disc
        };
        let logits: Vec<Vec<f32>> = (0..ANSWERS)
            .map(|answer| (0..CELLS).map(|cell| logit(answer, cell)).collect())
            .collect();
        let mean = mean(&cells);
        let quality = logits.iter().map(|logits| self.quality(&cells, &mean, logits)).collect();
        Answers { logits, quality }
    }

    /// How much each cell is like the core, in each aspect: the cosine of its key and the core's query.
    fn alike(&self, cells: &[f32], core: &[f32]) -> Vec<[f32; ASPECTS]> {
        let (query, keys) = (self.query.apply(core), self.key.apply(cells));
        let part = KEY / ASPECTS;
        let length = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>().sqrt().max(SHORTEST);
        let likeness = |key: &[f32]| {
            from_fn(|aspect| {
                let [key, query] = [key, &query].map(|x| &x[aspect * part..][..part]);
                let dot: f32 = key.iter().zip(query).map(|(k, q)| k * q).sum();
                dot / (length(key) * length(query))
            })
        };
        keys.chunks_exact(KEY).map(likeness).collect()
    }

    /// The logit of the IoU that is expected of an answer, by the mean of all cells and of its own.
    fn quality(&self, cells: &[f32], mean: &[f32], logits: &[f32]) -> f32 {
        let mut sum = [0.0; WIDTH];
        let mut area = 0.0;
        for (cell, logit) in cells.chunks_exact(WIDTH).zip(logits) {
            let inside = logistic(*logit);
            area += inside;
            sum.iter_mut().zip(cell).for_each(|(sum, cell)| *sum += inside * cell);
        }
        sum.iter_mut().for_each(|sum| *sum /= area + 1e-3);
        let all = [mean, &sum, &[area / CELLS as f32]].concat();
        let mut hidden = self.quality[0].apply(&all);
        activate(self.isa, Activation::Gelu, &mut hidden);
        self.quality[1].apply(&hidden)[0]
    }
}

impl Block {
    fn apply(&self, isa: Isa, cells: &mut [f32]) {
        let whole = self.whole.apply(&mean(cells));
        let mut sums = vec![0.0; cells.len()];
        let mut places = Vec::with_capacity(ANGLES * PLACES * WIDTH);
        for (ring, sums) in sums.chunks_exact_mut(ANGLES * WIDTH).enumerate() {
            places.clear();
            self.neighbourhoods(cells, ring, &mut places);
            self.conv.apply(ANGLES, &places, sums);
        }
        let (factor, shift) = self.normal(&sums, &whole);
        for cell in sums.chunks_exact_mut(WIDTH) {
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
        let apart = self.dilation;
        let rings = [ring.saturating_sub(apart), ring, (ring + apart).min(RINGS - 1)];
        for angle in 0..ANGLES {
            for ring in rings {
                for angle in [angle + ANGLES - apart, angle, angle + apart] {
                    let at = (ring * ANGLES + angle % ANGLES) * WIDTH;
                    places.extend_from_slice(&cells[at..][..WIDTH]);
                }
            }
        }
    }

    /// By what each channel of `sums` is multiplied, and what is added then, to normalise groups of
    /// channels and to add `whole`.
    fn normal(&self, sums: &[f32], whole: &[f32]) -> ([f32; WIDTH], [f32; WIDTH]) {
        let means = of_groups(mean(sums));
        let mut squares = [0.0; WIDTH];
        for cell in sums.chunks_exact(WIDTH) {
            for ((square, value), mean) in squares.iter_mut().zip(cell).zip(&means) {
                *square += (value - mean) * (value - mean);
            }
        }
        let variances = of_groups(squares.map(|square| square / CELLS as f32));
        let factor = from_fn(|k| self.gamma[k] / (variances[k] + EPSILON).sqrt());
        (factor, from_fn(|k| self.beta[k] - means[k] * factor[k] + whole[k]))
    }
}

/// For each channel the mean of those in its group.
fn of_groups(channels: [f32; WIDTH]) -> [f32; WIDTH] {
    const GROUP: usize = WIDTH / GROUPS;
    let means: [f32; GROUPS] =
        from_fn(|group| channels[group * GROUP..][..GROUP].iter().sum::<f32>() / GROUP as f32);
    from_fn(|channel| means[channel / GROUP])
}

/// The weights of a 3×3 convolution for inputs place × channel; the file has them for channel × place.
fn by_place(matrix: &Matrix) -> Matrix {
    let channels = matrix.inputs / PLACES;
    let value = |at: usize| {
        let (output, place, channel) =
            (at / matrix.inputs, at % matrix.inputs / channels, at % channels);
        matrix.values[output * matrix.inputs + channel * PLACES + place]
    };
    let values = (0..matrix.values.len()).map(value).collect();
    Matrix { values, scale: matrix.scale.clone(), ..*matrix }
}

/// The mean of cells.
fn mean(cells: &[f32]) -> [f32; WIDTH] {
    let mut sums = [0.0; WIDTH];
    for cell in cells.chunks_exact(WIDTH) {
        sums.iter_mut().zip(cell).for_each(|(sum, value)| *sum += value);
    }
    sums.map(|sum| sum / (cells.len() / WIDTH) as f32)
}

/// Where a ring lies between the first, -1, and the last, 1.
fn ring_place(ring: usize) -> f32 {
    2.0 * ring as f32 / (RINGS - 1) as f32 - 1.0
}
