//! From stored voxels to 8-bit grey.

use nifti::{Endianness, NiftiHeader, NiftiType};

use crate::percentile::percentile;

/// How a voxel is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct VoxelType {
    kind: NiftiType,
    bytes: usize,
    little_endian: bool,
}

impl VoxelType {
    pub fn read(header: &NiftiHeader) -> Result<Self, String> {
        use NiftiType::*;
        let unsupported = |what: String| {
            format!("voxels of {what} are not supported: store one whole number or float a voxel")
        };
        let kind =
            header.data_type().map_err(|_| unsupported(format!("type {}", header.datatype)))?;
        let bytes = match kind {
            Uint8 | Int8 => 1,
            Uint16 | Int16 => 2,
            Uint32 | Int32 | Float32 => 4,
            Uint64 | Int64 | Float64 => 8,
            other => return Err(unsupported(format!("{other:?}"))),
        };
        if header.bitpix as usize != bytes * 8 {
            return Err(format!("its header says that {kind:?} has {} bits", header.bitpix));
        }
        Ok(Self { kind, bytes, little_endian: header.endianness == Endianness::Little })
    }

    /// Bytes a voxel.
    pub fn bytes(self) -> usize {
        self.bytes
    }

    /// Whether it is an unsigned byte, which needs no window.
    pub fn is_byte(self) -> bool {
        self.kind == NiftiType::Uint8
    }

    /// The stored value of voxel `index`.
    pub fn value(self, voxels: &[u8], index: usize) -> f64 {
        let mut bytes = [0; 8];
        let stored = &mut bytes[..self.bytes];
        stored.copy_from_slice(&voxels[index * self.bytes..][..self.bytes]);
        if !self.little_endian {
            stored.reverse();
        }
        let word = u64::from_le_bytes(bytes);
        match self.kind {
            NiftiType::Int8 => f64::from(word as i8),
            NiftiType::Int16 => f64::from(word as i16),
            NiftiType::Int32 => f64::from(word as i32),
            NiftiType::Int64 => word as i64 as f64,
            NiftiType::Float32 => f64::from(f32::from_bits(word as u32)),
            NiftiType::Float64 => f64::from_bits(word),
            // The unsigned ones; what is none of these was refused.
            _ => word as f64,
        }
    }
}

impl std::fmt::Display for VoxelType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

/// What turns stored values into those that are meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    slope: f64,
    intercept: f64,
}

impl Scale {
    /// A slope of 0, or one that is no number, says that there is none (as in nibabel).
    pub fn read(header: &NiftiHeader) -> Result<Self, String> {
        let (slope, intercept) = (header.scl_slope, header.scl_inter);
        if slope == 0.0 || !slope.is_finite() {
            return Ok(Self { slope: 1.0, intercept: 0.0 });
        }
        if !intercept.is_finite() {
            return Err(format!("its scl_inter is {intercept}"));
        }
        Ok(Self { slope: slope.into(), intercept: intercept.into() })
    }

    pub fn is_identity(self) -> bool {
        self.slope == 1.0 && self.intercept == 0.0
    }

    pub fn apply(self, stored: f64) -> f64 {
        stored * self.slope + self.intercept
    }
}

/// Voxels looked at to choose a window.
const SAMPLE: usize = 1 << 20;

/// Values of voxels spread evenly over the volume, all of them where there are not more than
/// [`SAMPLE`]; finite ones alone.
pub(super) fn sample(voxels: &[u8], voxel_type: VoxelType, scale: Scale) -> Vec<f64> {
    let count = voxels.len() / voxel_type.bytes();
    let indices = (0..count).step_by(count.div_ceil(SAMPLE).max(1));
    let values = indices.map(|i| scale.apply(voxel_type.value(voxels, i)));
    values.filter(|v| v.is_finite()).collect()
}

/// The values that are shown black and white; linear in between (DICOM's `LINEAR_EXACT`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// What becomes black, with all that is less.
    pub black: f64,
    /// What becomes white, with all that is more.
    pub white: f64,
}

impl Window {
    /// Soft tissue in Hounsfield units: level 40, width 400, as in MedSAM's `pre_CT_MR.py`.
    pub const SOFT_TISSUE: Self = Self { black: -160.0, white: 240.0 };

    /// The window of `width` values round `centre`; `None` where they are not finite or the width
    /// is not above 0.
    pub fn centred(centre: f64, width: f64) -> Option<Self> {
        let window = Self { black: centre - width / 2.0, white: centre + width / 2.0 };
        let finite = window.black.is_finite() && window.white.is_finite();
        (finite && window.white > window.black).then_some(window)
    }

    /// What the header asks to be shown, if it does.
    pub(super) fn stated(header: &NiftiHeader) -> Option<Self> {
        let window = Self { black: header.cal_min.into(), white: header.cal_max.into() };
        let finite = window.black.is_finite() && window.white.is_finite();
        (finite && window.white > window.black).then_some(window)
    }

    /// The window for `values`, which are only asked for where `bytes` does not say that they are
    /// unsigned bytes: those stay as they are. Values that reach down to −900 are Hounsfield
    /// units and get [`SOFT_TISSUE`](Self::SOFT_TISSUE). Others are shown from the 0.5th to the
    /// 99.5th percentile of those that are not 0 (MedSAM's `pre_CT_MR.py`, whose values are above 0).
    pub(super) fn suggested(bytes: bool, values: impl FnOnce() -> Vec<f64>) -> Self {
        if bytes {
            return Self { black: 0.0, white: 255.0 };
        }
        let mut values = values();
        values.sort_unstable_by(f64::total_cmp);
        if values.first().is_some_and(|&least| least <= -900.0) {
            return Self::SOFT_TISSUE;
        }
        values.retain(|&v| v != 0.0);
        let [black, white] = [0.005, 0.995].map(|share| percentile(&values, share).unwrap_or(0.0));
        Self { black, white }
    }

    /// The shade of a value: 0 where it is no number.
    pub fn grey(self, value: f64) -> u8 {
        if value <= self.black {
            return 0;
        }
        // The cast saturates, and makes 0 of what is no number.
        ((value - self.black) / (self.white - self.black) * 255.0).round() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_chosen_by_what_the_values_are() {
        let bytes = Window::suggested(true, || unreachable!());
        assert_eq!((bytes.grey(0.0), bytes.grey(77.0), bytes.grey(255.0)), (0, 77, 255));
        let ct = Window::suggested(false, || vec![-1000.0, 3000.0, 40.0]);
        assert_eq!(ct, Window::SOFT_TISSUE);
        // numpy.percentile(range(1, 202), [0.5, 99.5])
        let mr = Window::suggested(false, || (0..202).map(f64::from).collect());
        assert_eq!(mr, Window { black: 2.0, white: 200.0 });
        for flat in [vec![], vec![7.0; 3], vec![0.0; 3]] {
            let window = Window::suggested(false, || flat);
            assert_eq!(window.grey(0.0), 0);
        }
        assert_eq!(Window::SOFT_TISSUE.grey(f64::NAN), 0);
        assert_eq!(Window::centred(40.0, 400.0), Some(Window::SOFT_TISSUE));
        assert!(
            [0.0, -1.0, f64::NAN, f64::INFINITY].iter().all(|w| Window::centred(1.0, *w).is_none())
        );
    }
}
