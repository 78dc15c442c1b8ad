//! `tapseg demo`: a clip plays, a scripted person points, and the outcome is measured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use embedded_graphics::geometry::Size;
use serde::Serialize;
use tapseg::app::{self, RegionSegmenter, Report, RunOptions, StepReport, Until};
use tapseg::feed::images::ImageClip;
use tapseg::feed::phantom::{Phantom, PhantomOptions};
use tapseg::feed::{Clip, Playback, Player, Rate};
use tapseg::geometry::{FrameBox, FramePoint, FrameSize};
use tapseg::overlay::{Button, Layout, Overlay};
use tapseg::region::RegionChoice;
use tapseg::screen::window::WindowScreen;
use tapseg::screen::{Canvas, Screen, ScreenError, ScreenEvent};
use tapseg::touch::{Action, Script, Step, When};
use tapseg::{Frame, Mask};

use super::arguments::{ModelArguments, milliseconds};
use super::output;
use super::prompts::read_mask;
use super::run::print_report;

const SCREEN: Size = Size::new(1280, 800);

/// Play a short real ultrasound clip and outline what is on it
///
/// A scripted person drags a box and taps. Writes a picture of the screen after each step, and
/// prints how well the outlines fit the clip's semi-automatic ones and where the time went.
#[derive(Args)]
#[command(after_help = "Example:  tapseg demo\n          tapseg demo --window")]
pub struct Demo {
    /// The folder to write the pictures to
    #[arg(short, long = "out", value_name = "DIR", default_value = "demo-out")]
    output: PathBuf,

    /// Show it in a window as well, if there is a display
    #[arg(long)]
    window: bool,

    #[command(flatten)]
    model: ModelArguments,
}

/// The outline of a structure on a frame, where it is known.
type Truth = Box<dyn Fn(&Frame, usize) -> Option<Mask>>;

/// What is played, and what is done on it.
struct Exhibit {
    what: String,
    clip: Box<dyn Clip>,
    steps: Vec<DemoStep>,
    truth: Truth,
}

struct DemoStep {
    /// What the table says; steps that change nothing to measure have none.
    title: Option<&'static str>,
    step: Step,
    /// Which of the exhibit's structures is meant.
    structure: usize,
}

/// A line of the table.
#[derive(Serialize)]
struct Line {
    step: &'static str,
    picture: PathBuf,
    frame: String,
    answer_ms: f64,
    predicted_iou: Option<f32>,
    dice: Option<f64>,
}

impl Demo {
    pub fn run(self, json: bool) -> Result<()> {
        output::folder(&self.output)?;
        let Exhibit { what, clip, steps, truth } = exhibit()?;
        let (segmenter, load) = self.model.load()?;
        let model = segmenter.manifest().name.clone();
        if !json {
            output::line(format_args!(
                "{model}, loaded in {:.0} ms; {what}\n",
                milliseconds(load)
            ))?;
        }
        let mut screen: Box<dyn Screen> = Box::new(Unseen);
        if self.window {
            match WindowScreen::open(SCREEN) {
                Ok(window) => screen = Box::new(window),
                Err(e @ ScreenError::NoDisplay { .. }) => eprintln!("without a window: {e}"),
                Err(e) => return Err(e.into()),
            }
        }
        let player = Player::new(clip, Playback { rate: Rate::Native, looping: true })?;
        let options = RunOptions {
            script: Script::new(steps.iter().map(|s| s.step)),
            until: Until::ScriptDone,
            ..RunOptions::default()
        };
        let report = app::run(
            Box::new(player),
            RegionSegmenter::new(segmenter, RegionChoice::Auto),
            screen.as_mut(),
            options,
        )?;
        let mut lines = Vec::new();
        for (planned, done) in steps.iter().zip(&report.steps) {
            if let Some(title) = planned.title {
                let picture = self.output.join(format!(
                    "{}-{}.png",
                    lines.len() + 1,
                    title.replace(' ', "-")
                ));
                draw(done, &picture)?;
                lines.push(line(title, picture, done, |frame| truth(frame, planned.structure)));
            }
        }
        if json {
            let report = serde_json::json!({
                "model": model, "what": what, "load_ms": milliseconds(load),
                "steps": lines, "run": report,
            });
            output::json(&report)?;
        } else {
            print(&lines, &report)?;
        }
        Ok(())
    }
}

/// The real clip where this program was built from its sources, else the simulator.
fn exhibit() -> Result<Exhibit> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clip");
    if folder.is_dir() { clip_exhibit(folder) } else { phantom_exhibit() }
}

