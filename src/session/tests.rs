//! Table tests of single rules; `ahead` is about the live picture, `beside` about what is done beside
//! outlining, `refining` about the second network, `memory` fills it up, `walk` takes random ways through all events.

mod ahead;
mod beside;
mod memory;
mod refining;
mod touching;
mod walk;

use std::sync::Arc;

use ndarray::Array2;

use super::*;
use crate::mask::Mask;
use crate::model::{MaskCandidate, Masks};
use crate::overlay::{Button, Scene};
use crate::prompt::{MaskPrompt, Prompt};

const SIZE: FrameSize = FrameSize::new(64, 48);
const BOX: FrameBox = FrameBox { x0: 10.0, y0: 10.0, x1: 30.0, y1: 20.0 };

fn frame(sequence: u64) -> Frame {
    let mut frame = Frame::from_rgb(SIZE, vec![sequence as u8; SIZE.pixels() * 3]).unwrap();
    frame.sequence = sequence;
    frame
}

/// `count` masks whose logits hold `mark`, and mark + 1, …
fn masks(count: usize, mark: f32) -> Masks {
    let candidate = |i: usize| MaskCandidate {
        mask: Mask::from_pixels(SIZE, vec![1; SIZE.pixels()]),
        low_res_logits: Arc::new(Array2::from_elem((4, 4), mark + i as f32)),
        predicted_iou: 0.9 - 0.1 * i as f32,
        stability_score: 1.0,
    };
    Masks { candidates: (0..count).map(candidate).collect() }
}

/// A session and everything it asked for.
struct Bed {
    session: Session,
    commands: Vec<Command>,
}

impl Bed {
    fn new(refine_with_mask: bool) -> Self {
        let options = SessionOptions { refine_with_mask, ..Default::default() };
        Self { session: Session::new(options), commands: Vec::new() }
    }

    /// With frame 1 on the screen.
    fn live() -> Self {
        let mut bed = Self::new(false);
        bed.show(1);
        bed
    }

    fn on(&mut self, event: Event) -> Vec<Command> {
        let commands = self.session.handle(event);
        self.commands.extend(commands.iter().cloned());
        commands
    }

    fn show(&mut self, sequence: u64) {
        self.on(Event::Frame(frame(sequence)));
        self.present();
    }

    fn present(&mut self) {
        let shown = self.scene().frame.unwrap();
        self.on(Event::Presented(shown));
    }

    fn tap(&mut self, x: f32, y: f32) -> Vec<Command> {
        self.on(Event::Tap { at: FramePoint::new(x, y), reach: 3.0 })
    }

    fn press(&mut self, button: Button) -> Vec<Command> {
        self.on(Event::Pressed(button))
    }

    fn encoded(&mut self) -> Vec<Command> {
        let last = self.commands.iter().rev().find_map(|c| match c {
            Command::Network(Job::Encode { id, .. }) => Some(*id),
            _ => None,
        });
        let took = Duration::from_millis(700);
        let id = last.unwrap();
        self.on(Event::Encoded { id, result: Ok(Encoded { took, cached: false, region: None }) })
    }

    fn decoded(&mut self, request: u64, masks: Masks) {
        let took = Duration::from_millis(20);
        self.on(Event::Decoded { request, result: Ok(Decoded { took, masks }) });
    }

    /// Answers the decode among `commands`, whose logits then hold its request number.
    fn answer(&mut self, commands: &[Command]) -> u64 {
        let (request, _) = decode(commands);
        self.decoded(request, masks(3, request as f32));
        request
    }

    fn scene(&self) -> Scene {
        self.session.scene()
    }

    fn message(&self) -> String {
        self.scene().status.message.unwrap_or_default()
    }
}

/// The request and prompt of the only command, which decodes.
fn decode(commands: &[Command]) -> (u64, Prompt) {
    match commands {
        [Command::Network(Job::Decode { request, prompt, .. })] => (*request, prompt.clone()),
        other => panic!("expected one decode, found {other:?}"),
    }
}

fn encoded_sequence(commands: &[Command]) -> Option<u64> {
    commands.iter().find_map(|c| match c {
        Command::Network(Job::Encode { frame, .. }) => Some(frame.sequence),
        _ => None,
    })
}

