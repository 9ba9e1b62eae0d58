//! Test plan: which numbers of answers are tested for a threshold, in which order and at which level.
//!
//! The plan is a fallback procedure (Wiens 2003) over thresholds in descending order: a start owns a share of the level of 5 %; a passed
//! test hands its level to the next one, a failed test loses it. The chance of accepting any threshold below the target is at most the
//! sum of the shares, whatever the dependence between the tests. The plan depends on the number of answers only, never on which of them
//! are correct.
//!
//! Numbers of answers between two points are not tested: at each point one more error is tolerable, so a test just after an error would
//! fail where the next point passes.

use statrs::function::beta::beta_reg;

/// Chance that a threshold below its target is accepted.
pub(crate) const ERROR_LEVEL: f64 = 0.05;

/// Share of the level for the strictest start: the fewest answers that pass without an error.
const STRICT_SHARE: f64 = 0.3;

/// Fraction of the answerable groups at which the second start lies.
const WIDE_START: f64 = 0.5;

/// Number of errors that the second start tolerates at least.
const WIDE_ERRORS: u64 = 3;

/// Above this number of errors, points are at least 1 % apart.
const DENSE_ERRORS: u64 = 100;

/// A point of the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanPoint {
    /// Number of answers that are tested.
    pub answered: u64,
    /// Share of the level that is added at this point; 0 if it is no start.
    pub share: f64,
}

/// The points of a plan, in the order of the tests.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdPlan {
    pub(crate) target: f64,
    pub(crate) points: Vec<PlanPoint>,
}

impl ThresholdPlan {
    /// The plan for `answerable` groups. It has no points if too few can be answered, or if the target is 1 or more.
    #[must_use]
    pub fn new(answerable: u64, target: f64) -> Self {
        let (strict, wide) = (ERROR_LEVEL * STRICT_SHARE, ERROR_LEVEL * (1.0 - STRICT_SHARE));
        let wide_grid = grid(answerable, target, wide);
        let middle = (answerable as f64 * WIDE_START).ceil() as u64;
        let start = wide_grid.get(WIDE_ERRORS as usize).map(|first| (*first).max(middle));
        let start = start.map(|start| wide_grid.iter().copied().find(|answered| *answered >= start).unwrap_or(answerable));
        let points = match (start, grid(answerable, target, strict).first().copied()) {
            (Some(start), Some(first)) if first < start => {
                let before = grid(answerable, target, strict).into_iter().filter(|answered| *answered < start);
                let after = wide_grid.iter().copied().chain(grid(answerable, target, ERROR_LEVEL)).chain([answerable]);
                let mut answers: Vec<u64> = before.chain(after.filter(|answered| *answered >= start)).collect();
                answers.sort_unstable();
                answers.dedup();
                let share = |answered: u64| match answered {
                    _ if answered == first => STRICT_SHARE,
                    _ if answered == start => 1.0 - STRICT_SHARE,
                    _ => 0.0,
                };
                answers.into_iter().map(|answered| PlanPoint { answered, share: share(answered) }).collect()
            }
            // too few examples for two starts: the strictest one owns the whole level
            _ => {
                let mut answers = grid(answerable, target, ERROR_LEVEL);
                if !answers.is_empty() && answers.last() != Some(&answerable) {
                    answers.push(answerable);
                }
                answers
                    .iter()
                    .enumerate()
                    .map(|(index, answered)| PlanPoint { answered: *answered, share: f64::from(u8::from(index == 0)) })
                    .collect()
            }
        };
        Self { target, points }
    }

    /// The points, in the order of the tests.
    #[must_use]
    pub fn points(&self) -> &[PlanPoint] {
        &self.points
    }
}

/// Probability of at most `errors` errors among `answered` answers whose accuracy is `target`: the p-value of a test.
pub(crate) fn p_value(errors: u64, answered: u64, target: f64) -> f64 {
    match () {
        () if errors >= answered || target >= 1.0 => 1.0,
        () if target <= 0.0 => 0.0,
        () => beta_reg((answered - errors) as f64, (errors + 1) as f64, target),
    }
}

