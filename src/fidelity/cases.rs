//! Pictures to measure on, and what is asked about them.

use std::path::{Path, PathBuf};

use crate::feed::phantom::{Phantom, PhantomOptions};
use crate::feed::{Clip, FeedError, read_still};
use crate::files::{files_below, is_picture};
use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::mask::Mask;

/// The most pictures taken from a folder, evenly spread: each is kept with its masks, some 10 MB.
const MAX_PICTURES: usize = 128;
/// How many phantoms stand in for pictures.
const PHANTOMS: u64 = 8;

/// A picture, and what is asked about it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Where it comes from.
    pub name: String,
    /// The picture.
    pub frame: Frame,
    /// Boxes round structures.
    pub boxes: Vec<FrameBox>,
    /// Points on structures.
    pub points: Vec<FramePoint>,
}

/// Why there are no pictures to measure on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A folder can't be listed.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A picture can't be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// An outline is of another size than its picture.
    #[error("{path} has {found} pixels and its picture {expected}", path = .path.display())]
    OutlineSize {
        /// The outline.
        path: PathBuf,
        /// Its size.
        found: FrameSize,
        /// The picture's.
        expected: FrameSize,
    },
    /// There is nothing to measure on.
    #[error("no pictures (PNG, JPEG, BMP, TIFF, DICOM) are in {path}", path = .0.display())]
    Empty(PathBuf),
}

/// The pictures in `folder` and the folders in it, by name; of more than 128 evenly spread ones. Where `NAME_mask….png` stands beside
/// `NAME.png`, the box of that outline, the same grown by 2 % of the picture, and the point of it
/// nearest to its centre are asked; otherwise squares on a grid, and their middles.
///
/// # Errors
/// [`CaseError`] where there are none, or one can't be read.
pub fn cases_in(folder: &Path) -> Result<Vec<Case>, CaseError> {
    let mut files = files_below(folder).map_err(|(path, source)| CaseError::Io { path, source })?;
    files.retain(|file| is_picture(file));
    let stem = |path: &Path| path.with_extension("").to_string_lossy().into_owned();
    let (outlines, pictures): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| {
        let stem = stem(path);
        let name = stem.rsplit('/').next().unwrap_or(&stem);
        name.contains("_mask")
    });
    let mut cases = Vec::new();
    let step = pictures.len().div_ceil(MAX_PICTURES).max(1);
    for path in pictures.into_iter().step_by(step) {
        let frame = read_still(&path)?;
        let prefix = format!("{}_mask", stem(&path));
        let mut masks = Vec::new();
        for outline in outlines.iter().filter(|outline| stem(outline).starts_with(&prefix)) {
            masks.push(read_outline(outline, frame.size())?);
        }
        cases.push(case(path.display().to_string(), frame, &masks));
    }
    match cases.is_empty() {
        true => Err(CaseError::Empty(folder.to_path_buf())),
        false => Ok(cases),
    }
}

/// Simulated ultrasound pictures with known outlines, for want of real ones.
///
/// # Errors
/// [`CaseError::Feed`] never, as the simulator's defaults are possible.
pub fn phantom_cases() -> Result<Vec<Case>, CaseError> {
    let phantom = |seed| {
        let mut clip = Phantom::new(PhantomOptions { seed, ..PhantomOptions::default() })?;
        let mask = clip.truth(0);
        Ok(case(format!("phantom:seed={seed}"), clip.frame(0)?, &[mask]))
    };
    (1..=PHANTOMS).map(phantom).collect()
}

fn read_outline(path: &Path, expected: FrameSize) -> Result<Mask, CaseError> {
    let picture = read_still(path)?;
    let found = picture.size();
    if found != expected {
        return Err(CaseError::OutlineSize { path: path.to_path_buf(), found, expected });
    }
    let inside = picture.rgb().chunks_exact(3).map(|pixel| u8::from(pixel[0] > 127)).collect();
    Ok(Mask::from_pixels(found, inside))
}

fn case(name: String, frame: Frame, masks: &[Mask]) -> Case {
    let size = frame.size();
    let (mut boxes, mut points) = (Vec::new(), Vec::new());
    for (mask, tight) in masks.iter().filter_map(|mask| Some((mask, mask.bounding_box()?))) {
        let more = 0.02 * size.longest_side() as f32;
        let grown = FrameBox {
            x0: tight.x0 - more,
            y0: tight.y0 - more,
            x1: tight.x1 + more,
            y1: tight.y1 + more,
        };
        boxes.push(tight);
        boxes.extend(grown.clipped(size));
        points.extend(middle(mask));
    }
    if boxes.is_empty() {
        let [width, height] = [size.width, size.height].map(|side| side as f32);
        let side = width.min(height) / 3.0;
        for (x, y) in (0..9).map(|at| ((at % 3) as f32, (at / 3) as f32)) {
            let centre = FramePoint::new(width * (x + 1.0) / 4.0, height * (y + 1.0) / 4.0);
            boxes.extend(FrameBox::centred(centre, side, side).clipped(size));
            points.push(centre);
        }
    }
    Case { name, frame, boxes, points }
}

/// The pixel of a mask that is nearest to its centre of mass.
fn middle(mask: &Mask) -> Option<FramePoint> {
    let width = mask.size().width as usize;
    let inside = || {
        let pixels = mask.pixels().iter().enumerate().filter(|(_, pixel)| **pixel != 0);
        pixels.map(|(at, _)| ((at % width) as f64, (at / width) as f64))
    };
    let (mut x, mut y) = inside().fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
    let area = mask.area_px() as f64;
    (x, y) = (x / area, y / area);
    let distance = |at: (f64, f64)| (at.0 - x).powi(2) + (at.1 - y).powi(2);
    let nearest = inside().min_by(|&a, &b| distance(a).total_cmp(&distance(b)))?;
    Some(FramePoint::new(nearest.0 as f32, nearest.1 as f32))
}
