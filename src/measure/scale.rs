//! How large a pixel is, as people state it.

use serde::{Deserialize, Deserializer};

use crate::frame::PixelSpacing;

/// A scale that was set up beforehand, as for a scanner's probe and depth.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What it is called.
    pub name: String,
    /// How large a pixel is, written as [`parse_spacing`] reads it.
    #[serde(deserialize_with = "spacing")]
    pub spacing: PixelSpacing,
}

fn spacing<'de, D: Deserializer<'de>>(from: D) -> Result<PixelSpacing, D::Error> {
    parse_spacing(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// A pixel spacing that can't be meant.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// It is not one number or two.
    #[error(
        "{0:?} is no pixel spacing: give millimetres a pixel as 0.12, or as 0.1x0.12 (across and down)"
    )]
    Form(String),
    /// A number is out of range.
    #[error("{0} mm a pixel can't be: give a number from {low} to {high}", low = MIN_MM, high = MAX_MM)]
    Range(f32),
}

/// From a micrometre to a decimetre a pixel: beyond it somebody took another unit.
const MIN_MM: f32 = 0.001;
const MAX_MM: f32 = 100.0;

/// Reads millimetres a pixel: `0.12`, or `0.1x0.12` across (from column to column) and down.
///
/// # Errors
/// [`ScaleError`] where it is no spacing, or not one of a picture.
pub fn parse_spacing(text: &str) -> Result<PixelSpacing, ScaleError> {
    let number = |part: &str| {
        let mm: f32 = part.trim().parse().map_err(|_| ScaleError::Form(text.into()))?;
        if (MIN_MM..=MAX_MM).contains(&mm) { Ok(mm) } else { Err(ScaleError::Range(mm)) }
    };
    let (across, down) = text.split_once('x').unwrap_or((text, text));
    Ok(PixelSpacing { row_mm: number(down)?, column_mm: number(across)? })
}
