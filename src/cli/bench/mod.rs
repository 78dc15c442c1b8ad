//! `tapseg bench`: how fast a package is on this machine.

mod profile;
mod report;
mod run;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tapseg::geometry::FrameBox;

use self::report::Report;
use super::arguments::{PackageArguments, frame_box, threads};
use super::output;

/// Measure how fast a package is on this machine, and how much memory it takes
///
/// A picture is encoded, and a box, a tap in its middle and sixteen points are decoded on it, several
/// times each. Times are in milliseconds: load, from reading the package until it can encode; encode,
/// the image encoder; decode, from a prompt to its masks at the picture's size. Megabytes are the most
/// that the program had resident. The last line is for bug reports.
#[derive(Args)]
#[command(after_help = "Example:  tapseg bench --threads 1,4 --seconds 120")]
pub struct Bench {
    #[command(flatten)]
    package: PackageArguments,

    /// Threads for the network; several numbers are measured one after the other, each in a process
    /// of its own. All cores where not given
    // The last one given holds, which is how one of several is asked for.
    #[arg(long, value_name = "N,N…", value_delimiter = ',', value_parser = threads,
        overrides_with = "threads")]
    threads: Vec<NonZeroUsize>,

    /// How often the picture is encoded and each prompt decoded
    #[arg(long, value_name = "N", default_value = "5")]
    runs: NonZeroUsize,

    /// Go on encoding for so long, and tell how much slower it gets as the processor gets hot
    #[arg(long, value_name = "S")]
    seconds: Option<NonZeroUsize>,

    /// Tell what each operator takes, how many multiplications it does, and how much of what this
    /// machine can do at best that is
    #[arg(long)]
    profile: bool,

    /// Leave out tapseg's own operators, to tell what they gain: needs a package in standard ones,
    /// as tapseg convert --plain makes it. A tap head stays tapseg's own
    #[arg(long)]
    stock: bool,

    /// The picture: PNG, JPEG, BMP, TIFF, DICOM or NIfTI; a simulated one where not given
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,

    /// The box to decode: two opposite corners in the picture's pixels; one in its middle where not
    /// given
    #[arg(long = "box", value_name = "X0,Y0,X1,Y1", value_parser = frame_box, allow_hyphen_values = true)]
    bounding_box: Option<FrameBox>,
}

impl Bench {
    pub fn run(self, json: bool) -> Result<()> {
        let report = match self.threads.as_slice() {
            [] => run::measure(&self, all_cores())?,
            // More threads than cores gain nothing, and are not made.
            [one] => run::measure(&self, (*one).min(all_cores()))?,
            several => sweep(several)?,
        };
        if json { output::json(&report) } else { report.print() }
    }
}

fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Measures each number of threads in a process of its own, so that none finds memory or caches as
/// another left them; all are within the report of the first.
fn sweep(threads: &[NonZeroUsize]) -> Result<Report> {
    let program = std::env::current_exe().context("can't find the program to start it again")?;
    let mut sweep = Vec::with_capacity(threads.len());
    for threads in threads {
        let given = std::env::args_os().skip(1).filter(|argument| argument != "--json");
        let output = Command::new(&program)
            .args(given)
            .args(["--json", "--threads", &threads.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("can't start the program again")?;
        ensure!(output.status.success(), "measuring {threads} threads failed");
        let report: Report = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("what was measured on {threads} threads can't be read"))?;
        sweep.push(report);
    }
    let first = sweep.first().cloned().context("there is nothing to measure")?;
    Ok(Report { sweep, ..first })
}
