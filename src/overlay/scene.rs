//! What there is to draw, as plain data: the session fills it in, the overlay draws it.

use std::borrow::Cow;
use std::time::Duration;

use crate::frame::Frame;
use crate::geometry::FrameBox;
use crate::mask::Mask;
use crate::measure::{Calliper, Ruler};
use crate::prompt::PromptPoint;
use crate::words::Words;

use super::palette::Theme;

/// The touch buttons, in the order they stand on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Button {
    /// Live ⇄ frozen picture.
    LiveFreeze,
    /// The next taps are positive points.
    Positive,
    /// The next taps are negative points.
    Negative,
    /// The next drag spans a box (and a tap places its corners).
    Box,
    /// Begin another object.
    NewObject,
    /// Take the last prompt back.
    Undo,
    /// Remove all prompts and masks.
    Clear,
    /// The next of the ranked masks.
    NextMask,
    /// Outline everything, for taps to pick from.
    Everything,
    /// Follow the structures on the live picture.
    Track,
    /// Keep what is shown.
    Save,
    /// Keep the last seconds.
    Clip,
    /// Measure distances by hand.
    Calliper,
    /// Tell how large a pixel is.
    Scale,
    /// Look at what was kept.
    Records,
    /// Take the outlines off the picture, and bring them back.
    Hide,
    /// Give the active object a label.
    Label,
    /// One of the labels, by its place in the list; behind the last one, none.
    Choice(u8),
    /// What is needed less often.
    Menu,
    /// Tell which part of the picture the network looks at.
    Region,
    /// Let it be found again.
    Automatic,
    /// The other colours.
    Theme,
    /// What fingers can do.
    Guide,
    /// A shorter step of the ruler.
    Less,
    /// A longer step of the ruler.
    More,
    /// The next scale that was set up beforehand.
    Preset,
    /// Take what was set.
    Apply,
    /// Back to what was shown before.
    Back,
    /// Copy records elsewhere.
    Export,
    /// A record in the list, by its place on the page.
    Tile(u8),
    /// Keep the active mask in the dataset that is labelled.
    Accept,
    /// The next of the names for masks.
    Name,
    /// Back to the picture, or page, before.
    Previous,
    /// On to the next picture, or page.
    Next,
}

impl Button {
    /// Those of a live picture, in the order they stand on the screen; where there are labels,
    /// [`Button::Label`] stands before [`Button::Save`].
    pub const ALL: [Button; 14] = [
        Button::LiveFreeze,
        Button::Positive,
        Button::Negative,
        Button::Box,
        Button::NewObject,
        Button::Undo,
        Button::NextMask,
        Button::Hide,
        Button::Everything,
        Button::Track,
        Button::Calliper,
        Button::Save,
        Button::Clip,
        Button::Menu,
    ];

    /// Those that are needed less often. *Back* stands last, about where *More ...* does on a live picture: a
    /// finger that comes down on it twice starts nothing.
    pub const MENU: [Button; 7] = [
        Button::Records,
        Button::Scale,
        Button::Region,
        Button::Clear,
        Button::Theme,
        Button::Guide,
        Button::Back,
    ];

    /// Those of a picture whose region is set.
    pub const ADJUSTING: [Button; 3] = [Button::Back, Button::Automatic, Button::Apply];

    /// Those of a picture whose scale is set.
    pub const SCALING: [Button; 6] =
        [Button::Back, Button::Undo, Button::Less, Button::More, Button::Preset, Button::Apply];

    /// Those of records; *Back* as in the [menu](Self::MENU).
    pub const BROWSING: [Button; 4] =
        [Button::Previous, Button::Next, Button::Export, Button::Back];

    /// Those of pictures that are labelled, in the order they stand on the screen.
    pub const LABELLING: [Button; 11] = [
        Button::Accept,
        Button::Name,
        Button::Positive,
        Button::Negative,
        Button::Box,
        Button::NextMask,
        Button::NewObject,
        Button::Undo,
        Button::Everything,
        Button::Previous,
        Button::Next,
    ];
}

/// How a button is to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ButtonState {
    /// Which.
    pub button: Button,
    /// What is written on it (it may change: Live, Freeze).
    pub label: Cow<'static, str>,
    /// Whether pressing it does anything now.
    pub enabled: bool,
    /// Whether it is the chosen tool.
    pub active: bool,
}

/// One segmented structure.
#[derive(Clone, Debug)]
pub struct SceneObject {
    /// Its outline, once decoded; at frame resolution.
    pub mask: Option<Mask>,
    /// Its points.
    pub points: Vec<PromptPoint>,
    /// Its box.
    pub bounding_box: Option<FrameBox>,
    /// Index into the overlay's colours; taken modulo their number.
    pub colour: usize,
    /// Whether further prompts go to it.
    pub active: bool,
    /// Whether nobody has taken it yet: it is outlined, and neither tinted nor measured, so that many
    /// don't hide the picture.
    pub proposed: bool,
    /// What it was called.
    pub label: Option<String>,
}

/// A record in a list.
#[derive(Clone, Debug)]
pub struct Tile {
    /// It, small.
    pub picture: Option<Frame>,
    /// The first line below it.
    pub title: String,
    /// The second.
    pub note: String,
}

/// How far a mask is refined by a second, larger network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refinement {
    /// It is at work.
    Underway,
    /// The mask is its own.
    Done,
}

/// The status line's figures; what is unknown is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The feed's name.
    pub source: String,
    /// The model's name.
    pub model: String,
    /// Frames a second that the feed delivers.
    pub feed_fps: Option<f32>,
    /// The last encoder run since the picture before was let go, in milliseconds.
    pub encode_ms: Option<f32>,
    /// The last decoder run since then, in milliseconds.
    pub decode_ms: Option<f32>,
    /// Predicted IoU of the mask shown for the active object.
    pub predicted_iou: Option<f32>,
    /// Which of how many ranked masks is shown for the active object, counted from 1.
    pub mask_of: Option<(usize, usize)>,
    /// How far that mask is refined by a second, larger network.
    pub refinement: Option<Refinement>,
    /// A sentence for the person: an error, or what to do next.
    pub message: Option<String>,
}

/// Everything on the screen.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The picture; nothing before the first frame.
    pub frame: Option<Frame>,
    /// The structures on it.
    pub objects: Vec<SceneObject>,
    /// A box being dragged.
    pub rubber_band: Option<FrameBox>,
    /// Distances measured by hand.
    pub callipers: Vec<Calliper>,
    /// The ruler that the scale is read from.
    pub ruler: Option<Ruler>,
    /// The part of the picture that the network looks at, while it is set.
    pub region: Option<FrameBox>,
    /// Whether the guide lies over the picture; whatever is tapped then puts it away.
    pub guide: bool,
    /// Records in place of the picture, which then only tells where the buttons are.
    pub tiles: Option<Vec<Tile>>,
    /// The buttons, in order.
    pub buttons: Vec<ButtonState>,
    /// The figures below.
    pub status: Status,
    /// How long the network has been at work, while it is.
    pub working: Option<Duration>,
    /// The colours round the picture.
    pub theme: Theme,
    /// The words for what is told in figures.
    pub words: Words,
    /// Why the picture is not live though it should be: written across it.
    pub alert: Option<String>,
}
