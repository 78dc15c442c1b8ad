//! `tapseg models check`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use tapseg::convert::float_twin;

use super::super::arguments::LibraryArguments;
use super::super::{fidelity, output};

/// Measure what storing a package smaller cost: masks, embeddings and layers against f32
#[derive(Args)]
#[command(
    after_help = "Example:  tapseg models check litemedsam --images frames --reference lite_medsam.pth"
)]
pub struct Check {
    /// Its name, or its folder
    #[arg(value_name = "NAME")]
    name: String,

    /// Pictures to measure on (NAME.png, with outlines as NAME_mask0.png…), or `phantom` for
    /// simulated ones
    #[arg(long, value_name = "DIR", default_value = fidelity::PHANTOM)]
    images: PathBuf,

    /// The checkpoint the package was made of, or the same model as a package in f32; where not
    /// given, the package's own weights in f32, so that what rounding them cost isn't measured
    #[arg(long, value_name = "CHECKPOINT|NAME")]
    reference: Option<String>,

    /// A folder for fidelity.json and fidelity.svg
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Check {
    pub fn run(self, library: &LibraryArguments, json: bool) -> Result<()> {
        let library = library.library()?;
        let package = library.find(&self.name)?.open()?;
        let cases = fidelity::cases(&self.images)?;
        let reference = match &self.reference {
            Some(file) if PathBuf::from(file).is_file() => {
                fidelity::in_f32(file.as_ref(), package.manifest())?
            }
            Some(name) => {
                let reference = library.find(name)?.open()?;
                let [size, stored] = [&reference, &package].map(|p| p.manifest().preprocessing.input_size);
                if reference.manifest().weights != "f32" || size != stored {
                    bail!(
                        "--reference {name} is {} with an input of {size} pixels; needed is the same \
                         model in f32, with an input of {stored}",
                        reference.manifest().weights
                    );
                }
                reference
            }
            None => float_twin(&package)?.with_context(|| {
                let name = &self.name;
                format!(
                    "{name} has no int8 layers of tapseg's own, so that there is nothing to compare \
                     within it; give --reference CHECKPOINT"
                )
            })?,
        };
        let measured = fidelity::measure(&reference, &package, cases)?;
        if let Some(folder) = &self.output {
            fidelity::write(&measured, folder)?;
        }
        if json {
            return output::json(&measured);
        }
        if self.reference.is_none() {
            output::line(
                "against its own weights in f32: what rounding them cost is not measured; \
                 --reference CHECKPOINT measures that too",
            )?;
        }
        fidelity::print(&measured)
    }
}
