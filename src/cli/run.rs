//! `tapseg run`: the main job, a live picture to point at.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;
use tapseg::app::{self, RegionSegmenter, Remembered, Report, RunOptions, Timings, Until};
use tapseg::board::Profile;
use tapseg::feed::capture::CaptureSpec;
use tapseg::feed::{self, Feed, Rate};
use tapseg::measure::Preset;
use tapseg::model::{PromptKind, user_data_folder};
use tapseg::session::Scale;

use super::arguments::{ModelArguments, RegionArguments, VolumeArguments, share};
use super::keeping::KeepingArguments;
use super::look::LookArguments;
use super::scale::{ScaleArguments, Scaled};
use super::screens::ScreenArguments;
use super::service::Attended;
use super::{board, feeds, output};

/// Show a feed, and outline what is tapped on it
///
/// Tap a structure, or drag a box round it: the picture freezes and the structure is outlined.
/// Tap again to refine, press long for a point off it; two fingers look closer. "Live" goes back to
/// the feed, "Track" too, with the outlines following it. "Save" keeps the picture, "Clip" the last
/// seconds. "Calliper" measures by hand, "Hide" shows the picture without outlines. "More ..." has the
/// rest: "Records" shows what was kept, "Scale" tells how large a pixel is, "Region" what the network
/// looks at, "Help" what fingers can do.
///
/// Keys: space Live or Freeze, s Save, c Clip, m Calliper, o Hide, r Records, h or ? Help, Backspace
/// Undo or Back.
#[derive(Args)]
#[command(after_help = "Example:  tapseg run --feed clip.dcm --loop\n          \
    tapseg run --feed liver.nii.gz --axis coronal --window 40,400\n          \
    tapseg run --feed phantom\n          \
    tapseg run --feed phantom --screen drm --touch auto,swap,invert-x --rotate 90\n          \
    tapseg run --feed /dev/video0\n          \
    tapseg run --feed v4l --keep-free 10% --export-to /media/usb\n          \
    tapseg run --feed v4l --hand left --theme day --language zh --labels lesion,cyst\n          \
    tapseg run --board raspberry-pi-5 --feed clip.dcm --loop\n          \
    tapseg run --feed frames/ --fps 15 --screen picture:shown")]
pub struct Run {
    /// A folder or list of pictures, a DICOM file, a NIfTI volume, the simulator:
    /// phantom[:seed=N,size=WxH,fps=F], or a capture device: /dev/video0, v4l for the first one,
    /// v4l:by-id/…, v4l:by-path/… or v4l:by-name/…, with ,size=WxH,fps=F,format=YUYV behind it where
    /// the best is not wanted
    #[arg(long, required_unless_present_any = ["board", "list_feeds"], num_args = 1.., value_name = "SPEC")]
    feed: Vec<String>,

    /// List the capture devices with their formats, sizes and rates, and do nothing else
    #[arg(long)]
    list_feeds: bool,

    /// How this board is set up, where the other arguments don't say: raspberry-pi-4,
    /// raspberry-pi-5, jetson-orin-nano, generic-arm64, pc, one of yours in /etc/tapseg/boards, a path
    /// to a .toml file, or auto to go by the device tree
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,

    #[command(flatten)]
    volume: VolumeArguments,

    #[command(flatten)]
    screen: ScreenArguments,

    #[command(flatten)]
    look: LookArguments,

    /// Frames a second of a recording, or max for as fast as they can be had; its own rate where not
    /// given
    #[arg(long, value_name = "FPS", value_parser = rate)]
    fps: Option<Rate>,

    /// Begin again when the feed has ended
    #[arg(long = "loop")]
    looping: bool,

    /// Stop after so many frames of the feed
    #[arg(long, value_name = "N")]
    frames: Option<u64>,

    #[command(flatten)]
    keeping: KeepingArguments,

    /// The share of the time in which live frames are encoded ahead, for a minute after each touch, so
    /// that a tap on a fresh one is answered at once: from 0, never, to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    ahead: f64,

    /// A second, larger model package, such as SAM ViT-B: it draws what is shown on a frozen picture once
    /// more, in the background, and its outline takes the place of the first one, marked as refined
    #[arg(long, value_name = "PACKAGE")]
    refine_with: Option<String>,

