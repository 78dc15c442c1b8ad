//! From luma and chroma to red, green and blue.

/// How red, green and blue were made into luma and chroma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourMatrix {
    /// ITU-R BT.601: standard definition, and most webcams.
    #[default]
    Bt601,
    /// ITU-R BT.709: high definition.
    Bt709,
    /// ITU-R BT.2020, not constant luminance: ultra high definition.
    Bt2020,
    /// SMPTE 240M: early high definition.
    Smpte240m,
}

impl ColourMatrix {
    /// The shares of red and blue in luma, as the standards define them.
    fn luma_shares(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
            Self::Smpte240m => (0.212, 0.087),
        }
    }
}

/// Which of the 256 levels are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// All.
    #[default]
    Full,
    /// 16 to 235, and 16 to 240 for chroma.
    Limited,
}

/// Binary places of the products that are summed.
const PLACES: u32 = 5;

/// Binary places of the factors.
const FACTOR_PLACES: u32 = 13;

/// How far levels are shifted before they are multiplied: as far as sixteen bits allow.
const SHIFT: u32 = 15 + PLACES - FACTOR_PLACES;

/// The middle of chroma.
const NEUTRAL: i16 = 128;

/// The conversion in whole numbers of sixteen bits, the same on every processor.
///
/// Levels are shifted by [`Coefficients::SHIFT`] and multiplied by factors of 13 binary places; the
/// upper half of each product is kept, rounded, with 5 binary places. Sums are rounded to whole
/// numbers. So each result is at most 0.1 from the exact one before it is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coefficients {
    /// Black.
    pub black: i16,
    /// From luma to all three.
    pub luma: i16,
    /// From the second chroma (V, Cr) to red.
    pub v_to_red: i16,
    /// From the first chroma (U, Cb) to green.
    pub u_to_green: i16,
    /// From the second chroma to green.
    pub v_to_green: i16,
    /// From the first chroma to blue.
    pub u_to_blue: i16,
}

impl Coefficients {
    /// How far levels are shifted before they are multiplied.
    pub const SHIFT: i32 = SHIFT as i32;
    /// How far sums are shifted back.
    pub const PLACES: i32 = PLACES as i32;
    /// The middle of chroma.
    pub const NEUTRAL: i16 = NEUTRAL;

    pub fn new(matrix: ColourMatrix, range: Range) -> Self {
        let (red, blue) = matrix.luma_shares();
        let green = 1.0 - red - blue;
        let (black, luma, chroma) = match range {
            Range::Full => (0, 1.0, 1.0),
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
        };
        // Rounded; all are smaller than 4, so they fit.
        let fixed = |factor: f64| (factor * f64::from(1 << FACTOR_PLACES)).round() as i16;
        Self {
            black,
            luma: fixed(luma),
            v_to_red: fixed(chroma * 2.0 * (1.0 - red)),
            u_to_green: fixed(-chroma * 2.0 * (1.0 - blue) * blue / green),
            v_to_green: fixed(-chroma * 2.0 * (1.0 - red) * red / green),
            u_to_blue: fixed(chroma * 2.0 * (1.0 - blue)),
        }
    }

    /// One pixel.
    #[inline(always)]
    pub fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let luma = product(y, self.black, self.luma);
        let (u, v) = (|f| product(u, NEUTRAL, f), |f| product(v, NEUTRAL, f));
        let sums = [v(self.v_to_red), u(self.u_to_green) + v(self.v_to_green), u(self.u_to_blue)];
        sums.map(|sum| level(luma + sum))
    }

    /// One level of a picture without colours, or of one colour.
    #[inline(always)]
    pub fn grey(&self, y: u8) -> u8 {
        level(product(y, self.black, self.luma))
    }
}

/// The upper half of a product, rounded, as `pmulhrsw` and `sqrdmulh` give it.
#[inline(always)]
fn product(level: u8, zero: i16, factor: i16) -> i32 {
    let shifted = (i32::from(level) - i32::from(zero)) << SHIFT;
    (shifted * i32::from(factor) + (1 << 14)) >> 15
}

#[inline(always)]
fn level(sum: i32) -> u8 {
    ((sum + (1 << (PLACES - 1))) >> PLACES).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_is_within_a_tenth_of_the_exact_one() {
        for matrix in [
            ColourMatrix::Bt601,
            ColourMatrix::Bt709,
            ColourMatrix::Bt2020,
            ColourMatrix::Smpte240m,
        ] {
            for range in [Range::Full, Range::Limited] {
                let coefficients = Coefficients::new(matrix, range);
                let (red, blue) = matrix.luma_shares();
                let (black, luma, chroma) = match range {
                    Range::Full => (0.0, 1.0, 1.0),
                    Range::Limited => (16.0, 219.0 / 255.0, 224.0 / 255.0),
                };
                for y in (0..=255).step_by(5) {
                    for u in (0..=255).step_by(3) {
                        for v in (0..=255).step_by(3) {
                            let (e, b, r) = (
                                (f64::from(y) - black) / luma,
                                (f64::from(u) - 128.0) / chroma * 2.0 * (1.0 - blue),
                                (f64::from(v) - 128.0) / chroma * 2.0 * (1.0 - red),
                            );
                            let g = -(red * r + blue * b) / (1.0 - red - blue);
                            let exact = [e + r, e + g, e + b].map(|c| c.clamp(0.0, 255.0));
                            let found = coefficients.rgb(y as u8, u as u8, v as u8);
                            for (exact, found) in exact.into_iter().zip(found) {
                                let away = (exact - f64::from(found)).abs();
                                assert!(away <= 0.6, "{matrix:?} {range:?} {y} {u} {v}: {away}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn black_white_and_grey_are_exact() {
        let full = Coefficients::new(ColourMatrix::Bt709, Range::Full);
        assert!((0..=255).all(|y| full.rgb(y, 128, 128) == [y; 3] && full.grey(y) == y));
        let limited = Coefficients::new(ColourMatrix::Bt601, Range::Limited);
        for (y, expected) in [(0, 0), (16, 0), (17, 1), (126, 128), (235, 255), (255, 255)] {
            assert_eq!(limited.rgb(y, 128, 128), [expected; 3], "{y}");
        }
    }
}
