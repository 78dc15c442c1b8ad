//! Single lines of text that never leave their place.
//!
//! A text is a row of cells: Latin letters take one each, Chinese ones two, side by side as in a
//! terminal. Chinese letters and signs are those of GB 2312.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X13, FONT_8X13, FONT_9X15, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyleBuilder};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Alignment, Baseline, Text};
use embedded_graphics::{Drawable, Pixel};
use u8g2_fonts::fonts::u8g2_font_wqy16_t_gb2312;
use u8g2_fonts::types::{FontColor, VerticalPosition};
use u8g2_fonts::{Error, FontRenderer};

/// What stands for the rest of a text that is cut.
const ELLIPSIS: &str = "...";

/// WenQuanYi Bitmap Song, for what Latin fonts lack.
const CHINESE: FontRenderer = FontRenderer::new::<u8g2_font_wqy16_t_gb2312>();

/// The height and width of its letters, and how far their baseline lies below their top.
const CHINESE_SIDE: u32 = 16;
const CHINESE_BASELINE: i32 = 14;

/// A font's letters, magnified.
#[derive(Clone, Copy)]
pub(super) struct Letters {
    font: &'static MonoFont<'static>,
    magnification: u32,
}

/// The number of cells that `text` takes.
pub(super) fn cells(text: &str) -> usize {
    text.chars().map(cells_of).sum()
}

fn cells_of(c: char) -> usize {
    if is_latin(c) || !is_known(c) { 1 } else { 2 }
}

/// Whether it takes two cells, and a line may break on either side of it.
pub(super) fn is_wide(c: char) -> bool {
    cells_of(c) == 2
}

/// Whether the Latin fonts have it, or it is a space of any kind.
fn is_latin(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{ff}') || c.is_whitespace()
}

/// The first letter of `text` that there is no picture of on the screen: there are those of Western European
/// languages and of GB 2312.
pub fn unknown_letter(text: &str) -> Option<char> {
    text.chars().find(|c| !is_known(*c))
}

/// Whether there is a letter for it.
fn is_known(c: char) -> bool {
    let baseline = VerticalPosition::Baseline;
    is_latin(c) || CHINESE.get_rendered_dimensions(c, Point::zero(), baseline).is_ok()
}

impl Letters {
    /// The largest letters with which `text` fits into `room`; the smallest where none do.
    pub fn fitting(room: Size, text: &str, magnification: u32) -> Self {
        let fonts = [&FONT_10X20, &FONT_9X15, &FONT_8X13];
        let of = |font| Self { font, magnification };
        let fits = |letters: &Self| {
            letters.width(text) <= room.width && letters.height(text) <= room.height
        };
        fonts.map(of).into_iter().find(fits).unwrap_or(of(&FONT_8X13))
    }

    /// The largest letters.
    pub fn largest(magnification: u32) -> Self {
        Self::fitting(Size::new_equal(u32::MAX), "", magnification)
    }

    /// As [`fitting`](Self::fitting), down to letters that are as high as the smallest of those and narrower,
    /// for words on buttons. Chinese letters don't get narrower.
    pub fn narrowed(room: Size, text: &str, magnification: u32) -> Self {
        let fitting = Self::fitting(room, text, magnification);
        let narrow = fitting.width(text) > room.width && !text.chars().any(is_wide);
        if narrow { Self { font: &FONT_6X13, ..fitting } } else { fitting }
    }

    /// The width of one cell in pixels.
    pub fn cell(&self) -> u32 {
        (self.font.character_size.width + self.font.character_spacing) * self.magnification
    }

    /// The width of `text` in pixels.
    pub fn width(&self, text: &str) -> u32 {
        self.cell().saturating_mul(cells(text) as u32)
    }

    /// The height of `text` in pixels.
    pub fn height(&self, text: &str) -> u32 {
        let chinese = if text.chars().any(is_wide) { CHINESE_SIDE } else { 0 };
        self.font.character_size.height.max(chinese) * self.magnification
    }

    /// Writes `text` into `area` in one line, in the middle of its height and at the side that
    /// `alignment` names. What does not fit is cut, letters that no font has become `?`. Where
    /// a `background` is given, it fills the letters' boxes.
    pub fn write<D: DrawTarget<Color = Rgb888>>(
        &self,
        text: &str,
        area: Rectangle,
        alignment: Alignment,
        colours: (Rgb888, Option<Rgb888>),
        target: &mut D,
    ) -> Result<(), D::Error> {
        let text = cut(text, (area.size.width / self.cell()) as usize);
        let height = self.height(&text);
        if text.is_empty() || height > area.size.height {
            return Ok(());
        }
        let spare = area.size.width - self.width(&text);
        let left = match alignment {
            Alignment::Left => 0,
            Alignment::Center => spare / 2,
            Alignment::Right => spare,
        };
        let top = (area.size.height - height) / 2;
        let origin = area.top_left + Point::new(left as i32, top as i32);
        if self.magnification == 1 {
            self.draw(&text, origin, colours, target)
        } else {
            let mut magnified = Magnified { target, origin, by: self.magnification };
            self.draw(&text, Point::zero(), colours, &mut magnified)
        }
    }

