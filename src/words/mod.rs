//! The words on the screen, in the language of who stands before it.
//!
//! Each language is a text file (TOML) of keys and texts; what stands in braces in a text is filled in.
//! English and Chinese are inside the program. A file of one's own may name only some keys: the rest are those
//! of English, or of the language that its key `base` names. Reasons that devices, disks and models give
//! for errors stay in English.

mod keys;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use crate::nearest::nearest;
use crate::overlay::unknown_letter;

use keys::KEYS;
pub(crate) use keys::Word;

/// The languages inside the program, by name.
const EMBEDDED: [(&str, &str); 2] =
    [("en", include_str!("en.toml")), ("zh", include_str!("zh.toml"))];

/// The key of a file that names the language of what it leaves out.
const BASE: &str = "base";

static ENGLISH: LazyLock<Words> = LazyLock::new(|| {
    let mut texts: Vec<String> = KEYS.iter().map(|key| (*key).to_owned()).collect();
    let [(name, text), _] = EMBEDDED;
    // That nothing is missing, or wrong, is seen to by the tests.
    entries(name, text).into_iter().flatten().for_each(|(index, text)| texts[index] = text);
    Words { texts: texts.into() }
});

/// All texts in one language; cheap to clone. English where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    texts: Arc<[String]>,
}

impl Default for Words {
    fn default() -> Self {
        ENGLISH.clone()
    }
}

/// Why a language can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// There is no such language, and no such file.
    #[error("there is no language {name:?}: give {}, or a path to a .toml file", names().join(", "))]
    Unknown {
        /// What was looked for.
        name: String,
    },
    /// A file can't be read.
    #[error("can't read the words in {place}: {source}")]
    Read {
        /// The file.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not as it should be.
    #[error("words in {place}: {reason}")]
    Invalid {
        /// The file.
        place: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A key that there is no text for.
    #[error("words in {place}: there is no key {key:?}; did you mean {nearest:?}?")]
    Key {
        /// The file.
        place: String,
        /// The key.
        key: String,
        /// The known key most like it.
        nearest: String,
    },
    /// Something in braces that the text has no figure for.
    #[error("words in {place}: {key} has nothing to fill in for {{{name}}}; it has {}", known(.there))]
    Placeholder {
        /// The file.
        place: String,
        /// The key.
        key: String,
        /// What stands in the braces.
        name: String,
        /// What could.
        there: Vec<String>,
    },
    /// A letter that can't be drawn.
    #[error(
        "words in {place}: {key} has a letter that there is no picture of: {letter:?}; there are those of Western European languages and of GB 2312"
    )]
    Letter {
        /// The file.
        place: String,
        /// The key.
        key: String,
        /// The letter.
        letter: char,
    },
}

fn known(there: &[String]) -> String {
    match there {
        [] => "none".into(),
        there => there.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", "),
    }
}

fn names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|(name, _)| *name).collect()
}

impl Words {
    /// The language of this name, or that of this file, where it ends in `.toml` or has a `/` in it.
    ///
    /// # Errors
    /// [`WordsError`] where there is none, or it has unknown keys, or texts that can't be shown.
    pub fn find(name: &str) -> Result<Self, WordsError> {
        if name.contains('/') || name.ends_with(".toml") {
            let place = || name.to_owned();
            let text = fs::read_to_string(Path::new(name))
                .map_err(|source| WordsError::Read { place: place(), source })?;
            return Self::read(name, &text);
        }
        match EMBEDDED.iter().find(|(known, _)| *known == name) {
            Some((name, text)) => overlaid(&Self::default(), name, text),
            None => Err(WordsError::Unknown { name: name.to_owned() }),
        }
    }

    /// Reads the text of a file that is called `place` in errors.
    fn read(place: &str, text: &str) -> Result<Self, WordsError> {
        let base = match table(place, text)?.get(BASE) {
            None => Self::default(),
            Some(toml::Value::String(base)) if names().contains(&base.as_str()) => {
                Self::find(base)?
            }
            Some(other) => {
                let reason = format!("base = {other}: give {:?}", names());
                return Err(WordsError::Invalid { place: place.to_owned(), reason });
            }
        };
        overlaid(&base, place, text)
    }

    /// The text.
    pub(crate) fn get(&self, word: Word) -> &str {
        &self.texts[word as usize]
    }

    /// The text with its braces filled in.
    pub(crate) fn fill(&self, word: Word, figures: &[(&str, &dyn Display)]) -> String {
        let mut text = self.get(word).to_owned();
        for (name, value) in figures {
            text = text.replace(&format!("{{{name}}}"), &value.to_string());
        }
        text
    }
}

fn table(place: &str, text: &str) -> Result<toml::Table, WordsError> {
    toml::from_str(text).map_err(|error: toml::de::Error| WordsError::Invalid {
        place: place.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    })
}

/// The texts of `base`, with those that the file has in their place.
fn overlaid(base: &Words, place: &str, text: &str) -> Result<Words, WordsError> {
    let mut texts = base.texts.to_vec();
    for (index, text) in entries(place, text)? {
        let there = placeholders(&texts[index]);
        if let Some(name) = placeholders(&text).into_iter().find(|name| !there.contains(name)) {
            let (place, key) = (place.to_owned(), KEYS[index].to_owned());
            return Err(WordsError::Placeholder { place, key, name, there });
        }
        texts[index] = text;
    }
    Ok(Words { texts: texts.into() })
}

/// What a file has, by the index of its key.
fn entries(place: &str, text: &str) -> Result<Vec<(usize, String)>, WordsError> {
    let place = || place.to_owned();
    let unknown = |key: String| {
        let nearest = nearest(&key, KEYS.iter().copied()).to_owned();
        WordsError::Key { place: place(), key, nearest }
    };
    let mut found = Vec::new();
    for (section, entries) in table(&place(), text)?.into_iter().filter(|(name, _)| name != BASE) {
        let toml::Value::Table(entries) = entries else { return Err(unknown(section)) };
        for (name, value) in entries {
            let key = format!("{section}.{name}");
            let Some(index) = KEYS.iter().position(|known| *known == key) else {
                return Err(unknown(key));
            };
            let toml::Value::String(text) = value else {
                let reason = format!("{key} is not a text: put it in quotes");
                return Err(WordsError::Invalid { place: place(), reason });
            };
            if let Some(letter) = unknown_letter(&text) {
                return Err(WordsError::Letter { place: place(), key, letter });
            }
            found.push((index, text));
        }
    }
    Ok(found)
}

/// The names in braces.
fn placeholders(text: &str) -> Vec<String> {
    let parts = text.split('{').skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}
