//! Selects what predicts a field.

use aprendiz_classifier::ChosenKind;
use aprendiz_evaluation::{MeanDifference, ScoredExample, accuracy, log_loss, paired_mean_difference};
use serde_json::{Value, json};

use crate::{kinds::auto::candidates::Candidate, protocol::report::ReportRow};

/// Smallest probability of which a logarithm is taken.
const MIN_PROBABILITY: f64 = 1e-12;

/// The index of the selected candidate, and the comparison for the card.
pub(super) struct Choice {
    pub(super) selected: usize,
    pub(super) comparison: Value,
}

/// Selects among candidates, the cheapest of which is the first. A more expensive one is better if its accuracy is higher by more than
/// noise, or if its accuracy is not lower and its log loss is lower by more than noise: the interval of the difference excludes 0.
pub(super) fn choose(candidates: &[Candidate]) -> Choice {
    let mut selected = 0;
    let mut compared = vec![describe(&candidates[0])];
    for (index, candidate) in candidates.iter().enumerate().skip(1) {
        let cheaper = &candidates[selected];
        let right = difference(cheaper, candidate, |row| f64::from(row.predicted == row.gold));
        let loss = difference(cheaper, candidate, |row| -row.gold_probability.max(MIN_PROBABILITY).ln());
        let mut description = describe(candidate);
        if let (Some(right), Some(loss)) = (right, loss) {
            description["compared_with"] = json!(cheaper.kind);
            description["accuracy_difference"] = json!(right);
            description["log_loss_difference"] = json!(loss);
            if right.interval.low > 0.0 || (right.mean >= 0.0 && loss.interval.high < 0.0) {
                selected = index;
            }
        }
        compared.push(description);
    }
    Choice { selected, comparison: json!({ "selected": candidates[selected].kind, "candidates": compared }) }
}

fn difference(cheaper: &Candidate, candidate: &Candidate, value: impl Fn(&ReportRow) -> f64) -> Option<MeanDifference> {
    let pairs = cheaper.rows.iter().zip(&candidate.rows);
    let differences: Vec<(&str, f64)> = pairs.map(|(cheaper, row)| (row.group.as_str(), value(row) - value(cheaper))).collect();
    paired_mean_difference(&differences)
}

fn describe(candidate: &Candidate) -> Value {
    let scored: Vec<ScoredExample> = candidate.rows.iter().cloned().map(ScoredExample::from).collect();
    let kind: ChosenKind = candidate.kind;
    json!({ "kind": kind, "examples": scored.len(), "accuracy": accuracy(&scored), "log_loss": log_loss(&scored) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A candidate that is right with the first probabilities, and wrong where a probability is below one half.
    fn candidate(kind: ChosenKind, gold_probabilities: &[f64]) -> Candidate {
        let rows = gold_probabilities.iter().enumerate().map(|(number, probability)| ReportRow {
            document_id: number.to_string(),
            field: "law".to_owned(),
            gold: Some("a".to_owned()),
            predicted: Some(if *probability >= 0.5 { "a" } else { "b" }.to_owned()),
            confidence: probability.max(1.0 - probability),
            gold_probability: *probability,
            group: number.to_string(),
            no_known_feature: false,
        });
        Candidate { kind, mixture: None, rows: rows.collect() }
    }

    fn selected(probabilities: &[&[f64]]) -> usize {
        let candidates: Vec<Candidate> =
            ChosenKind::ALL.into_iter().zip(probabilities).map(|(kind, probabilities)| candidate(kind, probabilities)).collect();
        choose(&candidates).selected
    }

    fn rows(right: usize, wrong: usize, confidence: f64) -> Vec<f64> {
        [vec![confidence; right], vec![1.0 - confidence; wrong]].concat()
    }

    #[test]
    fn the_cheaper_one_stays_within_noise() {
        let (base, slightly) = (rows(80, 20, 0.8), rows(81, 19, 0.8));
        assert_eq!(selected(&[&base, &slightly, &slightly]), 0);
        assert_eq!(selected(&[&base]), 0);
    }

    #[test]
    fn a_clearly_better_one_is_selected_and_its_successor_must_beat_it() {
        let (base, better) = (rows(80, 20, 0.8), rows(95, 5, 0.8));
        assert_eq!(selected(&[&base, &better, &better]), 1);
        assert_eq!(selected(&[&base, &base, &better]), 2);
    }

    #[test]
    fn better_probabilities_count_if_the_accuracy_is_not_lower() {
        let (base, sharper) = (rows(90, 10, 0.7), [vec![0.95; 90], vec![0.3; 10]].concat());
        assert_eq!(selected(&[&base, &sharper]), 1);
        let fewer = [vec![0.99; 88], vec![0.3; 12]].concat();
        assert_eq!(selected(&[&base, &fewer]), 0, "fewer are right");
    }

    #[test]
    fn the_comparison_names_all_candidates() {
        let (base, better) = (rows(80, 20, 0.8), rows(95, 5, 0.8));
        let choice = choose(&[candidate(ChosenKind::Linear, &base), candidate(ChosenKind::FieldClassifier, &better)]);
        let compared = &choice.comparison["candidates"];
        assert_eq!((&choice.comparison["selected"], &compared[1]["compared_with"]), (&json!("field-classifier"), &json!("linear")));
        assert!((compared[1]["accuracy_difference"]["mean"].as_f64().unwrap() - 0.15).abs() < 1e-9, "{compared}");
    }
}
