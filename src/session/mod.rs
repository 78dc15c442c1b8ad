//! The state machine a person drives: Live, Tracking, Frozen, Encoding, Prompting.
//!
//! Pure: no device, no thread, no clock of its own. [`Session::handle`] takes what happened as an
//! [`Event`] and answers with [`Command`]s to carry out; their outcomes come back as events.
//! [`Session::scene`] is what the screen is to show.
//!
//! - Live, the newest frame is shown. A tap or a dragged box freezes the frame that was on the
//!   screen when the finger came down; newer frames wait until the person goes back to live.
//! - The frozen frame is encoded once, from the moment it is frozen. Prompts made meanwhile are
//!   decoded together as soon as the embedding is there; each further prompt is decoded alone.
//! - A tap adds a point to the active object, or removes the point of it that it hits; a long press
//!   adds one that is off it, whatever the tool. A drag, or two taps with the box tool, set its box:
//!   an object has at most one, and a new one replaces it.
//! - Every such change is a step that [`Button::Undo`] takes back, across objects, newest first.
//!   Going back needs no network where the step's masks are still kept.
//! - [`Button::Everything`] has all of the frozen frame outlined; a tap then makes the smallest mask
//!   under it an object, until the button is pressed again or a tool is chosen; the button brings
//!   them back. While the network is at it, the button or
//!   another prompt stops it, and what was found until then stays.
//! - [`Button::Track`] goes live with the objects, which then follow the picture; the network is asked
//!   again and again where they are, and outlines become what it answers smoothly. A tap or
//!   [`Button::LiveFreeze`] freezes them where they are.
//! - Live, while somebody is at it, frames may be encoded ahead ([`SessionOptions::ahead`], from the
//!   moment a finger comes down): a tap then freezes the newest of those, if it is no older than
//!   [`Session::FRESH`], and is answered in the time of a decode.
//! - Where there is a second, larger network ([`SessionOptions::refiner`]), it draws what is shown on the
//!   frozen frame once more, in the background; the better outline takes the place of the first one.
//! - [`Button::Save`] keeps what is shown; an outline that is on its way is waited for.
//! - [`Button::Clip`] keeps the last seconds of the feed, up to the frozen frame where one is.
//! - [`Button::Calliper`] measures distances by hand, with two taps or a drag; a drag from an end moves it.
//! - [`Button::Scale`] tells how large a pixel is, from two taps on a ruler or a preset; it holds until the
//!   ruler is seen to have changed, when a picture is frozen or kept. One from before the session
//!   ([`SessionOptions::scale`]) holds from when its ruler is seen.
//! - [`Button::Region`] tells which part of the picture the network looks at, by dragging its edges.
//! - [`Button::Hide`] takes the outlines off the picture, until it or anything else is pressed or pointed at.
//! - [`Button::Label`] names the active object, one of [`SessionOptions::labels`].
//! - [`Button::Guide`] shows what fingers can do; whatever is done next puts it away.
//! - [`Button::Records`] shows what was kept; underneath, all stays as it is.
//! - An answer counts for the step that asked for it, so an outdated one never replaces a newer.
//!   While a step waits, the masks before it stay on the screen.

mod adjusting;
mod ahead;
mod browsing;
mod buttons;
mod callipers;
mod event;
mod everything;
mod feed_watch;
mod keeping;
mod network;
mod notices;
mod objects;
mod options;
mod playing;
mod pointing;
mod refining;
mod scaling;
mod scene;
#[cfg(test)]
mod tests;
mod transition;

use std::time::Duration;

use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint, FrameSize};
#[cfg(doc)]
use crate::overlay::Button;
use crate::overlay::{OBJECT_COLOURS, Theme};
use crate::prompt::PointLabel;
use crate::words::Word;

use adjusting::{Adjusting, Regions};
use ahead::Tracking;
use browsing::Browsing;
use buttons::Page;
use callipers::Grip;
pub use event::{
    Ask, Command, Decoded, Drag, Encoded, Event, Job, Memory, Origin, Snapshot, SnapshotObject,
    Told,
};
use everything::Everything;
use feed_watch::FeedWatch;
use keeping::Saving;
use network::Encoding;
use objects::Objects;
pub(crate) use objects::Taken;
pub use options::SessionOptions;
use refining::Refining;
pub use scaling::Scale;
use scaling::{Earlier, Scaling};

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The newest frame is shown.
    Live,
    /// The newest frame is shown, with structures that follow it.
    Tracking,
    /// One frame stays, without prompts; its embedding is there, or could not be made.
    Frozen,
    /// One frame stays and is being encoded; prompts queue up.
    Encoding,
    /// One frame stays with prompts on it, and each further prompt is decoded alone.
    Prompting,
}

