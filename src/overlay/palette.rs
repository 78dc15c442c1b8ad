//! The overlay's colours.

use std::str::FromStr;

use embedded_graphics::pixelcolor::Rgb888;

/// The objects' colours, told apart with any colour vision and bright enough on grey ultrasound:
/// those of Okabe and Ito, "Color Universal Design" (2008), without their black and with their
/// darkest, blue, last.
pub const OBJECT_COLOURS: [Rgb888; 7] = [
    Rgb888::new(0x56, 0xB4, 0xE9),
    Rgb888::new(0xE6, 0x9F, 0x00),
    Rgb888::new(0x00, 0x9E, 0x73),
    Rgb888::new(0xF0, 0xE4, 0x42),
    Rgb888::new(0xCC, 0x79, 0xA7),
    Rgb888::new(0xD5, 0x5E, 0x00),
    Rgb888::new(0x00, 0x72, 0xB2),
];

pub(super) const BLACK: Rgb888 = Rgb888::new(0, 0, 0);
pub(super) const WHITE: Rgb888 = Rgb888::new(255, 255, 255);
/// Positive points: bluish green.
pub(super) const POSITIVE: Rgb888 = Rgb888::new(0x00, 0x9E, 0x73);
/// Negative points: vermillion.
pub(super) const NEGATIVE: Rgb888 = Rgb888::new(0xD5, 0x5E, 0x00);
/// Plates on the picture. They are dark in every theme: ultrasound is, and the objects' colours are
/// bright.
pub(super) const PLATE: Rgb888 = DARK.background;
/// Text on them.
pub(super) const PLATE_TEXT: Rgb888 = DARK.text;
/// What is to be seen first on the picture.
pub(super) const MARK: Rgb888 = DARK.active;
/// What is to be seen beside it.
pub(super) const MARK_DIM: Rgb888 = DARK.button;

/// For what light the colours round the picture are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// A darkened room: dark, so that eyes stay used to the picture.
    #[default]
    Dark,
    /// Daylight: light, so that reflections on the glass don't hide it.
    Day,
}

impl FromStr for Theme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "dark" => Ok(Self::Dark),
            "day" => Ok(Self::Day),
            _ => Err("give dark or day".into()),
        }
    }
}

impl Theme {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Dark => Self::Day,
            Self::Day => Self::Dark,
        }
    }

    pub(super) fn chrome(self) -> &'static Chrome {
        match self {
            Self::Dark => &DARK,
            Self::Day => &DAY,
        }
    }
}

/// The colours round the picture.
#[derive(Debug)]
pub(super) struct Chrome {
    /// Behind everything.
    pub background: Rgb888,
    /// A button that can be pressed.
    pub button: Rgb888,
    /// Round it.
    pub edge: Rgb888,
    /// A button that can't, and what is round that.
    pub disabled: Rgb888,
    /// The chosen tool.
    pub active: Rgb888,
    /// Text on that.
    pub active_text: Rgb888,
    /// Text that matters.
    pub text: Rgb888,
    /// Figures beside it.
    pub text_dim: Rgb888,
    /// Labels of buttons that can't be pressed.
    pub text_disabled: Rgb888,
}

const DARK: Chrome = Chrome {
    background: Rgb888::new(0x0C, 0x0E, 0x11),
    button: Rgb888::new(0x2A, 0x31, 0x3A),
    edge: Rgb888::new(0x6B, 0x74, 0x80),
    disabled: Rgb888::new(0x16, 0x19, 0x1D),
    active: Rgb888::new(0xF0, 0xE4, 0x42),
    active_text: BLACK,
    text: Rgb888::new(0xF2, 0xF4, 0xF7),
    text_dim: Rgb888::new(0xA4, 0xAD, 0xB8),
    text_disabled: Rgb888::new(0x71, 0x7A, 0x85),
};

const DAY: Chrome = Chrome {
    background: Rgb888::new(0xE4, 0xE8, 0xEC),
    button: WHITE,
    edge: Rgb888::new(0x55, 0x60, 0x6C),
    disabled: Rgb888::new(0xD6, 0xDB, 0xE0),
    active: Rgb888::new(0x0B, 0x4F, 0x8A),
    active_text: WHITE,
    text: Rgb888::new(0x10, 0x15, 0x1B),
    text_dim: Rgb888::new(0x3E, 0x48, 0x53),
    text_disabled: Rgb888::new(0x62, 0x6C, 0x77),
};

/// The colour of the object colour index `colour`.
pub(super) fn object_colour(colour: usize) -> Rgb888 {
    OBJECT_COLOURS[colour % OBJECT_COLOURS.len()]
}

#[cfg(test)]
mod tests;
