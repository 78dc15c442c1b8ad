//! Volumes from plane views.

use super::{Measurements, Quantity, Unit};

/// The volume of the ellipsoid that two views in planes at right angles show, in millilitres:
/// π/6 times the longest diameter of each and the mean of the diameters perpendicular to them, which
/// is the axis that both planes share (the height, where one is sagittal and the other transverse).
/// `None` where either view is not measured in millimetres.
///
/// This is the prolate ellipsoid formula of ultrasound, length × width × height × 0.523.
pub fn ellipsoid_volume(first: &Measurements, second: &Measurements) -> Option<Quantity> {
    let mm = |q: Quantity| (q.unit == Unit::Millimetre).then_some(q.value);
    let [length, width] = [first, second].map(|view| mm(view.longest_diameter.length));
    let heights = [first, second].map(|view| mm(view.perpendicular_diameter.length));
    let height = (heights[0]? + heights[1]?) / 2.0;
    let cubic_mm = std::f64::consts::FRAC_PI_6 * length? * width? * height;
    Some(Quantity::new(cubic_mm / 1000.0, Unit::Millilitre))
}
