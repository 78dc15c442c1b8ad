//! A live B-mode simulator with a known outline.
//!
//! A curved probe looks into layered tissue: skin, fat, muscle, and an organ with vessels, a
//! bright-walled cyst, a rib's shadow, and a dark lesion with an irregular outline. Breathing and a
//! slow drift move and deform it all, the speckle with it. See `echo` for how the picture comes
//! about. Compressed to a dynamic range of 60 dB, it is a grey picture with black margins.
//!
//! Speckle moves with the tissue as if painted on it; that it also changes as scatterers shift
//! within the beam, and as tissue leaves the plane, is not simulated.

mod anatomy;
mod echo;
mod numeric;

use std::time::Duration;

use self::anatomy::{Anatomy, DEPTH_MM, PROBE_RADIUS_MM, Place};
use self::echo::{EchoMap, WIDEST_SINE};
use self::numeric::{bump, smooth_step, wave};
use super::{Clip, FeedError};
use crate::frame::{Frame, PixelSpacing};
use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::random::{SplitMix64, mix};

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhantomOptions {
    /// Decides on the anatomy and its speckle. Default 1.
    pub seed: u64,
    /// The pictures' size, at least 64 × 64. Default 640 × 480.
    pub size: FrameSize,
    /// Frames a second, 0.001 to 1000. Default 20.
    pub fps: f64,
}

impl Default for PhantomOptions {
    fn default() -> Self {
        Self { seed: 1, size: FrameSize::new(640, 480), fps: 20.0 }
    }
}

impl PhantomOptions {
    /// Reads options as `seed=7,size=640x480,fps=20`; those that are left out have their defaults.
    ///
    /// # Errors
    /// [`FeedError::Spec`] for unknown options and values that are not possible.
    pub fn parse(text: &str) -> Result<Self, FeedError> {
        let spec = |reason: String| FeedError::Spec { spec: format!("phantom:{text}"), reason };
        let mut options = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let read = match key {
                "seed" => value.parse().ok().map(|seed| options.seed = seed),
                "fps" => value.parse().ok().map(|fps| options.fps = fps),
                "size" => value
                    .split_once('x')
                    .and_then(|(w, h)| Some(FrameSize::new(w.parse().ok()?, h.parse().ok()?)))
                    .map(|size| options.size = size),
                _ => {
                    let reason = format!("{key:?} is not an option; there are seed, size and fps");
                    return Err(spec(reason));
                }
            };
            read.ok_or_else(|| {
                spec(format!("{value:?} is no {key}; write it as in seed=7,size=640x480,fps=20"))
            })?;
        }
        options.checked().map_err(spec)
    }

    fn checked(self) -> Result<Self, String> {
        if !(0.001..=1000.0).contains(&self.fps) {
            return Err(format!("{:?} frames a second are not within 0.001 to 1000", self.fps));
        }
        if self.size.width < 64 || self.size.height < 64 {
            return Err(format!("{} is smaller than 64x64", self.size));
        }
        Frame::check_size(self.size).map_err(|error| error.to_string())?;
        Ok(self)
    }
}

/// A simulated live picture. It has no end, and every frame is a function of the options and its
/// index alone, bit by bit the same on every platform.
pub struct Phantom {
    options: PhantomOptions,
    anatomy: Anatomy,
    echoes: EchoMap,
    /// Phases of the motions, in turns.
    phases: [f64; 4],
    mm_per_pixel: f32,
    source: std::sync::Arc<str>,
}

impl Phantom {
    /// Builds the anatomy and its echoes.
    ///
    /// # Errors
    /// [`FeedError::Spec`] where an option is outside its range.
    pub fn new(options: PhantomOptions) -> Result<Self, FeedError> {
        let spec = |reason| FeedError::Spec { spec: "phantom".into(), reason };
        let options = options.checked().map_err(spec)?;
        let mut random = SplitMix64::new(options.seed);
        let anatomy = Anatomy::new(&mut random);
        let phases = [(); 4].map(|()| f64::from(random.uniform(0.0, 1.0)));
        let echoes = EchoMap::new(&anatomy, &mut random);
        // The sector's width and height fill most of the picture.
        let deepest = PROBE_RADIUS_MM + DEPTH_MM;
        let width_mm = 2.0 * WIDEST_SINE * deepest;
        let height_mm = deepest - Place::on_beam(WIDEST_SINE, PROBE_RADIUS_MM).y;
        let (width, height) = (options.size.width as f32, options.size.height as f32);
        let mm_per_pixel = (width_mm / width).max(height_mm / height) / FILLED;
        let source = format!("phantom {}", options.seed).into();
        Ok(Self { options, anatomy, echoes, phases, mm_per_pixel, source })
    }

