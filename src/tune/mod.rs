//! Fits the mask decoder of a package to a dataset.
//!
//! As in *SkinSAM* (and MedSAM before it): the encoder is frozen and runs once a picture, the mask
//! decoder learns with Dice plus cross-entropy. [`tune`] does it all; `network` is the decoder with
//! gradients, `loss` what it is to make small, `embeddings` keeps what the encoder said.
//!
//! Weights are stored as they were: those in int8 are learned at their values and rounded again.
//!
//! Differences from SkinSAM: prompts are drawn anew every epoch, of each kind that the package was
//! trained for; the mean square error of the predicted IoU is part of the loss, as in *Segment
//! Anything* (appendix A, "Losses"), because people see it and taps are ranked by it; a lone point's
//! loss is that of the nested mask which fits best (section 3, "Resolving ambiguity").

mod embeddings;
mod loss;
mod network;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_nn::{AdamW, Optimizer, ParamsAdamW};

use crate::eval::{Dataset, Item, Picture, Problem, Setting, evaluate};
use crate::model::{ModelError, Package, PackageError, PromptKind, Tuned, hex_sha256};
use crate::random::{SplitMix64, mix};
use crate::region::RegionChoice;
use crate::{Mask, Segmenter};
use embeddings::Embeddings;
use network::Network;

/// The share of the files that are held out.
const HELD_OUT: f64 = 0.2;
/// AdamW's, as in MedSAM.
const WEIGHT_DECAY: f64 = 0.01;
/// An epoch that is better by less is no better.
const LEAST_GAIN: f64 = 1e-4;

/// How to tune.
#[derive(Clone, Debug)]
pub struct TuneOptions {
    /// The new package's name.
    pub name: String,
    /// The most epochs; 20. With 0 the decoder stays as it is, to the byte.
    pub epochs: u32,
    /// Stops after so many epochs without a gain on the held-out pictures; 5.
    pub patience: u32,
    /// AdamW's, above 0; 1e-4.
    pub learning_rate: f64,
    /// Decides on the split, the order and the prompts; 1.
    pub seed: u64,
}

impl TuneOptions {
    /// The defaults for a package called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), epochs: 20, patience: 5, learning_rate: 1e-4, seed: 1 }
    }
}

/// What tuning is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Encoding pictures; in files of the dataset.
    Encoding {
        /// Done.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// Learning; in files of the dataset that are learned from.
    Learning {
        /// From 1.
        epoch: u32,
        /// Done.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// An epoch is over; number 0 is the package as it was.
    Epoch {
        /// Its number.
        epoch: u32,
        /// Mean loss on the prompts learned from; `None` of number 0.
        loss: Option<f64>,
        /// Mean Dice of the low-res masks on the held-out pictures.
        dice: f64,
        /// Whether it is the best so far.
        best: bool,
    },
}

/// Is told each [`Step`]; to break means to keep the best epoch so far and stop.
pub type Progress<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

/// What came of it.
#[derive(Debug)]
pub struct Tuning {
    /// The package, as it was read back.
    pub package: Package,
    /// What its manifest says about it.
    pub tuned: Tuned,
    /// What of the dataset could not be used.
    pub problems: Vec<Problem>,
}

/// Why nothing was tuned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// The decoder can't learn.
    #[error("the package's decoder can't be tuned: {reason}")]
    Network {
        /// Why.
        reason: String,
    },
    /// A package can't be read or written.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The engine failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The training library failed.
    #[error("the training library failed: {0}")]
    Training(#[from] candle_core::Error),
    /// A file can't be written or read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Too little to hold something out.
    #[error(
        "{dataset}: {files} files with outlines can be read; at least 2 are needed, so that one can \
         be held out"
    )]
    TooFew {
        /// The dataset's name.
        dataset: String,
        /// How many there are.
        files: usize,
    },
    /// The loss is no number any more.
    #[error("the loss grew beyond all numbers in epoch {epoch}; try a lower --learning-rate")]
    Diverged {
        /// In which epoch, from 1.
        epoch: u32,
    },
    /// Stopped before there was anything to keep.
    #[error("stopped before any epoch was better than the package; nothing is written")]
    Stopped,
    /// The new package would take the place of the one it is made of.
    #[error("{0} is the package to tune from; write to another folder")]
    SamePlace(String),
}

