//! Profiles: how `tapseg run` is set up on a board.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::cores::CoreChoice;
use crate::measure::Preset;
use crate::nearest::nearest;

/// The profiles inside the program, by name.
const EMBEDDED: [(&str, &str); 5] = [
    ("generic-arm64", include_str!("../../boards/generic-arm64.toml")),
    ("jetson-orin-nano", include_str!("../../boards/jetson-orin-nano.toml")),
    ("pc", include_str!("../../boards/pc.toml")),
    ("raspberry-pi-4", include_str!("../../boards/raspberry-pi-4.toml")),
    ("raspberry-pi-5", include_str!("../../boards/raspberry-pi-5.toml")),
];

/// The keys of a profile.
const KEYS: [&str; 19] = [
    "compatible",
    "feed",
    "screen",
    "size",
    "rotation",
    "touch",
    "panel_mm",
    "hand",
    "theme",
    "language",
    "labels",
    "model",
    "refine_with",
    "precision",
    "threads",
    "cores",
    "memory_mb",
    "blank_text",
    "preset",
];

/// How `tapseg run` is set up on a board. What isn't there is as without a profile.
#[derive(Clone, Debug, Deserialize)]
pub struct Profile {
    /// The file's name without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// Names in a device tree's `compatible` property that this profile is for.
    #[serde(default)]
    pub compatible: Vec<String>,
    /// What to show, as `--feed` takes it.
    pub feed: Option<String>,
    /// Where to show it, as `--screen` takes it.
    pub screen: Option<String>,
    /// The screen's size, as `--size` takes it.
    pub size: Option<String>,
    /// By how many degrees the picture is turned on the panel, as `--rotate` takes it.
    pub rotation: Option<u32>,
    /// What is pointed with, as `--touch` takes it.
    pub touch: Option<String>,
    /// Width and height of the panel's lit area, as `--panel-mm` takes them.
    pub panel_mm: Option<String>,
    /// The hand that points, as `--hand` takes it.
    pub hand: Option<String>,
    /// The colours round the picture, as `--theme` takes them.
    pub theme: Option<String>,
    /// The language on the screen, as `--language` takes it.
    pub language: Option<String>,
    /// What structures can be called.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The model package, as `--model` takes it.
    pub model: Option<String>,
    /// The larger package that draws masks once more, as `--refine-with` takes it.
    pub refine_with: Option<String>,
    /// How the package must store its weights, as in its manifest (`f32`, `f16`, `int8`).
    #[serde(default, deserialize_with = "precision")]
    pub precision: Option<String>,
    /// Threads for the network.
    pub threads: Option<NonZeroUsize>,
    /// The cores to keep to.
    #[serde(default, deserialize_with = "cores")]
    pub cores: Option<CoreChoice>,
    /// The most memory that the program may take, in megabytes of 10⁶ bytes: at least 200.
    #[serde(default, deserialize_with = "memory")]
    pub memory_mb: Option<u64>,
    /// Whether what is kept is blanked outside of the picture, as `--blank-text` does.
    #[serde(default)]
    pub blank_text: bool,
    /// Scales to choose from on the screen, each a `[[preset]]` with `name` and `spacing`.
    #[serde(default, rename = "preset")]
    pub presets: Vec<Preset>,
}

/// Why a profile can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No profile has this name.
    #[error("there is no board {name:?}; did you mean {nearest}? There are: {}, auto; or give a path to a .toml file", .found.join(", "))]
    Unknown {
        /// What was looked for.
        name: String,
        /// The name most like it.
        nearest: String,
        /// The names there are.
        found: Vec<String>,
    },
    /// A file can't be read.
    #[error("can't read the board profile {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A profile does not say what it must.
    #[error("board profile {place}: {reason}")]
    Invalid {
        /// The file, or the profile inside the program.
        place: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A key that no profile has.
    #[error("board profile {place}: there is no key {key:?}; did you mean {nearest:?}?")]
    Key {
        /// The file, or the profile inside the program.
        place: String,
        /// The key.
        key: String,
        /// The known key most like it.
        nearest: String,
    },
}

/// Where profiles are looked for: folders, and inside the program.
#[derive(Clone, Debug)]
pub struct Profiles {
    folders: Vec<PathBuf>,
}

impl Profiles {
    /// Profiles of `folders`, the first first, and those inside the program last.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { folders: folders.into_iter().collect() }
    }

    /// Profiles of `/etc/tapseg/boards`, and of the folder `boards` beside the program.
    pub fn of_system() -> Self {
        let program = std::env::current_exe().ok();
        let beside = program.and_then(|p| Some(p.parent()?.join("boards")));
        Self::new([PathBuf::from("/etc/tapseg/boards")].into_iter().chain(beside))
    }

    /// The names there are, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = self.folders.iter().filter_map(|f| fs::read_dir(f).ok()).flatten().flatten();
        let files = entries.filter_map(|e| {
            let name = e.file_name();
            Some(name.to_str()?.strip_suffix(".toml")?.to_owned())
        });
        let embedded = EMBEDDED.iter().map(|(name, _)| (*name).to_owned());
        files.chain(embedded).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The profile of this name; or of this file, where it ends in `.toml` or has a `/` in it.
    ///
    /// # Errors
    /// [`ProfileError`] where there is none, or it can't be read or has unknown keys.
    pub fn find(&self, name: &str) -> Result<Profile, ProfileError> {
        if name.contains('/') || name.ends_with(".toml") {
            return read(Path::new(name));
        }
        let file = format!("{name}.toml");
        if let Some(path) = self.folders.iter().map(|f| f.join(&file)).find(|p| p.exists()) {
            return read(&path);
        }
        match EMBEDDED.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => parse(name, &format!("{name} (inside the program)"), text),
            None => {
                let found = self.names();
                let nearest = nearest(name, found.iter().map(String::as_str)).to_owned();
                Err(ProfileError::Unknown { name: name.into(), nearest, found })
            }
        }
    }
}

