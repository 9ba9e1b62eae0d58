//! Mean of paired differences, with an interval.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::interval::Interval;

/// The 95 % quantile of the standard normal distribution: a two-sided interval of 90 %.
const Z_90: f64 = 1.644_853_626_951_472;

/// A mean difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanDifference {
    /// The mean over groups.
    pub mean: f64,
    /// 90 % interval by the normal approximation.
    pub interval: Interval,
    /// Number of groups.
    pub n: u64,
}

/// The mean of differences, each given with its group of near-duplicates. A group counts once, with its mean; groups are independent. `None`
/// for fewer than two groups.
#[must_use]
pub fn paired_mean_difference(differences: &[(&str, f64)]) -> Option<MeanDifference> {
    let mut groups: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (group, difference) in differences {
        let (sum, count) = groups.entry(group).or_default();
        *sum += difference;
        *count += 1.0;
    }
    let means: Vec<f64> = groups.into_values().map(|(sum, count)| sum / count).collect();
    if means.len() < 2 {
        return None;
    }
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    let half = Z_90 * (variance / n).sqrt();
    Some(MeanDifference { mean, interval: Interval { low: mean - half, high: mean + half }, n: means.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_mean() {
        // standard deviation 1 of 4 values: the standard error is 1/2
        let found = paired_mean_difference(&[("a", 0.0), ("b", 1.0), ("c", 1.0), ("d", 2.0)]).unwrap();
        let half = Z_90 * (2.0_f64 / 3.0).sqrt() / 2.0;
        assert!((found.mean - 1.0).abs() < 1e-12 && (found.interval.low - (1.0 - half)).abs() < 1e-12, "{found:?}");
        assert_eq!(found.n, 4);
    }

    #[test]
    fn a_group_counts_once() {
        let found = paired_mean_difference(&[("a", 1.0), ("a", 1.0), ("a", 1.0), ("b", 0.0)]).unwrap();
        assert!((found.mean - 0.5).abs() < 1e-12 && found.n == 2);
        assert!(paired_mean_difference(&[("a", 1.0), ("a", 0.0)]).is_none());
    }
}
