//! `tapseg track`: a structure carried along a clip, as it would be on a live picture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use tapseg::feed::phantom::Phantom;
use tapseg::feed::{self, Clip};
use tapseg::model::{MaskCandidate, ModelError};
use tapseg::region::{Region, RegionFinder};
use tapseg::track::{Structure, TrackLimits, TrackScore, TrackedFrame, Tracker};
use tapseg::{Frame, Mask, Prompt, Segmenter};

use super::arguments::{ModelArguments, RegionArguments, milliseconds, whole};
use super::prompts::{PromptArguments, read_mask};
use super::segment::{overlay_picture, write_mask};
use super::{output, progress};

/// Carry a structure along a clip, as on a live picture
///
/// The structure is prompted on the first frame and then follows the picture from frame to frame;
/// whenever the network is free it corrects the outline. With --encode-ms the network is as slow as it
/// is on some board, and its answers come late. Writes mask-0000.png and overlay-0000.png of each frame
/// and result.json. Of the phantom, and with --truth, the figures say how well it went.
#[derive(Args)]
#[command(after_help = "Example:  tapseg track clip.dcm --box 310,222,400,300 -o out\n          \
    tapseg track phantom:seed=3 --frames 200 --encode-ms 800 -o out")]
pub struct Track {
    /// A DICOM clip, a folder of pictures, or phantom:…
    input: String,

    /// The frame that the prompt is on, from 0
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole)]
    start: u64,

    /// How many frames; all where not given, 100 of the phantom
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,

    /// Frames a second, where the clip doesn't state it
    #[arg(long, value_name = "RATE", default_value_t = 20.0, value_parser = rate)]
    fps: f64,

    /// How long the network takes for a frame, in milliseconds of the clip's time: its answer is there
    /// so much later, and the frames meanwhile aren't encoded
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = whole)]
    encode_ms: u64,

    #[command(flatten)]
    prompt: PromptArguments,

    #[command(flatten)]
    region: RegionArguments,

    /// A folder with the true masks: NAME_mask0.png, NAME_mask1.png… for a frame NAME.png, without one
    /// where the structure isn't to be seen. The structure is that which fits best on the first frame
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,

    /// The folder to write to
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArguments,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=1000.0).contains(&rate) => Ok(rate),
        _ => Err("give a number from 0.1 to 1000".into()),
    }
}

/// The content of `result.json`.
#[derive(Serialize)]
struct Report {
    input: String,
    model: String,
    frames: Vec<FrameReport>,
    /// `None` where the truth isn't known.
    score: Option<TrackScore>,
    /// What a frame takes that isn't encoded, on this machine.
    follow_ms: f64,
    /// What one takes that is.
    correct_ms: f64,
    /// How many were.
    encoded: usize,
}

#[derive(Serialize)]
struct FrameReport {
    frame: u64,
    found: bool,
    area_px: u64,
    dice: Option<f64>,
}

