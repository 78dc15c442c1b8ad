//! What is done on a frozen picture beside outlining: callipers, clips, and the records.

use super::*;
use crate::overlay::Tile;
use crate::record::{AlbumEntry, AlbumPage, AlbumView};

#[test]
fn callipers_are_placed_by_taps_and_drags_and_moved_by_their_ends() {
    let mut bed = Bed::live();
    bed.press(Button::Calliper);
    assert!(bed.message().contains("one end"), "{}", bed.message());
    bed.tap(10.0, 10.0);
    assert_eq!(
        (bed.session.state(), bed.message().as_str()),
        (State::Encoding, "Tap the other end")
    );
    bed.tap(40.0, 10.0);
    assert_eq!(lengths(&bed), ["30 px"]);
    bed.on(Event::DragMoved(drag((11.0, 30.0), (20.0, 30.0))));
    assert_eq!(lengths(&bed), ["30 px", "9 px"], "while it is dragged");
    bed.on(Event::Drag(drag((11.0, 30.0), (51.0, 30.0))));
    assert_eq!(lengths(&bed), ["30 px", "40 px"]);

    // An end is dragged off the frame, and stays on it.
    bed.on(Event::DragMoved(drag((42.0, 12.0), (50.0, 10.0))));
    bed.on(Event::Drag(drag((42.0, 12.0), (500.0, 10.0))));
    assert_eq!(lengths(&bed), ["53 px", "40 px"]);
    bed.on(Event::DragMoved(drag((10.0, 10.0), (30.0, 10.0))));
    bed.on(Event::Cancelled);
    assert_eq!(lengths(&bed), ["53 px", "40 px"], "what was cancelled is as it was");
    bed.on(Event::DragMoved(drag((5.0, 40.0), (30.0, 40.0))));
    bed.on(Event::Cancelled);
    assert_eq!(lengths(&bed), ["53 px", "40 px"]);
    assert!(bed.scene().objects.is_empty(), "nothing is outlined");

    let Command::Save(snapshot) = &bed.press(Button::Save)[0] else { panic!() };
    assert_eq!(snapshot.callipers, bed.scene().callipers);
    bed.press(Button::Undo);
    assert_eq!(lengths(&bed), ["53 px"]);
    for _ in 0..2 * Session::MAX_CALLIPERS {
        bed.tap(10.0, 20.0);
        bed.tap(20.0, 20.0);
    }
    assert_eq!(lengths(&bed).len(), Session::MAX_CALLIPERS);
    assert!(bed.message().contains("8 callipers"), "{}", bed.message());
    bed.press(Button::Clear);
    assert!(lengths(&bed).is_empty());
}

fn page(first: usize, count: usize, total: usize) -> AlbumPage {
    let entry = |i: usize| AlbumEntry {
        name: format!("record {i}"),
        title: String::new(),
        note: String::new(),
        picture: None,
    };
    AlbumPage { total, first, entries: (first..first + count).map(entry).collect() }
}

/// The newest question's number.
fn asked(bed: &Bed) -> u64 {
    match bed.commands.last() {
        Some(Command::Records(Ask::Page { id, .. } | Ask::View { id, .. })) => *id,
        other => panic!("expected a question, found {other:?}"),
    }
}

