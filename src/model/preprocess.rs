//! From a frame to the encoder's input, and positions between the two spaces.
//!
//! *Model input* coordinates are pixels of the square input before padding is considered: `(0, 0)`
//! is the centre of its top left pixel, as in frame pixels.

use std::array::from_fn;
use std::ops::Range;

use ndarray::{Array2, Array4, ArrayViewMut3, s};

use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::mask::Mask;

use super::manifest::{CoordinateScale, Normalisation, Preprocessing, Resize};
use super::resample::{Part, resize_map, resize_part, resize_rgb, resize_rows};

/// Logit given to the pixels of a binary mask that is to be refined, negated outside: about what
/// the decoder itself says well inside a structure.
const BINARY_MASK_LOGIT: f32 = 10.0;

/// How a frame lies in the model's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct InputGeometry {
    /// The frame's size.
    pub frame: FrameSize,
    /// The size the frame is resized to; the rest of the input is padding.
    pub resized: FrameSize,
    /// Side of the square input.
    pub input: u32,
    /// Model input pixels per frame pixel, in x and y.
    scale: (f32, f32),
}

impl InputGeometry {
    pub fn new(frame: FrameSize, preprocessing: &Preprocessing) -> Self {
        let input = preprocessing.input_size;
        let uniform = f64::from(input) / f64::from(frame.longest_side());
        let resized = match preprocessing.resize {
            Resize::Squash => FrameSize::new(input, input),
            Resize::LongestSide => {
                // A very flat frame still keeps one row or column.
                let side = |v: u32| ((f64::from(v) * uniform + 0.5) as u32).max(1);
                FrameSize::new(side(frame.width), side(frame.height))
            }
        };
        let scale = match preprocessing.coordinate_scale {
            CoordinateScale::PerAxis => (
                (f64::from(resized.width) / f64::from(frame.width)) as f32,
                (f64::from(resized.height) / f64::from(frame.height)) as f32,
            ),
            CoordinateScale::Uniform => (uniform as f32, uniform as f32),
        };
        Self { frame, resized, input, scale }
    }

    /// A position in frame pixels as `[x, y]` in model input pixels.
    pub fn to_input(self, p: FramePoint) -> [f32; 2] {
        [p.x * self.scale.0, p.y * self.scale.1]
    }

    /// A position in model input pixels, `[x, y]`, as one in frame pixels; the frame's rim for what
    /// lies beyond it.
    pub fn to_frame(self, [x, y]: [f32; 2]) -> FramePoint {
        let (right, bottom) = (self.frame.width as f32 - 1.0, self.frame.height as f32 - 1.0);
        FramePoint::new((x / self.scale.0).clamp(0.0, right), (y / self.scale.1).clamp(0.0, bottom))
    }

    /// A length in model input pixels as width and height in frame pixels.
    pub fn lengths_to_frame(self, length: f32) -> (f32, f32) {
        (length / self.scale.0, length / self.scale.1)
    }

    /// The corners of a box, top left first, in model input pixels.
    pub fn box_to_input(self, b: FrameBox) -> [[f32; 2]; 2] {
        [self.to_input(FramePoint::new(b.x0, b.y0)), self.to_input(FramePoint::new(b.x1, b.y1))]
    }

    /// Hands out the logits over the frame, row by row from the top, for low-res logits over the
    /// padded input: enlarged to the input's size, the padding cut off, and brought to the frame's
    /// size (SAM's `postprocess_masks`).
    pub fn frame_logits(self, low_res: &Array2<f32>, each: impl FnMut(&[f32])) {
        let input = FrameSize::new(self.input, self.input);
        let unpadded = s![..self.resized.height as usize, ..self.resized.width as usize];
        if low_res.dim() == (self.input as usize, self.input as usize) {
            resize_rows(low_res.slice(unpadded), self.frame, each);
        } else {
            resize_rows(resize_map(low_res.view(), input).slice(unpadded), self.frame, each);
        }
    }

