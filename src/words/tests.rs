use std::collections::BTreeSet;

use super::*;

fn of(language: &str) -> Words {
    Words::find(language).unwrap()
}

#[test]
fn each_language_has_each_text_and_a_picture_of_each_letter() {
    for (name, text) in EMBEDDED {
        // What a letter lacks is an error of this.
        let found = entries(name, text).unwrap();
        let keys: BTreeSet<usize> = found.iter().map(|(index, _)| *index).collect();
        let missing: Vec<_> =
            (0..KEYS.len()).filter(|i| !keys.contains(i)).map(|i| KEYS[i]).collect();
        assert!(missing.is_empty(), "{name} lacks {missing:?}");
        assert!(found.iter().all(|(_, text)| !text.trim().is_empty()), "{name}");
        for (index, text) in found {
            let sorted = |text: &str| placeholders(text).into_iter().collect::<BTreeSet<_>>();
            let english = sorted(&Words::default().texts[index]);
            assert_eq!(sorted(&text), english, "{name}: {}", KEYS[index]);
        }
    }
}

#[test]
fn figures_are_filled_in() {
    let figures: [(&str, &dyn Display); 2] = [("rank", &2), ("count", &7)];
    assert_eq!(Words::default().fill(Word::Rank, &figures), "mask 2/7");
    assert_eq!(of("zh").fill(Word::Rank, &figures), "轮廓 2/7");
    assert_eq!(of("zh").get(Word::Freeze), "冻结");
}

#[test]
fn a_file_says_what_it_wants_to_say_otherwise() {
    let read = |text| Words::read("ward.toml", text);
    let german = read("[button]\nfreeze = \"Einfrieren\"\n").unwrap();
    assert_eq!((german.get(Word::Freeze), german.get(Word::Live)), ("Einfrieren", "Live"));
    let ward = read("base = \"zh\"\n[button]\nfreeze = \"定格\"\n").unwrap();
    assert_eq!((ward.get(Word::Freeze), ward.get(Word::Live)), ("定格", "实时"));
    assert_eq!(read("").unwrap(), Words::default());
    for (name, text, told) in [
        ("a key", "[button]\nfreze = \"x\"", "\"button.freze\"; did you mean \"button.freeze\"?"),
        ("a section", "[buton]\nfreeze = \"x\"", "did you mean \"button.freeze\"?"),
        ("no section", "freeze = \"x\"", "\"freeze\"; did you mean"),
        ("a number", "[button]\nfreeze = 3", "button.freeze is not a text"),
        ("no TOML", "[button\nfreeze", "words in ward.toml: TOML parse error"),
        ("a base", "base = \"fr\"", "give [\"en\", \"zh\"]"),
        ("braces", "[status]\nrank = \"{rank} of {all}\"", "{all}; it has {rank}, {count}"),
        ("braces where none are", "[button]\nlive = \"{x}\"", "{x}; it has none"),
        ("a letter", "[button]\nlive = \"สด\"", "button.live has a letter"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(told), "{name}: {error}");
    }
}

#[test]
fn languages_are_found_by_name_and_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ward.toml");
    fs::write(&path, "[button]\nlive = \"En direct\"\n").unwrap();
    assert_eq!(of(path.to_str().unwrap()).get(Word::Live), "En direct");
    let error = Words::find("fr").unwrap_err().to_string();
    assert!(error.contains("no language \"fr\": give en, zh, or a path"), "{error}");
    let error = Words::find("./none.toml").unwrap_err().to_string();
    assert!(error.contains("./none.toml"), "{error}");
}
