//! Scales a frame to the screen, row by row.

mod across;

use std::ops::Range;

use crate::frame::Frame;
use crate::geometry::FrameSize;
use across::Across;

/// Weights are fractions of this.
const ONE: u32 = 256;

/// What rounds a sum of such fractions.
const HALF: u16 = 128;

/// Between which two source pixels the centre of a target pixel lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    /// The first of the two.
    pub index: u32,
    /// The share of the second, of 256.
    pub weight: u32,
}

/// The taps of `to` pixels over `from` pixels whose outer edges coincide; positions beyond the
/// outermost centres take those. Except with a single source pixel, `index + 1` exists.
pub(super) fn taps(from: u32, to: u32) -> Vec<Tap> {
    let last = from.saturating_sub(2);
    let tap = |i: u32| {
        let centre = (f64::from(i) + 0.5) * f64::from(from) / f64::from(to) - 0.5;
        let fixed = (centre.max(0.0) * f64::from(ONE)).round() as u32;
        let index = (fixed / ONE).min(last);
        Tap { index, weight: (fixed - index * ONE).min(if from < 2 { 0 } else { ONE }) }
    };
    (0..to).map(tap).collect()
}

/// How a frame of one size becomes a picture of another.
enum Method {
    /// Same size.
    Copy,
    /// Between the four neighbouring pixels' centres.
    Bilinear { columns: Across, rows: Vec<Tap> },
    /// The mean of the whole source pixels that a target pixel covers, so that a strong reduction
    /// neither flickers nor loses thin structures.
    Mean { columns: Vec<Range<usize>> },
}

/// Scales frames of one size to one picture size, a row at a time.
pub(super) struct Scaler {
    from: FrameSize,
    to: FrameSize,
    method: Method,
    /// A row of the frame, three channels a pixel: summed over rows.
    sums: Vec<u32>,
    /// A row of the frame, blended of two, and what [`Across`] wants behind it.
    blended: Vec<u8>,
}

impl Scaler {
    /// From frames of the size `from` to pictures of the size `to`.
    pub fn new(from: FrameSize, to: FrameSize) -> Self {
        let reduced = |from: u32, to: u32| u64::from(from) > 2 * u64::from(to);
        let method = if from == to {
            Method::Copy
        } else if reduced(from.width, to.width)
            || reduced(from.height, to.height)
            || from.width.min(from.height) < 2
        {
            let columns = (0..to.width).map(|x| covered(x, from.width, to.width));
            Method::Mean { columns: columns.collect() }
        } else {
            Method::Bilinear {
                columns: Across::new(from.width, to.width),
                rows: taps(from.height, to.height),
            }
        };
        Self { from, to, method, sums: Vec::new(), blended: Vec::new() }
    }

    /// Whether it is for these sizes.
    pub fn is_for(&self, from: FrameSize, to: FrameSize) -> bool {
        self.from == from && self.to == to
    }

    /// Row `y` of the scaled picture as `0x00RRGGBB`, into `row`, which has the picture's width.
    /// `frame` has the size that was given, and `y` is one of the picture's rows.
    pub fn row(&mut self, frame: &Frame, y: u32, row: &mut [u32]) {
        let stride = self.from.width as usize * 3;
        let line = |y: u32| &frame.rgb()[y as usize * stride..][..stride];
        match &self.method {
            Method::Copy => {
                for (pixel, rgb) in row.iter_mut().zip(line(y).chunks_exact(3)) {
                    *pixel = pack(rgb[0].into(), rgb[1].into(), rgb[2].into());
                }
            }
            Method::Bilinear { columns, rows } => {
                let Tap { index, weight } = rows[y as usize];
                self.blended.resize(stride + Across::PADDING, 0);
                blend(line(index), line(index + 1), weight as u16, &mut self.blended);
                columns.scale(&self.blended, row);
            }
            Method::Mean { columns } => {
                let lines = covered(y, self.from.height, self.to.height);
                self.sums.clear();
                self.sums.resize(stride, 0);
                for y in lines.clone() {
                    for (sum, &value) in self.sums.iter_mut().zip(line(y as u32)) {
                        *sum += u32::from(value);
                    }
                }
                for (pixel, column) in row.iter_mut().zip(columns) {
                    let mut total = [0u64; 3];
                    for rgb in self.sums[column.start * 3..column.end * 3].chunks_exact(3) {
                        (0..3).for_each(|c| total[c] += u64::from(rgb[c]));
                    }
                    let share = 1.0 / (column.len() * lines.len()) as f64;
                    let [red, green, blue] = total.map(|sum| (sum as f64 * share + 0.5) as u32);
                    *pixel = pack(red, green, blue);
                }
            }
        }
    }
}

