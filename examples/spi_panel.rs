//! tapseg on a small panel at an SPI bus, which Linux knows nothing of: any driver of embedded-graphics
//! becomes a screen. Here it is an ST7796 of 480 × 320 pixels by `mipidsi`, with its D/C pin at GPIO 25 and
//! its reset at GPIO 24, and whatever touch the kernel knows.
//!
//! `cargo run --release --example spi_panel -- /dev/spidev0.0 /dev/gpiochip0`

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::raw::RawU24;
use embedded_graphics::pixelcolor::{Rgb565, Rgb888};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::PinState;
use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};
use gpiocdev_embedded_hal::OutputPin;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7796;
use mipidsi::options::{Orientation, Rotation as PanelRotation};
use tapseg::app::{self, RegionSegmenter, RunOptions};
use tapseg::feed::{Playback, Player, Rate, open_clip};
use tapseg::region::RegionChoice;
use tapseg::screen::{Canvas, Rotation, Screen, ScreenError, ScreenEvent};
use tapseg::touch::TouchSpec;
use tapseg::touch::evdev::Touch;
use tapseg::{Package, Segmenter};

/// The D/C and the reset pin.
const PINS: [u32; 2] = [25, 24];

/// Pixels to the millimetre on a panel of 3.5 inches.
const PIXELS_PER_MM: f32 = 6.5;

/// Any display that embedded-graphics can draw on, as a screen.
struct DrawnScreen<D> {
    display: D,
    touch: Touch,
}

impl<D> Screen for DrawnScreen<D>
where
    D: DrawTarget<Color = Rgb565> + OriginDimensions,
    D::Error: std::fmt::Debug,
{
    fn size(&self) -> Size {
        self.display.size()
    }

    fn pixels_per_mm(&self) -> Option<f32> {
        Some(PIXELS_PER_MM)
    }

    fn poll(
        &mut self,
        timeout: Duration,
        events: &mut Vec<ScreenEvent>,
    ) -> Result<(), ScreenError> {
        self.touch.poll(timeout, self.display.size(), Rotation::None, events);
        Ok(())
    }

    fn present(&mut self, canvas: &Canvas) -> Result<(), ScreenError> {
        let colours = canvas.pixels().iter().map(|word| Rgb888::from(RawU24::new(*word)).into());
        let shown = self.display.fill_contiguous(&self.display.bounding_box(), colours);
        shown.map_err(|error| ScreenError::Draw { reason: format!("{error:?}") })
    }
}

/// A device at an SPI bus, which is only written to.
struct Spi(File);

impl ErrorType for Spi {
    type Error = ErrorKind;
}

impl SpiDevice for Spi {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        for operation in operations {
            match operation {
                // The kernel takes no more than a page at once.
                Operation::Write(bytes) => bytes
                    .chunks(4096)
                    .try_for_each(|part| self.0.write_all(part))
                    .map_err(|_| ErrorKind::Other)?,
                Operation::DelayNs(ns) => Sleep.delay_ns(*ns),
                _ => return Err(ErrorKind::Other),
            }
        }
        Ok(())
    }
}

struct Sleep;

impl DelayNs for Sleep {
    fn delay_ns(&mut self, ns: u32) {
        std::thread::sleep(Duration::from_nanos(ns.into()));
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let bus = arguments.next().unwrap_or_else(|| "/dev/spidev0.0".into());
    let chip = arguments.next().unwrap_or_else(|| "/dev/gpiochip0".into());
    let spi = OpenOptions::new().write(true).open(&bus).context(bus)?;
    let [data, reset] = PINS.map(|pin| OutputPin::new(&chip, pin, PinState::High));
    let (data, reset) = (data.context(chip.clone())?, reset.context(chip)?);
    let mut buffer = vec![0; 4096];
    let display = mipidsi::Builder::new(ST7796, SpiInterface::new(Spi(spi), data, &mut buffer))
        .reset_pin(reset)
        .orientation(Orientation::new().rotate(PanelRotation::Deg90))
        .init(&mut Sleep)
        .map_err(|error| anyhow!("the panel does not answer: {error:?}"))?;
    let mut screen = DrawnScreen { display, touch: Touch::open(TouchSpec::auto()) };
    let feed = Player::new(
        open_clip(&["phantom".into()])?,
        Playback { rate: Rate::Native, looping: false },
    )?;
    let segmenter = Segmenter::load(&Package::embedded()?)?;
    let predictor = RegionSegmenter::new(segmenter, RegionChoice::Auto);
    app::run(Box::new(feed), predictor, &mut screen, RunOptions::default())?;
    Ok(())
}
