//! What taps, tools and buttons do to the structures.

use super::*;

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

/// A model that takes boxes alone is not told which of its answers was chosen.
#[test]
fn a_point_keeps_to_the_mask_that_was_chosen() {
    // Discs round (20, 20), the best one first.
    let discs = |radii: [f32; 3]| {
        let mut discs = masks(3, 0.0);
        for (candidate, radius) in discs.candidates.iter_mut().zip(radii) {
            let inside = |k: u32| {
                let (x, y) = ((k % SIZE.width) as f32, (k / SIZE.width) as f32);
                u8::from((x - 20.0).hypot(y - 20.0) < radius)
            };
            let pixels = (0..SIZE.pixels() as u32).map(inside).collect();
            candidate.mask = Mask::from_pixels(SIZE, pixels);
        }
        discs
    };
    let radius = |bed: &Bed| {
        let mask = bed.scene().objects[0].mask.clone().unwrap();
        (mask.area_px() as f32 / std::f32::consts::PI).sqrt().round()
    };
    for (presses, at, expected) in [
        (0, 26.0, 8.0),  // nothing was chosen: the best
        (1, 26.0, 13.0), // the one most like the middle one
        (2, 26.0, 19.0),
        // The largest holds the point, too; of the others none does.
        (1, 37.0, 19.0),
        (2, 37.0, 19.0),
    ] {
        let mut bed = Bed::live();
        bed.tap(20.0, 20.0);
        let (first, _) = decode(&bed.encoded());
        bed.decoded(first, discs([8.0, 12.0, 18.0]));
        (0..presses).for_each(|_| drop(bed.press(Button::NextMask)));
        let (second, _) = decode(&bed.tap(at, 20.0));
        bed.decoded(second, discs([8.0, 13.0, 19.0]));
        assert_eq!(radius(&bed), expected, "{presses} at {at}");
        bed.press(Button::NextMask);
        assert_ne!(radius(&bed), expected, "all are there to be chosen");
    }
    // Two points in haste.
    let mut bed = Bed::live();
    bed.tap(20.0, 20.0);
    let (first, _) = decode(&bed.encoded());
    bed.decoded(first, discs([8.0, 12.0, 18.0]));
    (0..2).for_each(|_| drop(bed.press(Button::NextMask)));
    bed.tap(24.0, 20.0);
    let (third, _) = decode(&bed.tap(20.0, 25.0));
    bed.decoded(third, discs([8.0, 13.0, 19.0]));
    assert_eq!(radius(&bed), 19.0);
}

/// Logits are of the part of the picture that the network looked at, and of that picture.
#[test]
fn what_was_drawn_on_another_embedding_is_refined_by_its_mask() {
    let binary = |commands: &[Command]| match decode(commands).1.mask {
        Some(MaskPrompt::Binary(mask)) => mask.area_px() == SIZE.pixels() as u64,
        _ => false,
    };
    let mut bed = Bed::new(true);
    bed.show(1);
    bed.tap(20.0, 5.0);
    let first = bed.encoded();
    bed.answer(&first);
    bed.press(Button::Region);
    bed.on(Event::Drag(drag((2.0, 20.0), (12.0, 20.0))));
    bed.press(Button::Apply);
    bed.encoded();
    let second = bed.tap(40.0, 30.0);
    assert!(binary(&second), "another region: {second:?}");
    bed.answer(&second);
    let third = bed.tap(40.0, 40.0);
    assert!(matches!(decode(&third).1.mask, Some(MaskPrompt::LowResLogits(_))), "the same");
    bed.answer(&third);

    bed.press(Button::Track);
    bed.press(Button::LiveFreeze);
    let commands = bed.tap(30.0, 40.0);
    let commands = if commands.is_empty() { bed.encoded() } else { commands };
    assert!(binary(&commands), "tracked: {commands:?}");
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

/// What can't be answered is told in the person's language, and is no part of the prompts that follow.
#[test]
fn what_the_network_cannot_answer_is_taken_back() {
    let mut bed = Bed::live();
    bed.tap(50.0, 40.0);
    let [Command::Network(Job::Encode { id, .. })] = bed.commands[..] else { panic!() };
    let took = Duration::from_millis(1);
    let region = Some(FrameBox { x0: 0.0, y0: 0.0, x1: 32.0, y1: 48.0 });
    let encoded = Encoded { took, cached: false, region };
    assert!(bed.on(Event::Encoded { id, result: Ok(encoded) }).is_empty());
    assert!(bed.message().contains("outside of what the network looks at"), "{}", bed.message());
    assert!(bed.scene().objects.is_empty());

    bed.press(Button::Negative);
    assert!(bed.tap(10.0, 10.0).is_empty());
    assert!(bed.message().contains("First a point on the structure"), "{}", bed.message());
    assert!(bed.scene().objects.is_empty());

    bed.press(Button::Positive);
    let commands = bed.tap(20.0, 20.0);
    bed.answer(&commands);
    // The last one alone goes, and what is pointed at stays the same.
    bed.press(Button::Negative);
    let commands = bed.tap(10.0, 10.0);
    bed.answer(&commands);
    assert!(bed.tap(20.0, 20.0).is_empty(), "the only point on it can't go");
    assert_eq!(bed.scene().objects[0].points.len(), 2);
}

#[test]
fn an_object_whose_points_were_all_taken_away_is_none_to_accept() {
    let mut bed = Bed::live();
    bed.tap(20.0, 20.0);
    bed.encoded();
    assert_eq!(bed.session.state(), State::Prompting);
    bed.tap(20.0, 20.0);
    assert_eq!(bed.session.state(), State::Frozen);
    bed.press(Button::Undo);
    assert_eq!(bed.session.state(), State::Prompting);
}

/// Prompts wait until the picture is encoded; only then is it known that some can't be answered.
#[test]
fn what_waited_and_cannot_be_answered_is_taken_back_with_what_was_built_on_it() {
    let mut bed = Bed::live();
    bed.tap(50.0, 40.0);
    bed.tap(20.0, 20.0);
    bed.press(Button::NewObject);
    bed.tap(10.0, 30.0);
    let [Command::Network(Job::Encode { id, .. })] = bed.commands[..] else { panic!() };
    let region = Some(FrameBox { x0: 0.0, y0: 0.0, x1: 32.0, y1: 48.0 });
    let encoded = Encoded { took: Duration::from_millis(1), cached: false, region };
    let commands = bed.on(Event::Encoded { id, result: Ok(encoded) });
    assert_eq!(decode(&commands).1.points.len(), 1, "the other structure's");
    let objects = bed.scene().objects;
    assert_eq!(objects.len(), 1);
    assert!(objects[0].active, "what follows is about the structure that was pointed at last");
}
