//! Networks and feeds that fail.

use super::*;

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
    assert_eq!(bed.message(), "Saved: there", "what goes on hides nothing that is new");

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