/// Number of errors that a test of `answered` answers tolerates at a level; `None` if it cannot pass.
pub(crate) fn tolerated_errors(answered: u64, target: f64, level: f64) -> Option<u64> {
    // p-values increase with the errors
    let (mut passes, mut fails) = (0, answered);
    if answered == 0 || p_value(0, answered, target) > level {
        return None;
    }
    while fails - passes > 1 {
        let middle = passes + (fails - passes) / 2;
        if p_value(middle, answered, target) <= level {
            passes = middle;
        } else {
            fails = middle;
        }
    }
    Some(passes)
}

/// The fewest answers that pass at a level with the given number of errors.
pub(crate) fn fewest_answers(errors: u64, target: f64, level: f64) -> Option<u64> {
    if target >= 1.0 {
        return None;
    }
    let passes = |answered: u64| p_value(errors, answered, target) <= level;
    let mut high = errors + 1;
    while !passes(high) {
        high = high.checked_mul(2)?;
    }
    let mut low = errors;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if passes(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// The numbers of answers, up to `answerable`, at which one more error is tolerable.
fn grid(answerable: u64, target: f64, level: f64) -> Vec<u64> {
    let mut answers = Vec::new();
    let mut errors = 0;
    while let Some(answered) = fewest_answers(errors, target, level)
        && answered <= answerable
    {
        answers.push(answered);
        errors += 1 + if errors > DENSE_ERRORS { errors / DENSE_ERRORS } else { 0 };
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_answers_are_those_of_the_binomial_tail() {
        // 0.95^58 = 0.0510, 0.95^59 = 0.0485; with one error 0.95^n + n·0.05·0.95^(n-1): 0.0507 of 92, 0.0486 of 93
        let fewest = |errors| fewest_answers(errors, 0.95, 0.05).unwrap();
        assert_eq!([fewest(0), fewest(1), fewest(2), fewest(3)], [59, 93, 124, 153]);
        assert_eq!(fewest_answers(0, 1.0, 0.05), None);
        assert_eq!(
            [tolerated_errors(58, 0.95, 0.05), tolerated_errors(59, 0.95, 0.05), tolerated_errors(153, 0.95, 0.05)],
            [None, Some(0), Some(3)]
        );
    }

    #[test]
    fn shares_add_up_to_the_whole_level_and_points_ascend() {
        for target in [0.5, 0.8, 0.9, 0.95, 0.99, 0.999] {
            for answerable in (1..400).chain([1_000, 5_000, 100_000]) {
                let plan = ThresholdPlan::new(answerable, target);
                let shares: f64 = plan.points.iter().map(|point| point.share).sum();
                assert!(plan.points.is_empty() || (shares - 1.0).abs() < 1e-12, "{answerable} at {target}");
                assert!(plan.points.windows(2).all(|pair| pair[0].answered < pair[1].answered), "{answerable} at {target}");
                assert!(plan.points.is_empty() || plan.points.last().unwrap().answered == answerable, "{answerable} at {target}");
                assert!(plan.points.len() < 1_500, "{answerable} at {target}: {} points", plan.points.len());
            }
        }
    }

    #[test]
    fn few_examples_have_one_start_and_more_have_two() {
        let starts = |answerable| -> Vec<u64> {
            ThresholdPlan::new(answerable, 0.95).points.iter().filter(|point| point.share > 0.0).map(|point| point.answered).collect()
        };
        assert_eq!(starts(58), [] as [u64; 0]);
        assert_eq!(starts(100), [59]);
        // 0.95^82 = 0.0149 is the first below 0.015; three errors pass at 0.035 from 163 answers on
        assert_eq!(starts(270), [82, 163]);
        assert_eq!(starts(1_000)[0], 82);
        assert!(starts(1_000)[1] >= 500);
    }
}
