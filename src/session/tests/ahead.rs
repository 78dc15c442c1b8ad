//! What the network does while the picture is live.

use super::*;
use crate::PixelSpacing;
use crate::measure::Ruler;

/// A picture with something to be recognised by, moved to the right by `moved` pixels.
fn textured(sequence: u64, moved: u32) -> Frame {
    let grey = |k: u32| {
        let (x, y) = ((k % SIZE.width) as i64 - i64::from(moved), i64::from(k / SIZE.width));
        let ring = ((x - 24).pow(2) + (y - 24).pow(2)) as f32;
        let grain = ((x * 31 + y * 57) % 23) as f32;
        if ring < 100.0 { 20 + grain as u8 } else { 120 + (3.0 * grain) as u8 }
    };
    let rgb: Vec<u8> = (0..SIZE.pixels() as u32).flat_map(|k| [grey(k); 3]).collect();
    let mut frame = Frame::from_rgb(SIZE, rgb).unwrap();
    frame.sequence = sequence;
    frame.captured_at = Duration::from_millis(50 * sequence);
    frame
}

/// The disc of [`textured`].
fn disc(moved: u32) -> Masks {
    disc_of(moved, 10.0)
}

fn disc_of(moved: u32, radius: f32) -> Masks {
    let inside = |k: u32| {
        let (x, y) = ((k % SIZE.width) as i64 - i64::from(moved), i64::from(k / SIZE.width));
        u8::from((((x - 24).pow(2) + (y - 24).pow(2)) as f32) < radius * radius)
    };
    let mask = Mask::from_pixels(SIZE, (0..SIZE.pixels() as u32).map(inside).collect());
    let logits = Arc::new(Array2::zeros((4, 4)));
    let candidate =
        MaskCandidate { mask, low_res_logits: logits, predicted_iou: 0.9, stability_score: 1.0 };
    Masks { candidates: vec![candidate] }
}

impl Bed {
    pub(super) fn ahead(share: f32) -> Self {
        let options = SessionOptions { ahead: Some(share), ..Default::default() };
        let mut bed = Self { session: Session::new(options), commands: Vec::new() };
        // Somebody is there.
        bed.on(Event::Touched);
        bed
    }

    fn shows(&mut self, frame: Frame) -> Vec<Command> {
        let commands = self.on(Event::Frame(frame));
        self.present();
        commands
    }

    fn tick(&mut self, ms: u64) -> Vec<Command> {
        self.on(Event::Tick(Duration::from_millis(ms)))
    }

    fn touch(&mut self) -> Vec<Command> {
        self.on(Event::Touched);
        self.tap(24.0, 24.0)
    }
}

fn questions(commands: &[Command]) -> Vec<(u64, Prompt)> {
    let question = |command: &Command| match command {
        Command::Network(Job::Decode { request, prompt, .. }) => Some((*request, prompt.clone())),
        _ => None,
    };
    commands.iter().filter_map(question).collect()
}

#[test]
fn a_tap_on_a_frame_that_is_encoded_ahead_is_asked_at_once() {
    let mut bed = Bed::ahead(1.0);
    assert_eq!(encoded_sequence(&bed.shows(frame(1))), Some(1));
    bed.show(2);
    bed.encoded();
    bed.tick(400);
    let commands = bed.touch();
    assert_eq!(questions(&commands).len(), 1, "{commands:?}");
    assert_eq!(encoded_sequence(&commands), None);
    assert_eq!(bed.scene().frame.unwrap().sequence, 1, "that very frame is shown");
}

#[test]
fn a_frame_that_is_still_being_encoded_is_waited_for() {
    let mut bed = Bed::ahead(1.0);
    bed.shows(frame(1));
    bed.show(2);
    bed.tick(300);
    assert!(questions(&bed.touch()).is_empty());
    assert_eq!(bed.session.state(), State::Encoding);
    let commands = bed.encoded();
    assert_eq!((questions(&commands).len(), bed.scene().frame.unwrap().sequence), (1, 1));
}