/// The eye and the optic nerve behind it.
fn clip_exhibit(folder: PathBuf) -> Result<Exhibit> {
    let clip = ImageClip::open(std::slice::from_ref(&folder))?;
    let eye = FrameBox { x0: 308.0, y0: 80.0, x1: 856.0, y1: 574.0 };
    let at = |x, y| Action::Tap(FramePoint::new(x, y));
    let steps = vec![
        step(Some("box round the eye"), When::Shown(3), Action::Drag(eye), 0),
        step(None, When::Answered, Action::Press(Button::NewObject), 1),
        step(Some("tap on the nerve"), When::Answered, at(582.0, 655.0), 1),
        step(None, When::Answered, Action::Press(Button::LiveFreeze), 0),
        step(Some("tap on the eye"), When::Shown(36), at(580.0, 328.0), 0),
        step(None, When::Answered, Action::Press(Button::Track), 0),
        step(Some("the eye followed live"), When::Shown(66), Action::Press(Button::LiveFreeze), 0),
    ];
    let truth = move |frame: &Frame, structure| {
        let stem = frame.source.strip_suffix(".png")?;
        read_mask(&folder.join(format!("{stem}_mask{structure}.png"))).ok()
    };
    Ok(Exhibit {
        what: "12 frames of real ultrasound of an eye (tests/data/clip)".into(),
        clip: Box::new(clip),
        steps,
        truth: Box::new(truth),
    })
}

/// The simulator's lesion.
fn phantom_exhibit() -> Result<Exhibit> {
    let options = PhantomOptions::default();
    let phantom = Phantom::new(options)?;
    let when = 10;
    let lesion = phantom.truth(when).bounding_box().context("the phantom's lesion is in sight")?;
    let centre = FramePoint::new((lesion.x0 + lesion.x1) / 2.0, (lesion.y0 + lesion.y1) / 2.0);
    let steps = vec![
        step(Some("box round the lesion"), When::Shown(when), Action::Drag(lesion), 0),
        step(None, When::Answered, Action::Press(Button::Clear), 0),
        step(Some("tap on the lesion"), When::Answered, Action::Tap(centre), 0),
        step(None, When::Answered, Action::Press(Button::Track), 0),
        step(
            Some("the lesion followed live"),
            When::Shown(when + 60),
            Action::Press(Button::LiveFreeze),
            0,
        ),
    ];
    let truth = move |frame: &Frame, _| Some(phantom.truth(frame.sequence));
    Ok(Exhibit {
        what: "simulated ultrasound (the clip that comes with the sources is not here)".into(),
        clip: Box::new(Phantom::new(options)?),
        steps,
        truth: Box::new(truth),
    })
}

fn step(title: Option<&'static str>, when: When, action: Action, structure: usize) -> DemoStep {
    DemoStep { title, step: Step { when, action }, structure }
}

/// The screen as it was after a step.
fn draw(step: &StepReport, path: &Path) -> Result<()> {
    let mut canvas = Canvas::new(SCREEN);
    let frame = step.scene.frame.as_ref().map_or(FrameSize::new(0, 0), Frame::size);
    let Ok(()) = Overlay::new().draw(&step.scene, &Layout::new(SCREEN, frame), &mut canvas);
    output::png(path, &canvas.to_image())
}

fn line(
    step: &'static str,
    picture: PathBuf,
    done: &StepReport,
    truth: impl Fn(&Frame) -> Option<Mask>,
) -> Line {
    let frame = done.scene.frame.as_ref();
    let active = done.scene.objects.iter().find(|o| o.active).and_then(|o| o.mask.as_ref());
    let truth = frame.and_then(truth);
    Line {
        step,
        picture,
        frame: frame.map(|f| f.source.to_string()).unwrap_or_default(),
        answer_ms: milliseconds(done.took),
        predicted_iou: done.scene.status.predicted_iou,
        dice: active.zip(truth).map(|(mask, truth)| mask.dice(&truth)),
    }
}

fn print(lines: &[Line], report: &Report) -> Result<()> {
    output::line(format_args!(
        "{:<30}{:<12}{:>10}{:>15}{:>8}   picture",
        "step", "frame", "answer ms", "predicted IoU", "Dice"
    ))?;
    for l in lines {
        let figure = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.3}"));
        output::line(format_args!(
            "{:<30}{:<12}{:>10.0}{:>15}{:>8}   {}",
            l.step,
            l.frame,
            l.answer_ms,
            figure(l.predicted_iou.map(f64::from)),
            figure(l.dice),
            l.picture.display()
        ))?;
    }
    output::line("\nDice is measured against the outlines that come with the feed.\n")?;
    print_report(report)
}

/// A screen nobody looks at: the pictures are drawn from the report.
struct Unseen;

impl Screen for Unseen {
    fn size(&self) -> Size {
        SCREEN
    }

    fn poll(&mut self, timeout: Duration, _: &mut Vec<ScreenEvent>) -> Result<(), ScreenError> {
        std::thread::sleep(timeout);
        Ok(())
    }

    fn present(&mut self, _: &Canvas) -> Result<(), ScreenError> {
        Ok(())
    }
}
