//! The whole loop with a network that only sleeps, a screen in memory and a feed of plain colours.

mod interface;
mod killed;
mod records;
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

#[test]
fn the_screen_keeps_its_rate_while_the_network_works() {
    let sleeper = Sleeper { encode: Duration::from_millis(600), ..Default::default() };
    let log = sleeper.log.clone();
    let mut clicks = 0;
    // Freezes, goes back to live at once, and leaves when the encoder has long been at work.
    let mut screen = Memory::new(|_: &Canvas, shown: &[Instant]| match (clicks, shown.len()) {
        (0, 5..) | (1, 10..) => {
            clicks += 1;
            click(on_button(Button::LiveFreeze))
        }
        (2, 40..) => vec![ScreenEvent::Closed],
        _ => Vec::new(),
    });
    let feed = Box::new(Colours::new(1000, 200));
    let report = run(feed, sleeper, &mut screen, RunOptions::default()).unwrap();
    let encoding_since = log.lock().unwrap().encoded[0].1;
    let end = encoding_since + Duration::from_millis(600);
    let meanwhile = screen.shown_at.iter().filter(|at| (encoding_since..end).contains(at)).count();
    // Up to 60 a second are drawn; half of a slow encoding's 600 ms is plenty on a busy machine.
    assert!(meanwhile >= 10, "{meanwhile} pictures while the encoder was at work");
    assert!(report.frames_shown >= 20, "{report:?}");
}

#[test]
fn progress_is_drawn_while_the_frozen_frame_is_encoded() {
    let sleeper = Sleeper { encode: Duration::from_millis(500), ..Default::default() };
    let options = scripted(&[(When::Shown(2), TAP)], Until::ScriptDone);
    let mut screen = Memory::new(nobody);
    let report = run(Box::new(Colours::new(1000, 200)), sleeper, &mut screen, options).unwrap();
    let step = &report.steps[0];
    assert!(step.took >= Duration::from_millis(500));
    assert!(step.scene.objects[0].mask.is_some() && step.scene.working.is_none());
    let since = *screen.shown_at.last().unwrap() - step.took;
    let meanwhile = screen.shown_at.iter().filter(|&&at| at > since).count();
    assert!((4..=20).contains(&meanwhile), "{meanwhile} pictures in {:?}", step.took);
    assert_eq!((report.encode.count, report.decode.count, report.cache_hits), (1, 1, 0));
}

#[test]
fn a_click_freezes_the_picture_that_was_under_the_finger() {
    let sleeper = Sleeper::default();
    let log = sleeper.log.clone();
    let (mut under_the_finger, mut lifted) = (None, None);
    let mut screen = Memory::new(|canvas: &Canvas, shown: &[Instant]| {
        match (under_the_finger, lifted) {
            (None, _) if shown.len() >= 8 => {
                under_the_finger = Some(grey(canvas));
                vec![pointer(PointerPhase::Down, on_picture(40.0, 40.0))]
            }
            // The picture moves on before the finger is lifted.
            (Some(then), None) if grey(canvas) > then + 3 => {
                lifted = Some(grey(canvas));
                vec![pointer(PointerPhase::Up, on_picture(40.0, 40.0))]
            }
            _ if !log.lock().unwrap().decoded.is_empty() => vec![ScreenEvent::Closed],
            _ => Vec::new(),
        }
    });
    run(Box::new(Colours::new(1000, 200)), sleeper, &mut screen, RunOptions::default()).unwrap();
    let log = log.lock().unwrap();
    let expected = under_the_finger.unwrap();
    assert_eq!(log.encoded.len(), 1);
    assert_eq!(log.encoded[0].0.rgb()[0], expected);
    let point = log.decoded[0].points[0].position;
    assert!((point.x - 40.0).abs() < 1.0 && (point.y - 40.0).abs() < 1.0, "{point:?}");
}