/// What the next tap does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Point(PointLabel),
    Box,
    Calliper,
}

/// The frame that stays, and what was pointed at on it.
#[derive(Clone, Debug)]
struct Frozen {
    frame: Frame,
    objects: Objects,
    /// The search for everything, or what it found.
    everything: Option<Everything>,
    /// The ends of distances that are measured by hand.
    callipers: Vec<[FramePoint; 2]>,
    /// A drag that is not finished froze it.
    by_drag: bool,
}

/// A session; see the [module](self).
#[derive(Clone, Debug)]
pub struct Session {
    options: SessionOptions,
    now: Duration,
    feed: FeedWatch,
    newest: Option<Frame>,
    presented: Option<Frame>,
    /// What was on the screen when the finger that is down touched it.
    touched: Option<Frame>,
    /// When a person did something last.
    attended: Option<Duration>,
    frozen: Option<Frozen>,
    /// Only while nothing is frozen.
    tracking: Option<Tracking>,
    encoding: Option<Encoding>,
    refining: Refining,
    refiner_is_gone: bool,
    tool: Tool,
    /// The first corner of a box, or end of a calliper, that is placed with two taps.
    corner: Option<FramePoint>,
    grip: Option<Grip>,
    /// The scale that holds.
    scale: Option<Scale>,
    /// The sequence number of the frame that it was set on.
    scaled_since: u64,
    earlier: Option<Earlier>,
    /// Only while a picture is frozen.
    scaling: Option<Scaling>,
    regions: Regions,
    /// Only while a picture is frozen.
    adjusting: Option<Adjusting>,
    page: Page,
    /// Whether the outlines are off the picture.
    hidden: bool,
    guide: bool,
    browsing: Option<Browsing>,
    theme: Theme,
    rubber_band: Option<FrameBox>,
    saving: Saving,
    clipping: bool,
    exporting: bool,
    working_since: Option<Duration>,
    /// A sentence for the person, and until when it stays.
    notice: Option<(String, Duration)>,
    /// How long the network was at its last embedding that wasn't kept from before.
    last_encode: Duration,
    /// How long the last decode took of what is shown.
    last_decode: Option<Duration>,
    last_id: u64,
    revision: u64,
}

impl Session {
    /// Objects on one frame, each in a colour of its own; a prompt for one more is refused with a
    /// message.
    pub const MAX_OBJECTS: usize = OBJECT_COLOURS.len();

    /// Steps (prompts added or removed) of one object that can be taken back; a further one is
    /// refused with a message.
    pub const MAX_STEPS: usize = 100;

    /// Bytes that the masks of all steps may take together. Beyond it the masks of the oldest
    /// steps are dropped and, should one go back to them, decoded again; then the candidates that
    /// were not chosen for objects that are not active. What is shown is never dropped.
    pub const MAX_MASK_BYTES: usize = 256 << 20;

    /// Boxes with a side of less than this many frame pixels are taken for slips.
    pub const MIN_BOX_SIDE: f32 = 2.0;

    /// Labels that there is room for beside the picture.
    pub const MAX_LABELS: usize = 12;

    /// Frames of a live source that came longer ago are not shown as live.
    const LATEST: Duration = Duration::from_millis(100);

    /// How long a message stays.
    const NOTICE: Duration = Duration::from_secs(4);

    /// A session that has seen no frame yet.
    pub fn new(mut options: SessionOptions) -> Self {
        options.labels.truncate(Self::MAX_LABELS);
        Self {
            feed: FeedWatch::new(options.frame_interval),
            theme: options.theme,
            guide: options.guide,
            scale: None,
            scaled_since: 0,
            earlier: options.scale.take().map(Earlier::from),
            options,
            now: Duration::ZERO,
            newest: None,
            presented: None,
            touched: None,
            attended: None,
            frozen: None,
            tracking: None,
            last_encode: Duration::ZERO,
            encoding: None,
            refining: Refining::default(),
            refiner_is_gone: false,
            tool: Tool::Point(PointLabel::Positive),
            corner: None,
            grip: None,
            scaling: None,
            regions: Regions::default(),
            adjusting: None,
            page: Page::Tools,
            hidden: false,
            browsing: None,
            rubber_band: None,
            saving: Saving::Idle,
            clipping: false,
            exporting: false,
            working_since: None,
            notice: None,
            last_decode: None,
            last_id: 0,
            revision: 0,
        }
    }

