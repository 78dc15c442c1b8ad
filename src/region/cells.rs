//! A frame in cells: which are lit, and which lit ones hang together.

use crate::frame::Frame;
use crate::geometry::FrameSize;

/// Cells along the frame's longer side.
const CELLS: usize = 128;
/// A pixel whose brightest colour exceeds this is lit; compression makes black a little grey.
pub(super) const LIT: u8 = 10;
/// The share of lit pixels from which a cell is.
const LIT_SHARE: f32 = 0.3;
/// A cell is of one colour if the brightness of its pixels differs by no more than this, and is at least
/// that: dim tissue far from the probe has little speckle left.
const FLAT: u8 = 6;
const FLAT_FROM: u8 = 20;
/// It is written on if at least half of its pixels are of one colour, and one differs from that by so much:
/// letters do, on what a scanner draws, and no tissue has that many pixels alike but where it is as bright as
/// can be.
const INK: u8 = 60;
const BRIGHTEST: u8 = 250;
/// The share of a row's cells that are lit, and that are of the same colour, in a banner.
const BANNER_LIT: f32 = 0.9;
const BANNER_FLAT: f32 = 0.5;
/// Where at least this share of what is behind it is of one colour, it is no banner, but the ground.
const GROUND_FLAT: f32 = 0.15;
/// The greatest share of the frame that a banner takes; what is thicker is the background.
const BANNER_THICK: f32 = 0.2;

/// A square of the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// Enough of its pixels are lit.
    pub lit: bool,
    /// Its brightness, where it is of one colour, or written on a ground of one, and not just black.
    flat: Option<u8>,
}

/// The side of a cell in pixels, on frames of `size`.
pub(super) fn cell_side(size: FrameSize) -> usize {
    (size.longest_side() as usize).div_ceil(CELLS).max(1)
}

/// The cells, row-major. Of each at most 5 × 5 pixels are read.
pub(super) fn lit_cells(frame: &Frame, cell: usize, columns: usize, rows: usize) -> Vec<Cell> {
    let width = frame.size().width as usize;
    let every = cell.div_ceil(5);
    let inside: Vec<usize> = (every / 2..cell).step_by(every).collect();
    let needed = LIT_SHARE * (inside.len() * inside.len()) as f32;
    let cell_at = |row: usize, column: usize| {
        let pixels = inside
            .iter()
            .flat_map(|y| inside.iter().map(move |x| (row * cell + y, column * cell + x)));
        let brightness = |(y, x): (usize, usize)| {
            let brightest = frame.rgb()[(y * width + x) * 3..][..3].iter().copied().max();
            brightest.unwrap_or_default()
        };
        let mut pixels: Vec<u8> = pixels.map(brightness).collect();
        let lit = pixels.iter().filter(|brightness| **brightness > LIT).count();
        Cell { lit: lit as f32 >= needed, flat: ground(&mut pixels) }
    };
    (0..rows * columns).map(|k| cell_at(k / columns, k % columns)).collect()
}

/// The brightness of what is of one colour, or written on one that is not just black.
fn ground(pixels: &mut [u8]) -> Option<u8> {
    pixels.sort_unstable();
    let (least, most) = (*pixels.first()?, *pixels.last()?);
    if most - least <= FLAT {
        return Some(least).filter(|least| *least >= FLAT_FROM);
    }
    // Where half of them are alike, the one in the middle is one of those.
    let ground = pixels[pixels.len() / 2];
    let alike = pixels.iter().filter(|pixel| pixel.abs_diff(ground) <= FLAT / 2).count();
    let ink = (most - ground).max(ground - least) >= INK;
    let plain = 2 * alike >= pixels.len() && (FLAT_FROM..BRIGHTEST).contains(&ground);
    (ink && plain).then_some(ground)
}

