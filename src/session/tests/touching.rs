//! What a person sets on the screen beside outlining: pages of buttons, hidden outlines, labels, the
//! region, and the guide.

use super::*;

fn labelling() -> Bed {
    let labels = ["lesion", "cyst"].map(str::to_owned).to_vec();
    let mut bed = with(SessionOptions { labels, ..SessionOptions::default() });
    bed.tap(20.0, 20.0);
    let commands = bed.encoded();
    bed.answer(&commands);
    bed
}

fn buttons(bed: &Bed) -> Vec<Button> {
    bed.scene().buttons.iter().map(|state| state.button).collect()
}

fn label_of(bed: &Bed, button: Button) -> String {
    let scene = bed.scene();
    scene.buttons.iter().find(|state| state.button == button).unwrap().label.to_string()
}

/// The region of the last encoding that was asked for.
fn asked_region(commands: &[Command]) -> Option<FrameBox> {
    commands.iter().find_map(|c| match c {
        Command::Network(Job::Encode { region, .. }) => *region,
        _ => None,
    })
}

#[test]
fn what_is_needed_less_often_is_behind_a_button() {
    let mut bed = Bed::live();
    assert!(!buttons(&bed).contains(&Button::Label), "there are none");
    bed.press(Button::Menu);
    assert_eq!(buttons(&bed), Button::MENU);
    bed.press(Button::Theme);
    assert_eq!((bed.scene().theme, buttons(&bed)), (Theme::Day, Button::MENU.to_vec()));
    assert_eq!(label_of(&bed, Button::Theme), "Dark");
    bed.press(Button::Theme);
    bed.press(Button::Back);
    assert_eq!((bed.scene().theme, buttons(&bed).len()), (Theme::Dark, 14));
    for button in [Button::Scale, Button::Records, Button::Guide, Button::Region] {
        let mut bed = Bed::live();
        bed.press(Button::Menu);
        bed.press(button);
        assert_ne!(buttons(&bed), Button::MENU, "{button:?}");
    }
}

#[test]
fn outlines_are_hidden_until_something_is_done() {
    for (name, again) in [
        ("the button", Event::Pressed(Button::Hide)),
        ("the key", Event::Key(crate::screen::Key::Letter('o'))),
        ("another button", Event::Pressed(Button::NextMask)),
        ("a tap", Event::Tap { at: FramePoint::new(1.0, 1.0), reach: 1.0 }),
        ("a drag", Event::DragMoved(drag((1.0, 1.0), (9.0, 9.0)))),
        ("a flick", Event::Drag(drag((1.0, 1.0), (9.0, 9.0)))),
    ] {
        let mut bed = labelling();
        bed.press(Button::Hide);
        assert!(bed.scene().objects.is_empty(), "{name}");
        assert_eq!(bed.message(), "Outlines are hidden");
        bed.on(again);
        assert_eq!(bed.scene().objects.len(), 1, "{name}");
    }
    let mut bed = labelling();
    bed.press(Button::Hide);
    let Command::Save(snapshot) = &bed.press(Button::Save)[0] else { panic!() };
    assert_eq!(snapshot.objects.len(), 1, "what is hidden is kept all the same");
    assert!(!Bed::live().session.is_enabled(Button::Hide), "there is nothing to hide");
}

#[test]
fn structures_get_a_label_and_keep_it() {
    let mut bed = labelling();
    assert!(buttons(&bed).contains(&Button::Label));
    bed.press(Button::Label);
    assert_eq!(
        buttons(&bed),
        [Button::Choice(0), Button::Choice(1), Button::Choice(2), Button::Back]
    );
    assert_eq!(label_of(&bed, Button::Choice(1)), "cyst");
    assert_eq!(label_of(&bed, Button::Choice(2)), "No label");
    bed.press(Button::Choice(1));
    let label = |bed: &Bed| bed.scene().objects[0].label.clone();
    assert_eq!(label(&bed).as_deref(), Some("cyst"));
    let asked = bed.tap(40.0, 30.0);
    bed.answer(&asked);
    assert_eq!(label(&bed).as_deref(), Some("cyst"), "another point");
    let Command::Save(snapshot) = &bed.press(Button::Save)[0] else { panic!() };
    assert_eq!(snapshot.objects[0].label.as_deref(), Some("cyst"));
    bed.press(Button::Track);
    assert_eq!(label(&bed).as_deref(), Some("cyst"), "on the live picture");
    bed.press(Button::LiveFreeze);
    assert_eq!(label(&bed).as_deref(), Some("cyst"), "frozen again");
    bed.press(Button::Label);
    bed.press(Button::Choice(2));
    assert_eq!(label(&bed), None);
    // One that is not on the screen is no choice.
    bed.press(Button::Choice(0));
    assert_eq!(label(&bed), None);
}

