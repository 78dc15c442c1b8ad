//! Every case as a line of comma-separated values.

use std::io::Write;

use super::super::factors::Factors;
use super::super::summary::{Evaluation, METRICS};

/// Writes every case of an evaluation to `to` as CSV (RFC 4180) with a line of names. What a case
/// doesn't have is empty.
///
/// # Errors
/// What `to` says.
pub fn csv(evaluation: &Evaluation, to: impl Write) -> std::io::Result<()> {
    let mut table = csv::Writer::from_writer(to);
    let first = ["model", "picture", "class", "structure", "protocol", "setting", "repeat"];
    let metrics = METRICS.iter().map(|(name, _)| *name);
    let names = first.into_iter().chain(metrics).chain(["predicted_iou"]).chain(Factors::NAMES);
    table.write_record(names)?;
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.6}"));
    for (model, case) in evaluation.models.iter().flat_map(|m| m.cases.iter().map(move |c| (m, c)))
    {
        let whats = [
            model.name.clone(),
            case.picture.clone(),
            case.class.clone().unwrap_or_default(),
            case.structure.clone().unwrap_or_default(),
            format!("{:?}", case.setting.protocol()).to_lowercase(),
            case.setting.name().to_owned(),
            case.repeat.to_string(),
        ];
        let metrics = METRICS.iter().map(|(_, figure)| number(figure(case)));
        let predicted = number(case.predicted_iou.map(f64::from));
        let factors = case.factors.values().map(|value| number(Some(value)));
        table.write_record(whats.into_iter().chain(metrics).chain([predicted]).chain(factors))?;
    }
    table.flush()
}
