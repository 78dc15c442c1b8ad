//! Prompt encoder and mask decoder: prompts in model input space → low-res logits.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, Array3, Array4, Axis, s};
use prost::Message;
use tract_onnx::prelude::*;

use super::error::ModelError;
use super::graph::{Names, input_shapes, parsed};
use super::network::{Network, Threads, contained, in_words, named};
use super::package::Package;
use super::text;

/// Point labels as the prompt encoder knows them (`PromptEncoder._embed_points`, `_embed_boxes`).
pub(super) mod label {
    /// A token that is nothing but what is added to it.
    pub const ADDED: f32 = -2.0;
    /// Fills the place of a box where there is none.
    pub const PADDING: f32 = -1.0;
    pub const NEGATIVE: f32 = 0.0;
    pub const POSITIVE: f32 = 1.0;
    pub const BOX_TOP_LEFT: f32 = 2.0;
    pub const BOX_BOTTOM_RIGHT: f32 = 3.0;
}

/// One prompt as the network takes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    /// `[x, y]` in model input pixels; the centre of a pixel is a whole number.
    pub coordinates: Vec<[f32; 2]>,
    /// One [`label`] a coordinate.
    pub labels: Vec<f32>,
    /// What the last tokens are made of, where they have no coordinates: token × channel.
    pub added: Option<Array2<f32>>,
}

impl Tokens {
    pub fn push(&mut self, coordinate: [f32; 2], label: f32) {
        self.coordinates.push(coordinate);
        self.labels.push(label);
    }

    /// Adds tokens that are embedded already: token × channel.
    pub fn push_embedded(&mut self, tokens: Array2<f32>) {
        (0..tokens.nrows()).for_each(|_| self.push([0.0, 0.0], label::ADDED));
        self.added = Some(tokens);
    }

    pub fn push_box(&mut self, corners: [[f32; 2]; 2]) {
        self.push(corners[0], label::BOX_TOP_LEFT);
        self.push(corners[1], label::BOX_BOTTOM_RIGHT);
    }
}

/// What the network says to one prompt: all its mask tokens.
pub(super) struct Decoded {
    /// Low-res logits (4G × 4G) of each mask token.
    pub low_res_logits: Vec<Array2<f32>>,
    /// Predicted IoU of each mask token.
    pub predicted_iou: Vec<f32>,
}

/// What is known of one prompt's masks before they are computed, which is a good part of the work.
pub(super) struct Judged {
    /// Predicted IoU of each mask token.
    pub predicted_iou: Vec<f32>,
    /// The inputs of [`Decoder::masks`].
    of_prompt: TVec<TValue>,
}

/// What the networks take and give.
const NAMES: Names = Names {
    inputs: &["image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input"],
    outputs: &["low_res_masks", "iou_predictions"],
};

/// The same with tokens that are embedded already.
const WITH_TOKENS: Names = Names {
    inputs: &[
        "image_embeddings",
        "point_coords",
        "point_labels",
        "mask_input",
        "has_mask_input",
        text::ADDED,
    ],
    outputs: NAMES.outputs,
};

/// What decoding starts from: an image embedding, and what the decoder makes of it alone.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub features: TValue,
    /// The further inputs of [`Decoder::prompt`].
    of_image: TVec<TValue>,
}

impl Prepared {
    /// The memory it takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        let values = self.of_image.iter().chain([&self.features]);
        values.map(|value| value.len() * size_of::<f32>()).sum()
    }
}

pub(super) struct Decoder {
    /// From all inputs, for prompts with a mask; loaded when the first comes.
    masked: Mutex<Option<Arc<Network>>>,
    /// The same with tokens that are embedded already.
    with_tokens: Mutex<Option<Arc<Network>>>,
    channels: usize,
    onnx: Cow<'static, [u8]>,
    package: String,
    threads: Threads,
    /// Without a mask: what depends on the image alone; what predicted IoUs need, and what masks take
    /// of it; the masks, with the predicted IoUs.
    image: Network,
    prompt: Network,
    masks: Network,
    low_res_side: usize,
    /// Whether the graph takes one prompt at a time, as Segment Anything's own export does.
    one_by_one: bool,
}

