//! Which of a display's modes is used.

use std::fmt;

use crate::screen::ModeWish;

use super::kms::RawMode;

/// A display's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub width: u32,
    pub height: u32,
    /// Pictures a second, rounded.
    pub refresh: u32,
    /// The display itself asks for it.
    pub preferred: bool,
}

impl Mode {
    pub fn of(raw: &RawMode) -> Self {
        Self {
            width: raw.hdisplay.into(),
            height: raw.vdisplay.into(),
            refresh: raw.vrefresh,
            preferred: raw.type_ & drm_ffi::drm_sys::DRM_MODE_TYPE_PREFERRED != 0,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}@{}", self.width, self.height, self.refresh)
    }
}

/// The index of the mode to use: the fastest of the size that is asked for, or else the preferred
/// one, or else the first, which drivers list best first.
///
/// # Errors
/// What there is, where there is nothing of the kind.
pub(super) fn choose(modes: &[Mode], wish: Option<ModeWish>) -> Result<usize, String> {
    let usable = |mode: &Mode| mode.width > 0 && mode.height > 0;
    let all = || modes.iter().enumerate().filter(|(_, mode)| usable(mode));
    let found = match wish {
        None => all().find(|(_, mode)| mode.preferred).or_else(|| all().next()),
        Some(wish) => all()
            .filter(|(_, mode)| {
                (mode.width, mode.height) == (wish.width, wish.height)
                    && wish.refresh.is_none_or(|refresh| refresh == mode.refresh)
            })
            .max_by_key(|(index, mode)| (mode.refresh, std::cmp::Reverse(*index))),
    };
    found.map(|(index, _)| index).ok_or_else(|| {
        let mut names: Vec<String> = all().map(|(_, mode)| mode.to_string()).collect();
        names.dedup();
        if names.is_empty() {
            "the display tells no mode".into()
        } else {
            format!("the display has no such mode; there are: {}", names.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn mode(width: u32, height: u32, refresh: u32, preferred: bool) -> Mode {
        Mode { width, height, refresh, preferred }
    }

    const MODES: [Mode; 5] = [
        mode(1920, 1080, 60, false),
        mode(0, 0, 0, true),
        mode(1280, 800, 60, true),
        mode(800, 480, 50, false),
        mode(800, 480, 75, false),
    ];

    #[test]
    fn modes_are_chosen_by_the_display_or_by_the_person() {
        let wish = |width, height, refresh| Some(ModeWish { width, height, refresh });
        let cases = [
            ("preferred", None, Ok(2)),
            ("by size, the fastest", wish(800, 480, None), Ok(4)),
            ("by size and rate", wish(800, 480, Some(50)), Ok(3)),
            ("not there", wish(640, 480, None), Err("1280x800@60")),
            ("not at this rate", wish(800, 480, Some(60)), Err("800x480@50")),
            ("no size at all", wish(0, 0, None), Err("no such mode")),
        ];
        for (name, wish, expected) in cases {
            match (choose(&MODES, wish), expected) {
                (Ok(found), Ok(index)) => assert_eq!(found, index, "{name}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{name}: {error}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
        assert_eq!(choose(&MODES[3..], None), Ok(0), "none is preferred");
        assert!(choose(&[], None).unwrap_err().contains("no mode"));
    }
}
