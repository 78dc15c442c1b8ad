//! The guide: what fingers can do, in pictures.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::{DrawTarget, DrawTargetExt};
use embedded_graphics::geometry::{AngleUnit, Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{
    Arc, Circle, Line, Primitive, PrimitiveStyle, Rectangle, StyledDrawable,
};
use embedded_graphics::text::Alignment;

use crate::words::{Word, Words};

use super::palette::{MARK, PLATE, PLATE_TEXT};
use super::text::Letters;

/// What a finger does.
#[derive(Clone, Copy)]
enum Gesture {
    Tap,
    Drag,
    Press,
    Pinch,
}

/// The lines, from the top down.
const LINES: [(Gesture, Word); 4] = [
    (Gesture::Tap, Word::GuideTap),
    (Gesture::Drag, Word::GuideDrag),
    (Gesture::Press, Word::GuidePress),
    (Gesture::Pinch, Word::GuidePinch),
];

/// Draws the guide into `room`: what it is about, a line for each gesture, and how it goes away.
pub(super) fn draw_guide<D: DrawTarget<Color = Rgb888>>(
    words: &Words,
    room: Rectangle,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let target = &mut target.clipped(&room);
    target.fill_solid(&room, PLATE)?;
    let rows = LINES.len() as u32 + 2;
    let height = room.size.height / rows;
    let gap = 16 * unit;
    let picture = height.min(room.size.width / 4);
    let row = |index: u32, left: u32| {
        let corner = room.top_left + Point::new(left as i32, (index * height) as i32);
        Rectangle::new(corner, Size::new(room.size.width.saturating_sub(left + gap), height))
    };
    // All lines in letters of one size, that of the longest.
    let texts = LINES.map(|(_, word)| words.get(word));
    let widest = texts.into_iter().max_by_key(|text| super::text::cells(text)).unwrap_or_default();
    let letters = Letters::fitting(row(1, picture + 2 * gap).size, widest, unit);
    let ink = (PLATE_TEXT, Some(PLATE));
    for (index, word, ink) in
        [(0, Word::GuideTitle, ink), (rows - 1, Word::GuideClose, (MARK, Some(PLATE)))]
    {
        letters.write(words.get(word), row(index, gap), Alignment::Center, ink, target)?;
    }
    for (index, (gesture, word)) in (1..).zip(LINES) {
        let Rectangle { top_left, .. } = row(index, gap);
        draw_gesture(gesture, Rectangle::new(top_left, Size::new_equal(picture)), unit, target)?;
        letters.write(
            words.get(word),
            row(index, picture + 2 * gap),
            Alignment::Left,
            ink,
            target,
        )?;
    }
    Ok(())
}

/// Draws one gesture: a fingertip as a disc, what it does as lines.
fn draw_gesture<D: DrawTarget<Color = Rgb888>>(
    gesture: Gesture,
    area: Rectangle,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let side = area.size.width;
    let at = |x: u32, y: u32| {
        area.top_left + Point::new((side * x / 100) as i32, (side * y / 100) as i32)
    };
    let line = PrimitiveStyle::with_stroke(PLATE_TEXT, 2 * unit);
    let finger = |centre: Point, target: &mut D| {
        let disc = Circle::with_center(centre, (side * 22 / 100).max(1));
        disc.draw_styled(&PrimitiveStyle::with_fill(MARK), target)
    };
    match gesture {
        Gesture::Tap => {
            Circle::with_center(at(50, 50), side * 50 / 100).draw_styled(&line, target)?;
            finger(at(50, 50), target)
        }
        Gesture::Drag => {
            Rectangle::with_corners(at(15, 22), at(78, 74)).draw_styled(&line, target)?;
            finger(at(78, 74), target)
        }
        Gesture::Press => {
            // A clock that has run three quarters of its way.
            Arc::with_center(at(50, 50), side * 60 / 100, (-90.0).deg(), 270.0.deg())
                .into_styled(PrimitiveStyle::with_stroke(PLATE_TEXT, 4 * unit))
                .draw(target)?;
            finger(at(50, 50), target)
        }
        Gesture::Pinch => {
            for (at_first, then, inwards) in
                [(at(40, 60), at(14, 86), 1), (at(60, 40), at(86, 14), -1)]
            {
                // An arrow that leads away from the other finger.
                let arm = inwards * (side * 16 / 100) as i32;
                Line::new(at_first, then).draw_styled(&line, target)?;
                for barb in [Point::new(arm, 0), Point::new(0, -arm)] {
                    Line::new(then, then + barb).draw_styled(&line, target)?;
                }
                finger(at_first, target)?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::geometry::OriginDimensions;

    use super::*;
    use crate::screen::Canvas;

    #[test]
    fn no_room_is_too_small() {
        for (width, height) in [(0, 0), (1, 1), (3, 400), (400, 3), (30, 30), (590, 442)] {
            let mut canvas = Canvas::new(Size::new(width + 20, height + 20));
            let room = Rectangle::new(Point::new(10, 10), Size::new(width, height));
            draw_guide(&Words::default(), room, 1, &mut canvas).unwrap();
            let outside = canvas.pixels().iter().take(canvas.size().width as usize * 10);
            assert!(outside.into_iter().all(|&pixel| pixel == 0), "{width}x{height}");
        }
    }
}
