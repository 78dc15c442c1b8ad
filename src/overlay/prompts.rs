//! Points, boxes and the box being dragged.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{Circle, Primitive, PrimitiveStyle, Rectangle};

use crate::geometry::{FrameBox, FramePoint};
use crate::prompt::{PointLabel, PromptPoint};

use super::palette::{BLACK, MARK, NEGATIVE, POSITIVE, WHITE, object_colour};
use super::scene::SceneObject;
use super::viewport::Viewport;

/// Draws an object's box and points, with lines `unit` times as thick as on a plain screen.
pub(super) fn draw_prompts<D: DrawTarget<Color = Rgb888>>(
    object: &SceneObject,
    viewport: &Viewport,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    if let Some(area) = object.bounding_box.and_then(|b| box_area(b, viewport)) {
        draw_box(area, object_colour(object.colour), object.active, unit, target)?;
    }
    for point in &object.points {
        draw_point(point, viewport, object.active, unit, target)?;
    }
    Ok(())
}

/// Draws the box being dragged: dashed, since it is not settled yet.
pub(super) fn draw_rubber_band<D: DrawTarget<Color = Rgb888>>(
    band: FrameBox,
    viewport: &Viewport,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let Some(area) = box_area(band, viewport) else { return Ok(()) };
    let thickness = 2 * unit;
    for side in sides(area, thickness) {
        target.fill_solid(&side, BLACK)?;
        for dash in dashes(side, 8 * unit) {
            target.fill_solid(&dash, WHITE)?;
        }
    }
    Ok(())
}

/// Draws the part of the picture that the network looks at, with edges to be dragged.
pub(super) fn draw_region<D: DrawTarget<Color = Rgb888>>(
    region: FrameBox,
    viewport: &Viewport,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let Some(area) = box_area(region, viewport) else { return Ok(()) };
    draw_box(area, MARK, true, unit, target)?;
    let centre = area.center();
    let ends = area.top_left + area.size;
    for (at, lying) in [
        (Point::new(centre.x, area.top_left.y), true),
        (Point::new(centre.x, ends.y - 1), true),
        (Point::new(area.top_left.x, centre.y), false),
        (Point::new(ends.x - 1, centre.y), false),
    ] {
        let (long, short) = (36 * unit, 8 * unit);
        let size = if lying { Size::new(long, short) } else { Size::new(short, long) };
        let handle = Rectangle::with_center(at, size);
        target.fill_solid(&handle.offset(unit as i32), BLACK)?;
        target.fill_solid(&handle, MARK)?;
    }
    Ok(())
}

/// The screen pixels that a box on the frame spans; `None` where nothing of it is on the frame.
fn box_area(found: FrameBox, viewport: &Viewport) -> Option<Rectangle> {
    let on_frame = found.clipped(viewport.frame())?;
    let corner = |x, y| viewport.to_screen(FramePoint::new(x, y));
    Some(Rectangle::with_corners(
        corner(on_frame.x0, on_frame.y0),
        corner(on_frame.x1, on_frame.y1),
    ))
}

/// A box: a thin line on a dark rim, with thicker corners.
fn draw_box<D: DrawTarget<Color = Rgb888>>(
    area: Rectangle,
    colour: Rgb888,
    active: bool,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let (line, corner) = if active { (2 * unit, 5 * unit) } else { (unit, 3 * unit) };
    let rim = unit;
    let arm = (area.size.width.min(area.size.height) / 3).min(22 * unit).max(corner);
    for side in sides(area, line + 2 * rim) {
        target.fill_solid(&side, BLACK)?;
    }
    let corners = corner_marks(area, corner, arm);
    for mark in corners {
        target.fill_solid(&mark.offset(rim as i32), BLACK)?;
    }
    for part in sides(area, line).into_iter().chain(corners) {
        target.fill_solid(&part, colour)?;
    }
    Ok(())
}

/// The four sides of a rectangular line through the outermost pixels of `area`: top, bottom,
/// left, right.
fn sides(area: Rectangle, thickness: u32) -> [Rectangle; 4] {
    let Size { width, height } = area.size;
    let before = Point::new_equal((thickness / 2) as i32);
    let (right, bottom) = (Point::new(width as i32 - 1, 0), Point::new(0, height as i32 - 1));
    let along = Size::new(width + thickness - 1, thickness);
    let down = Size::new(thickness, height + thickness - 1);
    let start = area.top_left - before;
    [(start, along), (start + bottom, along), (start, down), (start + right, down)]
        .map(|(top_left, size)| Rectangle::new(top_left, size))
}

/// The eight bars along the sides of `area` that mark its corners.
fn corner_marks(area: Rectangle, thickness: u32, arm: u32) -> [Rectangle; 8] {
    let mut marks = [Rectangle::zero(); 8];
    for (i, side) in sides(area, thickness).into_iter().enumerate() {
        let Size { width, height } = side.size;
        let (size, to_end) = if i < 2 {
            let arm = arm.min(width);
            (Size::new(arm, height), Point::new((width - arm) as i32, 0))
        } else {
            let arm = arm.min(height);
            (Size::new(width, arm), Point::new(0, (height - arm) as i32))
        };
        marks[2 * i] = Rectangle::new(side.top_left, size);
        marks[2 * i + 1] = Rectangle::new(side.top_left + to_end, size);
    }
    marks
}

