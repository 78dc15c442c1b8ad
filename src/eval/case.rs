//! Asking a model, and what came of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dataset::{Picture, Structure};
use super::factors::Factors;
use super::metrics::{Overlap, Scores};
use super::protocol::{MAX_CLICKS, Setting, deepest, tight_box};
use crate::distance::depths;
use crate::mask::Mask;
use crate::model::{ImageEmbedding, MaskCandidate, Masks, ModelError, PromptKind, Segmenter};
use crate::prompt::{MaskPrompt, PointLabel, Prompt, PromptError};
use crate::region::{RegionChoice, RegionFinder};

/// A prompt and how well its answer fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The picture's name in the dataset.
    pub picture: String,
    /// The volume that it is a slice of, if it is one.
    pub volume: Option<String>,
    /// The structure's class, or else the picture's, where there are classes.
    pub class: Option<String>,
    /// The structure; `None` where it is all of the picture's.
    pub structure: Option<String>,
    /// What was asked.
    pub setting: Setting,
    /// Tells several prompts of a setting on a structure apart, counted from 0.
    pub repeat: u32,
    /// How well the first of the masks fits; of clicks the mask after the last.
    pub scores: Scores,
    /// The pixels of that mask and of the true one.
    pub overlap: Overlap,
    /// Dice of the candidate that fits best, of points without a box.
    pub oracle_dice: Option<f64>,
    /// The model's own estimate of the first mask's IoU; none where several masks were joined.
    pub predicted_iou: Option<f32>,
    /// What the clicks gave, one after the other.
    pub clicks: Option<Clicks>,
    /// About the structure.
    pub factors: Factors,
}

/// What the mask was like after each click: [`MAX_CLICKS`] values. Where nothing was wrong any more,
/// the last stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clicks {
    /// Its Dice.
    pub dice: Vec<f64>,
    /// Its IoU.
    pub iou: Vec<f64>,
}

impl Clicks {
    /// NoC: the number of clicks until the IoU is at least `target`; [`MAX_CLICKS`] where it never is.
    pub fn until(&self, target: f64) -> usize {
        let reached = self.iou.iter().position(|iou| *iou >= target);
        reached.map_or(MAX_CLICKS, |at| at + 1)
    }
}

/// A case with what there was to see.
pub struct Answer<'a> {
    /// The case.
    pub case: Case,
    /// What was asked; empty where nothing was.
    pub prompt: &'a Prompt,
    /// The mask that was scored.
    pub found: &'a Mask,
    /// The true one.
    pub truth: &'a Mask,
}

/// Asks `segmenter` about `picture`, which is encoded once, in all `settings`, and hands out what
/// came of it. The network is shown what `region` says, and all of the picture where a prompt lies
/// outside. What is random follows from `seed` and the names of picture and structure.
///
/// # Errors
/// [`ModelError`] where the engine fails.
pub fn ask(
    segmenter: &Segmenter,
    picture: &Picture,
    settings: &[Setting],
    seed: u64,
    region: RegionChoice,
    each: impl FnMut(Answer<'_>),
) -> Result<(), ModelError> {
    let region = RegionFinder::new(region).of(&picture.frame)?;
    let embedding = segmenter.set_image_in(&picture.frame, region)?;
    let masks = || picture.structures.iter().map(|structure| &structure.mask);
    let all = union(masks());
    let factors = |mask| Factors::of(&picture.frame, mask);
    let structures: Vec<(&Structure, Factors)> =
        picture.structures.iter().zip(masks().map(factors)).collect();
    let all = (&all, factors(&all));
    let mut asking = Asking { segmenter, picture, structures, embedding, whole: None, each };
    for setting in settings.iter().copied() {
        match setting {
            Setting::AllStructures => asking.all_structures(all)?,
            Setting::Unprompted => asking.unprompted(all)?,
            Setting::Clicks => asking.clicks()?,
            _ => asking.prompts(setting, seed)?,
        }
    }
    Ok(())
}

/// What is inside any of the masks, of which there is at least one, all of the same size.
fn union<'a>(mut masks: impl Iterator<Item = &'a Mask>) -> Mask {
    let Some(first) = masks.next() else { unreachable!("a picture has a structure") };
    let mut pixels = first.pixels().to_vec();
    for mask in masks {
        pixels.iter_mut().zip(mask.pixels()).for_each(|(all, one)| *all |= one);
    }
    Mask::from_pixels(first.size(), pixels)
}

struct Asking<'a, E> {
    segmenter: &'a Segmenter,
    picture: &'a Picture,
    structures: Vec<(&'a Structure, Factors)>,
    embedding: ImageEmbedding,
    /// Of all of the picture, once it was needed beside that of a region.
    whole: Option<ImageEmbedding>,
    each: E,
}

