//! From a canvas to the memory of a panel: pixel formats and rotation.

use std::fmt;
use std::str::FromStr;

use embedded_graphics::geometry::{OriginDimensions, Point, Size};

use super::Canvas;

/// How a panel stores a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Four bytes: blue, green, red, and one that is not shown (`XRGB8888`, little endian).
    Xrgb8888,
    /// Two bytes: 5 bits of red at the top, 6 of green, 5 of blue (`RGB565`, little endian).
    Rgb565,
}

impl PixelFormat {
    /// Bytes a pixel takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Xrgb8888 => 4,
            Self::Rgb565 => 2,
        }
    }

    /// Writes a `0x00RRGGBB` word as the panel stores it.
    fn store(self, word: u32, to: &mut [u8]) {
        match self {
            // Some panels blend with what is below by the byte that is not shown.
            Self::Xrgb8888 => to.copy_from_slice(&(word | 0xFF00_0000).to_le_bytes()),
            Self::Rgb565 => {
                let packed = (word >> 8 & 0xF800) | (word >> 5 & 0x07E0) | (word >> 3 & 0x001F);
                to.copy_from_slice(&(packed as u16).to_le_bytes());
            }
        }
    }
}

/// By how much the picture is turned on the panel, clockwise: for panels that are mounted on their
/// side or upside down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// A quarter turn.
    Quarter,
    /// Upside down.
    Half,
    /// Three quarter turns.
    ThreeQuarters,
}

impl Rotation {
    /// A rotation by 0, 90, 180 or 270 degrees clockwise.
    pub fn from_degrees(degrees: u32) -> Option<Self> {
        match degrees {
            0 => Some(Self::None),
            90 => Some(Self::Quarter),
            180 => Some(Self::Half),
            270 => Some(Self::ThreeQuarters),
            _ => None,
        }
    }

    /// The size of a picture of `size` after the rotation.
    pub fn turned(self, size: Size) -> Size {
        match self {
            Self::None | Self::Half => size,
            Self::Quarter | Self::ThreeQuarters => Size::new(size.height, size.width),
        }
    }

    /// The pixel of the canvas that is shown at the pixel `at` of a panel of `panel` pixels; off the
    /// canvas where it is off the panel.
    pub fn to_canvas(self, at: Point, panel: Size) -> Point {
        let (right, bottom) = (panel.width as i32 - 1, panel.height as i32 - 1);
        match self {
            Self::None => at,
            Self::Quarter => Point::new(at.y, right - at.x),
            Self::Half => Point::new(right - at.x, bottom - at.y),
            Self::ThreeQuarters => Point::new(bottom - at.y, at.x),
        }
    }

    /// The pixel of the panel that shows the pixel `at` of the canvas: undoes
    /// [`to_canvas`](Self::to_canvas).
    pub fn to_panel(self, at: Point, panel: Size) -> Point {
        let back = match self {
            Self::Quarter => Self::ThreeQuarters,
            Self::ThreeQuarters => Self::Quarter,
            same => same,
        };
        back.to_canvas(at, self.turned(panel))
    }
}

impl FromStr for Rotation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().ok().and_then(Self::from_degrees).ok_or("give 0, 90, 180 or 270".into())
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", *self as u32 * 90)
    }
}