impl Track {
    pub fn run(self, json: bool) -> Result<()> {
        let mut clip = feed::open_clip(std::slice::from_ref(&self.input))?;
        let last = self.last(clip.as_ref())?;
        let truth = Truth::open(&self.input, self.truth.as_deref())?;
        let interval =
            clip.frame_interval().unwrap_or_else(|| Duration::from_secs_f64(1.0 / self.fps));
        let mut frame = |index: u64| -> Result<Frame> {
            let mut frame = clip.frame(index)?;
            frame.captured_at = interval.saturating_mul((index - self.start) as u32);
            Ok(frame)
        };
        let first = frame(self.start)?;
        self.region.choice().on(first.size())?;
        let prompt = self.first_prompt(&first, &truth)?;
        output::folder(&self.output)?;
        let (segmenter, _) = self.model.load()?;
        self.prompt.check_for(segmenter.manifest())?;
        let mut finder = RegionFinder::new(self.region.choice());
        let found = predicted(&segmenter, &first, finder.of(&first)?, &prompt)?;
        if found.mask.bounding_box().is_none() {
            bail!("nothing was found at the prompt on frame {}: try another", self.start);
        }
        let which = truth.best(&first, &found.mask)?;

        let result = self.output.join("result.json");
        output::remove_report(&result)?;
        let structure = Structure { id: 0, found, prompted: prompt.bounding_box };
        let latency = Duration::from_millis(self.encode_ms);
        let mut board =
            Board { segmenter: &segmenter, finder, latency, busy: None, took: Vec::new() };
        let mut tracker = Tracker::new(&first, [structure], TrackLimits::default());
        let (mut reports, mut scored, mut follow) = (Vec::new(), Vec::new(), Vec::new());
        let bar = progress::bar("tracking", "{pos} of {len}", last - self.start + 1);
        for index in self.start..=last {
            let now = if index == self.start { first.clone() } else { frame(index)? };
            if index > self.start {
                let started = Instant::now();
                tracker.advance(&now);
                follow.push(started.elapsed());
            }
            board.work(&mut tracker, &now)?;
            let found = tracker.tracked().pop().and_then(|tracked| tracked.found);
            let mask = found.map(|found| found.mask);
            let dice = match which {
                Some(which) => {
                    let truth = truth.mask(&now, which)?;
                    let compared =
                        TrackedFrame::compare(now.captured_at, mask.as_ref(), truth.as_ref());
                    scored.push(compared);
                    compared.dice
                }
                None => None,
            };
            self.write(&now, mask.as_ref(), index)?;
            let area_px = mask.as_ref().map_or(0, Mask::area_px);
            reports.push(FrameReport { frame: index, found: mask.is_some(), area_px, dice });
            bar.inc(1);
        }
        bar.finish_and_clear();
        let report = Report {
            input: self.input.clone(),
            model: segmenter.manifest().name.clone(),
            frames: reports,
            score: which.map(|_| TrackScore::of(&scored)),
            follow_ms: median_ms(follow),
            encoded: board.took.len(),
            correct_ms: median_ms(board.took),
        };
        let text = serde_json::to_string_pretty(&report)?;
        output::file(&result, text.as_bytes())?;
        if json { output::line(&text) } else { self.print(&report) }
    }

    /// The index of the last frame.
    fn last(&self, clip: &dyn Clip) -> Result<u64> {
        let count = clip.frame_count();
        if let Some(count) = count.filter(|count| self.start >= *count) {
            bail!("--start {}: {} has frames 0 to {}", self.start, clip.name(), count - 1);
        }
        let wanted = self.frames.or(count.is_none().then_some(100));
        let end = wanted.map_or(u64::MAX, |frames| self.start.saturating_add(frames));
        Ok(end.min(count.unwrap_or(u64::MAX)) - 1)
    }

    /// What was asked for, or else the phantom's lesion.
    fn first_prompt(&self, first: &Frame, truth: &Truth) -> Result<Prompt> {
        if !self.prompt.is_empty() {
            return self.prompt.prompt(first.size());
        }
        let lesion = match truth {
            Truth::Phantom(phantom) => phantom.truth(first.sequence).bounding_box(),
            _ => None,
        };
        let lesion = lesion.context("say what to track: give --point or --box")?;
        Ok(Prompt::default().in_box(lesion))
    }

    fn write(&self, frame: &Frame, mask: Option<&Mask>, index: u64) -> Result<()> {
        let nothing = Mask::from_pixels(frame.size(), vec![0; frame.size().pixels()]);
        let mask = mask.unwrap_or(&nothing);
        write_mask(mask, &self.output.join(format!("mask-{index:04}.png")))?;
        let path = self.output.join(format!("overlay-{index:04}.png"));
        output::png(&path, &overlay_picture(frame, Prompt::default(), mask))
    }

    fn print(&self, report: &Report) -> Result<()> {
        let found = report.frames.iter().filter(|f| f.found).count();
        output::line(format_args!(
            "{} on {}: {found} of {} frames outlined, written to {}",
            report.model,
            report.input,
            report.frames.len(),
            self.output.display()
        ))?;
        if let Some(s) = &report.score {
            output::line(format_args!(
                "Dice {:.3} (least {:.3}, drift {:+.3}), lost {:.0} %, false {:.0} %, longest wrong {:.2} s",
                s.mean_dice,
                s.least_dice,
                s.drift,
                100.0 * s.lost_rate,
                100.0 * s.false_rate,
                s.longest_wrong_s
            ))?;
        }
        output::line(format_args!(
            "{:.1} ms to follow a frame; {:.0} ms for each of the {} that were encoded",
            report.follow_ms, report.correct_ms, report.encoded
        ))
    }
}

/// The network as slow as on some board.
struct Board<'a> {
    segmenter: &'a Segmenter,
    finder: RegionFinder,
    latency: Duration,
    /// What is being encoded, and until when.
    busy: Option<(Frame, Duration)>,
    took: Vec<Duration>,
}

