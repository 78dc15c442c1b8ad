//! `tapseg models`: which packages there are, and whether they are sound.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tapseg::Package;
use tapseg::model::{MANIFEST_FILE, PackageError};

use super::output;

/// List model packages and verify their checksums
///
/// The package inside the program comes first, then those in the folders given.
#[derive(Args)]
#[command(after_help = "Example:  tapseg models\n          tapseg models ~/packages")]
pub struct Models {
    /// Packages, or folders with packages in them
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
}

impl Models {
    pub fn run(self, json: bool) -> Result<()> {
        let mut found = vec![(PathBuf::from(Package::EMBEDDED), Package::embedded())];
        for folder in &self.folders {
            for place in packages_in(folder)? {
                let package = Package::open(&place);
                found.push((place, package));
            }
        }
        if json {
            let list: Vec<Value> = found.iter().map(|(place, p)| describe(place, p)).collect();
            output::json(&list)?;
        } else {
            for (place, package) in &found {
                print(place, package)?;
            }
        }
        let broken = found.iter().filter(|(_, package)| package.is_err()).count();
        if broken > 0 {
            bail!("{broken} of {} packages can't be used", found.len());
        }
        Ok(())
    }
}

/// `folder` itself if it is a package, else its folders that are.
fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.join(MANIFEST_FILE).is_file() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("can't read the folder {}", folder.display()))?;
    let mut packages = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.join(MANIFEST_FILE).is_file() {
            packages.push(path);
        }
    }
    packages.sort();
    Ok(packages)
}

fn describe(place: &Path, package: &Result<Package, PackageError>) -> Value {
    let place = place.display().to_string();
    match package {
        Ok(p) => {
            let bytes = p.encoder().len() + p.decoder().len();
            json!({"place": place, "ok": true, "bytes": bytes, "manifest": p.manifest()})
        }
        Err(e) => json!({"place": place, "ok": false, "error": e.to_string()}),
    }
}

fn print(place: &Path, package: &Result<Package, PackageError>) -> Result<()> {
    match package {
        Ok(p) => {
            let m = p.manifest();
            let prompts: Vec<String> =
                m.prompts.iter().map(|p| format!("{p:?}").to_lowercase()).collect();
            output::line(format_args!(
                "{}: {} {} {}, {:.1} MB, input {px}x{px}, trained for {}, {}; sound",
                place.display(),
                m.name,
                m.architecture,
                m.weights,
                (p.encoder().len() + p.decoder().len()) as f64 / 1e6,
                prompts.join(" and "),
                m.licence,
                px = m.preprocessing.input_size,
            ))?;
        }
        Err(e) => output::line(format_args!("{}: {e}", place.display()))?,
    }
    Ok(())
}
