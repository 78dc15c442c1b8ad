//! From a touch device's own units to the panel's pixels.

use std::fmt;
use std::str::FromStr;

use embedded_graphics::geometry::{Point, Size};

/// The lowest and highest value of a device's axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisRange {
    /// The lowest.
    pub min: i32,
    /// The highest.
    pub max: i32,
}

impl AxisRange {
    /// Where `value` lies between the lowest, 0, and the highest, 1. A range without extent has all at
    /// 0.
    pub fn share(self, value: i32) -> f64 {
        let length = f64::from(self.max) - f64::from(self.min);
        if length > 0.0 { (f64::from(value) - f64::from(self.min)) / length } else { 0.0 }
    }
}

/// How a touch device lies on its panel: its axes may be swapped and inverted, and what is left over
/// is a linear map, as libinput's calibration matrix is. All is in shares of the panel's width and
/// height, from the left and the top; swapping comes first, then inverting, then the matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// The device's x axis runs along the panel's y axis.
    pub swap: bool,
    /// x runs from the right to the left.
    pub invert_x: bool,
    /// y runs from the bottom to the top.
    pub invert_y: bool,
    /// `a b c d e f`: x becomes `a x + b y + c`, y becomes `d x + e y + f`.
    pub matrix: [f64; 6],
}

/// The matrix that changes nothing.
const IDENTITY: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

impl Default for Alignment {
    fn default() -> Self {
        Self { swap: false, invert_x: false, invert_y: false, matrix: IDENTITY }
    }
}

impl Alignment {
    /// Where on the panel a touch at (`x`, `y`) of the device is.
    pub fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = if self.swap { (y, x) } else { (x, y) };
        let x = if self.invert_x { 1.0 - x } else { x };
        let y = if self.invert_y { 1.0 - y } else { y };
        let [a, b, c, d, e, f] = self.matrix;
        (a * x + b * y + c, d * x + e * y + f)
    }

    /// This alignment with the matrix that brings what was `touched` to what was `shown`: pairs of
    /// places on the panel, as [`place`](Self::place) gave the first of each without any matrix. Least
    /// squares, so that more than three pairs even out how unsteady a finger is.
    ///
    /// # Errors
    /// [`CalibrationError`].
    pub fn calibrated(self, pairs: &[Pair]) -> Result<Self, CalibrationError> {
        // The normal equations of both rows of the matrix share their left side.
        let mut left = [[0.0; 3]; 3];
        let (mut right_x, mut right_y) = ([0.0; 3], [0.0; 3]);
        for pair in pairs {
            let from = [pair.touched.0, pair.touched.1, 1.0];
            for i in 0..3 {
                for j in 0..3 {
                    left[i][j] += from[i] * from[j];
                }
                right_x[i] += from[i] * pair.shown.0;
                right_y[i] += from[i] * pair.shown.1;
            }
        }
        let solved = solve(left, right_x).zip(solve(left, right_y));
        let ([a, b, c], [d, e, f]) = solved.ok_or(CalibrationError::OneLine)?;
        let found = Self { matrix: [a, b, c, d, e, f], ..self };
        let straight = Self { matrix: found.matrix, ..Self::default() };
        let off = pairs.iter().map(|pair| {
            let (x, y) = straight.place(pair.touched);
            (x - pair.shown.0).hypot(y - pair.shown.1)
        });
        let worst = off.fold(0.0, f64::max);
        if worst > CalibrationError::MOST {
            return Err(CalibrationError::Unsteady { percent: worst * 100.0 });
        }
        Ok(found)
    }
}

/// A mark on the panel, and where the device felt the finger on it; in shares of width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Where the finger was felt.
    pub touched: (f64, f64),
    /// Where the mark was shown.
    pub shown: (f64, f64),
}

/// Why touches on marks give no calibration.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// They lie on a line.
    #[error("all marks were felt on one line: is only a part of the panel touched?")]
    OneLine,
    /// No linear map brings them to their marks.
    #[error("a mark was missed by {percent:.0} % of the panel: touch the middle of each")]
    Unsteady {
        /// How far off the worst is, in percent of the panel.
        percent: f64,
    },
}

impl CalibrationError {
    /// The farthest a touch may be from its mark after the calibration.
    const MOST: f64 = 0.04;
}