    /// Draws the letters, not magnified.
    fn draw<D: DrawTarget<Color = Rgb888>>(
        &self,
        text: &str,
        origin: Point,
        (colour, background): (Rgb888, Option<Rgb888>),
        target: &mut D,
    ) -> Result<(), D::Error> {
        let plain = Self { magnification: 1, ..*self };
        let height = plain.height(text);
        let mut style = MonoTextStyleBuilder::new().font(self.font).text_color(colour);
        if let Some(background) = background {
            style = style.background_color(background);
        }
        let below = |height_of: u32| (height.saturating_sub(height_of) / 2) as i32;
        let mut at = origin;
        for run in text.split_inclusive(is_wide) {
            let latin = run.trim_end_matches(is_wide);
            let corner = at + Point::new(0, below(self.font.character_size.height));
            Text::with_baseline(latin, corner, style.build(), Baseline::Top).draw(target)?;
            at.x += plain.width(latin) as i32;
            for letter in run[latin.len()..].chars() {
                let size = Size::new(2 * plain.cell(), height);
                if let Some(background) = background {
                    target.fill_solid(&Rectangle::new(at, size), background)?;
                }
                let aside = (size.width.saturating_sub(CHINESE_SIDE) / 2) as i32;
                let foot = at + Point::new(aside, below(CHINESE_SIDE) + CHINESE_BASELINE);
                let (place, ink) = (VerticalPosition::Baseline, FontColor::Transparent(colour));
                match CHINESE.render(letter, foot, place, ink, target) {
                    Err(Error::DisplayError(error)) => return Err(error),
                    // Every letter that is left has a glyph.
                    _ => at.x += size.width as i32,
                }
            }
        }
        Ok(())
    }
}

/// `text` with at most `limit` cells: letters that no font has become `?`, line breaks and tabs
/// spaces, and a text that is too long ends in an ellipsis.
fn cut(text: &str, limit: usize) -> String {
    let printable = |c: char| match c {
        c if c.is_whitespace() => ' ',
        c if is_known(c) => c,
        _ => '?',
    };
    let whole = cells(text) <= limit;
    let kept = if whole { limit } else { limit.saturating_sub(ELLIPSIS.len()) };
    let mut cut: String = text[..within(text, kept)].chars().map(printable).collect();
    if !whole {
        cut.extend(ELLIPSIS.chars().take(limit));
    }
    cut
}

/// How many bytes of `text` are in its first `limit` cells.
fn within(text: &str, limit: usize) -> usize {
    let mut taken = 0;
    let fits = |(_, c): &(usize, char)| {
        taken += cells_of(*c);
        taken > limit
    };
    text.char_indices().find(fits).map_or(text.len(), |(at, _)| at)
}

/// `text` with at most `limit` cells: one that is too long loses its middle.
pub(super) fn without_middle(text: &str, limit: usize) -> String {
    if cells(text) <= limit {
        return text.to_owned();
    }
    let kept = limit.saturating_sub(ELLIPSIS.len());
    let head = &text[..within(text, kept.div_ceil(2))];
    let backwards: String = text.chars().rev().collect();
    let tail: String = backwards[..within(&backwards, kept / 2)].chars().rev().collect();
    format!("{head}{}{tail}", &ELLIPSIS[..limit.min(ELLIPSIS.len())])
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
            ("Chinese", "心脏 5 mm", 20, "心脏 5 mm"),
            ("Chinese, too long", "心脏心脏", 7, "心脏..."),
            ("half a letter", "心脏心脏", 6, "心..."),
            ("other scripts", "ไทย\n1\u{7f}", 20, "??? 1?"),
        ];
        for (name, text, limit, expected) in cases {
            assert_eq!(cut(text, limit), expected, "{name}");
        }
    }

    #[test]
    fn labels_lose_their_middle() {
        for (name, text, limit, expected) in [
            ("fits", "lesion 1", 8, "lesion 1"),
            ("both ends", "lesion of the liver 12", 11, "lesi...r 12"),
            ("Chinese", "左心室壁异常", 9, "左...常"),
            ("no room for letters", "lesion", 4, "l..."),
            ("less", "lesion", 2, ".."),
            ("none", "lesion", 0, ""),
        ] {
            assert_eq!(without_middle(text, limit), expected, "{name}");
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
                    let letters = Letters::fitting(area.size, "心1", magnification);
                    let colours = (Rgb888::new(1, 1, 1), Some(Rgb888::new(2, 2, 2)));
                    letters.write("Ü心all", area, side, colours, &mut canvas).unwrap();
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
            let mut canvas = Canvas::new(Size::new(60, 20) * magnification);
            let area = Rectangle::new(Point::zero(), canvas.size());
            let letters = Letters { font: &FONT_10X20, magnification };
            let colours = (Rgb888::new(9, 9, 9), None);
            letters.write("g+心", area, Alignment::Left, colours, &mut canvas).unwrap();
            canvas
        };
        let (plain, double) = (write(1), write(2));
        assert!(plain.pixels().contains(&Rgb888::new(9, 9, 9).into_storage()));
        for (i, &pixel) in double.pixels().iter().enumerate() {
            assert_eq!(pixel, plain.pixels()[i / 120 / 2 * 60 + i % 120 / 2]);
        }
    }

    #[test]
    fn chinese_letters_take_two_cells_and_their_signs_too() {
        for (text, expected) in
            [("", 0), ("Live", 4), ("冻结", 4), ("点：", 4), ("5 毫米", 6), ("ไ", 1)]
        {
            assert_eq!(cells(text), expected, "{text}");
        }
        let letters = Letters::fitting(Size::new(40, 16), "冻结", 1);
        assert_eq!((letters.width("冻结"), letters.height("冻结")), (36, 16));
        let mut canvas = Canvas::new(Size::new(40, 16));
        let area = Rectangle::new(Point::zero(), canvas.size());
        let colours = (Rgb888::new(9, 9, 9), None);
        letters.write("冻结", area, Alignment::Left, colours, &mut canvas).unwrap();
        let ink = canvas.pixels().iter().filter(|&&p| p != 0).count();
        assert!(ink > 80, "{ink}");
    }
}
