//! Selection of the confidence threshold of a field by fixed-sequence testing.
//!
//! Candidate thresholds are tested in descending order. Each test asks whether the accuracy of the answered examples is at least the
//! target; the first failed test ends the search. A candidate is tested only after all earlier ones passed, so every test uses the full
//! level and the result still holds with 95 % confidence. The first candidate is the highest threshold that answers enough examples to
//! pass at all. It depends only on the confidences, never on which predictions are correct.
//!
//! Near-duplicates are not independent, so a group of them counts once: a copied text is no further evidence.

use serde::{Deserialize, Serialize};

use crate::{
    coverage::cumulative_group_counts,
    example::{ScoredExample, count_groups},
    interval::clopper_pearson_lower,
};

/// Confidence level of the one-sided lower bound that must reach the target.
pub const CONFIDENCE_LEVEL: f64 = 0.95;

/// Result of the threshold selection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Threshold {
    /// The accuracy at or above `threshold` reaches the target.
    Reached {
        /// Lowest confidence that is answered.
        threshold: f64,
        /// Number of groups with an example answered at the threshold.
        answered: u64,
        /// Number of them whose answered examples are all correct.
        correct: u64,
        /// One-sided 95 % lower bound of their accuracy.
        lower_bound: f64,
    },
    /// No threshold can be shown to reach the target on these examples.
    Unreachable {
        /// Minimum number of groups, if all predictions were correct.
        needed: u64,
        /// Number of groups.
        n: u64,
    },
}

impl Threshold {
    /// The threshold, if one was found.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Reached { threshold, .. } => Some(*threshold),
            Self::Unreachable { .. } => None,
        }
    }
}

/// Finds the lowest threshold for which fixed-sequence testing shows an accuracy of at least `target`.
///
/// The examples must be scored out of fold, by models that were not trained on them; otherwise the guarantee does not hold. A target of
/// 1 or more cannot be shown with any number of examples.
#[must_use]
pub fn choose_threshold(examples: &[ScoredExample], target: f64) -> Threshold {
    let needed = min_answers(target);
    let mut best = Threshold::Unreachable { needed, n: count_groups(examples) };
    for counts in cumulative_group_counts(examples).into_iter().skip_while(|counts| counts.answered < needed) {
        match clopper_pearson_lower(counts.correct, counts.answered, CONFIDENCE_LEVEL) {
            Some(lower_bound) if lower_bound >= target => {
                best = Threshold::Reached { threshold: counts.confidence, answered: counts.answered, correct: counts.correct, lower_bound };
            }
            _ => break,
        }
    }
    best
}

/// The minimum number of answers whose lower bound reaches the target if all are correct.
fn min_answers(target: f64) -> u64 {
    if target <= 0.0 {
        return 1;
    }
    if target >= 1.0 {
        return u64::MAX;
    }
    let mut n = ((1.0 - CONFIDENCE_LEVEL).ln() / target.ln()).floor().max(1.0) as u64;
    while clopper_pearson_lower(n, n, CONFIDENCE_LEVEL).is_some_and(|bound| bound < target) {
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    /// `correct` correct predictions with descending confidence, followed by `incorrect` incorrect ones.
    fn ranked(correct: usize, incorrect: usize) -> Vec<ScoredExample> {
        (0..correct + incorrect).map(|rank| scored("a", if rank < correct { "a" } else { "b" }, 1.0 - rank as f64 / 1000.0)).collect()
    }

    #[test]
    fn fifty_nine_correct_answers_show_95_percent_and_fifty_eight_do_not() {
        assert_eq!(min_answers(0.95), 59);
        assert!(matches!(choose_threshold(&ranked(59, 0), 0.95), Threshold::Reached { answered: 59, .. }));
        assert_eq!(choose_threshold(&ranked(58, 0), 0.95), Threshold::Unreachable { needed: 59, n: 58 });
    }

    #[test]
    fn copies_are_one_piece_of_evidence() {
        // 43 texts, each under two ids: 86 correct answers show no more than 43
        let grouped = |texts: usize| -> Vec<ScoredExample> {
            let examples = ranked(2 * texts, 0).into_iter().enumerate();
            examples.map(|(number, example)| ScoredExample { group: Some((number % texts).to_string()), ..example }).collect()
        };
        assert_eq!(choose_threshold(&grouped(43), 0.95), Threshold::Unreachable { needed: 59, n: 43 });
        assert!(matches!(choose_threshold(&grouped(59), 0.95), Threshold::Reached { answered: 59, correct: 59, .. }));
        // a wrong copy makes its group wrong from its confidence on
        let mut examples = grouped(59);
        examples.last_mut().unwrap().predicted = Some("b".into());
        let Threshold::Reached { threshold, .. } = choose_threshold(&examples, 0.95) else { panic!("the first copies are correct") };
        assert_eq!(threshold, examples[116].confidence);
    }

    #[test]
    fn search_stops_at_the_first_failed_test() {
        // 93 answers with one error reach 0.95, 92 do not: the error at rank 60 ends the search immediately
        let mut examples = ranked(200, 0);
        examples[59].predicted = Some("b".into());
        let Threshold::Reached { answered, correct, .. } = choose_threshold(&examples, 0.95) else { panic!("the first 59 are correct") };
        assert_eq!((answered, correct), (59, 59));
    }

    #[test]
    fn errors_limit_the_threshold_by_the_lower_bound() {
        let Threshold::Reached { threshold, answered, correct, lower_bound } = choose_threshold(&ranked(120, 50), 0.95) else {
            panic!("the first 120 are correct")
        };
        // one error is acceptable after 120 correct answers; two would need 124 answers in total
        assert_eq!((answered, correct), (121, 120));
        assert!(lower_bound >= 0.95 && (threshold - 0.88).abs() < 1e-9);
    }

    #[test]
    fn equal_confidences_cannot_be_separated() {
        let mut examples = ranked(59, 0);
        examples.push(scored("a", "b", examples[58].confidence));
        assert_eq!(choose_threshold(&examples, 0.95), Threshold::Unreachable { needed: 59, n: 60 });
    }

    #[test]
    fn no_examples_and_impossible_targets_are_unreachable() {
        assert_eq!(choose_threshold(&[], 0.9).value(), None);
        assert_eq!(choose_threshold(&ranked(500, 0), 1.0).value(), None);
    }
}
