//! One model on one item of a dataset.

use serde::{Deserialize, Serialize};

use super::case::{Case, ask};
use super::dataset::{Item, Problem};
use super::protocol::Setting;
use crate::model::{ModelError, Segmenter};
use crate::region::RegionChoice;

/// What came of an item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many pictures were asked about.
    pub pictures: usize,
    /// How many structures are outlined on them.
    pub structures: usize,
    /// What was asked, and how well it was answered.
    pub cases: Vec<Case>,
    /// What could not be asked.
    pub problems: Vec<Problem>,
}

/// Reads `item` and asks `segmenter` about all its pictures in all `settings`, showing it what
/// `region` says.
///
/// # Errors
/// [`ModelError`] where the engine fails. What can't be read is among the problems.
pub fn evaluate(
    segmenter: &Segmenter,
    item: &Item,
    settings: &[Setting],
    seed: u64,
    region: RegionChoice,
) -> Result<Outcome, ModelError> {
    let (mut outcome, mut problems) = (Outcome::default(), Vec::new());
    item.read(&mut problems, |picture| {
        outcome.pictures += 1;
        outcome.structures += picture.structures.len();
        ask(segmenter, &picture, settings, seed, region, |answer| outcome.cases.push(answer.case))
    })?;
    Ok(Outcome { problems, ..outcome })
}