    /// Where the session stands.
    pub fn state(&self) -> State {
        match &self.frozen {
            None if self.tracking.is_some() => State::Tracking,
            None => State::Live,
            Some(_) if self.is_encoding() => State::Encoding,
            Some(frozen) if frozen.objects.are_prompted() => State::Prompting,
            Some(_) => State::Frozen,
        }
    }

    /// Whether one frame stays until the person lets it go: a drag that may yet be cancelled holds none.
    pub(crate) fn is_held(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| !frozen.by_drag)
    }

    /// Whether everything asked for has been answered. An embedding that is still being made for
    /// a frame no longer shown does not count.
    pub fn is_idle(&self) -> bool {
        let reading = self.browsing.as_ref().is_some_and(Browsing::is_waiting);
        let busy = self.is_working() || self.is_refining();
        self.saving == Saving::Idle && !self.clipping && !self.exporting && !reading && !busy
    }

    /// Whether the feed has said that no more frames will come.
    pub fn feed_has_ended(&self) -> bool {
        self.feed.ended
    }

    /// Changes whenever [`scene`](Self::scene) has changed, the clock's figures aside
    /// ([`Scene::working`](crate::overlay::Scene::working)).
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes notice of an event and tells what is to be done. Any event may come at any time;
    /// those that make no sense are ignored.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        self.revision += u64::from(self.is_visible(&event));
        if event.is_by_a_person() {
            self.attended = Some(self.now);
            if self.guide {
                self.read_guide(&event, &mut commands);
                return commands;
            }
        }
        match event {
            Event::Tick(now) => {
                self.tick(now);
                self.play(&mut commands);
            }
            Event::Frame(frame) => {
                let frame = self.scaled(frame);
                self.feed.frame(frame.sequence, self.now);
                if let Some(tracking) = &mut self.tracking {
                    tracking.advance(&frame);
                }
                self.newest = Some(frame);
            }
            // What is looked at among records is not the feed's.
            Event::Presented(_) if self.browsing.is_some() => {}
            Event::Presented(frame) => self.presented = Some(frame),
            Event::FeedFailed(reason) => self.feed_failed(reason),
            Event::FeedEnded => self.feed.ended = true,
            Event::Closing => self.save_without_waiting(&mut commands),
            Event::Touched
            | Event::Tap { .. }
            | Event::LongPress { .. }
            | Event::DragMoved(_)
            | Event::Drag(_)
                if self.browsing.is_some() => {}
            Event::Touched => self.touched = self.presented.clone(),
            Event::Tap { at, reach } => self.tap(at, reach, false, &mut commands),
            Event::LongPress { at, reach } => self.tap(at, reach, true, &mut commands),
            Event::DragMoved(drag) => self.drag_moved(drag, &mut commands),
            Event::Drag(drag) => self.drag(drag, &mut commands),
            Event::Cancelled => self.cancelled(),
            Event::Pressed(button) => {
                if self.is_enabled(button) {
                    self.pressed(button, &mut commands);
                }
            }
            Event::Encoded { id, result } => self.encoded(id, result),
            Event::Decoded { request, result } => {
                if !self.track(request, &result) {
                    self.decoded(request, result);
                }
            }
            Event::RefinerEncoded { id, result } => self.refiner_encoded(id, result),
            Event::Refined { request, result } => self.refined(request, result),
            Event::RefinerStopped => self.refiner_stopped(),
            Event::Searching { id, done, total } => self.searching(id, (done, total)),
            Event::Searched { id, result } => self.searched(id, result),
            // Those of labelling, which stands round the session.
            Event::Label(_) => {}
            Event::Key(key) => {
                let button = self.key_button(key).filter(|button| self.is_enabled(*button));
                if let Some(button) = button {
                    self.pressed(button, &mut commands);
                }
            }
            Event::Saved(result) => self.saved(result),
            Event::Clipped(result) => {
                self.clipping = false;
                self.say_kept(Word::ClipSaved, result);
            }
            Event::Records(told) => self.told(told, &mut commands),
            Event::Notice(notice) => self.say(notice),
        }
        self.ask_for_masks(&mut commands);
        self.save_when_due(&mut commands);
        self.refine(&mut commands);
        self.work_ahead(&mut commands);
        self.working_since = self.is_working().then(|| self.working_since.unwrap_or(self.now));
        commands
    }

    /// Puts the guide away with whatever is done to it.
    fn read_guide(&mut self, event: &Event, commands: &mut Vec<Command>) {
        if !matches!(event, Event::Touched | Event::DragMoved(_)) {
            self.guide = false;
            commands.push(Command::Remember(Memory::GuideRead));
        }
    }

    fn is_visible(&self, event: &Event) -> bool {
        match event {
            Event::Tick(_) | Event::Presented(_) | Event::Touched => false,
            Event::Frame(_) if self.browsing.is_some() => false,
            Event::Frame(_) => {
                self.frozen.is_none() || self.feed.ended || self.feed.is_stalled(self.now)
            }
            _ => true,
        }
    }

    fn tick(&mut self, now: Duration) {
        let stalled = self.feed.is_stalled(self.now);
        self.now = self.now.max(now);
        let blending = self.tracking.as_ref().is_some_and(Tracking::is_blending);
        self.revision += u64::from(self.refining.is_moving() || blending);
        self.refining.tick(self.now);
        if let Some(tracking) = &mut self.tracking {
            tracking.tick(self.now);
        }
        let expired = self.notice.take_if(|(_, until)| *until <= self.now).is_some();
        self.revision += u64::from(expired || stalled != self.feed.is_stalled(self.now));
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Freezes what was on the screen when the finger came down, or else what is on it now, and
    /// has it encoded. A frame that is frozen already stays; its encoding is tried again if it
    /// had failed.
    fn freeze(&mut self, by_drag: bool, commands: &mut Vec<Command>) {
        let touched = self.touched.take();
        if self.frozen.is_none() {
            let Some(presented) = self.presented.clone() else { return };
            // Positions were told in pixels of the picture shown now.
            let fits = |f: &Frame| f.size() == presented.size();
            let tracking = self.tracking.take().filter(|t| fits(t.frame()));
            let ahead = touched.as_ref().and_then(|_| self.encoded_ahead()).cloned();
            // What was followed isn't let go with a drag that is cancelled.
            let by_drag = by_drag && tracking.is_none();
            let followed = tracking.as_ref().map(|tracking| tracking.frame().clone());
            let before = followed.or(ahead.filter(fits)).or(touched.filter(fits));
            self.frozen = Some(Frozen {
                frame: before.unwrap_or(presented),
                objects: tracking.map(|t| t.objects()).unwrap_or_default(),
                everything: None,
                callipers: Vec::new(),
                by_drag,
            });
            self.check_scale(commands);
        }
        self.encode(commands);
    }

    /// Freezes the picture for a prompt, which begins another object beside those that were tracked.
    fn freeze_for_prompt(&mut self, by_drag: bool, commands: &mut Vec<Command>) {
        let followed = self.tracking.is_some();
        self.freeze(by_drag, commands);
        if let Some(frozen) = self.frozen.as_mut().filter(|_| followed) {
            frozen.objects.begin_another();
        }
    }

    fn go_live(&mut self) {
        // Frames of a live source come rarely while one stays: that stays until the next is there.
        let since = self.now.saturating_sub(self.feed.last_at);
        let old = !self.feed.ended && !self.feed.is_stalled(self.now) && since > Self::LATEST;
        let live = self.newest.as_ref().is_some_and(|newest| newest.taken_at.is_some());
        if let Some(frozen) = self.frozen.take().filter(|_| old && live) {
            self.newest = Some(frozen.frame);
        }
        // It was of the picture that is let go.
        self.last_decode = None;
        self.tracking = None;
        self.touched = None;
        self.corner = None;
        self.grip = None;
        self.scaling = None;
        self.adjusting = None;
        self.hidden = false;
        self.rubber_band = None;
        self.tool = Tool::Point(PointLabel::Positive);
    }

    /// The frame that positions are told in: the frozen one, or else the one on the screen.
    fn size(&self) -> Option<FrameSize> {
        self.frozen.as_ref().map(|f| &f.frame).or(self.presented.as_ref()).map(Frame::size)
    }

    /// Takes the active object off the frozen frame, or the last one where none is, if its mask is there
    /// and not empty.
    pub(crate) fn take_active(&mut self) -> Option<Taken> {
        let taken = self.frozen.as_mut()?.objects.take_active()?;
        if self.tool == Tool::Point(PointLabel::Negative) {
            self.tool = Tool::Point(PointLabel::Positive);
        }
        self.revision += 1;
        Some(taken)
    }
}
