//! What the networks are asked, and what becomes of one that fails.

use super::*;

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

/// The button a second time stops the search, and what was found until then can be picked.
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
fn what_no_network_can_answer_is_told_and_its_loss_ends_the_run() {
    let press = |button| (When::Answered, Action::Press(button));
    let steps = [press(Button::Negative), (When::Answered, TAP)];
    let report =
        played(Colours::new(1000, 200), Sleeper::default(), scripted(&steps, Until::ScriptDone));
    let scene = &report.unwrap().steps[1].scene;
    let message = scene.status.message.clone().unwrap_or_default();
    assert!(message.contains("First a point on the structure"), "{message}");
    assert!(scene.objects.is_empty(), "nothing is pointed at");

    let options = scripted(&[(When::Answered, TAP)], Until::ScriptDone);
    let feed = Box::new(Colours::new(1000, 200));
    let error = run(feed, Broken::default(), &mut Memory::new(nobody), options).unwrap_err();
    assert!(matches!(error, AppError::NetworkStopped), "{error}");
}

/// Works like the sleeper it has, or breaks.
#[derive(Default)]
struct Broken(Option<Sleeper>);

impl Predictor for Broken {
    type Embedding = Embedding;

    fn name(&self) -> &str {
        self.0.as_ref().map_or("broken", Sleeper::name)
    }

    fn encode(&mut self, frame: &Frame) -> Result<Embedding, ModelError> {
        match &mut self.0 {
            Some(sleeper) => sleeper.encode(frame),
            None => panic!("a fault in the network, on purpose"),
        }
    }

    fn decode(&mut self, embedding: &Embedding, prompt: &Prompt) -> Result<Masks, ModelError> {
        self.0.as_mut().unwrap().decode(embedding, prompt)
    }

    fn everything(
        &mut self,
        _: &Frame,
        _: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Vec<MaskCandidate>, ModelError> {
        unreachable!()
    }
}

#[test]
fn a_second_network_that_breaks_is_told_and_the_first_goes_on() {
    let steps = [(When::Shown(2), TAP), (When::Answered, OTHER_TAP), (When::Answered, LIVE_FREEZE)];
    let steps = [&steps[..], &[(When::Shown(40), TAP)]].concat();
    let options = scripted(&steps, Until::ScriptDone);
    let feed = Box::new(Colours::new(1000, 200));
    let first = Broken(Some(Sleeper::default()));
    let screen = &mut Memory::new(nobody);
    let report = run_in_two_stages(feed, first, Some(Broken::default()), screen, options).unwrap();
    assert_eq!(report.steps.len(), 4);
    let told = |i: usize| report.steps[i].scene.status.message.clone().unwrap_or_default();
    assert!(told(0).contains("Refining is off"), "{}", told(0));
    assert_eq!(report.steps[1].scene.objects[0].points.len(), 2);
    assert!(report.steps[3].scene.objects[0].mask.is_some());
    assert!(report.steps.iter().all(|step| step.scene.status.refinement.is_none()));
}
