//! The predictor: a frame is encoded once, and each prompt on it decoded.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::{Array2, Array4, ArrayView4};

use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::mask::Mask;
use crate::prompt::{MaskPrompt, PointLabel, Prompt, PromptError};
use crate::region::Region;

use super::decoder::{Decoded, Decoder, Prepared, Tokens, label};
use super::encoder::Encoder;
use super::error::ModelError;
use super::identity::ModelId;
use super::manifest::{Manifest, MaskTokens, PromptKind};
use super::masks::{MaskCandidate, Masks};
use super::network::Threads;
use super::package::Package;
use super::preprocess::{InputGeometry, model_input};
use super::tap_head::TapHead;
use super::text::TextEncoder;

/// What the image encoder made of a frame; prompts on that frame are decoded from it. Cloning
/// shares the features.
#[derive(Clone, Debug)]
pub struct ImageEmbedding {
    pub(super) prepared: Prepared,
    /// Of the region, where there is one.
    pub(super) geometry: InputGeometry,
    region: Option<Region>,
    /// How long the frame took to become the encoder's input.
    pub preprocess_time: Duration,
    /// How long the encoder ran, and the decoder for what depends on the image alone.
    pub encode_time: Duration,
}

impl ImageEmbedding {
    /// The part of the frame that the model was shown; none where that was all of it.
    pub fn region(&self) -> Option<Region> {
        self.region
    }

    /// The features: 1 × channels × rows × columns over the padded model input.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the encoder gave something else than 32-bit floats.
    pub fn features(&self) -> Result<ArrayView4<'_, f32>, ModelError> {
        let wrong = |reason: String| ModelError::Run { network: "encoder", reason };
        let view = self
            .prepared
            .features
            .to_plain_array_view::<f32>()
            .map_err(|e| wrong(e.to_string()))?;
        view.into_dimensionality().map_err(|e| wrong(e.to_string()))
    }

    /// Masks of the region as masks of the frame.
    fn on_frame(&self, masks: Masks) -> Masks {
        match &self.region {
            None => masks,
            Some(region) => region.masks_on_frame(masks),
        }
    }

    /// The size of the frame it was made from.
    pub fn frame_size(&self) -> FrameSize {
        self.region.map_or(self.geometry.frame, |region| region.frame_size())
    }

    /// The corners of a box in frame pixels as `[x, y]` in model input pixels, top left first.
    pub fn box_to_input(&self, bounding_box: FrameBox) -> [[f32; 2]; 2] {
        self.geometry.box_to_input(bounding_box)
    }

    /// The memory it takes, in bytes: the features, and what the decoder makes of them alone.
    pub fn size_bytes(&self) -> usize {
        self.prepared.size_bytes()
    }
}

/// A loaded model, used as Segment Anything's own predictor is: [`set_image`](Self::set_image)
/// once, then [`predict`](Self::predict) for every prompt.
///
/// ```no_run
/// use tapseg::{Package, Prompt, Segmenter, feed};
///
/// let segmenter = Segmenter::load(&Package::embedded()?)?;
/// let frame = feed::read_still("breast.png".as_ref())?;
/// let embedding = segmenter.set_image(&frame)?;
/// let masks = segmenter.predict(&embedding, &Prompt::default().positive(310.0, 222.0))?;
/// println!("{} px", masks.best().mask.area_px());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Segmenter {
    pub(super) manifest: Manifest,
    id: ModelId,
    encoder: Encoder,
    pub(super) decoder: Decoder,
    pub(super) tap_head: Option<TapHead>,
    text_encoder: Option<TextEncoder>,
    pub(super) threads: Threads,
}

impl Segmenter {
    /// Loads the networks of `package` to run on all the processor's cores.
    ///
    /// # Errors
    /// [`ModelError::Network`] where a graph can't be loaded or has other shapes than the manifest
    /// says.
    pub fn load(package: &Package) -> Result<Self, ModelError> {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self::load_with_threads(package, cores)
    }