/// The solution of three linear equations by Cramer's rule; `None` where there isn't one.
fn solve(left: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let determinant = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
            - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let whole = determinant(left);
    if whole.abs() < 1e-6 {
        return None;
    }
    Some(std::array::from_fn(|column| {
        let mut replaced = left;
        for (row, value) in replaced.iter_mut().zip(right) {
            row[column] = value;
        }
        determinant(replaced) / whole
    }))
}

/// The pixel of a panel of `size` at a place in shares of its width and height; places off the panel
/// come to its edge.
pub(super) fn pixel(place: (f64, f64), size: Size) -> Point {
    let along = |share: f64, length: u32| {
        let most = f64::from(length.max(1) - 1);
        (share * f64::from(length)).floor().clamp(0.0, most) as i32
    };
    Point::new(along(place.0, size.width), along(place.1, size.height))
}

/// Which touch devices are used, and how they lie.
#[derive(Clone, Debug, PartialEq)]
pub struct TouchSpec {
    /// Which.
    pub device: TouchDevice,
    /// How those that are on the panel lie on it.
    pub alignment: Alignment,
}

/// Which touch devices are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TouchDevice {
    /// All that can point, as they come and go.
    Auto,
    /// None.
    None,
    /// This one, when it is there.
    Named(std::path::PathBuf),
}

impl TouchSpec {
    /// All devices, lying as their panel does.
    pub fn auto() -> Self {
        Self { device: TouchDevice::Auto, alignment: Alignment::default() }
    }

    /// No device.
    pub fn none() -> Self {
        Self { device: TouchDevice::None, alignment: Alignment::default() }
    }
}

impl FromStr for TouchSpec {
    type Err = String;

    /// `auto`, `none` or a device, and after commas `swap`, `invert-x`, `invert-y` and `matrix=` with
    /// six numbers and strokes between them.
    fn from_str(text: &str) -> Result<Self, String> {
        const FORMS: &str = "give auto, none or a device as /dev/input/event5, and after it any of \
                             ,swap ,invert-x ,invert-y ,matrix=a/b/c/d/e/f";
        let mut parts = text.split(',');
        let device = match parts.next().unwrap_or_default() {
            "auto" => TouchDevice::Auto,
            "none" => TouchDevice::None,
            path if path.starts_with('/') => TouchDevice::Named(path.into()),
            other => return Err(format!("{other:?} is no touch device: {FORMS}")),
        };
        let mut alignment = Alignment::default();
        for part in parts {
            match part {
                "swap" => alignment.swap = true,
                "invert-x" => alignment.invert_x = true,
                "invert-y" => alignment.invert_y = true,
                _ => {
                    let numbers = part.strip_prefix("matrix=").and_then(matrix);
                    alignment.matrix = numbers.ok_or_else(|| format!("{part:?}: {FORMS}"))?;
                }
            }
        }
        Ok(Self { device, alignment })
    }
}

fn matrix(text: &str) -> Option<[f64; 6]> {
    let numbers: Vec<f64> = text.split('/').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok().filter(|m: &[f64; 6]| m.iter().all(|n| n.is_finite()))
}

