//! Where the picture is on a scanner's screen.
//!
//! Tissue lights wide areas, text and rulers thin strokes, and margins are black. The screen is looked at
//! in cells; what is lit and wide enough to survive an opening belongs to the picture, if it is large or
//! lies in the same columns (above or below an anechoic part, a full bladder or an eye). Banners at the rim
//! are not of it: what is of one colour from side to side, or reaches out of the picture's columns.

use crate::frame::Frame;
use crate::geometry::{FrameBox, FrameSize};

use super::Region;
use super::cells::{LIT, Part, cell_side, lit_cells, opened, parts, without_banners};

/// The share of the largest part's cells from which another part in its columns belongs to it.
const PART: f32 = 0.04;
/// The share of lit pixels from which an outermost row or column belongs to the picture: a sign in a corner
/// has fewer.
const EDGE_SHARE: f32 = 0.05;
/// A part at the frame's rim that reaches this share of the picture's width out of its columns is a banner;
/// one that is lower than a share of its own width is if it reaches out at all.
const BANNER_WIDER: f32 = 0.2;
const BANNER_HEIGHT: f32 = 0.15;
/// What is left round the picture, as a share of its longer side.
const MARGIN: f32 = 0.03;
/// The largest share of the frame that is worth cutting out.
const WORTHWHILE: f32 = 0.8;
/// The share of the frame from which a picture fills it: nothing else is there, or can't be told from it.
const FILLS: f32 = 0.95;
/// The least share of the frame that can be a picture.
const LEAST: f32 = 0.04;

/// The picture on `frame`, and a little of what is round it; `None` where it fills the frame, or nothing is
/// to be seen.
pub fn find_region(frame: &Frame) -> Option<Region> {
    let Lit { bounds: b, .. } = lit(frame)?;
    let margin = MARGIN * (b.x1 - b.x0).max(b.y1 - b.y0);
    let (x0, y0, x1, y1) = (b.x0 - margin, b.y0 - margin, b.x1 + margin, b.y1 + margin);
    let region = Region::of(FrameBox { x0, y0, x1, y1 }, frame.size())?;
    (LEAST..=WORTHWHILE).contains(&share(&region)).then_some(region)
}

/// The picture on `frame` to its outermost rows and columns: the whole frame where it fills that, `None` where
/// nothing is to be seen.
pub fn find_picture(frame: &Frame) -> Option<Region> {
    let Lit { bounds, cell, within } = lit(frame)?;
    let exact = exact(frame, bounds, cell);
    // No line of a banner that touches it.
    let bounds = FrameBox {
        x0: exact.x0.max(within.x0),
        y0: exact.y0.max(within.y0),
        x1: exact.x1.min(within.x1),
        y1: exact.y1.min(within.y1),
    };
    let region = Region::of(bounds, frame.size())?;
    match share(&region) {
        ..LEAST => None,
        FILLS.. => Some(Region::whole(frame.size())),
        _ => Some(region),
    }
}

/// `b`, which is exact to a `cell`, to the outermost rows and columns of what is lit there. It ends before
/// the first that is dark, so that a word below the picture is not of it.
fn exact(frame: &Frame, b: FrameBox, cell: i64) -> FrameBox {
    let FrameSize { width, height } = frame.size();
    let [x0, y0, x1, y1] = [b.x0, b.y0, b.x1, b.y1].map(|v| v as i64);
    let start = |x: i64, y: i64| (y * i64::from(width) + x) as usize * 3;
    let is_lit = |x: i64, y: i64| frame.rgb()[start(x, y)..][..3].iter().any(|&v| v > LIT);
    let share = |lit: usize, of: i64| lit as f32 >= EDGE_SHARE * of as f32;
    let row = |y: i64| {
        let lit = || (x0..=x1).filter(|x| is_lit(*x, y)).count();
        (0..i64::from(height)).contains(&y) && share(lit(), x1 + 1 - x0)
    };
    let column = |x: i64| {
        let lit = || (y0..=y1).filter(|y| is_lit(x, *y)).count();
        (0..i64::from(width)).contains(&x) && share(lit(), y1 + 1 - y0)
    };
    let edge = |at: i64, outwards: i64, lit: &dyn Fn(i64) -> bool| {
        let last = |steps: i64| at + steps * outwards;
        let edge = match lit(at) {
            true => (1..=cell).map(last).take_while(|at| lit(*at)).last().unwrap_or(at),
            false => (1..cell).map(|steps| last(-steps)).find(|at| lit(*at)).unwrap_or(at),
        };
        edge as f32
    };
    let (x0, x1) = (edge(x0, -1, &column), edge(x1, 1, &column));
    FrameBox { x0, y0: edge(y0, -1, &row), x1, y1: edge(y1, 1, &row) }
}

/// The share of the frame that a region takes.
fn share(region: &Region) -> f32 {
    region.size().pixels() as f32 / region.frame_size().pixels() as f32
}

/// Where the picture is lit.
struct Lit {
    bounds: FrameBox,
    /// How exact that is, in pixels.
    cell: i64,
    /// The frame without banners.
    within: FrameBox,
}