#[test]
fn a_tap_freezes_what_was_on_the_screen() {
    type Prepare = fn(&mut Bed);
    let cases: [(&str, Prepare, u64); 5] = [
        ("the frame shown", |_| {}, 1),
        ("a frame arrived but was not shown", |bed| _ = bed.on(Event::Frame(frame(2))), 1),
        ("a newer one was shown", |bed| bed.show(2), 2),
        (
            "the picture changed while the finger was down",
            |bed| {
                bed.on(Event::Touched);
                bed.show(2);
            },
            1,
        ),
        (
            "the earlier touch was void",
            |bed| {
                bed.on(Event::Touched);
                bed.on(Event::Cancelled);
                bed.show(2);
            },
            2,
        ),
    ];
    for (name, prepare, expected) in cases {
        for drags in [false, true] {
            let mut bed = Bed::live();
            prepare(&mut bed);
            let commands = if drags { bed.on(Event::Drag(BOX.into())) } else { bed.tap(5.0, 5.0) };
            assert_eq!(encoded_sequence(&commands), Some(expected), "{name}, drag: {drags}");
            assert_eq!(bed.session.state(), State::Encoding, "{name}");
            bed.on(Event::Frame(frame(9)));
            assert_eq!(bed.scene().frame.unwrap().sequence, expected, "{name}: evicted");
        }
    }
}

#[test]
fn nothing_freezes_before_the_first_picture() {
    let mut bed = Bed::new(false);
    bed.tap(5.0, 5.0);
    bed.on(Event::Drag(BOX.into()));
    bed.press(Button::LiveFreeze);
    bed.on(Event::Frame(frame(1)));
    bed.tap(5.0, 5.0);
    assert_eq!((bed.session.state(), bed.commands.len()), (State::Live, 0));
}

#[test]
fn a_drag_holds_the_picture_and_its_cancellation_lets_it_go() {
    let mut bed = Bed::live();
    assert_eq!(encoded_sequence(&bed.on(Event::DragMoved(BOX.into()))), Some(1));
    bed.on(Event::Frame(frame(2)));
    assert_eq!(bed.scene().rubber_band, Some(BOX));
    assert_eq!(bed.scene().frame.unwrap().sequence, 1);
    bed.on(Event::Cancelled);
    assert_eq!((bed.session.state(), bed.scene().rubber_band), (State::Live, None));
    assert_eq!(bed.scene().frame.unwrap().sequence, 2);

    bed.on(Event::DragMoved(BOX.into()));
    bed.on(Event::Drag(FrameBox { x1: 10.5, ..BOX }.into()));
    assert_eq!(bed.session.state(), State::Live, "a box that came to nothing");
    assert!(bed.message().contains("too small"));

    bed.on(Event::Drag(BOX.into()));
    bed.on(Event::DragMoved(BOX.into()));
    bed.on(Event::Cancelled);
    assert_eq!(bed.session.state(), State::Encoding, "frozen before that drag");
}

