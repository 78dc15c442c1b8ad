//! From a mask to what is painted of it on the screen: a line along its edge with a dark rim, and
//! the tint within.

use crate::geometry::FrameSize;
use crate::mask::Mask;

use super::scale::{Tap, taps};

/// How many pixels deep the parts of an outline are, from the outside inwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stroke {
    /// The dark rim round the mask.
    pub halo: u8,
    /// The line on the mask's outermost pixels.
    pub line: u8,
    /// The dark rim within the line.
    pub inner: u8,
}

/// Part of an outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Halo,
    Line,
    Inner,
    Tint,
}

/// Neighbouring pixels of one row that are of the same part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
    pub part: Part,
}

/// A mask's outline at screen resolution, as spans row by row. The picture's own border counts as
/// an edge of the mask.
pub(super) struct Outline {
    top: u32,
    /// Where the rows' spans begin, and where the last's end.
    starts: Vec<usize>,
    spans: Vec<Span>,
}

impl Outline {
    /// The outline of `mask`, scaled to the size `to` with the edge where the bilinear
    /// interpolation of the mask passes one half.
    pub fn new(mask: &Mask, to: FrameSize, stroke: Stroke) -> Self {
        let mut outline = Self { top: 0, starts: vec![0], spans: Vec::new() };
        let Some(mut grid) = Grid::of(mask, to, usize::from(stroke.halo) + 1) else {
            return outline;
        };
        let depth = grid.depth(stroke);
        let rows = depth.chunks_exact(grid.width).enumerate().map(|(y, row)| (grid.y(y), row));
        let visible = |v: i64, length: u32| v.clamp(0, i64::from(length)) as u32;
        for (y, row) in rows.filter(|(y, _)| (0..i64::from(to.height)).contains(y)) {
            if outline.starts.len() == 1 {
                outline.top = y as u32;
            }
            let mut x = 0;
            for run in row.chunk_by(|&a, &b| stroke.part(a) == stroke.part(b)) {
                let (start, end) = (grid.x(x), grid.x(x + run.len()));
                x += run.len();
                let (start, end) = (visible(start, to.width), visible(end, to.width));
                if let Some(part) = stroke.part(run[0])
                    && start < end
                {
                    outline.spans.push(Span { start, end, part });
                }
            }
            outline.starts.push(outline.spans.len());
        }
        outline
    }

    /// The spans of row `y`, from left to right.
    pub fn row(&self, y: u32) -> &[Span] {
        let index = y.checked_sub(self.top).map(|i| i as usize);
        match index.and_then(|i| self.starts.get(i..i + 2)) {
            Some(&[start, end]) => &self.spans[start..end],
            _ => &[],
        }
    }
}

impl Stroke {
    /// The part of a pixel at a depth; 0 is outside everything.
    fn part(self, depth: u8) -> Option<Part> {
        match depth {
            0 => None,
            d if d <= self.halo => Some(Part::Halo),
            d if d <= self.halo + self.line => Some(Part::Line),
            d if d <= self.halo + self.line + self.inner => Some(Part::Inner),
            _ => Some(Part::Tint),
        }
    }
}

/// The part of the screen's pixels round a mask: 1 within it, 0 outside.
struct Grid {
    left: i64,
    top: i64,
    width: usize,
    inside: Vec<u8>,
}

impl Grid {
    /// The pixels round `mask` at the size `to`, with a margin of `margin` empty ones; `None` where
    /// there is nothing of it.
    fn of(mask: &Mask, to: FrameSize, margin: usize) -> Option<Self> {
        let bounds = mask.bounding_box()?;
        let reach = |first: f32, last: f32, from: u32, to: u32| {
            let scale = f64::from(to) / f64::from(from);
            let start = ((f64::from(first) - 0.5) * scale).floor().max(0.0) as u32;
            let end = ((f64::from(last) + 1.5) * scale).ceil() as u32;
            start..end.min(to)
        };
        let size = mask.size();
        let columns = reach(bounds.x0, bounds.x1, size.width, to.width);
        let rows = reach(bounds.y0, bounds.y1, size.height, to.height);
        if columns.is_empty() || rows.is_empty() {
            return None;
        }
        let width = columns.len() + 2 * margin;
        let mut inside = vec![0; width * (rows.len() + 2 * margin)];
        let (left, top) = (columns.start, rows.start);
        let row_taps = taps(size.height, to.height);
        let column_taps = &taps(size.width, to.width)[columns.start as usize..columns.end as usize];
        let mut blended = vec![0u32; size.width as usize];
        for (y, grid_row) in rows.zip(inside.chunks_exact_mut(width).skip(margin)) {
            let Tap { index, weight } = row_taps[y as usize];
            let upper = mask.row(index);
            let lower = mask.row((index + 1).min(size.height - 1));
            for ((sum, &a), &b) in blended.iter_mut().zip(upper).zip(lower) {
                *sum = u32::from(a) * (256 - weight) + u32::from(b) * weight;
            }
            for (pixel, tap) in grid_row[margin..].iter_mut().zip(column_taps) {
                let first = tap.index as usize;
                let second = (first + 1).min(blended.len() - 1);
                let value = blended[first] * (256 - tap.weight) + blended[second] * tap.weight;
                *pixel = u8::from(value >= 1 << 15);
            }
        }
        let margin = margin as i64;
        Some(Self { left: i64::from(left) - margin, top: i64::from(top) - margin, width, inside })
    }