fn read(path: &Path) -> Result<Profile, ProfileError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ProfileError::Read { path: path.to_owned(), source })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&name, &path.display().to_string(), &text)
}

fn parse(name: &str, place: &str, text: &str) -> Result<Profile, ProfileError> {
    let place = || place.to_owned();
    let invalid = |e: toml::de::Error| ProfileError::Invalid {
        place: place(),
        reason: e.to_string().trim_end().to_owned(),
    };
    let table: toml::Table = toml::from_str(text).map_err(invalid)?;
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let nearest = nearest(key, KEYS).to_owned();
        return Err(ProfileError::Key { place: place(), key: key.clone(), nearest });
    }
    let profile: Profile = toml::from_str(text).map_err(invalid)?;
    let mut names = BTreeSet::new();
    if let Some(preset) = profile.presets.iter().find(|preset| !names.insert(&preset.name)) {
        let reason = format!("two [[preset]] are called {:?}: rename one", preset.name);
        return Err(ProfileError::Invalid { place: place(), reason });
    }
    Ok(Profile { name: name.to_owned(), ..profile })
}

fn cores<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<CoreChoice>, D::Error> {
    let text = String::deserialize(from)?;
    let choice = CoreChoice::parse(&text);
    let hint = || format!("cores = {text:?}: give \"all\", \"big\", or numbers as in \"4-7\"");
    choice.map(Some).ok_or_else(|| serde::de::Error::custom(hint()))
}

fn precision<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    let hint = || format!("precision = {text:?}: give \"int8\", \"f16\" or \"f32\"");
    match &*text {
        "int8" | "f16" | "f32" => Ok(Some(text)),
        _ => Err(serde::de::Error::custom(hint())),
    }
}

/// Less memory than this, in megabytes, and not even LiteMedSAM fits, which takes 180.
const LEAST_MEMORY_MB: u64 = 200;

fn memory<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let mb = u64::deserialize(from)?;
    let hint = || {
        format!(
            "memory_mb = {mb}: give {LEAST_MEMORY_MB} or more, or no model fits; or leave it out"
        )
    };
    (mb >= LEAST_MEMORY_MB).then_some(Some(mb)).ok_or_else(|| serde::de::Error::custom(hint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_inside_the_program_are_sound() {
        let profiles = Profiles::new([]);
        for name in profiles.names() {
            let profile = profiles.find(&name).unwrap();
            assert_eq!(profile.name, name);
            assert!(profile.model.is_some() && profile.precision.is_some(), "{name}");
        }
        assert_eq!(profiles.names().len(), EMBEDDED.len());
    }

    #[test]
    fn unknown_names_and_keys_are_told_with_the_nearest() {
        let error = Profiles::new([]).find("rasperry-pi-5").unwrap_err().to_string();
        assert!(error.contains("did you mean raspberry-pi-5?"), "{error}");
        let error = parse("x", "x.toml", "treads = 3").unwrap_err().to_string();
        assert!(error.contains("\"treads\"; did you mean \"threads\"?"), "{error}");
        let error = parse("x", "x.toml", "cores = \"small\"").unwrap_err().to_string();
        assert!(error.contains("x.toml") && error.contains("4-7"), "{error}");
        let error = parse("x", "x.toml", "precision = \"int4\"").unwrap_err().to_string();
        assert!(error.contains("x.toml") && error.contains("\"int8\", \"f16\" or"), "{error}");
        assert!(parse("x", "x.toml", "threads = 0").is_err());
        let error = parse("x", "x.toml", "memory_mb = 30").unwrap_err().to_string();
        assert!(error.contains("x.toml") && error.contains("memory_mb = 30: give 200"), "{error}");
        assert_eq!(parse("x", "x.toml", "memory_mb = 200").unwrap().memory_mb, Some(200));
        assert!(parse("x", "x.toml", "blank_text = true").unwrap().blank_text);
    }

    #[test]
    fn presets_have_a_name_and_a_spacing() {
        let text = "[[preset]]\nname = \"linear, 4 cm\"\nspacing = \"0.1x0.12\"\n";
        let profile = parse("x", "x.toml", text).unwrap();
        assert_eq!(profile.presets[0].name, "linear, 4 cm");
        assert_eq!(profile.presets[0].spacing.row_mm, 0.12);
        let error = parse("x", "x.toml", &text.repeat(2)).unwrap_err().to_string();
        assert!(error.contains("two [[preset]] are called \"linear, 4 cm\""), "{error}");
        for bad in ["name = \"a\"", "name = \"a\"\nspacing = \"4cm\"", "spacing = \"0.1\""] {
            assert!(parse("x", "x.toml", &format!("[[preset]]\n{bad}\n")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_comes_before_what_is_inside_the_program() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pc.toml"), "threads = 2").unwrap();
        fs::write(folder.path().join("ward-3.toml"), "feed = \"phantom\"").unwrap();
        let profiles = Profiles::new([folder.path().to_owned()]);
        assert_eq!(profiles.find("pc").unwrap().threads, NonZeroUsize::new(2));
        assert_eq!(profiles.find("ward-3").unwrap().feed.as_deref(), Some("phantom"));
        let path = folder.path().join("pc.toml");
        assert_eq!(profiles.find(path.to_str().unwrap()).unwrap().name, "pc");
        assert!(matches!(profiles.find("./none.toml"), Err(ProfileError::Read { .. })));
    }
}