#[test]
fn prompts_made_while_encoding_are_decoded_together() {
    let mut bed = Bed::live();
    bed.tap(5.0, 5.0);
    assert!(bed.tap(40.0, 30.0).is_empty());
    assert!(bed.on(Event::Drag(BOX.into())).is_empty());
    bed.press(Button::NewObject);
    assert!(bed.tap(50.0, 5.0).is_empty());
    let commands = bed.encoded();
    let prompts: Vec<(usize, Option<FrameBox>)> = commands
        .iter()
        .map(|c| match c {
            Command::Network(Job::Decode { prompt, .. }) => {
                (prompt.points.len(), prompt.bounding_box)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(prompts, [(2, Some(BOX)), (1, None)]);
    assert_eq!(bed.session.state(), State::Prompting);
    assert!(!bed.session.is_idle());
}

#[test]
fn freezing_encodes_at_once_and_a_tap_is_then_only_decoded() {
    let mut bed = Bed::live();
    assert_eq!(encoded_sequence(&bed.press(Button::LiveFreeze)), Some(1));
    bed.encoded();
    assert_eq!(bed.session.state(), State::Frozen);
    let commands = bed.tap(5.0, 5.0);
    decode(&commands);
    bed.answer(&commands);
    assert_eq!(bed.scene().status.encode_ms, Some(700.0));
    assert_eq!(bed.scene().status.decode_ms, Some(20.0));
    assert_eq!(bed.scene().status.mask_of, Some((1, 3)));
    assert!(bed.session.is_idle());
}

#[test]
fn the_same_picture_is_not_encoded_again() {
    let mut bed = Bed::live();
    bed.on(Event::FeedEnded);
    bed.tap(5.0, 5.0);
    bed.press(Button::LiveFreeze);
    assert!(bed.tap(9.0, 9.0).is_empty(), "still being encoded");
    bed.encoded();
    bed.press(Button::LiveFreeze);
    assert!(bed.scene().objects.is_empty(), "live drops the objects");
    decode(&bed.tap(9.0, 9.0));
    bed.press(Button::LiveFreeze);
    bed.show(2);
    assert_eq!(encoded_sequence(&bed.tap(9.0, 9.0)), Some(2));
}

#[test]
fn undo_goes_back_across_objects_without_the_network() {
    let mut bed = Bed::live();
    bed.press(Button::LiveFreeze);
    bed.encoded();
    let first = bed.tap(5.0, 5.0);
    let first = bed.answer(&first);
    let second = bed.tap(40.0, 30.0);
    bed.answer(&second);
    bed.press(Button::NewObject);
    let other = bed.on(Event::Drag(BOX.into()));
    bed.answer(&other);
    let colours: Vec<usize> = bed.scene().objects.iter().map(|o| o.colour).collect();
    assert_eq!(colours, [0, 1]);

    assert!(bed.press(Button::Undo).is_empty());
    assert_eq!(bed.scene().objects.len(), 1, "the object went with its first prompt");
    assert!(!bed.scene().objects[0].active, "another prompt would begin it again");
    assert!(bed.press(Button::Undo).is_empty(), "the masks were kept");
    let scene = bed.scene();
    assert_eq!((scene.objects[0].points.len(), scene.objects[0].active), (1, true));
    assert!(scene.objects[0].mask.is_some());
    let Command::Save(snapshot) = &bed.press(Button::Save)[0] else { panic!() };
    let logits = &snapshot.objects[0].masks.best().low_res_logits;
    assert_eq!(logits[[0, 0]], first as f32);
    bed.press(Button::Undo);
    assert_eq!((bed.scene().objects.len(), bed.session.state()), (0, State::Frozen));
    bed.press(Button::Undo);
}

#[test]
fn undo_of_an_unanswered_step_asks_for_the_one_before_again() {
    let mut bed = Bed::live();
    bed.press(Button::LiveFreeze);
    bed.encoded();
    let (first, _) = decode(&bed.tap(5.0, 5.0));
    bed.tap(40.0, 30.0);
    let (again, prompt) = decode(&bed.press(Button::Undo));
    assert_eq!(prompt.points.len(), 1);
    bed.decoded(first, masks(1, 0.0));
    assert!(!bed.session.is_idle(), "the superseded request does not count");
    bed.decoded(again, masks(1, 0.0));
    assert!(bed.session.is_idle());
}

#[test]
fn late_answers_do_not_replace_newer_ones() {
    let mut bed = Bed::live();
    bed.press(Button::LiveFreeze);
    bed.encoded();
    let (first, _) = decode(&bed.tap(5.0, 5.0));
    let (second, _) = decode(&bed.tap(40.0, 30.0));
    bed.decoded(second, masks(2, 0.0));
    bed.decoded(first, masks(5, 0.0));
    assert_eq!(bed.scene().status.mask_of, Some((1, 2)));
    bed.press(Button::LiveFreeze);
    bed.decoded(second, masks(5, 0.0));
    assert!(bed.scene().objects.is_empty());
}

#[test]
fn a_tap_on_a_point_removes_it() {
    let mut bed = Bed::live();
    bed.tap(5.0, 5.0);
    bed.tap(40.0, 30.0);
    bed.tap(6.0, 7.0);
    let points = &bed.scene().objects[0].points;
    assert_eq!((points.len(), points[0].position), (1, FramePoint::new(40.0, 30.0)));
    bed.tap(40.0, 30.0);
    assert!(bed.encoded().is_empty(), "no prompt is left to decode");
    assert!(bed.session.is_idle());
    let commands = bed.press(Button::Undo);
    assert_eq!(decode(&commands).1.points.len(), 1);
    bed.answer(&commands);
    bed.tap(40.0, 30.0);
    assert!(bed.scene().objects[0].mask.is_none(), "no prompt, no mask");
}

#[test]
fn tools_choose_what_a_tap_means() {
    let mut bed = Bed::live();
    bed.press(Button::Box);
    bed.tap(30.0, 20.0);
    assert!(bed.message().contains("opposite corner"));
    bed.press(Button::Undo);
    assert_eq!(bed.scene().rubber_band, None, "the first corner was taken back");
    bed.tap(30.0, 20.0);
    bed.tap(10.0, 10.0);
    assert_eq!(bed.scene().objects[0].bounding_box, Some(BOX));
    bed.tap(20.0, 15.0);
    bed.press(Button::Negative);
    bed.tap(40.0, 40.0);
    let labels: Vec<PointLabel> = bed.scene().objects[0].points.iter().map(|p| p.label).collect();
    assert_eq!(labels, [PointLabel::Positive, PointLabel::Negative]);
    let active = |bed: &Bed| {
        let scene = bed.scene();
        scene.buttons.iter().filter(|b| b.active).map(|b| b.button).collect::<Vec<_>>()
    };
    assert_eq!(active(&bed), [Button::Negative]);
    bed.press(Button::NewObject);
    assert_eq!(active(&bed), [Button::Positive]);
}

#[test]
fn a_long_press_is_off_the_active_object() {
    let mut bed = Bed::live();
    let press = |x: f32| Event::LongPress { at: FramePoint::new(x, 20.0), reach: 3.0 };
    let labels = |bed: &Bed| -> Vec<PointLabel> {
        let objects = bed.scene().objects;
        objects.iter().flat_map(|o| o.points.iter().map(|p| p.label)).collect()
    };
    bed.on(press(10.0));
    assert_eq!(labels(&bed), [PointLabel::Positive], "there is nothing yet to be off of");
    bed.on(press(30.0));
    assert_eq!(labels(&bed), [PointLabel::Positive, PointLabel::Negative]);
    bed.tap(50.0, 20.0);
    assert_eq!(labels(&bed).last(), Some(&PointLabel::Positive), "the tool stays");
    bed.on(press(30.5));
    assert_eq!(labels(&bed), [PointLabel::Positive; 2], "one on a point takes it away");
}

#[test]
fn next_mask_goes_round_and_is_what_gets_refined() {
    for refine_with_mask in [true, false] {
        let mut bed = Bed::new(refine_with_mask);
        bed.show(1);
        bed.tap(5.0, 5.0);
        let first = bed.encoded();
        assert!(decode(&first).1.mask.is_none());
        let first = bed.answer(&first);
        for (step, expected) in [2, 3, 1, 2].into_iter().enumerate() {
            bed.press(Button::NextMask);
            assert_eq!(bed.scene().status.mask_of, Some((expected, 3)), "step {step}");
        }
        let second = bed.tap(40.0, 30.0);
        match (refine_with_mask, decode(&second).1.mask) {
            (true, Some(MaskPrompt::LowResLogits(l))) => assert_eq!(l[[0, 0]], first as f32 + 1.0),
            (false, None) => {}
            (_, other) => panic!("{other:?}"),
        }
        assert!(bed.scene().objects[0].mask.is_some(), "the old mask stays meanwhile");
        bed.answer(&second);
        let boxed = decode(&bed.on(Event::Drag(BOX.into()))).1.mask;
        assert!(boxed.is_none(), "a new box is another question");
    }
}

#[test]
fn errors_become_messages_and_prompts_stay() {
    let mut bed = Bed::live();
    bed.tap(5.0, 5.0);
    let Command::Network(Job::Encode { id, .. }) = bed.commands[0] else { panic!() };
    bed.on(Event::Encoded { id, result: Err("encoder: out of memory".into()) });
    assert_eq!(bed.message(), "encoder: out of memory");
    assert_eq!((bed.scene().objects.len(), bed.session.is_idle()), (1, true));
    assert_eq!(encoded_sequence(&bed.tap(40.0, 30.0)), Some(1), "a new prompt tries again");
    let (request, _) = decode(&bed.encoded());
    bed.on(Event::Decoded { request, result: Err("only negative".into()) });
    assert_eq!(bed.message(), "only negative");
    assert_eq!((bed.scene().objects[0].points.len(), bed.session.is_idle()), (2, true));
    let (request, _) = decode(&bed.tap(20.0, 20.0));
    let small = Mask::from_pixels(FrameSize::new(2, 2), vec![1; 4]);
    let mut wrong = masks(1, 0.0);
    wrong.candidates[0].mask = small;
    bed.decoded(request, wrong);
    assert!(bed.message().contains("frame's size"));
    bed.on(Event::Tick(Duration::from_secs(60)));
    assert!(!bed.message().contains("frame's size"), "messages go away");
}

#[test]
fn feeds_that_fail_end_stall_or_change_size() {
    let mut bed = Bed::live();
    bed.tap(5.0, 5.0);
    let first = bed.encoded();
    bed.answer(&first);
    let revision = bed.session.revision();
    bed.on(Event::Tick(Duration::from_secs(3)));
    assert_eq!(bed.message(), "No signal");
    assert_ne!(bed.session.revision(), revision);
    assert!(bed.scene().objects[0].mask.is_some());

    let other = Frame::from_rgb(FrameSize::new(8, 8), vec![0; 8 * 8 * 3]).unwrap();
    bed.on(Event::Frame(other));
    assert_eq!(bed.message(), "");
    assert_eq!(bed.scene().frame.unwrap().size(), SIZE, "the frozen frame is not affected");
    decode(&bed.tap(60.0, 40.0));

    bed.press(Button::LiveFreeze);
    assert_eq!(bed.scene().frame.unwrap().size(), FrameSize::new(8, 8));
    bed.on(Event::Touched);
    bed.present();
    assert!(bed.tap(60.0, 40.0).is_empty(), "off the picture that is shown now");
    let commands = bed.tap(5.0, 5.0);
    let Command::Network(Job::Encode { frame, .. }) = &commands[0] else { panic!() };
    assert_eq!(frame.size(), FrameSize::new(8, 8), "not the one touched, which was larger");

    bed.on(Event::FeedFailed("a.png: damaged".into()));
    assert_eq!(bed.message(), "a.png: damaged");
    bed.press(Button::LiveFreeze);
    bed.on(Event::FeedEnded);
    bed.on(Event::Tick(Duration::from_secs(90)));
    assert_eq!(bed.message(), "The feed has ended");
    assert!(bed.scene().frame.is_some());
}

#[test]
fn a_feed_in_trouble_says_so_until_a_frame_comes() {
    let mut bed = Bed::live();
    let failed = || Event::FeedFailed("cam: unplugged".into());
    bed.on(failed());
    assert_eq!((bed.message(), bed.scene().alert), ("cam: unplugged".into(), None), "not yet");
    for second in 1..9 {
        bed.on(Event::Tick(Duration::from_secs(second)));
        bed.on(failed());
    }
    assert_eq!(bed.message(), "cam: unplugged", "longer than other messages");
    assert_eq!(bed.scene().alert.as_deref(), Some("cam: unplugged"));
    bed.press(Button::Save);
    bed.on(Event::Saved(Ok("there".into())));
    bed.on(failed());
    assert_eq!(bed.message(), "Saved to there", "what goes on hides nothing that is new");

    bed.tap(5.0, 5.0);
    let first = bed.encoded();
    bed.answer(&first);
    let scene = bed.scene();
    assert_eq!((scene.alert, scene.objects.len()), (None, 1), "what is frozen is meant to stay");
    bed.on(failed());
    bed.on(Event::Tick(Duration::from_secs(20)));
    assert_eq!(bed.message(), "cam: unplugged");
    bed.on(Event::Frame(frame(2)));
    bed.on(Event::Tick(Duration::from_secs(21)));
    assert_eq!(bed.message(), "");
    bed.press(Button::LiveFreeze);
    assert_eq!(bed.scene().alert, None);
}

#[test]
fn saving_takes_what_is_shown() {
    let mut bed = Bed::live();
    let Command::Save(live) = &bed.press(Button::Save)[0] else { panic!() };
    assert_eq!((live.frame.sequence, live.objects.len()), (1, 0));
    assert!(bed.press(Button::Save).is_empty(), "one at a time");
    bed.on(Event::Saved(Ok("there".into())));
    assert_eq!(bed.message(), "Saved to there");
    bed.tap(5.0, 5.0);
    let first = bed.encoded();
    bed.answer(&first);
    bed.press(Button::NextMask);
    bed.tap(40.0, 30.0);
    let Command::Save(snapshot) = &bed.press(Button::Save)[0] else { panic!() };
    let object = &snapshot.objects[0];
    assert_eq!((object.chosen, object.prompt.points.len()), (1, 1), "the prompt of that mask");
    bed.on(Event::Saved(Err("disk full".into())));
    assert_eq!(bed.message(), "Not saved: disk full");
}

#[test]
fn limits_are_refused_with_a_message() {
    let mut bed = Bed::live();
    bed.press(Button::LiveFreeze);
    for _ in 0..Session::MAX_OBJECTS {
        bed.tap(5.0, 5.0);
        bed.press(Button::NewObject);
    }
    bed.tap(5.0, 5.0);
    assert_eq!(bed.scene().objects.len(), Session::MAX_OBJECTS);
    assert!(bed.message().contains("7 structures"));
    bed.press(Button::Clear);
    for i in 0..=Session::MAX_STEPS {
        bed.on(Event::Tap { at: FramePoint::new((i % 60) as f32, (i / 60) as f32), reach: 0.0 });
    }
    assert_eq!(bed.scene().objects[0].points.len(), Session::MAX_STEPS);
    assert!(bed.message().contains("100 prompts"));
}

/// Two nested squares, the larger first.
fn nested() -> Vec<MaskCandidate> {
    let square = |side: u32| {
        let inside = move |i: u32| u8::from(i % SIZE.width < side && i / SIZE.width < side);
        let mask = Mask::from_pixels(SIZE, (0..SIZE.pixels() as u32).map(inside).collect());
        MaskCandidate { mask, ..masks(1, 0.0).candidates.remove(0) }
    };
    vec![square(30), square(10)]
}

#[test]
fn everything_is_found_and_taps_pick_the_smallest() {
    let mut bed = Bed::live();
    assert!(bed.press(Button::Everything).is_empty(), "nothing is frozen");
    bed.press(Button::LiveFreeze);
    bed.encoded();
    let commands = bed.press(Button::Everything);
    let [Command::Network(Job::Everything { id, .. })] = commands[..] else {
        panic!("{commands:?}")
    };
    assert!(!bed.session.is_idle());
    bed.on(Event::Searching { id, done: 256, total: 1024 });
    assert!(bed.message().contains("25 %"), "{}", bed.message());
    // The outcome of another search is of no account.
    bed.on(Event::Searched { id: id + 9, result: Ok(vec![]) });
    assert!(matches!(bed.press(Button::Everything)[..], [Command::Network(Job::Stop)]));
    bed.on(Event::Searched { id, result: Ok(nested()) });
    assert!(bed.session.is_idle());
    assert_eq!(bed.scene().objects.len(), 2);
    assert!(bed.scene().objects.iter().all(|object| !object.active && object.mask.is_some()));

    assert!(bed.tap(5.0, 5.0).is_empty(), "no network is needed");
    let objects = bed.scene().objects;
    assert_eq!(objects.len(), 2, "one left, one picked");
    assert_eq!(objects[1].mask.as_ref().unwrap().area_px(), 100);
    assert!(objects[1].active && objects[1].bounding_box.is_some());
    bed.tap(50.0, 40.0);
    assert!(bed.message().contains("Nothing was found there"), "{}", bed.message());
    bed.tap(5.0, 5.0);
    assert!(bed.message().contains("Nothing was found") || bed.scene().objects.len() == 2);

    // Without the masks, taps point again, and prompts refine what was picked.
    bed.press(Button::Everything);
    assert_eq!(bed.scene().objects.len(), 2);
    let (_, prompt) = decode(&bed.tap(20.0, 20.0));
    assert!(prompt.bounding_box.is_some() && prompt.points.len() == 1);
    bed.press(Button::LiveFreeze);
    assert!(bed.scene().objects.is_empty());
}

#[test]
fn going_live_stops_the_search() {
    let mut bed = Bed::live();
    bed.press(Button::LiveFreeze);
    bed.encoded();
    bed.press(Button::Everything);
    assert!(matches!(bed.press(Button::LiveFreeze)[..], [Command::Network(Job::Stop)]));
    assert!(bed.session.is_idle());
}
