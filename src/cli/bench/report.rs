//! What was measured, as JSON and as a table.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tapseg::machine::{Spread, Sustained};

use super::super::output;
use super::profile::Profile;

/// What was measured with one setting.
#[derive(Clone, Serialize, Deserialize)]
pub struct Report {
    pub model: String,
    pub weights: String,
    pub version: String,
    pub processor: String,
    pub isa: String,
    /// `tapseg`, or `stock` for the engine's own alone.
    pub operators: String,
    pub picture: String,
    pub threads: usize,
    pub load_ms: f64,
    pub preprocess_ms: Spread,
    pub encode_ms: Spread,
    pub decode_ms: Spread,
    /// A tap in the middle of the box, with all of its answers.
    pub decode_tap_ms: Spread,
    pub decode_16_points_ms: f64,
    /// Where not, sixteen points are decoded as tokens all the same.
    pub trained_on_points: bool,
    /// `None` where the system doesn't tell.
    pub peak_rss_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heat: Option<Heat>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<Profile>,
    /// The same of each number of threads, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sweep: Vec<Report>,
}

/// How encoding went on.
#[derive(Clone, Serialize, Deserialize)]
pub struct Heat {
    pub seconds: f64,
    #[serde(flatten)]
    pub encode: Sustained,
    /// Before and after, where the system tells.
    pub temperature_celsius: Option<(f64, f64)>,
    /// Before and after, where the system tells.
    pub frequency_mhz: Option<(f64, f64)>,
}

impl Report {
    pub fn print(&self) -> Result<()> {
        let settings = if self.sweep.is_empty() { std::slice::from_ref(self) } else { &self.sweep };
        output::line(format_args!(
            "{}, {} weights, {} operators, on a picture of {}",
            self.model, self.weights, self.operators, self.picture
        ))?;
        output::line(format_args!(
            "{:>7} {:>8} {:>10} {:>21} {:>20} {:>20} {:>13} {:>8}",
            "threads",
            "load ms",
            "prepare ms",
            "encode ms (min..max)",
            "decode a box ms",
            "a tap ms",
            "16 points ms",
            "peak MB"
        ))?;
        for s in settings {
            let [encode, decode, tap] = [s.encode_ms, s.decode_ms, s.decode_tap_ms]
                .map(|t| format!("{:.0} ({:.0}..{:.0})", t.median, t.min, t.max));
            output::line(format_args!(
                "{:>7} {:>8.0} {:>10.1} {encode:>21} {decode:>20} {tap:>20} {:>13.0} {:>8}",
                s.threads,
                s.load_ms,
                s.preprocess_ms.median,
                s.decode_16_points_ms,
                s.peak()
            ))?;
        }
        if !self.trained_on_points {
            output::line(
                "(it was trained on boxes alone: a tap is decoded through boxes, and the 16 points as \
                 they are, to tell what they cost)",
            )?;
        }
        for (threads, heat) in settings.iter().filter_map(|s| Some((s.threads, s.heat.as_ref()?))) {
            heat.print(threads)?;
        }
        for setting in settings {
            setting.profile.iter().try_for_each(|profile| profile.print(setting.threads))?;
        }
        output::line("\nfor a bug report:")?;
        settings.iter().try_for_each(|s| output::line(s.summary()))
    }

    fn peak(&self) -> String {
        self.peak_rss_mb.map_or("-".into(), |mb| format!("{mb:.0}"))
    }

    /// All in a line.
    fn summary(&self) -> String {
        let heat = self.heat.as_ref();
        let slowdown =
            heat.map(|h| format!(", {:.2}x after {:.0} s", h.encode.slowdown, h.seconds));
        format!(
            "tapseg {} bench: {} {} ({} operators), {} ({}), threads {}: load {:.0}, encode {:.0}, \
             decode {:.0}, a tap {:.0}, 16 points {:.0} ms, {} MB{}",
            self.version,
            self.model,
            self.weights,
            self.operators,
            self.processor,
            self.isa,
            self.threads,
            self.load_ms,
            self.encode_ms.median,
            self.decode_ms.median,
            self.decode_tap_ms.median,
            self.decode_16_points_ms,
            self.peak(),
            slowdown.unwrap_or_default()
        )
    }
}

impl Heat {
    fn print(&self, threads: usize) -> Result<()> {
        let Sustained { count, first_ms, last_ms, slowdown } = self.encode;
        let change = |name: &str, unit: &str, change: Option<(f64, f64)>| {
            change.map_or(String::new(), |(a, b)| format!(", {name} {a:.0} to {b:.0} {unit}"))
        };
        output::line(format_args!(
            "threads {threads}, {:.0} s, {count} encodes: {first_ms:.0} ms in the first fifth, \
             {last_ms:.0} ms in the last, {slowdown:.2} times as long{}{}",
            self.seconds,
            change("temperature", "°C", self.temperature_celsius),
            change("clock", "MHz", self.frequency_mhz),
        ))
    }
}