/// Writes `canvas`, turned by `rotation`, to a panel's memory: `panel` pixels in rows of `stride`
/// bytes, of which those after the pixels are left as they are. What of the panel the canvas does not
/// cover becomes black. Bytes are written in order, as memory that is not cached wants it.
///
/// # Panics
/// If `stride` is less than a row's pixels take, or `memory` is shorter than all rows.
pub fn write_rotated(
    canvas: &Canvas,
    rotation: Rotation,
    format: PixelFormat,
    panel: Size,
    stride: usize,
    memory: &mut [u8],
) {
    let bytes = format.bytes();
    let (columns, rows) = (panel.width as usize, panel.height as usize);
    assert!(columns * bytes <= stride, "rows of {columns} pixels don't fit into {stride} bytes");
    let Size { width, height } = canvas.size();
    let turned = rotation.turned(canvas.size());
    let (width, height) = (width as isize, height as isize);
    let covered = turned.width.min(panel.width) as usize;
    for y in 0..rows {
        let row = &mut memory[y * stride..][..columns * bytes];
        let (picture, rest) =
            row.split_at_mut(if y < turned.height as usize { covered * bytes } else { 0 });
        // The canvas's pixel for the row's first, and how far it is from one to the next.
        let y = y as isize;
        let (first, step) = match rotation {
            Rotation::None => (y * width, 1),
            Rotation::Quarter => ((height - 1) * width + y, -width),
            Rotation::Half => ((height - y) * width - 1, -1),
            Rotation::ThreeQuarters => (width - 1 - y, width),
        };
        let mut at = first;
        for pixel in picture.chunks_exact_mut(bytes) {
            format.store(canvas.pixels()[at as usize], pixel);
            at += step;
        }
        rest.chunks_exact_mut(bytes).for_each(|pixel| format.store(0, pixel));
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::Pixel;
    use embedded_graphics::draw_target::DrawTarget;
    use embedded_graphics::pixelcolor::Rgb888;

    use super::*;

    const ALL: [Rotation; 4] =
        [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

    /// Pixel (x, y) is blue by 10 y + x.
    fn numbered(size: Size) -> Canvas {
        let mut canvas = Canvas::new(size);
        let all = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
        let pixels = all.map(|(x, y)| {
            Pixel(Point::new(x as i32, y as i32), Rgb888::new(0, 0, (10 * y + x) as u8))
        });
        canvas.draw_iter(pixels).unwrap();
        canvas
    }

    fn shown(rotation: Rotation, panel: Size) -> Vec<u8> {
        let stride = panel.width as usize * 4 + 4;
        let mut memory = vec![7; stride * panel.height as usize];
        let canvas = numbered(Size::new(3, 2));
        write_rotated(&canvas, rotation, PixelFormat::Xrgb8888, panel, stride, &mut memory);
        for row in memory.chunks_exact(stride) {
            assert_eq!(row[stride - 4..], [7; 4], "what is after the pixels stays");
            assert!(row[..stride - 4].chunks_exact(4).all(|p| p[1..] == [0, 0, 255]));
        }
        let pixels = memory.chunks_exact(stride).flat_map(|row| row[..stride - 4].chunks_exact(4));
        pixels.map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn the_picture_turns_clockwise() {
        let (lying, standing) = (Size::new(3, 2), Size::new(2, 3));
        assert_eq!(shown(Rotation::None, lying), [0, 1, 2, 10, 11, 12]);
        assert_eq!(shown(Rotation::Quarter, standing), [10, 0, 11, 1, 12, 2]);
        assert_eq!(shown(Rotation::Half, lying), [12, 11, 10, 2, 1, 0]);
        assert_eq!(shown(Rotation::ThreeQuarters, standing), [2, 12, 1, 11, 0, 10]);
    }

    #[test]
    fn a_panel_of_another_size_is_cut_or_framed() {
        assert_eq!(shown(Rotation::None, Size::new(2, 1)), [0, 1]);
        assert_eq!(shown(Rotation::None, Size::new(4, 3)), [0, 1, 2, 0, 10, 11, 12, 0, 0, 0, 0, 0]);
        assert_eq!(shown(Rotation::Quarter, Size::new(1, 2)), [10, 11]);
        for rotation in ALL {
            shown(rotation, Size::new(1, 1));
            shown(rotation, Size::new(9, 9));
            shown(rotation, Size::zero());
        }
    }

    #[test]
    fn a_touch_finds_the_pixel_that_is_shown_there() {
        let size = Size::new(3, 2);
        let canvas = numbered(size);
        for rotation in ALL {
            let panel = rotation.turned(size);
            let pixels = shown(rotation, panel);
            for (i, &pixel) in pixels.iter().enumerate() {
                let at = Point::new(i as i32 % panel.width as i32, i as i32 / panel.width as i32);
                let on = rotation.to_canvas(at, panel);
                assert_eq!(
                    canvas.pixels()[(on.y * 3 + on.x) as usize],
                    u32::from(pixel),
                    "{rotation} {at}"
                );
                assert_eq!(rotation.to_panel(on, panel), at, "{rotation}");
            }
        }
    }

    #[test]
    fn words_are_packed_as_the_format_says() {
        let cases = [
            (PixelFormat::Rgb565, 0x00FF_0000, vec![0x00, 0xF8]),
            (PixelFormat::Rgb565, 0x0000_FF00, vec![0xE0, 0x07]),
            (PixelFormat::Rgb565, 0x0000_00FF, vec![0x1F, 0x00]),
            (PixelFormat::Rgb565, 0x0012_3456, vec![0xAA, 0x11]),
            (PixelFormat::Xrgb8888, 0x0012_3456, vec![0x56, 0x34, 0x12, 0xFF]),
        ];
        for (format, word, expected) in cases {
            let mut bytes = vec![0; format.bytes()];
            format.store(word, &mut bytes);
            assert_eq!(bytes, expected, "{format:?} {word:06x}");
        }
    }

    #[test]
    fn degrees_are_read_and_written() {
        for rotation in ALL {
            assert_eq!(rotation.to_string().parse(), Ok(rotation));
        }
        assert!("45".parse::<Rotation>().is_err() && "".parse::<Rotation>().is_err());
    }
}
