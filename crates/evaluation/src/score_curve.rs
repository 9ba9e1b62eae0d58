//! Score curve: cumulative counts of answered and correct groups by descending confidence, which is all that a threshold depends on.
//!
//! It names no document and no label, so it can be stored with a model, and thresholds for another target be chosen without training.

use serde::{Deserialize, Serialize};

use crate::{
    coverage::cumulative_group_counts,
    example::{ScoredExample, count_groups},
};

/// Maximum number of steps of a stored curve. More are thinned by rank, never by correctness.
const MAX_STEPS: usize = 2_000;

/// Out-of-fold scores of a field, reduced to counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreCurve {
    /// Number of groups of near-duplicates, including those that are never answered.
    pub n: u64,
    /// Counts at descending confidences. `answered` never decreases.
    pub steps: Vec<ScoreStep>,
}

/// Counts at or above a confidence, stored as an array of three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, u64, u64)", into = "(f64, u64, u64)")]
pub struct ScoreStep {
    /// The confidence.
    pub confidence: f64,
    /// Number of groups with an example at or above it.
    pub answered: u64,
    /// Number of them whose answered examples are all correct.
    pub correct: u64,
}

impl From<(f64, u64, u64)> for ScoreStep {
    fn from((confidence, answered, correct): (f64, u64, u64)) -> Self {
        Self { confidence, answered, correct }
    }
}

impl From<ScoreStep> for (f64, u64, u64) {
    fn from(step: ScoreStep) -> Self {
        (step.confidence, step.answered, step.correct)
    }
}

impl ScoreStep {
    /// Number of answered groups with a wrong example.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.answered.saturating_sub(self.correct)
    }
}

impl ScoreCurve {
    /// The curve of scored examples. A group of near-duplicates counts once.
    #[must_use]
    pub fn new(examples: &[ScoredExample]) -> Self {
        let steps: Vec<ScoreStep> = cumulative_group_counts(examples)
            .into_iter()
            .map(|counts| ScoreStep { confidence: counts.confidence, answered: counts.answered, correct: counts.correct })
            .collect();
        let n = count_groups(examples);
        if steps.len() <= MAX_STEPS {
            return Self { n, steps };
        }
        Self { n, steps: (1..=MAX_STEPS).map(|step| steps[step * steps.len() / MAX_STEPS - 1]).collect() }
    }

    /// Whether the counts can be those of a curve. Curves are read from files.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let ordered = self.steps.windows(2).all(|pair| pair[0].confidence > pair[1].confidence && pair[0].answered <= pair[1].answered);
        ordered && self.steps.iter().all(|step| step.correct <= step.answered && step.answered <= self.n && step.confidence.is_finite())
    }

    /// The highest confidence at which at least `answered` groups are answered.
    pub(crate) fn at(&self, answered: u64) -> Option<&ScoreStep> {
        self.steps.get(self.steps.partition_point(|step| step.answered < answered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    #[test]
    fn a_curve_has_counts_only_and_survives_json() {
        let examples = [scored("a", "a", 0.9), scored("a", "b", 0.7), scored("a", "a", 0.7)];
        let curve = ScoreCurve::new(&examples);
        let text = serde_json::to_string(&curve).unwrap();
        assert_eq!(text, r#"{"n":3,"steps":[[0.9,1,1],[0.7,3,2]]}"#);
        assert_eq!(serde_json::from_str::<ScoreCurve>(&text).unwrap(), curve);
        assert!(curve.is_consistent());
        assert_eq!((curve.at(2).unwrap().answered, curve.at(4)), (3, None));
    }

    #[test]
    fn long_curves_are_thinned_by_rank_and_keep_their_end() {
        let examples: Vec<_> = (0..5_000).map(|rank| scored("a", "a", 1.0 - f64::from(rank) / 10_000.0)).collect();
        let curve = ScoreCurve::new(&examples);
        assert_eq!((curve.steps.len(), curve.steps.last().unwrap().answered, curve.steps[0].answered), (MAX_STEPS, 5_000, 2));
    }

    #[test]
    fn inconsistent_curves_are_recognised() {
        for text in [r#"{"n":1,"steps":[[0.9,2,2]]}"#, r#"{"n":3,"steps":[[0.9,1,2]]}"#, r#"{"n":3,"steps":[[0.7,2,2],[0.9,1,1]]}"#] {
            assert!(!serde_json::from_str::<ScoreCurve>(text).unwrap().is_consistent(), "{text}");
        }
    }
}
