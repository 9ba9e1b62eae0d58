//! Predicts and scores the examples of the test split.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use aprendiz_evaluation::ScoredExample;
use aprendiz_inference::{FieldPrediction, Model, NgramCounter};
use aprendiz_runs::ErrorCollector;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::json_lines::for_each_line;
use crate::pipeline::evaluate::linear::errors::test_error;

/// Examples of the test split in a snapshot.
const TEST_FILE: &str = "jsonl/test.jsonl";

/// The part of `labels.json` that decides which examples count.
#[derive(Deserialize)]
pub(super) struct Labels {
    fields: BTreeMap<String, FieldLabels>,
}

#[derive(Deserialize)]
struct FieldLabels {
    labels: Vec<Option<String>>,
}

/// A line of `test.jsonl`.
#[derive(Deserialize)]
struct TestExample {
    document_id: Uuid,
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

/// Which examples of the test split count.
pub(super) enum Counted {
    /// Those whose label is trained: the others are excluded by the minimum support.
    Trained(Labels),
    /// All reviewed ones, but not those of these documents.
    AllBut(HashSet<Uuid>),
}

impl Counted {
    /// Those whose label is in `labels.json` of a snapshot.
    pub(super) fn read_labels(snapshot: &Path) -> Result<Self, Interruption> {
        let path = snapshot.join("labels.json");
        let text = std::fs::read(&path).map_err(|error| Interruption::scratch(&path, &error))?;
        Ok(Self::Trained(serde_json::from_slice(&text).map_err(Interruption::broken_state)?))
    }

    fn includes_document(&self, document: Uuid) -> bool {
        match self {
            Self::Trained(_) => true,
            Self::AllBut(excluded) => !excluded.contains(&document),
        }
    }

    fn includes_label(&self, field: &str, label: &Option<String>) -> bool {
        match self {
            Self::Trained(labels) => labels.fields.get(field).is_some_and(|field| field.labels.contains(label)),
            Self::AllBut(_) => true,
        }
    }
}

/// Reads the ids of the documents of the test split.
pub(super) fn read_test_documents(snapshot: &Path, cancelled: &CancellationToken) -> Result<Vec<Uuid>, Interruption> {
    #[derive(Deserialize)]
    struct Line {
        document_id: Uuid,
    }
    let mut documents = Vec::new();
    for_each_line(&snapshot.join(TEST_FILE), cancelled, |line: Line| {
        documents.push(line.document_id);
        Ok(())
    })?;
    Ok(documents)
}

/// Scores the test split by field, writes the predictions to a file, and collects the wrong ones.
pub(super) fn score_test_split(
    model: &Model,
    snapshot: &Path,
    predictions: &Path,
    counted: &Counted,
    cancelled: &CancellationToken,
    errors: &mut ErrorCollector,
) -> Result<BTreeMap<String, Vec<ScoredExample>>, Interruption> {
    let file = File::create(predictions).map_err(|error| Interruption::scratch(predictions, &error))?;
    let mut out = BufWriter::new(file);
    let mut counter = NgramCounter::new();
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    for_each_line(&snapshot.join(TEST_FILE), cancelled, |example: TestExample| {
        if !counted.includes_document(example.document_id) {
            return Ok(());
        }
        for prediction in model.predict_with(&mut counter, &example.text) {
            let Some(gold) = gold_label(&example, counted, &prediction.field) else {
                continue;
            };
            let line = json!({
                "document_id": example.document_id, "group": example.group, "field": prediction.field, "gold": gold,
                "value": prediction.value, "confidence": prediction.confidence, "answered": prediction.answered,
                "no_known_feature": prediction.no_known_feature,
            });
            writeln!(out, "{line}").map_err(|error| Interruption::scratch(predictions, &error))?;
            if prediction.value != gold {
                errors.push(test_error(example.document_id, gold.as_deref(), &prediction));
            }
            fields.entry(prediction.field.clone()).or_default().push(scored_example(gold, example.group.clone(), &prediction));
        }
        Ok(())
    })?;
    out.flush().map_err(|error| Interruption::scratch(predictions, &error))?;
    Ok(fields)
}

/// The accepted value if the document counts for the field, that is, if it has at most one value and its label is not excluded.
fn gold_label(example: &TestExample, counted: &Counted, field: &str) -> Option<Option<String>> {
    let gold = match example.fields.get(field)?.as_ref()?.value.as_slice() {
        [] => None,
        [value] => Some(value.clone()),
        _ => return None,
    };
    counted.includes_label(field, &gold).then_some(gold)
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
        let labels = Counted::Trained(labels);
        let example = |value: &[&str]| -> TestExample {
            serde_json::from_value(json!({ "document_id": Uuid::nil(), "text": "t", "fields": { "law": { "value": value } } })).unwrap()
        };
        assert_eq!(gold_label(&example(&["Texas"]), &labels, "law"), Some(Some("Texas".to_owned())));
        assert_eq!(gold_label(&example(&[]), &labels, "law"), Some(None));
        assert_eq!(gold_label(&example(&["Utah"]), &labels, "law"), None);
        assert_eq!(gold_label(&example(&["Texas"]), &labels, "other"), None);
    }

    #[test]
    fn every_single_value_counts_but_for_excluded_documents() {
        let excluded = Uuid::from_u128(1);
        let counted = Counted::AllBut(HashSet::from([excluded]));
        let example = |value: &[&str]| -> TestExample {
            serde_json::from_value(json!({ "document_id": Uuid::nil(), "text": "t", "fields": { "law": { "value": value } } })).unwrap()
        };
        assert_eq!(gold_label(&example(&["Utah"]), &counted, "law"), Some(Some("Utah".to_owned())));
        assert_eq!(gold_label(&example(&["Utah", "Texas"]), &counted, "law"), None);
        assert!(counted.includes_document(Uuid::nil()) && !counted.includes_document(excluded));
    }
}