/// As [`FromStr`] reads it.
impl fmt::Display for TouchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.device {
            TouchDevice::Auto => write!(f, "auto")?,
            TouchDevice::None => write!(f, "none")?,
            TouchDevice::Named(path) => write!(f, "{}", path.display())?,
        }
        let Alignment { swap, invert_x, invert_y, matrix } = self.alignment;
        for (is_set, word) in [(swap, "swap"), (invert_x, "invert-x"), (invert_y, "invert-y")] {
            if is_set {
                write!(f, ",{word}")?;
            }
        }
        if matrix != IDENTITY {
            // Ten thousandths are finer than any panel's pixels.
            let numbers = matrix.map(|n| ((n * 1e4).round() / 1e4 + 0.0).to_string());
            write!(f, ",matrix={}", numbers.join("/"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shares_of_their_axis() {
        let axis = AxisRange { min: -100, max: 300 };
        assert_eq!([-100, 100, 300, 500].map(|v| axis.share(v)), [0.0, 0.5, 1.0, 1.5]);
        assert_eq!(AxisRange { min: 7, max: 7 }.share(9), 0.0);
        assert_eq!(AxisRange { min: i32::MIN, max: i32::MAX }.share(i32::MAX), 1.0);
    }

    #[test]
    fn the_corners_of_the_device_are_those_of_the_panel() {
        let size = Size::new(800, 480);
        assert_eq!(pixel((0.0, 0.0), size), Point::zero());
        assert_eq!(pixel((1.0, 1.0), size), Point::new(799, 479));
        assert_eq!(pixel((-3.0, f64::NAN), size).x, 0);
        assert_eq!(pixel((0.5, 0.5), Size::zero()), Point::zero());
    }

    #[test]
    fn axes_are_swapped_then_inverted_then_mapped() {
        let plain = Alignment::default();
        let cases = [
            ("as it is", plain, (0.2, 0.1)),
            ("swapped", Alignment { swap: true, ..plain }, (0.1, 0.2)),
            ("from the right", Alignment { invert_x: true, ..plain }, (0.8, 0.1)),
            (
                "swapped and upside down",
                Alignment { swap: true, invert_y: true, ..plain },
                (0.1, 0.8),
            ),
            (
                "swapped, then moved",
                Alignment { swap: true, matrix: [1.0, 0.0, 0.5, 0.0, 2.0, 0.0], ..plain },
                (0.6, 0.4),
            ),
        ];
        for (name, alignment, expected) in cases {
            let (x, y) = alignment.place((0.2, 0.1));
            assert!((x - expected.0).abs() + (y - expected.1).abs() < 1e-9, "{name}: {x} {y}");
        }
    }

    type Place = (f64, f64);

    /// Touches on marks of a device that feels them at `felt`.
    fn pairs(felt: impl Fn(f64, f64) -> Place) -> Vec<Pair> {
        let marks = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9), (0.5, 0.5)];
        marks.map(|(x, y)| Pair { touched: felt(x, y), shown: (x, y) }).to_vec()
    }

    #[test]
    fn a_calibration_undoes_how_a_device_lies() {
        let devices: [fn(f64, f64) -> Place; 4] = [
            |x, y| (x, y),
            |x, y| (0.05 + 0.9 * x, 0.97 * y - 0.02),
            |x, y| (1.0 - y, x),
            |x, y| (0.95 * x + 0.03 * y, 0.02 + y - 0.03 * x),
        ];
        for (i, felt) in devices.into_iter().enumerate() {
            let found = Alignment::default().calibrated(&pairs(felt)).unwrap();
            for (x, y) in [(0.0, 0.0), (0.3, 0.8), (1.0, 1.0)] {
                let (px, py) = found.place(felt(x, y));
                assert!((px - x).hypot(py - y) < 1e-6, "device {i}: ({px}, {py}) for ({x}, {y})");
            }
        }
        let unsteady = pairs(|x, y| (x + 0.01 * (37.0 * y).sin(), y + 0.01 * (41.0 * x).cos()));
        let found = Alignment::default().calibrated(&unsteady).unwrap();
        assert!((found.place((0.5, 0.5)).0 - 0.5).abs() < 0.02);
    }

    #[test]
    fn what_is_no_calibration_is_told() {
        let calibrated = |pairs: &[Pair]| Alignment::default().calibrated(pairs);
        assert_eq!(calibrated(&[]), Err(CalibrationError::OneLine));
        assert_eq!(calibrated(&pairs(|x, _| (x, 0.5))), Err(CalibrationError::OneLine));
        let mut missed = pairs(|x, y| (x, y));
        missed[2].touched = (0.2, 0.2);
        assert!(matches!(calibrated(&missed), Err(CalibrationError::Unsteady { .. })));
    }

    #[test]
    fn specs_are_read_and_written() {
        for text in [
            "auto",
            "none",
            "/dev/input/event5",
            "/dev/input/by-path/pci-0000:00:14.0-event,swap,invert-y",
            "auto,matrix=1.02/0/-0.01/0/0.98/0.005",
        ] {
            assert_eq!(text.parse::<TouchSpec>().unwrap().to_string(), text);
        }
        for text in ["", "event5", "auto,flip", "auto,matrix=1/2", "auto,matrix=1/0/0/0/NaN/0"] {
            let error = text.parse::<TouchSpec>().unwrap_err();
            assert!(error.contains("matrix=a/b/c/d/e/f"), "{error}");
        }
    }
}