impl<E: FnMut(Answer<'_>)> Asking<'_, E> {
    fn predict(&mut self, prompt: &Prompt) -> Result<Masks, ModelError> {
        match self.segmenter.predict(&self.embedding, prompt) {
            Err(ModelError::Prompt(PromptError::PointOutsideRegion { .. })) => {}
            answer => return answer,
        }
        let whole = match self.whole.take() {
            Some(whole) => whole,
            None => self.segmenter.set_image(&self.picture.frame)?,
        };
        self.segmenter.predict(self.whole.insert(whole), prompt)
    }

    fn prompts(&mut self, setting: Setting, seed: u64) -> Result<(), ModelError> {
        for (structure, factors) in self.structures.clone() {
            for (repeat, prompt) in (0..).zip(setting.prompts(self.picture, structure, seed)) {
                let masks = self.predict(&prompt)?;
                let truth = &structure.mask;
                let best = masks.best();
                let mut case = self.case(setting, Some(structure), factors, &best.mask, truth);
                case.repeat = repeat;
                case.predicted_iou = Some(best.predicted_iou);
                case.oracle_dice = prompt.bounding_box.is_none().then(|| oracle(&masks, truth));
                (self.each)(Answer { case, prompt: &prompt, found: &best.mask, truth });
            }
        }
        Ok(())
    }

    fn all_structures(&mut self, (truth, factors): (&Mask, Factors)) -> Result<(), ModelError> {
        let mut found = Vec::new();
        for structure in &self.picture.structures {
            let prompt = Prompt::default().in_box(tight_box(&structure.mask));
            found.push(self.predict(&prompt)?.best().mask.clone());
        }
        let found = union(found.iter());
        let case = self.case(Setting::AllStructures, None, factors, &found, truth);
        (self.each)(Answer { case, prompt: &Prompt::default(), found: &found, truth });
        Ok(())
    }

    fn unprompted(&mut self, (truth, factors): (&Mask, Factors)) -> Result<(), ModelError> {
        let masks = self.segmenter.predict_unprompted(&self.embedding)?;
        let best = masks.best();
        let mut case = self.case(Setting::Unprompted, None, factors, &best.mask, truth);
        case.predicted_iou = Some(best.predicted_iou);
        (self.each)(Answer { case, prompt: &Prompt::default(), found: &best.mask, truth });
        Ok(())
    }

    /// Clicks as Sofiiuk et al. (2022) simulate them: in the middle of the largest error, which is the
    /// one that reaches deepest, positive where something is missing and negative where something is
    /// too much; never twice on the same pixel. A model that was trained on points refines its last
    /// mask.
    fn clicks(&mut self) -> Result<(), ModelError> {
        let refines = self.segmenter.manifest().was_trained_for(PromptKind::Point);
        for (structure, factors) in self.structures.clone() {
            let truth = &structure.mask;
            let mut prompt = Prompt::default();
            let mut last: Option<MaskCandidate> = None;
            let nothing = Mask::from_pixels(truth.size(), vec![0; truth.size().pixels()]);
            let mut clicks = Clicks { dice: vec![], iou: vec![] };
            while clicks.iou.len() < MAX_CLICKS {
                let found = last.as_ref().map_or(&nothing, |candidate| &candidate.mask);
                if let Some((at, label)) = next_click(found, truth, &prompt) {
                    prompt = prompt.point(at, label);
                    if let Some(candidate) = last.as_ref().filter(|_| refines) {
                        let logits = Arc::clone(&candidate.low_res_logits);
                        prompt = prompt.refining(MaskPrompt::LowResLogits(logits));
                    }
                    let masks = self.predict(&prompt)?;
                    last = masks.candidates.into_iter().next();
                }
                let found = last.as_ref().map_or(&nothing, |candidate| &candidate.mask);
                clicks.dice.push(found.dice(truth));
                clicks.iou.push(found.iou(truth));
            }
            let found = last.as_ref().map_or(&nothing, |candidate| &candidate.mask);
            let mut case = self.case(Setting::Clicks, Some(structure), factors, found, truth);
            case.predicted_iou = last.as_ref().map(|candidate| candidate.predicted_iou);
            case.clicks = Some(clicks);
            (self.each)(Answer { case, prompt: &prompt, found, truth });
        }
        Ok(())
    }

    fn case(
        &self,
        setting: Setting,
        structure: Option<&Structure>,
        factors: Factors,
        found: &Mask,
        truth: &Mask,
    ) -> Case {
        Case {
            picture: self.picture.name.clone(),
            volume: self.picture.volume.clone(),
            class: structure.and_then(|s| s.class.clone()).or_else(|| self.picture.class.clone()),
            structure: structure.map(|s| s.name.clone()),
            setting,
            repeat: 0,
            scores: Scores::of(found, truth, self.picture.frame.pixel_spacing),
            overlap: Overlap::of(found, truth),
            oracle_dice: None,
            predicted_iou: None,
            clicks: None,
            factors,
        }
    }
}

/// Dice of the candidate that fits best.
fn oracle(masks: &Masks, truth: &Mask) -> f64 {
    let dice = masks.candidates.iter().map(|candidate| candidate.mask.dice(truth));
    dice.fold(0.0, f64::max)
}

/// Where the next click goes; `None` where nothing is wrong that was not clicked on.
fn next_click(
    found: &Mask,
    truth: &Mask,
    prompt: &Prompt,
) -> Option<(crate::FramePoint, PointLabel)> {
    let errors = |wanted: fn(u8, u8) -> bool| {
        let pixels = found.pixels().iter().zip(truth.pixels());
        let wrong = pixels.map(|(found, truth)| u8::from(wanted(*found, *truth))).collect();
        let mut depths = depths(&Mask::from_pixels(truth.size(), wrong));
        for clicked in prompt.points.iter().map(|point| point.position) {
            depths[clicked.y as usize * truth.size().width as usize + clicked.x as usize] = 0.0;
        }
        deepest(&depths, truth.size())
    };
    let (missing, missing_depth) = errors(|found, truth| found == 0 && truth != 0);
    let (surplus, surplus_depth) = errors(|found, truth| found != 0 && truth == 0);
    if missing_depth.max(surplus_depth) == 0.0 {
        None
    } else if missing_depth >= surplus_depth {
        Some((missing, PointLabel::Positive))
    } else {
        Some((surplus, PointLabel::Negative))
    }
}
