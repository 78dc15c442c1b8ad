//! What a person at the desk sees and does.

use std::sync::Arc;
use std::time::Duration;

use ndarray::Array2;

use super::*;
use crate::model::{MaskCandidate, Masks};
use crate::overlay::Button;
use crate::prompt::PointLabel;
use crate::screen::Key;
use crate::session::{Command, Decoded, Drag, Encoded, Event, Job};
use crate::words::Words;

/// A desk, and what it asked for that was not answered.
struct Bed {
    desk: Desk,
    todo: Vec<Command>,
    now: Duration,
}

impl Bed {
    fn new(finished: &[bool], propose: bool) -> Self {
        let desk = Desk::new(DeskOptions {
            pictures: (0..).zip(finished).map(|(i, finished)| picture(i, *finished)).collect(),
            names: vec!["cyst".into(), "nerve".into()],
            propose,
            ..DeskOptions::default()
        });
        let mut bed = Self { desk, todo: vec![], now: Duration::ZERO };
        bed.pass(1);
        bed
    }

    fn on(&mut self, event: Event) {
        self.todo.extend(self.desk.handle(event));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.on(Event::Tick(self.now));
    }

    fn press(&mut self, button: Button) {
        self.on(Event::Pressed(button));
    }

    fn tap(&mut self) {
        self.on(Event::Touched);
        self.on(Event::Tap { at: crate::FramePoint::new(5.0, 5.0), reach: 1.0 });
    }

    /// Answers all that was asked for: errands in `kept`, and proposals and prompts with a square of
    /// 10 pixels.
    fn answer(&mut self, kept: &mut Vec<(usize, About)>) {
        self.work(kept);
        assert!(self.desk.is_idle());
    }

    fn work(&mut self, kept: &mut Vec<(usize, About)>) {
        while !self.todo.is_empty() {
            let event = match self.todo.remove(0) {
                Command::Label(Errand::Show(picture)) => {
                    let mut frame = Frame::from_rgb(SIZE, vec![7; SIZE.pixels() * 3]).unwrap();
                    frame.sequence = picture as u64;
                    let result = Ok((frame.clone(), vec![]));
                    self.on(Event::Label(Outcome::Shown { picture, result }));
                    Event::Presented(frame)
                }
                Command::Label(Errand::Keep { id, picture, about, .. }) => {
                    kept.push((picture, *about));
                    Event::Label(Outcome::Kept { id, result: Ok(kept.len() as u64) })
                }
                Command::Label(Errand::Withdraw(mask)) => {
                    kept.remove(mask as usize - 1);
                    Event::Label(Outcome::Withdrawn { mask, result: Ok(()) })
                }
                Command::Label(Errand::Finish(picture)) => {
                    Event::Label(Outcome::Finished { picture, result: Ok(()) })
                }
                Command::Network(Job::Encode { id, .. }) => {
                    let took = Duration::from_millis(1);
                    Event::Encoded { id, result: Ok(Encoded { took, cached: false, region: None }) }
                }
                Command::Network(Job::Everything { id, .. }) => {
                    Event::Searched { id, result: Ok(vec![candidate(10)]) }
                }
                Command::Network(Job::Decode { request, .. }) => {
                    let masks = Masks { candidates: vec![candidate(10)] };
                    let took = Duration::from_millis(1);
                    Event::Decoded { request, result: Ok(Decoded { took, masks }) }
                }
                Command::Network(Job::Stop) | Command::Refine(_) | Command::Remember(_) => continue,
                Command::Save(_) | Command::Clip { .. } | Command::Records(_) => continue,
            };
            self.on(event);
        }
    }

    /// Whether a picture is to be read, and nothing else is to be done.
    fn wants(&self, picture: usize) -> bool {
        matches!(self.todo[..], [Command::Label(Errand::Show(wanted))] if wanted == picture)
    }

    /// Tells that the picture that is to be read can't be.
    fn answer_unreadable(&mut self, picture: usize) {
        assert!(self.wants(picture), "{:?}", self.todo);
        self.todo.clear();
        let result = Err("damaged".to_owned());
        self.on(Event::Label(Outcome::Shown { picture, result }));
    }