/// Darkens what a scanner draws as a bar along the frame's rim: rows from the top or the bottom, and columns
/// from the left or the right, that are lit from end to end and mostly of one colour but for letters. Tissue
/// has speckle. What lies behind a bar is dark, or all tissue: of one colour in part as well, it is a bright
/// ground round a picture, whose narrow end must not be taken for letters on a bar. How many lines were
/// darkened at the top, the bottom, the left and the right is given.
pub(super) fn without_banners(cells: &mut [Cell], columns: usize, rows: usize) -> [usize; 4] {
    let row = |y: usize| (0..columns).map(|x| y * columns + x).collect::<Vec<_>>();
    let column = |x: usize| (0..rows).map(|y| y * columns + x).collect::<Vec<_>>();
    let sides: [Vec<Vec<usize>>; 4] = [
        (0..rows).map(row).collect(),
        (0..rows).rev().map(row).collect(),
        (0..columns).map(column).collect(),
        (0..columns).rev().map(column).collect(),
    ];
    sides.map(|lines| {
        let of_bar = |line: &Vec<usize>| {
            let (lit, flat) = shares(line, cells);
            lit >= BANNER_LIT && flat >= BANNER_FLAT
        };
        let thick = lines.iter().take_while(|line| of_bar(line)).count();
        // The first line behind it may be of both.
        let behind = lines.get(thick + 1).map(|line| shares(line, cells));
        let ends = behind.is_some_and(|(lit, flat)| lit < BANNER_LIT || flat < GROUND_FLAT);
        if !ends || thick as f32 > BANNER_THICK * lines.len() as f32 {
            return 0;
        }
        lines[..thick].iter().flatten().for_each(|cell| cells[*cell].lit = false);
        thick
    })
}

/// The shares of cells in a line that are lit, and that are of the same colour.
fn shares(line: &[usize], cells: &[Cell]) -> (f32, f32) {
    let share = |count: usize| count as f32 / line.len() as f32;
    let lit = line.iter().filter(|cell| cells[**cell].lit).count();
    let mut flat: Vec<u8> = line.iter().filter_map(|cell| cells[*cell].flat).collect();
    flat.sort_unstable();
    let middle = flat.get(flat.len() / 2).copied().unwrap_or_default();
    let same = flat.iter().filter(|of| of.abs_diff(middle) <= FLAT).count();
    (share(lit), share(same))
}

/// What is left after an erosion and a dilation by 3 × 3 cells; beyond the rim all is as at it.
pub(super) fn opened(cells: &[bool], columns: usize, rows: usize) -> Vec<bool> {
    let over = |cells: &[bool], wanted: bool| -> Vec<bool> {
        let any = |k: usize| {
            let (row, column) = (k / columns, k % columns);
            (row.saturating_sub(1)..=(row + 1).min(rows - 1)).any(|y| {
                let x = column.saturating_sub(1)..=(column + 1).min(columns - 1);
                x.into_iter().any(|x| cells[y * columns + x] == wanted)
            })
        };
        (0..cells.len()).map(any).collect()
    };
    let eroded: Vec<bool> = over(cells, false).into_iter().map(|dark| !dark).collect();
    over(&eroded, true)
}

/// Cells that hang together.
pub(super) struct Part {
    pub cells: usize,
    /// First column and row, last column and row.
    pub bounds: [usize; 4],
}

/// The parts of what is lit.
pub(super) fn parts(lit: &[bool], columns: usize, rows: usize) -> Vec<Part> {
    let mut seen = vec![false; lit.len()];
    let mut parts = Vec::new();
    for start in 0..lit.len() {
        if !lit[start] || seen[start] {
            continue;
        }
        let mut part = Part { cells: 0, bounds: [columns, rows, 0, 0] };
        let mut open = vec![start];
        seen[start] = true;
        while let Some(k) = open.pop() {
            let (row, column) = (k / columns, k % columns);
            let b = part.bounds;
            part.cells += 1;
            part.bounds = [b[0].min(column), b[1].min(row), b[2].max(column), b[3].max(row)];
            // Gaps of a cell are bridged: speckle has dark ones.
            for y in row.saturating_sub(2)..=(row + 2).min(rows - 1) {
                for x in column.saturating_sub(2)..=(column + 2).min(columns - 1) {
                    let next = y * columns + x;
                    if lit[next] && !seen[next] {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
        }
        parts.push(part);
    }
    parts
}