/// Tunes the decoder of `package` on `dataset` and writes the new package, whose encoder is the same
/// file, to the folder `out`. A fifth of the dataset's files, at least one, are held out: they decide
/// which epoch is kept, and Dice is measured on them, with the packages as they run, at frame
/// resolution. The same input and seed give the same bytes, on the same kind of processor.
///
/// # Errors
/// [`TuneError`]; no package is left half written.
pub fn tune(
    package: &Package,
    dataset: &Dataset,
    options: &TuneOptions,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Tuning, TuneError> {
    let place = |path: &Path| path.canonicalize().ok();
    if place(out).is_some_and(|out| place(package.location()) == Some(out)) {
        return Err(TuneError::SamePlace(out.display().to_string()));
    }
    let segmenter = Segmenter::load(package)?;
    let network = Network::read(package.decoder())?;
    let mut school = School::open(&segmenter, dataset, options, out, progress)?;
    let epochs = school.learn(&network, progress)?;
    let decoder = match epochs {
        0 => package.decoder().to_vec(),
        _ => network.onnx()?,
    };
    let manifest = package.manifest();
    let mut tuned = Tuned {
        from: manifest.name.clone(),
        from_decoder_sha256: hex_sha256(package.decoder()),
        dataset: dataset.name.clone(),
        pictures: pictures(&school.learned),
        held_out: pictures(&school.held_out),
        seed: options.seed,
        epochs,
        learning_rate: options.learning_rate,
        dice_before: school.dice(&segmenter)?,
        dice_after: 0.0,
    };
    let (mut manifest, extras) = (manifest.clone(), package.extras());
    manifest.name = options.name.clone();
    let made =
        Package::in_memory(out, manifest.clone(), package.encoder(), &*decoder, extras.clone())?;
    tuned.dice_after = school.dice(&Segmenter::load(&made)?)?;
    manifest.tuned = Some(tuned.clone());
    let package = Package::write(out, manifest, package.encoder(), decoder, extras)?;
    Ok(Tuning { package, tuned, problems: school.problems })
}

/// A file of the dataset, whose pictures' embeddings are kept one after the other.
struct Lot<'a> {
    item: &'a Item,
    first: usize,
    pictures: usize,
}

fn pictures(lots: &[Lot<'_>]) -> usize {
    lots.iter().map(|lot| lot.pictures).sum()
}

/// All that is learned from.
struct School<'a> {
    segmenter: &'a Segmenter,
    options: &'a TuneOptions,
    settings: Vec<Setting>,
    embeddings: Embeddings,
    learned: Vec<Lot<'a>>,
    held_out: Vec<Lot<'a>>,
    problems: Vec<Problem>,
}

impl<'a> School<'a> {
    /// Encodes all pictures, and holds some files out.
    fn open(
        segmenter: &'a Segmenter,
        dataset: &'a Dataset,
        options: &'a TuneOptions,
        out: &Path,
        progress: Progress<'_>,
    ) -> Result<Self, TuneError> {
        let beside = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut embeddings = Embeddings::new(beside.unwrap_or(Path::new(".")))?;
        let (mut lots, mut problems) = (Vec::new(), dataset.problems.clone());
        let (mut first, total) = (0, dataset.items.len());
        for (done, item) in dataset.items.iter().enumerate() {
            if progress(Step::Encoding { done, total }).is_break() {
                return Err(TuneError::Stopped);
            }
            let mut pictures = 0;
            item.read(&mut problems, |picture| {
                pictures += 1;
                let embedding = segmenter.set_image(&picture.frame)?;
                let path = || PathBuf::from("the kept embeddings");
                let kept = embeddings.push(embedding.features()?);
                kept.map_err(|source| TuneError::Io { path: path(), source })
            })?;
            if pictures > 0 {
                lots.push(Lot { item, first, pictures });
            }
            first += pictures;
        }
        if lots.len() < 2 {
            return Err(TuneError::TooFew { dataset: dataset.name.clone(), files: lots.len() });
        }
        shuffle(&mut lots, options.seed);
        let held_out = ((lots.len() as f64 * HELD_OUT).round() as usize).max(1);
        let learned = lots.split_off(held_out);
        let settings = settings(segmenter);
        let held_out = lots;
        Ok(Self { segmenter, options, settings, embeddings, learned, held_out, problems })
    }

    /// Learns until nothing is gained any more; gives the epoch whose weights `network` is left with.
    fn learn(&mut self, network: &Network, progress: Progress<'_>) -> Result<u32, TuneError> {
        let parameters = ParamsAdamW {
            lr: self.options.learning_rate,
            weight_decay: WEIGHT_DECAY,
            ..Default::default()
        };
        let mut optimizer = AdamW::new(network.weights(), parameters)?;
        let mut best = (0, self.held_out_dice(network)?, network.snapshot()?);
        let mut stopped =
            progress(Step::Epoch { epoch: 0, loss: None, dice: best.1, best: true }).is_break();
        for epoch in 1..=self.options.epochs {
            if stopped || epoch > best.0 + self.options.patience {
                break;
            }
            let Some(loss) = self.epoch(network, &mut optimizer, epoch, progress)? else {
                stopped = true;
                break;
            };
            let dice = self.held_out_dice(network)?;
            let better = dice > best.1 + LEAST_GAIN;
            if better {
                best = (epoch, dice, network.snapshot()?);
            }
            let step = Step::Epoch { epoch, loss: Some(loss), dice, best: better };
            stopped = progress(step).is_break();
        }
        if stopped && best.0 == 0 && self.options.epochs > 0 {
            return Err(TuneError::Stopped);
        }
        network.restore(&best.2)?;
        Ok(best.0)
    }

