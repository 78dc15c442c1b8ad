//! How the screen is arranged for the hand that uses it.

use std::str::FromStr;

use crate::screen::LIKELY_PIXELS_PER_MM;

/// The hand that points, and so the side that the buttons stand at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hand {
    /// Buttons at the right.
    #[default]
    Right,
    /// Buttons at the left.
    Left,
}

impl FromStr for Hand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "right" => Ok(Self::Right),
            "left" => Ok(Self::Left),
            _ => Err("give left or right".into()),
        }
    }
}

/// How the screen is arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arrangement {
    /// The hand that points.
    pub hand: Hand,
    /// Screen pixels to the millimetre, where they are known.
    pub pixels_per_mm: Option<f32>,
}

impl Arrangement {
    /// The least side of what a gloved finger is to hit, in millimetres: fingertips are 8 to 10 mm
    /// wide, and 9 mm is what ISO 9241-411 and makers of touch panels ask for at least.
    pub const TARGET_MM: f32 = 9.0;

    /// [`TARGET_MM`](Self::TARGET_MM) in pixels, rounded up, where the screen's scale is known.
    pub fn target(&self) -> Option<u32> {
        let scale = self.pixels_per_mm.filter(|scale| LIKELY_PIXELS_PER_MM.contains(scale))?;
        Some((Self::TARGET_MM * scale).ceil() as u32)
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::geometry::Size;

    use crate::screen::pixels_per_mm;

    use super::*;

    #[test]
    fn a_target_is_nine_millimetres() {
        for (name, pixels, mm, target) in [
            ("7 inch", (800, 480), (154.0, 86.0), Some(48)),
            ("10 inch", (1280, 800), (217.0, 136.0), Some(54)),
            ("10 inch on its side", (800, 1280), (217.0, 136.0), Some(54)),
            ("an aspect ratio", (1280, 800), (16.0, 10.0), None),
            ("nothing", (1280, 800), (0.0, 0.0), None),
            ("a wall", (1280, 800), (4000.0, 2500.0), None),
            ("half of it", (1280, 800), (110.0, 136.0), None),
        ] {
            let pixels_per_mm = pixels_per_mm(Size::new(pixels.0, pixels.1), mm);
            let arrangement = Arrangement { pixels_per_mm, ..Arrangement::default() };
            assert_eq!(arrangement.target(), target, "{name}");
        }
        for odd in [f32::NAN, -3.0, f32::INFINITY] {
            let odd = Arrangement { pixels_per_mm: Some(odd), ..Arrangement::default() };
            assert_eq!(odd.target(), None);
        }
    }

    #[test]
    fn other_hands_are_refused() {
        assert_eq!("left".parse(), Ok(Hand::Left));
        assert_eq!("both".parse::<Hand>(), Err("give left or right".into()));
    }
}
