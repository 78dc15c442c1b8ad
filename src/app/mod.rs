//! Runs a session: the feed's thread, the network's thread, and the loop that draws.
//!
//! The loop runs on the calling thread, because window systems want it there, and waits for
//! nothing but the screen: frames, answers and saved records come through channels.

mod driven;
mod memory;
mod pointer;
mod report;
mod run_loop;
mod work;
mod worker;

use crate::cine::{self, CineLimits};
use crate::clock::Clock;
use crate::feed::{Feed, Rest, spawn_latest_with};
use crate::label::{self, Desk, DeskOptions, LabelSet, Summary};
use crate::machine::give_way;
use crate::measure::Preset;
use crate::overlay::{Arrangement, Hand, Theme};
use crate::screen::{Screen, ScreenError, pixels_per_mm};
use crate::session::{Scale, Session, SessionOptions};
use crate::touch::Script;
use crate::words::Words;

pub use memory::Remembered;
pub use report::{Report, StepReport, Timings};
pub use work::Keeping;
pub use worker::{Predictor, RegionSegmenter};

use run_loop::RunLoop;

/// When a run is over; closing the screen always ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// When the person closes the screen.
    #[default]
    Closed,
    /// When the feed has ended, the script is done, and all is answered and on the screen.
    FeedEnded,
    /// When the script is done, and all is answered and on the screen.
    ScriptDone,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// See [`SessionOptions::refine_with_mask`]; off.
    pub refine_with_mask: bool,
    /// See [`SessionOptions::ahead`]; none.
    pub ahead: Option<f32>,
    /// Bytes of image embeddings kept for returning to a frame; 64 MiB.
    pub cache_bytes: usize,
    /// The hand that points; the right one.
    pub hand: Hand,
    /// Width and height of the screen's lit area in millimetres, where the screen is not to be asked, as it
    /// is where they don't fit the display that is there. By its scale buttons get their size, and what
    /// counts as a finger's wobble.
    pub panel_mm: Option<(f32, f32)>,
    /// See [`SessionOptions::theme`].
    pub theme: Theme,
    /// See [`SessionOptions::words`].
    pub words: Words,
    /// See [`SessionOptions::labels`]; none.
    pub labels: Vec<String>,
    /// The scale at first, in place of the one that is remembered; none.
    pub scale: Option<Scale>,
    /// What is remembered from one start to the next; none, and nothing is, and no guide is shown.
    pub memory: Option<Remembered>,
    /// Pictures drawn per second at most, greater than 0; 60.
    pub max_fps: f32,
    /// The time that all goes by; the machine's.
    pub clock: Clock,
    /// Where records go; nowhere.
    pub keeping: Keeping,
    /// How much of the feed Clip keeps; none, and there is nothing to keep.
    pub clip: Option<CineLimits>,
    /// See [`SessionOptions::presets`].
    pub presets: Vec<Preset>,
    /// What is done as if by a person; nothing.
    pub script: Script,
    /// When it is over; when the screen is closed.
    pub until: Until,
}

impl RunOptions {
    /// Pixels to the millimetre where nobody tells: a desktop's 96 dpi.
    const DESKTOP: f32 = 3.8;

    /// How `screen`, as it is now, is arranged: another display may be plugged in at any time.
    fn arrangement(&self, screen: &dyn Screen) -> Arrangement {
        let told = self.panel_mm.and_then(|mm| pixels_per_mm(screen.size(), mm));
        let pixels_per_mm = told.or_else(|| screen.pixels_per_mm());
        Arrangement { hand: self.hand, pixels_per_mm }
    }
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            refine_with_mask: false,
            ahead: None,
            cache_bytes: 64 << 20,
            hand: Hand::default(),
            panel_mm: None,
            theme: Theme::default(),
            words: Words::default(),
            labels: Vec::new(),
            scale: None,
            memory: None,
            max_fps: 60.0,
            clock: Clock::default(),
            keeping: Keeping::default(),
            clip: None,
            presets: Vec::new(),
            script: Script::default(),
            until: Until::default(),
        }
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The screen is gone.
    #[error(transparent)]
    Screen(#[from] ScreenError),
    /// The system gives no threads.
    #[error("no thread could be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The network's thread stopped.
    #[error("the network stopped at work; please report what it was given")]
    NetworkStopped,
    /// The thread that keeps labels stopped.
    #[error("keeping the labels broke off; what was kept is on the disk")]
    LabelsStopped,
    /// The feed ended without a single picture.
    #[error("the feed showed no picture: {reason}")]
    NoPicture {
        /// What it said last.
        reason: String,
    },
    /// The script waits for a frame that can't come.
    #[error("the script waits for frame {frame}, but {reason}")]
    Script {
        /// The frame's sequence number.
        frame: u64,
        /// Why it can't come.
        reason: &'static str,
    },
}

/// Plays `feed` on `screen` and lets a person, or a script, prompt `predictor`.
///
/// The feed and the predictor each get a thread; when the run ends, these finish what they are at
/// on their own.
///
/// # Errors
/// [`AppError`]. What goes wrong with a frame, a prompt or a record is told on the screen instead.
pub fn run<P: Predictor + 'static>(
    feed: Box<dyn Feed>,
    predictor: P,
    screen: &mut dyn Screen,
    options: RunOptions,
) -> Result<Report, AppError> {
    run_in_two_stages(feed, predictor, None, screen, options)
}

