//! How `run`'s screen looks: what can't be meant is named with what can.

use std::fs;

use super::*;

#[test]
fn settings_that_cannot_be_meant_are_refused_with_what_can() {
    let out = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = out.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let words = put("words.toml", "[button]\nfreze = \"Halt\"\n");
    let profile = put("ward.toml", "hand = \"both\"");
    let presets = put("presets.toml", "[[preset]]\nname = \"linear\"\nspacing = \"0.1\"\n");
    let shown = format!("picture:{}", out.path().join("shown").display());
    let labels = (0..13).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    for (arguments, told) in [
        (vec!["--hand", "both"], "give left or right"),
        (vec!["--theme", "night"], "give dark or day"),
        (vec!["--language", "fr"], "give en, zh, or a path to a .toml file"),
        (vec!["--language", &words], "\"button.freze\"; did you mean \"button.freeze\"?"),
        (vec!["--language", "none.toml"], "can't read the words in none.toml"),
        (vec!["--panel-mm", "7 inch"], "as in 217x136"),
        (vec!["--panel-mm", "16x9"], "1280 x 800 pixels is not of this size"),
        (vec!["--labels", "cyst,"], "give labels of 1 to 24 letters"),
        (vec!["--labels", "cyst,cyst"], "\"cyst\" is there twice"),
        (vec!["--labels", &labels], "13 labels: no more than 12 fit the screen"),
        (vec!["--preset", "linear"], "there are no presets; give --board"),
        (vec!["--board", &presets, "--preset", "convex"], "there are [\"linear\"]"),
        (vec!["--board", &profile], "hand = \"both\": give left or right"),
    ] {
        let run = ["run", "--feed", "phantom", "--frames", "1", "--screen", &shown];
        let complaint = refused(run.iter().chain(&arguments));
        assert!(complaint.contains(told), "{arguments:?}: {complaint}");
    }
}

#[test]
fn the_look_of_a_profile_is_that_of_the_screen() {
    let out = tempfile::tempdir().unwrap();
    let profile = out.path().join("ward.toml");
    let text = "hand = \"left\"\ntheme = \"day\"\nlanguage = \"zh\"\npanel_mm = \"217x136\"\n\
                labels = [\"lesion\", \"囊肿\"]\n";
    fs::write(&profile, text).unwrap();
    let picture = |name: &str, arguments: &[&str]| {
        let folder = out.path().join(name);
        let shown = format!("picture:{}", folder.display());
        let run = ["run", "--feed", "phantom", "--fps", "max", "--frames", "1", "--screen", &shown];
        ok(run.iter().chain(arguments));
        // The last one: on a busy machine, the first is drawn before the frame is there.
        let last = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).max();
        let shown = image::open(last.unwrap()).unwrap().into_rgb8();
        // Without the status line, which tells whether the feed has ended by then.
        shown.rows().take(740).flatten().copied().collect::<Vec<_>>()
    };
    let plain = picture("plain", &[]);
    let profile = profile.to_str().unwrap();
    let of_profile = picture("profile", &["--board", profile]);
    let said = ["--hand", "left", "--theme", "day", "--language", "zh", "--labels", "lesion,囊肿"];
    assert!(plain != of_profile, "a profile has a look");
    assert!(picture("said", &said) == of_profile, "as the arguments say it");
    let right = picture("right", &["--board", profile, "--hand", "right"]);
    assert!(right != of_profile, "the command line comes first");
}
