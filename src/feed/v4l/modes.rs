//! What a device can deliver.

use std::fs::File;

use v4l::v4l_sys::{
    V4L2_FMT_FLAG_EMULATED, v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE as CAPTURE, v4l2_fmtdesc,
    v4l2_format, v4l2_fract, v4l2_frmivalenum, v4l2_frmsizeenum,
};

use super::ioctl::{self, list, zeroed};
use crate::feed::capture::{CaptureFault, Interval, Mode};
use crate::feed::pixels::PixelFormat;
use crate::frame::Frame;
use crate::geometry::FrameSize;

/// The type of an entry that stands for itself; others are ranges.
const DISCRETE: u32 = 1;

/// Sizes that are tried where a device takes any within a range.
const USUAL_SIZES: [FrameSize; 5] = [
    FrameSize::new(1920, 1080),
    FrameSize::new(1280, 720),
    FrameSize::new(1024, 768),
    FrameSize::new(800, 600),
    FrameSize::new(640, 480),
];

/// The fastest rate that is asked for where a device takes any within a range.
const FASTEST: Interval = Interval { numerator: 1, denominator: 60 };

/// All modes with a format that can be shown.
pub(super) fn modes(file: &File) -> Result<Vec<Mode>, CaptureFault> {
    let mut first = zeroed::<v4l2_fmtdesc>();
    first.type_ = CAPTURE;
    let formats = list(&ioctl::ENUM_FMT, file, first, |entry| &mut entry.index);
    let native = formats.iter().filter(|entry| entry.flags & V4L2_FMT_FLAG_EMULATED == 0);
    let mut known: Vec<PixelFormat> = native
        .filter_map(|entry| PixelFormat::from_fourcc(entry.pixelformat.to_le_bytes()))
        .collect();
    let mut seen = std::collections::HashSet::new();
    known.retain(|format| seen.insert(*format));
    if known.is_empty() {
        let names = formats.iter().map(|entry| entry.pixelformat.to_le_bytes());
        let names: Vec<_> =
            names.map(|fourcc| String::from_utf8_lossy(&fourcc).into_owned()).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(CaptureFault::NoFormat(names));
    }
    let mut modes = Vec::new();
    for format in known {
        for size in sizes(file, format)? {
            let rates = intervals(file, format, size);
            let rates = if rates.is_empty() { vec![None] } else { rates };
            modes.extend(rates.into_iter().map(|interval| Mode { format, size, interval }));
        }
    }
    if modes.is_empty() {
        return Err(CaptureFault::NoFormat("without a size (0x0)".into()));
    }
    Ok(modes)
}

fn sizes(file: &File, format: PixelFormat) -> Result<Vec<FrameSize>, CaptureFault> {
    let mut first = zeroed::<v4l2_frmsizeenum>();
    first.pixel_format = u32::from_le_bytes(format.fourcc());
    let entries = list(&ioctl::ENUM_FRAMESIZES, file, first, |entry| &mut entry.index);
    let mut sizes = Vec::new();
    for entry in &entries {
        if entry.type_ == DISCRETE {
            // SAFETY: the type says which member was written.
            let size = unsafe { entry.__bindgen_anon_1.discrete };
            sizes.push(FrameSize::new(size.width, size.height));
            continue;
        }
        // SAFETY: as above.
        let range = unsafe { entry.__bindgen_anon_1.stepwise };
        let within = |side: u32, (min, max, step): (u32, u32, u32)| {
            (min..=max).contains(&side) && (side - min).is_multiple_of(step.max(1))
        };
        let (wide, high) = (
            (range.min_width, range.max_width, range.step_width),
            (range.min_height, range.max_height, range.step_height),
        );
        // A source with a size of its own, as with HDMI, would be scaled to any other.
        let candidates = match source_size(file) {
            Some(size) => vec![size],
            None => USUAL_SIZES.into_iter().chain(current_size(file).ok()).collect(),
        };
        sizes.extend(
            candidates
                .into_iter()
                .filter(|size| within(size.width, wide) && within(size.height, high)),
        );
    }
    if entries.is_empty() {
        // As with HDMI: the source's size and no other.
        let doing = |error| CaptureFault::from_io("it does not say its size", error);
        sizes.push(current_size(file).map_err(doing)?);
    }
    sizes.retain(|&size| Frame::check_size(size).is_ok());
    sizes.sort_by_key(|size| (size.pixels(), size.width));
    sizes.dedup();
    Ok(sizes)
}

/// The size of the digital video signal that the device is set to, where it takes one.
fn source_size(file: &File) -> Option<FrameSize> {
    let timings = ioctl::G_DV_TIMINGS.get(file).ok()?;
    // SAFETY: of the union's members this is the only one with a meaning; the other is as large.
    let timings = unsafe { timings.__bindgen_anon_1.bt };
    (timings.width > 0 && timings.height > 0).then(|| FrameSize::new(timings.width, timings.height))
}

/// The size that is set at present.
fn current_size(file: &File) -> std::io::Result<FrameSize> {
    let mut format = zeroed::<v4l2_format>();
    format.type_ = CAPTURE;
    ioctl::G_FMT.on(file, &mut format)?;
    // SAFETY: the driver answers for this type with this member.
    let pix = unsafe { format.fmt.pix };
    Ok(FrameSize::new(pix.width, pix.height))
}

/// The rates at a size; one where there is a range.
fn intervals(file: &File, format: PixelFormat, size: FrameSize) -> Vec<Option<Interval>> {
    let mut first = zeroed::<v4l2_frmivalenum>();
    first.pixel_format = u32::from_le_bytes(format.fourcc());
    (first.width, first.height) = (size.width, size.height);
    let entries = list(&ioctl::ENUM_FRAMEINTERVALS, file, first, |entry| &mut entry.index);
    let of = |v4l2_fract { numerator, denominator }| Interval { numerator, denominator };
    let told = entries.into_iter().map(|entry| {
        if entry.type_ == DISCRETE {
            // SAFETY: the type says which member was written.
            return of(unsafe { entry.__bindgen_anon_1.discrete });
        }
        // SAFETY: as above. The shortest is the fastest.
        let shortest = of(unsafe { entry.__bindgen_anon_1.stepwise.min });
        let fast = shortest.fps().is_some_and(|fps| fps > 60.0);
        if fast { FASTEST } else { shortest }
    });
    told.filter(|interval| interval.fps().is_some()).map(Some).collect()
}
