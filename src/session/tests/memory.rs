//! Masks so large that not all can be kept.

use super::*;

/// A frame, and masks of 16 MiB on it that have nothing in common.
fn large(count: usize) -> (Frame, Masks) {
    let size = FrameSize::new(4096, 4096);
    let rows = |i: usize| (0..4096).flat_map(move |y| [u8::from(y % count == i); 4096]);
    let candidate = |i: usize| MaskCandidate {
        mask: Mask::from_pixels(size, rows(i).collect()),
        ..masks(1, 0.0).candidates.remove(0)
    };
    let candidates = (0..count).map(candidate).collect();
    (Frame::from_rgb(size, vec![0; size.pixels() * 3]).unwrap(), Masks { candidates })
}

#[test]
fn masks_of_old_steps_make_room_and_are_decoded_again() {
    // `T` taps and gets an answer, `N` begins another object.
    let cases = [
        ("the oldest step goes, and what was not chosen", "TTNT", 9, vec![1, 9]),
        ("a newer step goes before what is shown", "TNTT", 6, vec![6, 6]),
    ];
    for (name, steps, count, expected) in cases {
        let (frame, large) = large(count);
        let mut bed = Bed::new(false);
        bed.on(Event::Frame(frame));
        bed.present();
        bed.press(Button::LiveFreeze);
        bed.encoded();
        for (i, step) in steps.chars().enumerate() {
            if step == 'N' {
                bed.press(Button::NewObject);
                continue;
            }
            let (request, _) = decode(&bed.tap(100.0 * (i + 1) as f32, 5.0));
            bed.decoded(request, large.clone());
        }
        let Command::Save(snapshot) = &bed.press(Button::Save)[0] else { panic!() };
        let left: Vec<usize> = snapshot.objects.iter().map(|o| o.masks.candidates.len()).collect();
        assert_eq!(left, expected, "{name}");
        let again = (0..3).map(|_| bed.press(Button::Undo).len()).sum::<usize>();
        assert_eq!(again, 1, "{name}: decoded again on the way back");
    }
}

/// What is shown may take more than the bound; that must not start an endless retry.
#[test]
fn only_masks_that_are_there_are_dropped() {
    let (frame, large) = large(17);
    let mut bed = Bed::new(false);
    bed.on(Event::Frame(frame));
    bed.present();
    bed.press(Button::LiveFreeze);
    bed.encoded();
    let (first, _) = decode(&bed.tap(100.0, 5.0));
    bed.decoded(first, large);
    let (second, _) = decode(&bed.tap(200.0, 5.0));
    let again = bed.on(Event::Decoded { request: second, result: Err("no".into()) });
    assert!(again.is_empty(), "a failed prompt waits for the person: {again:?}");
    assert!(bed.session.is_idle());
}