    /// As [`PhantomOptions::parse`] and [`new`](Self::new).
    ///
    /// # Errors
    /// [`FeedError::Spec`].
    pub fn from_options(text: &str) -> Result<Self, FeedError> {
        Self::new(PhantomOptions::parse(text)?)
    }

    /// The lesion's exact outline in frame `index`, filled, at frame resolution: pixels whose
    /// centres lie inside.
    pub fn truth(&self, index: u64) -> Mask {
        let motion = self.motion(index);
        let mut pixels = vec![0; self.options.size.pixels()];
        self.for_each_pixel_in_sector(|at, place| {
            pixels[at] = u8::from(self.anatomy.lesion.contains(motion.at_rest(place)));
        });
        Mask::from_pixels(self.options.size, pixels)
    }

    /// Calls `visit` with the index and the place of every pixel that shows tissue.
    fn for_each_pixel_in_sector(&self, mut visit: impl FnMut(usize, Place)) {
        let FrameSize { width, height } = self.options.size;
        let deepest = PROBE_RADIUS_MM + DEPTH_MM;
        let nearest = Place::on_beam(WIDEST_SINE, PROBE_RADIUS_MM).y;
        let middle = (width as f32 - 1.0) / 2.0;
        let top = (height as f32 - 1.0) / 2.0 - (deepest - nearest) / 2.0 / self.mm_per_pixel;
        for row in 0..height {
            let y = nearest + (row as f32 - top) * self.mm_per_pixel;
            for column in 0..width {
                let x = (column as f32 - middle) * self.mm_per_pixel;
                let place = Place { x, y };
                let range = place.range();
                let in_depth = (PROBE_RADIUS_MM..=deepest).contains(&range);
                if y > 0.0 && in_depth && x.abs() <= WIDEST_SINE * range {
                    visit(row as usize * width as usize + column as usize, place);
                }
            }
        }
    }

    /// Where the tissue is in frame `index`.
    fn motion(&self, index: u64) -> Motion {
        let seconds = index as f64 / self.options.fps;
        let swing = |period: f64, phase: usize| wave(seconds / period + self.phases[phase]);
        let breath = swing(4.2, 0);
        Motion {
            shift: Place {
                x: 2.6 * breath + 4.5 * swing(23.0, 1),
                y: 4.0 * breath + 2.0 * swing(31.0, 2),
            },
            lesion: self.anatomy.lesion.centre,
            stretch: 0.05 * breath + 0.04 * swing(13.0, 3),
        }
    }
}

/// The part of the picture's width or height that the sector takes.
const FILLED: f32 = 0.96;

impl Clip for Phantom {
    fn name(&self) -> &str {
        "phantom"
    }

    fn frame_count(&self) -> Option<u64> {
        None
    }

    fn frame_interval(&self) -> Option<Duration> {
        Some(Duration::from_secs_f64(1.0 / self.options.fps))
    }

    fn frame(&mut self, index: u64) -> Result<Frame, FeedError> {
        /// Receiver noise, in grey values.
        const NOISE: f32 = 5.0;
        let motion = self.motion(index);
        let frame_seed = mix(self.options.seed ^ mix(index));
        let size = self.options.size;
        let mut rgb = vec![0; size.pixels() * 3];
        self.for_each_pixel_in_sector(|at, place| {
            let noise = (mix(frame_seed.wrapping_add(at as u64)) >> 40) as f32 / (1 << 24) as f32;
            let grey = self.echoes.grey(motion.at_rest(place)) + NOISE * (noise - 0.5);
            // The cast saturates.
            rgb[at * 3..][..3].fill((grey + 0.5) as u8);
        });
        let mut frame = Frame::from_rgb(size, rgb)
            .map_err(|source| FeedError::Size { path: self.name().into(), source })?;
        frame.sequence = index;
        frame.pixel_spacing =
            Some(PixelSpacing { row_mm: self.mm_per_pixel, column_mm: self.mm_per_pixel });
        frame.source = self.source.clone();
        Ok(frame)
    }
}

/// How tissue is displaced at a moment.
struct Motion {
    /// In depth; at the probe's face tissue does not move.
    shift: Place,
    /// Where the lesion is at rest.
    lesion: Place,
    /// How much wider and flatter the surroundings of the lesion are than at rest.
    stretch: f32,
}

impl Motion {
    /// Where what is now at `place` is at rest.
    fn at_rest(&self, place: Place) -> Place {
        /// How far from the lesion's centre it is still stretched.
        const REACH_MM: f32 = 40.0;
        let moving = smooth_step(3.0, 42.0, place.range() - PROBE_RADIUS_MM);
        let unshifted =
            Place { x: place.x - moving * self.shift.x, y: place.y - moving * self.shift.y };
        let off = unshifted.minus(self.lesion);
        let stretch = self.stretch * bump(off.range() / REACH_MM);
        Place { x: unshifted.x - off.x * stretch, y: unshifted.y + off.y * stretch }
    }
}
