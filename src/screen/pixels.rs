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
}

/// A `0x00RRGGBB` word as `XRGB8888`. Some panels blend with what is below by the byte that is not
/// shown.
fn xrgb8888(word: u32) -> [u8; 4] {
    (word | 0xFF00_0000).to_le_bytes()
}

/// A `0x00RRGGBB` word as `RGB565`.
fn rgb565(word: u32) -> [u8; 2] {
    let packed = (word >> 8 & 0xF800) | (word >> 5 & 0x07E0) | (word >> 3 & 0x001F);
    (packed as u16).to_le_bytes()
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
/// If `stride` is less than a row's pixels take, or `memory` ends within a row.
pub fn write_rotated(
    canvas: &Canvas,
    rotation: Rotation,
    format: PixelFormat,
    panel: Size,
    stride: usize,
    memory: &mut [u8],
) {
    let columns = panel.width as usize * format.bytes();
    assert!(columns <= stride, "rows of {columns} bytes don't fit into {stride}");
    let rows = memory.chunks_mut(stride.max(1)).take(panel.height as usize);
    let rows = rows.map(|row| &mut row[..columns]).enumerate();
    match format {
        PixelFormat::Xrgb8888 => {
            rows.for_each(|(y, row)| write_row(canvas, rotation, y, row, xrgb8888));
        }
        PixelFormat::Rgb565 => {
            rows.for_each(|(y, row)| write_row(canvas, rotation, y, row, rgb565))
        }
    }
}

/// Writes the row `y` of the canvas, turned by `rotation`, in pixels that `store` makes of its words.
fn write_row<const BYTES: usize>(
    canvas: &Canvas,
    rotation: Rotation,
    y: usize,
    row: &mut [u8],
    store: impl Fn(u32) -> [u8; BYTES],
) {
    let Size { width, height } = canvas.size();
    let (width, height) = (width as usize, height as usize);
    let pixels = canvas.pixels();
    // What is most often shown, many pixels at a time.
    let straight = match rotation {
        Rotation::None if y < height => &pixels[y * width..][..width],
        _ => &[],
    };
    let (shown, rest) = row.split_at_mut((straight.len() * BYTES).min(row.len()));
    for (pixel, word) in shown.chunks_exact_mut(BYTES).zip(straight) {
        pixel.copy_from_slice(&store(*word));
    }
    let mut rest = rest.chunks_exact_mut(BYTES);
    let mut put = |word: &u32| rest.next().map(|pixel| pixel.copy_from_slice(&store(*word)));
    let turned = rotation.turned(canvas.size());
    if turned.width > 0 && y < turned.height as usize {
        // A row of the canvas, or a column of it, in the one direction or the other; it ends with
        // the canvas or with the panel.
        let _ = match rotation {
            Rotation::None => Some(()),
            Rotation::Quarter => pixels[..=(height - 1) * width + y]
                .iter()
                .rev()
                .step_by(width)
                .try_for_each(&mut put),
            Rotation::Half => {
                pixels[(height - 1 - y) * width..][..width].iter().rev().try_for_each(&mut put)
            }
            Rotation::ThreeQuarters => {
                pixels[width - 1 - y..].iter().step_by(width).try_for_each(&mut put)
            }
        };
    }
    while put(&0).is_some() {}
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
            (0x00FF_0000, [0x00, 0xF8]),
            (0x0000_FF00, [0xE0, 0x07]),
            (0x0000_00FF, [0x1F, 0x00]),
            (0x0012_3456, [0xAA, 0x11]),
        ];
        for (word, expected) in cases {
            assert_eq!(rgb565(word), expected, "{word:06x}");
        }
        assert_eq!(xrgb8888(0x0012_3456), [0x56, 0x34, 0x12, 0xFF]);
        let mut memory = [9; 6];
        let canvas = numbered(Size::new(2, 1));
        let panel = Size::new(2, 1);
        write_rotated(&canvas, Rotation::Half, PixelFormat::Rgb565, panel, 6, &mut memory);
        assert_eq!(memory, [0, 0, 0, 0, 9, 9]);
    }

    #[test]
    fn degrees_are_read_and_written() {
        for rotation in ALL {
            assert_eq!(rotation.to_string().parse(), Ok(rotation));
        }
        assert!("45".parse::<Rotation>().is_err() && "".parse::<Rotation>().is_err());
    }
}
