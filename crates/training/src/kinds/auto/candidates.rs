//! What could predict a field, with its out-of-fold scores.

use aprendiz_classifier::{ChosenKind, Mixture};

use crate::{
    kinds::{auto::mixture::combine, linear::folds, trained_fields::FieldScores},
    protocol::report::ReportRow,
};

/// A candidate. Rows are in the order of the examples of the task.
pub(super) struct Candidate {
    pub(super) kind: ChosenKind,
    pub(super) mixture: Option<Mixture>,
    pub(super) rows: Vec<ReportRow>,
}

/// The candidates of a field, the cheapest first. Without out-of-fold scores there is nothing to compare by, so the linear model is the only
/// one.
pub(super) fn candidates(linear: &FieldScores, classifier: Option<&FieldScores>, folds: usize, seed: u64) -> Vec<Candidate> {
    let single = |kind, scores: &FieldScores| Candidate { kind, mixture: None, rows: scores.rows.clone() };
    let mut found = vec![single(ChosenKind::Linear, linear)];
    let Some(classifier) = classifier.filter(|classifier| !classifier.rows.is_empty() && classifier.rows.len() == linear.rows.len()) else {
        return found;
    };
    found.push(single(ChosenKind::FieldClassifier, classifier));
    let task = &linear.task;
    let groups: Vec<&str> = linear.rows.iter().map(|row| row.group.as_str()).collect();
    // the folds of both kinds: they have the same examples, classes and seed
    let Some((_, assigned)) = folds::assign(&groups, &task.classes, folds, seed) else { return found };
    let combined = combine(&linear.probabilities, &classifier.probabilities, &task.classes, &assigned);
    let rows = classifier.rows.iter().zip(combined.probabilities.chunks_exact(task.labels.len())).enumerate();
    let rows = rows.map(|(index, (row, probabilities))| {
        if row.no_known_feature {
            return row.clone();
        }
        // the first maximum, as in prediction
        let best = (0..probabilities.len()).rev().max_by(|one, other| probabilities[*one].total_cmp(&probabilities[*other])).unwrap_or(0);
        ReportRow {
            predicted: task.labels[best].clone(),
            confidence: f64::from(probabilities[best]),
            gold_probability: f64::from(probabilities[task.classes[index]]),
            ..row.clone()
        }
    });
    found.push(Candidate { kind: ChosenKind::Combination, mixture: Some(combined.mixture), rows: rows.collect() });
    found
}