#[test]
fn taps_during_encoding_are_decoded_together() {
    let sleeper = Sleeper { encode: Duration::from_millis(400), ..Default::default() };
    let log = sleeper.log.clone();
    let mut taps = 0;
    let mut screen = Memory::new(|_: &Canvas, shown: &[Instant]| {
        let log = log.lock().unwrap();
        match taps {
            0 if shown.len() > 3 => {
                taps = 1;
                click(on_picture(40.0, 40.0))
            }
            1 if !log.encoded.is_empty() => {
                taps = 2;
                click(on_picture(80.0, 70.0))
            }
            _ if !log.decoded.is_empty() => vec![ScreenEvent::Closed],
            _ => Vec::new(),
        }
    });
    run(Box::new(Colours::new(1000, 200)), sleeper, &mut screen, RunOptions::default()).unwrap();
    let log = log.lock().unwrap();
    assert_eq!(log.decoded.iter().map(|p| p.points.len()).collect::<Vec<_>>(), [2]);
}

#[test]
fn returning_to_a_recent_picture_does_not_encode_it_again() {
    let sleeper = Sleeper { encode: Duration::from_millis(50), ..Default::default() };
    let steps = [
        (When::Shown(2), TAP),
        (When::Answered, OTHER_TAP),
        (When::Answered, LIVE_FREEZE),
        (When::Shown(30), TAP),
        (When::Answered, Action::Drag(BOX)),
    ];
    let report = played(Colours::new(1000, 1), sleeper, scripted(&steps, Until::ScriptDone));
    let report = report.unwrap();
    assert_eq!((report.encode.count, report.cache_hits, report.decode.count), (1, 1, 4));
    let sequence = |i: usize| report.steps[i].scene.frame.as_ref().unwrap().sequence;
    assert_eq!(sequence(0), sequence(1), "the frozen frame stays");
    assert!(sequence(3) >= 30);
    assert!(report.steps.iter().all(|step| step.scene.working.is_none()));
    assert_eq!(report.steps[4].scene.objects[0].bounding_box, Some(BOX));
}

#[test]
fn a_feed_that_ended_stays_on_the_screen_until_all_is_answered() {
    let sleeper = Sleeper { encode: Duration::from_millis(300), ..Default::default() };
    let options = scripted(&[(When::Shown(4), TAP)], Until::FeedEnded);
    let report = played(Colours::new(6, 200), sleeper, options).unwrap();
    assert!(report.steps[0].scene.objects[0].mask.is_some());
    assert!((2..=6).contains(&report.frames_shown), "{report:?}");
    assert_eq!(report.encode.count, 1);
}

