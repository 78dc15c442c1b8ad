//! The outlines of a mask's pieces.

use crate::automatic::components;
use crate::geometry::FrameSize;
use crate::mask::Mask;

/// A step of an outline: it passes between these two neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// A pixel of the piece; x, y.
    pub inside: [i64; 2],
    /// Its neighbour above, below, left or right, outside the piece and maybe off the frame.
    pub outside: [i64; 2],
}

impl Gate {
    /// Twice the position halfway between.
    pub fn twice_middle(&self) -> [i64; 2] {
        std::array::from_fn(|i| self.inside[i] + self.outside[i])
    }
}

/// The piece with the most pixels; pixels that touch at a corner are of one piece.
pub(super) struct Piece {
    /// Its pixels, holes left out; x, y.
    pub pixels: Vec<[u32; 2]>,
    /// Once round its outer edge: clockwise as seen, from the topmost pixel at the left.
    pub outline: Vec<Gate>,
    /// How many pieces the mask has.
    pub count: usize,
}

impl Piece {
    /// The largest piece of `mask`, `None` where it is empty.
    pub fn largest_of(mask: &Mask) -> Option<Self> {
        let (labels, areas) = components(mask, 1);
        // The first of equally large ones.
        let label = (0..areas.len()).rev().max_by_key(|&i| areas[i])? as u32 + 1;
        let width = mask.size().width as usize;
        let places: Vec<_> = (0..labels.len()).filter(|&i| labels[i] == label).collect();
        let outline = outline(&labels, mask.size(), *places.first()?);
        let pixels = places.iter().map(|i| [(i % width) as u32, (i / width) as u32]).collect();
        Some(Self { pixels, outline, count: areas.len() })
    }
}

/// The outlines of all pieces of `mask`.
pub(super) fn outlines(mask: &Mask) -> Vec<Vec<Gate>> {
    let (labels, areas) = components(mask, 1);
    let mut found = Vec::with_capacity(areas.len());
    for (at, label) in labels.iter().enumerate() {
        // Pieces have their numbers in the order of their first pixels.
        if *label as usize > found.len() {
            found.push(outline(&labels, mask.size(), at));
        }
    }
    found
}

/// The number of pixels within an outline, those of holes included.
pub(super) fn filled_pixels(outline: &[Gate]) -> i64 {
    // Green's theorem on the pixels' edges: those that are crossed sideways count.
    let signed = |gate: &Gate| match gate.outside[0] - gate.inside[0] {
        0 => 0,
        step => step * (gate.inside[0].max(gate.outside[0])),
    };
    outline.iter().map(signed).sum()
}

/// The outline of the piece whose first pixel is `first`; `labels` has each pixel's piece.
fn outline(labels: &[u32], size: FrameSize, first: usize) -> Vec<Gate> {
    let (width, height) = (i64::from(size.width), i64::from(size.height));
    let is_inside = |[x, y]: [i64; 2]| {
        (0..width).contains(&x)
            && (0..height).contains(&y)
            && labels[(y * width + x) as usize] == labels[first]
    };
    follow([first as i64 % width, first as i64 / width], is_inside)
}

/// Goes round the edge of a piece along the edges of its pixels, the piece at the right hand, from
/// the upper edge of `first`, its topmost pixel at the left.
fn follow(first: [i64; 2], is_inside: impl Fn([i64; 2]) -> bool) -> Vec<Gate> {
    const EAST: [i64; 2] = [1, 0];
    let plus = |a: [i64; 2], b: [i64; 2]| [a[0] + b[0], a[1] + b[1]];
    let left_of = |[x, y]: [i64; 2]| [y, -x];
    let right_of = |[x, y]: [i64; 2]| [-y, x];
    let start = Gate { inside: first, outside: plus(first, left_of(EAST)) };
    let (mut gate, mut heading) = (start, EAST);
    let mut outline = Vec::new();
    loop {
        outline.push(gate);
        let ahead =
            Gate { inside: plus(gate.inside, heading), outside: plus(gate.outside, heading) };
        // Across a corner the piece goes on, as it does for its regions.
        if is_inside(ahead.outside) {
            gate.inside = ahead.outside;
            heading = left_of(heading);
        } else if is_inside(ahead.inside) {
            gate = ahead;
        } else {
            gate.outside = ahead.inside;
            heading = right_of(heading);
        }
        if gate == start {
            return outline;
        }
    }
}
