//! Which boundary pixels correspond.

use crate::geometry::FrameSize;
use crate::mask::Mask;

const NONE: u32 = u32::MAX;

/// The pixels of a true boundary, ready to be matched with many others.
pub(super) struct Target {
    width: i64,
    height: i64,
    /// For each pixel of the picture the number of the boundary pixel there, or [`NONE`].
    numbers: Vec<u32>,
    /// How many boundary pixels there are.
    pub count: usize,
    /// What is near enough, the nearest first.
    offsets: Vec<(i64, i64)>,
}

/// What was matched.
pub(super) struct Matching {
    /// For each of the pixels that were given, whether it has a partner.
    pub matched: Vec<bool>,
    /// How many pairs there are.
    pub pairs: usize,
}

impl Target {
    /// The pixels inside `boundary`, for partners up to `reach` pixels away.
    pub fn new(boundary: &Mask, reach: f64) -> Self {
        let FrameSize { width, height } = boundary.size();
        let mut count = 0;
        let numbers = boundary.pixels().iter().map(|inside| {
            if *inside == 0 {
                return NONE;
            }
            count += 1;
            count as u32 - 1
        });
        let numbers = numbers.collect();
        let most = reach.floor() as i64;
        let mut offsets: Vec<(i64, i64)> = (-most..=most)
            .flat_map(|y| (-most..=most).map(move |x| (x, y)))
            .filter(|(x, y)| (x * x + y * y) as f64 <= reach * reach)
            .collect();
        offsets.sort_by_key(|(x, y)| x * x + y * y);
        Self { width: width.into(), height: height.into(), numbers, count, offsets }
    }

    /// Finds partners for as many of `pixels` (places in the picture, row by row) as possible, one
    /// each.
    pub fn matching(&self, pixels: &[usize]) -> Matching {
        let near = |at: &usize| -> Vec<u32> {
            let (x, y) = (*at as i64 % self.width, *at as i64 / self.width);
            let there = |(right, down): &(i64, i64)| {
                let (x, y) = (x + right, y + down);
                let within = (0..self.width).contains(&x) && (0..self.height).contains(&y);
                within.then(|| self.numbers[(y * self.width + x) as usize])
            };
            self.offsets.iter().filter_map(there).filter(|number| *number != NONE).collect()
        };
        let near: Vec<Vec<u32>> = pixels.iter().map(near).collect();
        let partners = maximum_matching(&near, self.count);
        let matched: Vec<bool> = partners.iter().map(|partner| *partner != NONE).collect();
        let pairs = matched.iter().filter(|matched| **matched).count();
        Matching { matched, pairs }
    }
}

/// A matching of the most pairs: for each left node its partner among `right` nodes, or [`NONE`]. `near`
/// lists those that may be. (Hopcroft and Karp, *An n^5/2 algorithm for maximum matchings in bipartite
/// graphs*, 1973; it starts from what each finds first, so that near ones go before.)
fn maximum_matching(near: &[Vec<u32>], right: usize) -> Vec<u32> {
    let mut of_left = vec![NONE; near.len()];
    let mut of_right = vec![NONE; right];
    for (left, near) in near.iter().enumerate() {
        if let Some(&free) = near.iter().find(|right| of_right[**right as usize] == NONE) {
            (of_left[left], of_right[free as usize]) = (free, left as u32);
        }
    }
    loop {
        // How many pairs lie between a node on the left and one without a partner.
        let mut layers = vec![NONE; near.len()];
        let free: Vec<usize> = (0..near.len()).filter(|left| of_left[*left] == NONE).collect();
        free.iter().for_each(|left| layers[*left] = 0);
        let (mut queue, mut next, mut found) = (free.clone(), 0, false);
        while let Some(&left) = queue.get(next) {
            next += 1;
            for right in &near[left] {
                let partner = of_right[*right as usize];
                if partner == NONE {
                    found = true;
                } else if layers[partner as usize] == NONE {
                    layers[partner as usize] = layers[left] + 1;
                    queue.push(partner as usize);
                }
            }
        }
        if !found {
            return of_left;
        }
        // Paths that have no node in common, each of which makes one pair more.
        let mut tried = vec![0; near.len()];
        for root in free {
            let mut path = vec![root];
            while let Some(&left) = path.last() {
                let Some(&right) = near[left].get(tried[left]) else {
                    // It leads nowhere.
                    layers[left] = NONE;
                    path.pop();
                    if let Some(before) = path.last() {
                        tried[*before] += 1;
                    }
                    continue;
                };
                let partner = of_right[right as usize];
                if partner == NONE {
                    for left in path.drain(..) {
                        let right = near[left][tried[left]];
                        (of_left[left], of_right[right as usize]) = (right, left as u32);
                        layers[left] = NONE;
                    }
                } else if layers[partner as usize] == layers[left] + 1 {
                    path.push(partner as usize);
                } else {
                    tried[left] += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_pairs_as_possible_are_found() {
        let near = [vec![0, 1], vec![0], vec![1, 2], vec![2]];
        let partners = maximum_matching(&near, 3);
        assert_eq!(partners.iter().filter(|partner| **partner != NONE).count(), 3);
        let mut random = crate::random::SplitMix64::new(3);
        for _ in 0..300 {
            let (left, right) = (1 + random.below(7), 1 + random.below(7));
            let near: Vec<Vec<u32>> = (0..left)
                .map(|_| (0..right as u32).filter(|_| random.below(3) == 0).collect())
                .collect();
            let partners = maximum_matching(&near, right);
            let pairs: Vec<u32> = partners.iter().copied().filter(|p| *p != NONE).collect();
            let mut different = pairs.clone();
            different.sort_unstable();
            different.dedup();
            assert_eq!(different.len(), pairs.len(), "a partner each");
            assert!(partners.iter().zip(&near).all(|(p, near)| *p == NONE || near.contains(p)));
            assert_eq!(pairs.len(), most_pairs(&near, 0, &mut vec![false; right]), "{near:?}");
        }
    }

    /// By trying everything.
    fn most_pairs(near: &[Vec<u32>], left: usize, taken: &mut Vec<bool>) -> usize {
        if left == near.len() {
            return 0;
        }
        let mut most = most_pairs(near, left + 1, taken);
        for &right in &near[left] {
            if !std::mem::replace(&mut taken[right as usize], true) {
                most = most.max(1 + most_pairs(near, left + 1, taken));
                taken[right as usize] = false;
            }
        }
        most
    }

    #[test]
    fn partners_are_within_reach() {
        let mut pixels = vec![0; 200];
        (0..10).for_each(|y| pixels[y * 20 + 10] = 1);
        let target = Target::new(&Mask::from_pixels(FrameSize::new(20, 10), pixels), 2.5);
        let column = |x: usize| (0..10).map(|y| y * 20 + x).collect::<Vec<_>>();
        assert_eq!(target.matching(&column(12)).pairs, 10);
        assert_eq!(target.matching(&column(13)).pairs, 0);
        // Two columns: only as many as there are partners.
        let both = [column(9), column(11)].concat();
        assert_eq!(target.matching(&both).pairs, 10);
    }
}
