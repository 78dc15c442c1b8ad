//! The search for everything.

use super::*;

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
    assert!(objects[1].active && objects[1].bounding_box.is_none(), "nobody drew a box");
    bed.tap(50.0, 40.0);
    assert!(bed.message().contains("Nothing was found there"), "{}", bed.message());
    bed.tap(5.0, 5.0);
    let objects = bed.scene().objects;
    let active: Vec<_> = objects.iter().filter(|object| object.active).collect();
    assert_eq!((objects.len(), active.len()), (2, 1), "both are picked");
    assert_eq!(active[0].mask.as_ref().unwrap().area_px(), 900);

    // Without the masks, taps point again, and prompts refine what was picked.
    bed.press(Button::Everything);
    assert_eq!(bed.scene().objects.len(), 2);
    let (refined, prompt) = decode(&bed.tap(20.0, 20.0));
    assert!(prompt.bounding_box.is_some() && prompt.points.len() == 1);
    bed.decoded(refined, masks(1, 0.0));
    // What a person made of it is kept, and not the box that stands for what was found.
    bed.press(Button::NewObject);
    let (request, _) = decode(&bed.tap(60.0, 40.0));
    bed.decoded(request, masks(1, 0.0));
    let Command::Save(snapshot) = &bed.press(Button::Save)[0] else { panic!() };
    let kept: Vec<_> = snapshot
        .objects
        .iter()
        .map(|o| (o.origin, o.prompt.points.len(), o.prompt.bounding_box))
        .collect();
    let (found, tapped) = (Origin::Found, Origin::Prompted);
    assert_eq!(kept, [(found, 0, None), (found, 1, None), (tapped, 1, None)]);
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

/// A bed where everything was looked for beside an object that was outlined before, and the search's number.
fn beside_an_object() -> (Bed, u64) {
    let mut bed = Bed::live();
    bed.tap(50.0, 40.0);
    let commands = bed.encoded();
    bed.answer(&commands);
    let commands = bed.press(Button::Everything);
    let [Command::Network(Job::Everything { id, .. })] = commands[..] else {
        panic!("{commands:?}")
    };
    (bed, id)
}

#[test]
fn what_is_found_beside_an_object_is_shown_unless_somebody_points() {
    let (mut bed, id) = beside_an_object();
    bed.on(Event::Searched { id, result: Ok(nested()) });
    assert_eq!(bed.session.proposals(), Some(2));

    let (mut bed, id) = beside_an_object();
    bed.tap(30.0, 30.0);
    bed.on(Event::Searched { id, result: Ok(nested()) });
    assert_eq!(bed.session.proposals(), None);
    bed.press(Button::Everything);
    assert_eq!(bed.session.proposals(), Some(2));
}

#[test]
fn undo_gives_back_what_was_picked() {
    let (mut bed, id) = beside_an_object();
    bed.on(Event::Searched { id, result: Ok(nested()) });
    bed.tap(5.0, 5.0);
    assert_eq!((bed.session.proposals(), bed.scene().objects.len()), (Some(1), 3));
    bed.press(Button::Undo);
    assert_eq!((bed.session.proposals(), bed.scene().objects.len()), (Some(2), 3));
    bed.tap(5.0, 5.0);
    let objects = bed.scene().objects;
    let picked = objects.iter().find(|object| object.active).unwrap();
    assert_eq!(picked.mask.as_ref().unwrap().area_px(), 100);
    // Of what was pointed at nothing comes back.
    bed.press(Button::Undo);
    bed.press(Button::Undo);
    assert_eq!((bed.session.proposals(), bed.scene().objects.len()), (Some(2), 2));
}

#[test]
fn a_long_press_is_off_the_structure_also_among_masks_to_pick() {
    let (mut bed, id) = beside_an_object();
    bed.on(Event::Searched { id, result: Ok(nested()) });
    let at = FramePoint::new(5.0, 5.0);
    let (_, prompt) = decode(&bed.on(Event::LongPress { at, reach: 3.0 }));
    assert_eq!(prompt.points_labelled(PointLabel::Negative).collect::<Vec<_>>(), [at]);
    assert_eq!(bed.session.proposals(), Some(2));
}

#[test]
fn to_clear_is_not_to_point() {
    let (mut bed, id) = beside_an_object();
    bed.press(Button::Clear);
    bed.on(Event::Searched { id, result: Ok(nested()) });
    assert_eq!(bed.session.proposals(), Some(2));

    let (mut bed, id) = beside_an_object();
    bed.press(Button::Clear);
    bed.tap(30.0, 30.0);
    bed.on(Event::Searched { id, result: Ok(nested()) });
    assert_eq!(bed.session.proposals(), None);
}

/// A structure that was tracked is none of the masks that were found.
#[test]
fn undo_of_what_was_tracked_gives_no_mask_back() {
    let mut bed = Bed::live();
    bed.tap(20.0, 20.0);
    let commands = bed.encoded();
    bed.answer(&commands);
    bed.press(Button::Track);
    bed.press(Button::LiveFreeze);
    if bed.session.is_encoding() {
        bed.encoded();
    }
    assert_eq!(bed.scene().objects.len(), 1);
    let commands = bed.press(Button::Everything);
    let [Command::Network(Job::Everything { id, .. })] = commands[..] else {
        panic!("{commands:?}")
    };
    bed.on(Event::Searched { id, result: Ok(nested()) });
    bed.press(Button::Undo);
    assert_eq!((bed.session.proposals(), bed.scene().objects.len()), (Some(2), 2));
}
