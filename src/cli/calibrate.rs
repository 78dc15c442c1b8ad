//! `tapseg calibrate`: where a panel's touch feels a finger, against where it is.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::mono_font::{MonoTextStyle, ascii::FONT_10X20};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Circle, Line, Primitive, PrimitiveStyle};
use embedded_graphics::text::{Alignment as TextAlignment, Text};
use serde::Serialize;
use tapseg::screen::{Canvas, PointerPhase, Screen, ScreenEvent};
use tapseg::touch::{Alignment, Pair, TouchSpec};

use super::screens::ScreenArguments;
use super::service::Attended;
use super::{board, output};

/// Where the marks are, in shares of the picture's width and height.
const MARKS: [(f64, f64); 5] = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9), (0.5, 0.5)];

/// How long it is waited for something to happen, and the picture drawn again.
const POLL: Duration = Duration::from_millis(50);

/// Calibrate a touch panel: touch five marks, and take over the line that is told
///
/// Needed where taps land beside the finger. Whether axes are swapped or inverted comes out as well.
/// Ctrl-C ends it without a result.
#[derive(Args)]
#[command(after_help = "Example:  tapseg calibrate --screen drm\n          \
    tapseg calibrate --board auto --touch /dev/input/event5")]
pub struct Calibrate {
    /// How this board is set up, where the other arguments don't say; as for tapseg run
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,

    #[command(flatten)]
    screen: ScreenArguments,
}

/// What came out.
#[derive(Serialize)]
struct Calibrated {
    /// As `--touch` takes it.
    touch: String,
}

impl Calibrate {
    pub fn run(mut self, json: bool) -> Result<()> {
        if let Some(board) = &self.board {
            self.screen.fill_from(&board::profile(board)?)?;
        }
        ensure!(self.screen.is_panel(), "only panels are calibrated: give --screen drm or fb");
        let rotation = self.screen.rotation();
        let plain = TouchSpec { alignment: Alignment::default(), ..self.screen.touch() };
        let screen = self.screen.with_touch(plain.clone()).open()?;
        let (size, touched) = touches(&mut Attended::new(screen)?)?;
        // The marks and the touches as the panel itself has them, whatever it is turned by.
        let on_panel = |(x, y): (f64, f64)| {
            let at =
                Point::new((x * f64::from(size.width)) as i32, (y * f64::from(size.height)) as i32);
            let panel = rotation.turned(size);
            let at = rotation.to_panel(at, panel);
            (
                (f64::from(at.x) + 0.5) / f64::from(panel.width),
                (f64::from(at.y) + 0.5) / f64::from(panel.height),
            )
        };
        let pairs: Vec<Pair> = MARKS
            .into_iter()
            .zip(touched)
            .map(|(mark, at)| {
                let share = (
                    f64::from(at.x) / f64::from(size.width),
                    f64::from(at.y) / f64::from(size.height),
                );
                Pair { touched: on_panel(share), shown: on_panel(mark) }
            })
            .collect();
        let alignment = plain.alignment.calibrated(&pairs)?;
        let touch = TouchSpec { alignment, ..plain }.to_string();
        if json {
            return output::json(&Calibrated { touch });
        }
        output::line("The board's profile, in /etc/tapseg/boards, needs the line")?;
        output::line(format_args!("touch = {touch:?}"))?;
        output::line(format_args!("or give --touch {touch}"))
    }
}

/// Shows one mark after the other and waits for each to be touched: the screen's size, and where the
/// finger came down for each.
fn touches(screen: &mut dyn Screen) -> Result<(Size, Vec<Point>)> {
    let mut touched = Vec::new();
    let (mut events, mut down, mut shown) = (Vec::new(), None, None);
    while let Some(mark) = MARKS.get(touched.len()) {
        let size = screen.size();
        if shown != Some((touched.len(), size)) {
            let mut canvas = Canvas::new(size);
            draw_mark(*mark, touched.len(), &mut canvas);
            screen.present(&canvas)?;
            shown = Some((touched.len(), size));
        }
        screen.poll(POLL, &mut events)?;
        for event in events.drain(..) {
            match event {
                ScreenEvent::Closed => anyhow::bail!("it was ended before all marks were touched"),
                ScreenEvent::Key(_) => {}
                // What was touched before is on a screen that is there no more.
                ScreenEvent::Resized(_) => touched.clear(),
                ScreenEvent::Pointer(pointer) => match pointer.phase {
                    PointerPhase::Down => down = Some(pointer.position),
                    PointerPhase::Up => touched.extend(down.take()),
                    PointerPhase::Cancel => down = None,
                    PointerPhase::Move => {}
                },
            }
        }
        touched.truncate(MARKS.len());
    }
    Ok((screen.size(), touched))
}

fn draw_mark((x, y): (f64, f64), number: usize, canvas: &mut Canvas) {
    use embedded_graphics::geometry::OriginDimensions;
    let Size { width, height } = canvas.size();
    let at = Point::new((x * f64::from(width)) as i32, (y * f64::from(height)) as i32);
    let arm = (width.min(height) / 20).max(8) as i32;
    let thin = PrimitiveStyle::with_stroke(Rgb888::WHITE, 1);
    let Ok(()) = canvas.clear(Rgb888::new(24, 28, 34));
    for (dx, dy) in [(arm, 0), (0, arm)] {
        let Ok(()) = Line::new(at - Point::new(dx, dy), at + Point::new(dx, dy))
            .into_styled(thin)
            .draw(canvas);
    }
    let Ok(()) = Circle::with_center(at, arm as u32 | 1).into_styled(thin).draw(canvas);
    let told = format!("Touch the middle of the cross ({} of {})", number + 1, MARKS.len());
    let style = MonoTextStyle::new(&FONT_10X20, Rgb888::WHITE);
    let place = Point::new(width as i32 / 2, height as i32 / 3);
    let Ok(_) = Text::with_alignment(&told, place, style, TextAlignment::Center).draw(canvas);
}
