//! Scores the predictions for the test split.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use aprendiz_classifier::EvidencedPrediction;
use aprendiz_evaluation::{FieldReport, FieldSlices, ReliabilityBin, ScoredExample, SliceIndex, reliability_bins, slice_dimensions};
use aprendiz_inference::{FieldConfig, FieldPrediction};
use aprendiz_runs::{ErrorCollector, NewRunError};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::fields::errors::test_error;
use crate::pipeline::evaluate::fields::findings::Findings;
use crate::pipeline::evaluate::fields::scores::field_reports;
use crate::pipeline::evaluate::json_lines::for_each_line;
use crate::pipeline::evaluate::slices::{DocumentAttributes, metadata_values, name_values};

/// Examples of the test split in a snapshot.
const TEST_FILE: &str = "jsonl/test.jsonl";

/// The part of `labels.json` that decides which examples count.
#[derive(Deserialize)]
pub(in crate::pipeline::evaluate) struct Labels {
    fields: BTreeMap<String, FieldLabels>,
}

#[derive(Deserialize)]
struct FieldLabels {
    labels: Vec<Option<String>>,
}

/// A line of `test.jsonl`.
#[derive(Deserialize)]
pub(in crate::pipeline::evaluate) struct TestExample {
    pub(in crate::pipeline::evaluate) document_id: Uuid,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    project: Option<String>,
    /// A JSON object as text.
    #[serde(default)]
    metadata: Option<String>,
    pub(in crate::pipeline::evaluate) text: String,
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
pub(in crate::pipeline::evaluate) enum Counted {
    /// Those whose label is trained: the others are excluded by the minimum support.
    Trained(Labels),
    /// All reviewed ones, but not those of these documents.
    AllBut(HashSet<Uuid>),
}

impl Counted {
    /// Those whose label is in `labels.json` of a snapshot.
    pub(in crate::pipeline::evaluate) fn read_labels(snapshot: &Path) -> Result<Self, Interruption> {
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
pub(in crate::pipeline::evaluate) fn read_test_documents(
    snapshot: &Path,
    cancelled: &CancellationToken,
) -> Result<Vec<Uuid>, Interruption> {
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

/// What the test split shows about a model.
pub(in crate::pipeline::evaluate) struct TestScores {
    /// One report per field of the model.
    pub(in crate::pipeline::evaluate) reports: Vec<FieldReport>,
    /// Metrics by slice, by field.
    pub(in crate::pipeline::evaluate) slices: Vec<FieldSlices>,
    /// Accuracy by confidence, by field.
    pub(in crate::pipeline::evaluate) reliability: BTreeMap<String, Vec<ReliabilityBin>>,
    pub(in crate::pipeline::evaluate) findings: Findings,
    pub(in crate::pipeline::evaluate) errors: ErrorCollector,
}

/// The test split of a snapshot, and what is read of it.
pub(in crate::pipeline::evaluate) struct TestSplit<'a> {
    pub(in crate::pipeline::evaluate) snapshot: &'a Path,
    pub(in crate::pipeline::evaluate) counted: &'a Counted,
    /// Keys of metadata.
    pub(in crate::pipeline::evaluate) slice_keys: &'a [String],
}

/// The scored test split.
struct ScoredTestSplit {
    /// Scores by field.
    fields: BTreeMap<String, Vec<ScoredExample>>,
    /// The slices of the examples, in the same order.
    slices: SliceIndex,
}

/// Scores the predictions for the test split, writes them to a file, and collects the wrong ones. `predict` is called for every example
/// that counts, in the order of the file.
pub(in crate::pipeline::evaluate) fn score_test_split(
    fields: &[FieldConfig],
    split: &TestSplit<'_>,
    predictions: &Path,
    cancelled: &CancellationToken,
    predict: impl FnMut(&TestExample) -> Result<Vec<EvidencedPrediction>, Interruption>,
) -> Result<TestScores, Interruption> {
    let mut errors = ErrorCollector::default();
    let ScoredTestSplit { fields: scored, slices } = score_examples(split, predictions, cancelled, &mut errors, predict)?;
    let slices = fields.iter().filter_map(|field| Some(slices.slice(&field.name, scored.get(&field.name)?, field.threshold))).collect();
    let reliability = scored.iter().map(|(field, examples)| (field.clone(), reliability_bins(examples))).collect();
    let reports = field_reports(fields, scored);
    let findings = Findings::new(fields, &reports);
    Ok(TestScores { reports, slices, reliability, findings, errors })
}

fn score_examples(
    split: &TestSplit<'_>,
    predictions: &Path,
    cancelled: &CancellationToken,
    errors: &mut ErrorCollector,
    mut predict: impl FnMut(&TestExample) -> Result<Vec<EvidencedPrediction>, Interruption>,
) -> Result<ScoredTestSplit, Interruption> {
    let TestSplit { snapshot, counted, slice_keys } = *split;
    let file = File::create(predictions).map_err(|error| Interruption::scratch(predictions, &error))?;
    let mut out = BufWriter::new(file);
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    let dimensions = slice_dimensions(slice_keys);
    let mut slices = SliceIndex::new(dimensions.clone());
    for_each_line(&snapshot.join(TEST_FILE), cancelled, |example: TestExample| {
        if !counted.includes_document(example.document_id) {
            return Ok(());
        }
        let document = document_attributes(&example, slice_keys)?;
        for EvidencedPrediction { prediction, evidence } in predict(&example)? {
            let Some(gold) = gold_label(&example, counted, &prediction.field) else {
                continue;
            };
            let mut line = json!({
                "document_id": example.document_id, "group": example.group, "field": prediction.field, "gold": gold,
                "value": prediction.value, "confidence": prediction.confidence, "answered": prediction.answered,
                "no_known_feature": prediction.no_known_feature,
            });
            if let Some((start, end)) = evidence.and_then(|bytes| character_offsets(&example.text, bytes)) {
                line["evidence"] = json!({ "start": start, "end": end });
            }
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

/// Offsets in characters, as those of spans, from offsets in bytes.
fn character_offsets(text: &str, (start, end): (usize, usize)) -> Option<(usize, usize)> {
    let before = text.get(..start)?.chars().count();
    Some((before, before + text.get(start..end)?.chars().count()))
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
    fn offsets_count_characters() {
        assert_eq!(character_offsets("São Paulo", (5, 10)), Some((4, 9)));
        assert_eq!(character_offsets("São Paulo", (2, 10)), None, "not at the boundary of a character");
    }

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
