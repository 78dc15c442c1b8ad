//! The picture of the tissue at rest, on the beams of the probe.
//!
//! Each grid point is a scatterer of random complex amplitude, weighted with its tissue. Blurred
//! with the point spread function, which is wider across the beam away from the focus, the sum is
//! a complex Gaussian: its magnitude is fully developed speckle with Rayleigh statistics. Depth
//! gain makes up for the average loss; what a structure loses more or less is seen behind it as
//! shadow or enhancement. The magnitude is then compressed logarithmically.

use super::anatomy::{Anatomy, DEPTH_MM, PROBE_RADIUS_MM, Place};
use super::numeric::{bump, log2};
use crate::random::SplitMix64;

/// The sine of the angle to the vertical of the outermost beams.
pub(super) const WIDEST_SINE: f32 = 0.5;
/// What is between black and white.
pub(super) const DYNAMIC_RANGE_DB: f32 = 60.0;

/// Motion brings tissue into the picture that is outside it at rest.
const MARGIN_SINE: f32 = 0.14;
const MARGIN_MM: f32 = 16.0;
const RANGE_STEP_MM: f32 = 0.2;
const SINE_STEP: f32 = 0.0017;
const FOCUS_MM: f32 = 55.0;
/// White, relative to the mean magnitude in the parenchyma.
const WHITE_DB: f32 = 27.0;

/// Grey values on a grid over range (rows, from the probe's face) and sine of the beam's angle.
pub(super) struct EchoMap {
    grey: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl EchoMap {
    pub fn new(anatomy: &Anatomy, random: &mut SplitMix64) -> Self {
        let rows = ((DEPTH_MM + MARGIN_MM) / RANGE_STEP_MM) as usize;
        let columns = ((WIDEST_SINE + MARGIN_SINE) * 2.0 / SINE_STEP) as usize;
        let mut map = Self { grey: Vec::new(), rows, columns };
        let mut gain_db = vec![0.0; rows * columns];
        let mut parts = [vec![0.0; rows * columns], vec![0.0; rows * columns]];
        for row in 0..rows {
            for column in 0..columns {
                let at = row * columns + column;
                let tissue = anatomy.tissue(map.place(row, column));
                // √1.5 gives both parts together a variance of 1.
                let mut scatterer =
                    || random.uniform(-1.0, 1.0) * 1.5f32.sqrt() * tissue.scattering;
                parts[0][at] = scatterer() + tissue.reflection;
                parts[1][at] = scatterer();
                let above = if row > 0 { gain_db[at - columns] } else { 0.0 };
                gain_db[at] = above - tissue.loss * RANGE_STEP_MM;
            }
        }
        let [real, imaginary] = parts.map(|part| map.blurred(&part));
        let decibels = |power: f32| log2(power.max(1e-9)) * (10.0 * std::f32::consts::LOG10_2);
        let compressed = real.iter().zip(&imaginary).zip(&gain_db).map(|((re, im), gain)| {
            let level = decibels(re * re + im * im) + gain.clamp(-40.0, 8.0);
            255.0 * (1.0 + (level - WHITE_DB) / DYNAMIC_RANGE_DB)
        });
        map.grey = compressed.collect();
        map
    }

    fn place(&self, row: usize, column: usize) -> Place {
        let sine = column as f32 * SINE_STEP - (WIDEST_SINE + MARGIN_SINE);
        Place::on_beam(sine, PROBE_RADIUS_MM + row as f32 * RANGE_STEP_MM)
    }

    /// Applies the point spread function: across the beams, then along them.
    fn blurred(&self, field: &[f32]) -> Vec<f32> {
        const AXIAL_MM: f32 = 0.85;
        let columns = self.columns;
        let mut across = vec![0.0; field.len()];
        for (row, (out, line)) in
            across.chunks_exact_mut(columns).zip(field.chunks_exact(columns)).enumerate()
        {
            let depth = row as f32 * RANGE_STEP_MM;
            let half_width_mm = 1.35 + 0.024 * (depth - FOCUS_MM).abs();
            let kernel = kernel(half_width_mm / ((PROBE_RADIUS_MM + depth) * SINE_STEP));
            let half = kernel.len() / 2;
            for (column, value) in out.iter_mut().enumerate() {
                let first = column.saturating_sub(half);
                let weights = kernel.iter().skip(half - (column - first));
                *value = line[first..].iter().zip(weights).map(|(v, w)| v * w).sum();
            }
        }
        let kernel = kernel(AXIAL_MM / RANGE_STEP_MM);
        let half = kernel.len() / 2;
        let mut out = vec![0.0; field.len()];
        for (row, line) in out.chunks_exact_mut(columns).enumerate() {
            for (tap, weight) in kernel.iter().enumerate() {
                let source = (row + tap).saturating_sub(half).min(self.rows - 1);
                let source = &across[source * columns..][..columns];
                line.iter_mut().zip(source).for_each(|(v, s)| *v += weight * s);
            }
        }
        out
    }

    /// The grey value at a place of the tissue at rest, 0 to 255 but not cut to it.
    pub fn grey(&self, place: Place) -> f32 {
        let range = place.range();
        let row = ((range - PROBE_RADIUS_MM) / RANGE_STEP_MM).clamp(0.0, (self.rows - 2) as f32);
        let sine = place.x / range + (WIDEST_SINE + MARGIN_SINE);
        let column = (sine / SINE_STEP).clamp(0.0, (self.columns - 2) as f32);
        let (down, right) = (row - row.floor(), column - column.floor());
        let at = row as usize * self.columns + column as usize;
        let mix = |left: f32, right_value: f32| left + (right_value - left) * right;
        let upper = mix(self.grey[at], self.grey[at + 1]);
        let lower = mix(self.grey[at + self.columns], self.grey[at + self.columns + 1]);
        upper + (lower - upper) * down
    }
}

/// A biweight kernel that reaches zero `half_width` steps from its middle; its squares add up to 1,
/// so that blurred noise keeps its variance.
fn kernel(half_width: f32) -> Vec<f32> {
    let half = half_width as i32;
    let weights = (-half..=half).map(|i| bump(i as f32 / half_width.max(1.0)));
    let norm = weights.clone().map(|w| w * w).sum::<f32>().sqrt();
    weights.map(|w| w / norm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rayleigh: the mean magnitude is √(π / (4 - π)) = 1.91 standard deviations.
    #[test]
    fn blurred_scatterers_are_fully_developed_speckle() {
        let map = EchoMap { grey: vec![], rows: 630, columns: 750 };
        let mut random = SplitMix64::new(1);
        let mut part = || {
            let field = (0..map.rows * map.columns).map(|_| random.uniform(-1.0, 1.0));
            map.blurred(&field.map(|v| v * 1.5f32.sqrt()).collect::<Vec<_>>())
        };
        let (real, imaginary) = (part(), part());
        // Near, at and beyond the focus; away from the edges of the grid, which see less tissue.
        for rows in [20..120, 250..350, 500..600] {
            let inner = rows.flat_map(|row| (60..690).map(move |column| row * 750 + column));
            let powers: Vec<f64> =
                inner.map(|at| f64::from(real[at].powi(2) + imaginary[at].powi(2))).collect();
            let mean_power = powers.iter().sum::<f64>() / powers.len() as f64;
            let mean = powers.iter().map(|power| power.sqrt()).sum::<f64>() / powers.len() as f64;
            let ratio = mean / (mean_power - mean * mean).sqrt();
            assert!((0.85..1.15).contains(&mean_power), "power {mean_power}");
            assert!((1.8..2.02).contains(&ratio), "mean over deviation {ratio}");
        }
    }
}
