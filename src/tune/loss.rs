//! What learning is to make small.

use candle_core::{DType, Device, Tensor};

use super::TuneError;
use super::network::Answer;
use crate::Segmenter;
use crate::model::Lesson;

/// Dice plus cross-entropy, and the mean square error of the predicted IoU, of the mask token that
/// answers a lesson; of several, the one with which it is least.
pub(super) fn loss(
    answer: &Answer,
    lesson: &Lesson,
    segmenter: &Segmenter,
) -> Result<Tensor, TuneError> {
    let mut least: Option<(f32, Tensor)> = None;
    for Graded { logits, truth, iou, predicted_iou } in graded(answer, lesson, segmenter)? {
        let loss = (soft_dice(&logits, &truth)? + cross_entropy(&logits, &truth)?)?;
        let error = (predicted_iou - iou)?.sqr()?;
        let loss = (loss + error)?;
        let value = loss.to_scalar::<f32>()?;
        if least.as_ref().is_none_or(|(least, _)| value < *least) {
            least = Some((value, loss));
        }
    }
    least.map(|(_, loss)| loss).ok_or_else(no_masks)
}

/// The Dice of the mask that the network takes to be best.
pub(super) fn dice(
    answer: &Answer,
    lesson: &Lesson,
    segmenter: &Segmenter,
) -> Result<f64, TuneError> {
    let mut best: Option<(f32, f64)> = None;
    for Graded { iou, predicted_iou, .. } in graded(answer, lesson, segmenter)? {
        let predicted = predicted_iou.to_scalar::<f32>()?;
        if best.is_none_or(|(best, _)| predicted > best) {
            best = Some((predicted, 2.0 * iou / (1.0 + iou)));
        }
    }
    best.map(|(_, dice)| dice).ok_or_else(no_masks)
}

/// A mask token's answer beside the truth.
struct Graded {
    /// Over the frame, without padding.
    logits: Tensor,
    truth: Tensor,
    /// The IoU of its mask.
    iou: f64,
    predicted_iou: Tensor,
}

fn graded(
    answer: &Answer,
    lesson: &Lesson,
    segmenter: &Segmenter,
) -> Result<Vec<Graded>, TuneError> {
    let (rows, columns) = lesson.truth.dim();
    let truth = lesson.truth.iter().copied().collect();
    let truth = Tensor::from_vec(truth, (rows, columns), &Device::Cpu)?;
    let mut all = Vec::new();
    for token in segmenter.answering(lesson, answer.logits.dim(0)?) {
        let logits = answer.logits.get(token)?.narrow(0, 0, rows)?.narrow(1, 0, columns)?;
        let inside = logits.gt(0f32)?.to_dtype(DType::F32)?;
        let both = sum((&inside * &truth)?)?;
        let either = sum(inside)? + sum(truth.clone())? - both;
        let iou = if either > 0.0 { both / either } else { 1.0 };
        let predicted_iou = answer.predicted_iou.get(token)?;
        all.push(Graded { logits, truth: truth.clone(), iou, predicted_iou });
    }
    Ok(all)
}

fn sum(values: Tensor) -> Result<f64, TuneError> {
    Ok(f64::from(values.sum_all()?.to_scalar::<f32>()?))
}

/// 1 − 2·Σpt / (Σp² + Σt²), p being the logits' probabilities (Milletari et al., *V-Net*, 2016).
fn soft_dice(logits: &Tensor, truth: &Tensor) -> candle_core::Result<Tensor> {
    let probability = candle_nn::ops::sigmoid(logits)?;
    let both = (&probability * truth)?.sum_all()?;
    let each = (probability.sqr()?.sum_all()? + truth.sqr()?.sum_all()?)?;
    1.0 - ((both * 2.0)? + 1e-5)?.div(&(each + 1e-5)?)?
}

/// The mean binary cross-entropy, in the form that no logit is too large for.
fn cross_entropy(logits: &Tensor, truth: &Tensor) -> candle_core::Result<Tensor> {
    let tail = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    ((logits.relu()? - (logits * truth)?)? + tail)?.mean_all()
}

fn no_masks() -> TuneError {
    TuneError::Network { reason: "it gives no masks".into() }
}
