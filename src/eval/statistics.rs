//! Means with confidence intervals, correlations, and paired tests.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::percentile::percentile;
use crate::random::SplitMix64;

/// How often a bootstrap draws anew.
const RESAMPLES: usize = 1000;

/// The fewest values whose correlation has a probability.
pub const LEAST_FOR_P: usize = 10;

/// A mean, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The interval that holds the true mean with a probability of 95 %; `None` of a single group,
    /// which tells nothing of others.
    pub ci95: Option<[f64; 2]>,
    /// Of how many values.
    pub n: usize,
}

impl Estimate {
    /// The mean of values that come in groups, as structures on pictures, with a bootstrap over the
    /// groups (percentiles of 1000 draws; Efron and Tibshirani, *An Introduction to the Bootstrap*):
    /// values of a group are not independent of each other. `None` where there are no values.
    pub fn bootstrap(groups: &[Vec<f64>], seed: u64) -> Option<Self> {
        let sums: Vec<(f64, f64)> = groups
            .iter()
            .filter(|group| !group.is_empty())
            .map(|group| (group.iter().sum(), group.len() as f64))
            .collect();
        let mean = |parts: &mut dyn Iterator<Item = (f64, f64)>| {
            let (sum, count) = parts.fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
            sum / count
        };
        if sums.is_empty() {
            return None;
        }
        let mut random = SplitMix64::new(seed);
        let draws = if sums.len() > 1 { RESAMPLES } else { 0 };
        let mut means: Vec<f64> = (0..draws)
            .map(|_| mean(&mut (0..sums.len()).map(|_| sums[random.below(sums.len())])))
            .collect();
        means.sort_by(f64::total_cmp);
        let interval = percentile(&means, 0.025).zip(percentile(&means, 0.975));
        Some(Self {
            ci95: interval.map(Into::into),
            mean: mean(&mut sums.iter().copied()),
            n: groups.iter().map(Vec::len).sum(),
        })
    }
}

/// A correlation and the probability of one as far from 0 by chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// From −1 to 1.
    pub r: f64,
    /// Two-sided, of a t distribution with n − 2 degrees of freedom; `None` for less than
    /// [`LEAST_FOR_P`] values, of which that distribution says nothing.
    pub p: Option<f64>,
}

/// Pearson's correlation of two lists of the same length; `None` for less than four values, and
/// where one of the lists is constant.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<Correlation> {
    let count = x.len().min(y.len());
    if count < 4 {
        return None;
    }
    let n = count as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut product, mut squares_x, mut squares_y) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y).map(|(x, y)| (x - mean_x, y - mean_y)) {
        product += x * y;
        squares_x += x * x;
        squares_y += y * y;
    }
    if squares_x <= 0.0 || squares_y <= 0.0 {
        return None;
    }
    let r: f64 = (product / (squares_x * squares_y).sqrt()).clamp(-1.0, 1.0);
    let freedom = n - 2.0;
    let t = r.abs() * (freedom / (1.0 - r * r).max(f64::MIN_POSITIVE)).sqrt();
    let p = 2.0 * StudentsT::new(0.0, 1.0, freedom).ok()?.sf(t);
    Some(Correlation { r, p: (count >= LEAST_FOR_P).then_some(p) })
}

/// Spearman's correlation: Pearson's of the ranks, where equal values share the mean of theirs.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<Correlation> {
    pearson(&ranks(x), &ranks(y))
}

/// Ranks from 1 on; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = first as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|at| ranks[*at] = rank);
        first += equal.len();
    }
    ranks
}

/// Wilcoxon's signed-rank test: the two-sided probability of differences that lean as far to one
/// side by chance. Differences of 0 are left out; the distribution is exact for up to 50 that all
/// differ in size, and else the normal one corrected for ties. 1 where no difference is left.
pub fn wilcoxon(differences: &[f64]) -> f64 {
    let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let n = kept.len();
    if n == 0 {
        return 1.0;
    }
    let sizes: Vec<f64> = kept.iter().map(|d| d.abs()).collect();
    let ranks = ranks(&sizes);
    let of_positive = kept.iter().zip(&ranks).filter(|(d, _)| **d > 0.0).map(|(_, rank)| rank);
    let all = (n * (n + 1) / 2) as f64;
    let positive: f64 = of_positive.sum();
    let less = positive.min(all - positive);
    let mut sorted = sizes;
    sorted.sort_by(f64::total_cmp);
    let ties: Vec<f64> = sorted.chunk_by(|a, b| a == b).map(|equal| equal.len() as f64).collect();
    if n <= 50 && ties.len() == n && n == differences.len() {
        return (2.0 * share_of_sums(n, less as usize)).min(1.0);
    }
    let count = n as f64;
    let ties: f64 = ties.iter().map(|t| t * t * t - t).sum();
    let variance = count * (count + 1.0) * (2.0 * count + 1.0) / 24.0 - ties / 48.0;
    let z = (less - all / 2.0) / variance.sqrt();
    (2.0 * Normal::standard().cdf(z)).min(1.0)
}

/// Probabilities of several tests, corrected so that one of 5 % or less by chance alone is among them no
/// oftener than for a single test (Holm, *A simple sequentially rejective multiple test procedure*, 1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut corrected = vec![1.0; p.len()];
    let mut least = 0f64;
    for (before, at) in order.into_iter().enumerate() {
        least = least.max(p[at] * (p.len() - before) as f64).min(1.0);
        corrected[at] = least;
    }
    corrected
}

/// The share of the subsets of 1 to `n` whose sum is at most `most`.
fn share_of_sums(n: usize, most: usize) -> f64 {
    let mut shares = vec![0.0; most + 1];
    shares[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..=most).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = (shares[sum] + with) / 2.0;
        }
    }
    shares.iter().sum()
}

#[cfg(test)]
mod tests;