    /// Like [`load`](Self::load), to run on `threads` threads, but no more than there are cores.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with_threads(package: &Package, threads: NonZeroUsize) -> Result<Self, ModelError> {
        Self::load_on(package, &Threads::new(threads))
    }

    /// Like [`load`](Self::load), to run on these threads.
    ///
    /// # Errors
    /// As [`load`](Self::load), and where `threads` ask for stock operators that the package
    /// doesn't keep to.
    pub fn load_on(package: &Package, threads: &Threads) -> Result<Self, ModelError> {
        let encoder = Encoder::load(package, threads)?;
        let decoder = Decoder::load(package, encoder.embedding_shape(), threads)?;
        let tap_head = TapHead::load(package, encoder.embedding_shape().0)?;
        let text_encoder = TextEncoder::load(package, encoder.embedding_shape().0, threads)?;
        let (manifest, id) = (package.manifest().clone(), package.id());
        let threads = threads.clone();
        Ok(Self { manifest, id, encoder, decoder, tap_head, text_encoder, threads })
    }

    /// What the package says about the model.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Which model it is.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// The input of the encoder described by `manifest` for `frame`: 1 × 3 × S × S.
    pub fn input_of(manifest: &Manifest, frame: &Frame) -> Array4<f32> {
        model_input(frame, &manifest.preprocessing)
    }

    /// Encodes a frame.
    ///
    /// # Errors
    /// [`ModelError::Run`] where the engine fails.
    pub fn set_image(&self, frame: &Frame) -> Result<ImageEmbedding, ModelError> {
        self.set_image_in(frame, None)
    }

    /// Encodes what of a frame lies in a region, or all of it. Prompts and masks stay in pixels of the
    /// frame; a prompt outside the region is refused.
    ///
    /// # Errors
    /// [`ModelError::Run`] where the engine fails.
    pub fn set_image_in(
        &self,
        frame: &Frame,
        region: Option<Region>,
    ) -> Result<ImageEmbedding, ModelError> {
        let start = Instant::now();
        let region = region.filter(|region| region.frame_size() == frame.size());
        let frame = &region.map_or_else(|| frame.clone(), |region| region.cut_from(frame));
        let input = self.encoder.prepare(frame);
        let prepared = Instant::now();
        let features = self.encoder.encode(input)?;
        let embedded = self.decoder.prepare(features)?;
        Ok(ImageEmbedding {
            prepared: embedded,
            geometry: InputGeometry::new(frame.size(), self.encoder.preprocessing()),
            region,
            preprocess_time: prepared - start,
            encode_time: prepared.elapsed(),
        })
    }

    /// Decodes a prompt on the frame that `embedding` was made from.
    ///
    /// A model trained on points takes the prompt as it is. A lone positive point is ambiguous and
    /// answered with three nested masks, if they were trained, anything else with one (*Segment
    /// Anything*, section 3, "Resolving ambiguity"). For a model trained on boxes alone, a tap is
    /// decoded through boxes: those that the package's tap head finds for it, which gives up to three
    /// distinct masks, or without one squares of seven sizes. A mask counts as its box, and negative
    /// points cut. With a text, which takes a package with a text encoder, a prompt is taken as it is.
    ///
    /// # Errors
    /// [`ModelError::Prompt`] where the prompt can't be answered on this frame,
    /// [`ModelError::Run`] where the engine fails.
    pub fn predict(
        &self,
        embedding: &ImageEmbedding,
        prompt: &Prompt,
    ) -> Result<Masks, ModelError> {
        let prompt = self.checked(embedding, prompt)?;
        let directly = self.manifest.was_trained_for(PromptKind::Point) || prompt.text.is_some();
        let masks = match directly {
            true => self.predict_directly(embedding, &prompt),
            false => self.predict_through_boxes(embedding, &prompt),
        };
        masks.map(|masks| embedding.on_frame(masks))
    }

    /// Decodes a prompt as the tokens that it is made of, whatever the model was trained on: to
    /// measure what a number of points costs. Of a model trained on boxes alone, the answer to
    /// points means nothing.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_as_tokens(
        &self,
        embedding: &ImageEmbedding,
        prompt: &Prompt,
    ) -> Result<Masks, ModelError> {
        let masks = self.predict_directly(embedding, &self.checked(embedding, prompt)?)?;
        Ok(embedding.on_frame(masks))
    }

    /// Decodes what the model takes to be there without being asked. A model trained on boxes alone
    /// is given the box of the whole frame.
    ///
    /// # Errors
    /// [`ModelError::Run`] where the engine fails.
    pub fn predict_unprompted(&self, embedding: &ImageEmbedding) -> Result<Masks, ModelError> {
        if self.manifest.was_trained_for(PromptKind::Point) {
            let masks = self.predict_directly(embedding, &Prompt::default())?;
            return Ok(embedding.on_frame(masks));
        }
        let FrameSize { width, height } = embedding.geometry.frame;
        let corner = FramePoint::new(width as f32 - 1.0, height as f32 - 1.0);
        let whole = FrameBox::from_corners(FramePoint::new(0.0, 0.0), corner);
        let masks = self.predict_through_boxes(embedding, &Prompt::default().in_box(whole))?;
        Ok(embedding.on_frame(masks))
    }

    fn predict_directly(
        &self,
        embedding: &ImageEmbedding,
        prompt: &Prompt,
    ) -> Result<Masks, ModelError> {
        let geometry = embedding.geometry;
        // A text alone has no place, and so no padding for the rest of a box.
        let nowhere = prompt.points.is_empty() && prompt.bounding_box.is_none();
        let mut tokens = match &prompt.text {
            Some(_) if nowhere => Tokens::default(),
            _ => Self::tokens(geometry, prompt),
        };
        if let Some(text) = &prompt.text {
            tokens.push_embedded(self.text_encoder()?.tokens(text)?);
        }
        let side = self.decoder.low_res_side();
        let from_binary;
        let mask = match &prompt.mask {
            None => None,
            Some(MaskPrompt::LowResLogits(logits)) => Some(&**logits),
            Some(MaskPrompt::Binary(mask)) => {
                from_binary = geometry.mask_to_low_res(mask, side as u32);
                Some(&from_binary)
            }
        };
        let decoded = self.decoder.decode(&embedding.prepared, &[tokens], mask)?;
        let ambiguous = Self::is_ambiguous(prompt);
        let mut candidates = Vec::new();
        for Decoded { low_res_logits, predicted_iou } in decoded {
            let tokens = self.answering_tokens(ambiguous, predicted_iou.len());
            let all = low_res_logits.into_iter().zip(predicted_iou);
            let wanted = all.skip(tokens.start).take(tokens.len());
            candidates.extend(wanted.map(|(l, iou)| candidate(geometry, l, iou)));
        }
        Ok(Masks::ranked(candidates))
    }

    /// A mask at frame resolution as low-res logits, strong on either side of its outline: what a
    /// [`MaskPrompt`] of it is decoded with.
    pub fn logits_of(&self, mask: &Mask) -> Array2<f32> {
        let geometry = InputGeometry::new(mask.size(), &self.manifest.preprocessing);
        geometry.mask_to_low_res(mask, self.decoder.low_res_side() as u32)
    }

    /// Points and box as the network takes them.
    pub(super) fn tokens(geometry: InputGeometry, prompt: &Prompt) -> Tokens {
        let mut tokens = Tokens::default();
        for point in &prompt.points {
            let kind = match point.label {
                PointLabel::Positive => label::POSITIVE,
                PointLabel::Negative => label::NEGATIVE,
            };
            tokens.push(geometry.to_input(point.position), kind);
        }
        match prompt.bounding_box {
            Some(b) => tokens.push_box(geometry.box_to_input(b)),
            None => tokens.push([0.0, 0.0], label::PADDING),
        }
        tokens
    }

    /// Whether `prompt` is a lone point.
    pub(super) fn is_ambiguous(prompt: &Prompt) -> bool {
        let elsewhere = prompt.bounding_box.is_some() || prompt.mask.is_some();
        prompt.points.len() == 1 && !elsewhere && prompt.text.is_none()
    }

    /// Which of `count` mask tokens answer a prompt.
    pub(super) fn answering_tokens(&self, ambiguous: bool, count: usize) -> Range<usize> {
        match self.manifest.mask_tokens {
            MaskTokens::Multi if ambiguous && count > 1 => 1..count,
            _ => 0..1,
        }
    }

    fn checked(&self, embedding: &ImageEmbedding, prompt: &Prompt) -> Result<Prompt, ModelError> {
        let prompt = match &embedding.region {
            None => prompt.clone().checked(embedding.geometry.frame)?,
            Some(region) => region.prompt(prompt)?,
        };
        if let Some(MaskPrompt::LowResLogits(logits)) = &prompt.mask {
            self.check_logits(logits)?;
        }
        if prompt.text.is_some() {
            self.text_encoder()?;
        }
        Ok(prompt)
    }

    /// What makes tokens of texts, where the package has it.
    fn text_encoder(&self) -> Result<&TextEncoder, PromptError> {
        let model = || self.manifest.name.clone();
        self.text_encoder.as_ref().ok_or_else(|| PromptError::NoTextEncoder { model: model() })
    }

    fn check_logits(&self, logits: &Array2<f32>) -> Result<(), PromptError> {
        let side = self.decoder.low_res_side() as u32;
        let (rows, columns) = logits.dim();
        let expected = FrameSize::new(side, side);
        let found = FrameSize::new(columns as u32, rows as u32);
        if found == expected { Ok(()) } else { Err(PromptError::MaskSize { found, expected }) }
    }
}

pub(super) fn candidate(
    geometry: InputGeometry,
    low_res: Array2<f32>,
    predicted_iou: f32,
) -> MaskCandidate {
    let (mut inner, mut outer) = (0usize, 0usize);
    let mut pixels = Vec::with_capacity(geometry.frame.pixels());
    geometry.frame_logits(&low_res, |row| {
        inner += row.iter().filter(|l| **l > 1.0).count();
        outer += row.iter().filter(|l| **l > -1.0).count();
        pixels.extend(row.iter().map(|l| u8::from(*l > 0.0)));
    });
    MaskCandidate {
        mask: Mask::from_pixels(geometry.frame, pixels),
        low_res_logits: Arc::new(low_res),
        predicted_iou,
        stability_score: if outer == 0 { 0.0 } else { inner as f32 / outer as f32 },
    }
}
