//! NumPy archives with pictures or volumes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use ndarray_npy::{NpzReader, ReadNpzError};
use zip::ZipArchive;

use super::{Item, Picture, Problem, ProblemKind, Refusal, Structure};
use crate::frame::{Frame, PixelSpacing};
use crate::geometry::{FrameBox, FrameSize};
use crate::mask::Mask;

type Archive = NpzReader<BufReader<File>>;

/// What an archive holds.
struct Volume {
    /// Slices × rows × columns, or slices × rows × columns × 3.
    pictures: ArrayD<u8>,
    /// Slices × rows × columns.
    labels: ArrayD<u16>,
    /// Boxes × 4 (a picture's: x0, y0, x1, y1) or × 6 (a volume's: x0, y0, z0, x1, y1, z1), the
    /// first for label 1.
    boxes: Option<ArrayD<f64>>,
    spacing: Option<PixelSpacing>,
    is_volume: bool,
}

/// Hands out the slices on which something is outlined.
pub(super) fn read<E>(
    item: &Item,
    path: &Path,
    problems: &mut Vec<Problem>,
    mut each: impl FnMut(Picture) -> Result<(), E>,
) -> Result<(), E> {
    let mut tell = |kind, reason: String| {
        problems.push(Problem::new(kind, format!("{}: {reason}", path.display())));
    };
    let volume = match load(path) {
        Ok(volume) => volume,
        Err((kind, reason)) => {
            tell(kind, reason);
            return Ok(());
        }
    };
    let mut outlined = false;
    for (z, labels) in volume.labels.axis_iter(Axis(0)).enumerate() {
        let size = FrameSize::new(labels.shape()[1] as u32, labels.shape()[0] as u32);
        let found: BTreeSet<u16> = labels.iter().copied().filter(|label| *label > 0).collect();
        if found.is_empty() {
            continue;
        }
        outlined = true;
        let structure = |label: u16| Structure {
            name: format!("label {label}"),
            class: None,
            mask: Mask::from_pixels(size, labels.iter().map(|l| u8::from(*l == label)).collect()),
            given_box: given_box(volume.boxes.as_ref(), label, z),
        };
        let structures = found.into_iter().map(structure).collect();
        let rgb = to_rgb(volume.pictures.index_axis(Axis(0), z));
        let mut frame = match Frame::from_rgb(size, rgb) {
            Ok(frame) => frame,
            Err(error) => {
                tell(ProblemKind::Unreadable, error.to_string());
                return Ok(());
            }
        };
        frame.pixel_spacing = volume.spacing;
        frame.sequence = z as u64;
        let name = if volume.is_volume { format!("{}#{z}", item.name) } else { item.name.clone() };
        let of = volume.is_volume.then(|| item.name.clone());
        each(Picture { name, volume: of, class: item.class.clone(), frame, structures })?;
    }
    if !outlined {
        tell(ProblemKind::EmptyMask, "no label in gts".into());
    }
    Ok(())
}

/// The most bytes of an array accepted: 1 GiB.
const MAX_ARRAY_BYTES: u64 = 1 << 30;
/// What is read of the arrays' headers; NumPy's own take 128.
const HEADER_BYTES: u64 = 4096;

