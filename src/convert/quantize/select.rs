//! Which layers stay in f16 so that the masks agree.

use std::path::Path;

use super::measure::Inputs;
use super::rounding::Rounded;
use super::{Calibration, Kept, WeightPrecision, store_as};
use crate::convert::error::ConvertError;
use crate::convert::networks::Networks;
use crate::convert::{Progress, Stage};
use crate::fidelity::{Baseline, Fidelity};
use crate::model::{Package, PromptKind, Segmenter};
use crate::onnx::layers::linear_layers;

/// The linear layers of `networks`, which are in f32, to be left in f16 so that the mean mask IoU
/// with f32 reaches the target: the fewest of those to which int8 adds most noise, those of the
/// decoder last; all of them where even that is not enough. Found by halving, as if more layers in f16 never made masks worse.
pub(super) fn kept_in_f16(
    networks: &Networks,
    inputs: &Inputs,
    rounded: &Rounded,
    calibration: &Calibration,
    target: f64,
    progress: Progress<'_>,
) -> Result<Kept, ConvertError> {
    let mut ranked: Vec<(f64, String)> = linear_layers(&networks.encoder)
        .into_iter()
        .map(|layer| {
            let ratio = inputs.signal_to_noise(&networks.encoder, &layer, rounded);
            (ratio.unwrap_or(f64::INFINITY), layer.name)
        })
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let decoder = linear_layers(&networks.decoder).into_iter().map(|layer| layer.name);
    let order: Vec<String> = ranked.into_iter().map(|(_, name)| name).chain(decoder).collect();

    let rounds = 3 + order.len().max(1).ilog2() as u64;
    let total = rounds * calibration.cases.len() as u64;
    let mut done = 0;
    let mut tick = || {
        done += 1;
        progress(Stage::Measuring, done, total.max(done));
    };
    let exact = networks.clone().in_memory(Path::new("f32"))?;
    let baseline = {
        let segmenter = Segmenter::load(&exact)?;
        Baseline::new(&exact, &segmenter, calibration.cases.clone(), |_| tick())?
    };
    drop(exact);
    let mut measure = |kept: usize| -> Result<f64, ConvertError> {
        let mut stored = networks.clone();
        store_as(
            &mut stored,
            WeightPrecision::Int8,
            rounded,
            false,
            &order[..kept],
            &mut |_, _| (),
        );
        let package = stored.in_memory(Path::new("int8"))?;
        let fidelity =
            baseline.compare(&package, &Segmenter::load(&package)?, vec![], |_| tick())?;
        let agreement = agreement(&package, &fidelity);
        log::info!("{kept} layers in f16: mean mask IoU {agreement:.4}");
        Ok(agreement)
    };
    let kept = |layers: usize, mask_iou| {
        Ok(Kept { layers: order[..layers].to_vec(), mask_iou: Some(mask_iou) })
    };
    let none = measure(0)?;
    if none >= target {
        return kept(0, none);
    }
    let (mut too_few, mut enough) = (0, order.len());
    let mut reached = measure(enough)?;
    while reached >= target && enough - too_few > 1 {
        let middle = (too_few + enough) / 2;
        match measure(middle)? {
            mask_iou if mask_iou >= target => (enough, reached) = (middle, mask_iou),
            _ => too_few = middle,
        }
    }
    kept(enough, reached)
}

/// The mean mask IoU of the prompts the model was trained for.
fn agreement(package: &Package, fidelity: &Fidelity) -> f64 {
    let boxes = fidelity.box_mask_iou.mean;
    match package.manifest().was_trained_for(PromptKind::Point) {
        true => boxes.min(fidelity.point_mask_iou.mean),
        false => boxes,
    }
}
