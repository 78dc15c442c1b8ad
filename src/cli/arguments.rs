//! Arguments that several verbs share.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use embedded_graphics::geometry::Size;
use tapseg::board::Profile;
use tapseg::convert::Preset;
use tapseg::feed::nifti::{NiftiClip, SliceAxis, View, Window, looks_like_nifti};
use tapseg::feed::{self, Clip};
use tapseg::geometry::{FrameBox, FramePoint};
use tapseg::machine::give_way;
use tapseg::model::{Library, user_data_folder};
use tapseg::prompt::{PointLabel, PromptPoint, Scribble};
use tapseg::region::RegionChoice;
use tapseg::screen::Canvas;
use tapseg::{Package, Segmenter};

use super::board::check_precision;

/// Where packages are looked for.
#[derive(Args, Debug)]
pub struct LibraryArguments {
    /// A folder of packages to search first; as often as needed
    #[arg(long = "models-dir", value_name = "DIR", global = true)]
    models_dirs: Vec<PathBuf>,
}

impl LibraryArguments {
    /// The packages on the search path.
    pub fn library(&self) -> Result<Library> {
        for folder in &self.models_dirs {
            ensure!(folder.is_dir(), "--models-dir {}: there is no such folder", folder.display());
        }
        let variable = |name: &str| std::env::var_os(name);
        Ok(Library::from_environment(self.models_dirs.iter().cloned(), variable))
    }

    /// The package that `--model` names.
    pub fn package(&self, model: &str) -> Result<Package> {
        self.package_of("--model", model)
    }

    /// The package that an `argument` names.
    pub fn package_of(&self, argument: &str, model: &str) -> Result<Package> {
        let named = || format!("{argument} {model}");
        self.library()?.find(model).with_context(named)?.open().with_context(named)
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
    /// like the one inside the program); litemedsam, which is inside, where not given
    #[arg(long, value_name = "PACKAGE")]
    model: Option<String>,

    #[command(flatten)]
    library: LibraryArguments,
}

impl PackageArguments {
    /// The package that `--model` names.
    pub fn package(&self) -> Result<Package> {
        self.library.package(self.model.as_deref().unwrap_or(Package::EMBEDDED))
    }
}

/// Which model, on how many threads.
#[derive(Args, Debug)]
pub struct ModelArguments {
    #[command(flatten)]
    package: PackageArguments,

    /// Threads for the network; all cores where not given
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,
}

impl ModelArguments {
    /// Takes from a board's profile what the command line doesn't say. A package that the profile
    /// names must store its weights as the profile expects.
    pub fn fill_from(&mut self, profile: &Profile) -> Result<()> {
        self.threads = self.threads.or(profile.threads);
        if self.package.model.is_none() {
            self.package.model.clone_from(&profile.model);
            check_precision(profile, &self.package.package()?)?;
        }
        Ok(())
    }

    /// The loaded model, and how long loading took.
    pub fn load(&self) -> Result<(Segmenter, Duration)> {
        self.load_package(&self.package.package()?)
    }

    /// Another package of the library, to run in the background on threads that give way to others.
    pub fn load_beside(&self, package: &Package) -> Result<Segmenter> {
        let load = || {
            // Before its threads are started: they do as this one does.
            give_way();
            self.load_package(package).map(|(segmenter, _)| segmenter)
        };
        let loaded = std::thread::scope(|scope| scope.spawn(load).join());
        loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The library that packages are found in.
    pub fn library(&self) -> &LibraryArguments {
        &self.package.library
    }

    fn load_package(&self, package: &Package) -> Result<(Segmenter, Duration)> {
        let start = Instant::now();
        let segmenter = match self.threads {
            Some(threads) => Segmenter::load_with_threads(package, threads)?,
            None => Segmenter::load(package)?,
        };
        log::info!("{package:?} loaded in {:.0} ms", milliseconds(start.elapsed()));
        Ok((segmenter, start.elapsed()))
    }
}

/// Which part of pictures the network is shown.
#[derive(Args, Debug)]
pub struct RegionArguments {
    /// What of the picture the network is shown: auto, the picture without the scanner's margins, text
    /// and rulers where such are found; none, all of it; or X0,Y0,X1,Y1
    #[arg(long, value_name = "REGION", default_value = "auto", value_parser = region, allow_hyphen_values = true)]
    region: RegionChoice,
}

impl RegionArguments {
    pub fn choice(&self) -> RegionChoice {
        self.region
    }
}

fn region(text: &str) -> Result<RegionChoice, String> {
    match text {
        "auto" => Ok(RegionChoice::Auto),
        "none" => Ok(RegionChoice::Whole),
        corners => {
            let b = frame_box(corners).map_err(|e| format!("give auto, none or a box: {e}"))?;
            let corner = |x, y| FramePoint::new(x, y);
            Ok(RegionChoice::Fixed(FrameBox::from_corners(corner(b.x0, b.y0), corner(b.x1, b.y1))))
        }
    }
}

/// How a NIfTI volume is looked at.
#[derive(Args, Debug)]
pub struct VolumeArguments {
    /// The axis of a NIfTI volume that slices are counted along; as stored (k) where not given
    #[arg(long, value_name = "AXIS")]
    axis: Option<AxisName>,

