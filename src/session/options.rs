//! What a session is told beforehand.

use std::time::Duration;

use crate::measure::Preset;
use crate::model::ModelId;
#[cfg(doc)]
use crate::overlay::Button;
use crate::overlay::Theme;
use crate::words::Words;

use super::scaling::Scale;
#[cfg(doc)]
use super::{Command, Session};

/// What a session needs to know beforehand.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// Whether a point added to an answered prompt is decoded together with the logits of the
    /// mask chosen so far: the interactive protocol that Segment Anything was trained with. Set
    /// it for packages trained for mask prompts, and leave it off for those that were not.
    pub refine_with_mask: bool,
    /// The share of the time, above 0 and up to 1, in which the network encodes frames of the live
    /// picture ahead of a tap, for [`Session::ATTENDED`] after each; none, and it doesn't.
    pub ahead: Option<f32>,
    /// The feed's name, for the status line.
    pub source: String,
    /// The model: its name is on the status line, and records tell which it is.
    pub model: ModelId,
    /// The second, larger model, where there is one: what is shown on a frozen frame is
    /// then drawn by it once more ([`Command::Refine`]).
    pub refiner: Option<ModelId>,
    /// The time from one frame of the feed to the next, where the source states one.
    pub frame_interval: Option<Duration>,
    /// Whether the last seconds of the feed are at hand, for [`Button::Clip`].
    pub clips: bool,
    /// Whether there is somewhere to copy records to.
    pub export: bool,
    /// Scales that were set up beforehand.
    pub presets: Vec<Preset>,
    /// The colours round the picture at first.
    pub theme: Theme,
    /// The words on the screen.
    pub words: Words,
    /// What structures can be called; those beyond [`Session::MAX_LABELS`] are left out.
    pub labels: Vec<String>,
    /// Whether the guide is shown at first.
    pub guide: bool,
    /// The scale that was set before: it holds, and is told, from the first frame of its size, or else
    /// from when the ruler that it was read from is seen on one.
    pub scale: Option<Scale>,
}
