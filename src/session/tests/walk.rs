//! Random walks over all events.

use proptest::prelude::*;

use super::*;
use crate::record::{AlbumEntry, AlbumPage, AlbumView};
use crate::session::network::same_picture;

/// One step of the random walk; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Op {
    Tick(u64),
    Frame(u8),
    OtherSize,
    Present,
    Touch,
    Tap(f32, f32),
    LongPress(f32, f32),
    DragMoved(f32, f32),
    Drag(f32, f32),
    Cancel,
    Press(usize),
    Encoded(u64, bool),
    Decoded(u64, usize),
    Searched(u64, usize),
    SecondEncoded(u64, bool),
    Refined(u64, usize),
    RefinerStopped,
    Failed,
    Ended,
    Saved,
    Clipped,
    Told(u64, usize),
}

/// Those that can be pressed.
const BUTTONS: usize = 14 + 7 + 3 + 6 + 4 + 6;

fn button(index: usize) -> Button {
    let tiles = [Button::Tile(0), Button::Tile(200)];
    let labels = [Button::Label, Button::Choice(0), Button::Choice(1), Button::Choice(200)];
    let pages = [&Button::ALL[..], &Button::MENU, &Button::ADJUSTING, &Button::SCALING];
    let all = [&pages.concat()[..], &Button::BROWSING, &tiles, &labels].concat();
    all[index]
}