/// The dashes of length `length` on a bar, with gaps of the same length.
fn dashes(bar: Rectangle, length: u32) -> impl Iterator<Item = Rectangle> {
    let lying = bar.size.width >= bar.size.height;
    let total = bar.size.width.max(bar.size.height);
    (0..total).step_by(2 * length as usize).map(move |start| {
        let rest = length.min(total - start);
        let (offset, size) = if lying {
            (Point::new(start as i32, 0), Size::new(rest, bar.size.height))
        } else {
            (Point::new(0, start as i32), Size::new(bar.size.width, rest))
        };
        Rectangle::new(bar.top_left + offset, size)
    })
}

/// A point: a disc with a plus or a minus.
fn draw_point<D: DrawTarget<Color = Rgb888>>(
    point: &PromptPoint,
    viewport: &Viewport,
    active: bool,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let centre = viewport.to_screen(point.position);
    // Odd numbers have a middle pixel.
    let (disc, bar) = if active { (19, 11) } else { (13, 7) };
    let colour = match point.label {
        PointLabel::Positive => POSITIVE,
        PointLabel::Negative => NEGATIVE,
    };
    for (diameter, colour) in [(disc + 6, BLACK), (disc + 4, WHITE), (disc, colour)] {
        Circle::with_center(centre, diameter * unit)
            .into_styled(PrimitiveStyle::with_fill(colour))
            .draw(target)?;
    }
    let mut fill_bar = |width: u32, height: u32| {
        target.fill_solid(&Rectangle::with_center(centre, Size::new(width, height) * unit), WHITE)
    };
    fill_bar(bar, 3)?;
    if point.label == PointLabel::Positive {
        fill_bar(3, bar)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::pixelcolor::RgbColor;

    use crate::geometry::FrameSize;

    use super::*;

    fn viewport(side: u32) -> Viewport {
        let room = Rectangle::new(Point::zero(), Size::new_equal(side));
        Viewport::fit(room, FrameSize::new(side, side))
    }

    fn display() -> MockDisplay<Rgb888> {
        let mut display = MockDisplay::new();
        display.set_allow_overdraw(true);
        display
    }

    #[test]
    fn a_box_has_corner_marks() {
        let mut display = display();
        let area = Rectangle::new(Point::new(4, 4), Size::new(16, 12));
        draw_box(area, Rgb888::YELLOW, false, 1, &mut display).unwrap();
        display.assert_pattern(&[
            "                        ",
            "                        ",
            "  KKKKKK        KKKKKK  ",
            "  KYYYYKKKKKKKKKKYYYYK  ",
            "  KYYYYYYYYYYYYYYYYYYK  ",
            "  KYYYYKKKKKKKKKKYYYYK  ",
            "  KYYYKK        KKYYYK  ",
            "  KKYKK          KKYKK  ",
            "   KYK            KYK   ",
            "   KYK            KYK   ",
            "   KYK            KYK   ",
            "   KYK            KYK   ",
            "  KKYKK          KKYKK  ",
            "  KYYYKK        KKYYYK  ",
            "  KYYYYKKKKKKKKKKYYYYK  ",
            "  KYYYYYYYYYYYYYYYYYYK  ",
            "  KYYYYKKKKKKKKKKYYYYK  ",
            "  KKKKKK        KKKKKK  ",
        ]);
    }

    #[test]
    fn a_rubber_band_is_dashed() {
        let mut display = display();
        let band = FrameBox { x0: 2.0, y0: 2.0, x1: 21.0, y1: 5.0 };
        draw_rubber_band(band, &viewport(64), 1, &mut display).unwrap();
        display.assert_pattern(&[
            "                      ",
            " WWWWWWWWKKKKKKKKWWWWW",
            " WWWWWWWWKKKKKKKKWWWWW",
            " WW                 WW",
            " WWWWWWWWKKKKKKKKWWWWW",
            " WWWWWWWWKKKKKKKKWWWWW",
        ]);
    }

    #[test]
    fn points_differ_in_more_than_colour() {
        let drawn = |label| {
            let mut display = display();
            let point = PromptPoint { position: FramePoint::new(20.0, 20.0), label };
            draw_point(&point, &viewport(64), true, 1, &mut display).unwrap();
            display
        };
        let (positive, negative) = (drawn(PointLabel::Positive), drawn(PointLabel::Negative));
        let at = |display: &MockDisplay<Rgb888>, x, y| display.get_pixel(Point::new(x, y)).unwrap();
        assert_eq!(at(&positive, 20, 16), WHITE);
        assert_eq!(at(&negative, 20, 16), NEGATIVE);
        assert_eq!((at(&positive, 16, 20), at(&negative, 16, 20)), (WHITE, WHITE));
        assert_eq!((at(&positive, 15, 15), at(&negative, 15, 15)), (POSITIVE, NEGATIVE));
        assert_eq!(
            positive.affected_area(),
            Rectangle::with_center(Point::new(20, 20), Size::new_equal(25))
        );
    }
}
