//! A mask with the geometry of the volume it belongs to.

use std::path::Path;

use ndarray::{ArrayView, IxDyn, ShapeBuilder};
use nifti::NiftiHeader;
use nifti::writer::WriterOptions;

use super::super::FeedError;
use super::geometry::{Geometry, Slicing};
use super::looks_like_nifti;
use crate::mask::Mask;

/// Which voxels of a volume belong to a structure.
#[derive(Clone)]
pub struct VolumeMask {
    header: NiftiHeader,
    geometry: Geometry,
    slicing: Slicing,
    /// 0 or 1 a voxel, i fastest.
    voxels: Vec<u8>,
}

impl VolumeMask {
    pub(super) fn new(header: NiftiHeader, geometry: Geometry, slicing: Slicing) -> Self {
        let voxels = vec![0; geometry.dims.iter().product()];
        Self { header, geometry, slicing, voxels }
    }

    /// Sets slice `index` to `mask`, as the slice is shown.
    ///
    /// # Panics
    /// If there is no such slice, or the mask has another size.
    pub fn set_slice(&mut self, index: u64, mask: &Mask) {
        assert_eq!(mask.size(), self.slicing.size(), "a mask has the size of its slice");
        let voxels = self.slicing.voxels(index as usize);
        voxels.zip(mask.pixels()).for_each(|(voxel, &inside)| self.voxels[voxel] = inside);
    }

    /// The voxels, 0 or 1; i is fastest, then j, then k.
    pub fn voxels(&self) -> &[u8] {
        &self.voxels
    }

    /// The volume inside in ml.
    pub fn volume_ml(&self) -> f64 {
        let inside = self.voxels.iter().map(|&v| u64::from(v)).sum::<u64>();
        inside as f64 * self.geometry.voxel_mm3() / 1000.0
    }

    /// Writes it as unsigned bytes to `path`, which ends in `.nii` or `.nii.gz`: with the volume's
    /// dimensions, sform, qform and their codes, units and byte order. A file that is there is
    /// replaced once the new one is whole.
    ///
    /// # Errors
    /// [`FeedError::Io`] where it can't be written, [`FeedError::Spec`] for another ending.
    pub fn write(&self, path: &Path) -> Result<(), FeedError> {
        let io = |error| FeedError::io(path, error);
        if !looks_like_nifti(path) {
            let reason = "a volume's mask is written to .nii or .nii.gz".into();
            return Err(FeedError::Spec { spec: path.display().to_string(), reason });
        }
        let compressed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
        let ending = if compressed { "nii.gz" } else { "nii" };
        // The writer makes names of its own of those with more dots; this one it keeps.
        let partial =
            path.with_file_name(format!("tapseg-partial-{}.{ending}", std::process::id()));
        let rank = usize::from(self.header.dim[0]);
        let shape: Vec<usize> = self.header.dim[1..=rank].iter().map(|&n| n.into()).collect();
        let voxels = ArrayView::from_shape(IxDyn(&shape).f(), &self.voxels)
            .map_err(|error| io(std::io::Error::other(error)))?;
        // Says nothing of the picture's values.
        let header = NiftiHeader { cal_min: 0.0, cal_max: 1.0, ..self.header.clone() };
        let written = WriterOptions::new(&partial)
            .reference_header(&header)
            .write_nifti(&voxels)
            .map_err(std::io::Error::other)
            .and_then(|()| self.check_length(&partial, compressed))
            .and_then(|()| std::fs::rename(&partial, path));
        written.map_err(|error| {
            // Its absence is no further harm.
            let _ = std::fs::remove_file(&partial);
            io(error)
        })
    }

    /// The writer doesn't tell of a full disk where it doesn't compress.
    fn check_length(&self, path: &Path, compressed: bool) -> std::io::Result<()> {
        let expected = 352 + self.voxels.len() as u64;
        if compressed || path.metadata()?.len() == expected {
            Ok(())
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::WriteZero))
        }
    }
}

/// Shape and volume only.
impl std::fmt::Debug for VolumeMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VolumeMask({:?}, {:.3} ml inside)", self.geometry.dims, self.volume_ml())
    }
}
