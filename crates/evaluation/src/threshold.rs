//! Selection of the confidence threshold of a field.
//!
//! The threshold is the lowest one that the [test plan](ThresholdPlan) accepts. Each test asks whether the accuracy of the answered
//! examples is at least the target. The result holds with 95 % confidence, although many thresholds are tested.
//!
//! Near-duplicates are not independent, so a group of them counts once: a copied text is no further evidence.

use serde::{Deserialize, Serialize};

use crate::{
    example::ScoredExample,
    interval::clopper_pearson_lower,
    score_curve::{ScoreCurve, ScoreStep},
    threshold_plan::{ERROR_LEVEL, ThresholdPlan, fewest_answers, p_value, tolerated_errors},
};

/// Confidence level at which the accuracy of the answers reaches the target.
pub const CONFIDENCE_LEVEL: f64 = 1.0 - ERROR_LEVEL;

/// Largest factor by which examples are multiplied to estimate how many are missing. Beyond, the few surest ones would decide.
const MAX_GROWTH: f64 = 10.0;

/// Result of the threshold selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        /// Number of groups.
        n: u64,
        /// One-sided lower bound of their accuracy at the level of the deciding test, which is 95 % or more.
        lower_bound: f64,
    },
    /// No threshold can be shown to reach the target on these examples.
    #[serde(rename = "target_unreachable")]
    Unreachable {
        /// Minimum number of answered groups, if all predictions were correct. `None` for a target that no number can show.
        needed: Option<u64>,
        /// Number of groups.
        n: u64,
        /// The tests that failed at the starts of the plan, the strictest one first. Empty if there are fewer groups than `needed`.
        obstacles: Vec<Obstacle>,
        /// Estimated number of further reviewed groups, if their scores were like those of the present ones. `None` if more than ten
        /// times as many would be needed, or if no number would suffice.
        more_examples: Option<u64>,
    },
}

/// A start of the plan that did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Obstacle {
    /// Number of surest groups that were tested.
    pub answered: u64,
    /// Errors among them.
    pub errors: u64,
    /// Errors that the test tolerates.
    pub tolerated: u64,
    /// One-sided lower bound of their accuracy at the level of the test.
    pub lower_bound: f64,
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

    /// Fraction of the groups that is answered; 0 without a threshold.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        match self {
            Self::Reached { answered, n, .. } if *n > 0 => *answered as f64 / *n as f64,
            _ => 0.0,
        }
    }
}

/// Finds the lowest threshold that is shown to have an accuracy of at least `target`.
///
/// The examples must be scored out of fold, by models that were not trained on them; otherwise the guarantee does not hold. A target of
/// 1 or more cannot be shown with any number of examples.
#[must_use]
pub fn choose_threshold(examples: &[ScoredExample], target: f64) -> Threshold {
    select_threshold(&ScoreCurve::new(examples), target)
}

/// As [`choose_threshold`], from a stored curve.
#[must_use]
pub fn select_threshold(curve: &ScoreCurve, target: f64) -> Threshold {
    let plan = ThresholdPlan::new(curve.steps.last().map_or(0, |step| step.answered), target);
    let outcome = plan.test(curve);
    match outcome.accepted {
        Some((step, level)) => Threshold::Reached {
            threshold: step.confidence,
            answered: step.answered,
            correct: step.correct,
            n: curve.n,
            lower_bound: lower_bound(&step, level),
        },
        None => Threshold::Unreachable {
            needed: fewest_answers(0, target, ERROR_LEVEL),
            n: curve.n,
            obstacles: outcome.obstacles,
            more_examples: more_examples(curve, target),
        },
    }
}

/// What the tests of a plan found.
pub(crate) struct Outcome {
    /// The accepted step with the most answers, and the level at which it passed.
    pub(crate) accepted: Option<(ScoreStep, f64)>,
    /// Failed starts.
    pub(crate) obstacles: Vec<Obstacle>,
}

impl ThresholdPlan {
    /// Number of answers of the lowest accepted threshold; 0 if none is accepted.
    #[must_use]
    pub fn accepted_answers(&self, curve: &ScoreCurve) -> u64 {
        self.test(curve).accepted.map_or(0, |(step, _)| step.answered)
    }