    /// The picture's column of a grid column.
    fn x(&self, column: usize) -> i64 {
        self.left + column as i64
    }

    /// The picture's row of a grid row.
    fn y(&self, row: usize) -> i64 {
        self.top + row as i64
    }

    /// How deep each pixel lies: the number of sets that it is in, of the mask, the mask grown by
    /// 1, 2, … `halo` pixels and shrunk by 1, 2, … `line + inner` pixels.
    fn depth(&mut self, stroke: Stroke) -> Vec<u8> {
        let mut depth = self.inside.clone();
        let mut add = |set: &[u8]| depth.iter_mut().zip(set).for_each(|(d, s)| *d += s);
        let (mut set, mut next) = (self.inside.clone(), vec![0; self.inside.len()]);
        for step in 0..stroke.halo {
            neighbours(&set, &mut next, self.width, step % 2 == 1, |a, b| a | b);
            std::mem::swap(&mut set, &mut next);
            add(&set);
        }
        set.clone_from(&self.inside);
        next.fill(0);
        for step in 0..stroke.line + stroke.inner {
            neighbours(&set, &mut next, self.width, step % 2 == 1, |a, b| a & b);
            std::mem::swap(&mut set, &mut next);
            add(&set);
        }
        depth
    }
}

/// Joins each pixel of `from` that is not on the grid's border with its four neighbours, or its
/// eight where `diagonals`. Alternating the two makes octagons, which are nearly round.
fn neighbours(
    from: &[u8],
    to: &mut [u8],
    width: usize,
    diagonals: bool,
    join: impl Fn(u8, u8) -> u8 + Copy,
) {
    let length = width - 2;
    for (y, to) in to.chunks_exact_mut(width).enumerate().skip(1) {
        let Some(three) = from.get((y - 1) * width..(y + 2) * width) else { break };
        let (upper, rest) = three.split_at(width);
        let (middle, lower) = rest.split_at(width);
        let to = &mut to[1..][..length];
        to.copy_from_slice(&middle[1..][..length]);
        let mut include = |row: &[u8], offset: usize| {
            to.iter_mut().zip(&row[offset..][..length]).for_each(|(t, &s)| *t = join(*t, s));
        };
        [0, 2].map(|offset| include(middle, offset));
        for offset in if diagonals { 0..3 } else { 1..2 } {
            [upper, lower].map(|row| include(row, offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STROKE: Stroke = Stroke { halo: 1, line: 1, inner: 1 };

    fn mask(rows: &[&str]) -> Mask {
        let pixels = rows.concat().bytes().map(|c| u8::from(c == b'#')).collect();
        Mask::from_pixels(FrameSize::new(rows[0].len() as u32, rows.len() as u32), pixels)
    }

    /// Halo `.`, line `o`, inner rim `i`, tint `#`.
    fn pattern(outline: &Outline, size: FrameSize) -> Vec<String> {
        let row = |y| {
            let mut row = vec![' '; size.width as usize];
            for span in outline.row(y) {
                let letter = match span.part {
                    Part::Halo => '.',
                    Part::Line => 'o',
                    Part::Inner => 'i',
                    Part::Tint => '#',
                };
                row[span.start as usize..span.end as usize].fill(letter);
            }
            row.into_iter().collect()
        };
        (0..size.height).map(row).collect()
    }

    #[test]
    fn small_masks() {
        #[rustfmt::skip]
        let cases: [(&str, &[&str], &[&str]); 4] = [
            ("a square", &[
                "         ",
                " ####### ",
                " ####### ",
                " ####### ",
                " ####### ",
                " ####### ",
                " ####### ",
                " ####### ",
                "         ",
            ], &[
                " ....... ",
                ".ooooooo.",
                ".oiiiiio.",
                ".oi###io.",
                ".oi###io.",
                ".oi###io.",
                ".oiiiiio.",
                ".ooooooo.",
                " ....... ",
            ]),
            ("at the border", &[
                "####",
                "####",
                "####",
                "    ",
            ], &[
                "oooo",
                "oiio",
                "oooo",
                "....",
            ]),
            ("a pixel", &[
                "    ",
                "  # ",
                "    ",
            ], &[
                "  . ",
                " .o.",
                "  . ",
            ]),
            ("a hole", &[
                "#####",
                "## ##",
                "#####",
            ], &[
                "ooooo",
                "oo.oo",
                "ooooo",
            ]),
        ];
        for (name, rows, expected) in cases {
            let mask = mask(rows);
            let outline = Outline::new(&mask, mask.size(), STROKE);
            assert_eq!(pattern(&outline, mask.size()), expected, "{name}");
        }
    }

    #[test]
    fn an_enlarged_edge_is_smooth_and_lies_between_the_pixels() {
        let mask = mask(&["    ", " ## ", " ## ", "    "]);
        let to = FrameSize::new(12, 12);
        let outline = Outline::new(&mask, to, Stroke { halo: 0, line: 1, inner: 0 });
        #[rustfmt::skip]
        let expected = [
            "            ",
            "            ",
            "            ",
            "    oooo    ",
            "   o####o   ",
            "   o####o   ",
            "   o####o   ",
            "   o####o   ",
            "    oooo    ",
            "            ",
            "            ",
            "            ",
        ];
        assert_eq!(pattern(&outline, to), expected);
    }

    /// The parts of each pixel from the definition, one pixel at a time.
    fn slowly(mask: &Mask, to: FrameSize, stroke: Stroke) -> Vec<Option<Part>> {
        let (columns, rows) =
            (taps(mask.size().width, to.width), taps(mask.size().height, to.height));
        let inside = |x: i64, y: i64| {
            let at = |length: u32, v: i64| (0..i64::from(length)).contains(&v);
            at(to.width, x) && at(to.height, y) && {
                let (column, row) = (columns[x as usize], rows[y as usize]);
                let value = |dx: u32, dy: u32| {
                    let x = (column.index + dx).min(mask.size().width - 1);
                    u32::from(mask.row((row.index + dy).min(mask.size().height - 1))[x as usize])
                };
                let across =
                    |dy| value(0, dy) * (256 - column.weight) + value(1, dy) * column.weight;
                across(0) * (256 - row.weight) + across(1) * row.weight >= 1 << 15
            }
        };
        // Whether (dx, dy) lies in the octagon of radius `r` made of crosses and squares in turn.
        let near = |dx: i64, dy: i64, r: i64| {
            let (long, short) = (dx.abs().max(dy.abs()), dx.abs().min(dy.abs()));
            long <= r && long + short <= r + r / 2
        };
        let around = |x: i64, y: i64, r: i64, wanted: bool| {
            (-r..=r)
                .any(|dy| (-r..=r).any(|dx| near(dx, dy, r) && inside(x + dx, y + dy) == wanted))
        };
        let shrunk = |x, y, r| !around(x, y, r, false);
        let (line, inner) = (i64::from(stroke.line), i64::from(stroke.inner));
        let part = |x: i64, y: i64| {
            if !inside(x, y) {
                around(x, y, i64::from(stroke.halo), true).then_some(Part::Halo)
            } else if !shrunk(x, y, line) {
                Some(Part::Line)
            } else if !shrunk(x, y, line + inner) {
                Some(Part::Inner)
            } else {
                Some(Part::Tint)
            }
        };
        let pixels =
            (0..i64::from(to.height)).flat_map(|y| (0..i64::from(to.width)).map(move |x| (x, y)));
        pixels.map(|(x, y)| part(x, y)).collect()
    }

    #[test]
    fn spans_equal_the_slow_definition() {
        let size = FrameSize::new(40, 30);
        let pixels = |f: &dyn Fn(i32, i32) -> bool| {
            let all = (0..30).flat_map(|y| (0..40).map(move |x| (x, y)));
            Mask::from_pixels(size, all.map(|(x, y)| u8::from(f(x, y))).collect())
        };
        let masks = [
            ("ellipse", pixels(&|x, y| (x - 17) * (x - 17) + 3 * (y - 15) * (y - 15) < 260)),
            ("two at the borders", pixels(&|x, y| x < 8 && y < 9 || x > 30 && y > 11)),
            ("stripes", pixels(&|x, _| x % 9 < 4)),
            ("everything", pixels(&|_, _| true)),
            ("nothing", pixels(&|_, _| false)),
        ];
        let sizes = [(40, 30), (97, 73), (80, 60), (27, 20), (9, 7), (1, 1), (0, 5)];
        let strokes = [(1, 3, 1), (2, 2, 0), (0, 1, 0), (3, 4, 2)];
        for (name, mask) in &masks {
            for (w, h) in sizes {
                for (halo, line, inner) in strokes {
                    let (to, stroke) = (FrameSize::new(w, h), Stroke { halo, line, inner });
                    let outline = Outline::new(mask, to, stroke);
                    let mut found = vec![None; to.pixels()];
                    for y in 0..h {
                        for span in outline.row(y) {
                            let row = &mut found[(y * w) as usize..][..w as usize];
                            row[span.start as usize..span.end as usize].fill(Some(span.part));
                        }
                    }
                    assert!(found == slowly(mask, to, stroke), "{name} at {to}, {stroke:?}");
                }
            }
        }
    }
}
