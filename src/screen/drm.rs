//! A panel by KMS, the kernel's mode setting (`/dev/dri/card0`): the display's own mode, and pictures
//! that change between two refreshes.
//!
//! The kernel shows the text console again by itself when the device is closed, however the program
//! ends.

mod kms;
mod modes;
mod pipe;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use embedded_graphics::geometry::Size;

use super::panel::{Output, why_not_opened};
use super::{Canvas, DrmChoice, Rotation, ScreenError, now};

use kms::{Card, Connector};
use pipe::Pipe;

/// How often it is looked whether a display was plugged in or pulled.
const LOOK: Duration = Duration::from_secs(1);

/// The size that is drawn at while nothing was ever connected.
const UNSEEN: Size = Size::new(1280, 800);

/// A display at a graphics card. While none is connected nothing is shown; one that is plugged in
/// later is used then.
pub struct Drm {
    card: Rc<Card>,
    device: String,
    choice: DrmChoice,
    pipe: Option<Pipe>,
    size: Size,
    millimetres: Option<Size>,
    looked: Duration,
    /// What was told last, so that nothing is told every second.
    told: String,
}

impl Drm {
    /// Opens the card and, where a display is connected, shows black on it.
    ///
    /// # Errors
    /// [`ScreenError::Panel`] where there is no card, it may not be used, another program shows
    /// something on it, or the connector or mode that is chosen does not exist.
    pub fn open(choice: DrmChoice) -> Result<Self, ScreenError> {
        let (card, path) = match &choice.card {
            Some(path) => {
                (Card::open(path).map_err(|e| refuse(path, why_not_opened(&e)))?, path.clone())
            }
            None => find_card()?,
        };
        let connectors = card.connectors(true).map_err(|error| {
            refuse(
                &path,
                format!(
                    "it drives no display ({error}); `tapseg doctor` lists the panels there are"
                ),
            )
        })?;
        if let Some(name) = &choice.connector
            && !connectors.iter().any(|c| c.to_string() == *name)
        {
            let found: Vec<String> = connectors.iter().map(ToString::to_string).collect();
            let found = if found.is_empty() { "none".into() } else { found.join(", ") };
            return Err(refuse(&path, format!("it has no connector {name}; there are: {found}")));
        }
        let mut drm = Self {
            card: Rc::new(card),
            device: path.display().to_string(),
            choice,
            pipe: None,
            size: UNSEEN,
            millimetres: None,
            looked: now(),
            told: String::new(),
        };
        drm.connect(&connectors).map_err(|reason| refuse(&path, reason))?;
        if drm.pipe.is_none() {
            drm.tell(format!(
                "{}: no display is connected; it is used as soon as one is",
                drm.device
            ));
        }
        Ok(drm)
    }

    /// Begins to show on the first of `connectors` that may be used and where something is connected.
    fn connect(&mut self, connectors: &[Connector]) -> Result<(), String> {
        let wanted = |c: &&Connector| {
            let named = self.choice.connector.as_ref().is_none_or(|name| c.to_string() == *name);
            named && c.is_connected && !c.is_writeback()
        };
        let Some(found) = connectors.iter().find(wanted) else { return Ok(()) };
        let modes: Vec<modes::Mode> = found.modes.iter().map(modes::Mode::of).collect();
        let chosen = modes::choose(&modes, self.choice.mode)
            .map_err(|reason| format!("{found}: {reason}"))?;
        let mode = found.modes[chosen];
        let pipe = Pipe::new(self.card.clone(), found, mode)
            .map_err(|error| format!("{found}: {}", why_not_shown(&error)))?;
        log::info!("{}: {found} at {}", self.device, modes[chosen]);
        self.size = pipe.size();
        self.millimetres = found.millimetres;
        self.pipe = Some(pipe);
        self.told.clear();
        Ok(())
    }

    fn tell(&mut self, sentence: String) {
        if self.told != sentence {
            eprintln!("{sentence}");
            self.told = sentence;
        }
    }
}

impl Output for Drm {
    fn size(&self) -> Size {
        self.size
    }

    fn millimetres(&self) -> Option<Size> {
        self.millimetres
    }

    fn show(&mut self, canvas: &Canvas, rotation: Rotation) -> Result<(), ScreenError> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        if let Err(error) = pipe.show(canvas, rotation) {
            self.pipe = None;
            self.tell(format!(
                "{}: nothing can be shown any more: {}",
                self.device,
                why_not_shown(&error)
            ));
        }
        Ok(())
    }

    fn refresh(&mut self) -> bool {
        if now() - self.looked < LOOK {
            return false;
        }
        self.looked = now();
        if let Some(pipe) = &self.pipe {
            if pipe.is_connected() {
                return false;
            }
            self.pipe = None;
            self.tell(format!("{}: the display was disconnected", self.device));
        }
        let connected = match self.card.connectors(true) {
            Ok(connectors) => self.connect(&connectors),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = connected {
            self.tell(format!("{}: {reason}", self.device));
        }
        self.pipe.is_some()
    }
}

/// The first card with something connected, or else the first that can drive a display.
fn find_card() -> Result<(Card, PathBuf), ScreenError> {
    let folder = Path::new("/dev/dri");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_card = |path: &PathBuf| {
        path.file_name().and_then(|n| n.to_str()).is_some_and(|name| name.starts_with("card"))
    };
    let mut paths: Vec<PathBuf> = entries.filter(is_card).collect();
    paths.sort();
    let mut without_display = None;
    let mut refused = None;
    for path in paths {
        match Card::open(&path) {
            Err(error) => refused = refused.or(Some(refuse(&path, why_not_opened(&error)))),
            Ok(card) => match card.connectors(true) {
                Ok(found) if found.iter().any(|c| c.is_connected) => {
                    return Ok((card, path));
                }
                Ok(found) if !found.is_empty() => {
                    without_display = without_display.or(Some((card, path)));
                }
                // A graphics processor without connectors, as Raspberry Pis have one beside.
                _ => {}
            },
        }
    }
    let none = "no graphics card that drives a display is there; try --screen fb, and `tapseg doctor` \
                lists the panels there are";
    without_display.ok_or_else(|| refused.unwrap_or_else(|| refuse(folder, none.into())))
}

fn refuse(device: &Path, reason: String) -> ScreenError {
    ScreenError::Panel { device: device.display().to_string(), reason }
}

/// Why a display can't be shown on, and what helps.
fn why_not_shown(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "another program, such as a desktop, has this display: end it (`sudo systemctl isolate \
             multi-user.target`), or use --screen window ({error})"
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_none_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card7");
        let told = || {
            let choice = DrmChoice { card: Some(path.clone()), ..DrmChoice::default() };
            Drm::open(choice).err().unwrap().to_string()
        };
        assert!(told().contains("card7") && told().contains("not there"), "{}", told());
        fs::write(&path, "").unwrap();
        assert!(told().contains("card7") && told().contains("drives no display"), "{}", told());
    }
}
