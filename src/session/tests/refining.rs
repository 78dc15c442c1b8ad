//! The second network.

use super::*;
use crate::overlay::Refinement;

/// A mask of the columns up to `right`, of every row.
fn columns(right: usize) -> Masks {
    let width = SIZE.width as usize;
    let inside = (0..SIZE.pixels()).map(|i| u8::from(i % width < right)).collect();
    let mut masks = masks(1, 0.0);
    masks.candidates[0].mask = Mask::from_pixels(SIZE, inside);
    masks
}

fn bed() -> Bed {
    let options = SessionOptions { refiner: Some("large".into()), ..Default::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    bed.show(1);
    bed
}

impl Bed {
    /// Answers a tap at (5, 5) with a mask of the columns up to 20, and gives what is asked for then.
    fn outlined(&mut self) -> Vec<Command> {
        self.tap(5.0, 5.0);
        let (request, _) = decode(&self.encoded());
        self.first(request, columns(20))
    }

    fn first(&mut self, request: u64, masks: Masks) -> Vec<Command> {
        let took = Duration::from_millis(20);
        self.on(Event::Decoded { request, result: Ok(Decoded { took, masks }) })
    }

    /// The second network has encoded the frame; gives what it is asked then.
    fn second_encoded(&mut self, commands: &[Command]) -> Vec<Command> {
        let [Command::Refine(Job::Encode { id, .. })] = commands else { panic!("{commands:?}") };
        let took = Duration::from_secs(5);
        self.on(Event::RefinerEncoded {
            id: *id,
            result: Ok(Encoded { took, cached: false, region: None }),
        })
    }

    fn second(&mut self, request: u64, masks: Masks) {
        let took = Duration::from_millis(50);
        self.on(Event::Refined { request, result: Ok(Decoded { took, masks }) });
    }

    fn wait(&mut self, ms: u64) {
        let now = self.session.now + Duration::from_millis(ms);
        self.on(Event::Tick(now));
    }

    fn area(&self) -> u64 {
        self.scene().objects[0].mask.as_ref().unwrap().area_px() / u64::from(SIZE.height)
    }

    fn refinement(&self) -> Option<Refinement> {
        self.scene().status.refinement
    }
}

fn asked(commands: &[Command]) -> (u64, Prompt) {
    match commands {
        [Command::Refine(Job::Decode { request, prompt, .. })] => (*request, prompt.clone()),
        other => panic!("expected one question to the second network, found {other:?}"),
    }
}

#[test]
fn a_better_outline_takes_the_place_of_the_first_one_smoothly() {
    let mut bed = bed();
    assert!(bed.press(Button::LiveFreeze).iter().all(|c| !matches!(c, Command::Refine(_))));
    let commands = bed.outlined();
    assert_eq!((bed.area(), bed.refinement()), (20, Some(Refinement::Underway)));
    let (request, prompt) = asked(&bed.second_encoded(&commands));
    let tight = FrameBox { x0: 0.0, y0: 0.0, x1: 19.0, y1: 47.0 };
    assert_eq!((prompt.points.len(), prompt.bounding_box), (1, Some(tight)));
    assert!(!bed.session.is_idle());
    bed.second(request, columns(28));
    let mut areas = vec![bed.area()];
    for _ in 0..6 {
        let revision = bed.session.revision();
        bed.wait(60);
        assert_ne!(bed.session.revision(), revision, "it is to be drawn again");
        areas.push(bed.area());
        if bed.session.is_idle() {
            break;
        }
    }
    assert!(areas.is_sorted() && areas[0] == 20 && *areas.last().unwrap() == 28, "{areas:?}");
    assert!(areas.iter().any(|area| (21..28).contains(area)), "{areas:?}");
    assert_eq!(bed.refinement(), Some(Refinement::Done));
    let commands = bed.press(Button::Save);
    let [Command::Save(snapshot)] = &commands[..] else { panic!() };
    assert!(snapshot.objects[0].refined && snapshot.refiner == Some("large".into()));
}

#[test]
fn what_is_another_structure_or_contradicts_a_point_is_left_out() {
    let cases = [("another one", columns(60), 20), ("it misses the tap", columns(5), 20)];
    for (name, masks, expected) in cases {
        let mut bed = bed();
        let commands = bed.outlined();
        let (request, _) = asked(&bed.second_encoded(&commands));
        bed.second(request, masks);
        bed.wait(1000);
        assert_eq!((bed.area(), bed.refinement()), (expected, None), "{name}");
        assert!(bed.session.is_idle(), "{name}");
    }
    // A point off the structure, which the better outline would take in again.
    let mut bed = bed();
    let commands = bed.outlined();
    bed.second_encoded(&commands);
    bed.press(Button::Negative);
    let (request, _) = decode(&bed.tap(22.0, 5.0));
    let (request, _) = asked(&bed.first(request, columns(20)));
    bed.second(request, columns(24));
    assert_eq!((bed.area(), bed.refinement()), (20, None));
}

#[test]
fn an_answer_counts_for_what_it_was_asked_about() {
    let mut bed = bed();
    let commands = bed.outlined();
    let (earlier, _) = asked(&bed.second_encoded(&commands));
    let (request, _) = decode(&bed.tap(9.0, 9.0));
    let (later, prompt) = asked(&bed.first(request, columns(30)));
    assert_eq!(prompt.points.len(), 2);
    bed.second(earlier, columns(22));
    assert_eq!(bed.area(), 30, "the prompt had changed");
    let (again, _) = asked(&bed.press(Button::Undo));
    assert_eq!(bed.area(), 20, "asked again for the one before");
    bed.second(later, columns(31));
    bed.second(again, columns(21));
    bed.wait(1000);
    assert_eq!((bed.area(), bed.refinement()), (21, Some(Refinement::Done)));
    assert!(bed.session.is_idle());
}

#[test]
fn nothing_of_a_picture_that_was_let_go_comes_back() {
    let mut bed = bed();
    let commands = bed.outlined();
    let (request, _) = asked(&bed.second_encoded(&commands));
    bed.press(Button::LiveFreeze);
    bed.second(request, columns(22));
    assert!(bed.session.is_idle());
    bed.show(2);
    let commands = bed.outlined();
    assert!(matches!(commands[..], [Command::Refine(Job::Encode { .. })]), "another picture");
}

#[test]
fn another_region_is_set_while_the_second_network_is_at_work() {
    for asked_already in [false, true] {
        let mut bed = bed();
        let commands = bed.outlined();
        let before = asked_already.then(|| asked(&bed.second_encoded(&commands)).0);
        bed.press(Button::Region);
        bed.on(Event::Drag(drag((2.0, 20.0), (12.0, 20.0))));
        let commands = bed.press(Button::Apply);
        assert!(encoded_sequence(&commands).is_some(), "{commands:?}");
        let refine = commands.iter().filter(|c| matches!(c, Command::Refine(_)));
        let refine: Vec<Command> = refine.cloned().collect();
        before.into_iter().for_each(|request| bed.second(request, columns(22)));
        assert_eq!((bed.area(), bed.refinement()), (20, Some(Refinement::Underway)), "outdated");
        bed.encoded();
        let (request, _) = asked(&bed.second_encoded(&refine));
        bed.second(request, columns(28));
        bed.wait(1000);
        assert_eq!((bed.area(), bed.refinement()), (28, Some(Refinement::Done)));
        assert!(bed.session.is_idle());
    }
}

#[test]
fn a_network_that_is_gone_is_not_waited_for() {
    let mut bed = bed();
    let commands = bed.outlined();
    asked(&bed.second_encoded(&commands));
    bed.on(Event::RefinerStopped);
    assert_eq!(bed.message(), "Refining is off: its network broke down");
    assert!(bed.session.is_idle() && bed.refinement().is_none());
    let (request, _) = decode(&bed.tap(9.0, 9.0));
    assert!(bed.first(request, columns(30)).is_empty());
    assert!(bed.session.is_idle());
}

#[test]
fn a_network_that_fails_is_told_and_not_asked_again() {
    let mut bed = bed();
    let commands = bed.outlined();
    let [Command::Refine(Job::Encode { id, .. })] = commands[..] else { panic!() };
    bed.on(Event::RefinerEncoded { id, result: Err("no memory".into()) });
    assert_eq!(bed.message(), "Not refined: no memory");
    let (request, _) = decode(&bed.tap(9.0, 9.0));
    assert!(bed.first(request, columns(30)).is_empty());
    assert!(bed.session.is_idle());
}
