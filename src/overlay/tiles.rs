//! Records side by side, for fingers to choose from.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::pixelcolor::raw::RawU24;
use embedded_graphics::primitives::{Primitive, PrimitiveStyle, Rectangle, RoundedRectangle};
use embedded_graphics::text::Alignment;

use crate::frame::Frame;
use crate::geometry::FrameSize;

use super::palette::Chrome;
use super::scale::Scaler;
use super::scene::Tile;
use super::text::{Letters, cells};
use super::viewport::Viewport;

/// Where `count` tiles stand in `room`, row by row: as many columns as keep pictures of 4 to 3 large.
pub(super) fn tile_areas(room: Rectangle, count: usize) -> Vec<Rectangle> {
    let count = count as u32;
    let tile = |columns: u32| {
        Size::new(room.size.width / columns, room.size.height / count.div_ceil(columns))
    };
    let picture =
        |columns: &u32| tile(*columns).width.saturating_mul(3).min(tile(*columns).height * 4);
    let Some(columns) = (1..=count).max_by_key(picture) else { return Vec::new() };
    let size = tile(columns);
    let corner = |i: u32| {
        let (column, row) = (i % columns, i / columns);
        room.top_left + Point::new((column * size.width) as i32, (row * size.height) as i32)
    };
    (0..count).map(|i| Rectangle::new(corner(i), size)).collect()
}

/// Draws a tile into its area, with a gap to its neighbours: the picture, and two lines below it.
pub(super) fn draw_tile<D: DrawTarget<Color = Rgb888>>(
    tile: &Tile,
    area: Rectangle,
    unit: u32,
    chrome: &Chrome,
    target: &mut D,
) -> Result<(), D::Error> {
    let face = area.offset(-3 * unit as i32);
    RoundedRectangle::with_equal_corners(face, Size::new_equal(8 * unit))
        .into_styled(PrimitiveStyle::with_fill(chrome.button))
        .draw(target)?;
    let room = face.offset(-4 * unit as i32);
    let line = Size::new(room.size.width, room.size.height / 6);
    let longest = [&tile.title, &tile.note].into_iter().max_by_key(|text| cells(text));
    let longest = longest.map_or("", |text| text);
    let letters = Letters::fitting(line, longest, unit);
    let height = letters.height(&tile.title).max(letters.height(&tile.note));
    let line = Size::new(room.size.width, height.min(room.size.height / 2));
    let above = Size::new(room.size.width, room.size.height - 2 * line.height);
    if let Some(picture) = &tile.picture {
        draw_picture(picture, Rectangle::new(room.top_left, above), target)?;
    }
    let below = room.top_left + Point::new(0, above.height as i32);
    let rows = [(&tile.title, chrome.text), (&tile.note, chrome.text_dim)];
    for (row, (text, ink)) in rows.into_iter().enumerate() {
        let corner = below + Point::new(0, (row as u32 * line.height) as i32);
        let place = Rectangle::new(corner, line);
        letters.write(text, place, Alignment::Center, (ink, Some(chrome.button)), target)?;
    }
    Ok(())
}

fn draw_picture<D: DrawTarget<Color = Rgb888>>(
    picture: &Frame,
    room: Rectangle,
    target: &mut D,
) -> Result<(), D::Error> {
    let area = Viewport::fit(room, picture.size()).area();
    let to = FrameSize::new(area.size.width, area.size.height);
    if to.pixels() == 0 {
        return Ok(());
    }
    let mut scaler = Scaler::new(picture.size(), to);
    let mut row = vec![0; to.width as usize];
    for y in 0..to.height {
        scaler.row(picture, y, &mut row);
        let line = Rectangle::new(area.top_left + Point::new(0, y as i32), Size::new(to.width, 1));
        let colours = row.iter().map(|&word| Rgb888::from(RawU24::new(word)));
        target.fill_contiguous(&line, colours)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::palette::Theme;
    use crate::screen::Canvas;

    #[test]
    fn tiles_fill_the_room_without_overlap() {
        for (width, height) in [(656, 442), (1088, 750), (480, 618), (0, 0), (3, 900)] {
            let room = Rectangle::new(Point::new(4, 9), Size::new(width, height));
            for count in [0, 1, 2, 5, 6] {
                let areas = tile_areas(room, count);
                assert_eq!(areas.len(), count);
                for (i, area) in areas.iter().enumerate() {
                    assert!(area.is_zero_sized() || area.intersection(&room) == *area);
                    assert!(areas[i + 1..].iter().all(|b| area.intersection(b).is_zero_sized()));
                }
            }
        }
        let areas = tile_areas(Rectangle::new(Point::zero(), Size::new(656, 442)), 6);
        assert_eq!(areas[5], Rectangle::new(Point::new(436, 221), Size::new(218, 221)));
    }

    #[test]
    fn no_size_is_too_small() {
        let picture = Frame::from_rgb(FrameSize::new(4, 3), vec![200; 36]).ok();
        let tile = Tile { picture, title: "2026".into(), note: "1 structure".into() };
        for (width, height) in [(0, 0), (1, 1), (7, 60), (60, 7), (60, 60)] {
            let mut canvas = Canvas::new(Size::new(70, 70));
            let area = Rectangle::new(Point::new(2, 2), Size::new(width, height));
            draw_tile(&tile, area, 1, Theme::Dark.chrome(), &mut canvas).unwrap();
        }
    }
}
