//! How large the buttons come out on the panels that tell their size.

use std::fs;
use std::path::Path;

use embedded_graphics::geometry::Size;

use super::{Finding, entries, name, text};
use crate::geometry::FrameSize;
use crate::overlay::{Arrangement, Button, Layout};
use crate::screen::pixels_per_mm;

/// What is looked at.
const PART: &str = "buttons";

/// The size of frames that the layout is tried with: any of 4 to 3 gives the same buttons.
const FRAME: FrameSize = FrameSize::new(640, 480);

pub(super) fn examine(root: &Path) -> Vec<Finding> {
    let connectors = entries(root.join("sys/class/drm"), "card");
    let connected = connectors.into_iter().filter_map(|connector| {
        let whole = name(&connector);
        let (_, port) = whole.split_once('-')?;
        let is_there = text(connector.join("status"))? == "connected";
        let modes = text(connector.join("modes"))?;
        let pixels = is_there.then(|| pixels(modes.lines().next()?)).flatten()?;
        let mm = fs::read(connector.join("edid")).ok().and_then(|edid| millimetres(&edid));
        Some(finding(port, pixels, mm))
    });
    connected.collect()
}

fn finding(port: &str, pixels: Size, mm: Option<(f32, f32)>) -> Finding {
    let known = mm.and_then(|mm| Some((mm, pixels_per_mm(pixels, mm)?)));
    let Some(((width, height), scale)) = known else {
        let found = format!("{port} does not tell its size here: `tapseg run --panel-mm WxH` does");
        return Finding::ok(PART, found);
    };
    let arrangement = Arrangement { pixels_per_mm: Some(scale), ..Arrangement::default() };
    let buttons = Button::ALL.into_iter().chain([Button::Label]);
    let layout = Layout::arranged(pixels, FRAME, buttons, arrangement);
    let mm = layout.smallest_button() as f32 / scale;
    let found = format!("at least {mm:.1} mm on {port}, which measures {width} x {height} mm");
    if mm >= Arrangement::TARGET_MM {
        return Finding::ok(PART, found);
    }
    let remedy = format!(
        "gloved fingers want {} mm: use a larger panel, or point with a mouse or a stylus; if the \
         size is wrong, give `--panel-mm WxH` or `panel_mm` in the board's profile",
        Arrangement::TARGET_MM
    );
    Finding::warning(PART, found, remedy)
}

/// Reads `1280x800`.
fn pixels(mode: &str) -> Option<Size> {
    let (width, height) = mode.split_once('x')?;
    // An interlaced mode has a letter behind it.
    let height = height.trim_end_matches(|c: char| !c.is_ascii_digit());
    Some(Size::new(width.parse().ok()?, height.parse().ok()?))
}

/// The size of a display by its EDID (VESA E-EDID 1.4): in millimetres in the first detailed timing,
/// or else in centimetres.
fn millimetres(edid: &[u8]) -> Option<(f32, f32)> {
    let header = [0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0];
    let block = edid.get(..128).filter(|block| block[..8] == header)?;
    // Without a pixel clock it is no timing.
    let timing = Some(&block[54..72]).filter(|timing| timing[..2] != [0, 0]);
    let of_timing = timing.map(|timing| {
        let high = u16::from(timing[14]);
        let width = (high >> 4) << 8 | u16::from(timing[12]);
        let height = (high & 0xF) << 8 | u16::from(timing[13]);
        (f32::from(width), f32::from(height))
    });
    let known = |(width, height): &(f32, f32)| *width > 0.0 && *height > 0.0;
    let of_block = (10.0 * f32::from(block[21]), 10.0 * f32::from(block[22]));
    of_timing.filter(known).or(Some(of_block).filter(known))
}