#[test]
fn what_was_encoded_too_long_ago_is_not_shown() {
    let mut bed = Bed::ahead(0.1);
    bed.shows(frame(1));
    bed.encoded();
    bed.show(2);
    bed.tick(501);
    assert_eq!(encoded_sequence(&bed.touch()), Some(2));
}

#[test]
fn encoding_ahead_keeps_to_its_share() {
    // An embedding takes 500 ms; with a share of a quarter the next begins 2000 ms after it.
    let mut bed = Bed::ahead(0.25);
    bed.shows(frame(1));
    bed.tick(500);
    bed.encoded();
    bed.show(2);
    assert_eq!(encoded_sequence(&bed.tick(1999)), None);
    assert_eq!(encoded_sequence(&bed.tick(2000)), Some(2));
}

#[test]
fn what_would_be_too_old_when_it_is_encoded_is_not_begun() {
    let mut bed = Bed::ahead(1.0);
    bed.shows(frame(1));
    bed.tick(501);
    bed.encoded_in(Duration::from_millis(501));
    assert_eq!(encoded_sequence(&bed.shows(frame(2))), None);
    bed.tick(5000);
    assert_eq!(encoded_sequence(&bed.shows(frame(3))), None);
    assert_eq!(encoded_sequence(&bed.touch()), Some(3), "a tap waits for its own frame alone");
    // A faster one, as by a smaller package or a cooler board.
    bed.encoded_in(Duration::from_millis(499));
    bed.press(Button::LiveFreeze);
    bed.tick(5600);
    assert_eq!(encoded_sequence(&bed.shows(frame(4))), Some(4));
    // One was slow, as the first may be.
    bed.encoded_in(Duration::from_millis(900));
    bed.tick(20_599);
    assert_eq!(encoded_sequence(&bed.shows(frame(5))), None);
    assert_eq!(encoded_sequence(&bed.tick(20_600)), Some(5));
}