    /// The part of low-res logits (`side × side`) that lies over the frame.
    pub fn low_res_part(self, side: u32) -> FrameSize {
        let scaled = |v: u32| (v * side).div_ceil(self.input).max(1);
        FrameSize::new(scaled(self.resized.width), scaled(self.resized.height))
    }

    /// [`frame_logits`](Self::frame_logits), of the part of the frame alone outside of which no logit is
    /// above `level`: hands out the number of each row, its first column, and its logits.
    pub fn frame_logits_above(
        self,
        low_res: &Array2<f32>,
        level: f32,
        mut each: impl FnMut(usize, usize, &[f32]),
    ) {
        // Rounding may bring what lies between two logits a little above both.
        let level = level - 0.01;
        let Some(above) = part_above(low_res, level) else { return };
        let (height, width) = low_res.dim();
        let low_size = FrameSize::new(width as u32, height as u32);
        let input = FrameSize::new(self.input, self.input);
        let unpadded = s![..self.resized.height as usize, ..self.resized.width as usize];
        let enlarged = low_size != input;
        let Part { rows, columns } = if enlarged { above.reaching(low_size, input) } else { above };
        let within = |part: Range<usize>, length: u32| {
            part.start.min(length as usize)..part.end.min(length as usize)
        };
        let in_input = Part {
            rows: within(rows, self.resized.height),
            columns: within(columns, self.resized.width),
        };
        let on_frame = in_input.reaching(self.resized, self.frame);
        if on_frame.rows.is_empty() || on_frame.columns.is_empty() {
            return;
        }
        let mut row = on_frame.rows.start;
        let mut hand_out = |logits: &[f32]| {
            each(row, on_frame.columns.start, logits);
            row += 1;
        };
        if !enlarged {
            resize_part(low_res.slice(unpadded), self.frame, &on_frame, hand_out);
            return;
        }
        let needed = on_frame.made_of(self.resized, self.frame);
        let mut map = Array2::zeros((self.resized.height as usize, self.resized.width as usize));
        let mut to = map.slice_mut(s![needed.rows.clone(), needed.columns.clone()]);
        let mut lines = to.rows_mut().into_iter();
        resize_part(low_res.view(), input, &needed, |logits| {
            if let Some(mut line) = lines.next() {
                line.iter_mut().zip(logits).for_each(|(to, logit)| *to = *logit);
            }
        });
        resize_part(map.view(), self.frame, &on_frame, &mut hand_out);
    }

    /// A binary mask over the frame as low-res logits over the padded input (`side × side`).
    pub fn mask_to_low_res(self, mask: &Mask, side: u32) -> Array2<f32> {
        let signed = |&p: &u8| if p != 0 { BINARY_MASK_LOGIT } else { -BINARY_MASK_LOGIT };
        let size = mask.size();
        let over_frame =
            Array2::from_shape_fn((size.height as usize, size.width as usize), |(y, x)| {
                signed(&mask.row(y as u32)[x])
            });
        let part = self.low_res_part(side);
        let mut low_res = Array2::from_elem((side as usize, side as usize), -BINARY_MASK_LOGIT);
        low_res
            .slice_mut(s![..part.height as usize, ..part.width as usize])
            .assign(&resize_map(over_frame.view(), part));
        low_res
    }
}

/// The rows and columns between which values are above `level`.
fn part_above(map: &Array2<f32>, level: f32) -> Option<Part> {
    let mut found: Option<Part> = None;
    for (y, row) in map.rows().into_iter().enumerate() {
        let Some(first) = row.iter().position(|v| *v > level) else { continue };
        let last = row.iter().rposition(|v| *v > level).unwrap_or(first);
        let part = found.get_or_insert(Part { rows: y..y, columns: first..last });
        part.rows.end = y + 1;
        part.columns = part.columns.start.min(first)..part.columns.end.max(last + 1);
    }
    found
}