    pub(crate) fn test(&self, curve: &ScoreCurve) -> Outcome {
        let mut level = 0.0;
        let mut outcome = Outcome { accepted: None, obstacles: Vec::new() };
        for point in &self.points {
            level += point.share * ERROR_LEVEL;
            if level <= 0.0 {
                continue;
            }
            let Some(step) = curve.at(point.answered) else { break };
            if p_value(step.errors(), step.answered, self.target) <= level {
                outcome.accepted = Some((*step, level));
                continue;
            }
            if point.share > 0.0 {
                let tolerated = tolerated_errors(step.answered, self.target, level).unwrap_or(0);
                let lower_bound = lower_bound(step, level);
                outcome.obstacles.push(Obstacle { answered: step.answered, errors: step.errors(), tolerated, lower_bound });
            }
            level = 0.0;
        }
        outcome
    }
}

fn lower_bound(step: &ScoreStep, level: f64) -> f64 {
    clopper_pearson_lower(step.correct, step.answered, 1.0 - level).unwrap_or(0.0)
}

/// The number of groups to add until the plan passes, if there were more groups with the same scores and the same accuracy at each score.
fn more_examples(curve: &ScoreCurve, target: f64) -> Option<u64> {
    if curve.n == 0 || target >= 1.0 {
        return None;
    }
    let passes = |growth: f64| {
        let scaled = grow(curve, growth);
        ThresholdPlan::new(scaled.steps.last().map_or(0, |step| step.answered), target).test(&scaled).accepted.is_some()
    };
    // so many suffice if none of them is an error
    let without_errors = 2.0 * fewest_answers(0, target, ERROR_LEVEL)? as f64 / curve.n as f64;
    let mut high = 1.0;
    while !passes(high) {
        high *= 1.25;
        if high > MAX_GROWTH.max(without_errors) {
            return None;
        }
    }
    let mut low = high / 1.25;
    while (high - low) * curve.n as f64 > 1.0 {
        let middle = f64::midpoint(low, high);
        if passes(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(((high - 1.0) * curve.n as f64).ceil().max(1.0) as u64)
}

/// The curve with all counts multiplied. Between two steps, answers and errors are spread evenly, as more examples would lie between them.
fn grow(curve: &ScoreCurve, growth: f64) -> ScoreCurve {
    const PARTS: u64 = 8;
    let scale = |count: f64| (count * growth).round() as u64;
    let mut steps = Vec::with_capacity(curve.steps.len() * PARTS as usize);
    let mut previous = ScoreStep { confidence: f64::INFINITY, answered: 0, correct: 0 };
    for step in &curve.steps {
        for part in 1..=PARTS {
            let at = |from: u64, to: u64| from as f64 + (to as f64 - from as f64) * part as f64 / PARTS as f64;
            let answered = scale(at(previous.answered, step.answered));
            let errors = scale(at(previous.errors(), step.errors())).min(answered);
            steps.push(ScoreStep { confidence: step.confidence, answered, correct: answered - errors });
        }
        previous = *step;
    }
    ScoreCurve { n: scale(curve.n as f64), steps }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    /// `count` correct predictions with descending confidence, except those at the given ranks (from 1).
    fn ranked(count: usize, errors: &[usize]) -> Vec<ScoredExample> {
        let example = |rank: usize| scored("a", if errors.contains(&rank) { "b" } else { "a" }, 1.0 - rank as f64 / 10_000.0);
        (1..=count).map(example).collect()
    }

    fn answered(examples: &[ScoredExample], target: f64) -> Option<(u64, u64)> {
        match choose_threshold(examples, target) {
            Threshold::Reached { answered, correct, lower_bound, .. } => {
                assert!(lower_bound >= target, "{lower_bound} is below {target}");
                Some((answered, correct))
            }
            Threshold::Unreachable { .. } => None,
        }
    }

    #[test]
    fn fifty_nine_correct_answers_show_95_percent_and_fifty_eight_do_not() {
        assert_eq!(answered(&ranked(59, &[]), 0.95), Some((59, 59)));
        let expected = Threshold::Unreachable { needed: Some(59), n: 58, obstacles: Vec::new(), more_examples: Some(1) };
        assert_eq!(choose_threshold(&ranked(58, &[]), 0.95), expected);
    }

    #[test]
    fn copies_are_one_piece_of_evidence() {
        // 43 texts, each under two ids: 86 correct answers show no more than 43
        let grouped = |texts: usize| -> Vec<ScoredExample> {
            let examples = ranked(2 * texts, &[]).into_iter().enumerate();
            examples.map(|(number, example)| ScoredExample { group: Some((number % texts).to_string()), ..example }).collect()
        };
        assert!(matches!(choose_threshold(&grouped(43), 0.95), Threshold::Unreachable { needed: Some(59), n: 43, .. }));
        assert_eq!(answered(&grouped(59), 0.95), Some((59, 59)));
    }

    #[test]
    fn one_error_among_the_surest_does_not_end_the_search() {
        // 270 answers: 82 without an error, or 163 with at most three
        assert_eq!(answered(&ranked(270, &[1]), 0.95), Some((270, 269)));
        assert_eq!(answered(&ranked(270, &[1, 2, 3]), 0.95), Some((270, 267)));
        let Threshold::Unreachable { obstacles, more_examples, .. } = choose_threshold(&ranked(270, &[1, 2, 3, 4]), 0.95) else {
            panic!("four errors among 163 are too many")
        };
        let counts: Vec<(u64, u64, u64)> = obstacles.iter().map(|start| (start.answered, start.errors, start.tolerated)).collect();
        assert_eq!(counts, [(82, 4, 0), (163, 4, 3)]);
        assert!(obstacles.iter().all(|start| start.lower_bound < 0.95));
        assert!(more_examples.is_some_and(|more| more < 400), "{more_examples:?}");
    }

    #[test]
    fn a_passed_start_hands_its_level_on() {
        // the second start lies above 200; after it, tests have the whole level: the first points tolerate six to eight errors
        let errors: Vec<usize> = (1..=60).map(|error| 240 + error).collect();
        let (count, correct) = answered(&ranked(400, &errors), 0.95).unwrap();
        assert!((225..=250).contains(&count) && correct <= 240, "{count} {correct}");
        // the strict start alone: half of 400 has too many errors
        let errors: Vec<usize> = (90..=400).collect();
        assert_eq!(answered(&ranked(400, &errors), 0.95), Some((82, 82)));
    }

    #[test]
    fn hopeless_scores_need_no_further_examples() {
        let errors: Vec<usize> = (1..=100).map(|error| 3 * error).collect();
        let Threshold::Unreachable { needed, more_examples, obstacles, .. } = choose_threshold(&ranked(300, &errors), 0.95) else {
            panic!("a third is wrong")
        };
        assert!(needed == Some(59) && more_examples.is_none() && obstacles.len() == 2);
    }

    #[test]
    fn equal_confidences_cannot_be_separated() {
        let mut examples = ranked(59, &[]);
        examples.push(scored("a", "b", examples[58].confidence));
        assert!(matches!(choose_threshold(&examples, 0.95), Threshold::Unreachable { n: 60, .. }));
    }

    #[test]
    fn no_examples_and_impossible_targets_are_unreachable() {
        assert_eq!(choose_threshold(&[], 0.9).value(), None);
        let expected = Threshold::Unreachable { needed: None, n: 500, obstacles: Vec::new(), more_examples: None };
        assert_eq!(choose_threshold(&ranked(500, &[]), 1.0), expected);
    }

    #[test]
    fn the_threshold_of_a_stored_curve_is_that_of_its_examples() {
        let examples = ranked(3_000, &[10, 700, 1_900, 2_100, 2_200, 2_500]);
        let curve: ScoreCurve = serde_json::from_str(&serde_json::to_string(&ScoreCurve::new(&examples)).unwrap()).unwrap();
        assert_eq!(select_threshold(&curve, 0.99), choose_threshold(&examples, 0.99));
    }
}