#[test]
fn a_board_that_nobody_touches_rests() {
    let options = SessionOptions { ahead: Some(1.0), ..Default::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    assert_eq!(encoded_sequence(&bed.shows(frame(1))), None);
    assert_eq!(encoded_sequence(&bed.on(Event::Touched)), Some(1), "as soon as a finger is down");
    bed.encoded();
    bed.tick(60_000);
    assert_eq!(encoded_sequence(&bed.shows(frame(2))), Some(2));
    bed.encoded();
    bed.tick(60_001);
    assert_eq!(encoded_sequence(&bed.shows(frame(3))), None);
}

/// With the disc outlined on frame 1 and followed.
fn tracking() -> Bed {
    let mut bed = Bed::new(false);
    bed.shows(textured(1, 0));
    bed.tap(24.0, 24.0);
    let commands = bed.encoded();
    let (request, _) = decode(&commands);
    bed.decoded(request, disc(0));
    let asked = questions(&bed.press(Button::Track));
    assert_eq!(asked.len(), 2, "the box and a tap, of the embedding that is there: {asked:?}");
    assert!(asked[0].1.bounding_box.is_some() && asked[1].1.points.len() == 1);
    asked.iter().for_each(|(request, _)| bed.decoded(*request, disc(0)));
    assert_eq!(bed.session.state(), State::Tracking);
    bed
}

#[test]
fn outlines_follow_the_live_picture() {
    let mut bed = tracking();
    assert!(bed.session.is_idle());
    for moved in 1..8 {
        bed.shows(textured(1 + u64::from(moved), moved));
    }
    let objects = bed.scene().objects;
    let found = objects[0].mask.as_ref().unwrap();
    let expected = &disc(7).candidates[0].mask;
    assert!(found.dice(expected) > 0.9, "{:?}", found.bounding_box());
    assert_eq!(bed.message(), "Tracking");
}

#[test]
fn the_tracked_are_asked_for_again_and_again() {
    let mut bed = tracking();
    let commands = bed.shows(textured(2, 1));
    assert_eq!(encoded_sequence(&commands), Some(2));
    let asked = questions(&bed.encoded());
    assert_eq!(asked.len(), 2);
    assert_eq!(encoded_sequence(&bed.shows(textured(3, 2))), None, "answers come first");
    bed.decoded(asked[0].0, disc(1));
    let took = Duration::from_millis(20);
    let commands = bed
        .on(Event::Decoded { request: asked[1].0, result: Ok(Decoded { took, masks: disc(1) }) });
    assert_eq!(encoded_sequence(&commands), Some(3));
}

/// The network's answer is the outline a moment later, not at once, and both go with the picture.
#[test]
fn outlines_become_what_the_network_answers_smoothly() {
    let mut bed = tracking();
    bed.shows(textured(2, 1));
    let asked = questions(&bed.encoded());
    let shown = |bed: &Bed| bed.scene().objects[0].mask.clone().unwrap();
    let before = shown(&bed);
    bed.decoded(asked[0].0, disc_of(1, 10.4));
    let began = bed.session.now.as_millis() as u64;
    assert_eq!(shown(&bed).area_px(), before.area_px());
    let mut areas = vec![before.area_px()];
    for ms in [60, 120, 180, 240] {
        let revision = bed.session.revision();
        bed.tick(began + ms);
        assert_ne!(bed.session.revision(), revision, "it is to be drawn again");
        areas.push(shown(&bed).area_px());
    }
    bed.shows(textured(3, 3));
    let middle = |mask: &Mask| mask.bounding_box().map(|b| (b.x0 + b.x1) / 2.0).unwrap();
    assert!((middle(&shown(&bed)) - 27.0).abs() <= 1.0, "it follows meanwhile");
    bed.tick(began + 300);
    areas.push(shown(&bed).area_px());
    // A ring of single pixels, each of which is taken over about halfway.
    assert!(areas.is_sorted() && areas[1] == areas[0] && areas[5] > areas[0], "{areas:?}");
    let revision = bed.session.revision();
    bed.tick(began + 310);
    assert_eq!(bed.session.revision(), revision, "it has arrived");
}

#[test]
fn a_tap_or_a_button_freezes_the_tracked_where_they_are() {
    for by_button in [false, true] {
        let mut bed = tracking();
        bed.shows(textured(2, 1));
        let commands = match by_button {
            true => bed.press(Button::LiveFreeze),
            false => bed.tap(50.0, 40.0),
        };
        assert_eq!(bed.scene().frame.unwrap().sequence, 2);
        assert!(bed.scene().objects[0].mask.is_some());
        assert_eq!(bed.scene().objects.len(), if by_button { 1 } else { 2 });
        // It was on its way to the network already.
        assert_eq!(encoded_sequence(&commands), None);
    }
}

#[test]
fn the_lost_are_told_and_a_second_press_ends_it() {
    let mut bed = tracking();
    for sequence in 2..10 {
        let mut dark = frame(0);
        dark.sequence = sequence;
        dark.captured_at = Duration::from_millis(50 * sequence);
        bed.shows(dark);
    }
    assert_eq!(bed.message(), "Lost: looking for it");
    assert!(bed.scene().objects.is_empty());
    bed.press(Button::Track);
    assert_eq!(bed.session.state(), State::Live);
}

#[test]
fn only_what_is_outlined_can_be_tracked() {
    let mut bed = Bed::live();
    let enabled = |bed: &Bed| bed.session.is_enabled(Button::Track);
    assert!(!enabled(&bed));
    bed.tap(24.0, 24.0);
    assert!(!enabled(&bed));
    let commands = bed.encoded();
    bed.answer(&commands);
    assert!(enabled(&bed));
    bed.on(Event::FeedEnded);
    assert!(!enabled(&bed), "there is nothing to follow");
}

#[test]
fn what_is_tracked_is_saved() {
    let mut bed = tracking();
    bed.shows(textured(2, 1));
    let live = saved(&bed.press(Button::Save));
    assert_eq!((live.frame.sequence, live.objects.len()), (2, 1));
    bed.on(Event::Saved(Ok("there".into())));
    bed.press(Button::LiveFreeze);
    let frozen = saved(&bed.press(Button::Save));
    for snapshot in [live, frozen] {
        let object = &snapshot.objects[0];
        assert_eq!((object.origin, object.refined), (Origin::Tracked, false));
        assert!(object.prompt.is_empty(), "nobody pointed at anything on this picture");
    }
}

/// With the disc drawn by the second network, and followed before the first has answered.
fn tracking_refined() -> (Bed, Vec<(u64, Prompt)>) {
    let options = SessionOptions { refiner: Some("large".into()), ..Default::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    let took = Duration::from_millis(20);
    bed.shows(textured(1, 0));
    bed.tap(24.0, 24.0);
    let (request, _) = decode(&bed.encoded());
    bed.decoded(request, disc(0));
    let id = bed.session.refining_id().unwrap();
    let result = Ok(Encoded { took, cached: false, region: None });
    let commands = bed.on(Event::RefinerEncoded { id, result });
    let [Command::Refine(Job::Decode { request, .. })] = commands[..] else { panic!() };
    bed.on(Event::Refined { request, result: Ok(Decoded { took, masks: disc_of(0, 10.6) }) });
    let asked = questions(&bed.press(Button::Track));
    (bed, asked)
}

#[test]
fn what_the_second_network_drew_is_its_own_until_the_first_draws_it_again() {
    let (mut bed, asked) = tracking_refined();
    bed.shows(textured(2, 1));
    assert!(saved(&bed.press(Button::Save)).objects[0].refined, "carried to this picture");
    bed.on(Event::Saved(Ok("there".into())));
    asked.iter().for_each(|(request, _)| bed.decoded(*request, disc(0)));
    assert!(!saved(&bed.press(Button::Save)).objects[0].refined, "drawn by the first");

    // Frozen, the second is asked again; until it answers, and where it has nothing better, it stays.
    let (mut bed, _) = tracking_refined();
    bed.press(Button::LiveFreeze);
    let is_refined = |bed: &mut Bed| {
        let is = saved(&bed.press(Button::Save)).objects[0].refined;
        bed.on(Event::Saved(Ok("there".into())));
        is
    };
    assert!(is_refined(&mut bed));
    bed.commands.clear();
    bed.on(Event::Refined { request: bed.session.last_id, result: Err("no".into()) });
    assert!(is_refined(&mut bed));
}

fn saved(commands: &[Command]) -> Snapshot {
    let saved = commands.iter().find_map(|command| match command {
        Command::Save(snapshot) => Some(snapshot.clone()),
        _ => None,
    });
    saved.unwrap()
}

#[test]
fn what_is_tracked_is_saved_without_a_scale_whose_ruler_is_gone() {
    let mut bed = tracking();
    let (from, to) = (FramePoint::new(60.0, 2.0), FramePoint::new(60.0, 42.0));
    let spacing = PixelSpacing { row_mm: 0.2, column_mm: 0.2 };
    let ruler = Some(Ruler { from, to, steps: 4 });
    bed.session.scale = Some(Scale { size: None, spacing, ruler });
    bed.shows(textured(2, 1));
    assert_eq!(bed.scene().frame.unwrap().pixel_spacing, Some(spacing));
    let saved = saved(&bed.press(Button::Save));
    assert_eq!((saved.frame.sequence, saved.frame.pixel_spacing), (2, None));
    assert_eq!(saved.objects.len(), 1);
}

/// While a picture stays, frames of a live source come rarely: the frozen one is shown until the next is
/// there, and outlines are where it has them.
#[test]
fn the_tracked_are_on_the_picture_that_is_shown() {
    for (ms, shown) in [(240, 1), (40, 2)] {
        let live = |sequence, moved| {
            let mut frame = textured(sequence, moved);
            frame.taken_at = Some(std::time::Instant::now());
            frame
        };
        let mut bed = Bed::new(false);
        bed.shows(live(1, 0));
        bed.tap(24.0, 24.0);
        let (request, _) = decode(&bed.encoded());
        bed.decoded(request, disc(0));
        bed.on(Event::Frame(live(2, 6)));
        bed.tick(ms);
        bed.press(Button::Track);
        assert_eq!(bed.scene().frame.unwrap().sequence, shown, "after {ms} ms");
        let expected = &disc(if shown == 1 { 0 } else { 6 }).candidates[0].mask;
        let mask = bed.scene().objects[0].mask.clone().unwrap();
        assert!(mask.dice(expected) > 0.9, "after {ms} ms: {:?}", mask.bounding_box());
    }
}