/// As [`run`], with a second, larger predictor that draws what is shown on a frozen frame once more, in
/// the background ([`SessionOptions::refiner`]).
///
/// # Errors
/// As [`run`].
pub fn run_in_two_stages<P: Predictor + 'static>(
    feed: Box<dyn Feed>,
    predictor: P,
    refiner: Option<P>,
    screen: &mut dyn Screen,
    options: RunOptions,
) -> Result<Report, AppError> {
    let remembered = options.memory.clone();
    let session = Session::new(SessionOptions {
        refine_with_mask: options.refine_with_mask,
        ahead: options.ahead,
        source: feed.name().to_owned(),
        model: predictor.id(),
        refiner: refiner.as_ref().map(P::id),
        frame_interval: feed.frame_interval(),
        clips: options.clip.is_some(),
        export: options.keeping.export_to.is_some(),
        presets: options.presets.clone(),
        theme: options.theme,
        words: options.words.clone(),
        labels: options.labels.clone(),
        guide: remembered.as_ref().is_some_and(|remembered| !remembered.guide_was_read()),
        scale: options.scale.clone().or_else(|| remembered.as_ref()?.scale()),
    });
    let (feed, cine) = match options.clip {
        Some(limits) => {
            let (feed, cine) = cine::remember(feed, limits)?;
            (feed, Some(cine))
        }
        None => (feed, None),
    };
    let network = worker::spawn(predictor, options.cache_bytes, || ())?;
    let beside = |refiner| worker::spawn(refiner, options.cache_bytes, give_way);
    let refiner = refiner.map(beside).transpose()?;
    let rest = Rest::default();
    let frames = spawn_latest_with(feed, rest.clone())?;
    RunLoop::new(session, screen, options, frames, network)
        .with_refiner(refiner)
        .with_memory(remembered)
        .with_cine(cine)
        .with_rest(rest)
        .run()
}

/// Shows the pictures of `set` on `screen`, one after the other, and lets a person, or a script, accept,
/// correct and name masks that `predictor` proposes; everything on a new picture is outlined without
/// being asked where `propose` says so. Of `options`, those of records and clips are of no account.
///
/// # Errors
/// [`AppError`]. What goes wrong with a picture, a prompt or a mask is told on the screen instead; what
/// was kept is on the disk in any case, and what was accepted and could not be is among the summary's
/// problems.
pub fn label<P: Predictor + 'static>(
    set: LabelSet,
    propose: bool,
    predictor: P,
    screen: &mut dyn Screen,
    options: RunOptions,
) -> Result<(Report, Summary), AppError> {
    let desk = Desk::new(DeskOptions {
        pictures: set.pictures().to_vec(),
        names: set.names(),
        propose,
        refine_with_mask: options.refine_with_mask,
        model: predictor.name().to_owned(),
        words: options.words.clone(),
    });
    let network = worker::spawn(predictor, options.cache_bytes, || ())?;
    let (errands, outcomes, clerk) = label::spawn(set)?;
    let run_loop = RunLoop::new(desk, screen, options, crossbeam_channel::never(), network);
    let mut run_loop = run_loop.with_errands((errands, outcomes.clone()));
    let report = run_loop.run();
    let mut desk = run_loop.into_session();
    // All that was asked for is done before the dataset is closed, however the run ended.
    let mut set = clerk.join().map_err(|_| AppError::LabelsStopped)?;
    label::settle(&mut desk, &outcomes, &mut set);
    let mut summary = set.close();
    summary.problems.extend(desk.not_kept());
    let report =
        report.inspect_err(|_| summary.problems.iter().for_each(|p| log::error!("{p}")))?;
    Ok((report, summary))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use embedded_graphics::geometry::Size;

    use super::*;
    use crate::screen::{Canvas, ScreenEvent};

    /// A display that states 5 pixels to the millimetre.
    struct Stated(Size);

    impl Screen for Stated {
        fn size(&self) -> Size {
            self.0
        }
        fn pixels_per_mm(&self) -> Option<f32> {
            Some(5.0)
        }
        fn poll(&mut self, _: Duration, _: &mut Vec<ScreenEvent>) -> Result<(), ScreenError> {
            Ok(())
        }
        fn present(&mut self, _: &Canvas) -> Result<(), ScreenError> {
            Ok(())
        }
    }

    #[test]
    fn a_display_that_the_told_size_does_not_fit_is_asked() {
        let scale = |panel_mm, width, height| {
            let options = RunOptions { panel_mm, ..RunOptions::default() };
            options.arrangement(&Stated(Size::new(width, height))).pixels_per_mm.unwrap()
        };
        let told = Some((160.0, 100.0));
        assert_eq!(scale(told, 1280, 800), 8.0);
        assert_eq!(scale(told, 1024, 1024), 5.0, "another display, which is square");
        assert_eq!(scale(None, 1280, 800), 5.0);
    }
}