impl Decoder {
    /// Loads the decoder of `package` for embeddings of shape 1 × `channels` × `grid` × `grid`.
    pub fn load(
        package: &Package,
        (channels, grid): (usize, usize),
        threads: &Threads,
    ) -> Result<Self, ModelError> {
        let place = package.location().display().to_string();
        let low_res_side = 4 * grid;
        let none = [
            ("mask_input", Array4::<f32>::zeros((1, 1, low_res_side, low_res_side)).into_tensor()),
            ("has_mask_input", tensor1(&[0f32])),
        ];
        let bad = |reason| named("decoder", &place, reason);
        let onnx = contained(|| parsed(package.decoder())).map_err(bad)?;
        let shapes = input_shapes(&onnx, &NAMES).map_err(bad)?;
        let one_by_one = shapes[4] == [Some(1)];
        let batch = one_by_one.then_some(1);
        let expected = [
            vec![Some(1), Some(channels), Some(grid), Some(grid)],
            vec![batch, None, Some(2)],
            vec![batch, None],
            vec![batch, Some(1), Some(low_res_side), Some(low_res_side)],
            vec![batch],
        ];
        for (input, (found, expected)) in shapes.iter().zip(expected).enumerate() {
            if *found != expected {
                return Err(bad(format!(
                    "input {input} is {}, expected {} (? is any length)",
                    in_words(Some(found)),
                    in_words(Some(&expected))
                )));
            }
        }
        let [image, prompt, masks] = Network::load_in_parts(
            ["decoder of the image", "decoder", "decoder of masks"],
            &place,
            onnx,
            &none,
            threads,
        )?;
        Ok(Self {
            masked: Mutex::new(None),
            with_tokens: Mutex::new(None),
            channels,
            onnx: package.owned_decoder(),
            package: place,
            threads: threads.clone(),
            image,
            prompt,
            masks,
            low_res_side,
            one_by_one,
        })
    }

    /// The network that takes all inputs.
    fn masked(&self) -> Result<Arc<Network>, ModelError> {
        let mut masked = self.masked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = &*masked {
            return Ok(network.clone());
        }
        let (onnx, package, threads) = (&self.onnx, &self.package, &self.threads);
        let network = Network::load("decoder", package, onnx, &NAMES, threads)?;
        Ok(masked.insert(Arc::new(network)).clone())
    }

    /// The network that takes all inputs, and tokens that are embedded already.
    fn with_tokens(&self) -> Result<Arc<Network>, ModelError> {
        let mut kept = self.with_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = &*kept {
            return Ok(network.clone());
        }
        let bad = |reason| named("decoder", &self.package, reason);
        let mut onnx = contained(|| parsed(&self.onnx)).map_err(bad)?;
        text::let_tokens_in(&mut onnx, self.channels).map_err(bad)?;
        let bytes = onnx.encode_to_vec();
        let network = Network::load("decoder", &self.package, &bytes, &WITH_TOKENS, &self.threads)?;
        Ok(kept.insert(Arc::new(network)).clone())
    }

    /// Rows and columns of the low-res logits.
    pub fn low_res_side(&self) -> usize {
        self.low_res_side
    }

    /// Computes what depends on the image alone.
    pub fn prepare(&self, features: TValue) -> Result<Prepared, ModelError> {
        let of_image = self.image.run(tvec![features.clone()])?;
        Ok(Prepared { features, of_image })
    }

    /// Decodes a batch of prompts with equally many tokens each, and one mask for all of them.
    pub fn decode(
        &self,
        prepared: &Prepared,
        batch: &[Tokens],
        mask: Option<&Array2<f32>>,
    ) -> Result<Vec<Decoded>, ModelError> {
        let together = if self.one_by_one { 1 } else { batch.len().max(1) };
        let mut decoded = Vec::with_capacity(batch.len());
        for prompts in batch.chunks(together) {
            decoded.extend(self.run(prepared, prompts, mask)?);
        }
        Ok(decoded)
    }

    /// Decodes one prompt without a mask on the calling thread alone, up to its predicted IoUs.
    pub fn judge_alone(&self, prepared: &Prepared, tokens: Tokens) -> Result<Judged, ModelError> {
        let mut inputs = token_inputs(std::slice::from_ref(&tokens))?;
        inputs.extend(prepared.of_image.iter().cloned());
        let of_prompt = self.prompt.run_alone(inputs)?;
        let iou = of_prompt[0].to_plain_array_view::<f32>().map_err(broken)?;
        Ok(Judged { predicted_iou: iou.iter().copied().collect(), of_prompt })
    }

    /// The low-res logits of a prompt's mask tokens, on the calling thread alone.
    pub fn masks_alone(&self, judged: &Judged) -> Result<Vec<Array2<f32>>, ModelError> {
        let outputs = self.masks.run_alone(judged.of_prompt.clone())?;
        let decoded = self.decoded(&outputs, 1)?.pop();
        Ok(decoded.ok_or_else(|| broken("it gave no masks"))?.low_res_logits)
    }

