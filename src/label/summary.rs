//! What a dataset holds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::pictures::Picture;
use super::{KeptMask, Origin};
use crate::percentile::percentile;

/// What a dataset holds, and how long it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Pictures in the folder.
    pub pictures: usize,
    /// Pictures that are done.
    pub finished: usize,
    /// The names of pictures that could not be read when they were wanted last.
    pub unreadable: Vec<String>,
    /// Masks.
    pub masks: usize,
    /// Masks by name.
    pub names: BTreeMap<String, usize>,
    /// Masks by how they came about.
    pub origins: BTreeMap<Origin, usize>,
    /// The median of the seconds that masks took, of an even number the mean of the middle two; `None`
    /// without masks.
    pub median_seconds: Option<f64>,
    /// The seconds that all masks took.
    pub total_seconds: f64,
    /// What is not on the disk though it should be, a sentence each.
    pub problems: Vec<String>,
}

impl Summary {
    pub(super) fn of<'a>(
        pictures: &[Picture],
        masks: impl ExactSizeIterator<Item = &'a KeptMask>,
    ) -> Self {
        let unreadable = pictures.iter().filter(|picture| picture.unreadable);
        let mut summary = Self {
            pictures: pictures.len(),
            finished: pictures.iter().filter(|picture| picture.finished).count(),
            unreadable: unreadable.map(Picture::name).collect(),
            masks: masks.len(),
            ..Self::default()
        };
        let mut seconds: Vec<f64> = Vec::with_capacity(summary.masks);
        for KeptMask { about, .. } in masks {
            *summary.names.entry(about.name.clone()).or_default() += 1;
            *summary.origins.entry(about.origin).or_default() += 1;
            seconds.push(about.seconds);
        }
        seconds.sort_by(f64::total_cmp);
        summary.median_seconds = percentile(&seconds, 0.5);
        summary.total_seconds = seconds.iter().sum();
        summary
    }
}
