//! Where voxels lie in the patient, and how slices of them are laid out as pictures.

use nifti::{NiftiHeader, Unit};

use crate::geometry::FrameSize;

/// The axis that slices are counted along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SliceAxis {
    /// The voxel axis nearest to foot–head.
    Axial,
    /// The voxel axis nearest to back–front.
    Coronal,
    /// The voxel axis nearest to left–right.
    Sagittal,
    /// The first voxel axis.
    I,
    /// The second voxel axis.
    J,
    /// The third voxel axis: slices as they were stored, mostly as they were acquired.
    #[default]
    K,
}

/// Where the voxels of a volume lie in the patient. Voxel `(i, j, k)` has its centre at
/// `affine · (i, j, k, 1)`: millimetres to the right, to the front and upwards (RAS).
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Voxels along i, j and k.
    pub dims: [usize; 3],
    /// Rows right, anterior, superior; columns i, j, k, origin. In mm.
    pub affine: [[f64; 4]; 3],
}

impl Geometry {
    /// The geometry that a header states: its sform, else its qform, else nibabel's
    /// `get_base_affine`.
    pub(super) fn read(header: &NiftiHeader, dims: [usize; 3]) -> Result<Self, String> {
        let (name, mut affine) = if header.sform_code > 0 {
            ("sform", [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from)))
        } else if header.qform_code > 0 {
            ("qform", qform(header)?)
        } else {
            ("pixdim", base(header, dims))
        };
        let unit_mm = match header.xyzt_to_space() {
            Ok(Unit::Meter) => 1000.0,
            Ok(Unit::Micron) => 0.001,
            _ => 1.0,
        };
        affine.iter_mut().flatten().for_each(|v| *v *= unit_mm);
        let geometry = Self { dims, affine };
        let volume = geometry.voxel_mm3();
        // Less than a millionth of the box that its axes span: they lie in a plane.
        let flat = volume <= 1e-6 * geometry.spacing_mm().iter().product::<f64>();
        if !volume.is_finite() || flat || affine.iter().flatten().any(|v| !v.is_finite()) {
            return Err(format!(
                "its {name} gives voxels no volume: correct its header, or set sform_code (or \
                 qform_code) to 0"
            ));
        }
        Ok(geometry)
    }

    /// Distances between the centres of neighbouring voxels along i, j and k in mm.
    pub fn spacing_mm(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| self.affine.iter().map(|row| row[axis].powi(2)).sum::<f64>().sqrt())
    }

    /// The volume of a voxel in mm³.
    pub fn voxel_mm3(&self) -> f64 {
        let [a, b, c] = self.affine;
        let minor = |i: usize, j: usize| b[i] * c[j] - b[j] * c[i];
        (a[0] * minor(1, 2) - a[1] * minor(0, 2) + a[2] * minor(0, 1)).abs()
    }

    /// For each voxel axis the patient axis it is nearest to (0 right, 1 anterior, 2 superior) and
    /// whether it runs along it rather than against it.
    ///
    /// As nibabel's `io_orientation`: the voxel axis that is clearest goes first. It squares
    /// sheared axes up before it compares; we don't.
    pub fn orientation(&self) -> [(usize, bool); 3] {
        let spacing = self.spacing_mm();
        let cosine = |axis: usize, world: usize| self.affine[world][axis] / spacing[axis];
        let clearness =
            |axis: usize| (0..3).map(|world| cosine(axis, world).abs()).fold(0.0, f64::max);
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| clearness(b).total_cmp(&clearness(a)));
        let mut free = vec![0, 1, 2];
        let mut orientation = [(0, true); 3];
        for axis in order {
            free.sort_by(|&a, &b| cosine(axis, b).abs().total_cmp(&cosine(axis, a).abs()));
            let world = free.remove(0);
            orientation[axis] = (world, cosine(axis, world) >= 0.0);
        }
        orientation
    }

    /// The orientation as three letters, for each voxel axis where it runs to: `RAS`, `LPS`, …
    pub fn axis_codes(&self) -> String {
        let letters = [['L', 'R'], ['P', 'A'], ['I', 'S']];
        self.orientation().map(|(world, along)| letters[world][usize::from(along)]).iter().collect()
    }

    /// The slices along an axis.
    pub(super) fn slicing(&self, axis: SliceAxis) -> Slicing {
        let orientation = self.orientation();
        let nearest_to =
            |world: usize| (0..3).find(|&axis| orientation[axis].0 == world).unwrap_or(world);
        let slices = match axis {
            SliceAxis::Axial => nearest_to(2),
            SliceAxis::Coronal => nearest_to(1),
            SliceAxis::Sagittal => nearest_to(0),
            SliceAxis::I => 0,
            SliceAxis::J => 1,
            SliceAxis::K => 2,
        };
        // Left, back and foot are at the right and bottom: both run against the patient's axes, and
        // the one that comes first among those goes to the right.
        let mut shown = [0, 1, 2].map(nearest_to).into_iter().filter(|&axis| axis != slices);
        let (x, y) = (shown.next().unwrap_or(0), shown.next().unwrap_or(1));
        let strides = [1, self.dims[0], self.dims[0] * self.dims[1]];
        let spacing = self.spacing_mm();
        let step = |axis: usize| Step {
            length: self.dims[axis],
            stride: strides[axis],
            reversed: orientation[axis].1,
            spacing_mm: spacing[axis],
        };
        let slices = Step { reversed: false, ..step(slices) };
        Slicing { x: step(x), y: step(y), slices }
    }
}

