//! Records through the whole loop: saved, blanked and looked at.

use tapseg::region::RegionChoice;

use super::*;

#[test]
fn saved_records_are_whole_when_the_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    let save = (When::Answered, Action::Press(Button::Save));
    let clip = (When::Answered, Action::Key(Key::Letter('c')));
    let steps = [(When::Shown(20), TAP), save, clip];
    let options = RunOptions {
        keeping: keeping(folder.path().join("kept")),
        clip: Some(CineLimits::of(Duration::from_secs(5))),
        ..scripted(&steps, Until::ScriptDone)
    };
    let report = played(Colours::new(1000, 200), Sleeper::default(), options).unwrap();
    let message = |step: usize| report.steps[step].scene.status.message.clone().unwrap();
    let saved = message(1);
    let record = saved.strip_prefix("Saved: ").expect(&saved);
    assert!(folder.path().join("kept").join(record).join("mask-1.png").is_file());
    let clipped = message(2);
    let told = clipped.strip_prefix("The clip is saved: ").expect(&clipped);
    let (seconds, clip) = told.split_once(" s; ").expect(told);
    let clip = tapseg::record::open(&folder.path().join("kept").join(clip)).unwrap();
    clip.verify().unwrap();
    let length = clip.record["seconds"].as_f64().unwrap();
    assert_eq!(seconds, format!("{length:.1}"));
    let frames = clip.record["frames"].as_array().unwrap();
    let frozen = report.steps[0].scene.frame.as_ref().unwrap().sequence;
    assert_eq!(frames.last().unwrap()["sequence"], frozen, "it ends with the frozen picture");

    // Plain colours fill the frame: there is nothing round the picture that could be told from it.
    let options = RunOptions {
        keeping: Keeping {
            blank: Some(RegionChoice::Auto),
            ..keeping(folder.path().join("blanked"))
        },
        clip: Some(CineLimits::of(Duration::from_secs(5))),
        ..scripted(&steps, Until::ScriptDone)
    };
    let report = played(Colours::new(1000, 200), Sleeper::default(), options).unwrap();
    for step in [1, 2] {
        let message = report.steps[step].scene.status.message.clone().unwrap();
        assert!(message.contains("nothing was blanked"), "{message}");
    }

    let options = scripted(&steps, Until::ScriptDone);
    let report = played(Colours::new(1000, 200), Sleeper::default(), options).unwrap();
    let message = report.steps[1].scene.status.message.clone().unwrap();
    assert!(message.contains("no folder"), "{message}");
}

#[test]
fn a_clip_among_the_records_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let press = |button| (When::Answered, Action::Press(button));
    let look = (When::Answered, Action::Key(Key::Enter));
    let steps = [
        &[(When::Shown(30), Action::Press(Button::Clip)), press(Button::Records)][..],
        &[press(Button::Tile(0))],
        &[look; 60],
        &[press(Button::Back), press(Button::Back)],
    ];
    let options = RunOptions {
        keeping: keeping(folder.path().join("kept")),
        clip: Some(CineLimits::of(Duration::from_secs(5))),
        ..scripted(&steps.concat(), Until::ScriptDone)
    };
    let report = played(Colours::new(1000, 200), Sleeper::default(), options).unwrap();
    let kept = tapseg::record::records(&folder.path().join("kept")).unwrap();
    let frames = kept[0].record["frames"].as_array().unwrap();
    let of_the_clip = |sequence: u64| frames.iter().any(|frame| frame["sequence"] == sequence);
    let mut seen = std::collections::BTreeSet::new();
    for step in &report.steps[2..63] {
        let frame = step.scene.frame.as_ref().unwrap();
        assert!(of_the_clip(frame.sequence) && u64::from(frame.rgb()[0]) == frame.sequence);
        seen.insert(frame.sequence);
    }
    assert!(seen.len() >= 5, "{seen:?}");
    assert!(report.steps[63].scene.tiles.is_some() && report.steps[64].scene.tiles.is_none());
}
