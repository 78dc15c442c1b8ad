//! NIfTI-1 volumes (`.nii`, `.nii.gz`), slice by slice.
//!
//! - **Voxels**: whole numbers of 8 to 64 bits and floats of 32 and 64, of either byte order, with
//!   `scl_slope` and `scl_inter` applied. Colour, complex and extended floats are refused, and so
//!   are NIfTI-2, pairs of `.hdr` and `.img`, and files of more than one volume.
//! - **Orientation**: the sform, else the qform, else what nibabel assumes (`get_base_affine`: x to
//!   the left, y to the front, z upwards, from `pixdim`). See [`Geometry`].
//! - **Slices** lie along a voxel axis and have that axis's index, as stored. They are shown in
//!   radiological convention: the patient's left is on the right, the back at the right of a
//!   sagittal slice, and up is the front of an axial slice and the head of the others. Oblique
//!   volumes are shown along their own axes, by what these are nearest to; nothing is resampled.
//! - **Grey values**: a [`Window`], else `cal_min` to `cal_max` of the header, else: unsigned bytes as
//!   they are; [`Window::SOFT_TISSUE`] where values reach down to −900, which are Hounsfield units;
//!   from the 0.5th to the 99.5th percentile of what is not 0 otherwise.
//!
//! The header is read with the `nifti` crate. Voxels are read here: that crate allocates what a
//! header claims before it looks at the file.

mod geometry;
mod mask;
mod voxels;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use nifti::NiftiHeader;

pub use self::geometry::{Geometry, SliceAxis};
pub use self::mask::VolumeMask;
pub use self::voxels::Window;

use self::geometry::Slicing;
use self::voxels::{Scale, VoxelType};
use super::{Clip, FeedError, images::file_name};
use crate::frame::{Frame, PixelSpacing};

/// Bytes of a NIfTI-1 header.
const HEADER_BYTES: usize = 348;

/// Whether the name of the file at `path` ends in `.nii` or `.nii.gz`.
pub fn looks_like_nifti(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.ends_with(".nii") || name.ends_with(".nii.gz")
}

/// Refuses half of a NIfTI pair, told by its name: the half with the voxels says nothing of itself.
pub(super) fn refuse_pair(path: &Path) -> Result<(), FeedError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if path.is_file() && (name.ends_with(".hdr") || name.ends_with(".img")) {
        let reason = "half of a NIfTI pair (.hdr and .img), which is not read: convert the pair to one .nii file, \
                      as nibabel and FSL's fslchfiletype do";
        return Err(FeedError::decode(path, reason));
    }
    Ok(())
}

/// How a volume is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct View {
    /// The axis that slices are counted along.
    pub axis: SliceAxis,
    /// The values that become black and white; chosen by the volume (see [`nifti`](self)) where not given.
    pub window: Option<Window>,
}

/// A volume as a clip: one frame a slice. The voxels are held in memory as they are stored.
pub struct NiftiClip {
    path: PathBuf,
    name: String,
    header: NiftiHeader,
    geometry: Geometry,
    slicing: Slicing,
    voxels: Vec<u8>,
    voxel_type: VoxelType,
    scale: Scale,
    window: Window,
}

impl NiftiClip {
    /// The most bytes of voxels accepted: 1 GiB.
    pub const MAX_VOXEL_BYTES: u64 = 1 << 30;

    /// Reads the volume at `path`, compressed or not.
    ///
    /// # Errors
    /// [`FeedError::Io`] where the file can't be read, [`FeedError::Size`] for slices of a size that
    /// is not allowed, [`FeedError::Decode`] where it is no NIfTI-1 file, is damaged or truncated,
    /// has more than one volume, or uses what is not supported.
    pub fn open(path: &Path, view: View) -> Result<Self, FeedError> {
        let decode = |reason: String| FeedError::decode(path, reason);
        let mut file = reader(path).map_err(|error| FeedError::io(path, error))?;
        let header = read_header(&mut file).map_err(decode)?;
        let dims = dimensions(&header).map_err(decode)?;
        let voxel_type = VoxelType::read(&header).map_err(decode)?;
        let scale = Scale::read(&header).map_err(decode)?;
        let geometry = Geometry::read(&header, dims).map_err(decode)?;
        let slicing = geometry.slicing(view.axis);
        Frame::check_size(slicing.size())
            .map_err(|source| FeedError::Size { path: path.into(), source })?;
        let voxels = read_voxels(&mut file, &header, dims, voxel_type).map_err(decode)?;
        let window = view.window.or_else(|| Window::stated(&header)).unwrap_or_else(|| {
            Window::suggested(voxel_type.is_byte() && scale.is_identity(), || {
                voxels::sample(&voxels, voxel_type, scale)
            })
        });
        Ok(Self {
            path: path.into(),
            name: file_name(path),
            header,
            geometry,
            slicing,
            voxels,
            voxel_type,
            scale,
            window,
        })
    }

    /// Where its voxels lie in the patient.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The values that are shown black and white.
    pub fn window(&self) -> Window {
        self.window
    }

