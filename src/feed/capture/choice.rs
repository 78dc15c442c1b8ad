//! Which mode of a device is the best to look at.

use std::cmp::Ordering;

use super::{CaptureFault, Interval, Mode};
use crate::feed::pixels::PixelFormat;
use crate::geometry::FrameSize;

/// What a person asks of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wishes {
    /// This size and no other.
    pub size: Option<FrameSize>,
    /// This format and no other.
    pub format: Option<PixelFormat>,
    /// As near to so many frames a second as can be had.
    pub fps: Option<f64>,
}

/// Frames a second from which on movement looks like movement.
const SMOOTH_FPS: f64 = 25.0;

/// More frames a second than this show a person nothing new, and cost a board as much again.
const MOST_FPS: f64 = 30.0;

/// The most pixels worth having: WUXGA, which contains Full HD.
const MOST_PIXELS: f64 = 1920.0 * 1200.0;

/// The best of `modes`: those that are smooth come first, then large ones up to Full HD, then those
/// that keep the colours best (uncompressed before JPEG, grey last), then those nearest to 30 frames
/// a second. Rates that are not known count as smooth.
///
/// # Errors
/// [`CaptureFault::NoMode`] where none is as `wishes` say.
pub fn choose(modes: &[Mode], wishes: &Wishes) -> Result<Mode, CaptureFault> {
    let fits = |mode: &&Mode| {
        wishes.size.is_none_or(|size| mode.size == size)
            && wishes.format.is_none_or(|format| mode.format == format)
    };
    if let Some(mode) = best(modes.iter().filter(fits), wishes) {
        return Ok(*mode);
    }
    let Some(nearest) = best(modes.iter(), wishes) else {
        return Err(CaptureFault::NoFormat("nothing".into()));
    };
    let size = wishes.size.map(|size| format!("{}x{}", size.width, size.height));
    let format = wishes.format.map(|format| format.to_string());
    let wish: Vec<String> = size.into_iter().chain(format).collect();
    Err(CaptureFault::NoMode { wish: wish.join(" "), nearest: nearest.to_string() })
}

fn best<'a>(modes: impl Iterator<Item = &'a Mode>, wishes: &Wishes) -> Option<&'a Mode> {
    modes.max_by(|a, b| {
        let (a, b) = (merits(a, wishes), merits(b, wishes));
        let order = a.iter().zip(&b).map(|(a, b)| a.total_cmp(b));
        order.reduce(Ordering::then).unwrap_or(Ordering::Equal)
    })
}

/// What speaks for a mode, the most important first.
fn merits(mode: &Mode, wishes: &Wishes) -> [f64; 5] {
    let rate = mode.interval.and_then(Interval::fps).unwrap_or(SMOOTH_FPS);
    let near = wishes.fps.map_or(0.0, |fps| -(rate - fps).abs());
    let smooth = if wishes.fps.is_some() { 0.0 } else { (rate + 0.1).min(SMOOTH_FPS) };
    let pixels = mode.size.pixels() as f64;
    // The further beyond, the worse.
    let size = if pixels <= MOST_PIXELS { pixels } else { MOST_PIXELS * MOST_PIXELS / pixels };
    let rank = PixelFormat::ALL.iter().position(|&format| format == mode.format);
    let colours = -(rank.unwrap_or(PixelFormat::ALL.len()) as f64);
    let fast = if rate <= MOST_FPS + 0.1 { rate } else { MOST_FPS * MOST_FPS / rate };
    [near, smooth, size, colours, fast]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(format: PixelFormat, width: u32, height: u32, fps: u32) -> Mode {
        let interval = (fps > 0).then_some(Interval { numerator: 1, denominator: fps });
        Mode { format, size: FrameSize::new(width, height), interval }
    }

    #[test]
    fn the_best_mode_is_chosen() {
        use PixelFormat::*;
        type Case<'a> = (&'a str, &'a [(PixelFormat, u32, u32, u32)], Wishes, usize);
        let none = Wishes::default();
        let cases: [Case; 14] = [
            ("smooth before large", &[(Yuyv, 1920, 1080, 5), (Yuyv, 1280, 720, 30)], none, 1),
            (
                "JPEG where it makes it smooth",
                &[(Yuyv, 1920, 1080, 5), (Mjpeg, 1920, 1080, 30)],
                none,
                1,
            ),
            ("no JPEG where not", &[(Mjpeg, 1920, 1080, 60), (Yuyv, 1920, 1080, 30)], none, 1),
            ("large", &[(Yuyv, 640, 480, 60), (Yuyv, 1280, 720, 30)], none, 1),
            ("not too large", &[(Nv12, 3840, 2160, 30), (Nv12, 1920, 1080, 30)], none, 1),
            ("too large before tiny", &[(Nv12, 3840, 2160, 30), (Nv12, 640, 480, 30)], none, 0),
            ("colours before grey", &[(Grey, 640, 480, 60), (Yuyv, 640, 480, 30)], none, 1),
            ("fast, up to 30", &[(Yuyv, 640, 480, 30), (Yuyv, 640, 480, 60)], none, 0),
            ("30 before 25", &[(Yuyv, 640, 480, 25), (Yuyv, 640, 480, 30)], none, 1),
            (
                "faster than needed, but no more",
                &[(Yuyv, 640, 480, 60), (Yuyv, 640, 480, 120)],
                none,
                0,
            ),
            ("the fastest of slow ones", &[(Yuyv, 640, 480, 5), (Yuyv, 320, 240, 10)], none, 1),
            ("unknown rates", &[(Yuyv, 720, 576, 0), (Yuyv, 640, 480, 30)], none, 0),
            (
                "the wished rate",
                &[(Yuyv, 1280, 720, 60), (Yuyv, 640, 480, 15)],
                Wishes { fps: Some(10.0), ..none },
                1,
            ),
            (
                "the wished format",
                &[(Yuyv, 1280, 720, 60), (Mjpeg, 640, 480, 15)],
                Wishes { format: Some(Mjpeg), ..none },
                1,
            ),
        ];
        for (name, modes, wishes, expected) in cases {
            let modes: Vec<Mode> = modes.iter().map(|&(f, w, h, r)| mode(f, w, h, r)).collect();
            assert_eq!(choose(&modes, &wishes).unwrap(), modes[expected], "{name}");
            let turned: Vec<Mode> = modes.iter().rev().copied().collect();
            assert_eq!(choose(&turned, &wishes).unwrap(), modes[expected], "{name}, turned");
        }
    }

    #[test]
    fn a_wish_that_cannot_be_met_is_told() {
        let modes = [mode(PixelFormat::Yuyv, 640, 480, 30)];
        let wishes = Wishes { size: Some(FrameSize::new(800, 600)), ..Wishes::default() };
        let told = choose(&modes, &wishes).unwrap_err().to_string();
        assert!(told.contains("no 800x600; it has 640x480 YUYV at 30 fps"), "{told}");
        assert!(matches!(choose(&[], &wishes), Err(CaptureFault::NoFormat(_))));
    }
}