    fn answer_finished(&mut self, picture: usize) {
        assert!(
            matches!(self.todo.pop(), Some(Command::Label(Errand::Finish(at))) if at == picture)
        );
        self.on(Event::Label(Outcome::Finished { picture, result: Ok(()) }));
    }

    fn message(&self) -> String {
        self.desk.scene().status.message.unwrap()
    }
}

fn picture(number: usize, finished: bool) -> Picture {
    Picture { file: format!("{number}.png"), finished, ..Picture::default() }
}

fn candidate(side: u32) -> MaskCandidate {
    MaskCandidate {
        mask: square(side),
        low_res_logits: Arc::new(Array2::zeros((4, 4))),
        predicted_iou: 0.8,
        stability_score: 1.0,
    }
}

#[test]
fn proposals_are_taken_corrected_and_named() {
    let mut kept = Vec::new();
    let mut bed = Bed::new(&[true, false, false], true);
    bed.answer(&mut kept);
    let scene = bed.desk.scene();
    assert_eq!((scene.objects.len(), &*scene.status.source), (1, "2/3 1.png"));
    bed.press(Button::Accept);
    assert!(bed.todo.is_empty(), "a proposal that nobody tapped is not accepted");

    bed.tap();
    bed.pass(3);
    bed.on(Event::Key(Key::Enter));
    bed.answer(&mut kept);
    let (picture, about) = &kept[0];
    assert_eq!((*picture, &*about.name, about.prompts), (1, "cyst", 0));
    assert_eq!((about.origin, about.seconds), (Origin::Proposed, 3.0));
    assert!(bed.message().contains("Kept here: 1 cyst"), "{}", bed.message());

    bed.on(Event::Key(Key::Letter('+')));
    bed.on(Event::Key(Key::Letter('2')));
    bed.tap();
    bed.answer(&mut kept);
    bed.pass(5);
    bed.press(Button::Next);
    assert!(bed.message().contains("not accepted"), "{}", bed.message());
    bed.on(Event::Key(Key::Letter(' ')));
    bed.on(Event::Key(Key::Right));
    bed.answer(&mut kept);
    assert_eq!((&*kept[1].1.name, kept[1].1.origin), ("nerve", Origin::Pointed));
    assert_eq!((kept[1].1.seconds, kept[1].1.points.len()), (5.0, 1));
    let scene = bed.desk.scene();
    assert_eq!((scene.status.source, scene.objects.len()), ("3/3 2.png".into(), 1));

    // The proposal is taken and corrected; then all is taken back, step by step.
    bed.tap();
    bed.press(Button::Positive);
    bed.on(Event::Tap { at: crate::FramePoint::new(20.0, 20.0), reach: 1.0 });
    bed.answer(&mut kept);
    bed.press(Button::Accept);
    bed.answer(&mut kept);
    assert_eq!((kept[2].1.origin, kept[2].1.prompts), (Origin::Corrected, 1));
    bed.on(Event::Key(Key::Backspace));
    bed.answer(&mut kept);
    assert_eq!(kept.len(), 2);
    bed.press(Button::Next);
    bed.answer(&mut kept);
    assert!(bed.message().contains("last picture"), "{}", bed.message());
    bed.press(Button::Previous);
    bed.answer(&mut kept);
    assert!(bed.desk.scene().objects.is_empty(), "done: nothing is proposed");
}

#[test]
fn what_is_accepted_next_is_marked_and_what_is_kept_has_its_name() {
    let mut kept = Vec::new();
    let mut bed = Bed::new(&[false], false);
    bed.answer(&mut kept);
    for _ in 0..2 {
        bed.tap();
        bed.answer(&mut kept);
        bed.press(Button::NewObject);
    }
    let looks = |bed: &Bed| -> Vec<(bool, bool, Option<String>)> {
        let objects = bed.desk.scene().objects.into_iter();
        objects.map(|object| (object.active, object.proposed, object.label)).collect()
    };
    assert_eq!(looks(&bed), [(false, false, None), (true, false, None)]);
    bed.press(Button::Negative);
    bed.press(Button::Accept);
    bed.answer(&mut kept);
    assert_eq!(looks(&bed), [(true, false, None), (false, true, Some("cyst".into()))]);
    // The next tap is on another structure again.
    bed.tap();
    bed.answer(&mut kept);
    assert_eq!(looks(&bed).len(), 3);
    assert_eq!(bed.desk.scene().objects[1].points[0].label, PointLabel::Positive);
}

