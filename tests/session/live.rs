//! The live picture: how it is drawn, and what freezes it.

use super::*;

#[test]
fn the_screen_keeps_its_rate_while_the_network_works() {
    let sleeper = Sleeper { encode: Duration::from_millis(600), ..Default::default() };
    let log = sleeper.log.clone();
    let mut clicks = 0;
    // Freezes, goes back to live at once, and leaves when the encoder has long been at work.
    let mut screen = Memory::new(|_: &Canvas, shown: &[Instant]| match (clicks, shown.len()) {
        (0, 5..) | (1, 10..) => {
            clicks += 1;
            click(on_button(Button::LiveFreeze))
        }
        (2, 40..) => vec![ScreenEvent::Closed],
        _ => Vec::new(),
    });
    let feed = Box::new(Colours::new(1000, 200));
    let report = run(feed, sleeper, &mut screen, RunOptions::default()).unwrap();
    let encoding_since = log.lock().unwrap().encoded[0].1;
    let end = encoding_since + Duration::from_millis(600);
    let meanwhile = screen.shown_at.iter().filter(|at| (encoding_since..end).contains(at)).count();
    // Up to 60 a second are drawn; half of a slow encoding's 600 ms is plenty on a busy machine.
    assert!(meanwhile >= 10, "{meanwhile} pictures while the encoder was at work");
    assert!(report.frames_shown >= 20, "{report:?}");
}

#[test]
fn progress_is_drawn_while_the_frozen_frame_is_encoded() {
    let sleeper = Sleeper { encode: Duration::from_millis(500), ..Default::default() };
    let options = scripted(&[(When::Shown(2), TAP)], Until::ScriptDone);
    let mut screen = Memory::new(nobody);
    let report = run(Box::new(Colours::new(1000, 200)), sleeper, &mut screen, options).unwrap();
    let step = &report.steps[0];
    assert!(step.took >= Duration::from_millis(500));
    assert!(step.scene.objects[0].mask.is_some() && step.scene.working.is_none());
    let since = *screen.shown_at.last().unwrap() - step.took;
    let meanwhile = screen.shown_at.iter().filter(|&&at| at > since).count();
    assert!((4..=20).contains(&meanwhile), "{meanwhile} pictures in {:?}", step.took);
    assert_eq!((report.encode.count, report.decode.count, report.cache_hits), (1, 1, 0));
}

#[test]
fn a_click_freezes_the_picture_that_was_under_the_finger() {
    let sleeper = Sleeper::default();
    let log = sleeper.log.clone();
    let (mut under_the_finger, mut lifted) = (None, None);
    let mut screen = Memory::new(|canvas: &Canvas, shown: &[Instant]| {
        match (under_the_finger, lifted) {
            (None, _) if shown.len() >= 8 => {
                under_the_finger = Some(grey(canvas));
                vec![pointer(PointerPhase::Down, on_picture(40.0, 40.0))]
            }
            // The picture moves on before the finger is lifted.
            (Some(then), None) if grey(canvas) > then + 3 => {
                lifted = Some(grey(canvas));
                vec![pointer(PointerPhase::Up, on_picture(40.0, 40.0))]
            }
            _ if !log.lock().unwrap().decoded.is_empty() => vec![ScreenEvent::Closed],
            _ => Vec::new(),
        }
    });
    run(Box::new(Colours::new(1000, 200)), sleeper, &mut screen, RunOptions::default()).unwrap();
    let log = log.lock().unwrap();
    let expected = under_the_finger.unwrap();
    assert_eq!(log.encoded.len(), 1);
    assert_eq!(log.encoded[0].0.rgb()[0], expected);
    let point = log.decoded[0].points[0].position;
    assert!((point.x - 40.0).abs() < 1.0 && (point.y - 40.0).abs() < 1.0, "{point:?}");
}

#[test]
fn a_feed_that_ended_stays_on_the_screen_until_all_is_answered() {
    let sleeper = Sleeper { encode: Duration::from_millis(300), ..Default::default() };
    let options = scripted(&[(When::Shown(4), TAP)], Until::FeedEnded);
    let report = played(Colours::new(6, 200), sleeper, options).unwrap();
    assert!(report.steps[0].scene.objects[0].mask.is_some());
    assert!((2..=6).contains(&report.frames_shown), "{report:?}");
    assert_eq!(report.encode.count, 1);
}

#[test]
fn runs_that_cannot_go_on_say_why() {
    let shown = |frame| scripted(&[(When::Shown(frame), TAP)], Until::ScriptDone);
    let frozen = scripted(&[(When::Answered, TAP), (When::Shown(99), TAP)], Until::FeedEnded);
    let cases = [
        ("no picture", 0, shown(0), "no picture"),
        ("the frame never comes", 3, shown(9), "waits for frame 9, but the feed has ended"),
        ("frozen meanwhile", 1000, frozen, "frame 99, but the picture is frozen"),
    ];
    for (name, count, options, expected) in cases {
        let error = played(Colours::new(count, 200), Sleeper::default(), options).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}