    /// The grey values of a NIfTI volume to show: centre and width. Without: the header's, bytes as
    /// they are, 40,400 for values that reach down to -900, else the 0.5th to the 99.5th percentile
    #[arg(long, value_name = "C,W", value_parser = window, allow_hyphen_values = true)]
    window: Option<Window>,
}

/// An axis on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AxisName {
    Axial,
    Coronal,
    Sagittal,
    I,
    J,
    K,
}

/// A recording, and whether it is a volume.
pub enum Recording {
    Volume(Box<NiftiClip>),
    Other(Box<dyn Clip>),
}

impl VolumeArguments {
    /// Whether any of them is given.
    pub fn is_given(&self) -> bool {
        self.axis.is_some() || self.window.is_some()
    }

    /// Opens what `specs` name, as [`feed::open_clip`] does.
    pub fn open(&self, specs: &[String]) -> Result<Recording> {
        let axis = match self.axis {
            Some(AxisName::Axial) => SliceAxis::Axial,
            Some(AxisName::Coronal) => SliceAxis::Coronal,
            Some(AxisName::Sagittal) => SliceAxis::Sagittal,
            Some(AxisName::I) => SliceAxis::I,
            Some(AxisName::J) => SliceAxis::J,
            Some(AxisName::K) | None => SliceAxis::K,
        };
        if let [one] = specs
            && looks_like_nifti(Path::new(one))
        {
            let volume = NiftiClip::open(Path::new(one), View { axis, window: self.window })?;
            let (codes, shown) = (volume.geometry().axis_codes(), volume.window());
            log::info!("{one}: axes run to {codes}, shown from {} to {}", shown.black, shown.white);
            return Ok(Recording::Volume(Box::new(volume)));
        }
        if self.is_given() {
            let given = specs.join(", ");
            bail!("--axis and --window are for NIfTI volumes (.nii, .nii.gz), not {given}");
        }
        Ok(Recording::Other(feed::open_clip(specs)?))
    }
}

impl Recording {
    pub fn clip(&mut self) -> &mut dyn Clip {
        match self {
            Self::Volume(volume) => volume.as_mut(),
            Self::Other(clip) => clip.as_mut(),
        }
    }

    pub fn into_clip(self) -> Box<dyn Clip> {
        match self {
            Self::Volume(volume) => volume,
            Self::Other(clip) => clip,
        }
    }

    /// Which slice or frame `asked` means: of a volume the middle one where none is asked for, of
    /// others the first.
    pub fn index(&mut self, asked: Option<u64>) -> Result<u64> {
        let volume = matches!(self, Self::Volume(_));
        let clip = self.clip();
        let count = clip.frame_count();
        match (asked, count) {
            (Some(index @ 1..), Some(1)) if !volume => {
                bail!("{} is a single picture: leave out --slice {index}", clip.name())
            }
            (Some(index), Some(count)) if index >= count => {
                bail!("--slice {index}: {} has slices 0 to {}", clip.name(), count - 1)
            }
            (Some(index), _) => Ok(index),
            (None, Some(count)) if volume => Ok(count / 2),
            (None, _) => Ok(0),
        }
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

/// Reads `x,y x,y …`, with `,0` at its end for a stroke off the structure.
pub fn scribble(text: &str) -> Result<Scribble, String> {
    let mut corners: Vec<&str> = text.split_whitespace().collect();
    let last = corners.pop().ok_or("a stroke needs at least one x,y")?;
    let PromptPoint { position: last, label } = point(last)?;
    let path = corners.into_iter().map(|c| numbers(c).map(|[x, y]| FramePoint::new(x, y)));
    Ok(Scribble { path: path.chain([Ok(last)]).collect::<Result<_, _>>()?, label })
}

/// Reads `C,W`, a window's centre and width.
fn window(text: &str) -> Result<Window, String> {
    let [centre, width] = numbers(text)?.map(f64::from);
    Window::centred(centre, width).ok_or_else(|| format!("{text:?}: the width must be above 0"))
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

/// Reads a number of threads.
pub fn threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "give a whole number, at least 1".into())
}

/// Reads a whole number.
pub fn whole(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "give a whole number, at least 0".into())
}

/// Reads a share: a number from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("give a number from 0 to 1".into()),
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

    #[test]
    fn strokes_and_windows_are_read() {
        let stroke = scribble(" 1,2 3.5,4  5,6,0 ").unwrap();
        let path = [(1.0, 2.0), (3.5, 4.0), (5.0, 6.0)].map(|(x, y)| FramePoint::new(x, y));
        assert_eq!((stroke.path, stroke.label), (path.to_vec(), PointLabel::Negative));
        assert_eq!(scribble("1,2").unwrap().label, PointLabel::Positive);
        for bad in ["", "1,2,0 3,4", "1,2 x"] {
            assert!(scribble(bad).is_err(), "{bad}");
        }
        assert_eq!(window("40,400").unwrap(), Window::SOFT_TISSUE);
        assert!(window("40,0").unwrap_err().contains("above 0"));
    }
}
