//! An evaluation in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::case::Case;
use super::dataset::{Dataset, Layout, Problem};
use super::factors::Factors;
use super::metrics::Overlap;
use super::protocol::{MAX_CLICKS, Protocol, Setting};
use super::statistics::{Correlation, Estimate, holm, pearson, spearman, wilcoxon};

/// A figure of a case.
type Figure = fn(&Case) -> Option<f64>;

/// What is measured of each case, with its name.
pub const METRICS: [(&str, Figure); 8] = [
    ("dice", |case| Some(case.scores.dice)),
    ("iou", |case| Some(case.scores.iou)),
    ("nsd_2px", |case| Some(case.scores.nsd_2px)),
    ("nsd_2mm", |case| case.scores.nsd_2mm),
    ("pixel_accuracy", |case| Some(case.scores.pixel_accuracy)),
    ("oracle_dice", |case| case.oracle_dice),
    ("noc85", |case| case.clicks.as_ref().map(|clicks| clicks.until(0.85) as f64)),
    ("noc90", |case| case.clicks.as_ref().map(|clicks| clicks.until(0.90) as f64)),
];

/// A model and all its cases.
#[derive(Clone, Debug, Serialize)]
pub struct ModelCases {
    /// What it is called.
    pub name: String,
    /// How its weights are stored.
    pub weights: String,
    /// Whether it was trained on points: if not, taps are answered through boxes, and no prompt is
    /// the box of the whole picture.
    pub trained_on_points: bool,
    /// In the dataset's order.
    pub cases: Vec<Case>,
}

/// How well a model does in a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The model.
    pub model: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The setting of it.
    pub setting: Setting,
    /// The class; `None` for all together.
    pub class: Option<String>,
    /// By the name in [`METRICS`]: `mean`, `ci95` (a bootstrap over pictures; `None` of one) and `n`. What no case
    /// has is left out.
    pub metrics: BTreeMap<&'static str, Estimate>,
    /// The mean Dice after each click.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dice_by_click: Vec<f64>,
}

/// Two models in a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The setting.
    pub setting: Setting,
    /// The two models.
    pub models: [String; 2],
    /// On how many pictures.
    pub pictures: usize,
    /// Mean Dice of the second less that of the first, each picture counting once.
    pub dice_difference: f64,
    /// Wilcoxon's signed-rank test over the pictures, two-sided, not corrected for making several.
    pub p: f64,
    /// The same, corrected for all pairs of models in the setting ([`holm`]), where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_holm: Option<f64>,
}

/// How well a model does on whole volumes in a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolumeRow {
    /// The model.
    pub model: String,
    /// The setting.
    pub setting: Setting,
    /// Dice in three dimensions: of all voxels of a structure on the slices on which it is outlined; a
    /// bootstrap over volumes.
    pub dice: Estimate,
}

/// How a factor goes with Dice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactorRow {
    /// The model.
    pub model: String,
    /// The setting.
    pub setting: Setting,
    /// The factor's name in [`Factors`].
    pub factor: &'static str,
    /// Number of structures, each of which counts once: the prompts of one are not independent.
    pub n: usize,
    /// Pearson's correlation with the mean Dice over a structure's prompts.
    pub pearson: Option<Correlation>,
    /// Spearman's correlation of ranks.
    pub spearman: Option<Correlation>,
}

/// An evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The program's version.
    pub tapseg: &'static str,
    /// The dataset, as it was given.
    pub dataset: String,
    /// How it lies on the disk.
    pub layout: Layout,
    /// Decides on all that is random.
    pub seed: u64,
    /// Pictures that were evaluated.
    pub pictures: usize,
    /// Structures that were outlined on them.
    pub structures: usize,
    /// What could not be evaluated.
    pub problems: Vec<Problem>,
    /// Models by settings, and by classes where there are several.
    pub results: Vec<Row>,
    /// Models by settings, of volumes; empty where the dataset has none.
    pub volumes: Vec<VolumeRow>,
    /// Each pair of models in each setting.
    pub comparisons: Vec<Comparison>,
    /// Each factor, for each model and setting.
    pub factors: Vec<FactorRow>,
    /// All cases.
    pub models: Vec<ModelCases>,
}

impl Evaluation {
    /// Sums up what `models` answered in `settings` about `structures` on `pictures` of `dataset`.
    pub fn new(
        dataset: &Dataset,
        (pictures, structures): (usize, usize),
        problems: Vec<Problem>,
        seed: u64,
        settings: &[Setting],
        models: Vec<ModelCases>,
    ) -> Self {
        let first = models.first().map_or(&[][..], |model| &model.cases);
        let mut classes: Vec<&str> =
            first.iter().filter_map(|case| case.class.as_deref()).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut results = Vec::new();
        let mut factors = Vec::new();
        let mut volumes = Vec::new();
        for (setting, model) in settings.iter().flat_map(|s| models.iter().map(move |m| (*s, m))) {
            results.push(row(model, setting, None, seed));
            results.extend(classes.iter().map(|class| row(model, setting, Some(class), seed)));
            factors.extend(factor_rows(model, setting));
            volumes.extend(volume_row(model, setting, seed));
        }
        // A class may have no case where its structures are asked about.
        results.retain(|row| !row.metrics.is_empty());
        let comparisons = settings.iter().flat_map(|setting| compare(&models, *setting)).collect();
        Self {
            tapseg: env!("CARGO_PKG_VERSION"),
            dataset: dataset.name.clone(),
            layout: dataset.layout,
            seed,
            pictures,
            structures,
            problems,
            results,
            volumes,
            comparisons,
            factors,
            models,
        }
    }
}

