//! Predicts and scores the examples of the test split.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use aprendiz_evaluation::{FieldSlices, ScoredExample, SliceIndex, slice_dimensions};
use aprendiz_inference::{FieldPrediction, Model, NgramCounter};
use aprendiz_runs::{ErrorCollector, NewRunError};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::json_lines::for_each_line;
use crate::pipeline::evaluate::linear::errors::test_error;
use crate::pipeline::evaluate::slices::{DocumentAttributes, metadata_values, name_values};

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
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    project: Option<String>,
    /// A JSON object as text.
    #[serde(default)]
    metadata: Option<String>,
    text: String,
    /// Null is unreviewed; older snapshots leave such fields out.
    fields: BTreeMap<String, Option<ReviewedField>>,
}

#[derive(Deserialize)]
struct ReviewedField {
    value: Vec<String>,
    #[serde(default)]
    reviewer: Option<String>,
    #[serde(default)]
    occurred_at: Option<DateTime<Utc>>,
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

/// The scored test split.
pub(super) struct ScoredTestSplit {
    /// Scores by field.
    pub(super) fields: BTreeMap<String, Vec<ScoredExample>>,
    /// The slices of the examples, in the same order.
    slices: SliceIndex,
}

impl ScoredTestSplit {
    /// The metrics by slice of every field of the model that has examples.
    pub(super) fn field_slices(&self, model: &Model) -> Vec<FieldSlices> {
        let fields = model.config().fields.iter();
        fields.filter_map(|field| Some(self.slices.slice(&field.name, self.fields.get(&field.name)?, field.threshold))).collect()
    }
}

/// Scores the test split by field, writes the predictions to a file, and collects the wrong ones. `slice_keys` are keys of metadata.
pub(super) fn score_test_split(
    model: &Model,
    snapshot: &Path,
    predictions: &Path,
    counted: &Counted,
    cancelled: &CancellationToken,
    slice_keys: &[String],
    errors: &mut ErrorCollector,
) -> Result<ScoredTestSplit, Interruption> {
    let file = File::create(predictions).map_err(|error| Interruption::scratch(predictions, &error))?;
    let mut out = BufWriter::new(file);
    let mut counter = NgramCounter::new();
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    let dimensions = slice_dimensions(slice_keys);
    let mut slices = SliceIndex::new(dimensions.clone());
    for_each_line(&snapshot.join(TEST_FILE), cancelled, |example: TestExample| {
        if !counted.includes_document(example.document_id) {
            return Ok(());
        }
        let document = document_attributes(&example, slice_keys)?;
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
            let review = example.fields.get(&prediction.field).and_then(Option::as_ref);
            let values =
                document.values(review.and_then(|review| review.reviewer.as_deref()), review.and_then(|review| review.occurred_at));
            slices.push(&prediction.field, &values);
            if prediction.value != gold {
                let error = test_error(example.document_id, gold.as_deref(), &prediction);
                errors.push(NewRunError { slices: Some(name_values(&dimensions, values)), ..error });
            }
            fields.entry(prediction.field.clone()).or_default().push(scored_example(gold, example.group.clone(), &prediction));
        }
        Ok(())
    })?;
    out.flush().map_err(|error| Interruption::scratch(predictions, &error))?;
    Ok(ScoredTestSplit { fields, slices })
}

fn document_attributes<'a>(example: &'a TestExample, slice_keys: &[String]) -> Result<DocumentAttributes<'a>, Interruption> {
    Ok(DocumentAttributes {
        source: example.source.as_deref(),
        project: example.project.as_deref(),
        text_chars: example.text.chars().count(),
        metadata: metadata_values(example.metadata.as_deref().unwrap_or("{}"), slice_keys)?,
    })
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
    fn a_line_of_a_snapshot_has_the_attributes_of_its_slices() {
        let line = json!({ "document_id": Uuid::nil(), "source": "label-studio", "project": "7", "metadata": "{\"customer\": \"ACME\"}", "text": "é",
            "fields": { "law": { "value": [], "reviewer": "3", "occurred_at": "2023-11-14T22:13:20.000001Z" } } });
        let example: TestExample = serde_json::from_value(line).unwrap();
        let document = document_attributes(&example, &["customer".to_owned(), "region".to_owned()]).unwrap();
        let review = example.fields["law"].as_ref().unwrap();
        let values = document.values(review.reviewer.as_deref(), review.occurred_at);
        assert_eq!(values, ["3", "label-studio", "label-studio/7", "under-1k", "2023-Q4", "ACME", "(none)"]);
    }

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
