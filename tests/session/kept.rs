//! What is there at the next start: labels, and what was set on the screen.

use super::*;

/// Pictures are labelled with keys and fingers, and the window is closed in the middle of it.
#[test]
fn accepted_masks_are_on_the_disk_when_the_window_closes() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (grey, name) in [(40, "a.png"), (80, "b.png")] {
        let picture = image::RgbImage::from_pixel(SIZE.width, SIZE.height, image::Rgb([grey; 3]));
        picture.save(folder.path().join(name)).unwrap();
    }
    let open = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        LabelSet::open(folder.path(), out.path(), names).unwrap()
    };
    let steps = [
        (When::Shown(0), Action::Drag(BOX)),
        (When::Answered, Action::Key(Key::Letter('2'))),
        (When::Answered, Action::Press(Button::Accept)),
        (When::Answered, Action::Key(Key::Right)),
        (When::Shown(1), TAP),
        (When::Answered, Action::Key(Key::Enter)),
    ];
    let mut screen = Memory::new(nobody);
    let options = scripted(&steps, Until::ScriptDone);
    let set = open(&["cyst", "nerve"]);
    let (report, summary) = label(set, false, Sleeper::default(), &mut screen, options).unwrap();
    assert_eq!((report.encode.count, report.decode.count, report.steps.len()), (2, 2, 6));
    assert_eq!(report.steps[5].scene.status.source, "2/2 b.png");
    assert_eq!((summary.pictures, summary.finished, summary.masks), (2, 1, 2));
    assert_eq!(summary.names["nerve"], 2);

    let dataset = tapseg::eval::Dataset::open(out.path().to_str().unwrap()).unwrap();
    assert_eq!((dataset.items.len(), dataset.problems.len()), (2, 0));
    assert!(out.path().join("annotations.json").exists());

    // The next time begins with the second picture, and its mask is there.
    let at = |button| {
        let layout = Layout::with_buttons(SCREEN, SIZE, Button::LABELLING);
        click(layout.button_area(button).center())
    };
    let mut pressed = false;
    let mut screen = Memory::new(|_: &Canvas, shown: &[Instant]| match shown.len() {
        12.. if pressed => vec![ScreenEvent::Closed],
        6.. if !pressed => {
            pressed = true;
            at(Button::Undo)
        }
        _ => vec![ScreenEvent::Key(Key::Letter('x'))],
    });
    let sleeper = Sleeper { encode: Duration::from_millis(900), ..Default::default() };
    let (_, summary) =
        label(open(&[]), false, sleeper, &mut screen, RunOptions::default()).unwrap();
    assert_eq!((summary.finished, summary.masks), (1, 1), "the undone one is gone");
}

#[test]
fn the_guide_is_shown_once_and_the_scale_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let spacing = PixelSpacing { row_mm: 0.25, column_mm: 0.25 };
    let run = |steps: &[(When, Action)]| {
        let options = RunOptions {
            memory: Some(Remembered::new(folder.path().join("state"), "colours")),
            presets: vec![Preset { name: "linear".into(), spacing }],
            ..scripted(steps, Until::ScriptDone)
        };
        played(Colours::new(1000, 200), Sleeper::default(), options).unwrap().steps
    };
    let press = |button| (When::Answered, Action::Press(button));
    let first = run(&[
        (When::Shown(2), TAP),
        press(Button::Scale),
        press(Button::Preset),
        press(Button::Apply),
    ]);
    assert!(first[0].scene.objects.is_empty(), "the tap puts the guide away and does no more");
    let again = run(&[(When::Shown(2), TAP)]);
    let scene = &again[0].scene;
    assert_eq!((scene.guide, scene.objects.len()), (false, 1));
    assert_eq!(scene.frame.as_ref().unwrap().pixel_spacing, Some(spacing));
}

#[test]
fn a_mask_that_could_not_be_kept_is_told_when_the_window_closes() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let picture = image::RgbImage::from_pixel(SIZE.width, SIZE.height, image::Rgb([40; 3]));
    picture.save(folder.path().join("a.png")).unwrap();
    let set = LabelSet::open(folder.path(), out.path(), vec!["cyst".into()]).unwrap();
    // As on a disk that fails: nothing goes where the masks should.
    std::fs::write(out.path().join("masks"), "").unwrap();
    let steps = [(When::Shown(0), TAP), (When::Answered, Action::Key(Key::Enter))];
    let mut screen = Memory::new(nobody);
    let options = scripted(&steps, Until::ScriptDone);
    let (report, summary) = label(set, false, Sleeper::default(), &mut screen, options).unwrap();
    let message = report.steps[1].scene.status.message.as_ref().unwrap();
    assert!(message.contains("Not kept"), "{message}");
    assert_eq!((summary.masks, summary.problems.len()), (0, 1));
    let problem = &summary.problems[0];
    assert!(problem.contains("a.png") && problem.contains("cyst"), "{problem}");
}
