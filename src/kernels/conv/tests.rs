//! Convolutions against f64, with the same bits on every instruction set.

use super::super::testing::{ROUNDING, assert_near, floats, not_finite, same_on_all};
use super::*;

/// A convolution of an image of `height` × `width`.
struct Case {
    shape: ConvShape,
    depthwise: bool,
    weight: Vec<f32>,
    bias: Vec<f32>,
    height: usize,
    width: usize,
    image: Vec<f32>,
}

impl Case {
    fn new(
        (inputs, outputs): (usize, usize),
        (kernel, stride, padding): (usize, usize, usize),
        (height, width): (usize, usize),
        depthwise: bool,
    ) -> Self {
        let shape = ConvShape { inputs, outputs, kernel, stride, padding };
        let group = if depthwise { 1 } else { inputs };
        Self {
            shape,
            depthwise,
            weight: floats(1, outputs * group * kernel * kernel),
            bias: floats(2, outputs),
            height,
            width,
            image: floats(3, height * width * inputs),
        }
    }

    /// The output's height and width.
    fn size(&self) -> (usize, usize) {
        let side = |side| self.shape.output_side(side).expect("the kernel fits");
        (side(self.height), side(self.width))
    }

    fn output(&self, isa: Isa) -> Vec<f32> {
        let conv = Conv::new(isa, self.shape, self.depthwise, &self.weight, &self.bias);
        assert_eq!(conv.shape(), self.shape);
        let ConvShape { inputs, outputs, kernel, stride, padding } = self.shape;
        let (height, width) = self.size();
        let mut out = vec![7.0; height * width * outputs];
        for (y, out) in out.chunks_exact_mut(width * outputs).enumerate() {
            let rows: Vec<_> = (y * stride..y * stride + kernel)
                .map(|row| {
                    let row = row.checked_sub(padding).filter(|row| *row < self.height)?;
                    Some(&self.image[row * self.width * inputs..][..self.width * inputs])
                })
                .collect();
            conv.row(&rows, padding, out);
        }
        out
    }

    /// A value of the output, and how far off one may be that is rounded with each product.
    fn exact(&self, y: usize, x: usize, output: usize) -> (f64, f64) {
        let ConvShape { inputs, kernel, stride, padding, .. } = self.shape;
        let mut sum = f64::from(self.bias[output]);
        let (mut magnitude, mut products) = (sum.abs(), 0);
        let group = if self.depthwise { 1 } else { inputs };
        for (row, column) in (0..kernel * kernel).map(|place| (place / kernel, place % kernel)) {
            let at = |position: usize, side| position.checked_sub(padding).filter(|at| *at < side);
            let pixel = (at(y * stride + row, self.height), at(x * stride + column, self.width));
            let (Some(y), Some(x)) = pixel else { continue };
            for channel in 0..group {
                let weight = ((output * group + channel) * kernel + row) * kernel + column;
                let channel = if self.depthwise { output } else { channel };
                let value = self.image[(y * self.width + x) * inputs + channel];
                let product = f64::from(value) * f64::from(self.weight[weight]);
                (sum, magnitude, products) =
                    (sum + product, magnitude + product.abs(), products + 1);
            }
        }
        // Places outside the image may be multiplied with zero.
        (sum, magnitude * f64::from(products) * ROUNDING * 1.01)
    }

    fn check(&self) {
        let found = same_on_all(|isa| self.output(isa));
        let ((_, width), outputs) = (self.size(), self.shape.outputs);
        let pixel = |i: usize| (i / outputs / width, i / outputs % width);
        let exact = (0..found.len()).map(|i| self.exact(pixel(i).0, pixel(i).1, i % outputs));
        assert_near(&found, exact);
    }
}

/// Kernel, stride and padding.
const GEOMETRIES: [(usize, usize, usize); 8] =
    [(1, 1, 0), (1, 2, 0), (2, 2, 0), (3, 1, 1), (3, 2, 1), (3, 1, 0), (3, 2, 2), (5, 3, 2)];

#[test]
fn all_channels() {
    for geometry in GEOMETRIES {
        for channels in [(1, 1), (3, 15), (15, 16), (16, 17), (17, 33), (2, 1)] {
            for size in [(5, 5), (7, 6), (5, 23 * geometry.1 + 1), (6, 25 * geometry.1), (5, 50)] {
                Case::new(channels, geometry, size, false).check();
            }
        }
    }
}

#[test]
fn each_channel_by_itself() {
    for geometry in GEOMETRIES {
        for channels in [1, 2, 15, 16, 17, 32, 33] {
            for size in [(5, 5), (7, 6), (6, 17)] {
                Case::new((channels, channels), geometry, size, true).check();
            }
        }
    }
}

#[test]
fn an_image_smaller_than_its_kernel() {
    for depthwise in [false, true] {
        Case::new((3, 3), (3, 1, 1), (1, 1), depthwise).check();
        Case::new((3, 3), (5, 2, 2), (1, 2), depthwise).check();
    }
    let shape = ConvShape { inputs: 1, outputs: 1, kernel: 3, stride: 1, padding: 0 };
    assert_eq!(shape.output_side(2), None);
    assert_eq!(shape.output_side(3), Some(1));
}

#[test]
fn what_is_not_a_number_shows_where_the_kernel_sees_it() {
    for depthwise in [false, true] {
        let mut case = Case::new((4, 4), (3, 1, 1), (6, 7), depthwise);
        case.image[(2 * 7 + 3) * 4 + 1] = f32::NAN;
        let found = same_on_all(|isa| case.output(isa));
        let seen = |i: &usize| {
            let (y, x, channel) = (i / 4 / 7, i / 4 % 7, i % 4);
            y.abs_diff(2) <= 1 && x.abs_diff(3) <= 1 && (!depthwise || channel == 1)
        };
        let expected: Vec<_> = (0..found.len()).filter(seen).collect();
        assert_eq!(not_finite(&found), expected);
    }
}

#[test]
fn multiplications_are_counted() {
    let macs = |case: Case| {
        Conv::new(Isa::Portable, case.shape, case.depthwise, &case.weight, &case.bias)
            .macs_per_pixel()
    };
    assert_eq!(macs(Case::new((3, 5), (3, 1, 1), (4, 4), false)), 9 * 3 * 5);
    assert_eq!(macs(Case::new((5, 5), (3, 1, 1), (4, 4), true)), 9 * 5);
}