    fn run(
        &self,
        prepared: &Prepared,
        batch: &[Tokens],
        mask: Option<&Array2<f32>>,
    ) -> Result<Vec<Decoded>, ModelError> {
        let (prompts, side) = (batch.len(), self.low_res_side);
        let mut inputs = token_inputs(batch)?;
        let added = self.added(batch);
        let outputs = match mask {
            None if added.is_none() => {
                inputs.extend(prepared.of_image.iter().cloned());
                self.masks.run(self.prompt.run(inputs)?)?
            }
            mask => {
                let mut masks = Array4::<f32>::zeros((prompts, 1, side, side));
                if let Some(mask) = mask {
                    masks
                        .axis_iter_mut(Axis(0))
                        .for_each(|mut m| m.index_axis_mut(Axis(0), 0).assign(mask));
                }
                let has_mask = f32::from(u8::from(mask.is_some()));
                inputs.insert(0, prepared.features.clone());
                inputs.extend([masks.into_tvalue(), tensor1(&vec![has_mask; prompts]).into()]);
                match added {
                    None => self.masked()?.run(inputs)?,
                    Some(added) => {
                        inputs.push(added.into_tvalue());
                        self.with_tokens()?.run(inputs)?
                    }
                }
            }
        };
        self.decoded(&outputs, prompts)
    }

    /// What is added to the tokens of prompts, where any has some that are embedded already: batch ×
    /// token × channel.
    fn added(&self, batch: &[Tokens]) -> Option<Array3<f32>> {
        batch.iter().find(|tokens| tokens.added.is_some())?;
        let points = batch[0].labels.len();
        let mut all = Array3::zeros((batch.len(), points, self.channels));
        for (mut of_prompt, tokens) in all.axis_iter_mut(Axis(0)).zip(batch) {
            if let Some(added) = &tokens.added {
                of_prompt.slice_mut(s![points - added.nrows().., ..]).assign(added);
            }
        }
        Some(all)
    }

    /// What the network said to so many `prompts`.
    fn decoded(&self, outputs: &[TValue], prompts: usize) -> Result<Vec<Decoded>, ModelError> {
        let side = self.low_res_side;
        let logits = outputs[0].to_plain_array_view::<f32>().map_err(broken)?;
        let iou = outputs[1].to_plain_array_view::<f32>().map_err(broken)?;
        let logits = logits.into_dimensionality::<tract_ndarray::Ix4>().map_err(broken)?;
        let iou = iou.into_dimensionality::<tract_ndarray::Ix2>().map_err(broken)?;
        let tokens = iou.dim().1;
        let expected = ((prompts, tokens, side, side), (prompts, tokens.max(1)));
        if (logits.dim(), iou.dim()) != expected {
            let found = (logits.dim(), iou.dim());
            return Err(broken(format!(
                "it gave masks and IoU of {found:?}, expected {expected:?}"
            )));
        }
        if !logits.iter().chain(iou.iter()).all(|v| v.is_finite()) {
            return Err(broken("it gave values that are not numbers"));
        }
        let decoded = logits.outer_iter().zip(iou.outer_iter()).map(|(logits, iou)| Decoded {
            low_res_logits: logits.outer_iter().map(|l| l.to_owned()).collect(),
            predicted_iou: iou.to_vec(),
        });
        Ok(decoded.collect())
    }
}

/// Coordinates and labels of prompts with equally many tokens each, as the network takes them.
fn token_inputs(batch: &[Tokens]) -> Result<TVec<TValue>, ModelError> {
    let (prompts, points) = (batch.len(), batch.first().map_or(0, |t| t.labels.len()));
    let coordinates: Vec<f32> =
        batch.iter().flat_map(|t| t.coordinates.iter().flatten().copied()).collect();
    let labels: Vec<f32> = batch.iter().flat_map(|t| t.labels.iter().copied()).collect();
    Ok(tvec![
        Tensor::from_shape(&[prompts, points, 2], &coordinates).map_err(broken)?.into(),
        Tensor::from_shape(&[prompts, points], &labels).map_err(broken)?.into(),
    ])
}

/// The error that the network failed, with all its causes.
fn broken(reason: impl std::fmt::Display) -> ModelError {
    ModelError::Run { network: "decoder", reason: format!("{reason:#}") }
}