#[test]
fn records_are_looked_at_in_place_of_the_picture() {
    let options = SessionOptions { export: true, ..SessionOptions::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    bed.show(1);
    bed.on(Event::Key(crate::screen::Key::Letter('r')));
    assert!(!bed.session.is_idle());
    let id = asked(&bed);
    let told = |id, page| Event::Records(Told::Page { id, result: Ok(page) });
    bed.on(told(id + 1, page(0, 1, 1)));
    assert!(!bed.session.is_idle(), "that was not asked for");
    bed.on(told(id, page(0, 6, 8)));
    assert_eq!(bed.message(), "Records 1 to 6 of 8, newest first");
    let tiles: Option<Vec<Tile>> = bed.scene().tiles;
    assert_eq!(tiles.map(|tiles| tiles.len()), Some(6));

    bed.press(Button::Next);
    let id = asked(&bed);
    bed.on(told(id, page(6, 2, 8)));
    assert!(bed.press(Button::Next).is_empty(), "there is no more");
    assert!(bed.press(Button::Tile(2)).is_empty(), "nothing is there");
    bed.press(Button::Tile(1));
    let Some(Command::Records(Ask::View { id, name })) = bed.commands.last().cloned() else {
        panic!()
    };
    assert_eq!(name, "record 7");
    let view = AlbumView {
        name,
        title: "yesterday: 1 structure".into(),
        frame: frame(77),
        objects: Vec::new(),
        callipers: Vec::new(),
        stays: Vec::new(),
    };
    bed.on(Event::Records(Told::View { id, result: Ok(Box::new(view)) }));
    let scene = bed.scene();
    assert_eq!((scene.frame.unwrap().sequence, scene.tiles.is_none()), (77, true));
    bed.present();
    assert!(bed.tap(5.0, 5.0).is_empty(), "it can't be pointed at");
    let exported = bed.press(Button::Export);
    assert!(
        matches!(&exported[..], [Command::Records(Ask::Export { names })] if names == &["record 7"])
    );
    bed.on(Event::Records(Told::Exported(Err("the stick is full".into()))));
    assert_eq!(bed.message(), "Not exported: the stick is full");
    let id = asked(&bed);
    bed.on(Event::Records(Told::Page { id, result: Err("gone".into()) }));
    bed.press(Button::Export);

    bed.press(Button::Back);
    assert!(bed.scene().tiles.is_some());
    bed.press(Button::Back);
    assert_eq!((bed.session.state(), bed.scene().frame.unwrap().sequence), (State::Live, 1));
    bed.tap(5.0, 5.0);
    assert_eq!(bed.scene().frame.unwrap().sequence, 1, "not the record's picture");

    // The copies go on without anybody looking.
    bed.on(Event::Tick(Duration::from_secs(60)));
    bed.on(Event::Frame(frame(2)));
    assert_eq!(bed.message(), "Exporting: leave the stick in");
    let commands = bed.encoded();
    bed.answer(&commands);
    assert!(!bed.session.is_idle());
    assert!(bed.on(Event::Records(Told::Exported(Ok("2 records are there".into())))).is_empty());
    assert_eq!(bed.message(), "2 records are there");
    assert!(bed.session.is_idle());
}

/// The clip of a record is played at its own pace, round and round, with few frames at hand.
#[test]
fn a_clip_is_played_until_the_button_is_pressed() {
    let mut bed = Bed::live();
    bed.press(Button::Records);
    let id = asked(&bed);
    bed.on(Event::Records(Told::Page { id, result: Ok(page(0, 1, 1)) }));
    bed.press(Button::Tile(0));
    let id = asked(&bed);
    // 40 frames: 0 stays for 100 ms, the others for 40.
    let ms = Duration::from_millis;
    let stays: Vec<Duration> = (0..40).map(|i| if i == 0 { ms(100) } else { ms(40) }).collect();
    let (objects, callipers) = (Vec::new(), Vec::new());
    let (name, title) = ("a".into(), "yesterday: clip of 40 frames".into());
    let view = AlbumView { name, title, frame: frame(0), objects, callipers, stays };
    bed.on(Event::Records(Told::View { id, result: Ok(Box::new(view)) }));
    let began = bed.session.now;
    let shown = |bed: &Bed| bed.scene().frame.unwrap().sequence;
    let mut waiting = Vec::new();
    // By 120 ms reading is late once; then the clip waits for it.
    let mut at = |bed: &mut Bed, time: u64, reads: bool| {
        let commands = bed.on(Event::Tick(began + ms(time)));
        waiting.extend(commands.into_iter().filter_map(|command| match command {
            Command::Records(Ask::Frames { id, first, count, .. }) => Some((id, first, count)),
            _ => None,
        }));
        assert!(waiting.len() <= 1, "one question at a time");
        if let Some((id, first, count)) = reads.then(|| waiting.pop()).flatten() {
            assert!((1..=16).contains(&count) && first + count <= 40);
            let frames = (first..first + count).map(|i| frame(i as u64)).collect();
            bed.on(Event::Records(Told::Frames { id, result: Ok(frames) }));
        }
        assert!(bed.session.is_idle(), "nobody has to wait for it");
        shown(bed)
    };
    assert_eq!(at(&mut bed, 0, false), 0);
    assert_eq!(at(&mut bed, 120, true), 0, "it could not be read yet");
    assert_eq!(at(&mut bed, 130, true), 1);
    assert_eq!((at(&mut bed, 159, true), at(&mut bed, 160, true)), (1, 2));
    assert_eq!(at(&mut bed, 250, true), 4, "what is late is left out");
    let mut order = Vec::new();
    for step in 0..60 {
        order.push(at(&mut bed, 280 + 40 * step, true));
    }
    let lap: Vec<u64> = (5..40).collect();
    assert_eq!(order[..35], lap);
    assert_eq!(order[35..40], [0, 0, 0, 1, 2], "it begins anew, and 0 stays for 100 ms");
    bed.on(Event::Tick(began + ms(9000)));
    bed.press(Button::Back);
    assert!(bed.scene().tiles.is_some());
    assert!(bed.on(Event::Tick(began + ms(9500))).is_empty(), "nothing more is read");
}

#[test]
fn a_clip_ends_with_the_frozen_picture_and_saving_goes_on() {
    let options = SessionOptions { clips: true, ..SessionOptions::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    bed.show(3);
    assert!(matches!(bed.press(Button::Clip)[..], [Command::Clip { last: None, .. }]));
    assert!(bed.press(Button::Clip).is_empty(), "one at a time");
    assert_eq!(bed.press(Button::Save).len(), 1, "a picture can be saved meanwhile");
    assert_eq!(bed.message(), "Keeping the clip");
    bed.on(Event::Saved(Ok("a".into())));
    assert!(!bed.session.is_idle());
    bed.on(Event::Clipped(Err("the disk is full".into())));
    assert_eq!(bed.message(), "Not saved: the disk is full");
    assert!(bed.session.is_idle());
    bed.press(Button::LiveFreeze);
    let clip = bed.press(Button::Clip);
    assert!(matches!(&clip[..], [Command::Clip { last: Some(last), .. }] if last.sequence == 3));
    assert!(Bed::live().press(Button::Clip).is_empty(), "nothing is remembered");
}

#[test]
fn saving_takes_what_is_shown() {
    let mut bed = Bed::live();
    let Command::Save(live) = &bed.press(Button::Save)[0] else { panic!() };
    assert_eq!((live.frame.sequence, live.objects.len()), (1, 0));
    assert!(bed.press(Button::Save).is_empty(), "one at a time");
    bed.on(Event::Saved(Ok("there".into())));
    assert_eq!(bed.message(), "Saved: there");
    bed.tap(5.0, 5.0);
    let first = bed.encoded();
    bed.answer(&first);
    bed.press(Button::NextMask);
    let Command::Save(snapshot) = &bed.press(Button::Save)[0] else { panic!() };
    assert_eq!((snapshot.objects[0].chosen, snapshot.objects[0].prompt.points.len()), (1, 1));
    bed.on(Event::Saved(Err("disk full".into())));
    assert_eq!(bed.message(), "Not saved: disk full");
}

/// The record that was to be written last, and what was said when it was.
fn record(bed: &mut Bed) -> (Snapshot, String) {
    let saved = bed.commands.iter().rev().find_map(|command| match command {
        Command::Save(snapshot) => Some(snapshot.clone()),
        _ => None,
    });
    bed.on(Event::Saved(Ok("there".into())));
    (saved.expect("it is saved"), bed.message())
}

fn is_saving(bed: &Bed) -> bool {
    bed.commands.iter().any(|command| matches!(command, Command::Save(_)))
}

#[test]
fn a_save_waits_for_the_outline_that_is_on_its_way() {
    let mut bed = Bed::live();
    bed.tap(5.0, 5.0);
    bed.press(Button::Save);
    assert!(!is_saving(&bed) && !bed.session.is_idle(), "the picture is being encoded");
    assert_eq!(bed.message(), "Saving as soon as the outline is there");
    assert!(!bed.session.is_enabled(Button::Save));
    let asked = bed.encoded();
    assert!(!is_saving(&bed));
    bed.answer(&asked);
    let (snapshot, told) = record(&mut bed);
    assert_eq!((snapshot.objects.len(), told.contains("left out")), (1, false), "{told}");

    // A point that was added just before.
    bed.commands.clear();
    let asked = bed.tap(40.0, 30.0);
    bed.press(Button::Save);
    assert!(!is_saving(&bed));
    bed.answer(&asked);
    assert_eq!(record(&mut bed).0.objects[0].prompt.points.len(), 2);
}

#[test]
fn a_save_whose_outline_does_not_come_tells_what_is_left_out() {
    for (name, ends) in [
        ("the network fails", None),
        ("the picture is let go", Some(Button::LiveFreeze)),
        ("it is let go to track another", Some(Button::Track)),
    ] {
        let mut bed = Bed::live();
        bed.tap(5.0, 5.0);
        let asked = bed.encoded();
        bed.answer(&asked);
        bed.press(Button::NewObject);
        let (request, _) = decode(&bed.tap(50.0, 40.0));
        bed.press(Button::Save);
        assert!(!is_saving(&bed), "{name}");
        match ends {
            Some(button) => _ = bed.press(button),
            None => _ = bed.on(Event::Decoded { request, result: Err("out of memory".into()) }),
        }
        let (snapshot, told) = record(&mut bed);
        assert_eq!((snapshot.frame.sequence, snapshot.objects.len()), (1, 1), "{name}");
        assert!(told.contains("what was not answered is left out"), "{name}: {told}");
    }
    // The program ends meanwhile.
    let mut bed = Bed::live();
    bed.tap(5.0, 5.0);
    bed.press(Button::Save);
    assert!(!is_saving(&bed));
    bed.on(Event::Closing);
    assert!(record(&mut bed).1.contains("left out"));
    // An outline from before the last point is not all that was pointed at.
    let mut bed = Bed::live();
    bed.tap(5.0, 5.0);
    let asked = bed.encoded();
    bed.answer(&asked);
    bed.tap(9.0, 9.0);
    bed.press(Button::Save);
    bed.press(Button::LiveFreeze);
    let (snapshot, told) = record(&mut bed);
    assert_eq!((snapshot.objects.len(), snapshot.objects[0].prompt.points.len()), (1, 1));
    assert!(told.contains("left out"), "{told}");
    let mut bed = Bed::live();
    bed.tap(5.0, 5.0);
    bed.press(Button::Save);
    let Command::Network(Job::Encode { id, .. }) = bed.commands[0] else { panic!() };
    bed.on(Event::Encoded { id, result: Err("out of memory".into()) });
    assert!(record(&mut bed).1.contains("left out"));
}
