//! Arguments that several verbs share.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use embedded_graphics::geometry::Size;
use tapseg::convert::Preset;
use tapseg::geometry::{FrameBox, FramePoint};
use tapseg::model::{Library, user_data_folder};
use tapseg::prompt::{PointLabel, PromptPoint};
use tapseg::screen::Canvas;
use tapseg::{Package, Segmenter};

/// Where packages are looked for.
#[derive(Args, Debug)]
pub struct LibraryArguments {
    /// A folder of packages to search first; as often as needed
    #[arg(long = "models-dir", value_name = "DIR", global = true)]
    models_dirs: Vec<PathBuf>,
}

impl LibraryArguments {
    /// The packages on the search path.
    pub fn library(&self) -> Library {
        Library::from_environment(self.models_dirs.iter().cloned(), |name| std::env::var_os(name))
    }

    /// The package that `--model` names.
    pub fn package(&self, model: &str) -> Result<Package> {
        let named = || format!("--model {model}");
        self.library().find(model).with_context(named)?.open().with_context(named)
    }

    /// Where a new package goes: the first folder given, or else the user's.
    pub fn destination(&self) -> Result<PathBuf> {
        let user = || Some(user_data_folder(|name| std::env::var_os(name))?.join("models"));
        let folder = self.models_dirs.first().cloned().or_else(user);
        folder.context("there is no home folder to keep models in: give --models-dir")
    }
}

/// Which model.
#[derive(Args, Debug)]
pub struct PackageArguments {
    /// A model package: a name that tapseg models lists, or a folder (./litemedsam for one called
    /// like the one inside the program)
    #[arg(long, value_name = "PACKAGE", default_value = Package::EMBEDDED)]
    model: String,

    #[command(flatten)]
    library: LibraryArguments,
}

impl PackageArguments {
    /// The package that `--model` names.
    pub fn package(&self) -> Result<Package> {
        self.library.package(&self.model)
    }
}

/// Which model, on how many threads.
#[derive(Args, Debug)]
pub struct ModelArguments {
    #[command(flatten)]
    package: PackageArguments,

    /// Threads for the network; all cores where not given
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl ModelArguments {
    /// The loaded model, and how long loading took.
    pub fn load(&self) -> Result<(Segmenter, Duration)> {
        let start = Instant::now();
        let package = self.package.package()?;
        let segmenter = match self.threads {
            Some(threads) => Segmenter::load_with_threads(&package, threads)?,
            None => Segmenter::load(&package)?,
        };
        log::info!("{package:?} loaded in {:.0} ms", milliseconds(start.elapsed()));
        Ok((segmenter, start.elapsed()))
    }
}

/// A preset on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub enum PresetName {
    /// Segment Anything, and what was fine-tuned with its own predictor
    Sam,
    /// MedSAM: squashed to a square, boxes alone
    Medsam,
    /// MobileSAM
    Mobilesam,
    /// LiteMedSAM: 256 pixels, boxes alone
    Litemedsam,
}

impl From<PresetName> for Preset {
    fn from(name: PresetName) -> Self {
        match name {
            PresetName::Sam => Self::Sam,
            PresetName::Medsam => Self::MedSam,
            PresetName::Mobilesam => Self::MobileSam,
            PresetName::Litemedsam => Self::LiteMedSam,
        }
    }
}

/// For JSON and tables, to a tenth of a millisecond.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}

/// Reads `x,y` or `x,y,1` (on the structure), `x,y,0` (off it).
pub fn point(text: &str) -> Result<PromptPoint, String> {
    let (position, label) = match text.split(',').count() {
        3 => text.rsplit_once(',').unwrap_or((text, "")),
        _ => (text, "1"),
    };
    let label = match label.trim() {
        "1" => PointLabel::Positive,
        "0" => PointLabel::Negative,
        other => return Err(format!("the label is {other:?}; give 1 (on it) or 0 (off it)")),
    };
    let [x, y] = numbers(position)?;
    Ok(PromptPoint { position: FramePoint::new(x, y), label })
}

/// Reads `x0,y0,x1,y1`, two opposite corners in any order.
pub fn frame_box(text: &str) -> Result<FrameBox, String> {
    let [x0, y0, x1, y1] = numbers(text)?;
    Ok(FrameBox { x0, y0, x1, y1 })
}

/// Reads `WxH`, a screen's size in pixels.
pub fn screen_size(text: &str) -> Result<Size, String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match sides {
        Some((w, h))
            if (1..=Canvas::MAX_SIDE).contains(&w) && (1..=Canvas::MAX_SIDE).contains(&h) =>
        {
            Ok(Size::new(w, h))
        }
        _ => Err(format!("give width and height as 1280x800, from 1 to {}", Canvas::MAX_SIDE)),
    }
}

fn numbers<const N: usize>(text: &str) -> Result<[f32; N], String> {
    let parsed: Result<Vec<f32>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    let numbers = parsed.map_err(|_| format!("{text:?} is not a list of numbers"))?;
    let found = numbers.len();
    numbers.try_into().map_err(|_| format!("{N} numbers are needed, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_boxes_are_read() {
        let p = point("12,34.5,0").unwrap();
        assert_eq!((p.position.x, p.position.y, p.label), (12.0, 34.5, PointLabel::Negative));
        assert_eq!(point(" 1, 2").unwrap().label, PointLabel::Positive);
        for bad in ["", "1", "1,2,3", "1,2,0,1", "a,b"] {
            assert!(point(bad).is_err(), "{bad}");
        }
        assert_eq!(frame_box("4,3,2,1").unwrap(), FrameBox { x0: 4.0, y0: 3.0, x1: 2.0, y1: 1.0 });
        assert!(frame_box("1,2,3").unwrap_err().contains("4 numbers"));
    }
}
