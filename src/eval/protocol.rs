//! What a model is asked about a structure whose outline is known.

use serde::{Deserialize, Serialize};

use super::dataset::{Picture, Structure};
use crate::distance::depths;
use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::mask::Mask;
use crate::prompt::{PointLabel, Prompt};
use crate::random::{SplitMix64, mix};

/// A way of prompting that papers or people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// *BreastSAM*: a random point inside with a careless box.
    Breastsam,
    /// *How SAM boosts medical image segmentation*: a point, twenty points, a box, all structures.
    Survey,
    /// Clicks placed where the mask is most wrong.
    Interactive,
    /// The box that the dataset gives as a prompt, or else the tight one.
    Box,
    /// A single tap: at the centre, at random places inside, near the rim.
    Tap,
    /// No prompt.
    None,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Breastsam, Self::Survey, Self::Interactive, Self::Box, Self::Tap, Self::None];

    /// The settings it consists of.
    pub fn settings(self) -> &'static [Setting] {
        match self {
            Self::Breastsam => &[Setting::Breastsam],
            Self::Survey => &[
                Setting::OnePoint,
                Setting::TwentyPoints,
                Setting::TightBox,
                Setting::AllStructures,
            ],
            Self::Interactive => &[Setting::Clicks],
            Self::Box => &[Setting::GivenBox],
            Self::Tap => &[Setting::CentreTap, Setting::InteriorTap, Setting::RimTap],
            Self::None => &[Setting::Unprompted],
        }
    }
}

/// One kind of prompt of a [`Protocol`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// A random point inside, and the tight box grown by 20 pixels on each side, its sides scaled by
    /// up to 10 %, and shifted by up to 30 pixels along each axis; pixels of a picture whose longest
    /// side is 500.
    Breastsam,
    /// A random point inside.
    OnePoint,
    /// Ten random points inside and ten outside.
    TwentyPoints,
    /// The tight box.
    TightBox,
    /// The tight boxes of all structures of a picture; the masks together against all structures.
    AllStructures,
    /// Up to [`MAX_CLICKS`] clicks, each in the middle of the largest error.
    Clicks,
    /// The dataset's own box, or else the tight one.
    GivenBox,
    /// A tap on the pixel inside that is farthest from the rim.
    CentreTap,
    /// Taps on random pixels inside: [`TAPS`] a structure.
    InteriorTap,
    /// Taps on random pixels of the outermost fifth, by depth: [`TAPS`] a structure.
    RimTap,
    /// No prompt, or, of a model trained on boxes alone, the box of the whole picture; against all
    /// structures.
    Unprompted,
}

/// How many random taps of a kind a structure gets.
pub const TAPS: u32 = 3;
/// The most clicks of the interactive protocol (as in Sofiiuk et al., *Reviving iterative training with
/// mask guidance for interactive segmentation*, 2022).
pub const MAX_CLICKS: usize = 20;

impl Setting {
    /// The protocol that it is part of.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Breastsam => Protocol::Breastsam,
            Self::OnePoint | Self::TwentyPoints | Self::TightBox | Self::AllStructures => {
                Protocol::Survey
            }
            Self::Clicks => Protocol::Interactive,
            Self::GivenBox => Protocol::Box,
            Self::CentreTap | Self::InteriorTap | Self::RimTap => Protocol::Tap,
            Self::Unprompted => Protocol::None,
        }
    }

    /// What it is called, in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Breastsam => "breastsam: point and jittered box",
            Self::OnePoint => "survey: 1 point",
            Self::TwentyPoints => "survey: 10 + 10 points",
            Self::TightBox => "survey: box",
            Self::AllStructures => "survey: all structures",
            Self::Clicks => "interactive: 20 clicks",
            Self::GivenBox => "box",
            Self::CentreTap => "tap: centre",
            Self::InteriorTap => "tap: interior",
            Self::RimTap => "tap: rim",
            Self::Unprompted => "none",
        }
    }

    /// The prompts for a structure; those of whole pictures and clicks are made elsewhere.
    pub(crate) fn prompts(
        self,
        picture: &Picture,
        structure: &Structure,
        seed: u64,
    ) -> Vec<Prompt> {
        let mask = &structure.mask;
        let mut random = SplitMix64::new(self.seed(picture, structure, seed));
        let inside = || Places::of(mask, |pixel, _| pixel != 0);
        let positive = |prompt: Prompt, at| prompt.point(at, PointLabel::Positive);
        match self {
            Self::AllStructures | Self::Unprompted | Self::Clicks => vec![],
            Self::Breastsam => {
                let at = inside().any(&mut random);
                vec![positive(Prompt::default().in_box(jittered(mask, &mut random)), at)]
            }
            Self::OnePoint => vec![positive(Prompt::default(), inside().any(&mut random))],
            Self::TwentyPoints => {
                let (inside, outside) = (inside(), Places::of(mask, |pixel, _| pixel == 0));
                let mut prompt = Prompt::default();
                for _ in 0..10 {
                    prompt = positive(prompt, inside.any(&mut random));
                    if !outside.places.is_empty() {
                        prompt = prompt.point(outside.any(&mut random), PointLabel::Negative);
                    }
                }
                vec![prompt]
            }
            Self::TightBox => vec![Prompt::default().in_box(tight_box(mask))],
            Self::GivenBox => {
                let given = structure.given_box.and_then(|b| usable(b, mask.size()));
                vec![Prompt::default().in_box(given.unwrap_or_else(|| tight_box(mask)))]
            }
            Self::CentreTap => vec![positive(Prompt::default(), centre(mask))],
            Self::InteriorTap => {
                let inside = inside();
                (0..TAPS).map(|_| positive(Prompt::default(), inside.any(&mut random))).collect()
            }
            Self::RimTap => {
                let depths = depths(mask);
                let deepest = depths.iter().copied().fold(0.0, f64::max);
                let near = (deepest / 5.0).max(1.0);
                let rim = Places::of(mask, |pixel, at| pixel != 0 && depths[at] <= near);
                (0..TAPS).map(|_| positive(Prompt::default(), rim.any(&mut random))).collect()
            }
        }
    }

    /// Decides on what is random, whatever is asked before.
    fn seed(self, picture: &Picture, structure: &Structure, seed: u64) -> u64 {
        let names = [picture.name.as_bytes(), b"\0", structure.name.as_bytes()];
        let start = mix(seed ^ mix(self as u64 + 1));
        names.concat().iter().fold(start, |state, byte| mix(state ^ u64::from(*byte)))
    }
}