#[test]
fn what_can_not_be_written_or_read_is_told_and_stays() {
    let mut bed = Bed::new(&[false, false], false);
    bed.answer(&mut vec![]);
    bed.tap();
    bed.answer(&mut vec![]);
    bed.press(Button::Accept);
    let fail = |bed: &mut Bed| {
        let Some(Command::Label(Errand::Keep { id, .. })) = bed.todo.pop() else { panic!() };
        bed.on(Event::Label(Outcome::Kept { id, result: Err("the disk is full".into()) }));
    };
    fail(&mut bed);
    assert!(bed.message().contains("Not kept: the disk is full"), "{}", bed.message());
    bed.press(Button::Next);
    assert!(bed.todo.is_empty() && bed.message().contains("not on the disk"));
    bed.press(Button::Accept);
    fail(&mut bed);
    assert_eq!(bed.desk.scene().objects.len(), 1);
    bed.press(Button::Accept);
    let mut kept = Vec::new();
    bed.answer(&mut kept);
    assert_eq!(kept.len(), 1);
    bed.press(Button::Next);
    bed.answer_finished(0);
    bed.answer_unreadable(1);
    let told = "That was the last picture \u{b7} 1.png can't be read: damaged";
    assert_eq!(bed.message(), told);
    assert_eq!(bed.desk.scene().status.source, "1/2 0.png");
    assert!(bed.desk.is_idle() && bed.desk.not_kept().is_empty());
    assert_eq!(bed.desk.scene().objects.len(), 1, "all that is kept of it is there");
}

#[test]
fn what_can_not_be_read_is_passed_over_and_told() {
    let readable = |bed: &mut Bed, picture| {
        assert!(bed.wants(picture), "{:?}", bed.todo);
        bed.answer(&mut vec![]);
    };
    let mut bed = Bed::new(&[true, true, false, false, false, true], false);
    readable(&mut bed, 2);
    bed.press(Button::Next);
    bed.answer_finished(2);
    bed.answer_unreadable(3);
    assert_eq!(bed.message(), "Reading the picture");
    assert_eq!(bed.desk.scene().status.source, "3/6 2.png", "it stays until another is there");
    bed.answer_unreadable(4);
    readable(&mut bed, 5);
    assert_eq!(bed.desk.scene().status.source, "6/6 5.png");
    assert_eq!(bed.message(), "3.png can't be read: damaged (and 1 more)");
    bed.press(Button::Previous);
    bed.answer_unreadable(4);
    bed.answer_unreadable(3);
    readable(&mut bed, 2);
    assert_eq!(bed.message(), "4.png can't be read: damaged (and 1 more)");
    bed.press(Button::Previous);
    bed.answer_unreadable(1);
    readable(&mut bed, 0);
    assert_eq!(bed.message(), "1.png can't be read: damaged");
    bed.press(Button::Previous);
    assert!(bed.todo.is_empty() && bed.desk.is_idle());
    assert_eq!(bed.message(), "That was the first picture");
}

