//! Outlines on their way to corrected ones.

use crate::morph::Morph;

use super::shift::Shift;
use super::{FrameBox, Mask, Tracked};

/// Shapes between a structure's outline as it was shown and the one that an answer of the network made of
/// it, both of which go with the picture.
#[derive(Clone, Debug)]
pub(crate) struct Blend {
    morph: Morph,
    /// Where the structure was, on the frame that both outlines are on.
    bounds: FrameBox,
}

impl Blend {
    /// From what was `shown` to what was found on the same frame; `None` where they are the same, or there
    /// is no way between them.
    pub fn new(shown: &Mask, to: &Tracked) -> Option<Self> {
        let found = &to.found.as_ref()?.mask;
        let morph = (found != shown).then(|| Morph::new(shown, found))??;
        Some(Self { morph, bounds: to.bounds })
    }

    /// The outline at `share` of the way, from 0 to 1, on the frame that the structure was carried to
    /// meanwhile.
    pub fn at(&self, share: f32, now: &Tracked) -> Mask {
        let mask = self.morph.at(share);
        match mask.bounding_box().filter(|_| now.bounds != self.bounds) {
            Some(tight) => Shift::between(self.bounds, now.bounds).of_mask(&mask, tight),
            None => mask,
        }
    }
}
