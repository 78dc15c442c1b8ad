//! The diameters of structures on the picture, and their sizes in a list.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{Line, Primitive, PrimitiveStyle, Rectangle};
use embedded_graphics::text::Alignment;

use crate::measure::Measurements;
use crate::words::{Word, Words};

use super::palette::{BLACK, PLATE, object_colour};
use super::text::Letters;
use super::viewport::Viewport;

/// Draws the longest diameter and the one perpendicular to it.
pub(super) fn draw_diameters<D: DrawTarget<Color = Rgb888>>(
    sizes: &Measurements,
    colour: usize,
    viewport: &Viewport,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    for (width, colour) in [(4 * unit, BLACK), (2 * unit, object_colour(colour))] {
        for diameter in [&sizes.longest_diameter, &sizes.perpendicular_diameter] {
            let ends = [diameter.from, diameter.to].map(|end| viewport.to_screen(end));
            Line::new(ends[0], ends[1])
                .into_styled(PrimitiveStyle::with_stroke(colour, width))
                .draw(target)?;
        }
    }
    Ok(())
}

/// Lists the sizes, each in its structure's colour, in the upper left corner of the picture; as many
/// as fit there.
pub(super) fn draw_list<'a, D: DrawTarget<Color = Rgb888>>(
    sizes: impl Iterator<Item = (&'a Measurements, usize)>,
    words: &Words,
    picture: Rectangle,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let letters = Letters::largest(unit);
    let gap = 6 * unit;
    let mut top = gap;
    for (sizes, colour) in sizes {
        let text = line(sizes, words);
        let size = Size::new(letters.width(&text), letters.height(&text));
        let plate = size + Size::new_equal(gap);
        let room = picture.size;
        if plate.width + gap > room.width || top + plate.height > room.height / 2 {
            return Ok(());
        }
        let corner = picture.top_left + Point::new(gap as i32, top as i32);
        target.fill_solid(&Rectangle::new(corner, plate), PLATE)?;
        let place = Rectangle::new(corner + Point::new_equal(gap as i32 / 2), size);
        let ink = (object_colour(colour), Some(PLATE));
        letters.write(&text, place, Alignment::Left, ink, target)?;
        top += plate.height;
    }
    Ok(())
}

/// Both diameters and the area, and the depth where it is known.
fn line(sizes: &Measurements, words: &Words) -> String {
    let across = sizes.perpendicular_diameter.length;
    let longest = sizes.longest_diameter.length.to_string();
    let longest = longest.trim_end_matches(|c: char| !c.is_ascii_digit());
    let mut line = format!("{longest} x {across} \u{b7} {}", sizes.area);
    if let Some(depth) = sizes.depth {
        line += " \u{b7} ";
        line += &words.fill(Word::Deep, &[("depth", &depth.nearest)]);
    }
    line
}

#[cfg(test)]
mod tests {
    use embedded_graphics::geometry::OriginDimensions;

    use super::*;
    use crate::frame::PixelSpacing;
    use crate::geometry::FrameSize;
    use crate::mask::Mask;
    use crate::screen::Canvas;

    fn sizes(spacing: Option<PixelSpacing>) -> Measurements {
        let inside = |i: usize| u8::from((40..80).contains(&(i % 100)) && i / 100 < 20);
        let mask = Mask::from_pixels(FrameSize::new(100, 50), (0..5000).map(inside).collect());
        Measurements::of(&mask, spacing, spacing.map(|_| -10.5)).unwrap()
    }

    #[test]
    fn numbers_have_their_units() {
        assert_eq!(line(&sizes(None), &Words::default()), "44 x 22 px \u{b7} 800 px\u{b2}");
        let spacing = Some(PixelSpacing { row_mm: 0.5, column_mm: 0.5 });
        let told = line(&sizes(spacing), &Words::default());
        assert!(told.starts_with("22.1 x 11."), "{told}");
        assert!(told.ends_with(" mm \u{b7} 200.0 mm\u{b2} \u{b7} 5.0 mm deep"), "{told}");
    }

    #[test]
    fn the_list_stays_in_the_upper_half_or_away() {
        for (width, height) in [(600, 300), (100, 50), (600, 30)] {
            let mut canvas = Canvas::new(Size::new(width, height));
            let picture = Rectangle::new(Point::zero(), canvas.size());
            let many = sizes(None);
            draw_list((0..30).map(|i| (&many, i)), &Words::default(), picture, 1, &mut canvas)
                .unwrap();
            let lower = (width * height / 2) as usize;
            assert!(canvas.pixels()[lower..].iter().all(|&p| p == 0), "{width}x{height}");
            assert_eq!(canvas.pixels().iter().any(|&p| p != 0), width == 600 && height == 300);
        }
    }
}