#[test]
fn more_labels_than_there_is_room_for_are_left_out() {
    let labels = (0..40).map(|i| i.to_string()).collect();
    let session = Session::new(SessionOptions { labels, ..SessionOptions::default() });
    assert_eq!(session.options.labels.len(), Session::MAX_LABELS);
}

#[test]
fn the_region_is_dragged_applied_and_given_back() {
    let mut bed = Bed::live();
    bed.press(Button::LiveFreeze);
    let id = bed.session.last_id;
    let found = FrameBox { x0: 4.0, y0: 2.0, x1: 60.0, y1: 44.0 };
    let took = Duration::from_millis(1);
    let region = Some(found);
    bed.on(Event::Encoded { id, result: Ok(Encoded { took, cached: false, region }) });
    bed.press(Button::Region);
    assert_eq!((bed.scene().region, buttons(&bed)), (Some(found), Button::ADJUSTING.to_vec()));
    assert!(!bed.session.is_enabled(Button::Automatic), "it is found by itself");

    bed.on(Event::DragMoved(drag((5.0, 20.0), (9.0, 20.0))));
    assert_eq!(bed.scene().region.unwrap().x0, 8.0);
    bed.on(Event::Cancelled);
    assert_eq!(bed.scene().region, Some(found));
    bed.on(Event::Drag(drag((5.0, 20.0), (15.0, 20.0))));
    assert_eq!(bed.tap(30.0, 30.0).len(), 0, "taps point at nothing");
    let set = FrameBox { x0: 14.0, ..found };
    let commands = bed.press(Button::Apply);
    assert_eq!((asked_region(&commands), bed.scene().region), (Some(set), None));
    assert_eq!(bed.message(), "The network looks at 47 x 43 pixels");

    // It holds for the frames that come, and is where it was when it is set again.
    bed.encoded();
    bed.press(Button::LiveFreeze);
    bed.show(2);
    let commands = bed.press(Button::LiveFreeze);
    assert_eq!(asked_region(&commands), Some(set));
    bed.press(Button::Region);
    assert!(!bed.session.is_enabled(Button::Apply), "the network is at work");
    bed.encoded();
    assert_eq!(bed.scene().region, Some(set));
    assert_eq!(bed.press(Button::Apply).len(), 0, "nothing has changed");
    bed.press(Button::Region);
    let commands = bed.press(Button::Automatic);
    assert!(matches!(commands[..], [Command::Network(Job::Encode { region: None, .. })]));
    bed.encoded();
    bed.press(Button::Region);
    bed.on(Event::Drag(drag((5.0, 20.0), (15.0, 20.0))));
    bed.press(Button::Back);
    assert_eq!((bed.scene().region, bed.session.regions.set_for(SIZE)), (None, None));
}

#[test]
fn the_guide_goes_away_with_whatever_is_done() {
    for event in [
        Event::Tap { at: FramePoint::new(9.0, 9.0), reach: 1.0 },
        Event::Pressed(Button::Guide),
        Event::Pressed(Button::LiveFreeze),
        Event::Key(crate::screen::Key::Enter),
        Event::Drag(drag((1.0, 1.0), (30.0, 30.0))),
    ] {
        let mut bed = with(SessionOptions { guide: true, ..SessionOptions::default() });
        bed.on(Event::Touched);
        assert!(bed.scene().guide);
        let commands = bed.on(event.clone());
        assert!(matches!(commands[..], [Command::Remember(Memory::GuideRead)]), "{event:?}");
        assert_eq!((bed.scene().guide, bed.session.state()), (false, State::Live), "{event:?}");
    }
    for key in ['h', '?'] {
        let mut bed = Bed::live();
        assert!(!bed.scene().guide);
        bed.on(Event::Key(crate::screen::Key::Letter(key)));
        assert!(bed.scene().guide, "{key}");
    }
}
