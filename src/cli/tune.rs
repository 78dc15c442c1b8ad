//! `tapseg tune`: a package's decoder learns from a dataset.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::arguments::LibraryArguments;

/// Fit a package's mask decoder to a dataset
///
/// As SkinSAM does: the image encoder is frozen and runs once a picture, the mask decoder learns with
/// Dice plus cross-entropy from prompts of the kinds that the package takes. A fifth of the dataset's
/// files are held out; learning stops when they gain no more, and the best epoch is written as a new
/// package. Ctrl-C keeps the best so far. The dataset is what tapseg eval reads. Needs a program that
/// was built with --features tune.
#[derive(Args)]
#[command(after_help = "Example:  tapseg tune litemedsam BUSI --out litemedsam-busi\n          \
    tapseg tune litemedsam phantom:seed=1,count=20 --epochs 5 --out tuned\n          \
    tapseg eval BUSI-test --model litemedsam --model ./litemedsam-busi --protocol box")]
#[cfg_attr(not(feature = "tune"), allow(dead_code, reason = "read where it can be done"))]
pub struct Tune {
    /// The package to begin with: a name that tapseg models lists, or a folder
    package: String,

    /// A folder, a .npz file, or phantom:seed=1,count=20,size=640x480, as for tapseg eval
    dataset: String,

    /// The new package's folder
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,

    /// The new package's name; the folder's where not given
    #[arg(long)]
    name: Option<String>,

    /// The most times that all pictures are seen; 0 leaves the decoder as it is, to the byte
    #[arg(long, value_name = "N", default_value = "20")]
    epochs: u32,

    /// Stop after so many epochs without a gain on the held-out pictures
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    patience: u32,

    /// AdamW's learning rate
    #[arg(long, value_name = "RATE", default_value = "1e-4", value_parser = rate)]
    learning_rate: f64,

    /// Decides on what is held out, the order and the prompts
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,

    #[command(flatten)]
    library: LibraryArguments,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| 0.0 < *rate && *rate <= 1.0);
    rate.ok_or_else(|| "a number above 0 and up to 1 is needed, as 1e-4".to_owned())
}

#[cfg(not(feature = "tune"))]
impl Tune {
    pub fn run(self, _: bool) -> Result<()> {
        anyhow::bail!(
            "this program was built without the training library; build it with \
             `cargo install --path . --features tune`, or run it with \
             `cargo run --release --features tune -- tune …`"
        )
    }
}

#[cfg(feature = "tune")]
mod learning {
    use std::ops::ControlFlow;

    use anyhow::Context;
    use indicatif::ProgressBar;
    use tapseg::eval::{Dataset, count_problems};
    use tapseg::tune::{Step, TuneOptions, tune};

    use super::*;
    use crate::cli::interrupt::Interrupt;
    use crate::cli::output;
    use crate::cli::progress::bar;

    impl Tune {
        pub fn run(self, json: bool) -> Result<()> {
            let package = self.library.package(&self.package)?;
            let dataset = Dataset::open(&self.dataset)?;
            let folder = self.out.file_name().context("--out needs the name of a folder")?;
            let name = self.name.clone().unwrap_or_else(|| folder.to_string_lossy().into_owned());
            let options = TuneOptions {
                epochs: self.epochs,
                patience: self.patience,
                learning_rate: self.learning_rate,
                seed: self.seed,
                ..TuneOptions::new(name)
            };
            let interrupt = Interrupt::watch()?;
            let mut shown: (Option<u32>, ProgressBar) = (None, ProgressBar::hidden());
            let mut show = |step| {
                match step {
                    Step::Encoding { done, total } | Step::Learning { done, total, .. } => {
                        let epoch = match step {
                            Step::Learning { epoch, .. } => epoch,
                            _ => 0,
                        };
                        if shown.0 != Some(epoch) {
                            shown.1.finish_and_clear();
                            let what = match epoch {
                                0 => "encoding".to_owned(),
                                epoch => format!("epoch {epoch}"),
                            };
                            shown = (Some(epoch), bar(what, "{pos} of {len}", total as u64));
                        }
                        shown.1.set_position(done as u64);
                    }
                    Step::Epoch { epoch, loss, dice, best } => {
                        shown.1.finish_and_clear();
                        let loss = loss.map_or("      -".into(), |loss| format!("{loss:7.4}"));
                        let mark = if best { "  best" } else { "" };
                        eprintln!("epoch {epoch:>3}  loss {loss}  held-out Dice {dice:.4}{mark}");
                    }
                }
                match interrupt.asked() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            let tuning = tune(&package, &dataset, &options, &self.out, &mut show)?;
            for (kind, count) in count_problems(&tuning.problems) {
                eprintln!("{count} {}", kind.name());
            }
            let tuned = &tuning.tuned;
            if json {
                return output::json(tuned);
            }
            output::line(format_args!(
                "{}: epoch {} of {}'s decoder on {} pictures; Dice on {} held out: {:.4} before, \
                 {:.4} after",
                self.out.display(),
                tuned.epochs,
                tuned.from,
                tuned.pictures,
                tuned.held_out,
                tuned.dice_before,
                tuned.dice_after
            ))
        }
    }
}
