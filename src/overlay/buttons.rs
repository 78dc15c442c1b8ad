//! The touch buttons.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{
    Primitive, PrimitiveStyleBuilder, Rectangle, RoundedRectangle, StrokeAlignment,
};
use embedded_graphics::text::Alignment;

use super::palette::Chrome;
use super::scene::ButtonState;
use super::text::{Letters, cells, is_wide, without_middle};

/// Draws a button into its area, with a gap to its neighbours.
pub(super) fn draw_button<D: DrawTarget<Color = Rgb888>>(
    state: &ButtonState,
    area: Rectangle,
    unit: u32,
    chrome: &Chrome,
    target: &mut D,
) -> Result<(), D::Error> {
    let (fill, edge, ink) = match (state.enabled, state.active) {
        (false, _) => (chrome.disabled, chrome.disabled, chrome.text_disabled),
        (true, false) => (chrome.button, chrome.edge, chrome.text),
        (true, true) => (chrome.active, chrome.edge, chrome.active_text),
    };
    let style = PrimitiveStyleBuilder::new()
        .fill_color(fill)
        .stroke_color(edge)
        .stroke_width(unit)
        .stroke_alignment(StrokeAlignment::Inside)
        .build();
    let face = area.offset(-3 * unit as i32);
    RoundedRectangle::with_equal_corners(face, Size::new_equal(8 * unit))
        .into_styled(style)
        .draw(target)?;
    let room = face.offset(-2 * unit as i32);
    let lines = lines(&state.label, room.size.width, unit);
    let longest = lines.iter().max_by_key(|line| cells(line)).map_or("", String::as_str);
    let rows = lines.len() as u32;
    let line_room = Size::new(room.size.width, room.size.height / rows.max(1));
    let letters = Letters::narrowed(line_room, longest, unit);
    let height = letters.height(longest);
    let top = room.top_left.y + (room.size.height.saturating_sub(rows * height) / 2) as i32;
    for (line, y) in lines.iter().zip([top, top + height as i32]) {
        let place = Rectangle::new(
            Point::new(room.top_left.x, y),
            Size::new(room.size.width, height.min(line_room.height)),
        );
        letters.write(line, place, Alignment::Center, (ink, Some(fill)), target)?;
    }
    Ok(())
}

/// The label in one line or two: whole where it fits with the largest letters, or else between words, or
/// whole with smaller ones, or between Chinese letters. No word is broken: a line that is too long keeps both
/// its ends, so that labels which begin or end alike can be told from each other.
fn lines(label: &str, width: u32, unit: u32) -> Vec<String> {
    if Letters::largest(unit).width(label) <= width {
        return vec![label.to_owned()];
    }
    let limit = (width / Letters::narrowed(Size::zero(), label, unit).cell()) as usize;
    let longer = |lines: &[&str; 2]| lines.iter().map(|line| cells(line)).max();
    let halved = |may_break: fn(char, char) -> bool| {
        let pairs = label.char_indices().zip(label.chars().skip(1));
        let breaks = pairs.filter(|((_, before), after)| may_break(*before, *after));
        let lines = breaks.map(|((at, before), _)| label.split_at(at + before.len_utf8()));
        lines.map(|(first, second)| [first, second].map(str::trim)).min_by_key(longer)
    };
    let between_words = halved(|before, _| before == ' ');
    if let Some(lines) = between_words.filter(|lines| longer(lines) <= Some(limit)) {
        return lines.map(str::to_owned).to_vec();
    }
    if cells(label) <= limit {
        return vec![label.to_owned()];
    }
    let anywhere = halved(|before, after| before == ' ' || is_wide(before) || is_wide(after));
    let lines = anywhere.map_or(vec![label], |lines| lines.to_vec());
    lines.into_iter().map(|line| without_middle(line, limit)).collect()
}

#[cfg(test)]
mod tests {
    use embedded_graphics::geometry::OriginDimensions;
    use embedded_graphics::pixelcolor::IntoStorage;

