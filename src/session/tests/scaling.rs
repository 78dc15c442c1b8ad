//! How large a pixel is: set on the screen, or before.

use super::*;
use crate::PixelSpacing;
use crate::measure::{Preset, Ruler, Unit};

/// A frame with a tick every `period` rows at its right side.
fn with_ruler(period: usize) -> Frame {
    let size = FrameSize::new(64, 240);
    let bright = |i: usize| i % 64 > 50 && (i / 64) % period == 5;
    let rgb = (0..size.pixels()).flat_map(|i| [if bright(i) { 230 } else { 0 }; 3]);
    Frame::from_rgb(size, rgb.collect::<Vec<_>>()).unwrap()
}

fn scaled_by_ruler() -> Bed {
    let presets = vec![Preset {
        name: "linear".into(),
        spacing: PixelSpacing { row_mm: 0.5, column_mm: 0.5 },
    }];
    let options = SessionOptions { presets, clips: true, ..SessionOptions::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    bed.on(Event::Frame(with_ruler(20)));
    bed.present();
    bed.press(Button::Scale);
    bed.tap(55.0, 7.0);
    bed.tap(56.0, 203.0);
    bed
}

fn spacing(bed: &Bed) -> Option<f32> {
    bed.scene().frame.unwrap().pixel_spacing.map(|spacing| spacing.row_mm)
}

#[test]
fn the_scale_is_read_from_the_ruler() {
    let mut bed = scaled_by_ruler();
    let shown: Vec<Button> = bed.scene().buttons.iter().map(|state| state.button).collect();
    assert_eq!(shown, Button::SCALING);
    assert_eq!(bed.scene().ruler.unwrap().steps, 10);
    assert_eq!(bed.message(), "10 steps of 10 mm, 0.500 mm a pixel");
    bed.press(Button::Less);
    assert_eq!(bed.message(), "10 steps of 5 mm, 0.250 mm a pixel");
    bed.press(Button::Apply);
    assert_eq!(
        (bed.message().as_str(), spacing(&bed)),
        ("The scale is set: 0.250 mm a pixel", Some(0.25))
    );
    bed.press(Button::Calliper);
    bed.on(Event::Drag(drag((5.0, 10.0), (5.0, 50.0))));
    assert_eq!(bed.scene().callipers[0].length.unit, Unit::Millimetre);
    assert_eq!(lengths(&bed), ["10.0 mm"]);

    // It holds for the frames that come, as long as the ruler is the same.
    bed.press(Button::LiveFreeze);
    bed.on(Event::Frame(with_ruler(20)));
    bed.present();
    bed.press(Button::LiveFreeze);
    assert_eq!(spacing(&bed), Some(0.25));
    bed.press(Button::LiveFreeze);
    bed.on(Event::Frame(with_ruler(14)));
    bed.present();
    bed.press(Button::LiveFreeze);
    assert_eq!(spacing(&bed), None, "{}", bed.message());
    assert!(bed.message().contains("set the scale again"), "{}", bed.message());
}

#[test]
fn a_scale_can_be_guessed_chosen_and_left() {
    let mut bed = scaled_by_ruler();
    bed.press(Button::Undo);
    assert!(bed.message().contains("Tap a tick"), "{}", bed.message());
    bed.tap(20.0, 20.0);
    bed.tap(20.0, 22.0);
    assert!(bed.message().contains("too near"), "{}", bed.message());
    bed.on(Event::Tick(Duration::from_secs(60)));
    bed.tap(20.0, 20.0);
    bed.tap(20.0, 220.0);
    assert_eq!(bed.message(), "No ticks: 50 mm between the taps, 0.250 mm a pixel");
    bed.press(Button::Back);
    assert_eq!(spacing(&bed), None);

    bed.press(Button::Scale);
    bed.press(Button::Preset);
    assert_eq!(bed.message(), "linear: 0.500 mm a pixel");
    bed.press(Button::Apply);
    assert_eq!(spacing(&bed), Some(0.5));
    bed.on(Event::Tick(Duration::from_secs(120)));
    bed.press(Button::Scale);
    bed.press(Button::Preset);
    bed.press(Button::Preset);
    assert!(bed.message().contains("the feed states none"), "{}", bed.message());
    bed.press(Button::Apply);
    assert_eq!(spacing(&bed), None);
}

#[test]
fn a_scale_is_remembered_until_its_ruler_changes() {
    let ruler =
        Ruler { from: FramePoint::new(55.0, 7.0), to: FramePoint::new(55.0, 40.0), steps: 3 };
    let spacing = PixelSpacing { row_mm: 0.2, column_mm: 0.2 };
    let scale = |size, ruler| Some(Scale { size, spacing, ruler });
    let is_set = "The scale is set: 0.200 mm a pixel";
    for (name, scale, lives, remembers) in [
        ("of frames of this size", scale(Some(SIZE), None), true, false),
        ("of frames of any size", scale(None, None), true, false),
        ("of other frames", scale(Some(FrameSize::new(9, 9)), None), false, false),
        ("from a ruler that is not there", scale(Some(SIZE), Some(ruler)), false, true),
    ] {
        let options = SessionOptions { scale, ..SessionOptions::default() };
        let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
        assert_eq!(bed.message(), "Waiting for the first picture", "{name}");
        bed.show(1);
        assert_eq!(bed.message() == is_set, lives, "{name}: {}", bed.message());
        let commands = bed.press(Button::LiveFreeze);
        let spacing_now = bed.scene().frame.unwrap().pixel_spacing;
        assert_eq!(spacing_now, lives.then_some(spacing), "{name}");
        let dropped = |c: &Command| matches!(c, Command::Remember(Memory::Scale(None)));
        assert_eq!(commands.iter().any(dropped), remembers, "{name}");
    }
    let mut bed = with(SessionOptions { clips: true, ..SessionOptions::default() });
    bed.show(7);
    bed.press(Button::Scale);
    bed.tap(20.0, 5.0);
    bed.tap(20.0, 45.0);
    let commands = bed.press(Button::Apply);
    let Command::Remember(Memory::Scale(Some(set))) = &commands[0] else { panic!("{commands:?}") };
    assert_eq!(set.size, Some(SIZE));
    let commands = bed.press(Button::Clip);
    let [Command::Clip { scale, since: 7, .. }] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(scale.as_ref(), Some(set), "as the frames before may be of another depth");
    let [Command::Clip { last: Some(last), .. }] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(last.pixel_spacing, None, "as those before it are remembered");
}

/// Frames that came before the first that was seen were as large, and nothing changed since.
#[test]
fn a_scale_from_before_holds_for_what_came_before_the_first_frame_that_was_seen() {
    let spacing = PixelSpacing { row_mm: 0.2, column_mm: 0.2 };
    let scale = Some(Scale { size: Some(SIZE), spacing, ruler: None });
    let options = SessionOptions { scale, clips: true, ..SessionOptions::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    bed.show(2);
    let commands = bed.press(Button::Clip);
    assert!(matches!(&commands[..], [Command::Clip { since: 0, .. }]), "{commands:?}");
}

#[test]
fn a_scale_from_before_is_told_once_and_on_the_frames_that_it_holds_for() {
    let spacing = PixelSpacing { row_mm: 0.2, column_mm: 0.2 };
    let scale = Some(Scale { size: Some(SIZE), spacing, ruler: None });
    let options = SessionOptions { scale, ..SessionOptions::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    let other = Frame::from_rgb(FrameSize::new(9, 9), vec![0; 243]).unwrap();
    bed.on(Event::Frame(other));
    let told = |bed: &Bed| bed.message().contains("The scale is set");
    assert!(!told(&bed));
    bed.show(2);
    assert!(told(&bed));
    bed.on(Event::Tick(Duration::from_secs(60)));
    bed.show(3);
    assert!(!told(&bed));
}

/// A source that sends another resolution shows a pixel of another size.
#[test]
fn a_scale_that_was_given_is_that_of_the_first_picture_s_size() {
    let spacing = PixelSpacing { row_mm: 0.2, column_mm: 0.2 };
    let options = SessionOptions {
        scale: Some(Scale { size: None, spacing, ruler: None }),
        ..SessionOptions::default()
    };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    bed.show(1);
    let mut other = Frame::from_rgb(FrameSize::new(9, 9), vec![0; 243]).unwrap();
    bed.on(Event::Frame(other.clone()));
    assert_eq!(bed.scene().frame.unwrap().pixel_spacing, None);
    assert_eq!(bed.message(), "The picture has another size now: no scale");
    bed.show(3);
    assert_eq!(bed.scene().frame.unwrap().pixel_spacing, Some(spacing));
    assert_eq!(bed.message(), "The scale is set: 0.200 mm a pixel");
    other.pixel_spacing = Some(PixelSpacing { row_mm: 0.5, column_mm: 0.5 });
    bed.on(Event::Frame(other));
    assert_eq!(bed.message(), "As the feed states: 0.500 mm a pixel");
}

/// The spacing that the only record among `commands` gets.
fn kept(commands: &[Command]) -> Option<PixelSpacing> {
    let kept = commands.iter().filter_map(|command| match command {
        Command::Save(snapshot) => Some(snapshot.frame.pixel_spacing),
        Command::Clip { scale, .. } => Some(scale.as_ref().map(|scale| scale.spacing)),
        _ => None,
    });
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept.len(), 1, "{commands:?}");
    kept[0]
}

#[test]
fn nothing_is_kept_with_a_scale_whose_ruler_has_changed() {
    let dropped = |c: &Command| matches!(c, Command::Remember(Memory::Scale(None)));
    for (button, done) in [
        (Button::Save, Event::Saved(Ok("/kept".into()))),
        (Button::Clip, Event::Clipped(Ok("/kept".into()))),
    ] {
        let mut bed = scaled_by_ruler();
        bed.press(Button::Apply);
        let set = spacing(&bed);
        bed.press(Button::LiveFreeze);
        bed.on(Event::Frame(with_ruler(20)));
        bed.present();
        let commands = bed.press(button);
        assert_eq!(kept(&commands).map(|spacing| spacing.row_mm), set, "{button:?}");
        assert!(set.is_some() && !commands.iter().any(dropped));
        bed.on(done.clone());

        bed.on(Event::Frame(with_ruler(14)));
        bed.present();
        let commands = bed.press(button);
        assert_eq!((kept(&commands), spacing(&bed)), (None, None), "{button:?}");
        assert!(commands.iter().any(dropped), "{commands:?}");
        // Its being kept is told, and doesn't hide why it has no scale.
        bed.on(done);
        let message = bed.message();
        assert!(message.contains("set the scale again") && message.contains("/kept"), "{message}");
    }
}

/// A session that remembers a scale by a ruler, and has seen another ruler.
fn with_a_scale_from_before() -> Bed {
    let ends = (FramePoint::new(55.0, 7.0), FramePoint::new(56.0, 203.0));
    let size = Some(with_ruler(20).size());
    let spacing = PixelSpacing { row_mm: 0.2, column_mm: 0.2 };
    let ruler = Ruler::between(&with_ruler(20), ends.0, ends.1);
    let scale = Some(Scale { size, spacing, ruler });
    let options = SessionOptions { scale, ..SessionOptions::default() };
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    bed.on(Event::Frame(with_ruler(14)));
    bed.present();
    bed
}

#[test]
fn a_scale_from_before_holds_from_when_its_ruler_is_seen() {
    let mut bed = with_a_scale_from_before();
    let told = |bed: &Bed| bed.message().contains("The scale is set");
    assert_eq!((spacing(&bed), told(&bed)), (None, false));
    // It is not looked for on every frame.
    bed.on(Event::Tick(Duration::from_millis(500)));
    bed.on(Event::Frame(with_ruler(20)));
    bed.present();
    assert_eq!((spacing(&bed), told(&bed)), (None, false));
    bed.on(Event::Tick(Duration::from_secs(1)));
    bed.on(Event::Frame(with_ruler(20)));
    assert_eq!((spacing(&bed), told(&bed)), (Some(0.2), true));
    let presented = bed.session.presented.as_ref().unwrap();
    assert!(presented.pixel_spacing.is_some(), "what is on the screen has it, too");
    bed.on(Event::Tick(Duration::from_secs(60)));
    bed.on(Event::Frame(with_ruler(20)));
    assert_eq!((spacing(&bed), told(&bed)), (Some(0.2), false));
}

#[test]
fn the_ruler_of_a_scale_from_before_is_looked_for_on_what_stays() {
    for button in [Button::LiveFreeze, Button::Save] {
        let mut bed = with_a_scale_from_before();
        bed.on(Event::Frame(with_ruler(20)));
        bed.present();
        assert_eq!(spacing(&bed), None);
        bed.press(button);
        assert_eq!(spacing(&bed), Some(0.2), "{button:?}");
        assert!(bed.message().contains("The scale is set"), "{button:?}: {}", bed.message());
    }
}

/// A scanner may state another spacing with every frame.
#[test]
fn each_frame_keeps_the_spacing_that_was_stated_with_it() {
    let stating = |sequence, mm| {
        let mut frame = frame(sequence);
        frame.pixel_spacing = Some(PixelSpacing { row_mm: mm, column_mm: mm });
        frame
    };
    let mut bed = Bed::new(false);
    bed.on(Event::Frame(stating(1, 0.1)));
    bed.present();
    bed.press(Button::Scale);
    bed.on(Event::Frame(stating(2, 0.3)));
    bed.tap(20.0, 5.0);
    bed.tap(20.0, 45.0);
    bed.press(Button::Apply);
    let set = spacing(&bed);
    assert!(set.is_some_and(|mm| mm > 0.2), "{set:?}");

    // Back to what is stated.
    bed.on(Event::Tick(Duration::from_secs(60)));
    bed.press(Button::Scale);
    bed.press(Button::Preset);
    assert!(bed.message().contains("0.100 mm"), "{}", bed.message());
    bed.press(Button::Apply);
    assert_eq!(spacing(&bed), Some(0.1));
    assert!(bed.message().contains("0.100 mm"), "{}", bed.message());
    bed.press(Button::LiveFreeze);
    assert_eq!(spacing(&bed), Some(0.3));
}