#[test]
fn what_is_begun_with_is_looked_for_everywhere() {
    let mut bed = Bed::new(&[true, true, false, false], false);
    [2, 3, 1].into_iter().for_each(|picture| bed.answer_unreadable(picture));
    bed.answer(&mut vec![]);
    assert_eq!(bed.desk.scene().status.source, "1/4 0.png");

    let mut bed = Bed::new(&[true, false], false);
    [1, 0].into_iter().for_each(|picture| bed.answer_unreadable(picture));
    let scene = bed.desk.scene();
    assert_eq!(scene.alert.as_deref(), Some("1.png can't be read: damaged"));
    assert!(scene.frame.is_none() && bed.desk.is_idle());
    bed.pass(60);
    assert_eq!(bed.message(), "No picture can be read");
    bed.tap();
    bed.press(Button::Next);
    assert!(bed.todo.is_empty() && bed.message().contains("last picture"), "{}", bed.message());
    bed.press(Button::Previous);
    bed.answer(&mut vec![]);
    assert_eq!(bed.desk.scene().status.source, "1/2 0.png", "it was mended");
}

#[test]
fn what_was_proposed_for_a_mask_that_is_taken_back_is_proposed_again() {
    let proposed =
        |bed: &Bed| bed.desk.scene().objects.iter().filter(|o| o.label.is_none()).count();
    let mut kept = Vec::new();
    let mut bed = Bed::new(&[false], true);
    bed.answer(&mut kept);
    bed.tap();
    bed.press(Button::Accept);
    bed.answer(&mut kept);
    assert_eq!((kept.len(), proposed(&bed)), (1, 0));
    bed.press(Button::Undo);
    bed.answer(&mut kept);
    assert_eq!((kept.len(), proposed(&bed)), (0, 1), "one that was taken");
    bed.tap();
    bed.press(Button::Accept);
    let Some(Command::Label(Errand::Keep { id, .. })) = bed.todo.pop() else { panic!() };
    bed.on(Event::Label(Outcome::Kept { id, result: Err("the disk is full".into()) }));
    bed.press(Button::Undo);
    assert_eq!(proposed(&bed), 1, "one that could not be kept");

    // What the search finds is accepted already.
    let mut bed = Bed::new(&[false], true);
    let frame = Frame::from_rgb(SIZE, vec![7; SIZE.pixels() * 3]).unwrap();
    bed.todo.clear();
    let result = Ok((frame.clone(), vec![]));
    bed.on(Event::Label(Outcome::Shown { picture: 0, result }));
    bed.on(Event::Presented(frame));
    let Some(Command::Network(Job::Everything { id, .. })) = bed.todo.pop() else { panic!() };
    bed.tap();
    bed.work(&mut kept);
    bed.press(Button::Accept);
    bed.work(&mut kept);
    bed.on(Event::Searched { id, result: Ok(vec![candidate(10)]) });
    bed.press(Button::Everything);
    assert_eq!(proposed(&bed), 0);
    bed.press(Button::Undo);
    bed.answer(&mut kept);
    assert_eq!(proposed(&bed), 1, "one that was held back");
}

#[test]
fn what_a_search_of_another_picture_found_is_none_of_this_one() {
    let mut kept = Vec::new();
    let mut bed = Bed::new(&[false], true);
    let frame = Frame::from_rgb(SIZE, vec![7; SIZE.pixels() * 3]).unwrap();
    bed.todo.clear();
    let result = Ok((frame.clone(), vec![]));
    bed.on(Event::Label(Outcome::Shown { picture: 0, result }));
    bed.on(Event::Presented(frame));
    let Some(Command::Network(Job::Everything { id, .. })) = bed.todo.pop() else { panic!() };
    bed.tap();
    bed.work(&mut kept);
    bed.press(Button::Accept);
    bed.work(&mut kept);
    let other_size = FrameSize::new(8, 8);
    let larger = Mask::from_pixels(other_size, vec![1; other_size.pixels()]);
    let found = vec![candidate(10), MaskCandidate { mask: larger, ..candidate(10) }];
    bed.on(Event::Searched { id: id + 100, result: Ok(found.clone()) });
    bed.on(Event::Searched { id, result: Ok(found[1..].to_vec()) });
    bed.press(Button::Everything);
    bed.press(Button::Undo);
    bed.answer(&mut kept);
    let proposed = bed.desk.scene().objects.iter().filter(|o| o.label.is_none()).count();
    assert_eq!((kept.len(), proposed), (0, 0));
}

