//! When the picture stays, and when it is encoded.

use super::*;

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
    assert_eq!(bed.scene().status.encode_ms, Some(500.0));
    assert_eq!(bed.scene().status.decode_ms, Some(20.0));
    assert_eq!(bed.scene().status.mask_of, Some((1, 3)));
    assert!(bed.session.is_idle());
}

#[test]
fn how_long_it_took_is_not_told_of_the_picture_before() {
    let mut bed = Bed::live();
    bed.press(Button::LiveFreeze);
    bed.encoded();
    let commands = bed.tap(5.0, 5.0);
    bed.answer(&commands);
    assert!(bed.scene().status.decode_ms.is_some());
    bed.press(Button::LiveFreeze);
    bed.show(2);
    bed.press(Button::LiveFreeze);
    assert_eq!((bed.scene().status.encode_ms, bed.scene().status.decode_ms), (None, None));
    // Nor where the picture was let go of while it was encoded.
    bed.press(Button::LiveFreeze);
    bed.show(3);
    bed.press(Button::LiveFreeze);
    bed.press(Button::LiveFreeze);
    bed.encoded();
    bed.show(4);
    bed.press(Button::LiveFreeze);
    assert_eq!(bed.scene().status.encode_ms, None);
    bed.encoded();
    assert_eq!(bed.scene().status.encode_ms, Some(500.0));
    let late = bed.tap(5.0, 5.0);
    bed.press(Button::LiveFreeze);
    bed.press(Button::LiveFreeze);
    bed.answer(&late);
    assert_eq!(bed.scene().status.decode_ms, None, "of the picture before");
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

/// While a picture stays, frames of a live source come a few times a second.
#[test]
fn no_frame_from_a_while_ago_is_shown_as_live() {
    let shown_after = |live: bool, ms: u64, ended: bool| {
        let frame_of = |sequence| {
            let mut frame = frame(sequence);
            frame.taken_at = live.then(std::time::Instant::now);
            frame
        };
        let mut bed = Bed::new(false);
        bed.on(Event::Frame(frame_of(1)));
        bed.present();
        bed.press(Button::LiveFreeze);
        bed.on(Event::Frame(frame_of(2)));
        if ended {
            bed.on(Event::FeedEnded);
        }
        bed.on(Event::Tick(Duration::from_millis(ms)));
        bed.press(Button::LiveFreeze);
        let shown = bed.scene().frame.unwrap().sequence;
        bed.on(Event::Frame(frame_of(3)));
        assert_eq!(bed.scene().frame.unwrap().sequence, 3);
        shown
    };
    assert_eq!(shown_after(true, 40, false), 2);
    assert_eq!(shown_after(true, 240, false), 1, "until a new one comes");
    assert_eq!(shown_after(false, 240, false), 2, "a recording");
    assert_eq!(shown_after(true, 240, true), 2, "no other will come");
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

/// What is kept for clips goes on meanwhile, as the feed does where the drag is cancelled.
#[test]
fn a_drag_holds_the_picture_when_it_is_done() {
    let mut bed = Bed::live();
    for (event, held) in [
        (Event::DragMoved(drag((10.0, 10.0), (30.0, 20.0))), false),
        (Event::Cancelled, false),
        (Event::DragMoved(drag((10.0, 10.0), (30.0, 20.0))), false),
        (Event::Drag(drag((10.0, 10.0), (30.0, 20.0))), true),
        (Event::Pressed(Button::LiveFreeze), false),
        (Event::Pressed(Button::LiveFreeze), true),
    ] {
        bed.on(event.clone());
        assert_eq!(bed.session.is_held(), held, "{event:?}");
    }
}
