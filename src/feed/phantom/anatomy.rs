//! What the simulated tissue consists of, at rest.

use super::numeric::{bump, smooth_step, wave};
use crate::random::SplitMix64;

/// Radius of the curved probe's face.
pub(super) const PROBE_RADIUS_MM: f32 = 50.0;
/// How deep the picture shows.
pub(super) const DEPTH_MM: f32 = 110.0;

/// A position in the tissue in millimetres from the centre of the probe's curvature: x to the
/// right, y away from the probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub x: f32,
    pub y: f32,
}

impl Place {
    /// On the beam whose angle to the vertical has this sine, `range` mm from the centre of
    /// curvature.
    pub fn on_beam(sine: f32, range: f32) -> Self {
        Self { x: sine * range, y: (1.0 - sine * sine).max(0.0).sqrt() * range }
    }

    /// Distance from the centre of curvature.
    pub fn range(self) -> f32 {
        (self.x * self.x + self.y * self.y).sqrt()
    }

    pub fn minus(self, other: Self) -> Self {
        Self { x: self.x - other.x, y: self.y - other.y }
    }
}

/// A closed smooth outline round `centre`: its radius is a Fourier series of the direction.
pub(super) struct Outline {
    pub centre: Place,
    pub radius_mm: f32,
    /// Cosine and sine parts, relative to the radius, of the second harmonic and those after it.
    harmonics: Vec<(f32, f32)>,
}

impl Outline {
    fn irregular(centre: Place, radius_mm: f32, random: &mut SplitMix64) -> Self {
        let harmonics = [0.15, 0.075, 0.045, 0.03]
            .map(|size| (random.uniform(-size, size), random.uniform(-size, size)));
        Self { centre, radius_mm, harmonics: harmonics.into() }
    }

    fn round(centre: Place, radius_mm: f32) -> Self {
        Self { centre, radius_mm, harmonics: vec![] }
    }

    /// The distance from the centre as a fraction of the outline's radius in that direction: below
    /// 1 inside.
    pub fn relative_distance(&self, place: Place) -> f32 {
        let Place { x, y } = place.minus(self.centre);
        let distance = (x * x + y * y).sqrt();
        if distance == 0.0 {
            return 0.0;
        }
        // Powers of the direction as a complex number are its harmonics.
        let (cosine, sine) = (x / distance, y / distance);
        let (mut c, mut s) = (cosine, sine);
        let mut radius = 1.0;
        for (a, b) in &self.harmonics {
            (c, s) = (c * cosine - s * sine, c * sine + s * cosine);
            radius += a * c + b * s;
        }
        distance / (radius * self.radius_mm)
    }

    pub fn contains(&self, place: Place) -> bool {
        self.relative_distance(place) < 1.0
    }
}

/// How a place answers the sound.
pub(super) struct Tissue {
    /// Amplitude of what many small scatterers send back at random: 1 in the parenchyma.
    pub scattering: f32,
    /// Amplitude of what smooth interfaces send back in one piece.
    pub reflection: f32,
    /// Loss in dB a millimetre, there and back, beyond what the depth gain makes up for.
    pub loss: f32,
}

/// All structures: skin, fat, muscle, and an organ with vessels, a cyst and a lesion; a rib casts a
/// shadow at one side.
pub(super) struct Anatomy {
    pub lesion: Outline,
    cyst: Outline,
    vessels: Vec<Outline>,
    rib: Place,
    /// Phases of the undulations, in turns.
    phases: [f64; 6],
}

impl Anatomy {
    pub fn new(random: &mut SplitMix64) -> Self {
        let side = if random.next_u64() & 1 == 0 { 1.0 } else { -1.0 };
        let lesion_at = Place::on_beam(
            side * random.uniform(0.02, 0.13),
            PROBE_RADIUS_MM + random.uniform(50.0, 58.0),
        );
        let radius = random.uniform(12.5, 16.0);
        let lesion = Outline::irregular(lesion_at, radius, random);
        let cyst_at = Place::on_beam(
            -side * random.uniform(0.24, 0.3),
            PROBE_RADIUS_MM + random.uniform(46.0, 66.0),
        );
        let cyst = Outline::round(cyst_at, random.uniform(5.5, 7.5));
        let mut vessels = Vec::new();
        // Only so many tries: a crowded place gets fewer vessels.
        for _ in 0..60 {
            let at = Place::on_beam(
                random.uniform(-0.5, 0.5),
                PROBE_RADIUS_MM + random.uniform(40.0, 92.0),
            );
            let radius = random.uniform(1.1, 2.6);
            let clear = lesion.relative_distance(at) > 1.4 && cyst.relative_distance(at) > 1.8;
            if clear && vessels.len() < 9 {
                vessels.push(Outline::irregular(at, radius, random));
            }
        }
        let rib = Place::on_beam(side * random.uniform(0.39, 0.43), PROBE_RADIUS_MM + 23.0);
        let phases = [(); 6].map(|()| f64::from(random.uniform(0.0, 1.0)));
        Self { lesion, cyst, vessels, rib, phases }
    }