/// The picture before is still on the screen then, and would stay.
#[test]
fn nothing_is_pointed_at_while_a_picture_is_read() {
    let at = crate::FramePoint::new(5.0, 5.0);
    let drag = Drag { from: at, to: crate::FramePoint::new(20.0, 20.0), reach: 1.0 };
    for event in [
        Event::Tap { at, reach: 1.0 },
        Event::LongPress { at, reach: 1.0 },
        Event::DragMoved(drag),
        Event::Drag(drag),
    ] {
        let mut bed = Bed::new(&[false, false], false);
        bed.answer(&mut vec![]);
        bed.press(Button::Next);
        bed.todo.clear();
        bed.on(Event::Label(Outcome::Finished { picture: 0, result: Ok(()) }));
        bed.on(event.clone());
        let asked = &bed.todo[..];
        assert!(matches!(asked, [Command::Label(Errand::Show(1))]), "{event:?}: {asked:?}");
        bed.answer(&mut vec![]);
        assert_eq!(bed.desk.scene().frame.unwrap().sequence, 1, "{event:?}");
    }
}

#[test]
fn what_can_not_be_read_is_not_begun_with() {
    let at = |finished: &[bool], unreadable: &[bool]| {
        let pictures = (0..).zip(finished).zip(unreadable).map(|((i, finished), unreadable)| {
            Picture { unreadable: *unreadable, ..picture(i, *finished) }
        });
        let options = DeskOptions {
            pictures: pictures.collect(),
            names: vec!["cyst".into()],
            ..DeskOptions::default()
        };
        Desk::new(options).scene().status.source
    };
    assert_eq!(at(&[true, false, false], &[false, true, false]), "3/3 2.png");
    assert_eq!(at(&[false, true, true], &[true, false, false]), "2/3 1.png");
    assert_eq!(at(&[false, false], &[true, true]), "1/2 0.png");
}

#[test]
fn what_was_accepted_and_is_not_kept_when_all_ends_is_told() {
    let mut bed = Bed::new(&[false, false], false);
    let mut kept = Vec::new();
    bed.answer(&mut kept);
    bed.tap();
    bed.answer(&mut kept);
    bed.press(Button::Accept);
    let Some(Command::Label(Errand::Keep { id, .. })) = bed.todo.pop() else { panic!() };
    let told = bed.desk.not_kept();
    assert_eq!(told.len(), 1, "it is under way");
    bed.on(Event::Label(Outcome::Kept { id, result: Err("the disk is full".into()) }));
    let told = bed.desk.not_kept();
    assert!(told.len() == 1 && told[0].contains("0.png"), "{told:?}");
    assert!(told[0].contains("cyst") && told[0].contains("the disk is full"), "{told:?}");
    bed.press(Button::Undo);
    assert!(bed.desk.not_kept().is_empty(), "it was dropped");
}

#[test]
fn all_is_said_in_the_language_that_was_chosen() {
    let frame = Some(FrameOf { number: 3, count: 20 });
    let mut desk = Desk::new(DeskOptions {
        pictures: vec![Picture { frame, ..picture(1, false) }, picture(2, false)],
        names: vec!["cyst".into()],
        words: Words::find("zh").unwrap(),
        ..DeskOptions::default()
    });
    desk.handle(Event::Tick(Duration::from_secs(1)));
    let result = Err("damaged".to_owned());
    desk.handle(Event::Label(Outcome::Shown { picture: 0, result }));
    desk.handle(Event::Label(Outcome::Shown { picture: 1, result: Err("damaged".into()) }));
    let scene = desk.scene();
    assert_eq!(scene.status.source, "1/2 1.png，第 3 帧，共 20 帧");
    assert_eq!(scene.status.message.as_deref(), Some("没有可读取的图像"));
    let labels: Vec<&str> = scene.buttons.iter().map(|state| &*state.label).collect();
    assert!(labels.contains(&"接受") && labels.contains(&"下一幅"), "{labels:?}");
    assert!(
        labels.iter().all(|label| *label == "cyst"
            || !label.contains(char::is_alphabetic)
            || !label.is_ascii()),
        "{labels:?}"
    );
}
