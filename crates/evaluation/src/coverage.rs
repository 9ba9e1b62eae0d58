//! Answering only when sure: how much is answered, and how right the answers are.

use serde::{Deserialize, Serialize};

use crate::example::{ScoredExample, ratio};

/// What happens at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selective {
    /// Examples with confidence at or above the threshold.
    pub answered: u64,
    /// Of those, the right ones.
    pub correct: u64,
    /// Share of the examples that are answered.
    pub coverage: Option<f64>,
    /// Share of the answered that is right; not defined when nothing is answered.
    pub selective_accuracy: Option<f64>,
}

/// A point of the coverage curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Everything with at least this confidence is answered.
    pub threshold: f64,
    /// Share of the examples that are answered, 0 to 1.
    pub coverage: f64,
    /// Share of the answered that is right, 0 to 1.
    pub accuracy: f64,
}

/// Coverage and accuracy of the answered at a threshold. `∅` is an answer; a confidence equal to the threshold answers.
#[must_use]
pub fn selective(examples: &[ScoredExample], threshold: f64) -> Selective {
    let mut answered = 0;
    let mut correct = 0;
    for example in examples.iter().filter(|example| example.confidence >= threshold) {
        answered += 1;
        correct += u64::from(example.is_correct());
    }
    Selective { answered, correct, coverage: ratio(answered, examples.len() as u64), selective_accuracy: ratio(correct, answered) }
}

/// The curve from the strictest threshold to the laxest, one point per distinct confidence, thinned to at most
/// `max_points` of evenly spaced rank (the last, full coverage, is always kept).
#[must_use]
pub fn coverage_curve(examples: &[ScoredExample], max_points: usize) -> Vec<CurvePoint> {
    let curve: Vec<CurvePoint> = tallies(examples)
        .into_iter()
        .map(|tally| CurvePoint {
            threshold: tally.confidence,
            coverage: tally.answered as f64 / examples.len() as f64,
            accuracy: tally.correct as f64 / tally.answered as f64,
        })
        .collect();
    if curve.len() <= max_points {
        return curve;
    }
    (1..=max_points).map(|point| curve[point * curve.len() / max_points - 1]).collect()
}

/// Counts of what is answered at one distinct confidence and above.
pub(crate) struct Tally {
    pub(crate) confidence: f64,
    pub(crate) answered: u64,
    pub(crate) correct: u64,
}

/// Tallies at every distinct confidence, from the highest down. Equal confidences are one step: no threshold parts them.
pub(crate) fn tallies(examples: &[ScoredExample]) -> Vec<Tally> {
    let mut ranked: Vec<(f64, bool)> = examples.iter().map(|example| (example.confidence, example.is_correct())).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));

    let mut tallies: Vec<Tally> = Vec::new();
    let mut correct = 0;
    for (rank, (confidence, is_correct)) in ranked.into_iter().enumerate() {
        correct += u64::from(is_correct);
        let answered = rank as u64 + 1;
        match tallies.last_mut() {
            Some(last) if last.confidence == confidence => {
                last.answered = answered;
                last.correct = correct;
            }
            _ => tallies.push(Tally { confidence, answered, correct }),
        }
    }
    tallies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    fn worked() -> Vec<ScoredExample> {
        vec![scored("a", "b", 0.5), scored("a", "a", 0.9), scored("a", "a", 0.5), scored("b", "a", 0.7)]
    }

    #[test]
    fn a_confidence_equal_to_the_threshold_is_answered() {
        let at = selective(&worked(), 0.7);
        assert_eq!((at.answered, at.correct), (2, 1));
        assert_eq!((at.coverage, at.selective_accuracy), (Some(0.5), Some(0.5)));
    }

    #[test]
    fn a_threshold_nothing_reaches_has_coverage_but_no_accuracy() {
        let at = selective(&worked(), 0.99);
        assert_eq!((at.coverage, at.selective_accuracy), (Some(0.0), None));
        assert_eq!(selective(&[], 0.5).coverage, None);
    }

    #[test]
    fn the_curve_steps_once_per_distinct_confidence() {
        let point = |threshold, coverage, accuracy| CurvePoint { threshold, coverage, accuracy };
        assert_eq!(coverage_curve(&worked(), 100), vec![point(0.9, 0.25, 1.0), point(0.7, 0.5, 0.5), point(0.5, 1.0, 0.5)]);
        assert_eq!(coverage_curve(&worked(), 1), vec![point(0.5, 1.0, 0.5)]);
        assert_eq!(coverage_curve(&[], 10), vec![]);
    }
}
