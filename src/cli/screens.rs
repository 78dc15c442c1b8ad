//! `--screen`, `--rotate` and `--touch`: where pictures are shown, and what is pointed with.

use std::env;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use embedded_graphics::geometry::Size;
use tapseg::board::Profile;
use tapseg::screen::drm::Drm;
use tapseg::screen::framebuffer::Framebuffer;
use tapseg::screen::panel::{Output, Panel};
use tapseg::screen::picture::PictureScreen;
use tapseg::screen::window::WindowScreen;
use tapseg::screen::{DrmChoice, Rotation, Screen, ScreenError, ScreenSpec};
use tapseg::touch::TouchSpec;
use tapseg::touch::evdev::Touch;

use super::arguments::screen_size;

/// The screen's size where nothing is said, in pixels.
const DEFAULT_SIZE: Size = Size::new(1280, 800);

/// The first framebuffer.
const FRAMEBUFFER: &str = "/dev/fb0";

/// Where it is shown, and what is pointed with.
#[derive(Args)]
pub struct ScreenArguments {
    /// Where to show it: window; picture:DIR for numbered PNG files; on a board without a desktop drm,
    /// or drm:connector=HDMI-A-1,mode=1280x800@60,card=/dev/dri/card1 with any of the three, or fb, or
    /// fb:/dev/fb1; auto for a window on a desktop and the panel without one. Window where not given
    #[arg(long, value_name = "SCREEN")]
    screen: Option<ScreenSpec>,

    /// The size of a window or of PNG files in pixels; 1280x800 where not given. Panels have their own
    #[arg(long, value_name = "WxH", value_parser = screen_size)]
    size: Option<Size>,

    /// By how many degrees the picture is turned clockwise on a panel that is mounted on its side or
    /// upside down: 0, 90, 180 or 270
    #[arg(long, value_name = "DEGREES")]
    rotate: Option<Rotation>,

    /// What is pointed with on a panel: auto for all that is there, none, or a device as
    /// /dev/input/event5; how it lies on the panel after commas, any of swap, invert-x, invert-y and
    /// the matrix that `tapseg calibrate` tells
    #[arg(long, value_name = "TOUCH")]
    touch: Option<TouchSpec>,
}

impl ScreenArguments {
    /// Takes from a board's profile what the command line doesn't say.
    pub fn fill_from(&mut self, profile: &Profile) -> Result<()> {
        let named = |key: &str, value: &str, error: String| {
            anyhow!("board profile {}: {key} = {value:?}: {error}", profile.name)
        };
        if let (None, Some(screen)) = (&self.screen, &profile.screen) {
            self.screen =
                Some(screen.parse().map_err(|e| named("screen", screen, format!("{e}")))?);
        }
        if let (None, Some(size)) = (self.size, &profile.size) {
            self.size = Some(screen_size(size).map_err(|e| named("size", size, e))?);
        }
        if let (None, Some(touch)) = (&self.touch, &profile.touch) {
            self.touch = Some(touch.parse().map_err(|e| named("touch", touch, e))?);
        }
        if let (None, Some(degrees)) = (self.rotate, profile.rotation) {
            let rotation = Rotation::from_degrees(degrees);
            let error = || named("rotation", &degrees.to_string(), "give 0, 90, 180 or 270".into());
            self.rotate = Some(rotation.ok_or_else(error)?);
        }
        Ok(())
    }

    /// Whether pictures become files, of which an endless feed would fill the disk.
    pub fn is_picture(&self) -> bool {
        matches!(self.screen, Some(ScreenSpec::Picture(_)))
    }

    /// Whether it is shown on a panel, where touch is this program's own.
    pub fn is_panel(&self) -> bool {
        matches!(
            self.screen,
            Some(ScreenSpec::Drm(_) | ScreenSpec::Framebuffer(_) | ScreenSpec::Auto)
        )
    }

    /// By how much the picture is turned on the panel.
    pub fn rotation(&self) -> Rotation {
        self.rotate.unwrap_or_default()
    }

    /// The same with other touch devices.
    pub fn with_touch(self, touch: TouchSpec) -> Self {
        Self { touch: Some(touch), ..self }
    }

    /// How the touch devices lie, as it was said.
    pub fn touch(&self) -> TouchSpec {
        self.touch.clone().unwrap_or_else(TouchSpec::auto)
    }

    /// Opens the screen, with touch where it is a panel.
    pub fn open(&self) -> Result<Box<dyn Screen>> {
        let size = self.size.unwrap_or(DEFAULT_SIZE);
        match self.screen.as_ref().unwrap_or(&ScreenSpec::Window) {
            ScreenSpec::Auto => self.open_auto(size),
            ScreenSpec::Window => open_window(size),
            ScreenSpec::Picture(folder) => Ok(Box::new(PictureScreen::new(folder, size)?)),
            ScreenSpec::Framebuffer(device) => Ok(self.panel(Framebuffer::open(device)?)),
            ScreenSpec::Drm(choice) => Ok(self.panel(Drm::open(choice.clone())?)),
        }
    }

    fn open_auto(&self, size: Size) -> Result<Box<dyn Screen>> {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        if set("DISPLAY") || set("WAYLAND_DISPLAY") {
            return open_window(size);
        }
        let no_drm = match Drm::open(DrmChoice::default()) {
            Ok(drm) => return Ok(self.panel(drm)),
            Err(error) => error,
        };
        match Framebuffer::open(Path::new(FRAMEBUFFER)) {
            Ok(framebuffer) => Ok(self.panel(framebuffer)),
            Err(error) => Err(no_drm).with_context(|| {
                format!(
                    "--screen auto: there is no desktop, and no panel that can be shown on; {error}"
                )
            }),
        }
    }

    fn panel(&self, output: impl Output + 'static) -> Box<dyn Screen> {
        let touch = Touch::open(self.touch());
        Box::new(Panel::new(Box::new(output), touch, self.rotation()))
    }
}

fn open_window(size: Size) -> Result<Box<dyn Screen>> {
    match WindowScreen::open(size) {
        Ok(window) => Ok(Box::new(window)),
        Err(error @ ScreenError::NoDisplay { .. }) => {
            Err(anyhow!("{error}; use `--screen picture:DIR` to write PNG files instead"))
        }
        Err(error) => Err(error.into()),
    }
}