/// A page of `count` records, or one of them.
fn told(id: u64, count: usize) -> Told {
    let entry = AlbumEntry {
        name: "a".into(),
        title: "today".into(),
        note: "1 structure".into(),
        picture: None,
    };
    let view = || AlbumView {
        name: "a".into(),
        title: "today".into(),
        frame: frame(9),
        objects: Vec::new(),
        callipers: Vec::new(),
        stays: vec![Duration::from_millis(40); 3],
    };
    match count {
        _ if id.is_multiple_of(5) => Told::Frames { id, result: Ok(vec![frame(3); count]) },
        0 => Told::Page { id, result: Err("no".into()) },
        1 => Told::View { id, result: Ok(Box::new(view())) },
        2 => Told::Exported(Ok("done".into())),
        _ => {
            let page = AlbumPage { total: 99, first: 0, entries: vec![entry; count] };
            Told::Page { id, result: Ok(page) }
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let coordinate = || prop_oneof![8 => -10.0f32..80.0, 1 => Just(f32::NAN)];
    prop_oneof![
        2 => (0u64..4000).prop_map(Op::Tick),
        2 => (0u8..4).prop_map(Op::Frame),
        1 => Just(Op::OtherSize),
        3 => Just(Op::Present),
        1 => Just(Op::Touch),
        5 => (coordinate(), coordinate()).prop_map(|(x, y)| Op::Tap(x, y)),
        2 => (coordinate(), coordinate()).prop_map(|(x, y)| Op::LongPress(x, y)),
        1 => (coordinate(), coordinate()).prop_map(|(x, y)| Op::DragMoved(x, y)),
        2 => (coordinate(), coordinate()).prop_map(|(x, y)| Op::Drag(x, y)),
        1 => Just(Op::Cancel),
        6 => (0..BUTTONS).prop_map(Op::Press),
        4 => (0u64..3, any::<bool>()).prop_map(|(back, ok)| Op::Encoded(back, ok)),
        5 => (0u64..4, 0usize..4).prop_map(|(back, count)| Op::Decoded(back, count)),
        4 => (0u64..3, 0usize..4).prop_map(|(back, count)| Op::Searched(back, count)),
        3 => (0u64..3, any::<bool>()).prop_map(|(back, ok)| Op::SecondEncoded(back, ok)),
        4 => (0u64..4, 0usize..4).prop_map(|(back, count)| Op::Refined(back, count)),
        1 => Just(Op::RefinerStopped),
        1 => Just(Op::Failed),
        1 => Just(Op::Ended),
        1 => Just(Op::Saved),
        1 => Just(Op::Clipped),
        2 => (0u64..2, 0usize..4).prop_map(|(back, count)| Op::Told(back, count)),
    ]
}

fn event(op: &Op, bed: &Bed) -> Option<Event> {
    let took = Duration::from_millis(1);
    // A number that was given lately.
    let recent = |back: u64| bed.session.last_id.saturating_sub(back);
    let encoded = |ok: bool| match ok {
        true => Ok(Encoded { took, cached: false, region: None }),
        false => Err("no".to_owned()),
    };
    let decoded = |count: usize| match count {
        0 => Err("no".to_owned()),
        _ => Ok(Decoded { took, masks: masks(count, 0.0) }),
    };
    let from = FramePoint::new(20.0, 20.0);
    let drag = |x, y| Drag { from, to: FramePoint::new(x, y), reach: 3.0 };
    Some(match *op {
        Op::Tick(ms) => Event::Tick(bed.session.now + Duration::from_millis(ms)),
        Op::Frame(n) => Event::Frame(frame(n.into())),
        Op::OtherSize => Event::Frame(Frame::from_rgb(FrameSize::new(3, 3), vec![7; 27]).unwrap()),
        Op::Present => Event::Presented(bed.scene().frame?),
        Op::Touch => Event::Touched,
        Op::Tap(x, y) => Event::Tap { at: FramePoint::new(x, y), reach: 3.0 },
        Op::LongPress(x, y) => Event::LongPress { at: FramePoint::new(x, y), reach: 3.0 },
        Op::DragMoved(x, y) => Event::DragMoved(drag(x, y)),
        Op::Drag(x, y) => Event::Drag(drag(x, y)),
        Op::Cancel => Event::Cancelled,
        Op::Press(i) => Event::Pressed(button(i)),
        Op::Encoded(back, ok) => Event::Encoded { id: recent(back), result: encoded(ok) },
        Op::Decoded(back, count) => {
            Event::Decoded { request: recent(back), result: decoded(count) }
        }
        Op::SecondEncoded(back, ok) => {
            // The first network's numbers come in between.
            let asked = bed.session.refining_id().unwrap_or_default();
            Event::RefinerEncoded { id: asked.saturating_sub(back / 2), result: encoded(ok) }
        }
        Op::Refined(back, count) => {
            Event::Refined { request: recent(back), result: decoded(count) }
        }
        Op::RefinerStopped => Event::RefinerStopped,
        Op::Searched(back, count) => Event::Searched {
            id: recent(back),
            result: match count {
                0 => Err("no".into()),
                _ => Ok(masks(count, 0.0).candidates),
            },
        },
        Op::Failed => Event::FeedFailed("bad".into()),
        Op::Ended => Event::FeedEnded,
        Op::Saved => Event::Saved(Ok("there".into())),
        Op::Clipped => Event::Clipped(Ok("there".into())),
        Op::Told(back, count) => Event::Records(told(recent(back), count)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_order_of_events_breaks_it(
        ops in prop::collection::vec(op(), 1..150),
        ahead in any::<bool>(),
        refiner in any::<bool>(),
    ) {
        let mut bed = if ahead { Bed::ahead(1.0) } else { Bed::new(false) };
        bed.session.options.labels = vec!["cyst".into()];
        bed.session.guide = ahead;
        bed.session.options.refiner = refiner.then(|| "large".into());
        let mut refiner_is_there = refiner;
        let first = bed.on(Event::Frame(frame(1)));
        bed.present();
        let mut encode_succeeded = true;
        let mut last_encoded = encoded_sequence(&first).map(|_| (bed.scene().frame.unwrap(), None));
        for op in &ops {
            let Some(event) = event(op, &bed) else { continue };
            let before = bed.session.frozen.as_ref().map(|f| f.frame.clone());
            if let (Event::Encoded { id, result }, Some(encoding)) = (&event, &bed.session.encoding)
                && encoding.id == *id
            {
                encode_succeeded = result.is_ok();
            }
            refiner_is_there &= !matches!(event, Event::RefinerStopped);
            for command in bed.on(event) {
                match command {
                    Command::Refine(job) => {
                        prop_assert!(refiner_is_there, "nobody is there to do it");
                        let frozen = bed.session.frozen.as_ref().map(|f| &f.frame);
                        match job {
                            Job::Encode { frame, .. } => {
                                prop_assert!(frozen.is_some_and(|f| same_picture(f, &frame)));
                            }
                            Job::Decode { encoding, prompt, .. } => {
                                prop_assert_eq!(Some(encoding), bed.session.refining_id());
                                prop_assert!(!prompt.is_empty());
                            }
                            other => prop_assert!(false, "not for the second: {other:?}"),
                        }
                    }
                    Command::Network(Job::Encode { frame, region, .. }) => {
                        let again = last_encoded
                            .is_some_and(|(last, of)| same_picture(&last, &frame) && of == region);
                        prop_assert!(!again || !encode_succeeded, "{frame:?} encoded twice");
                        encode_succeeded = true;
                        last_encoded = Some((frame, region));
                    }
                    Command::Network(Job::Decode { encoding, prompt, .. }) => {
                        prop_assert_eq!(Some(encoding), bed.session.encoding.as_ref().map(|e| e.id));
                        prop_assert!(!prompt.is_empty());
                    }
                    Command::Network(Job::Everything { frame, .. }) => {
                        let frozen = bed.session.frozen.as_ref();
                        prop_assert!(frozen.is_some_and(|f| same_picture(&f.frame, &frame)));
                    }
                    Command::Network(Job::Stop) | Command::Save(_) => {}
                    Command::Label(_) | Command::Remember(_) => {}
                    Command::Clip { .. } | Command::Records(_) => {}
                }
            }
            let frozen = bed.session.frozen.as_ref();
            if let (Some(before), Some(now)) = (&before, frozen) {
                prop_assert!(same_picture(before, &now.frame), "the frozen frame changed");
            }
            prop_assert!(refiner_is_there || !bed.session.is_refining(), "there is no second");
            let scene = bed.scene();
            let live = matches!(bed.session.state(), State::Live | State::Tracking);
            prop_assert_eq!(live, frozen.is_none());
            prop_assert!(bed.session.state() != State::Live || scene.objects.is_empty());
            prop_assert!(scene.objects.iter().filter(|o| o.active).count() <= 1);
            prop_assert_eq!(scene.working.is_some(), bed.session.is_working());
            let may_be_let_go = frozen.is_some_and(|f| f.by_drag);
            prop_assert!(!may_be_let_go || scene.objects.is_empty());
            let mut colours: Vec<usize> = scene.objects.iter().map(|o| o.colour).collect();
            colours.sort_unstable();
            colours.dedup();
            prop_assert_eq!(colours.len(), scene.objects.len());
            let size = scene.frame.as_ref().unwrap().size();
            for object in &scene.objects {
                prop_assert!(object.points.iter().all(|p| p.position.is_inside(size)));
                prop_assert!(object.mask.as_ref().is_none_or(|m| m.size() == size));
            }
        }
    }

    #[test]
    fn as_many_undos_as_prompts_lead_back(
        prompts in prop::collection::vec((0u8..4, 4.0f32..60.0, 4.0f32..44.0), 1..40)
    ) {
        let mut bed = Bed::live();
        bed.press(Button::LiveFreeze);
        bed.encoded();
        let (mut counted, mut pictures) = (0, Vec::new());
        let picture = |bed: &Bed| {
            let of = |o: &crate::overlay::SceneObject| (o.points.clone(), o.bounding_box, o.colour);
            bed.scene().objects.iter().map(of).collect::<Vec<_>>()
        };
        for (kind, x, y) in prompts {
            let before = picture(&bed);
            let commands = match kind {
                0 => bed.press(Button::NewObject),
                1 => bed.on(Event::Drag(FrameBox::centred(FramePoint::new(x, y), 6.0, 6.0).into())),
                _ => bed.tap(x, y),
            };
            if kind > 0 {
                counted += 1;
                pictures.push(before);
            }
            if !commands.is_empty() {
                bed.answer(&commands);
            }
        }
        // A refusal for too many structures is no step.
        prop_assume!(!bed.message().contains("No more"));
        for _ in 0..counted {
            prop_assert!(bed.press(Button::Undo).is_empty(), "every mask was kept");
            prop_assert_eq!(picture(&bed), pictures.pop().unwrap());
        }
        prop_assert!(bed.scene().objects.is_empty());
        prop_assert_eq!(bed.session.state(), State::Frozen);
    }
}