#[test]
fn runs_that_cannot_go_on_say_why() {
    let shown = |frame| scripted(&[(When::Shown(frame), TAP)], Until::ScriptDone);
    let frozen = scripted(&[(When::Answered, TAP), (When::Shown(99), TAP)], Until::FeedEnded);
    let cases = [
        ("no picture", 0, shown(0), "no picture"),
        ("the frame never comes", 3, shown(9), "waits for frame 9, but the feed has ended"),
        ("frozen meanwhile", 1000, frozen, "frame 99, but the picture is frozen"),
    ];
    for (name, count, options, expected) in cases {
        let error = played(Colours::new(count, 200), Sleeper::default(), options).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

#[test]
fn errors_of_the_network_are_told_and_its_loss_ends_the_run() {
    let press = |button| (When::Answered, Action::Press(button));
    let steps = [press(Button::Negative), (When::Answered, TAP)];
    let report =
        played(Colours::new(1000, 200), Sleeper::default(), scripted(&steps, Until::ScriptDone));
    let scene = &report.unwrap().steps[1].scene;
    let message = scene.status.message.clone().unwrap_or_default();
    assert!(message.contains("only negative points"), "{message}");
    assert_eq!(scene.objects[0].points.len(), 1, "the prompt stays");

    struct Broken;
    impl Predictor for Broken {
        type Embedding = Embedding;
        fn name(&self) -> &str {
            "broken"
        }
        fn encode(&mut self, _: &Frame) -> Result<Embedding, ModelError> {
            panic!("a fault in the network, on purpose")
        }
        fn decode(&mut self, _: &Embedding, _: &Prompt) -> Result<Masks, ModelError> {
            unreachable!()
        }
        fn everything(
            &mut self,
            _: &Frame,
            _: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
        ) -> Result<Vec<MaskCandidate>, ModelError> {
            unreachable!()
        }
    }
    let options = scripted(&[(When::Answered, TAP)], Until::ScriptDone);
    let feed = Box::new(Colours::new(1000, 200));
    let error = run(feed, Broken, &mut Memory::new(nobody), options).unwrap_err();
    assert!(matches!(error, AppError::NetworkStopped), "{error}");
}

fn keeping(folder: PathBuf) -> Keeping {
    Keeping { folder: Some(folder), ..Keeping::default() }
}

/// The button a second time stops the search, and what was found until then can be picked.
#[test]
fn a_second_network_draws_what_is_shown_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let save = (When::Answered, Action::Press(Button::Save));
    let options = RunOptions {
        keeping: keeping(folder.path().join("kept")),
        ..scripted(&[(When::Shown(20), TAP), save], Until::ScriptDone)
    };
    let encode = Duration::from_millis(200);
    let large = Sleeper { large: true, encode, ..Sleeper::default() };
    let log = large.log.clone();
    let feed = Box::new(Colours::new(1000, 200));
    let screen = &mut Memory::new(nobody);
    let report = run_in_two_stages(feed, Sleeper::default(), Some(large), screen, options).unwrap();
    // The first network's share of the report is its own.
    assert_eq!((report.encode.count, report.decode.count), (1, 1));
    let frozen = report.steps[0].scene.frame.as_ref().unwrap();
    let asked = log.lock().unwrap();
    assert_eq!(asked.encoded.len(), 1);
    assert_eq!(asked.encoded[0].0.sequence, frozen.sequence);
    // About the mask that the first one drew: the whole frame.
    let [prompt] = &asked.decoded[..] else { panic!("{} questions", asked.decoded.len()) };
    let whole = FrameBox { x0: 0.0, y0: 0.0, x1: 119.0, y1: 89.0 };
    assert_eq!((prompt.points.len(), prompt.bounding_box), (1, Some(whole)));
    let kept = tapseg::record::records(&folder.path().join("kept")).unwrap();
    assert_eq!(kept[0].record["model"], "sleeper");
    assert_eq!(kept[0].record["objects"][0]["model"], "large sleeper");
}

#[test]
fn the_search_for_everything_is_stopped_by_the_button() {
    let button = |button| {
        let layout = Layout::new(SCREEN, SIZE);
        click(layout.button_area(button).center())
    };
    let mut stage = 0;
    let mut picked = 0;
    let mut screen = Memory::new(|_: &Canvas, shown: &[Instant]| {
        stage += 1;
        match stage {
            _ if shown.len() < 4 => {
                stage = 0;
                vec![]
            }
            1 => button(Button::LiveFreeze),
            20 => button(Button::Everything),
            30 => button(Button::Everything),
            40 => {
                picked += 1;
                click(on_picture(40.0, 40.0))
            }
            60 => vec![ScreenEvent::Closed],
            _ => vec![],
        }
    });
    let log = Arc::default();
    let sleeper = Sleeper { log: Arc::clone(&log), ..Default::default() };
    let started = Instant::now();
    run(Box::new(Colours::new(1000, 200)), sleeper, &mut screen, RunOptions::default()).unwrap();
    drop(screen);
    assert_eq!((picked, log.lock().unwrap().decoded.len()), (1, 1));
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// Pictures are labelled with keys and fingers, and the window is closed in the middle of it.
#[test]
fn accepted_masks_are_on_the_disk_when_the_window_closes() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (grey, name) in [(40, "a.png"), (80, "b.png")] {
        let picture = image::RgbImage::from_pixel(SIZE.width, SIZE.height, image::Rgb([grey; 3]));
        picture.save(folder.path().join(name)).unwrap();
    }
    let open = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        LabelSet::open(folder.path(), out.path(), names).unwrap()
    };
    let steps = [
        (When::Shown(0), Action::Drag(BOX)),
        (When::Answered, Action::Key(Key::Letter('2'))),
        (When::Answered, Action::Press(Button::Accept)),
        (When::Answered, Action::Key(Key::Right)),
        (When::Shown(1), TAP),
        (When::Answered, Action::Key(Key::Enter)),
    ];
    let mut screen = Memory::new(nobody);
    let options = scripted(&steps, Until::ScriptDone);
    let set = open(&["cyst", "nerve"]);
    let (report, summary) = label(set, false, Sleeper::default(), &mut screen, options).unwrap();
    assert_eq!((report.encode.count, report.decode.count, report.steps.len()), (2, 2, 6));
    assert_eq!(report.steps[5].scene.status.source, "2/2 b.png");
    assert_eq!((summary.pictures, summary.finished, summary.masks), (2, 1, 2));
    assert_eq!(summary.names["nerve"], 2);

    let dataset = tapseg::eval::Dataset::open(out.path().to_str().unwrap()).unwrap();
    assert_eq!((dataset.items.len(), dataset.problems.len()), (2, 0));
    assert!(out.path().join("annotations.json").exists());

    // The next time begins with the second picture, and its mask is there.
    let at = |button| {
        let layout = Layout::with_buttons(SCREEN, SIZE, Button::LABELLING);
        click(layout.button_area(button).center())
    };
    let mut pressed = false;
    let mut screen = Memory::new(|_: &Canvas, shown: &[Instant]| match shown.len() {
        12.. if pressed => vec![ScreenEvent::Closed],
        6.. if !pressed => {
            pressed = true;
            at(Button::Undo)
        }
        _ => vec![ScreenEvent::Key(Key::Letter('x'))],
    });
    let sleeper = Sleeper { encode: Duration::from_millis(900), ..Default::default() };
    let (_, summary) =
        label(open(&[]), false, sleeper, &mut screen, RunOptions::default()).unwrap();
    assert_eq!((summary.finished, summary.masks), (1, 1), "the undone one is gone");
}

