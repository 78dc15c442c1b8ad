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
        (
            vec!["--labels", "cyst,ไทย"],
            "the label \"ไทย\" has a letter that there is no picture of",
        ),
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
    let text = "hand = \"left\"\ntheme = \"day\"\nlanguage = \"zh\"\npanel_mm = \"150x94\"\n\
                labels = [\"lesion\", \"囊肿\"]\n";
    fs::write(&profile, text).unwrap();
    // All that is shown, since a busy machine may leave out what others draw: the screen before the
    // frame is there, with it, or after the feed's end.
    let pictures = |name: &str, arguments: &[&str]| -> Vec<Vec<u8>> {
        let folder = out.path().join(name);
        let shown = format!("picture:{}", folder.display());
        let run = ["run", "--feed", "phantom", "--fps", "max", "--frames", "1", "--screen", &shown];
        ok(run.iter().chain(arguments));
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        // Without the status line, which tells whether the feed has ended by then.
        let visible = |picture: image::RgbImage| {
            picture.rows().take(740).flatten().flat_map(|pixel| pixel.0).collect()
        };
        files.map(|file| visible(image::open(file).unwrap().into_rgb8())).collect()
    };
    let in_common = |a: &[Vec<u8>], b: &[Vec<u8>]| a.iter().any(|picture| b.contains(picture));
    let profile = profile.to_str().unwrap();
    let by_profile = || pictures("profile", &["--board", profile]);
    let said = [
        ["--hand", "left"],
        ["--theme", "day"],
        ["--language", "zh"],
        ["--labels", "lesion,囊肿"],
        ["--panel-mm", "150x94"],
    ];
    let said = said.concat();
    let same = (0..5).any(|_| in_common(&by_profile(), &pictures("said", &said)));
    assert!(same, "as the arguments say it");
    assert!(!in_common(&by_profile(), &pictures("plain", &[])), "a profile has a look");
    let right = pictures("right", &["--board", profile, "--hand", "right"]);
    assert!(!in_common(&by_profile(), &right), "the command line comes first");
    // By it buttons are larger than where nothing is known of the panel's size.
    let unknown = pictures("unknown", &said[..8]);
    assert!(!in_common(&by_profile(), &unknown), "its size counts");
}
