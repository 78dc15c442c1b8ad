//! Numbers with their units.

use serde::{Deserialize, Serialize};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// The side of a pixel, where nothing tells how long that is.
    #[serde(rename = "px")]
    Pixel,
    /// Pixels of an area.
    #[serde(rename = "px2")]
    SquarePixel,
    /// Millimetres.
    #[serde(rename = "mm")]
    Millimetre,
    /// Square millimetres.
    #[serde(rename = "mm2")]
    SquareMillimetre,
    /// Millilitres.
    #[serde(rename = "ml")]
    Millilitre,
}

impl Unit {
    /// The unit of areas whose sides are measured in this one.
    ///
    /// # Panics
    /// If it is not a unit of length.
    pub fn squared(self) -> Self {
        match self {
            Self::Pixel => Self::SquarePixel,
            Self::Millimetre => Self::SquareMillimetre,
            _ => panic!("{self:?} is not a unit of length"),
        }
    }

    /// How it is written for people.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Pixel => "px",
            Self::SquarePixel => "px\u{b2}",
            Self::Millimetre => "mm",
            Self::SquareMillimetre => "mm\u{b2}",
            Self::Millilitre => "ml",
        }
    }
}

/// A number and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// How many.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
}

impl Quantity {
    /// `value` of `unit`.
    pub fn new(value: f64, unit: Unit) -> Self {
        Self { value, unit }
    }
}

/// To a tenth of a millimetre, a hundredth of a millilitre, and whole pixels, as far as an outline
/// can tell; other precision where it is asked for.
impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = match self.unit {
            Unit::Pixel | Unit::SquarePixel => 0,
            Unit::Millimetre | Unit::SquareMillimetre => 1,
            Unit::Millilitre => 2,
        };
        write!(f, "{:.*} {}", f.precision().unwrap_or(digits), self.value, self.unit.symbol())
    }
}
