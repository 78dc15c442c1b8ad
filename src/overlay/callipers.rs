//! Distances that were measured by hand, and the ruler that the scale is read from.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{Line, Primitive, PrimitiveStyle, Rectangle};
use embedded_graphics::text::Alignment;

use crate::geometry::FramePoint;
use crate::measure::{Calliper, Ruler};

use super::palette::{BLACK, MARK, PLATE, PLATE_TEXT, WHITE};
use super::text::Letters;
use super::viewport::Viewport;

/// Draws a line with a cross at each end, and its length beside it.
pub(super) fn draw_calliper<D: DrawTarget<Color = Rgb888>>(
    calliper: &Calliper,
    viewport: &Viewport,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let [from, to] = [calliper.from, calliper.to].map(|end| viewport.to_screen(end));
    let arm = 7 * unit as i32;
    let cross = |at: Point| {
        [(Point::new(arm, 0), at), (Point::new(0, arm), at)].map(|(by, at)| (at - by, at + by))
    };
    for (colour, width) in [(BLACK, 4 * unit), (WHITE, 2 * unit)] {
        for (a, b) in cross(from).into_iter().chain(cross(to)) {
            line(a, b, colour, width, target)?;
        }
    }
    line(from, to, BLACK, 3 * unit, target)?;
    line(from, to, WHITE, unit, target)?;
    let text = calliper.length.to_string();
    let letters = Letters::largest(unit);
    let size = Size::new(letters.width(&text), letters.height(&text));
    let plate = size + Size::new_equal(4 * unit);
    // Beside the lower end and inside the picture, where there is room.
    let end = if from.y > to.y { from } else { to };
    let area = viewport.area();
    let limit = area.top_left + area.size - plate;
    let corner = (end + Point::new(arm, arm)).component_min(limit).component_max(area.top_left);
    target.fill_solid(&Rectangle::new(corner, plate), PLATE)?;
    let place = Rectangle::new(corner + Point::new_equal(2 * unit as i32), size);
    letters.write(&text, place, Alignment::Left, (PLATE_TEXT, Some(PLATE)), target)
}

/// Draws the part of a ruler between two ticks, with a mark across it at each tick between.
pub(super) fn draw_ruler<D: DrawTarget<Color = Rgb888>>(
    ruler: &Ruler,
    viewport: &Viewport,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let (from, to) = (viewport.to_screen(ruler.from), viewport.to_screen(ruler.to));
    let upright = (from.y - to.y).abs() >= (from.x - to.x).abs();
    // More marks than pixels can't be seen.
    let steps = ruler.steps.clamp(1, 1000);
    let mark = |step: u32| {
        let share = step as f32 / steps as f32;
        let along = |a: f32, b: f32| a + share * (b - a);
        let at = FramePoint::new(along(ruler.from.x, ruler.to.x), along(ruler.from.y, ruler.to.y));
        let at = viewport.to_screen(at);
        let half = if step == 0 || step == steps { 12 } else { 6 } * unit as i32;
        let by = if upright { Point::new(half, 0) } else { Point::new(0, half) };
        (at - by, at + by)
    };
    for (colour, width) in [(BLACK, 4 * unit), (MARK, 2 * unit)] {
        line(from, to, colour, width, target)?;
        for (a, b) in (0..=steps).map(mark) {
            line(a, b, colour, width, target)?;
        }
    }
    Ok(())
}

fn line<D: DrawTarget<Color = Rgb888>>(
    from: Point,
    to: Point,
    colour: Rgb888,
    width: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    Line::new(from, to).into_styled(PrimitiveStyle::with_stroke(colour, width)).draw(target)
}

#[cfg(test)]
mod tests {
    use embedded_graphics::draw_target::DrawTargetExt;
    use embedded_graphics::pixelcolor::IntoStorage;

    use super::*;
    use crate::geometry::FrameSize;
    use crate::measure::calliper;
    use crate::screen::Canvas;

    #[test]
    fn the_length_stays_on_the_picture() {
        let area = Rectangle::new(Point::new(20, 10), Size::new(200, 150));
        let viewport = Viewport::fit(area, FrameSize::new(400, 300));
        for (x, y) in [(0.0, 0.0), (399.0, 299.0), (399.0, 0.0), (-50.0, 900.0)] {
            let mut canvas = Canvas::new(Size::new(240, 170));
            let found = calliper(FramePoint::new(200.0, 150.0), FramePoint::new(x, y), None);
            draw_calliper(&found, &viewport, 1, &mut canvas.clipped(&area)).unwrap();
            let plate = PLATE.into_storage();
            let drawn = canvas.pixels().iter().filter(|&&pixel| pixel == plate).count();
            assert!(drawn > 300, "({x}, {y}): {drawn}");
        }
    }

    #[test]
    fn nothing_is_too_odd_to_be_drawn() {
        let viewport = Viewport::fit(Rectangle::zero(), FrameSize::new(4, 3));
        let far = FramePoint::new(f32::NAN, f32::INFINITY);
        let mut canvas = Canvas::new(Size::new(9, 9));
        draw_calliper(&calliper(far, far, None), &viewport, 3, &mut canvas).unwrap();
        let ruler = Ruler { from: far, to: FramePoint::new(1.0, 1.0), steps: u32::MAX };
        draw_ruler(&ruler, &viewport, 1, &mut canvas.clipped(&Rectangle::zero())).unwrap();
    }
}
