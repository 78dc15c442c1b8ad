//! Neighbourhoods, exactly, and convolutions against f64, with the same bits on every instruction set.

use super::super::testing::{ROUNDING, assert_near, floats, not_finite, same_on_all};
use super::*;

/// A kernel on an image of `height` × `width`.
struct Case {
    window: Window,
    weight: Vec<f32>,
    bias: Vec<f32>,
    height: usize,
    width: usize,
    image: Vec<f32>,
}

impl Case {
    fn new(
        channels: usize,
        (kernel, stride, padding): (usize, usize, usize),
        (height, width): (usize, usize),
    ) -> Self {
        Self {
            window: Window { channels, kernel, stride, padding },
            weight: floats(1, channels * kernel * kernel),
            bias: floats(2, channels),
            height,
            width,
            image: floats(3, height * width * channels),
        }
    }

    fn depthwise(&self, isa: Isa) -> Conv {
        Conv::depthwise(isa, self.window, &self.weight, &self.bias)
    }

    /// The output's height and width.
    fn size(&self) -> (usize, usize) {
        let side = |side| self.window.output_side(side).expect("the kernel fits");
        (side(self.height), side(self.width))
    }

    /// The output, with up to `columns` columns at a time.
    fn output(&self, conv: &Conv, columns: usize) -> Vec<f32> {
        assert_eq!(conv.window(), self.window);
        let Window { channels, kernel, stride, padding } = self.window;
        let ((height, width), values) = (self.size(), conv.outputs());
        let mut out = vec![7.0; height * width * values];
        for (y, out) in out.chunks_exact_mut(width * values).enumerate() {
            let rows: Vec<_> = (y * stride..y * stride + kernel)
                .map(|row| {
                    let row = row.checked_sub(padding).filter(|row| *row < self.height)?;
                    Some(&self.image[row * self.width * channels..][..self.width * channels])
                })
                .collect();
            for (part, out) in out.chunks_mut(columns * values).enumerate() {
                conv.row(&rows, padding, part * columns, out);
            }
        }
        out
    }

    /// The value under a place of the kernel; `None` outside the image.
    fn under(&self, (y, x): (usize, usize), place: usize, channel: usize) -> Option<f32> {
        let Window { channels, kernel, stride, padding } = self.window;
        let at = |position: usize, side| position.checked_sub(padding).filter(|at| *at < side);
        let y = at(y * stride + place / kernel, self.height)?;
        let x = at(x * stride + place % kernel, self.width)?;
        Some(self.image[(y * self.width + x) * channels + channel])
    }

    /// A value of the depthwise output, and how far off one may be that is rounded with each
    /// product.
    fn exact(&self, at: (usize, usize), channel: usize) -> (f64, f64) {
        let mut sum = f64::from(self.bias[channel]);
        let (mut magnitude, mut products) = (sum.abs(), 0);
        let places = self.window.kernel * self.window.kernel;
        for place in 0..places {
            let Some(value) = self.under(at, place, channel) else { continue };
            let product = f64::from(value) * f64::from(self.weight[channel * places + place]);
            (sum, magnitude, products) = (sum + product, magnitude + product.abs(), products + 1);
        }
        (sum, magnitude * f64::from(products) * ROUNDING * 1.01)
    }

    /// Which pixel and which value of it the output's value `index` is.
    fn place(&self, index: usize, values: usize) -> ((usize, usize), usize) {
        let (_, width) = self.size();
        ((index / values / width, index / values % width), index % values)
    }

    fn check_neighbourhoods(&self) {
        let conv = Conv::neighbourhoods(Isa::Portable, self.window);
        let (channels, values) = (self.window.channels, conv.outputs());
        for columns in [1, 4, 100] {
            let found = self.output(&conv, columns);
            let expected = (0..found.len()).map(|index| {
                let (at, value) = self.place(index, values);
                self.under(at, value / channels, value % channels).unwrap_or(0.0)
            });
            assert_eq!(found, expected.collect::<Vec<_>>(), "{columns}");
        }
    }

    fn check_depthwise(&self) {
        let found = same_on_all(|isa| self.output(&self.depthwise(isa), 100));
        let channels = self.window.channels;
        let exact = (0..found.len()).map(|index| {
            let (at, channel) = self.place(index, channels);
            self.exact(at, channel)
        });
        assert_near(&found, exact);
        assert_eq!(same_on_all(|isa| self.output(&self.depthwise(isa), 3)), found);
    }
}

/// Kernel, stride and padding.
const GEOMETRIES: [(usize, usize, usize); 8] =
    [(1, 1, 0), (1, 2, 0), (2, 2, 0), (3, 1, 1), (3, 2, 1), (3, 1, 0), (3, 2, 2), (5, 3, 2)];

#[test]
fn neighbours_side_by_side() {
    for geometry in GEOMETRIES {
        for channels in [1, 3, 17] {
            for size in [(5, 5), (7, 6), (5, 23)] {
                Case::new(channels, geometry, size).check_neighbourhoods();
            }
        }
    }
}

#[test]
fn each_channel_by_itself() {
    for geometry in GEOMETRIES {
        for channels in [1, 2, 15, 16, 17, 32, 33] {
            for size in [(5, 5), (7, 6), (6, 17)] {
                Case::new(channels, geometry, size).check_depthwise();
            }
        }
    }
}

#[test]
fn an_image_smaller_than_its_kernel() {
    for case in [Case::new(3, (3, 1, 1), (1, 1)), Case::new(3, (5, 2, 2), (1, 2))] {
        case.check_neighbourhoods();
        case.check_depthwise();
    }
    let window = Window { channels: 1, kernel: 3, stride: 1, padding: 0 };
    assert_eq!(window.output_side(2), None);
    assert_eq!(window.output_side(3), Some(1));
}

#[test]
fn what_is_not_a_number_shows_where_the_kernel_sees_it() {
    for channels in [4, 16] {
        let mut case = Case::new(channels, (3, 1, 1), (6, 7));
        case.image[(2 * 7 + 3) * channels + 1] = f32::NAN;
        let found = same_on_all(|isa| case.output(&case.depthwise(isa), 100));
        let seen = |i: &usize| {
            let ((y, x), channel) = case.place(*i, channels);
            y.abs_diff(2) <= 1 && x.abs_diff(3) <= 1 && channel == 1
        };
        let expected: Vec<_> = (0..found.len()).filter(seen).collect();
        assert_eq!(not_finite(&found), expected);
    }
}

#[test]
fn multiplications_are_counted() {
    let case = Case::new(5, (3, 1, 1), (4, 4));
    assert_eq!(case.depthwise(Isa::Portable).macs_per_pixel(), 9 * 5);
    assert_eq!(Conv::neighbourhoods(Isa::Portable, case.window).macs_per_pixel(), 0);
}
