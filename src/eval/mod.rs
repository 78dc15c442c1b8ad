//! How well masks fit those of a dataset.
//!
//! A [`Dataset`] gives [`Picture`]s with outlined structures, a [`Protocol`] what is asked about
//! them, [`ask`] the [`Case`]s: prompts with the [`Scores`] of their answers. A [`Journal`] keeps them
//! while a run goes on; an [`Evaluation`] sums them up, and [`report`] writes it as HTML.

mod case;
mod dataset;
mod factors;
mod journal;
mod metrics;
mod protocol;
pub mod report;
mod run;
mod statistics;
mod summary;

pub use case::{Answer, Case, Clicks, ask};
pub use dataset::{
    Dataset, DatasetError, Item, Layout, Picture, Problem, ProblemKind, Structure, count_problems,
};
pub(crate) use dataset::{is_mask, name_in};
pub use factors::Factors;
pub use journal::{Journal, JournalError, Key, ModelKey};
pub use metrics::{NSD_TOLERANCE, Overlap, Scores, surface_dice};
pub use protocol::{MAX_CLICKS, Protocol, Setting, TAPS};
pub use run::{Outcome, evaluate};
pub use statistics::{Correlation, Estimate, LEAST_FOR_P, holm, pearson, spearman, wilcoxon};
pub use summary::{Comparison, Evaluation, FactorRow, METRICS, ModelCases, Row, VolumeRow};