    /// An empty mask of this volume, to be filled slice by slice along the same axis.
    pub fn empty_mask(&self) -> VolumeMask {
        VolumeMask::new(self.header.clone(), self.geometry.clone(), self.slicing)
    }
}

impl Clip for NiftiClip {
    fn name(&self) -> &str {
        &self.name
    }

    fn frame_count(&self) -> Option<u64> {
        Some(self.slicing.count() as u64)
    }

    fn frame_interval(&self) -> Option<std::time::Duration> {
        None
    }

    fn frame(&mut self, index: u64) -> Result<Frame, FeedError> {
        let grey = self.slicing.voxels(index as usize).map(|voxel| {
            self.window.grey(self.scale.apply(self.voxel_type.value(&self.voxels, voxel)))
        });
        let rgb: Vec<u8> = grey.flat_map(|v| [v; 3]).collect();
        let mut frame = Frame::from_rgb(self.slicing.size(), rgb)
            .map_err(|source| FeedError::Size { path: self.path.clone(), source })?;
        let (column_mm, row_mm) = self.slicing.spacing_mm();
        frame.sequence = index;
        frame.pixel_spacing =
            Some(PixelSpacing { row_mm: row_mm as f32, column_mm: column_mm as f32 });
        frame.source = self.name.as_str().into();
        Ok(frame)
    }
}

/// The bytes of a file, undone where it is compressed, whatever its name says.
fn reader(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut start = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut start)?;
    let file = BufReader::new(File::open(path)?);
    Ok(match start[..] {
        [0x1F, 0x8B] => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        _ => Box::new(file),
    })
}

fn read_header(file: &mut dyn Read) -> Result<NiftiHeader, String> {
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact(&mut bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it ends within its header".into(),
        _ => error.to_string(),
    })?;
    if let [540, _] | [_, 540] = sizes(&bytes) {
        return Err("NIfTI-2 is not supported: write it as NIfTI-1 first".into());
    }
    if bytes[344..] == *b"ni1\0" {
        return Err("its voxels are in a separate .img file: write it as one .nii first".into());
    }
    if !sizes(&bytes).contains(&HEADER_BYTES) || bytes[344..] != *b"n+1\0" {
        return Err("not a NIfTI-1 file".into());
    }
    let header = NiftiHeader::from_reader(&bytes[..]).map_err(|error| error.to_string())?;
    if header.sizeof_hdr as usize != HEADER_BYTES {
        return Err(format!("its header says it has {} dimensions", header.dim[0]));
    }
    Ok(header)
}

/// What the first four bytes say the header's size is, in both byte orders.
fn sizes(header: &[u8; HEADER_BYTES]) -> [usize; 2] {
    let bytes = [header[0], header[1], header[2], header[3]];
    [u32::from_le_bytes(bytes) as usize, u32::from_be_bytes(bytes) as usize]
}

/// The lengths of the three voxel axes.
fn dimensions(header: &NiftiHeader) -> Result<[usize; 3], String> {
    let dims = header.dim().map_err(|error| format!("its dimensions are damaged: {error}"))?;
    let length = |axis: usize| dims.get(axis).map_or(1, |&length| usize::from(length));
    if let Some(axis) = (3..dims.len()).find(|&axis| length(axis) > 1) {
        return Err(format!(
            "it has {} dimensions ({} along dimension {}); a single volume is needed: cut one out \
             first, as fslroi or nibabel's four_to_three do",
            dims.len(),
            length(axis),
            axis + 1,
        ));
    }
    // Lengths are signed in the file.
    if let Some(length) = dims.iter().find(|&&length| length > i16::MAX as u16) {
        return Err(format!("one of its dimensions is {}", *length as i16));
    }
    Ok([length(0), length(1), length(2)])
}

fn read_voxels(
    file: &mut dyn Read,
    header: &NiftiHeader,
    dims: [usize; 3],
    voxel_type: VoxelType,
) -> Result<Vec<u8>, String> {
    let offset = header.vox_offset;
    if !(HEADER_BYTES as f32..=1e9).contains(&offset) {
        return Err(format!("its header says that its voxels begin at byte {offset}"));
    }
    let bytes =
        dims.iter().map(|&length| length as u64).product::<u64>() * voxel_type.bytes() as u64;
    let shape = format!("{} x {} x {} voxels of {voxel_type}", dims[0], dims[1], dims[2]);
    if bytes > NiftiClip::MAX_VOXEL_BYTES {
        return Err(format!("{shape} take more than 1 GiB: cut it or store fewer bytes a voxel"));
    }
    let damaged = |error: std::io::Error| format!("its data is damaged: {error}");
    let skipped = offset as u64 - HEADER_BYTES as u64;
    std::io::copy(&mut file.take(skipped), &mut std::io::sink()).map_err(damaged)?;
    // Grows with what is there, not with what the header claims.
    let mut voxels = Vec::new();
    file.take(bytes).read_to_end(&mut voxels).map_err(damaged)?;
    if (voxels.len() as u64) < bytes {
        let found = voxels.len() / voxel_type.bytes();
        return Err(format!("it says it has {shape}, but there is data for {found} voxels"));
    }
    Ok(voxels)
}