/// Blends two rows, `weight` of 256 of the one `below`. A loop over bytes that compilers make vectors of.
fn blend(above: &[u8], below: &[u8], weight: u16, out: &mut [u8]) {
    let rest = ONE as u16 - weight;
    for ((out, &above), &below) in out.iter_mut().zip(above).zip(below) {
        *out = ((u16::from(above) * rest + u16::from(below) * weight + HALF) >> 8) as u8;
    }
}

/// The source pixels `start..end` that target pixel `i` of `to` covers, rounded to whole ones and
/// at least one.
fn covered(i: u32, from: u32, to: u32) -> Range<usize> {
    let edge = |i: u32| (u64::from(i) * u64::from(from) / u64::from(to)) as usize;
    let start = edge(i);
    start..edge(i + 1).max(start + 1)
}

fn pack(red: u32, green: u32, blue: u32) -> u32 {
    red << 16 | green << 8 | blue
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with smooth and sharp parts in every channel.
    fn frame(width: u32, height: u32) -> Frame {
        let rgb: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                [(x * 7 % 256) as u8, (y * 5 % 256) as u8, ((x ^ y) * 31 % 256) as u8]
            })
            .collect();
        Frame::from_rgb(FrameSize::new(width, height), rgb).unwrap()
    }

    /// The value of one target pixel in one channel, in real numbers and straight from the
    /// definition.
    fn reference(frame: &Frame, to: FrameSize, x: u32, y: u32, channel: usize) -> f64 {
        let from = frame.size();
        let value = |x: u32, y: u32| {
            f64::from(frame.rgb()[(y as usize * from.width as usize + x as usize) * 3 + channel])
        };
        let mean = from.width > 2 * to.width
            || from.height > 2 * to.height
            || from.width.min(from.height) < 2;
        if mean {
            let (columns, rows) =
                (covered(x, from.width, to.width), covered(y, from.height, to.height));
            let count = (columns.len() * rows.len()) as f64;
            let all = rows.flat_map(|y| columns.clone().map(move |x| (x as u32, y as u32)));
            return all.map(|(x, y)| value(x, y)).sum::<f64>() / count;
        }
        let position = |i: u32, from: u32, to: u32| {
            let centre = (f64::from(i) + 0.5) * f64::from(from) / f64::from(to) - 0.5;
            let centre = centre.clamp(0.0, f64::from(from) - 1.0);
            let first = (centre as u32).min(from - 2);
            (first, centre - f64::from(first))
        };
        let (x, wx) = position(x, from.width, to.width);
        let (y, wy) = position(y, from.height, to.height);
        let across = |y| value(x, y) * (1.0 - wx) + value(x + 1, y) * wx;
        across(y) * (1.0 - wy) + across(y + 1) * wy
    }

    #[test]
    fn rows_equal_the_slow_definition() {
        let cases = [
            ("same size", (13, 9), (13, 9)),
            ("enlarged", (13, 9), (31, 22)),
            ("a little smaller", (40, 30), (33, 25)),
            ("half", (40, 30), (20, 15)),
            ("far smaller", (97, 61), (13, 8)),
            ("one pixel", (1, 1), (7, 7)),
            ("a column", (1, 50), (1, 20)),
            ("a row", (50, 1), (9, 1)),
            ("two pixels", (2, 2), (5, 5)),
            ("to one pixel", (20, 20), (1, 1)),
            ("another aspect", (20, 20), (30, 11)),
        ];
        for (name, (fw, fh), (tw, th)) in cases {
            let (frame, to) = (frame(fw, fh), FrameSize::new(tw, th));
            let mut scaler = Scaler::new(frame.size(), to);
            let mut row = vec![0; tw as usize];
            for y in 0..th {
                scaler.row(&frame, y, &mut row);
                for (x, word) in row.iter().enumerate() {
                    let [_, rgb @ ..] = word.to_be_bytes();
                    for (channel, found) in rgb.into_iter().enumerate() {
                        let expected = reference(&frame, to, x as u32, y, channel);
                        // Weights in steps of 1/256 move a value by at most 255/512 an axis, and it is
                        // rounded after each.
                        let off = (f64::from(found) - expected).abs();
                        assert!(off <= 2.0, "{name}: ({x}, {y}) {channel}: {found} for {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn taps_stay_within_the_source() {
        for (from, to) in [(1, 5), (2, 5), (5, 5), (5, 2), (640, 1003), (1280, 1003)] {
            let taps = taps(from, to);
            assert_eq!(taps.len(), to as usize);
            for Tap { index, weight } in taps {
                assert!(
                    weight <= ONE && (index + 1 < from || (from == 1 && weight == 0 && index == 0))
                );
            }
        }
    }
}
