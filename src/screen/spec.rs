//! How a screen is named on the command line and in a board's profile.

use std::path::PathBuf;
use std::str::FromStr;

/// Which screen is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScreenSpec {
    /// `auto`: a window on a desktop, else a panel by KMS, else a framebuffer.
    Auto,
    /// `window`: a window on a desktop.
    Window,
    /// `picture:DIR`: numbered PNG files in a folder.
    Picture(PathBuf),
    /// `fb` or `fb:DEVICE`: a framebuffer; `/dev/fb0` where none is named.
    Framebuffer(PathBuf),
    /// `drm` or `drm:card=…,connector=…,mode=…`: a panel by KMS.
    Drm(DrmChoice),
}

/// What of KMS is chosen; the rest is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrmChoice {
    /// The graphics card's device, as `/dev/dri/card1`; the first with something connected where not
    /// given.
    pub card: Option<PathBuf>,
    /// The connector, as `HDMI-A-1` or `DSI-1`; the first where something is connected where not given.
    pub connector: Option<String>,
    /// The mode; the display's preferred one where not given.
    pub mode: Option<ModeWish>,
}

/// A mode that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeWish {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Pictures a second, rounded; the fastest where not given.
    pub refresh: Option<u32>,
}

/// A screen that can't be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no screen: {remedy}")]
pub struct SpecError {
    text: String,
    remedy: &'static str,
}

const FORMS: &str = "give auto, window, picture:DIR, fb, fb:/dev/fb0, drm, or \
     drm:card=/dev/dri/card1,connector=HDMI-A-1,mode=1280x800@60 with any of the three";

impl FromStr for ScreenSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let refuse = |remedy| SpecError { text: text.to_owned(), remedy };
        let (kind, rest) = text.split_once(':').map_or((text, None), |(k, r)| (k, Some(r)));
        match (kind, rest) {
            ("auto", None) => Ok(Self::Auto),
            ("window", None) => Ok(Self::Window),
            ("picture", Some(folder)) if !folder.is_empty() => Ok(Self::Picture(folder.into())),
            ("fb", None) => Ok(Self::Framebuffer("/dev/fb0".into())),
            ("fb", Some(device)) if !device.is_empty() => Ok(Self::Framebuffer(device.into())),
            ("drm", None) => Ok(Self::Drm(DrmChoice::default())),
            ("drm", Some(parts)) => {
                let mut choice = DrmChoice::default();
                for part in parts.split(',') {
                    match part.split_once('=') {
                        Some(("card", card)) if !card.is_empty() => choice.card = Some(card.into()),
                        Some(("connector", name)) if !name.is_empty() => {
                            choice.connector = Some(name.to_owned());
                        }
                        Some(("mode", mode)) => {
                            let wish = mode_wish(mode);
                            choice.mode =
                                Some(wish.ok_or_else(|| {
                                    refuse("a mode is as 1280x800 or 1280x800@60")
                                })?);
                        }
                        _ => return Err(refuse(FORMS)),
                    }
                }
                Ok(Self::Drm(choice))
            }
            _ => Err(refuse(FORMS)),
        }
    }
}

fn mode_wish(text: &str) -> Option<ModeWish> {
    let (size, refresh) = text.split_once('@').map_or((text, None), |(s, r)| (s, Some(r)));
    let (width, height) = size.split_once('x')?;
    let refresh = match refresh {
        Some(refresh) => Some(refresh.parse().ok()?),
        None => None,
    };
    Some(ModeWish { width: width.parse().ok()?, height: height.parse().ok()?, refresh })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn screens_are_named() {
        let drm = |card: Option<&str>, connector: Option<&str>, mode| {
            let (card, connector) = (card.map(PathBuf::from), connector.map(str::to_owned));
            ScreenSpec::Drm(DrmChoice { card, connector, mode })
        };
        let mode = |width, height, refresh| Some(ModeWish { width, height, refresh });
        let cases = [
            ("auto", ScreenSpec::Auto),
            ("window", ScreenSpec::Window),
            ("picture:a:b", ScreenSpec::Picture("a:b".into())),
            ("fb", ScreenSpec::Framebuffer("/dev/fb0".into())),
            ("fb:/dev/fb1", ScreenSpec::Framebuffer("/dev/fb1".into())),
            ("drm", drm(None, None, None)),
            ("drm:mode=800x480", drm(None, None, mode(800, 480, None))),
            (
                "drm:card=/dev/dri/card1,connector=DSI-1,mode=1280x800@60",
                drm(Some("/dev/dri/card1"), Some("DSI-1"), mode(1280, 800, Some(60))),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_screen_is_told_with_the_forms() {
        let bad = [
            "",
            "windows",
            "window:",
            "picture",
            "picture:",
            "fb:",
            "drm:",
            "drm:connector=",
            "drm:x=1",
        ];
        for text in bad {
            let error = text.parse::<ScreenSpec>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("{text:?}")) && error.contains("picture:DIR"),
                "{error}"
            );
        }
        for text in ["drm:mode=", "drm:mode=800", "drm:mode=800x480@", "drm:mode=-1x3"] {
            let error = text.parse::<ScreenSpec>().unwrap_err().to_string();
            assert!(error.contains("1280x800@60"), "{error}");
        }
    }
}