/// The encoder's input for a frame: 1 × 3 × S × S, red first.
pub(super) fn model_input(frame: &Frame, preprocessing: &Preprocessing) -> Array4<f32> {
    let geometry = InputGeometry::new(frame.size(), preprocessing);
    let FrameSize { width, height } = geometry.resized;
    let rgb = resize_rgb(frame.rgb(), frame.size(), geometry.resized, preprocessing.filter);
    // One table a channel: there are only 256 values to normalise.
    let table: [[f32; 256]; 3] = match preprocessing.normalisation {
        Normalisation::MinMax => {
            let low = f32::from(rgb.iter().copied().min().unwrap_or(0));
            let high = f32::from(rgb.iter().copied().max().unwrap_or(0));
            let range = (high - low).max(1e-8);
            [from_fn(|v| (v as f32 - low) / range); 3]
        }
        Normalisation::MeanStd { mean, std } => {
            from_fn(|channel| from_fn(|v| (v as f32 - mean[channel]) / std[channel]))
        }
    };
    let side = preprocessing.input_size as usize;
    let (width, height) = (width as usize, height as usize);
    let mut input = Array4::<f32>::zeros((1, 3, side, side));
    let mut unpadded: ArrayViewMut3<f32> = input.slice_mut(s![0, .., ..height, ..width]);
    for ((channel, y, x), value) in unpadded.indexed_iter_mut() {
        *value = table[channel][usize::from(rgb[(y * width + x) * 3 + channel])];
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITEMEDSAM: Preprocessing = Preprocessing::LITEMEDSAM;
    const SAM: Preprocessing = Preprocessing::SAM;

    #[test]
    fn frames_lie_in_the_input_as_each_model_was_trained() {
        let cases = [
            ("LiteMedSAM, wide", LITEMEDSAM, (1280, 960), (256, 192), [64.0, 96.0]),
            ("LiteMedSAM, uneven", LITEMEDSAM, (1280, 477), (256, 95), [64.0, 47.7]),
            ("SAM, uneven", SAM, (1280, 477), (1024, 382), [256.0, 382.0 / 2.0]),
            ("SAM, high", SAM, (512, 1024), (512, 1024), [128.0, 512.0]),
            ("MedSAM", Preprocessing::MEDSAM, (1280, 960), (1024, 1024), [256.0, 512.0]),
            ("a single row", LITEMEDSAM, (4000, 1), (256, 1), [64.0, 0.032]),
        ];
        for (name, preprocessing, (w, h), resized, expected) in cases {
            let geometry = InputGeometry::new(FrameSize::new(w, h), &preprocessing);
            assert_eq!(geometry.resized, FrameSize::new(resized.0, resized.1), "{name}");
            let found = geometry.to_input(FramePoint::new(w as f32 / 4.0, h as f32 / 2.0));
            for (f, e) in found.iter().zip(expected) {
                assert!((f - e).abs() < 1e-3, "{name}: {found:?}");
            }
        }
    }

    #[test]
    fn padding_is_zero_after_normalisation() {
        let frame = Frame::from_rgb(FrameSize::new(4, 2), vec![200; 24]).unwrap();
        let sam = model_input(&frame, &SAM);
        assert!((sam[[0, 0, 0, 0]] - (200.0 - 123.675) / 58.395).abs() < 1e-6);
        assert_eq!(sam[[0, 0, 1023, 0]], 0.0);
        // A uniform picture has no range: everything is zero rather than NaN.
        assert!(model_input(&frame, &LITEMEDSAM).iter().all(|&v| v == 0.0));
    }

    #[test]
    fn what_is_above_a_level_is_handed_out_alone() {
        let bump = |x: f32, y: f32, r: f32| {
            move |(row, column): (usize, usize)| {
                r - (column as f32 - x).hypot(row as f32 - y) / 3.0 - 0.3 * ((row % 3) as f32)
            }
        };
        let sizes = [(640, 480), (1280, 477), (200, 300), (7, 5), (1, 1), (1024, 1024)];
        for preprocessing in [SAM, LITEMEDSAM] {
            for (width, height) in sizes {
                let size = FrameSize::new(width, height);
                let geometry = InputGeometry::new(size, &preprocessing);
                for (x, y, r) in
                    [(40.0, 60.0, 5.0), (0.0, 0.0, 3.0), (250.0, 100.0, 2.0), (0.0, 0.0, -99.0)]
                {
                    let low_res = Array2::from_shape_fn((256, 256), bump(x, y, r));
                    let mut whole = Vec::new();
                    geometry.frame_logits(&low_res, |row| whole.extend_from_slice(row));
                    let mut part = vec![f32::NEG_INFINITY; size.pixels()];
                    geometry.frame_logits_above(&low_res, -1.0, |row, column, logits| {
                        part[row * width as usize + column..][..logits.len()]
                            .copy_from_slice(logits);
                    });
                    let same = whole
                        .iter()
                        .zip(&part)
                        .all(|(w, p)| w == p || (*w <= -1.0 && *p == f32::NEG_INFINITY));
                    assert!(same, "{size}, {x} {y} {r}");
                }
            }
        }
    }

    #[test]
    fn a_mask_survives_the_way_to_low_res_and_back() {
        let size = FrameSize::new(640, 480);
        let pixels: Vec<u8> = (0..480)
            .flat_map(|y| {
                (0..640).map(move |x| u8::from((x - 300i32).pow(2) + (y - 200i32).pow(2) < 8000))
            })
            .collect();
        let mask = Mask::from_pixels(size, pixels);
        for preprocessing in [LITEMEDSAM, SAM] {
            let geometry = InputGeometry::new(size, &preprocessing);
            let mut back = Vec::new();
            geometry.frame_logits(&geometry.mask_to_low_res(&mask, 256), |row| {
                back.extend(row.iter().map(|&l| u8::from(l > 0.0)));
            });
            assert!(Mask::from_pixels(size, back).iou(&mask) > 0.97);
        }
    }

    /// `tests/data/README.md` tells where the expected piece comes from.
    #[test]
    fn the_input_is_upstreams_to_the_last_bit() {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
        let picture = image::open(format!("{data}/frames/clarius_eye.png")).unwrap().to_rgb8();
        let size = FrameSize::new(picture.width(), picture.height());
        let frame = Frame::from_rgb(size, picture.into_raw()).unwrap();
        let cases = std::fs::File::open(format!("{data}/litemedsam/cases.npz")).unwrap();
        let mut cases = ndarray_npy::NpzReader::new(cases).unwrap();
        let expected: Array4<f32> = cases.by_name("clarius_eye/input.npy").unwrap();
        let found = model_input(&frame, &LITEMEDSAM);
        assert_eq!(found.slice(s![.., .., 64..128, 64..128]), expected);
    }

    /// The stored rows were rounded to f16: up to 1.2e-4 for logits of up to 0.27.
    #[test]
    fn low_res_logits_are_enlarged_as_sam_does() {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/postprocess.npz");
        let mut cases = ndarray_npy::NpzReader::new(std::fs::File::open(data).unwrap()).unwrap();
        let low_res: ndarray::Array3<f32> = cases.by_name("low_res_logits.npy").unwrap();
        let expected: ndarray::Array3<f32> = cases.by_name("rows.npy").unwrap();
        let sam = Preprocessing { input_size: 256, ..SAM };
        let geometry = InputGeometry::new(FrameSize::new(640, 480), &sam);
        for (low_res, expected) in low_res.outer_iter().zip(expected.outer_iter()) {
            let mut rows = Vec::new();
            geometry.frame_logits(&low_res.to_owned(), |row| rows.push(row.to_vec()));
            assert_eq!(rows.len(), 480);
            for (found, expected) in rows.iter().step_by(24).zip(expected.outer_iter()) {
                assert_eq!(found.len(), 640);
                for (f, e) in found.iter().zip(expected) {
                    assert!((f - e).abs() <= 2e-4, "{f} {e}");
                }
            }
        }
    }
}