/// Refuses arrays that are too large, or whose header claims more than there is: memory is taken for
/// what it claims.
fn check_sizes(path: &Path) -> Result<(), String> {
    let file = BufReader::new(File::open(path).map_err(|error| error.to_string())?);
    let mut archive = ZipArchive::new(file).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let array = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = array.name().map_err(|error| error.to_string())?.into_owned();
        let there = array.size();
        if !["imgs", "gts", "boxes", "spacing"].contains(&name.trim_end_matches(".npy")) {
            continue;
        }
        if there > MAX_ARRAY_BYTES {
            return Err(format!("{name} takes {there} bytes, more than 1 GiB: cut the volume"));
        }
        let mut header = Vec::new();
        let read = array.take(HEADER_BYTES).read_to_end(&mut header);
        read.map_err(|error| format!("{name}: {error}"))?;
        match claimed_bytes(&String::from_utf8_lossy(&header)) {
            None => return Err(format!("{name} has no header of a NumPy array of numbers")),
            Some(claimed) if claimed > there => {
                return Err(format!("{name} says it has {claimed} bytes, but there are {there}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// What shape and kind of numbers in an array's header come to.
fn claimed_bytes(header: &str) -> Option<u64> {
    let header = header.replace(' ', "").replace('"', "'");
    let value = |key: &str, end: char| Some(header.split_once(key)?.1.split_once(end)?.0);
    let sides = value("'shape':(", ')')?.split(',').filter(|side| !side.is_empty());
    let width = value("'descr':'", '\'')?.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut bytes = width.parse::<u64>().ok()?;
    for side in sides {
        bytes = bytes.checked_mul(side.parse().ok()?)?;
    }
    Some(bytes)
}

fn load(path: &Path) -> Result<Volume, Refusal> {
    let unreadable = |reason: String| (ProblemKind::Unreadable, reason);
    check_sizes(path).map_err(unreadable)?;
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut archive =
        NpzReader::new(BufReader::new(file)).map_err(|error| unreadable(error.to_string()))?;
    let names = archive.names().map_err(|error| unreadable(error.to_string()))?;
    let has = |name: &str| names.iter().any(|n| n.trim_end_matches(".npy") == name);
    if !has("imgs") {
        return Err(unreadable("there is no array imgs in it".into()));
    }
    if !has("gts") {
        return Err((ProblemKind::MissingMask, "there is no array gts in it".into()));
    }
    let pictures = match bytes(&mut archive, "imgs") {
        Some(bytes) => bytes,
        None => to_bytes(numbers(&mut archive, "imgs").map_err(unreadable)?),
    };
    let labels = match bytes(&mut archive, "gts") {
        Some(bytes) => bytes.mapv(u16::from),
        None => numbers(&mut archive, "gts").map_err(unreadable)?.mapv(|v| v as u16),
    };
    let boxes = has("boxes").then(|| numbers(&mut archive, "boxes")).transpose();
    let boxes =
        boxes.map_err(unreadable)?.filter(|b| b.ndim() == 2 && [4, 6].contains(&b.shape()[1]));
    let spacing = has("spacing").then(|| numbers(&mut archive, "spacing")).transpose();
    let spacing = spacing.map_err(unreadable)?;
    let is_volume = labels.ndim() == 3;
    let (pictures, labels) = match labels.ndim() {
        2 => (pictures.insert_axis(Axis(0)), labels.insert_axis(Axis(0))),
        _ => (pictures, labels),
    };
    let (p, l) = (pictures.shape(), labels.shape());
    let colours = p.len() == 4 && p[3] == 3;
    if l.len() != 3 || (p.len() != 3 && !colours) || p[..3] != *l {
        let found = format!("imgs is {p:?} and gts {l:?}: they don't fit each other");
        return Err((ProblemKind::WrongSize, found));
    }
    Ok(Volume { pictures, labels, boxes, spacing: spacing.as_ref().and_then(in_plane), is_volume })
}

/// The spacing in a slice, from that along x, y and z, as SimpleITK gives it.
fn in_plane(spacing: &ArrayD<f64>) -> Option<PixelSpacing> {
    let along: Vec<f32> = spacing.iter().map(|v| *v as f32).collect();
    let [column_mm, row_mm, ..] = along[..] else { return None };
    let possible = column_mm.is_finite() && row_mm.is_finite() && column_mm > 0.0 && row_mm > 0.0;
    possible.then_some(PixelSpacing { row_mm, column_mm })
}

fn given_box(boxes: Option<&ArrayD<f64>>, label: u16, z: usize) -> Option<FrameBox> {
    let index = usize::from(label).checked_sub(1)?;
    let boxes = boxes?;
    if index >= boxes.shape()[0] {
        return None;
    }
    let row: Vec<f64> = boxes.index_axis(Axis(0), index).iter().copied().collect();
    let (x0, y0, x1, y1) = match row[..] {
        [x0, y0, x1, y1] => (x0, y0, x1, y1),
        [x0, y0, z0, x1, y1, z1] if (z0..=z1).contains(&(z as f64)) => (x0, y0, x1, y1),
        _ => return None,
    };
    let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(|v| v as f32);
    (x1 > x0 && y1 > y0).then_some(FrameBox { x0, y0, x1, y1 })
}

/// An array of bytes, as nearly all are, without taking eight times their memory.
fn bytes(archive: &mut Archive, name: &str) -> Option<ArrayD<u8>> {
    archive.by_name::<ndarray::OwnedRepr<u8>, IxDyn>(name).ok()
}

/// An array of whatever numbers it has.
fn numbers(archive: &mut Archive, name: &str) -> Result<ArrayD<f64>, String> {
    macro_rules! try_types {
        ($($kind:ty),*) => {$(
            match archive.by_name::<ndarray::OwnedRepr<$kind>, IxDyn>(name) {
                Ok(array) => return Ok(array.mapv(|v| v as f64)),
                Err(ReadNpzError::Npy(ndarray_npy::ReadNpyError::WrongDescriptor(_))) => {}
                Err(error) => return Err(format!("{name}: {error}")),
            }
        )*};
    }
    try_types!(u8, u16, i16, i32, i64, u32, u64, i8, f32, f64);
    if let Ok(array) = archive.by_name::<ndarray::OwnedRepr<bool>, IxDyn>(name) {
        return Ok(array.mapv(f64::from));
    }
    Err(format!("{name} is of a kind of numbers that is not known"))
}

/// Values within 0 to 255 stay, but where none is above 1; others are stretched from least to
/// greatest.
fn to_bytes(values: ArrayD<f64>) -> ArrayD<u8> {
    let finite = values.iter().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    if low >= 0.0 && high > 1.0 && high <= 255.0 {
        return values.mapv(|v| v.round() as u8);
    }
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    values.mapv(|v| ((v - low) * scale).round() as u8)
}

fn to_rgb(slice: ArrayViewD<'_, u8>) -> Vec<u8> {
    match slice.ndim() {
        3 => slice.iter().copied().collect(),
        _ => slice.iter().flat_map(|v| [*v; 3]).collect(),
    }
}
