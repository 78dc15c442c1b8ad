//! Progress bars on standard error, where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use tapseg::convert::Stage;

/// A bar for `total` things, whose number is shown as the template `counter` says.
pub fn bar(name: impl Into<String>, counter: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(name.into());
    let template = format!("{{msg:23}} {{bar:40}} {counter} {{elapsed}}");
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The bar of a conversion: one stage after the other.
pub struct Bar {
    bar: ProgressBar,
    stage: Option<Stage>,
}

impl Bar {
    pub fn new() -> Self {
        Self { bar: ProgressBar::hidden(), stage: None }
    }

    /// Shows that `done` of `total` of `stage` are done.
    pub fn show(&mut self, stage: Stage, done: u64, total: u64) {
        if self.stage != Some(stage) {
            self.clear();
            self.stage = Some(stage);
            let (name, counter) = match stage {
                Stage::Opening => ("reading the checkpoint", "{bytes} of {total_bytes}"),
                Stage::Building => ("building the networks", "{percent} %"),
                Stage::Measuring => ("measuring on frames", "{pos} of {len}"),
                Stage::Rounding => ("rounding weights", "{pos} of {len}"),
                Stage::Quantizing => ("quantizing layers", "{pos} of {len}"),
                Stage::Writing => ("writing the package", "{bytes} of {total_bytes}"),
            };
            self.bar = bar(name, counter, total);
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Takes the bar off the terminal.
    pub fn clear(&mut self) {
        self.bar.finish_and_clear();
        self.stage = None;
    }
}

/// A bar that counts things, whose number is told later, and says how long the rest will take.
pub fn counted(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(what);
    let template = "{bar:40} {pos} of {len} {msg}, {elapsed}, {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