    #[command(flatten)]
    region: RegionArguments,

    #[command(flatten)]
    scale: ScaleArguments,

    #[command(flatten)]
    model: ModelArguments,

    /// The scale at first, for pictures as large as the first: the name of a [[preset]] of the board's
    /// profile
    #[arg(long, value_name = "NAME", conflicts_with = "spacing")]
    preset: Option<String>,

    /// Those of the board's profile.
    #[arg(skip)]
    presets: Vec<Preset>,
}

impl Run {
    pub fn run(mut self, json: bool) -> Result<()> {
        if self.list_feeds {
            return feeds::list(json);
        }
        if let Some(board) = &self.board {
            let profile = board::profile(board)?;
            board::keep_within(&profile)?;
            self.fill_from(&profile)?;
        }
        let labels = self.look.labels()?;
        let preset = self.preset.as_deref().map(|name| self.preset(name)).transpose()?;
        // What is said here holds, whatever was set on the screen before.
        let said = |spacing| Scale { size: None, spacing, ruler: None };
        let scale = preset.or(self.scale.spacing.map(said));
        let (feed, endless) = feeds::open(&self.feed, &self.volume, self.fps, self.looping)?;
        if self.screen.is_picture() && endless && self.frames.is_none() {
            bail!("the feed never ends and would fill the disk with pictures: give --frames N");
        }
        let feed = Limited { feed, left: self.frames };
        // The spacing is the session's to put on frames of the size that it is for.
        let feed = Scaled { feed, scale: ScaleArguments { spacing: None, ..self.scale } };
        // The screen first: without one there is no point in loading a model.
        let mut screen = Attended::new(self.screen.open()?)?;
        let (segmenter, _) = self.model.load()?;
        let refiner = self.refiner()?;
        // Nobody reads guides on picture files.
        let memory = memory_folder().filter(|_| !self.screen.is_picture());
        let memory = memory.map(|folder| Remembered::new(folder, &whole_name(&self.feed)));
        let options = RunOptions {
            refine_with_mask: segmenter.manifest().was_trained_for(PromptKind::Mask),
            keeping: self.keeping.keeping(self.region.choice()),
            presets: self.presets,
            // Nobody taps on picture files.
            clip: self.keeping.clip().filter(|_| !self.screen.is_picture()),
            ahead: (self.ahead > 0.0 && !self.screen.is_picture()).then_some(self.ahead as f32),
            until: match self.screen.is_picture() || self.frames.is_some() {
                true => Until::FeedEnded,
                false => Until::Closed,
            },
            hand: self.look.hand(),
            panel_mm: self.look.panel_mm(&screen)?,
            theme: self.look.theme(),
            words: self.look.words(),
            labels,
            scale,
            memory,
            ..RunOptions::default()
        };
        let predictor = RegionSegmenter::new(segmenter, self.region.choice());
        let feed = Box::new(feed);
        let report = app::run_in_two_stages(feed, predictor, refiner, &mut screen, options)?;
        // The text console is there again before anything is printed on it.
        drop(screen);
        if json {
            output::json(&report)?;
        } else {
            print_report(&report)?;
        }
        Ok(())
    }

    fn refiner(&self) -> Result<Option<RegionSegmenter>> {
        let Some(name) = &self.refine_with else { return Ok(None) };
        let package = self.model.library().package_of("--refine-with", name)?;
        let segmenter = self.model.load_beside(&package)?;
        Ok(Some(RegionSegmenter::new(segmenter, self.region.choice())))
    }

    /// The scale of the preset of this name.
    fn preset(&self, name: &str) -> Result<Scale> {
        let names: Vec<&str> = self.presets.iter().map(|preset| preset.name.as_str()).collect();
        ensure!(
            !names.is_empty(),
            "--preset {name:?}: there are no presets; give --board with a profile that has some as \
             [[preset]]"
        );
        match self.presets.iter().find(|preset| preset.name == name) {
            Some(preset) => Ok(Scale::of(preset)),
            None => bail!("--preset {name:?}: there is none of this name; there are {names:?}"),
        }
    }

