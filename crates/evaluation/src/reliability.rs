//! Reliability bins: accuracy by confidence, for reliability diagrams.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::example::{ScoredExample, ratio};
use crate::interval::{Interval, wilson_of_proportion};

/// Number of equal-width bins.
pub const RELIABILITY_BINS: usize = 10;

/// Predictions whose confidence is in `(low, high]`; 0 is in the first bin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower bound of the confidence.
    pub low: f64,
    /// Upper bound of the confidence.
    pub high: f64,
    /// Number of examples.
    pub examples: u64,
    /// Mean confidence; the middle of the bin without examples.
    pub confidence: f64,
    /// Fraction of correct predictions; `None` without examples.
    pub accuracy: Option<f64>,
    /// Wilson 95 % interval of the accuracy; near-duplicates count once.
    pub interval: Option<Interval>,
}

/// All bins, in ascending order of the confidence.
#[must_use]
pub fn reliability_bins(examples: &[ScoredExample]) -> Vec<ReliabilityBin> {
    let mut members: Vec<Vec<&ScoredExample>> = vec![Vec::new(); RELIABILITY_BINS];
    for example in examples {
        let bin = ((example.confidence * RELIABILITY_BINS as f64).ceil() as usize).clamp(1, RELIABILITY_BINS) - 1;
        members[bin].push(example);
    }
    members.into_iter().enumerate().map(|(number, members)| bin(number, &members)).collect()
}

fn bin(number: usize, members: &[&ScoredExample]) -> ReliabilityBin {
    let width = 1.0 / RELIABILITY_BINS as f64;
    let (low, high) = (number as f64 * width, (number + 1) as f64 * width);
    let examples = members.len() as u64;
    let correct = members.iter().filter(|example| example.is_correct()).count() as u64;
    let accuracy = ratio(correct, examples);
    let sum: f64 = members.iter().map(|example| example.confidence).sum();
    ReliabilityBin {
        low,
        high,
        examples,
        confidence: if examples > 0 { sum / examples as f64 } else { f64::midpoint(low, high) },
        accuracy,
        interval: accuracy.map(|accuracy| wilson_of_proportion(accuracy, count_distinct_groups(members))),
    }
}

/// Number of independent examples.
fn count_distinct_groups(members: &[&ScoredExample]) -> u64 {
    let mut groups = HashSet::new();
    members.iter().filter(|example| example.group.as_ref().is_none_or(|group| groups.insert(group))).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    #[test]
    fn every_example_is_in_one_bin() {
        let examples = [scored("a", "a", 0.0), scored("a", "b", 0.1), scored("a", "a", 0.11), scored("a", "a", 1.0)];
        let bins = reliability_bins(&examples);
        assert_eq!(bins.iter().map(|bin| bin.examples).collect::<Vec<_>>(), [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((bins[0].accuracy, bins[0].confidence), (Some(0.5), 0.05));
        assert_eq!((bins[2].accuracy, bins[2].interval), (None, None));
    }

    #[test]
    fn copies_narrow_no_interval() {
        let copy = |_| ScoredExample { group: Some("copied".to_owned()), ..scored("a", "a", 0.95) };
        let copies: Vec<ScoredExample> = (0..50).map(copy).collect();
        let single = reliability_bins(&copies[..1])[9].interval;
        assert_eq!(reliability_bins(&copies)[9].interval, single);
    }
}