/// The qform's affine (`nifti1.h`, method 2).
fn qform(header: &NiftiHeader) -> Result<[[f64; 4]; 3], String> {
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let rest = 1.0 - (b * b + c * c + d * d);
    // Rounding to 32 bits may take it a little below 0.
    if rest.is_nan() || rest < -1e-5 {
        return Err(format!("its qform is no rotation: ({b}, {c}, {d}) is longer than 1"));
    }
    let a = rest.max(0.0).sqrt();
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let handedness = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let [_, x, y, z, ..] = header.pixdim.map(f64::from);
    let offsets = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
    Ok([0, 1, 2].map(|row| {
        let r = rotation[row];
        [r[0] * x, r[1] * y, r[2] * z * handedness, offsets[row]]
    }))
}

/// What nibabel takes where a header states nothing: x runs to the left, the centre is the origin.
fn base(header: &NiftiHeader, dims: [usize; 3]) -> [[f64; 4]; 3] {
    [0, 1, 2].map(|axis| {
        let spacing = f64::from(header.pixdim[axis + 1]) * if axis == 0 { -1.0 } else { 1.0 };
        let mut row = [0.0; 4];
        row[axis] = spacing;
        row[3] = -spacing * (dims[axis] as f64 - 1.0) / 2.0;
        row
    })
}

/// One axis of a picture, or of the pile of them, in voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    length: usize,
    /// Voxels from one to the next.
    stride: usize,
    /// The first of the picture is the last of the file.
    reversed: bool,
    spacing_mm: f64,
}

impl Step {
    fn offset(self, at: usize) -> usize {
        self.stride * if self.reversed { self.length - 1 - at } else { at }
    }
}

/// How the slices along an axis are laid out as pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slicing {
    x: Step,
    y: Step,
    slices: Step,
}

impl Slicing {
    /// The size of a slice's picture.
    pub fn size(&self) -> FrameSize {
        FrameSize::new(self.x.length as u32, self.y.length as u32)
    }

    /// The number of slices.
    pub fn count(&self) -> usize {
        self.slices.length
    }

    /// The distance between columns, and between rows.
    pub fn spacing_mm(&self) -> (f64, f64) {
        (self.x.spacing_mm, self.y.spacing_mm)
    }

    /// The voxels of slice `index` in the order of its picture's pixels.
    ///
    /// # Panics
    /// If there is no such slice.
    pub fn voxels(&self, index: usize) -> impl Iterator<Item = usize> + use<> {
        let Self { x, y, slices } = *self;
        assert!(index < slices.length, "slice {index} of {}", slices.length);
        let base = slices.offset(index);
        (0..y.length).flat_map(move |row| {
            let base = base + y.offset(row);
            (0..x.length).map(move |column| base + x.offset(column))
        })
    }
}
