//! Paired bootstrap: percentile intervals of differences between two models.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

use crate::interval::Interval;

/// Fewest defined resamples that an interval may rest on.
const MIN_RESAMPLES: usize = 200;
/// Bound of drawn groups over all resamples; above it, fewer resamples are drawn.
const MAX_DRAWS: usize = 200_000_000;

/// Number of resamples and seed of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// Number of resamples; fewer, but at least 1,000, are drawn of more than 20,000 groups.
    pub resamples: usize,
    /// Seed of the draws: the same seed gives the same intervals.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { resamples: 10_000, seed: 42 }
    }
}

/// Draws groups with replacement, as many as there are, and computes the statistics of each resample.
///
/// `groups` holds the patterns of each group, as indexes into a table of `patterns` rows; `statistics` maps the number of examples per
/// pattern to one value per statistic, `None` where it is undefined. Returns one interval per statistic: the 2.5 % and 97.5 %
/// percentiles of the defined values, `None` if fewer than half of the resamples define it.
///
/// Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; groups instead of examples: the cluster bootstrap.
pub(super) fn percentile_intervals(
    groups: &[Vec<usize>],
    patterns: usize,
    statistics: impl Fn(&[u64]) -> Vec<Option<f64>>,
    resampling: Resampling,
) -> Vec<Option<Interval>> {
    let Some(count) = std::num::NonZeroUsize::new(groups.len()) else { return Vec::new() };
    let resamples = resampling.resamples.min((MAX_DRAWS / count).max(1000));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(resampling.seed);
    let mut values: Vec<Vec<f64>> = Vec::new();
    let mut counts = vec![0_u64; patterns];
    for _ in 0..resamples {
        counts.fill(0);
        for _ in 0..count.get() {
            // the high half of the product is uniform up to a bias of groups / 2^64
            let drawn = ((u128::from(random.next_u64()) * count.get() as u128) >> 64) as usize;
            for pattern in &groups[drawn] {
                counts[*pattern] += 1;
            }
        }
        let computed = statistics(&counts);
        values.resize_with(computed.len(), Vec::new);
        for (values, value) in values.iter_mut().zip(computed) {
            values.extend(value);
        }
    }
    let interval = |mut values: Vec<f64>| {
        (values.len() >= MIN_RESAMPLES.min(resamples) && values.len() * 2 >= resamples).then(|| {
            values.sort_unstable_by(f64::total_cmp);
            Interval { low: quantile(&values, 0.025), high: quantile(&values, 0.975) }
        })
    };
    values.into_iter().map(interval).collect()
}

/// The quantile of sorted values by linear interpolation, as `numpy.quantile` computes it.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile_interpolates_like_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!((quantile(&values, 0.0), quantile(&values, 0.5), quantile(&values, 1.0)), (1.0, 3.0, 8.0));
        assert!((quantile(&values, 0.25) - 1.75).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_a_mean_agrees_with_the_normal_approximation() {
        // 100 groups, half of them with pattern 1: the standard error of the share is 0.05
        let groups: Vec<Vec<usize>> = (0..100).map(|number| vec![number % 2]).collect();
        let share = |counts: &[u64]| vec![Some(counts[1] as f64 / (counts[0] + counts[1]) as f64)];
        let interval = percentile_intervals(&groups, 2, share, Resampling::default())[0].unwrap();
        assert!((interval.low - 0.402).abs() < 0.011 && (interval.high - 0.598).abs() < 0.011, "{interval:?}");
        assert_eq!(percentile_intervals(&groups, 2, share, Resampling::default())[0], Some(interval));
    }

    #[test]
    fn a_group_is_drawn_as_a_whole() {
        // two groups of 50 equal examples: a resample has 0, 50 or 100 of pattern 1, so the interval is all or nothing
        let groups = [vec![0; 50], vec![1; 50]];
        let share = |counts: &[u64]| vec![Some(counts[1] as f64 / 100.0)];
        let interval = percentile_intervals(&groups, 2, share, Resampling::default())[0].unwrap();
        assert_eq!((interval.low, interval.high), (0.0, 1.0));
    }

    #[test]
    fn a_statistic_that_is_mostly_undefined_has_no_interval() {
        let none = |_: &[u64]| vec![None];
        assert_eq!(percentile_intervals(&[vec![0]], 1, none, Resampling::default()), [None]);
        assert!(percentile_intervals(&[], 0, none, Resampling::default()).is_empty());
    }
}
