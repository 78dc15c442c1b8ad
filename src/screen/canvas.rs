//! The picture a screen shows.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::{IntoStorage, Rgb888};
use embedded_graphics::prelude::PointsIter;
use embedded_graphics::primitives::Rectangle;

/// A picture in memory: one `0x00RRGGBB` word a pixel, row-major without padding, which is what
/// windows and most framebuffers take. Drawing outside it is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    pixels: Vec<u32>,
    size: Size,
}

impl Canvas {
    /// The longest side a screen may have, in pixels.
    pub const MAX_SIDE: u32 = 16384;

    /// A black picture. Sides beyond [`MAX_SIDE`](Self::MAX_SIDE) are cut to it.
    pub fn new(size: Size) -> Self {
        let size = size.component_min(Size::new_equal(Self::MAX_SIDE));
        Self { pixels: vec![0; size.width as usize * size.height as usize], size }
    }

    /// The pixels, row-major, `0x00RRGGBB`.
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// The rows from the top down, `0x00RRGGBB` a pixel.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.pixels.chunks_exact(self.size.width.max(1) as usize)
    }

    /// The picture as 8-bit RGB.
    pub fn to_image(&self) -> image::RgbImage {
        let mut picture = image::RgbImage::new(self.size.width, self.size.height);
        for (to, word) in picture.pixels_mut().zip(&self.pixels) {
            let [_, red, green, blue] = word.to_be_bytes();
            to.0 = [red, green, blue];
        }
        picture
    }

    /// The rows of `area` as slices, where all of it lies on the picture.
    fn rows_of(&mut self, area: &Rectangle) -> impl Iterator<Item = &mut [u32]> {
        let stride = self.size.width.max(1) as usize;
        let (left, width) = (area.top_left.x as usize, area.size.width as usize);
        self.pixels
            .chunks_exact_mut(stride)
            .skip(area.top_left.y as usize)
            .take(area.size.height as usize)
            .map(move |row| &mut row[left..left + width])
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        for Pixel(Point { x, y }, colour) in pixels {
            let on = |v: i32, length: u32| u32::try_from(v).is_ok_and(|v| v < length);
            if on(x, self.size.width) && on(y, self.size.height) {
                self.pixels[y as usize * self.size.width as usize + x as usize] =
                    colour.into_storage();
            }
        }
        Ok(())
    }

    fn fill_contiguous<I>(&mut self, area: &Rectangle, colors: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Rgb888>,
    {
        let whole = Rectangle::new(Point::zero(), self.size);
        if area.intersection(&whole) != *area {
            return self.draw_iter(area.points().zip(colors).map(|(p, c)| Pixel(p, c)));
        }
        let mut colours = colors.into_iter();
        for row in self.rows_of(area) {
            for (pixel, colour) in row.iter_mut().zip(&mut colours) {
                *pixel = colour.into_storage();
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let visible = area.intersection(&Rectangle::new(Point::zero(), self.size));
        self.rows_of(&visible).for_each(|row| row.fill(color.into_storage()));
        Ok(())
    }

    fn clear(&mut self, color: Rgb888) -> Result<(), Infallible> {
        self.pixels.fill(color.into_storage());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::pixelcolor::RgbColor;

    use super::*;

    /// Draws nothing but single pixels, so that everything else takes the provided methods.
    struct PixelByPixel(Canvas);

    impl OriginDimensions for PixelByPixel {
        fn size(&self) -> Size {
            self.0.size
        }
    }

    impl DrawTarget for PixelByPixel {
        type Color = Rgb888;
        type Error = Infallible;

        fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
            &mut self,
            pixels: I,
        ) -> Result<(), Infallible> {
            self.0.draw_iter(pixels)
        }
    }

    fn colours(count: usize) -> impl Iterator<Item = Rgb888> {
        (0..count).map(|i| Rgb888::new(i as u8, 7, 200))
    }

    #[test]
    fn fast_fills_equal_single_pixels() {
        let areas = [
            ("inside", Rectangle::new(Point::new(1, 2), Size::new(3, 2))),
            ("all", Rectangle::new(Point::zero(), Size::new(6, 5))),
            ("over every edge", Rectangle::new(Point::new(-2, -1), Size::new(20, 20))),
            ("over the left edge", Rectangle::new(Point::new(-2, 1), Size::new(4, 2))),
            ("right of it", Rectangle::new(Point::new(6, 0), Size::new(3, 3))),
            ("far off", Rectangle::new(Point::new(i32::MIN, i32::MIN), Size::new(3, 3))),
            ("without pixels", Rectangle::new(Point::new(2, 2), Size::new(0, 3))),
        ];
        for size in [Size::new(6, 5), Size::new(1, 1), Size::new(0, 4), Size::zero()] {
            for (name, area) in areas {
                let (mut fast, mut slow) = (Canvas::new(size), PixelByPixel(Canvas::new(size)));
                fast.fill_contiguous(&area, colours(400)).unwrap();
                slow.fill_contiguous(&area, colours(400)).unwrap();
                assert_eq!(fast, slow.0, "contiguous, {name}, {size}");
                fast.fill_solid(&area, Rgb888::GREEN).unwrap();
                slow.fill_solid(&area, Rgb888::GREEN).unwrap();
                assert_eq!(fast, slow.0, "solid, {name}, {size}");
                fast.clear(Rgb888::MAGENTA).unwrap();
                slow.clear(Rgb888::MAGENTA).unwrap();
                assert_eq!(fast, slow.0, "clear, {name}, {size}");
            }
        }
    }

    #[test]
    fn too_few_colours_leave_the_rest() {
        let mut canvas = Canvas::new(Size::new(2, 2));
        canvas.fill_contiguous(&Rectangle::new(Point::zero(), canvas.size), colours(3)).unwrap();
        assert_eq!(canvas.pixels(), [0x0007c8, 0x0107c8, 0x0207c8, 0]);
    }

    #[test]
    fn a_picture_has_red_green_and_blue_in_this_order() {
        let mut canvas = Canvas::new(Size::new(1, 1));
        canvas.clear(Rgb888::new(1, 2, 3)).unwrap();
        assert_eq!(canvas.to_image().as_raw(), &[1, 2, 3]);
        assert_eq!(canvas.pixels(), [0x010203]);
    }

    #[test]
    fn sides_are_bounded() {
        assert_eq!(Canvas::new(Size::new(u32::MAX, 1)).size(), Size::new(Canvas::MAX_SIDE, 1));
    }
}
