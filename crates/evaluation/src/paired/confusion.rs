//! Differences between the confusion matrices of two models.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::example::Label;
use crate::paired::example::PairedExample;

/// Limit of listed confusion cells; a field with many classes can have as many cells as examples.
const MAX_CONFUSION_CELLS: usize = 200;

/// A cell in which the two confusion matrices differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfusionDifference {
    /// The accepted value; null is "no value".
    pub gold: Label,
    /// The predicted value; null is "no value".
    pub predicted: Label,
    /// Number of such predictions of the baseline.
    pub baseline: u64,
    /// Number of such predictions of the candidate.
    pub candidate: u64,
    /// Candidate minus baseline.
    #[serde(default)]
    pub delta: i64,
}

/// Returns the first cells that differ, the largest difference first, and the number of all such cells.
pub(super) fn confusion_differences(examples: &[PairedExample]) -> (Vec<ConfusionDifference>, usize) {
    let mut cells: BTreeMap<(&Label, &Label), (u64, u64)> = BTreeMap::new();
    for example in examples {
        cells.entry((&example.gold, &example.baseline.predicted)).or_default().0 += 1;
        cells.entry((&example.gold, &example.candidate.predicted)).or_default().1 += 1;
    }
    let mut differences: Vec<ConfusionDifference> = cells
        .into_iter()
        .filter(|(_, (baseline, candidate))| baseline != candidate)
        .map(|((gold, predicted), (baseline, candidate))| ConfusionDifference {
            gold: gold.clone(),
            predicted: predicted.clone(),
            baseline,
            candidate,
            delta: candidate.cast_signed() - baseline.cast_signed(),
        })
        .collect();
    differences.sort_by_key(|cell| std::cmp::Reverse(cell.baseline.abs_diff(cell.candidate)));
    let count = differences.len();
    differences.truncate(MAX_CONFUSION_CELLS);
    (differences, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paired::example::PairedAnswer;

    #[test]
    fn the_list_of_cells_is_bounded_and_their_count_is_complete() {
        let answer = |label: &str| PairedAnswer { predicted: Some(label.to_owned()), answered: true };
        let example =
            |number| PairedExample { gold: Some(format!("c{number}")), baseline: answer("a"), candidate: answer("b"), group: None };
        let examples: Vec<PairedExample> = (0..150).map(example).collect();
        let (cells, count) = confusion_differences(&examples);
        assert_eq!((cells.len(), count), (MAX_CONFUSION_CELLS, 300));
    }
}
