//! Target table: what a field answers at several target accuracies, and what stands in the way of the others.

use aprendiz_text::{choose, count, group_digits};
use serde::{Deserialize, Serialize};

use crate::{
    score_curve::ScoreCurve,
    threshold::{Threshold, select_threshold},
};

/// The target accuracies of the table.
pub const TABLE_TARGETS: [f64; 4] = [0.99, 0.95, 0.9, 0.8];

/// One row: a target and the threshold that reaches it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetRow {
    /// Target accuracy.
    pub target: f64,
    /// Fraction of the out-of-fold examples that is answered; near-duplicates count once.
    pub coverage: f64,
    /// The threshold, or why there is none.
    #[serde(flatten)]
    pub threshold: Threshold,
}

impl TargetRow {
    /// The row of a target.
    #[must_use]
    pub fn new(curve: &ScoreCurve, target: f64) -> Self {
        let threshold = select_threshold(curve, target);
        Self { target, coverage: threshold.coverage(), threshold }
    }

    /// What stands in the way of the target, as a sentence without a full stop; `None` if it is reached.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        let Threshold::Unreachable { needed, n, obstacles, more_examples } = &self.threshold else { return None };
        let Some(needed) = needed else { return Some("no number of examples can show it".to_owned()) };
        let more = match more_examples {
            Some(more) => {
                format!("about {} more reviewed {} at today's accuracy", group_digits(*more), choose(*more, "example", "examples"))
            }
            None => "at today's accuracy, ten times as many reviewed examples would not suffice".to_owned(),
        };
        if obstacles.is_empty() {
            return Some(format!("{n} reviewed {}, {needed} without an error would do; {more}", choose(*n, "example", "examples")));
        }
        let found: Vec<String> =
            obstacles.iter().map(|start| format!("{} among the {} surest", count(start.errors, "error"), start.answered)).collect();
        let would: Vec<String> = obstacles.iter().map(|start| format!("{} among {}", tolerated(start.tolerated), start.answered)).collect();
        Some(format!("{}; {} would do; {more}", found.join(", "), would.join(" or ")))
    }
}

/// The rows of [`TABLE_TARGETS`], and of the target of the model if it is another one. Descending.
#[must_use]
pub fn target_table(curve: &ScoreCurve, target: f64) -> Vec<TargetRow> {
    let mut targets = TABLE_TARGETS.to_vec();
    if !targets.contains(&target) {
        targets.push(target);
    }
    targets.sort_by(|a, b| b.total_cmp(a));
    targets.into_iter().map(|target| TargetRow::new(curve, target)).collect()
}

fn tolerated(errors: u64) -> String {
    match errors {
        0 => "none".to_owned(),
        errors => format!("at most {errors}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ScoredExample, testing::scored};

    fn curve(count: usize, errors: &[usize]) -> ScoreCurve {
        let example = |rank: usize| scored("a", if errors.contains(&rank) { "b" } else { "a" }, 1.0 - rank as f64 / 10_000.0);
        ScoreCurve::new(&(1..=count).map(example).collect::<Vec<ScoredExample>>())
    }

    #[test]
    fn every_target_has_a_row_and_the_own_target_too() {
        let rows = target_table(&curve(270, &[1, 200]), 0.97);
        let targets: Vec<f64> = rows.iter().map(|row| row.target).collect();
        assert_eq!(targets, [0.99, 0.97, 0.95, 0.9, 0.8]);
        assert_eq!(rows[2].coverage, 1.0);
        assert_eq!(rows[2].obstacle(), None);
        assert_eq!(rows[0].coverage, 0.0);
    }

    #[test]
    fn obstacles_are_counted_and_the_missing_examples_estimated() {
        let row = TargetRow::new(&curve(40, &[]), 0.95);
        assert_eq!(
            row.obstacle().unwrap(),
            "40 reviewed examples, 59 without an error would do; about 19 more reviewed examples at today's accuracy"
        );
        let text = TargetRow::new(&curve(270, &[1, 2, 3, 4]), 0.95).obstacle().unwrap();
        let expected = "4 errors among the 82 surest, 4 errors among the 163 surest; none among 82 or at most 3 among 163 would do; about ";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn rows_survive_json() {
        for row in target_table(&curve(270, &[1, 2, 3, 4]), 0.95) {
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<TargetRow>(&text).unwrap(), row, "{text}");
        }
    }
}
