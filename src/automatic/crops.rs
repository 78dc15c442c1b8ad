//! Which crops of a frame are looked at, and where on each.

use crate::geometry::FrameSize;

use super::AutomaticOptions;

/// A part of the frame in whole pixels; `x1` and `y1` are the first beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crop {
    pub x0: u32,
    pub y0: u32,
    pub x1: u32,
    pub y1: u32,
    /// 0 for the whole frame, then one more for each halving of the sides.
    pub layer: u32,
}

impl Crop {
    /// All of a frame.
    pub fn whole(frame: FrameSize) -> Self {
        Self { x0: 0, y0: 0, x1: frame.width, y1: frame.height, layer: 0 }
    }

    pub fn size(&self) -> FrameSize {
        FrameSize::new(self.x1 - self.x0, self.y1 - self.y0)
    }

    /// Left, top, width, height.
    pub fn xywh(&self) -> [u32; 4] {
        [self.x0, self.y0, self.x1 - self.x0, self.y1 - self.y0]
    }
}

/// The frame, and of each further layer the crops column by column: 2 × 2, 4 × 4…, which overlap
/// (`generate_crop_boxes`).
pub(super) fn crops(frame: FrameSize, options: &AutomaticOptions) -> Vec<Crop> {
    let FrameSize { width, height } = frame;
    let mut crops = vec![Crop::whole(frame)];
    let short = f64::from(width.min(height));
    for layer in 1..=options.crop_n_layers {
        let count = 1u32 << layer;
        let overlap = (options.crop_overlap_ratio * short * (2.0 / f64::from(count))) as u32;
        let length = |whole: u32| (overlap * (count - 1) + whole).div_ceil(count);
        let (wide, high) = (length(width), length(height));
        for column in 0..count {
            for row in 0..count {
                let (x0, y0) = ((wide - overlap) * column, (high - overlap) * row);
                let (x1, y1) = ((x0 + wide).min(width), (y0 + high).min(height));
                if x0 < x1 && y0 < y1 {
                    crops.push(Crop { x0, y0, x1, y1, layer });
                }
            }
        }
    }
    crops
}

/// Points of a grid of `per_side` × `per_side` over a crop, row by row, as `[x, y]` in the crop's
/// pixels (`build_point_grid`).
pub(super) fn grid(per_side: u32, crop: FrameSize) -> Vec<[f64; 2]> {
    let n = f64::from(per_side);
    let offset = 1.0 / (2.0 * n);
    let step = if per_side > 1 { (1.0 - 2.0 * offset) / (n - 1.0) } else { 0.0 };
    let at = |i: u32, length: u32| (offset + f64::from(i) * step) * f64::from(length);
    (0..per_side)
        .flat_map(|row| (0..per_side).map(move |column| (column, row)))
        .map(|(column, row)| [at(column, crop.width), at(row, crop.height)])
        .collect()
}

/// Points a side of the grid on crops of `layer` (`build_all_layer_point_grids`).
pub(super) fn per_side(options: &AutomaticOptions, whole: u32, layer: u32) -> u32 {
    let factor = options.crop_n_points_downscale_factor.saturating_pow(layer);
    whole / factor.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values printed by `generate_crop_boxes((480, 640), 2, 512 / 1500)`.
    #[test]
    fn crops_are_upstreams() {
        let options = AutomaticOptions { crop_n_layers: 2, ..AutomaticOptions::default() };
        let found: Vec<_> = crops(FrameSize::new(640, 480), &options)
            .iter()
            .map(|c| [c.x0, c.y0, c.x1, c.y1, c.layer])
            .collect();
        assert_eq!(found, EXPECTED);
    }

    const EXPECTED: [[u32; 5]; 21] = [
        [0, 0, 640, 480, 0],
        [0, 0, 402, 322, 1],
        [0, 159, 402, 480, 1],
        [239, 0, 640, 322, 1],
        [239, 159, 640, 480, 1],
        [0, 0, 221, 181, 2],
        [0, 100, 221, 281, 2],
        [0, 200, 221, 381, 2],
        [0, 300, 221, 480, 2],
        [140, 0, 361, 181, 2],
        [140, 100, 361, 281, 2],
        [140, 200, 361, 381, 2],
        [140, 300, 361, 480, 2],
        [280, 0, 501, 181, 2],
        [280, 100, 501, 281, 2],
        [280, 200, 501, 381, 2],
        [280, 300, 501, 480, 2],
        [420, 0, 640, 181, 2],
        [420, 100, 640, 281, 2],
        [420, 200, 640, 381, 2],
        [420, 300, 640, 480, 2],
    ];

    #[test]
    fn a_grid_stands_in_the_middle_of_its_cells() {
        let found = grid(2, FrameSize::new(40, 20));
        assert_eq!(found, [[10.0, 5.0], [30.0, 5.0], [10.0, 15.0], [30.0, 15.0]]);
        let options =
            AutomaticOptions { crop_n_points_downscale_factor: 2, ..AutomaticOptions::default() };
        assert_eq!([0, 1, 2, 3].map(|layer| per_side(&options, 32, layer)), [32, 16, 8, 4]);
    }
}
