//! The confidence above which a field may answer by itself.
//!
//! Fixed-sequence testing: candidate thresholds are tried from the strictest down, each asking "is the accuracy of what
//! it answers at least the target?", and the first "not shown" ends the search. Because a later candidate is looked at
//! only when all before it passed, every test runs at the full level and the answer still holds with 95 % confidence.
//! The first candidate is the strictest that answers enough examples to pass at all; which one that is depends on the
//! confidences alone, never on what was right.

use serde::{Deserialize, Serialize};

use crate::{coverage::tallies, example::ScoredExample, interval::clopper_pearson_lower};

/// Level of the one-sided lower bound that must reach the target.
pub const CONFIDENCE_LEVEL: f64 = 0.95;

/// The outcome of the search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Threshold {
    /// Answering at or above `threshold` keeps the promise.
    Reached {
        /// Lowest confidence that answers.
        threshold: f64,
        /// Examples answered at it.
        answered: u64,
        /// Of those, the right ones.
        correct: u64,
        /// One-sided 95 % lower bound of their accuracy.
        lower_bound: f64,
    },
    /// No threshold can promise the target on these examples.
    Unreachable {
        /// Answers that would be needed even if all were right.
        needed: u64,
        /// Examples there are.
        n: u64,
    },
}

impl Threshold {
    /// The threshold, where there is one.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Reached { threshold, .. } => Some(*threshold),
            Self::Unreachable { .. } => None,
        }
    }
}

/// Finds the lowest threshold that fixed-sequence testing can show to reach `target` accuracy.
///
/// `examples` must be scores of models that did not see them (out of fold), else the promise is void. A target of 1 or
/// more cannot be shown by any number of examples.
#[must_use]
pub fn choose_threshold(examples: &[ScoredExample], target: f64) -> Threshold {
    let needed = fewest_answers(target);
    let mut best = Threshold::Unreachable { needed, n: examples.len() as u64 };
    for tally in tallies(examples).into_iter().skip_while(|tally| tally.answered < needed) {
        match clopper_pearson_lower(tally.correct, tally.answered, CONFIDENCE_LEVEL) {
            Some(lower_bound) if lower_bound >= target => {
                best = Threshold::Reached { threshold: tally.confidence, answered: tally.answered, correct: tally.correct, lower_bound };
            }
            _ => break,
        }
    }
    best
}

/// The fewest answers, all right, whose lower bound reaches the target.
fn fewest_answers(target: f64) -> u64 {
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

    /// `right` right answers of falling confidence, then `wrong` wrong ones below them.
    fn ranked(right: usize, wrong: usize) -> Vec<ScoredExample> {
        (0..right + wrong).map(|rank| scored("a", if rank < right { "a" } else { "b" }, 1.0 - rank as f64 / 1000.0)).collect()
    }

    #[test]
    fn fifty_nine_right_answers_show_ninety_five_percent_and_fifty_eight_do_not() {
        assert_eq!(fewest_answers(0.95), 59);
        assert!(matches!(choose_threshold(&ranked(59, 0), 0.95), Threshold::Reached { answered: 59, .. }));
        assert_eq!(choose_threshold(&ranked(58, 0), 0.95), Threshold::Unreachable { needed: 59, n: 58 });
    }

    #[test]
    fn the_search_stops_at_the_first_threshold_that_is_not_shown() {
        // 93 answers with one error reach 0.95, 92 do not: the error at rank 60 ends the search at once
        let mut examples = ranked(200, 0);
        examples[59].predicted = Some("b".into());
        let Threshold::Reached { answered, correct, .. } = choose_threshold(&examples, 0.95) else { panic!("the first 59 are all right") };
        assert_eq!((answered, correct), (59, 59));
    }

    #[test]
    fn errors_below_lower_the_threshold_only_as_far_as_the_bound_holds() {
        let Threshold::Reached { threshold, answered, correct, lower_bound } = choose_threshold(&ranked(120, 50), 0.95) else {
            panic!("120 right answers come first")
        };
        // one error is affordable after 120 right answers, two would need 124 answers in all
        assert_eq!((answered, correct), (121, 120));
        assert!(lower_bound >= 0.95 && (threshold - 0.88).abs() < 1e-9);
    }

    #[test]
    fn equal_confidences_cannot_be_parted() {
        let mut examples = ranked(59, 0);
        examples.push(scored("a", "b", examples[58].confidence));
        assert_eq!(choose_threshold(&examples, 0.95), Threshold::Unreachable { needed: 59, n: 60 });
    }

    #[test]
    fn no_example_and_an_impossible_target_are_unreachable() {
        assert_eq!(choose_threshold(&[], 0.9).value(), None);
        assert_eq!(choose_threshold(&ranked(500, 0), 1.0).value(), None);
    }
}