    /// The tissue at a place.
    pub fn tissue(&self, place: Place) -> Tissue {
        let lesion = self.lesion.relative_distance(place);
        if lesion < 1.0 {
            return self.lesion_tissue(place, lesion);
        }
        let cyst = self.cyst.relative_distance(place);
        if cyst < 1.0 {
            return Tissue { scattering: 0.012, reflection: 0.0, loss: -0.55 };
        }
        let mut tissue = self.layers(place);
        let wall = (cyst - 1.0) * self.cyst.radius_mm;
        if wall < 0.9 {
            // A smooth wall is seen best where the beam meets it head on.
            let off = place.minus(self.cyst.centre);
            let head_on = (off.x * place.x + off.y * place.y).abs() / (off.range() * place.range());
            tissue.scattering = 1.3;
            tissue.reflection = 0.6 * head_on * head_on * head_on * bump(wall / 0.9);
        }
        for vessel in &self.vessels {
            let distance = vessel.relative_distance(place);
            if distance < 1.0 {
                return Tissue { scattering: 0.08, reflection: 0.0, loss: -0.2 };
            }
            let wall = (distance - 1.0) * vessel.radius_mm;
            if wall < 0.8 {
                tissue.scattering *= 1.0 + 1.2 * bump(wall / 0.8);
            }
        }
        let rib = place.minus(self.rib);
        let rib = (rib.x * rib.x / 72.0 + rib.y * rib.y / 2.5).sqrt();
        if rib < 1.0 {
            return Tissue { scattering: 2.0, reflection: 0.8 * bump(rib), loss: 22.0 * bump(rib) };
        }
        tissue
    }

    /// A solid, poorly echoing mass, darkest in its middle, with a soft margin.
    fn lesion_tissue(&self, place: Place, relative_distance: f32) -> Tissue {
        let patches = wave(f64::from(place.x) / 9.0 + self.phases[0])
            * wave(f64::from(place.y) / 7.0 + self.phases[1]);
        let margin = smooth_step(0.9, 1.0, relative_distance);
        Tissue { scattering: 0.17 + 0.05 * patches + 0.08 * margin, reflection: 0.0, loss: -0.16 }
    }

    /// Skin, fat with septa, fascia, striated muscle, capsule, parenchyma, deep interface.
    fn layers(&self, place: Place) -> Tissue {
        let range = place.range();
        let sine = f64::from(place.x / range);
        let [p0, p1, p2, p3, p4, p5] = self.phases;
        // Layers undulate across the picture, the deeper ones more.
        let flat = range - PROBE_RADIUS_MM;
        let sway = wave(sine * 1.1 + p0) + 0.5 * wave(sine * 2.7 + p1);
        let depth = flat + sway * 2.2 * smooth_step(2.0, 25.0, flat);
        let line = |at: f32, half: f32| bump((depth - at) / half);
        let deep = f64::from(depth);

        let scattering = match depth {
            d if d < 2.2 => 1.7,
            d if d < 14.0 => {
                // Septa: thin, slanted, here and there.
                let slanted =
                    wave(deep / 5.5 + sine * 4.0 + f64::from(wave(sine * 5.0 + p2)) * 0.3);
                let present = smooth_step(-0.1, 0.5, wave(sine * 3.1 + deep / 21.0 + p3));
                0.3 + 1.9 * present * smooth_step(0.86, 1.0, slanted)
            }
            d if d < 29.0 => {
                let fibres = wave(deep / 2.3 + f64::from(wave(sine * 2.3 + p4)) * 0.9);
                let bundles = wave(sine * 7.0 + deep / 8.0 + p5);
                0.34 + 0.9 * smooth_step(0.2, 1.0, fibres) * (0.6 + 0.4 * bundles)
            }
            d if d < 97.0 => {
                let coarse =
                    wave(sine * 2.9 + deep / 37.0 + p2) + wave(deep / 23.0 - sine * 4.0 + p3);
                1.0 + 0.16 * coarse
            }
            _ => 0.45,
        };
        // Interfaces shine in places.
        let shine = |turns: f64, phase: f64| {
            0.25 + 0.75 * smooth_step(-0.8, 0.9, wave(sine * turns + phase))
        };
        let reflection = 0.35 * line(1.0, 1.2)
            + 0.24 * line(14.0, 0.6) * shine(4.1, p3)
            + 0.32 * line(29.0, 0.7) * shine(3.3, p4)
            + 0.5 * line(97.0, 1.3) * shine(2.2, p5);
        Tissue { scattering, reflection, loss: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_without_harmonics_is_a_circle() {
        let outline = Outline::round(Place { x: 3.0, y: 90.0 }, 10.0);
        for (x, y, expected) in [(3.0, 90.0, 0.0), (8.0, 90.0, 0.5), (3.0, 110.0, 2.0)] {
            assert_eq!(outline.relative_distance(Place { x, y }), expected);
        }
    }

    #[test]
    fn every_seed_has_a_lesion_that_fits_into_the_organ() {
        for seed in 0..500 {
            let anatomy = Anatomy::new(&mut SplitMix64::new(seed));
            let lesion = &anatomy.lesion;
            assert!(lesion.contains(lesion.centre));
            // 1.3: the harmonics add up to less than that.
            let depth = lesion.centre.range() - PROBE_RADIUS_MM;
            assert!(depth - 1.3 * lesion.radius_mm > 28.0, "seed {seed}");
            assert!(depth + 1.3 * lesion.radius_mm < 97.0, "seed {seed}");
            let apart = lesion.centre.minus(anatomy.cyst.centre).range();
            assert!(apart > 1.3 * lesion.radius_mm + anatomy.cyst.radius_mm, "seed {seed}");
        }
    }
}
