//! Single lines of text that never leave their place.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_8X13, FONT_9X15, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyleBuilder};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Alignment, Baseline, Text};
use embedded_graphics::{Drawable, Pixel};

/// What stands for the rest of a text that is cut.
const ELLIPSIS: &str = "...";

/// A font's letters, magnified.
#[derive(Clone, Copy)]
pub(super) struct Letters {
    font: &'static MonoFont<'static>,
    magnification: u32,
}

impl Letters {
    /// The largest letters of which `count` in a row fit into `room`; the smallest where none do.
    pub fn fitting(room: Size, count: usize, magnification: u32) -> Self {
        let fonts = [&FONT_10X20, &FONT_9X15, &FONT_8X13, &FONT_6X10];
        let of = |font| Self { font, magnification };
        let fits = |letters: &Self| {
            let Size { width, height } = letters.size();
            width as usize * count <= room.width as usize && height <= room.height
        };
        fonts.map(of).into_iter().find(fits).unwrap_or(of(&FONT_6X10))
    }

    /// The size of one letter in pixels, with the space between letters.
    pub fn size(&self) -> Size {
        let Size { width, height } = self.font.character_size;
        Size::new(width + self.font.character_spacing, height) * self.magnification
    }

    /// The width of `count` letters in pixels.
    pub fn width(&self, count: usize) -> u32 {
        self.size().width * count as u32
    }

    /// Writes `text` into `area` in one line, in the middle of its height and at the side that
    /// `alignment` names. What does not fit is cut, letters that the font lacks become `?`. Where
    /// a `background` is given, it fills the letters' boxes.
    pub fn write<D: DrawTarget<Color = Rgb888>>(
        &self,
        text: &str,
        area: Rectangle,
        alignment: Alignment,
        (colour, background): (Rgb888, Option<Rgb888>),
        target: &mut D,
    ) -> Result<(), D::Error> {
        let letter = self.size();
        let text = cut(text, (area.size.width / letter.width) as usize);
        if text.is_empty() || letter.height > area.size.height {
            return Ok(());
        }
        let spare = area.size.width - self.width(text.chars().count());
        let left = match alignment {
            Alignment::Left => 0,
            Alignment::Center => spare / 2,
            Alignment::Right => spare,
        };
        let top = (area.size.height - letter.height) / 2;
        let origin = area.top_left + Point::new(left as i32, top as i32);
        let mut style = MonoTextStyleBuilder::new().font(self.font).text_color(colour);
        if let Some(background) = background {
            style = style.background_color(background);
        }
        let at = |origin| Text::with_baseline(&text, origin, style.build(), Baseline::Top);
        if self.magnification == 1 {
            at(origin).draw(target)?;
        } else {
            at(Point::zero()).draw(&mut Magnified { target, origin, by: self.magnification })?;
        }
        Ok(())
    }
}

/// `text` with at most `limit` characters of ISO 8859-1: others become `?`, line breaks and tabs
/// spaces, and a text that is too long ends in an ellipsis.
fn cut(text: &str, limit: usize) -> String {
    let printable = |c: char| match c {
        ' '..='~' | '\u{a0}'..='\u{ff}' => c,
        c if c.is_whitespace() => ' ',
        _ => '?',
    };
    let whole = text.chars().take(limit + 1).count() <= limit;
    let kept = if whole { limit } else { limit.saturating_sub(ELLIPSIS.len()) };
    let mut cut: String = text.chars().take(kept).map(printable).collect();
    if !whole {
        cut.extend(ELLIPSIS.chars().take(limit));
    }
    cut
}

/// A target whose pixels are squares of another target's.
struct Magnified<'a, D> {
    target: &'a mut D,
    origin: Point,
    by: u32,
}

impl<D: DrawTarget> Dimensions for Magnified<'_, D> {
    fn bounding_box(&self) -> Rectangle {
        let Rectangle { top_left, size } = self.target.bounding_box();
        Rectangle::new((top_left - self.origin) / self.by as i32, size / self.by)
    }
}

impl<D: DrawTarget> DrawTarget for Magnified<'_, D> {
    type Color = D::Color;
    type Error = D::Error;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), D::Error>
    where
        I: IntoIterator<Item = Pixel<D::Color>>,
    {
        pixels.into_iter().try_for_each(|Pixel(position, colour)| {
            let top_left = self.origin + position * self.by as i32;
            self.target.fill_solid(&Rectangle::new(top_left, Size::new_equal(self.by)), colour)
        })
    }

    fn fill_solid(&mut self, area: &Rectangle, color: D::Color) -> Result<(), D::Error> {
        let top_left = self.origin + area.top_left * self.by as i32;
        self.target.fill_solid(&Rectangle::new(top_left, area.size * self.by), color)
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::geometry::OriginDimensions;
    use embedded_graphics::pixelcolor::IntoStorage;
    use embedded_graphics::primitives::ContainsPoint;

    use crate::screen::Canvas;

    use super::*;

    #[test]
    fn long_texts_are_cut_and_strange_letters_replaced() {
        let cases = [
            ("fits", "abcdef", 6, "abcdef"),
            ("too long", "abcdefg", 6, "abc..."),
            ("room for the ellipsis alone", "abcdefg", 3, "..."),
            ("less than that", "abcdefg", 2, ".."),
            ("no room", "abcdefg", 0, ""),
            ("empty", "", 4, ""),
            ("Latin", "Größe 5 mm²", 20, "Größe 5 mm²"),
            ("other scripts", "心臓\n1\u{7f}", 20, "?? 1?"),
        ];
        for (name, text, limit, expected) in cases {
            assert_eq!(cut(text, limit), expected, "{name}");
        }
    }

    #[test]
    fn text_stays_in_its_place() {
        let screen = Size::new(90, 60);
        for magnification in [1, 2] {
            for (x, y, w, h) in [(5, 7, 60, 44), (0, 0, 90, 60), (20, 20, 11, 21), (3, 3, 0, 9)] {
                let area = Rectangle::new(Point::new(x, y), Size::new(w, h));
                for side in [Alignment::Left, Alignment::Center, Alignment::Right] {
                    let mut canvas = Canvas::new(screen);
                    let letters = Letters::fitting(area.size, 3, magnification);
                    let colours = (Rgb888::new(1, 1, 1), Some(Rgb888::new(2, 2, 2)));
                    letters.write("Überall", area, side, colours, &mut canvas).unwrap();
                    for (i, &pixel) in canvas.pixels().iter().enumerate() {
                        let at = Point::new(i as i32 % 90, i as i32 / 90);
                        assert!(pixel == 0 || area.contains(at), "{at} of {area:?}");
                    }
                    assert_eq!(canvas.size(), screen);
                }
            }
        }
    }

    #[test]
    fn magnified_letters_are_the_plain_ones_in_squares() {
        let write = |magnification: u32| {
            let mut canvas = Canvas::new(Size::new(40, 20) * magnification);
            let area = Rectangle::new(Point::zero(), canvas.size());
            let letters = Letters { font: &FONT_10X20, magnification };
            let colours = (Rgb888::new(9, 9, 9), None);
            letters.write("g+", area, Alignment::Left, colours, &mut canvas).unwrap();
            canvas
        };
        let (plain, double) = (write(1), write(2));
        assert!(plain.pixels().contains(&Rgb888::new(9, 9, 9).into_storage()));
        for (i, &pixel) in double.pixels().iter().enumerate() {
            assert_eq!(pixel, plain.pixels()[i / 80 / 2 * 40 + i % 80 / 2]);
        }
    }
}