    /// Sees all pictures once, in an order and with prompts of its own; gives the mean loss, or `None`
    /// where it was stopped.
    fn epoch(
        &mut self,
        network: &Network,
        optimizer: &mut AdamW,
        epoch: u32,
        progress: Progress<'_>,
    ) -> Result<Option<f64>, TuneError> {
        let seed = mix(self.options.seed.wrapping_add(u64::from(epoch)));
        let mut order: Vec<usize> = (0..self.learned.len()).collect();
        shuffle(&mut order, seed);
        let (mut sum, mut count, total) = (0.0, 0, order.len());
        for (done, at) in order.into_iter().enumerate() {
            if progress(Step::Learning { epoch, done, total }).is_break() {
                return Ok(None);
            }
            let lot = &self.learned[at];
            let (segmenter, settings) = (self.segmenter, &self.settings);
            each_lesson(
                lot,
                segmenter,
                settings,
                seed,
                &mut self.embeddings,
                |lesson, features| {
                    let answer = network.forward(features, &lesson.coordinates, &lesson.labels)?;
                    let loss = loss::loss(&answer, &lesson, segmenter)?;
                    let value = f64::from(loss.to_scalar::<f32>()?);
                    if !value.is_finite() {
                        return Err(TuneError::Diverged { epoch });
                    }
                    optimizer.backward_step(&loss)?;
                    (sum, count) = (sum + value, count + 1);
                    Ok(())
                },
            )?;
        }
        Ok(Some(sum / f64::from(count.max(1))))
    }

    /// The mean Dice of low-res masks, for prompts that are always the same.
    fn held_out_dice(&mut self, network: &Network) -> Result<f64, TuneError> {
        let (mut sum, mut count) = (0.0, 0);
        for lot in &self.held_out {
            let (segmenter, settings) = (self.segmenter, &self.settings);
            let seed = self.options.seed;
            each_lesson(
                lot,
                segmenter,
                settings,
                seed,
                &mut self.embeddings,
                |lesson, features| {
                    let answer = network.forward(features, &lesson.coordinates, &lesson.labels)?;
                    sum += loss::dice(&answer, &lesson, segmenter)?;
                    count += 1;
                    Ok(())
                },
            )?;
        }
        Ok(sum / f64::from(count.max(1)))
    }

    /// The mean Dice of `segmenter` on the held-out pictures, as `tapseg eval` measures it.
    fn dice(&self, segmenter: &Segmenter) -> Result<f64, TuneError> {
        let mut dice = Vec::new();
        for lot in &self.held_out {
            let outcome = evaluate(
                segmenter,
                lot.item,
                &self.settings,
                self.options.seed,
                RegionChoice::Whole,
            )?;
            dice.extend(outcome.cases.iter().map(|case| case.scores.dice));
        }
        Ok(dice.iter().sum::<f64>() / dice.len().max(1) as f64)
    }
}

/// Hands out the lessons of a file with the embedding of their picture.
fn each_lesson(
    lot: &Lot<'_>,
    segmenter: &Segmenter,
    settings: &[Setting],
    seed: u64,
    embeddings: &mut Embeddings,
    mut each: impl FnMut(crate::model::Lesson, &candle_core::Tensor) -> Result<(), TuneError>,
) -> Result<(), TuneError> {
    let mut index = lot.first;
    // What can't be read was told when it was encoded.
    lot.item.read(&mut Vec::new(), |picture: Picture| {
        if index >= lot.first + lot.pictures {
            return Ok(());
        }
        let features = embeddings.read(index)?;
        index += 1;
        for structure in &picture.structures {
            let truth: &Mask = &structure.mask;
            for setting in settings {
                for prompt in setting.prompts(&picture, structure, seed) {
                    each(segmenter.lesson(&prompt, truth), &features)?;
                }
            }
        }
        Ok(())
    })
}

/// What is asked: prompts of each kind that the model was trained for.
fn settings(segmenter: &Segmenter) -> Vec<Setting> {
    let trained = |kind| segmenter.manifest().was_trained_for(kind);
    let mut settings = Vec::new();
    if trained(PromptKind::Box) || !trained(PromptKind::Point) {
        settings.extend([Setting::GivenBox, Setting::Breastsam]);
    }
    if trained(PromptKind::Point) {
        settings.extend([Setting::CentreTap, Setting::InteriorTap]);
    }
    settings
}

/// Fisher and Yates' shuffle.
fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut random = SplitMix64::new(seed);
    for last in (1..list.len()).rev() {
        list.swap(last, random.below(last + 1));
    }
}

#[cfg(test)]
mod tests;