/// Pixels to choose from.
struct Places {
    places: Vec<u32>,
    width: usize,
}

impl Places {
    fn of(mask: &Mask, wanted: impl Fn(u8, usize) -> bool) -> Self {
        let pixels = mask.pixels().iter().enumerate();
        let places = pixels.filter(|(at, pixel)| wanted(**pixel, *at)).map(|(at, _)| at as u32);
        Self { places: places.collect(), width: mask.size().width as usize }
    }

    /// A random one; there must be any.
    fn any(&self, random: &mut SplitMix64) -> FramePoint {
        point(self.places[random.below(self.places.len())] as usize, self.width)
    }
}

fn point(at: usize, width: usize) -> FramePoint {
    FramePoint::new((at % width) as f32, (at / width) as f32)
}

/// The pixel that is deepest inside, the first of several.
pub(super) fn centre(mask: &Mask) -> FramePoint {
    deepest(&depths(mask), mask.size()).0
}

/// The first of the deepest places, and how deep it is.
pub(super) fn deepest(depths: &[f64], size: FrameSize) -> (FramePoint, f64) {
    let more = |best: (usize, f64), (at, depth): (usize, &f64)| {
        if *depth > best.1 { (at, *depth) } else { best }
    };
    let (at, depth) = depths.iter().enumerate().fold((0, 0.0), more);
    (point(at, size.width as usize), depth)
}

/// The tight box of a mask that is not empty; one of a single row or column is widened by half a
/// pixel to each side, as a prompt must have an area.
pub(super) fn tight_box(mask: &Mask) -> FrameBox {
    let size = mask.size();
    let whole =
        FrameBox { x0: 0.0, y0: 0.0, x1: size.width as f32 - 1.0, y1: size.height as f32 - 1.0 };
    let Some(mut tight) = mask.bounding_box() else { return whole };
    if tight.width() == 0.0 {
        (tight.x0, tight.x1) = (tight.x0 - 0.5, tight.x1 + 0.5);
    }
    if tight.height() == 0.0 {
        (tight.y0, tight.y1) = (tight.y0 - 0.5, tight.y1 + 0.5);
    }
    tight.clipped(size).unwrap_or(whole)
}

/// BreastSAM's box.
fn jittered(mask: &Mask, random: &mut SplitMix64) -> FrameBox {
    let tight = tight_box(mask);
    let unit = mask.size().longest_side() as f32 / 500.0;
    let grown = [tight.width(), tight.height()].map(|side| side + 40.0 * unit);
    let [width, height] = grown.map(|side| side * random.uniform(0.9, 1.1));
    let [right, down] = [(); 2].map(|()| random.uniform(-30.0, 30.0) * unit);
    let middle =
        FramePoint::new((tight.x0 + tight.x1) / 2.0 + right, (tight.y0 + tight.y1) / 2.0 + down);
    usable(FrameBox::centred(middle, width, height), mask.size()).unwrap_or(tight)
}

/// The box cut to the picture, where anything is left of it.
fn usable(b: FrameBox, size: FrameSize) -> Option<FrameBox> {
    b.clipped(size).filter(|b| b.width() > 0.0 && b.height() > 0.0)
}

#[cfg(test)]
mod tests;
