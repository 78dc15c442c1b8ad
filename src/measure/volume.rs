//! Volumes from plane views.

use serde::Serialize;

use super::{Calliper, Measurements, Quantity, Unit};

/// What two views make of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TwoViews {
    /// The ellipsoid's volume, in millilitres.
    #[serde(flatten)]
    pub volume: Quantity,
    /// The shared axis as either view measures it.
    pub shared_axis: [Quantity; 2],
    /// By which share of the larger one these two differ.
    pub disagreement: f64,
}

impl TwoViews {
    /// Views whose shared axes differ by more than this may be of different structures.
    pub const MOST_DISAGREEMENT: f64 = 0.2;
}

/// The volume of the ellipsoid that two views in planes at right angles show:
/// π/6 times the axis that both planes share (the height, where one is sagittal and the other transverse)
/// and the other one of each. The shared axis is the mean of those two diameters, the longest or the one
/// perpendicular to it of each view, that differ least in proportion; by how much tells whether the views
/// can be of one structure. `None` where either view is not
/// measured in millimetres.
///
/// This is the prolate ellipsoid formula of ultrasound, length × width × height × 0.523.
pub fn ellipsoid_volume(first: &Measurements, second: &Measurements) -> Option<TwoViews> {
    let axes = |view: &Measurements| {
        Some([mm(&view.longest_diameter)?, mm(&view.perpendicular_diameter)?])
    };
    let (first, second) = (axes(first)?, axes(second)?);
    // The shorter ones first, which they are most often, where two pairs agree alike.
    let pairs = [(1, 1), (0, 0), (0, 1), (1, 0)];
    let differ = |&(a, b): &(usize, usize)| (first[a] / second[b]).ln().abs();
    let shared = pairs.into_iter().min_by(|a, b| differ(a).total_cmp(&differ(b)));
    shared.map(|(a, b)| {
        let shared = [first[a], second[b]];
        let [less, more] = [shared[0].min(shared[1]), shared[0].max(shared[1])];
        TwoViews {
            volume: ellipsoid([(less + more) / 2.0, first[1 - a], second[1 - b]]),
            shared_axis: shared.map(|mm| Quantity::new(mm, Unit::Millimetre)),
            disagreement: if more > 0.0 { 1.0 - less / more } else { 0.0 },
        }
    })
}

/// The volume that a single view gives a structure as thick as it is wide, in millilitres: that of the
/// ellipsoid which the view makes when it is turned round its longest diameter. `None` where it is not
/// measured in millimetres.
pub fn volume_of_revolution(view: &Measurements) -> Option<Quantity> {
    let across = mm(&view.perpendicular_diameter)?;
    Some(ellipsoid([mm(&view.longest_diameter)?, across, across]))
}

fn mm(diameter: &Calliper) -> Option<f64> {
    (diameter.length.unit == Unit::Millimetre).then_some(diameter.length.value)
}

/// Of the ellipsoid with these axes in millimetres.
fn ellipsoid(axes: [f64; 3]) -> Quantity {
    let cubic_mm = std::f64::consts::FRAC_PI_6 * axes.iter().product::<f64>();
    Quantity::new(cubic_mm / 1000.0, Unit::Millilitre)
}
