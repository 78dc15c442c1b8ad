//! Every case as a line of comma-separated values.

use std::io::Write;

use super::super::factors::Factors;
use super::super::summary::{Evaluation, METRICS};

/// Writes every case of an evaluation to `to` as CSV (RFC 4180) with a line of names. What a case
/// doesn't have is empty.
///
/// # Errors
/// What `to` says.
pub fn csv(evaluation: &Evaluation, mut to: impl Write) -> std::io::Result<()> {
    let first = ["model", "picture", "class", "structure", "protocol", "setting", "repeat"];
    let metrics = METRICS.iter().map(|(name, _)| *name);
    let names = first.into_iter().chain(metrics).chain(["predicted_iou"]).chain(Factors::NAMES);
    line(&mut to, names.map(str::to_owned))?;
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
        line(&mut to, whats.into_iter().chain(metrics).chain([predicted]).chain(factors))?;
    }
    to.flush()
}

/// Writes a line; fields with anything that means something in CSV are quoted.
fn line(to: &mut impl Write, fields: impl Iterator<Item = String>) -> std::io::Result<()> {
    let quoted = |field: String| match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    };
    let fields: Vec<_> = fields.map(quoted).collect();
    writeln!(to, "{}", fields.join(","))
}