/// Cases by picture, in the order in which the pictures come.
fn groups<'a>(cases: impl Iterator<Item = &'a Case>) -> Vec<(&'a str, Vec<&'a Case>)> {
    let mut groups: Vec<(&str, Vec<&Case>)> = Vec::new();
    for case in cases {
        match groups.last_mut().filter(|(picture, _)| *picture == case.picture) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((&case.picture, vec![case])),
        }
    }
    groups
}

fn row(model: &ModelCases, setting: Setting, class: Option<&str>, seed: u64) -> Row {
    let wanted = |case: &&Case| {
        case.setting == setting && (class.is_none() || case.class.as_deref() == class)
    };
    let groups = groups(model.cases.iter().filter(wanted));
    let estimate = |figure: Figure| {
        let values: Vec<Vec<f64>> = groups
            .iter()
            .map(|(_, cases)| cases.iter().filter_map(|case| figure(case)).collect())
            .collect();
        Estimate::bootstrap(&values, seed)
    };
    let metrics = METRICS.iter().filter_map(|(name, figure)| Some((*name, estimate(*figure)?)));
    let metrics: BTreeMap<_, _> = metrics.collect();
    let clicks: Vec<_> = groups
        .iter()
        .flat_map(|(_, cases)| cases)
        .filter_map(|case| case.clicks.as_ref())
        .collect();
    let after = |click: usize| {
        clicks.iter().map(|clicks| clicks.dice[click]).sum::<f64>() / clicks.len() as f64
    };
    let dice_by_click =
        if clicks.is_empty() { vec![] } else { (0..MAX_CLICKS).map(after).collect() };
    Row {
        model: model.name.clone(),
        protocol: setting.protocol(),
        setting,
        class: class.map(str::to_owned),
        metrics,
        dice_by_click,
    }
}

fn mean_dice(cases: &[&Case]) -> f64 {
    cases.iter().map(|case| case.scores.dice).sum::<f64>() / cases.len() as f64
}

fn factor_rows(model: &ModelCases, setting: Setting) -> Vec<FactorRow> {
    let mut structures: BTreeMap<(&str, Option<&str>), Vec<&Case>> = BTreeMap::new();
    for case in model.cases.iter().filter(|case| case.setting == setting) {
        structures.entry((&case.picture, case.structure.as_deref())).or_default().push(case);
    }
    let dice: Vec<f64> = structures.values().map(|cases| mean_dice(cases)).collect();
    let row = |(at, factor): (usize, &&'static str)| {
        let values = structures.values().map(|cases| cases[0].factors.values()[at]);
        let values: Vec<f64> = values.collect();
        FactorRow {
            model: model.name.clone(),
            setting,
            factor,
            n: values.len(),
            pearson: pearson(&values, &dice),
            spearman: spearman(&values, &dice),
        }
    };
    Factors::NAMES.iter().enumerate().map(row).collect()
}

fn compare(models: &[ModelCases], setting: Setting) -> Vec<Comparison> {
    let means = |model: &ModelCases| -> Vec<f64> {
        let groups = groups(model.cases.iter().filter(|case| case.setting == setting));
        groups.iter().map(|(_, cases)| mean_dice(cases)).collect()
    };
    let mut comparisons = Vec::new();
    for (at, first) in models.iter().enumerate() {
        for second in &models[at + 1..] {
            // All models are asked the same about the same pictures, in the same order.
            let pairs = means(first).into_iter().zip(means(second));
            let differences: Vec<f64> = pairs.map(|(a, b)| b - a).collect();
            let pictures = differences.len();
            if pictures > 0 {
                comparisons.push(Comparison {
                    setting,
                    models: [first.name.clone(), second.name.clone()],
                    pictures,
                    dice_difference: differences.iter().sum::<f64>() / pictures as f64,
                    p: wilcoxon(&differences),
                    p_holm: None,
                });
            }
        }
    }
    if comparisons.len() > 1 {
        let p: Vec<f64> = comparisons.iter().map(|comparison| comparison.p).collect();
        for (comparison, p) in comparisons.iter_mut().zip(holm(&p)) {
            comparison.p_holm = Some(p);
        }
    }
    comparisons
}

/// Dice by volume, where slices of volumes were asked about.
fn volume_row(model: &ModelCases, setting: Setting, seed: u64) -> Option<VolumeRow> {
    // By volume, then structure and repeat, what the slices have together.
    let mut volumes: BTreeMap<&str, BTreeMap<(&Option<String>, u32), Overlap>> = BTreeMap::new();
    for case in model.cases.iter().filter(|case| case.setting == setting) {
        let Some(volume) = &case.volume else { continue };
        let structures = volumes.entry(volume).or_default();
        structures.entry((&case.structure, case.repeat)).or_default().add(case.overlap);
    }
    let groups: Vec<Vec<f64>> = volumes
        .into_values()
        .map(|structures| structures.into_values().map(|overlap| overlap.dice()).collect())
        .collect();
    let dice = Estimate::bootstrap(&groups, seed)?;
    Some(VolumeRow { model: model.name.clone(), setting, dice })
}

#[cfg(test)]
mod tests;