fn lit(frame: &Frame) -> Option<Lit> {
    let size = frame.size();
    let cell = cell_side(size);
    let (columns, rows) = (size.width as usize / cell, size.height as usize / cell);
    if columns < 8 || rows < 8 {
        return None;
    }
    let mut cells = lit_cells(frame, cell, columns, rows);
    let [above, below, left_of, right_of] = without_banners(&mut cells, columns, rows);
    let lit: Vec<bool> = cells.iter().map(|cell| cell.lit).collect();
    let parts = parts(&opened(&lit, columns, rows), columns, rows);
    let largest = parts.iter().max_by_key(|part| part.cells)?;
    let [left, _, right, _] = largest.bounds;
    let belongs = |part: &&Part| {
        let [l, _, r, _] = part.bounds;
        let shared = (right.min(r) + 1).saturating_sub(left.max(l));
        part.cells as f32 >= PART * largest.cells as f32
            && 2 * shared >= r + 1 - l
            && !is_banner(part, largest, rows)
    };
    let bounds = parts.iter().filter(belongs).fold(largest.bounds, |a, part| {
        let b = part.bounds;
        [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
    });
    let at = |v: usize| (v * cell) as f32;
    let (x0, y0) = (at(bounds[0]), at(bounds[1]));
    let (x1, y1) = (at(bounds[2] + 1) - 1.0, at(bounds[3] + 1) - 1.0);
    let within = FrameBox {
        x0: at(left_of),
        y0: at(above),
        x1: if right_of > 0 { at(columns - right_of) } else { size.width as f32 } - 1.0,
        y1: if below > 0 { at(rows - below) } else { size.height as f32 } - 1.0,
    };
    Some(Lit { bounds: FrameBox { x0, y0, x1, y1 }, cell: cell as i64, within })
}

/// Whether a part that isn't the picture's `largest` lies at the upper or lower rim and reaches out of its
/// columns as no tissue does. Skin above an anechoic part does not, even where the frame ends with it.
fn is_banner(part: &Part, largest: &Part, rows: usize) -> bool {
    let ([l, top, r, bottom], [left, _, right, _]) = (part.bounds, largest.bounds);
    let (width, height) = ((r + 1 - l) as f32, (bottom + 1 - top) as f32);
    // The outermost cells are taken for lit or dark with those beside them.
    let at_rim = top <= 1 || bottom + 2 >= rows;
    let out = (left.saturating_sub(l) + r.saturating_sub(right)) as f32;
    let wider = out > BANNER_WIDER * (right + 1 - left) as f32;
    at_rim && (wider || (height < BANNER_HEIGHT * width && out > 2.0))
}

/// Finds the region of a feed and keeps to it while it fits: a structure that darkens a corner for a
/// while doesn't change what the network sees, another depth or scanner does.
#[derive(Clone, Debug)]
pub struct RegionFinder {
    choice: RegionChoice,
    region: Option<Region>,
}

/// Which part of frames the network is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RegionChoice {
    /// All of them.
    #[default]
    Whole,
    /// What is found.
    Auto,
    /// This, in frame pixels.
    Fixed(FrameBox),
}

/// Why a region can't be shown to the network.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the region ({}, {}, {}, {}) reaches beyond the frame of {frame} pixels; give one within it, or auto", .region.x0, .region.y0, .region.x1, .region.y1)]
pub struct RegionError {
    /// The region, in frame pixels.
    pub region: FrameBox,
    /// The frame's size.
    pub frame: FrameSize,
}

impl RegionChoice {
    /// What is chosen, where frames of size `frame` have it.
    ///
    /// # Errors
    /// [`RegionError`] where a [`Fixed`](Self::Fixed) one reaches beyond them: it was meant for others, and
    /// what of it lies on these is not what was meant.
    pub fn on(self, frame: FrameSize) -> Result<Self, RegionError> {
        let Self::Fixed(region) = self else { return Ok(self) };
        // A last column that is given as the width is a slip of no account.
        let within = |low: f32, high: f32, length: u32| low >= 0.0 && high <= length as f32;
        let fits =
            within(region.x0, region.x1, frame.width) && within(region.y0, region.y1, frame.height);
        if fits { Ok(self) } else { Err(RegionError { region, frame }) }
    }
}

/// How much larger than the picture the region kept may be.
const LOOSE: f32 = 1.5;

impl RegionFinder {
    /// For a feed that hasn't begun.
    pub fn new(choice: RegionChoice) -> Self {
        Self { choice, region: None }
    }

    /// The region of a feed whose newest frame this is; `None` for all of it.
    ///
    /// # Errors
    /// [`RegionError`] where a fixed one reaches beyond the frame.
    pub fn of(&mut self, frame: &Frame) -> Result<Option<Region>, RegionError> {
        let size = frame.size();
        match self.choice.on(size)? {
            RegionChoice::Whole => return Ok(None),
            RegionChoice::Fixed(b) => return Ok(Region::of(b, size)),
            RegionChoice::Auto => {}
        }
        let before = self.region.filter(|region| region.frame_size() == size);
        self.region = match (before, find_region(frame)) {
            (before, None) => before.filter(|_| is_dark(frame)),
            (None, found) => found,
            (Some(before), Some(found)) => {
                let both = before.joined(found);
                let loose = both.size().pixels() as f32 > LOOSE * found.size().pixels() as f32;
                Some(if loose { found } else { both })
            }
        };
        Ok(self.region)
    }
}

/// Whether there is nothing to be seen that a region could be told from: the probe is off.
fn is_dark(frame: &Frame) -> bool {
    let FrameSize { width, height } = frame.size();
    let lit = frame.rgb().chunks_exact(3).step_by(7).filter(|p| p.iter().any(|&v| v > LIT));
    (lit.count() as f32) < LEAST * (width * height) as f32 / 7.0
}
