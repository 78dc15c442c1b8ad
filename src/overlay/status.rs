//! The status line, and the sign that the network is at work.

use std::time::Duration;

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Angle, AngleUnit, Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{Arc, Primitive, PrimitiveStyle, Rectangle, RoundedRectangle};
use embedded_graphics::text::Alignment;

use crate::words::{Word, Words};

use super::palette::{Chrome, MARK, MARK_DIM, PLATE, PLATE_TEXT};
use super::scene::{Refinement, Status};
use super::text::Letters;

/// Between two figures.
const SEPARATOR: &str = " \u{b7} ";

/// What is kept free between the feed's figures and the mask's.
const GAP: &str = "  ";

/// How long the ring takes to turn once.
const TURN: Duration = Duration::from_millis(1200);

/// Draws the status line: the message above; below, the feed and the model at the left and what is
/// known of the mask at the right, which keeps its place where room is short.
pub(super) fn draw_status<D: DrawTarget<Color = Rgb888>>(
    status: &Status,
    words: &Words,
    area: Rectangle,
    unit: u32,
    chrome: &Chrome,
    target: &mut D,
) -> Result<(), D::Error> {
    let side = 8 * unit;
    let width = area.size.width.saturating_sub(2 * side);
    let height = area.size.height / 2;
    let row = |index: u32, width: u32| {
        let corner = area.top_left + Point::new(side as i32, (index * height) as i32);
        Rectangle::new(corner, Size::new(width, height))
    };
    let message = status.message.as_deref().unwrap_or_default();
    let letters = Letters::fitting(Size::new(width, height), message, unit);
    let bright = (chrome.text, Some(chrome.background));
    let dim = (chrome.text_dim, Some(chrome.background));
    letters.write(message, row(0, width), Alignment::Left, bright, target)?;
    let (feed, mask) = (feed_figures(status, words), mask_figures(status, words));
    let letters = Letters::fitting(Size::new(width, height), &[&*feed, GAP, &*mask].concat(), unit);
    let taken = letters.width(GAP) + letters.width(&mask);
    let feed_row = row(1, width.saturating_sub(taken));
    letters.write(&feed, feed_row, Alignment::Left, dim, target)?;
    letters.write(&mask, row(1, width), Alignment::Right, bright, target)
}

/// What is known of the mask that is shown: the predicted IoU, the rank, and how far it is refined.
fn mask_figures(status: &Status, words: &Words) -> String {
    let quality = |iou| words.fill(Word::Quality, &[("iou", &format!("{iou:.2}"))]);
    let rank = |(rank, count)| words.fill(Word::Rank, &[("rank", &rank), ("count", &count)]);
    let refinement = status.refinement.map(|refinement| match refinement {
        Refinement::Underway => words.get(Word::Refining).to_owned(),
        Refinement::Done => words.get(Word::Refined).to_owned(),
    });
    joined([status.predicted_iou.map(quality), status.mask_of.map(rank), refinement])
}

/// Where the picture comes from, and how fast everything is.
fn feed_figures(status: &Status, words: &Words) -> String {
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let took = |word, ms| words.fill(word, &[("ms", &format!("{ms:.0}"))]);
    joined([
        text(&status.source),
        status.feed_fps.map(|fps| words.fill(Word::Fps, &[("fps", &format!("{fps:.1}"))])),
        text(&status.model),
        status.encode_ms.map(|ms: f32| took(Word::Encode, ms)),
        status.decode_ms.map(|ms| took(Word::Decode, ms)),
    ])
}

fn joined<const N: usize>(figures: [Option<String>; N]) -> String {
    figures.into_iter().flatten().collect::<Vec<_>>().join(SEPARATOR)
}

/// Draws a turning ring and the seconds since the network began, at the foot of the picture: sizes are listed
/// in its upper half.
pub(super) fn draw_working<D: DrawTarget<Color = Rgb888>>(
    elapsed: Duration,
    picture: Rectangle,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let text = format!("{:.1} s", elapsed.as_secs_f32());
    let letters = Letters::largest(unit);
    let (height, gap) = (40 * unit, 8 * unit);
    let ring = height - 2 * gap;
    let width = 3 * gap + ring + letters.width(&text);
    if width + 2 * gap > picture.size.width || height + 2 * gap > picture.size.height {
        return Ok(());
    }
    let (left, top) = ((picture.size.width - width) / 2, picture.size.height - height - gap);
    let corner = picture.top_left + Point::new(left as i32, top as i32);
    let plate = Rectangle::new(corner, Size::new(width, height));
    RoundedRectangle::with_equal_corners(plate, Size::new_equal(height / 2))
        .into_styled(PrimitiveStyle::with_fill(PLATE))
        .draw(target)?;
    let turned = (elapsed.as_millis() % TURN.as_millis()) as f32 / TURN.as_millis() as f32;
    let corner = plate.top_left + Point::new_equal(gap as i32);
    for (colour, start, sweep) in [(MARK_DIM, 0.0, 360.0), (MARK, 360.0 * turned, 100.0)] {
        let (start, sweep): (Angle, Angle) = (start.deg(), sweep.deg());
        Arc::new(corner, ring, start, sweep)
            .into_styled(PrimitiveStyle::with_stroke(colour, 4 * unit))
            .draw(target)?;
    }
    let place = Rectangle::new(
        plate.top_left + Point::new((2 * gap + ring) as i32, 0),
        Size::new(width - 2 * gap - ring, height),
    );
    letters.write(&text, place, Alignment::Left, (PLATE_TEXT, Some(PLATE)), target)
}

/// Draws a bar across the middle of the picture that says why it is not live, a sentence a line.
pub(super) fn draw_alert<D: DrawTarget<Color = Rgb888>>(
    alert: &str,
    picture: Rectangle,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let side = 8 * unit;
    let width = picture.size.width.saturating_sub(2 * side);
    // What is wrong, and what to do about it.
    let lines: Vec<&str> = alert.splitn(3, ": ").collect();
    let height = 28 * unit;
    let bar = Size::new(picture.size.width, (lines.len() as u32 * height).min(picture.size.height));
    let top = (picture.size.height - bar.height) / 2;
    let bar = Rectangle::new(picture.top_left + Point::new(0, top as i32), bar);
    target.fill_solid(&bar, PLATE)?;
    for (i, line) in lines.into_iter().enumerate() {
        let corner = bar.top_left + Point::new(side as i32, (i as u32 * height) as i32);
        let room = Size::new(width, height);
        let letters = Letters::fitting(room, line, unit);
        let bright = (PLATE_TEXT, Some(PLATE));
        letters.write(line, Rectangle::new(corner, room), Alignment::Center, bright, target)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_figures_are_left_out() {
        let words = &Words::default();
        let nothing = Status::default();
        assert_eq!(
            (mask_figures(&nothing, words), feed_figures(&nothing, words)),
            Default::default()
        );
        let all = Status {
            source: "clip.dcm".into(),
            model: "litemedsam".into(),
            feed_fps: Some(29.97),
            encode_ms: Some(611.6),
            decode_ms: Some(37.4),
            predicted_iou: Some(0.934),
            mask_of: Some((2, 7)),
            refinement: Some(Refinement::Done),
            message: None,
        };
        assert_eq!(mask_figures(&all, words), "IoU 0.93 · mask 2/7 · refined");
        let feed = "clip.dcm · 30.0 fps · litemedsam · encode 612 ms · decode 37 ms";
        assert_eq!(feed_figures(&all, words), feed);
    }
}
