//! The best and worst answers, asked once more and drawn.

use std::collections::BTreeMap;
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, imageops::FilterType};

use super::super::case::{Answer, Case, ask};
use super::super::dataset::{Dataset, Picture};
use super::super::protocol::Setting;
use crate::model::{ModelError, Segmenter};
use crate::overlay::{SceneObject, draw_still};
use crate::region::RegionChoice;

/// How many of the worst and how many of the best are shown.
const SHOWN: usize = 3;
/// The longest side of a picture, in pixels.
const SIDE: u32 = 400;

/// A picture with the mask that was found and the true one.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The model.
    pub model: String,
    /// What was asked.
    pub setting: Setting,
    /// Whether it is one of the best, or of the worst.
    pub is_best: bool,
    /// How well it fits.
    pub dice: f64,
    /// The picture and the structure.
    pub name: String,
    /// The picture, as a PNG file.
    pub png: Vec<u8>,
}

/// Asks `segmenter`, called `model`, once more for its three worst and three best `cases` in each
/// setting, and draws them.
///
/// # Errors
/// [`ModelError`] where the engine fails.
pub fn best_and_worst(
    segmenter: &Segmenter,
    model: &str,
    dataset: &Dataset,
    cases: &[Case],
    seed: u64,
    region: RegionChoice,
) -> Result<Vec<Shown>, ModelError> {
    let chosen = choose(cases);
    let mut by_item: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, (case, _)) in chosen.iter().enumerate() {
        by_item.entry(item_name(&case.picture)).or_default().push(at);
    }
    let mut shown: Vec<Option<Shown>> = vec![None; chosen.len()];
    for item in &dataset.items {
        let Some(wanted) = by_item.get(item_name(&item.name)) else { continue };
        let mut draw = |picture: Picture| {
            let wanted =
                || wanted.iter().copied().filter(|at| chosen[*at].0.picture == picture.name);
            let mut settings: Vec<Setting> = wanted().map(|at| chosen[at].0.setting).collect();
            settings.sort_unstable();
            settings.dedup();
            if settings.is_empty() {
                return Ok(());
            }
            ask(segmenter, &picture, &settings, seed, region, |answer| {
                let is_it = |at: &usize| is_same(chosen[*at].0, &answer.case);
                if let Some(at) = wanted().find(is_it) {
                    shown[at] = Some(Shown {
                        model: model.to_owned(),
                        setting: answer.case.setting,
                        is_best: chosen[at].1,
                        dice: answer.case.scores.dice,
                        name: name(&answer.case),
                        png: png(&picture, &answer),
                    });
                }
            })
        };
        // What can't be read was told before.
        item.read(&mut vec![], &mut draw)?;
    }
    Ok(shown.into_iter().flatten().collect())
}

/// The worst and the best of each setting; `true` with the best.
fn choose(cases: &[Case]) -> Vec<(&Case, bool)> {
    let mut by_setting: BTreeMap<Setting, Vec<&Case>> = BTreeMap::new();
    cases.iter().for_each(|case| by_setting.entry(case.setting).or_default().push(case));
    let mut chosen = Vec::new();
    for cases in by_setting.values_mut() {
        cases.sort_by(|a, b| a.scores.dice.total_cmp(&b.scores.dice));
        let (worst, best) = cases.split_at(cases.len().div_ceil(2));
        chosen.extend(worst.iter().take(SHOWN).map(|case| (*case, false)));
        chosen.extend(best.iter().rev().take(SHOWN).map(|case| (*case, true)));
    }
    chosen
}

/// The item's name in that of a picture, which may be a slice of it.
fn item_name(picture: &str) -> &str {
    picture.rsplit_once('#').map_or(picture, |(item, _)| item)
}

fn is_same(a: &Case, b: &Case) -> bool {
    let key = |case: &Case| (case.setting, case.repeat, case.structure.clone());
    key(a) == key(b)
}

fn name(case: &Case) -> String {
    match &case.structure {
        Some(structure) => format!("{} ({structure})", case.picture),
        None => case.picture.clone(),
    }
}

fn png(picture: &Picture, answer: &Answer<'_>) -> Vec<u8> {
    let truth = SceneObject {
        mask: Some(answer.truth.clone()),
        points: vec![],
        bounding_box: None,
        colour: 1,
        active: false,
        proposed: false,
        label: None,
    };
    let found = SceneObject {
        mask: Some(answer.found.clone()),
        points: answer.prompt.points.clone(),
        bounding_box: answer.prompt.bounding_box,
        colour: 0,
        active: true,
        proposed: false,
        label: None,
    };
    let drawn =
        DynamicImage::from(draw_still(&picture.frame, vec![truth, found], Vec::new()).to_image());
    let small = drawn.width().max(drawn.height()) <= SIDE;
    let scaled = if small { drawn } else { drawn.resize(SIDE, SIDE, FilterType::Triangle) };
    let mut file = Cursor::new(Vec::new());
    // A picture in memory has nothing that could fail.
    let _ = scaled.write_to(&mut file, ImageFormat::Png);
    file.into_inner()
}