    /// Takes from a board's profile what the command line doesn't say.
    fn fill_from(&mut self, profile: &Profile) -> Result<()> {
        let name = &profile.name;
        if self.feed.is_empty() {
            self.feed.extend(profile.feed.clone());
        }
        ensure!(!self.feed.is_empty(), "board profile {name} names no feed: give --feed");
        self.presets.extend(profile.presets.iter().cloned());
        self.keeping.blank_text |= profile.blank_text;
        self.refine_with = self.refine_with.take().or_else(|| profile.refine_with.clone());
        self.screen.fill_from(profile)?;
        self.look.fill_from(profile)?;
        self.model.fill_from(profile)
    }
}

/// Where it is remembered what was set on the screen: the service's own folder, or the user's.
fn memory_folder() -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let own = variable("STATE_DIRECTORY").map(PathBuf::from);
    Some(own.or_else(|| user_data_folder(variable))?.join("state"))
}

/// What a run did, and where its time went.
pub fn print_report(report: &Report) -> Result<()> {
    output::line(format_args!(
        "{} frames shown, {} encoded, {} found encoded",
        report.frames_shown, report.encode.count, report.cache_hits
    ))?;
    output::line(format_args!(
        "{:<10}{:>7}{:>10}{:>10}{:>10}",
        "", "times", "min ms", "median", "max"
    ))?;
    let rows: [(&str, Timings); 5] = [
        ("encode", report.encode),
        ("decode", report.decode),
        ("draw", report.draw),
        ("present", report.present),
        ("latency", report.latency),
    ];
    let live = report.latency.count > 0;
    for (name, t) in rows.into_iter().filter(|(name, _)| live || *name != "latency") {
        output::line(format_args!(
            "{name:<10}{:>7}{:>10.1}{:>10.1}{:>10.1}",
            t.count, t.min_ms, t.median_ms, t.max_ms
        ))?;
    }
    Ok(())
}

/// The name a feed is remembered by: files by their whole paths, since many have the same name, and capture
/// devices by the place that was given, since what it leads to has another number after each plugging in.
fn whole_name(feed: &[String]) -> String {
    let whole = |spec: &String| match CaptureSpec::parse(spec) {
        Ok(Some(device)) => device.place.to_string(),
        _ => fs::canonicalize(spec).map_or(spec.clone(), |path| path.display().to_string()),
    };
    feed.iter().map(whole).collect::<Vec<_>>().join("\n")
}

/// A feed that ends after some frames.
struct Limited {
    feed: Box<dyn Feed>,
    left: Option<u64>,
}

impl Feed for Limited {
    fn name(&self) -> &str {
        self.feed.name()
    }

    fn frame_interval(&self) -> Option<std::time::Duration> {
        self.feed.frame_interval()
    }

    fn next_frame(&mut self) -> Result<Option<tapseg::Frame>, feed::FeedError> {
        match &mut self.left {
            Some(0) => return Ok(None),
            Some(left) => *left -= 1,
            None => {}
        }
        self.feed.next_frame()
    }
}

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "max" => Ok(Rate::Unpaced),
        _ => match text.parse() {
            Ok(fps) if fps > 0.0 && f64::is_finite(fps) => Ok(Rate::Fps(fps)),
            _ => Err("give a number greater than 0, or max".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_remembered_by_what_stays_the_same() {
        let name = |spec: &str| whole_name(&[spec.to_owned()]);
        let by_id = "/dev/v4l/by-id/usb-Grabber-index0";
        assert_eq!(name("v4l:by-id/usb-Grabber-index0,size=640x480,fps=30"), by_id);
        assert_eq!(name(by_id), by_id);
        // A link, as those of devices are.
        assert_eq!(name("/dev/fd"), "/dev/fd");
        assert_eq!(name("no/such/file"), "no/such/file");
        let folder = env::current_dir().unwrap().canonicalize().unwrap();
        let file = folder.join("Cargo.toml").display().to_string();
        assert_eq!(name("src/../Cargo.toml"), file);
        let several = whole_name(&["Cargo.toml".into(), "no/such/file".into()]);
        assert_eq!(several, format!("{file}\nno/such/file"));
    }
}
