//! How the screen looks: for which hand, in what light, and on what panel.

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use tapseg::board::Profile;
use tapseg::overlay::{Hand, Theme, unknown_letter};
use tapseg::screen::{Screen, pixels_per_mm};
use tapseg::session::Session;
use tapseg::words::Words;

/// Letters of a label.
const MAX_LABEL: usize = 24;

/// How the screen looks.
#[derive(Args, Clone, Debug)]
pub struct LookArguments {
    /// The hand that points: with left the buttons stand at the left; right where not given
    #[arg(long, value_name = "HAND")]
    hand: Option<Hand>,

    /// The colours round the picture: dark for a darkened room, day for daylight; dark where not given
    #[arg(long, value_name = "THEME")]
    theme: Option<Theme>,

    /// The language on the screen: en, zh, or a .toml file of one's own; English where not given
    #[arg(long, value_name = "LANGUAGE", value_parser = Words::find)]
    language: Option<Words>,

    /// What structures can be called, to be chosen on the screen: up to 12, with commas between them
    #[arg(long, value_name = "LABELS", value_delimiter = ',', value_parser = label)]
    labels: Vec<String>,

    /// Width and height of the panel's lit area in millimetres, where the panel does not tell them or
    /// is wrong: buttons are at least 9 mm large by them
    #[arg(long, value_name = "WxH", value_parser = millimetres)]
    panel_mm: Option<(f32, f32)>,
}

impl LookArguments {
    /// Takes from a board's profile what the command line doesn't say.
    pub fn fill_from(&mut self, profile: &Profile) -> Result<()> {
        let named = |key: &str, value: &str, error: String| {
            anyhow!("board profile {}: {key} = {value:?}: {error}", profile.name)
        };
        if let (None, Some(hand)) = (self.hand, &profile.hand) {
            self.hand = Some(hand.parse().map_err(|e| named("hand", hand, e))?);
        }
        if let (None, Some(theme)) = (self.theme, &profile.theme) {
            self.theme = Some(theme.parse().map_err(|e| named("theme", theme, e))?);
        }
        if let (None, Some(language)) = (&self.language, &profile.language) {
            let words =
                Words::find(language).map_err(|e| named("language", language, e.to_string()));
            self.language = Some(words?);
        }
        if self.labels.is_empty() {
            let sound = profile.labels.iter().map(|text| label(text)).collect::<Result<_, _>>();
            let told = profile.labels.join(", ");
            self.labels = sound.map_err(|e| named("labels", &told, e))?;
        }
        if let (None, Some(mm)) = (self.panel_mm, &profile.panel_mm) {
            self.panel_mm = Some(millimetres(mm).map_err(|e| named("panel_mm", mm, e))?);
        }
        Ok(())
    }

    /// The words.
    pub fn words(&self) -> Words {
        self.language.clone().unwrap_or_default()
    }

    /// What structures can be called.
    pub fn labels(&self) -> Result<Vec<String>> {
        let (labels, most) = (&self.labels, Session::MAX_LABELS);
        ensure!(
            labels.len() <= most,
            "{} labels: no more than {most} fit the screen",
            labels.len()
        );
        let twice = labels.iter().enumerate().find(|(i, label)| labels[..*i].contains(label));
        ensure!(twice.is_none(), "the label {:?} is there twice", twice.map_or("", |(_, l)| l));
        Ok(labels.clone())
    }

    /// The colours.
    pub fn theme(&self) -> Theme {
        self.theme.unwrap_or_default()
    }

    /// The hand that points.
    pub fn hand(&self) -> Hand {
        self.hand.unwrap_or_default()
    }

    /// Width and height of the panel's lit area in millimetres, where they were told, and `screen` can have
    /// them.
    pub fn panel_mm(&self, screen: &dyn Screen) -> Result<Option<(f32, f32)>> {
        if let Some((width, height)) = self.panel_mm {
            let pixels = screen.size();
            ensure!(
                pixels_per_mm(pixels, (width, height)).is_some(),
                "--panel-mm {width}x{height}: a panel of {} x {} pixels is not of this size; give width \
                 and height of its lit area in millimetres",
                pixels.width,
                pixels.height
            );
        }
        Ok(self.panel_mm)
    }
}

/// A label that fits a button, a record and a DICOM segment.
fn label(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = |c: char| !c.is_control() && c != '\\';
    if !(1..=MAX_LABEL).contains(&text.chars().count()) || !text.chars().all(plain) {
        return Err(format!("give labels of 1 to {MAX_LABEL} letters, without a backslash"));
    }
    check_letters("label", text)?;
    Ok(text.to_owned())
}

/// Refuses a name, of this `kind`, with a letter that can't be shown.
pub fn check_letters(kind: &str, name: &str) -> Result<(), String> {
    match unknown_letter(name) {
        None => Ok(()),
        Some(letter) => Err(format!(
            "the {kind} {name:?} has a letter that there is no picture of: {letter:?}; there are those of \
             Western European languages and of GB 2312"
        )),
    }
}

/// Reads `217x136`.
fn millimetres(text: &str) -> Result<(f32, f32), String> {
    let side = |text: &str| text.parse().ok().filter(|mm: &f32| *mm > 0.0 && mm.is_finite());
    text.split_once('x')
        .and_then(|(width, height)| Some((side(width)?, side(height)?)))
        .ok_or_else(|| "give width and height in millimetres, as in 217x136".into())
}
