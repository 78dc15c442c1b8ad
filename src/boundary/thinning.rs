//! Lines of one pixel's width.

/// Thins what is inside a picture of `width` columns, row by row, to lines (Guo and Hall, *Parallel
/// thinning with two-subiteration algorithms*, 1989: what MATLAB's `bwmorph(…, 'thin', Inf)` and
/// scikit-image's `thin` do).
pub(super) fn thin(inside: &mut [bool], width: usize) {
    let height = inside.len() / width.max(1);
    let mut left: Vec<usize> = (0..inside.len()).filter(|at| inside[*at]).collect();
    loop {
        let before = left.len();
        for second in [false, true] {
            let goes = |at: &usize| is_spare(neighbours(inside, (width, height), *at), second);
            let gone: Vec<usize> = left.iter().copied().filter(goes).collect();
            gone.iter().for_each(|at| inside[*at] = false);
            left.retain(|at| inside[*at]);
        }
        if left.len() == before {
            return;
        }
    }
}

/// The eight pixels round one, from the right one on against the clock.
fn neighbours(inside: &[bool], (width, height): (usize, usize), at: usize) -> [bool; 8] {
    const ROUND: [(isize, isize); 8] =
        [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)];
    ROUND.map(|(right, down)| {
        let x = (at % width).checked_add_signed(right).filter(|x| *x < width);
        let y = (at / width).checked_add_signed(down).filter(|y| *y < height);
        x.zip(y).is_some_and(|(x, y)| inside[y * width + x])
    })
}

/// Whether a pixel with these neighbours goes in the first or the second half of a step.
fn is_spare(x: [bool; 8], second: bool) -> bool {
    let at = |index: usize| x[index % 8];
    let count = |of: &dyn Fn(usize) -> bool| (0..4).filter(|i| of(*i)).count();
    let crossings = count(&|i| !at(2 * i) && (at(2 * i + 1) || at(2 * i + 2)));
    let pairs =
        count(&|i| at(2 * i) || at(2 * i + 1)).min(count(&|i| at(2 * i + 1) || at(2 * i + 2)));
    let open = match second {
        false => !((at(1) || at(2) || !at(7)) && at(0)),
        true => !((at(5) || at(6) || !at(3)) && at(4)),
    };
    crossings == 1 && (2..=3).contains(&pairs) && open
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values printed by scikit-image: `thin(a)`.
    #[test]
    fn blobs_are_thinned_as_scikit_image_does() {
        for (blob, expected) in CASES {
            let width = blob[0].len();
            let read = |rows: &[&str]| rows.concat().bytes().map(|c| c == b'#').collect::<Vec<_>>();
            let mut found = read(blob);
            thin(&mut found, width);
            let shown: Vec<String> = found
                .chunks(width)
                .map(|row| row.iter().map(|inside| if *inside { '#' } else { '.' }).collect())
                .collect();
            assert_eq!(shown, expected);
        }
    }

    #[rustfmt::skip]
    const CASES: [(&[&str], &[&str]); 3] = [
        (&["................", "................", ".##############.", ".##############.", ".##############.", ".##############.", ".##############.", "................", "................"], &["................", "................", "................", "................", "...##########...", "................", "................", "................", "................"]),
        (&["####..........", "#####.........", ".#####.######.", "..###########.", "...##########.", "....#####.....", ".....#####....", "......#####...", ".......#####..", "........#####."], &["..............", "##............", "..##..........", "....#....###..", ".....#.##.....", "......#.......", ".......#......", "........#.....", ".........##...", "...........##."]),
        (&["...#######.#......##", "..###..######......#", "...##..#####........", "...###..#.#........#", "....#..###.##.....##", "......#########....#", ".......##########...", "#........##...####.#", "##....#........##.##", "##..####......#....#", "##.####.....####..#.", "###.##.....#########"], &["....###...........#.", "..##...#..##.......#", "...#....##..........", "....#...#.#........#", ".........#.#......#.", ".......######......#", ".............##.....", "#..............###.#", "#..............#..#.", "#.....#.......#....#", "#..###........#...#.", ".##........###.#####"]),
    ];
}