    use crate::geometry::FrameSize;
    use crate::overlay::layout::Layout;
    use crate::overlay::palette::Theme;
    use crate::overlay::scene::Button;
    use crate::screen::Canvas;

    use super::*;

    fn state(label: &'static str, enabled: bool, active: bool) -> ButtonState {
        ButtonState { button: Button::Save, label: label.into(), enabled, active }
    }

    #[test]
    fn labels_break_only_where_they_must() {
        let cases = [
            ("fits", "Next mask", 90, vec!["Next mask"]),
            ("two words", "Next mask", 89, vec!["Next", "mask"]),
            ("three", "left lobe cyst", 88, vec!["left", "lobe cyst"]),
            ("one word", "Freeze", 50, vec!["Freeze"]),
            ("a long one", "hydronephrosis", 84, vec!["hydronephrosis"]),
            ("a longer one", "hydronephrosis", 83, vec!["hydro...rosis"]),
            ("too long", "ventricular wall, left", 80, vec!["ventricular", "wall, left"]),
            ("far too long", "ventricular walls, left", 60, vec!["vent...lar", "wall...eft"]),
            ("Chinese", "左心室壁运动异常", 80, vec!["左心室壁", "运动异常"]),
            ("Chinese, too long", "左心室壁运动异常", 60, vec!["左...壁", "运...常"]),
            ("both", "左室 EF 52 %", 56, vec!["左室", "EF 52 %"]),
            ("no room", "Freeze", 7, vec!["."]),
        ];
        for (name, label, width, expected) in cases {
            assert_eq!(lines(label, width, 1), expected, "{name}");
        }
    }

    /// On the narrowest buttons of panels that have the room: those of 480 × 272.
    #[test]
    fn no_word_of_the_program_is_broken_or_cut() {
        let layout = Layout::new(Size::new(480, 272), FrameSize::new(640, 480));
        let width = layout.button_area(Button::Calliper).size.width - 10;
        for (text, joint) in
            [(include_str!("../words/en.toml"), " "), (include_str!("../words/zh.toml"), "")]
        {
            let words: toml::Table = text.parse().unwrap();
            for (key, label) in words["button"].as_table().unwrap() {
                let label = label.as_str().unwrap();
                assert_eq!(lines(label, width, 1).join(joint), label, "{key}");
            }
        }
    }

    #[test]
    fn the_looks_differ_and_stay_in_their_place() {
        let area = Rectangle::new(Point::new(10, 5), Size::new(96, 64));
        let drawn = |enabled, active| {
            let mut canvas = Canvas::new(Size::new(120, 80));
            let state = state("New object", enabled, active);
            draw_button(&state, area, 1, Theme::Dark.chrome(), &mut canvas).unwrap();
            canvas
        };
        let looks = [drawn(false, false), drawn(true, false), drawn(true, true)];
        assert_ne!(looks[0], looks[1]);
        assert_ne!(looks[1], looks[2]);
        let ink = Theme::Dark.chrome().text.into_storage();
        assert!(looks[1].pixels().iter().filter(|&&p| p == ink).count() > 100);
        let width = looks[1].size().width as usize;
        for (i, _) in looks[1].pixels().iter().enumerate().filter(|&(_, &p)| p != 0) {
            let (x, y) = (i % width, i / width);
            assert!((13..103).contains(&x) && (8..66).contains(&y), "({x}, {y})");
        }
    }

    #[test]
    fn no_size_is_too_small() {
        for (w, h) in [(0, 0), (1, 1), (3, 50), (50, 3), (7, 7), (13, 9)] {
            let mut canvas = Canvas::new(Size::new(60, 60));
            let area = Rectangle::new(Point::new(5, 5), Size::new(w, h));
            let chrome = Theme::Day.chrome();
            draw_button(&state("Next mask", true, true), area, 1, chrome, &mut canvas).unwrap();
            draw_button(&state("", true, true), area, 3, chrome, &mut canvas).unwrap();
        }
    }
}
