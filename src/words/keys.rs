//! What there are words for.

/// Names each text that is on the screen, with its key in the files.
macro_rules! words {
    ($($word:ident = $key:literal),* $(,)?) => {
        /// A text on the screen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Word {
            $(#[doc = $key] $word),*
        }

        /// The keys, in the order of the texts.
        pub(super) const KEYS: &[&str] = &[$($key),*];
    };
}

words! {
    Live = "button.live",
    Freeze = "button.freeze",
    Positive = "button.positive",
    Negative = "button.negative",
    Box = "button.box",
    NewObject = "button.new_object",
    Undo = "button.undo",
    Clear = "button.clear",
    NextMask = "button.next_mask",
    Everything = "button.everything",
    Track = "button.track",
    Calliper = "button.calliper",
    Scale = "button.scale",
    Save = "button.save",
    Clip = "button.clip",
    Records = "button.records",
    Shorter = "button.shorter",
    Longer = "button.longer",
    Preset = "button.preset",
    Apply = "button.apply",
    Back = "button.back",
    Newer = "button.newer",
    Older = "button.older",
    Export = "button.export",
    ExportAll = "button.export_all",
    Fps = "status.fps",
    Encode = "status.encode",
    Decode = "status.decode",
    Quality = "status.quality",
    Rank = "status.rank",
    Deep = "status.deep",
    Refining = "status.refining",
    Refined = "status.refined",
    NotRefined = "status.not_refined",
    PointOrDrag = "live.point",
    Waiting = "live.waiting",
    Ended = "live.ended",
    NoSignal = "live.no_signal",
    Corner = "point.corner",
    TooSmall = "point.too_small",
    TooManyObjects = "point.too_many_objects",
    TooManySteps = "point.too_many_steps",
    OddMask = "point.odd_mask",
    Looking = "everything.looking",
    NothingMore = "everything.nothing_more",
    Choose = "everything.choose",
    NotThere = "everything.not_there",
    Tracking = "track.tracking",
    OtherSize = "track.other_size",
    Lost = "track.lost",
    SomeLost = "track.some_lost",
    Ends = "calliper.ends",
    OtherEnd = "calliper.other_end",
    TooManyCallipers = "calliper.too_many",
    FirstTick = "scale.first",
    SecondTick = "scale.second",
    TooNear = "scale.too_near",
    Steps = "scale.steps",
    NoTicks = "scale.no_ticks",
    PerPixel = "scale.pixel",
    ScaleSet = "scale.set",
    ScaleStated = "scale.stated",
    NoneStated = "scale.none_stated",
    NoScale = "scale.none",
    ScaleChanged = "scale.changed",
    Saved = "keep.saved",
    ClipSaved = "keep.clip_saved",
    NotSaved = "keep.not_saved",
    Clipping = "keep.clipping",
    Page = "records.page",
    NoRecords = "records.none",
    Reading = "records.reading",
    Exporting = "records.exporting",
    NotExported = "records.not_exported",
}
