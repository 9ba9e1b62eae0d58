//! Selective prediction: coverage and accuracy above a confidence threshold.

use std::collections::{HashMap, hash_map::Entry};

use serde::{Deserialize, Serialize};

use crate::example::{ScoredExample, ratio};

/// Coverage and accuracy at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selective {
    /// Number of examples with a confidence at or above the threshold.
    pub answered: u64,
    /// Number of correct predictions among them.
    pub correct: u64,
    /// Answered fraction of the examples.
    pub coverage: Option<f64>,
    /// Accuracy of the answered examples; `None` if none is answered.
    pub selective_accuracy: Option<f64>,
}

/// A point of the coverage curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Minimum confidence of answered examples.
    pub threshold: f64,
    /// Answered fraction of the examples, from 0 to 1.
    pub coverage: f64,
    /// Accuracy of the answered examples, from 0 to 1.
    pub accuracy: f64,
}

/// Coverage and accuracy at a threshold. A confidence equal to the threshold is answered, except of a text without any known feature; `∅`
/// is an answer too.
#[must_use]
pub fn selective(examples: &[ScoredExample], threshold: f64) -> Selective {
    let mut answered = 0;
    let mut correct = 0;
    for example in examples.iter().filter(|example| !example.never_answered && example.confidence >= threshold) {
        answered += 1;
        correct += u64::from(example.is_correct());
    }
    Selective { answered, correct, coverage: ratio(answered, examples.len() as u64), selective_accuracy: ratio(correct, answered) }
}

/// The coverage curve from the highest threshold to the lowest, with one point per distinct confidence. It is thinned to at most
/// `max_points` points of evenly spaced rank; the last point (the greatest coverage) is always kept.
#[must_use]
pub fn coverage_curve(examples: &[ScoredExample], max_points: usize) -> Vec<CurvePoint> {
    let curve: Vec<CurvePoint> = cumulative_counts(examples)
        .into_iter()
        .map(|counts| CurvePoint {
            threshold: counts.confidence,
            coverage: counts.answered as f64 / examples.len() as f64,
            accuracy: counts.correct as f64 / counts.answered as f64,
        })
        .collect();
    if curve.len() <= max_points {
        return curve;
    }
    (1..=max_points).map(|point| curve[point * curve.len() / max_points - 1]).collect()
}

/// Counts of answered examples at or above a confidence.
pub(crate) struct CumulativeCounts {
    pub(crate) confidence: f64,
    pub(crate) answered: u64,
    pub(crate) correct: u64,
}

/// Cumulative counts at every distinct confidence, in descending order. No threshold can separate equal confidences.
pub(crate) fn cumulative_counts(examples: &[ScoredExample]) -> Vec<CumulativeCounts> {
    let answerable = examples.iter().filter(|example| !example.never_answered);
    let mut ranked: Vec<(f64, bool)> = answerable.map(|example| (example.confidence, example.is_correct())).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));

    let mut steps: Vec<CumulativeCounts> = Vec::new();
    let mut correct = 0;
    for (rank, (confidence, is_correct)) in ranked.into_iter().enumerate() {
        correct += u64::from(is_correct);
        let answered = rank as u64 + 1;
        match steps.last_mut() {
            Some(last) if last.confidence == confidence => {
                last.answered = answered;
                last.correct = correct;
            }
            _ => steps.push(CumulativeCounts { confidence, answered, correct }),
        }
    }
    steps
}

/// As [`cumulative_counts`], with groups of near-duplicates instead of examples. A group is answered as soon as one of its examples is,
/// and correct as long as all of its answered examples are.
pub(crate) fn cumulative_group_counts(examples: &[ScoredExample]) -> Vec<CumulativeCounts> {
    let mut ranked: Vec<&ScoredExample> = examples.iter().filter(|example| !example.never_answered).collect();
    ranked.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));

    let mut steps: Vec<CumulativeCounts> = Vec::new();
    let mut is_correct: HashMap<&str, bool> = HashMap::new();
    let (mut answered, mut correct) = (0, 0);
    for example in ranked {
        match example.group.as_deref().map(|group| is_correct.entry(group)) {
            Some(Entry::Occupied(mut known)) => {
                if *known.get() && !example.is_correct() {
                    known.insert(false);
                    correct -= 1;
                }
            }
            new => {
                if let Some(group) = new {
                    group.or_insert(example.is_correct());
                }
                answered += 1;
                correct += u64::from(example.is_correct());
            }
        }
        let confidence = example.confidence;
        match steps.last_mut() {
            Some(last) if last.confidence == confidence => (last.answered, last.correct) = (answered, correct),
            _ => steps.push(CumulativeCounts { confidence, answered, correct }),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    #[test]
    fn a_group_is_answered_once_and_wrong_as_soon_as_one_of_its_answers_is() {
        let of_group = |group: &str, predicted: &str, confidence| ScoredExample {
            group: Some(group.to_owned()),
            ..scored("a", predicted, confidence)
        };
        let examples = [
            of_group("x", "a", 0.9),
            of_group("x", "a", 0.8),
            of_group("y", "a", 0.7),
            of_group("x", "b", 0.6),
            of_group("x", "b", 0.5),
            scored("a", "a", 0.4),
            scored("a", "a", 0.4),
        ];
        let counts: Vec<_> = cumulative_group_counts(&examples).iter().map(|step| (step.confidence, step.answered, step.correct)).collect();
        assert_eq!(counts, [(0.9, 1, 1), (0.8, 1, 1), (0.7, 2, 2), (0.6, 2, 1), (0.5, 2, 1), (0.4, 4, 3)]);
    }

    #[test]
    fn a_text_without_known_features_is_not_answered() {
        let mut examples = examples();
        examples[1].never_answered = true;
        assert_eq!(selective(&examples, 0.5).answered, 3);
        assert_eq!(coverage_curve(&examples, 100).last().unwrap().coverage, 0.75);
        assert_eq!(cumulative_group_counts(&examples).last().unwrap().answered, 3);
    }

    fn examples() -> Vec<ScoredExample> {
        vec![scored("a", "b", 0.5), scored("a", "a", 0.9), scored("a", "a", 0.5), scored("b", "a", 0.7)]
    }

    #[test]
    fn confidence_equal_to_the_threshold_is_answered() {
        let at = selective(&examples(), 0.7);
        assert_eq!((at.answered, at.correct), (2, 1));
        assert_eq!((at.coverage, at.selective_accuracy), (Some(0.5), Some(0.5)));
    }

    #[test]
    fn accuracy_is_undefined_if_nothing_is_answered() {
        let at = selective(&examples(), 0.99);
        assert_eq!((at.coverage, at.selective_accuracy), (Some(0.0), None));
        assert_eq!(selective(&[], 0.5).coverage, None);
    }

    #[test]
    fn curve_has_one_point_per_distinct_confidence() {
        let point = |threshold, coverage, accuracy| CurvePoint { threshold, coverage, accuracy };
        assert_eq!(coverage_curve(&examples(), 100), vec![point(0.9, 0.25, 1.0), point(0.7, 0.5, 0.5), point(0.5, 1.0, 0.5)]);
        assert_eq!(coverage_curve(&examples(), 1), vec![point(0.5, 1.0, 0.5)]);
        assert_eq!(coverage_curve(&[], 10), vec![]);
    }
}