#[test]
fn a_mask_that_could_not_be_kept_is_told_when_the_window_closes() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let picture = image::RgbImage::from_pixel(SIZE.width, SIZE.height, image::Rgb([40; 3]));
    picture.save(folder.path().join("a.png")).unwrap();
    let set = LabelSet::open(folder.path(), out.path(), vec!["cyst".into()]).unwrap();
    // As on a disk that fails: nothing goes where the masks should.
    std::fs::write(out.path().join("masks"), "").unwrap();
    let steps = [(When::Shown(0), TAP), (When::Answered, Action::Key(Key::Enter))];
    let mut screen = Memory::new(nobody);
    let options = scripted(&steps, Until::ScriptDone);
    let (report, summary) = label(set, false, Sleeper::default(), &mut screen, options).unwrap();
    let message = report.steps[1].scene.status.message.as_ref().unwrap();
    assert!(message.contains("Not kept"), "{message}");
    assert_eq!((summary.masks, summary.problems.len()), (0, 1));
    let problem = &summary.problems[0];
    assert!(problem.contains("a.png") && problem.contains("cyst"), "{problem}");
}

#[test]
fn the_guide_is_shown_once_and_the_scale_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let spacing = PixelSpacing { row_mm: 0.25, column_mm: 0.25 };
    let run = |steps: &[(When, Action)]| {
        let options = RunOptions {
            memory: Some(Remembered::new(folder.path().join("state"), "colours")),
            presets: vec![Preset { name: "linear".into(), spacing }],
            ..scripted(steps, Until::ScriptDone)
        };
        played(Colours::new(1000, 200), Sleeper::default(), options).unwrap().steps
    };
    let press = |button| (When::Answered, Action::Press(button));
    let first = run(&[
        (When::Shown(2), TAP),
        press(Button::Scale),
        press(Button::Preset),
        press(Button::Apply),
    ]);
    assert!(first[0].scene.objects.is_empty(), "the tap puts the guide away and does no more");
    let again = run(&[(When::Shown(2), TAP)]);
    let scene = &again[0].scene;
    assert_eq!((scene.guide, scene.objects.len()), (false, 1));
    assert_eq!(scene.frame.as_ref().unwrap().pixel_spacing, Some(spacing));
}

#[test]
fn another_region_is_encoded_and_the_first_one_found_again() {
    let press = |button| (When::Answered, Action::Press(button));
    let edge = FrameBox { x0: 2.0, y0: 45.0, x1: 30.0, y1: 45.0 };
    let steps = [
        (When::Shown(2), TAP),
        press(Button::Region),
        (When::Answered, Action::Drag(edge)),
        press(Button::Apply),
        press(Button::Region),
        press(Button::Automatic),
    ];
    let options = scripted(&steps, Until::ScriptDone);
    let report = played(Colours::new(1000, 200), Sleeper::default(), options).unwrap();
    assert_eq!(report.steps[2].scene.region.unwrap().x0, 28.0);
    assert_eq!(report.steps[3].scene.objects.len(), 1, "outlines stay");
    assert_eq!((report.encode.count, report.cache_hits), (2, 1));
}
