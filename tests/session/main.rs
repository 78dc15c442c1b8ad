//! The whole loop with a network that only sleeps, a screen in memory and a feed of plain colours.

mod interface;
mod kept;
mod killed;
mod live;
mod networks;
mod records;
mod screens;
mod soak;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use embedded_graphics::geometry::{Point, Size};
use ndarray::Array2;

use tapseg::app::{
    AppError, Keeping, Predictor, Remembered, Report, RunOptions, Until, label, run,
    run_in_two_stages,
};
use tapseg::cine::CineLimits;
use tapseg::feed::{Feed, FeedError};
use tapseg::label::LabelSet;
use tapseg::measure::Preset;
use tapseg::model::ModelError;
use tapseg::overlay::{Button, Layout};
use tapseg::screen::{Canvas, Key, PointerEvent, PointerPhase, Screen, ScreenError, ScreenEvent};
use tapseg::touch::{Action, Script, Step, When};
use tapseg::{
    Frame, FrameBox, FramePoint, FrameSize, Mask, MaskCandidate, Masks, PixelSpacing, Prompt,
    SizeBytes,
};

const SIZE: FrameSize = FrameSize::new(120, 90);
const SCREEN: Size = Size::new(640, 480);
const BOX: FrameBox = FrameBox { x0: 20.0, y0: 20.0, x1: 80.0, y1: 60.0 };

/// Frames of one grey each, told by their sequence number; colours repeat after `colours`.
struct Colours {
    next: u64,
    count: u64,
    colours: u64,
    interval: Duration,
}

impl Colours {
    fn new(count: u64, colours: u64) -> Self {
        Self { next: 0, count, colours, interval: Duration::from_millis(15) }
    }
}

impl Feed for Colours {
    fn name(&self) -> &str {
        "colours"
    }

    fn frame_interval(&self) -> Option<Duration> {
        Some(self.interval)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
        std::thread::sleep(self.interval);
        if self.next == self.count {
            return Ok(None);
        }
        let grey = (self.next % self.colours) as u8;
        let mut frame = Frame::from_rgb(SIZE, vec![grey; SIZE.pixels() * 3]).unwrap();
        frame.sequence = self.next;
        self.next += 1;
        Ok(Some(frame))
    }
}

/// What the network was asked, and when.
#[derive(Default)]
struct Log {
    encoded: Vec<(Frame, Instant)>,
    decoded: Vec<Prompt>,
}

/// Sleeps, then answers with the whole frame.
#[derive(Clone, Default)]
struct Sleeper {
    large: bool,
    encode: Duration,
    decode: Duration,
    log: Arc<Mutex<Log>>,
}

#[derive(Clone)]
struct Embedding(FrameSize);

impl SizeBytes for Embedding {
    fn size_bytes(&self) -> usize {
        1000
    }
}

impl Predictor for Sleeper {
    type Embedding = Embedding;

    fn name(&self) -> &str {
        if self.large { "large sleeper" } else { "sleeper" }
    }

    fn encode(&mut self, frame: &Frame) -> Result<Embedding, ModelError> {
        self.log.lock().unwrap().encoded.push((frame.clone(), Instant::now()));
        std::thread::sleep(self.encode);
        Ok(Embedding(frame.size()))
    }

    fn decode(&mut self, embedding: &Embedding, prompt: &Prompt) -> Result<Masks, ModelError> {
        self.log.lock().unwrap().decoded.push(prompt.clone());
        std::thread::sleep(self.decode);
        prompt.clone().checked(embedding.0)?;
        Ok(Masks {
            candidates: vec![MaskCandidate {
                mask: Mask::from_pixels(embedding.0, vec![1; embedding.0.pixels()]),
                low_res_logits: Arc::new(Array2::zeros((4, 4))),
                predicted_iou: 0.9,
                stability_score: 1.0,
            }],
        })
    }

    fn everything(
        &mut self,
        frame: &Frame,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Vec<MaskCandidate>, ModelError> {
        // Three seconds, if nobody stops it.
        let stopped = (0..300).any(|done| {
            std::thread::sleep(Duration::from_millis(10));
            progress(done, 300).is_break()
        });
        assert!(stopped, "it should have been stopped");
        Ok(self.decode(&Embedding(frame.size()), &Prompt::default().in_box(BOX))?.candidates)
    }
}

/// A screen in memory. At each poll `person` is told the picture and the times at which pictures
/// were shown, and may do something. A run that takes far too long fails.
struct Memory<P> {
    opened: Instant,
    person: P,
    shown_at: Vec<Instant>,
    canvas: Canvas,
}

impl<P: FnMut(&Canvas, &[Instant]) -> Vec<ScreenEvent>> Memory<P> {
    fn new(person: P) -> Self {
        Self { opened: Instant::now(), person, shown_at: Vec::new(), canvas: Canvas::new(SCREEN) }
    }
}

impl<P: FnMut(&Canvas, &[Instant]) -> Vec<ScreenEvent>> Screen for Memory<P> {
    fn size(&self) -> Size {
        SCREEN
    }

    fn poll(
        &mut self,
        timeout: Duration,
        events: &mut Vec<ScreenEvent>,
    ) -> Result<(), ScreenError> {
        assert!(self.opened.elapsed() < Duration::from_secs(30), "the run does not end");
        std::thread::sleep(timeout);
        events.extend((self.person)(&self.canvas, &self.shown_at));
        Ok(())
    }

    fn present(&mut self, canvas: &Canvas) -> Result<(), ScreenError> {
        self.canvas = canvas.clone();
        self.shown_at.push(Instant::now());
        Ok(())
    }
}

fn nobody(_: &Canvas, _: &[Instant]) -> Vec<ScreenEvent> {
    Vec::new()
}

fn pointer(phase: PointerPhase, position: Point) -> ScreenEvent {
    ScreenEvent::Pointer(PointerEvent { id: 0, phase, position, time: Duration::ZERO })
}

fn click(position: Point) -> Vec<ScreenEvent> {
    vec![pointer(PointerPhase::Down, position), pointer(PointerPhase::Up, position)]
}

fn on_picture(x: f32, y: f32) -> Point {
    Layout::new(SCREEN, SIZE).viewport().to_screen(FramePoint::new(x, y))
}

fn on_button(button: Button) -> Point {
    Layout::new(SCREEN, SIZE).button_area(button).center()
}

/// The grey on the screen at a corner of the picture that no prompt covers.
fn grey(canvas: &Canvas) -> u8 {
    let at = on_picture(110.0, 5.0);
    canvas.pixels()[at.y as usize * SCREEN.width as usize + at.x as usize] as u8
}

fn scripted(steps: &[(When, Action)], until: Until) -> RunOptions {
    let script = Script::new(steps.iter().map(|&(when, action)| Step { when, action }));
    RunOptions { script, until, ..Default::default() }
}

const TAP: Action = Action::Tap(FramePoint::new(40.0, 40.0));
const OTHER_TAP: Action = Action::Tap(FramePoint::new(90.0, 70.0));
const LIVE_FREEZE: Action = Action::Press(Button::LiveFreeze);

fn played(feed: Colours, sleeper: Sleeper, options: RunOptions) -> Result<Report, AppError> {
    run(Box::new(feed), sleeper, &mut Memory::new(nobody), options)
}

fn keeping(folder: PathBuf) -> Keeping {
    Keeping { folder: Some(folder), ..Keeping::default() }
}