impl Board<'_> {
    /// What happens at the time of frame `now`: an answer that is due is taken, and a network that is
    /// free begins with this frame.
    fn work(&mut self, tracker: &mut Tracker, now: &Frame) -> Result<()> {
        if self.busy.is_none() {
            self.busy = Some((now.clone(), now.captured_at + self.latency));
        }
        let Some((frame, _)) = self.busy.take_if(|(_, until)| *until <= now.captured_at) else {
            return Ok(());
        };
        let started = Instant::now();
        let embedding = self.segmenter.set_image_in(&frame, self.finder.of(&frame)?)?;
        for (id, question) in tracker.questions(&frame) {
            // What left the region isn't asked for: it is lost soon if it doesn't come back.
            match self.segmenter.predict(&embedding, &question.prompt()) {
                Ok(answer) => tracker.correct(id, question, &frame, &answer),
                Err(ModelError::Prompt(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.took.push(started.elapsed());
        if !self.latency.is_zero() {
            self.busy = Some((now.clone(), now.captured_at + self.latency));
        }
        Ok(())
    }
}

fn predicted(
    segmenter: &Segmenter,
    frame: &Frame,
    region: Option<Region>,
    prompt: &Prompt,
) -> Result<MaskCandidate> {
    let embedding = segmenter.set_image_in(frame, region)?;
    Ok(segmenter.predict(&embedding, prompt)?.best().clone())
}

fn median_ms(mut durations: Vec<Duration>) -> f64 {
    durations.sort();
    durations.get(durations.len() / 2).map_or(0.0, |d| milliseconds(*d))
}

/// What is known to be on the frames.
enum Truth {
    Unknown,
    Phantom(Box<Phantom>),
    /// Files of masks, by the frame's name without ending and the structure.
    Files(BTreeMap<(String, usize), PathBuf>),
}

impl Truth {
    fn open(input: &str, folder: Option<&Path>) -> Result<Self> {
        let phantom = input.strip_prefix("phantom").map(|rest| rest.trim_start_matches(':'));
        match (folder, phantom) {
            (None, Some(options)) => Ok(Self::Phantom(Box::new(Phantom::from_options(options)?))),
            (None, None) => Ok(Self::Unknown),
            (Some(folder), _) => {
                let named = || format!("--truth {}", folder.display());
                let mut files = BTreeMap::new();
                for entry in std::fs::read_dir(folder).with_context(named)? {
                    let path = entry.with_context(named)?.path();
                    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
                    if let Some((name, number)) = stem.rsplit_once("_mask")
                        && let Ok(number) = number.parse()
                    {
                        files.insert((name.to_owned(), number), path.clone());
                    }
                }
                if files.is_empty() {
                    bail!("{}: no NAME_mask0.png… there", named());
                }
                Ok(Self::Files(files))
            }
        }
    }

    /// Which structure `mask` fits best on `frame`.
    fn best(&self, frame: &Frame, mask: &Mask) -> Result<Option<usize>> {
        let Self::Files(files) = self else {
            return Ok(matches!(self, Self::Phantom(_)).then_some(0));
        };
        let name = stem(frame);
        let mut best = (f64::NEG_INFINITY, None);
        for (_, number) in files.keys().filter(|(of, _)| *of == name) {
            if let Some(truth) = self.mask(frame, *number)? {
                let dice = truth.dice(mask);
                if dice > best.0 {
                    best = (dice, Some(*number));
                }
            }
        }
        match best.1 {
            Some(number) => Ok(Some(number)),
            None => bail!("--truth: there is no {name}_mask0.png… for the first frame"),
        }
    }

    fn mask(&self, frame: &Frame, which: usize) -> Result<Option<Mask>> {
        match self {
            Self::Unknown => Ok(None),
            Self::Phantom(phantom) => Ok(Some(phantom.truth(frame.sequence))),
            Self::Files(files) => {
                let Some(path) = files.get(&(stem(frame), which)) else { return Ok(None) };
                let mask = read_mask(path)?;
                if mask.size() != frame.size() {
                    bail!("{} is {}, its frame {}", path.display(), mask.size(), frame.size());
                }
                Ok(Some(mask))
            }
        }
    }
}

/// The name of a frame's file without its ending.
fn stem(frame: &Frame) -> String {
    let name = Path::new(&*frame.source);
    name.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned()
}
