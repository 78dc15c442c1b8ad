//! The overlay's colours.

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
/// Behind everything.
pub(super) const BACKGROUND: Rgb888 = Rgb888::new(0x0C, 0x0E, 0x11);
/// Positive points: bluish green.
pub(super) const POSITIVE: Rgb888 = Rgb888::new(0x00, 0x9E, 0x73);
/// Negative points: vermillion.
pub(super) const NEGATIVE: Rgb888 = Rgb888::new(0xD5, 0x5E, 0x00);
/// A button that can be pressed.
pub(super) const BUTTON: Rgb888 = Rgb888::new(0x2A, 0x31, 0x3A);
/// A button that can't.
pub(super) const BUTTON_DISABLED: Rgb888 = Rgb888::new(0x16, 0x19, 0x1D);
/// The chosen tool.
pub(super) const BUTTON_ACTIVE: Rgb888 = Rgb888::new(0xF0, 0xE4, 0x42);
/// Text that matters.
pub(super) const TEXT: Rgb888 = Rgb888::new(0xF2, 0xF4, 0xF7);
/// Figures beside it.
pub(super) const TEXT_DIM: Rgb888 = Rgb888::new(0xA4, 0xAD, 0xB8);
/// Labels of buttons that can't be pressed.
pub(super) const TEXT_DISABLED: Rgb888 = Rgb888::new(0x62, 0x6A, 0x74);

/// The colour of the object colour index `colour`.
pub(super) fn object_colour(colour: usize) -> Rgb888 {
    OBJECT_COLOURS[colour % OBJECT_COLOURS.len()]
}
