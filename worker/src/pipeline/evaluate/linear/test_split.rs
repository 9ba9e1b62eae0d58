//! Predicts and scores the examples of the test split.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use aprendiz_evaluation::ScoredExample;
use aprendiz_inference::{FieldPrediction, Model, NgramCounter};
use aprendiz_runs::ErrorCollector;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::json_lines::for_each_line;
use crate::pipeline::evaluate::linear::errors::test_error;

/// The part of `labels.json` that decides which examples count.
#[derive(Deserialize)]
struct Labels {
    fields: BTreeMap<String, FieldLabels>,
}

#[derive(Deserialize)]
struct FieldLabels {
    labels: Vec<Option<String>>,
}

/// A line of `test.jsonl`.
#[derive(Deserialize)]
struct TestExample {
    document_id: String,
    #[serde(default)]
    group: Option<String>,
    text: String,
    /// Null is unreviewed; older snapshots leave such fields out.
    fields: BTreeMap<String, Option<ReviewedField>>,
}

#[derive(Deserialize)]
struct ReviewedField {
    value: Vec<String>,
}

/// Scores the test split by field, writes the predictions to a file, and collects the wrong ones.
pub(super) fn score_test_split(
    model: &Model,
    snapshot: &Path,
    predictions: &Path,
    cancelled: &CancellationToken,
    errors: &mut ErrorCollector,
) -> Result<BTreeMap<String, Vec<ScoredExample>>, Interruption> {
    let path = snapshot.join("labels.json");
    let text = std::fs::read(&path).map_err(|error| Interruption::scratch(&path, &error))?;
    let labels: Labels = serde_json::from_slice(&text).map_err(Interruption::broken_state)?;
    let file = File::create(predictions).map_err(|error| Interruption::scratch(predictions, &error))?;
    let mut out = BufWriter::new(file);
    let mut counter = NgramCounter::new();
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    for_each_line(&snapshot.join("jsonl/test.jsonl"), cancelled, |example: TestExample| {
        for prediction in model.predict_with(&mut counter, &example.text) {
            let Some(gold) = gold_label(&example, &labels, &prediction.field) else {
                continue;
            };
            let line = json!({
                "document_id": example.document_id, "group": example.group, "field": prediction.field, "gold": gold,
                "value": prediction.value, "confidence": prediction.confidence, "answered": prediction.answered,
                "no_known_feature": prediction.no_known_feature,
            });
            writeln!(out, "{line}").map_err(|error| Interruption::scratch(predictions, &error))?;
            if prediction.value != gold {
                errors.push(test_error(&example.document_id, gold.as_deref(), &prediction)?);
            }
            fields.entry(prediction.field.clone()).or_default().push(scored_example(gold, example.group.clone(), &prediction));
        }
        Ok(())
    })?;
    out.flush().map_err(|error| Interruption::scratch(predictions, &error))?;
    Ok(fields)
}

/// The accepted value if the document counts for the field, that is, if it is reviewed and its label is not excluded.
fn gold_label(example: &TestExample, labels: &Labels, field: &str) -> Option<Option<String>> {
    let gold = match example.fields.get(field)?.as_ref()?.value.as_slice() {
        [] => None,
        [value] => Some(value.clone()),
        _ => return None,
    };
    labels.fields.get(field)?.labels.contains(&gold).then_some(gold)
}

fn scored_example(gold: Option<String>, group: Option<String>, prediction: &FieldPrediction) -> ScoredExample {
    let gold_probability = Some(prediction.probability(gold.as_deref()));
    ScoredExample {
        gold,
        predicted: prediction.value.clone(),
        confidence: prediction.confidence,
        gold_probability,
        group,
        never_answered: prediction.no_known_feature,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excluded_label_does_not_count() {
        let labels: Labels = serde_json::from_value(json!({ "fields": { "law": { "labels": ["Texas", null] } } })).unwrap();
        let example = |value: &[&str]| -> TestExample {
            serde_json::from_value(json!({ "document_id": "d", "text": "t", "fields": { "law": { "value": value } } })).unwrap()
        };
        assert_eq!(gold_label(&example(&["Texas"]), &labels, "law"), Some(Some("Texas".to_owned())));
        assert_eq!(gold_label(&example(&[]), &labels, "law"), Some(None));
        assert_eq!(gold_label(&example(&["Utah"]), &labels, "law"), None);
        assert_eq!(gold_label(&example(&["Texas"]), &labels, "other"), None);
    }
}
