//! Writes documents as Label Studio tasks, in a form that Label Studio imports and that [`crate::TaskReader`] reads back without loss.
//!
//! An annotation holds the state of the whole document after a review, because that is what an annotation means in Label Studio. What a
//! plain task cannot express is written under `aprendiz` (`format::task_extension`), which Label Studio drops.

mod items;

use std::collections::BTreeMap;

use aprendiz_annotation_types::{FieldKind, FieldType, ReviewStatus};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::write::items::{TEXT, control_item, format_id, format_reviewer, span_items};

/// A document to be written as a task.
#[derive(Debug)]
pub struct TaskDocument<'d> {
    /// Id of the document.
    pub id: Uuid,
    /// Project within the source.
    pub project: &'d str,
    /// Id within the project.
    pub task_id: &'d str,
    /// Original file name.
    pub file_name: Option<&'d str>,
    /// Metadata, a JSON object.
    pub metadata: &'d RawValue,
    /// The text.
    pub text: &'d str,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Kinds and cardinalities of its fields.
    pub fields: BTreeMap<&'d str, FieldType>,
    /// Reviews in the order of their times; empty if only predictions are written.
    pub reviews: Vec<Review<'d>>,
    /// Predictions, the newest last.
    pub predictions: Vec<Prediction<'d>>,
}

/// A review: the decisions of one person about a document at one time.
#[derive(Debug)]
pub struct Review<'d> {
    /// Id of the annotation in Label Studio, or a negative number, which no annotation there has.
    pub id: i64,
    /// Who decided.
    pub reviewer: Option<&'d str>,
    /// Source of the review.
    pub source: &'d str,
    /// Id within the source.
    pub source_ref: &'d str,
    /// Note of the reviewer.
    pub note: Option<&'d str>,
    /// Whether it undoes an earlier review.
    pub is_undone: bool,
    /// When it was decided.
    pub occurred_at: DateTime<Utc>,
    /// The reviewed fields, each with its review status at that time.
    pub fields: BTreeMap<&'d str, ReviewStatus>,
    /// The accepted values of all fields after this review.
    pub values: BTreeMap<&'d str, AcceptedValue<'d>>,
}

/// An accepted value with its spans, a JSON array.
#[derive(Debug, Clone, Copy)]
pub struct AcceptedValue<'d> {
    /// The value; empty means "no value".
    pub value: &'d [String],
    /// Spans as a JSON array.
    pub spans: Option<&'d RawValue>,
}

/// The predictions of one extractor version at one time.
#[derive(Debug)]
pub struct Prediction<'d> {
    /// Version of the extractor.
    pub extractor_version: &'d str,
    /// When they were made.
    pub predicted_at: DateTime<Utc>,
    /// Predicted values.
    pub values: Vec<PredictedValue<'d>>,
}

/// The predicted value of a field.
#[derive(Debug, Clone, Copy)]
pub struct PredictedValue<'d> {
    /// The field.
    pub field: &'d str,
    /// The value; empty means that nothing was found.
    pub value: &'d [String],
    /// Confidence between 0 and 1.
    pub confidence: Option<f64>,
}

/// Which parts of a task are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskParts {
    /// Annotations and predictions.
    Everything,
    /// Only predictions, for pre-annotated labelling. Documents without predictions are left out.
    Predictions,
}

/// A JSON object whose values stay JSON text.
type RawObject = BTreeMap<String, Box<RawValue>>;

#[derive(Serialize)]
struct TaskJson<'d> {
    id: Value,
    project: Value,
    data: RawObject,
    meta: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Vec<AnnotationJson<'d>>>,
    predictions: Vec<PredictionJson<'d>>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aprendiz: Option<TaskExtensionJson<'d>>,
}

#[derive(Serialize)]
struct TaskExtensionJson<'d> {
    document_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<DetailsJson<'d>>,
    fields: &'d BTreeMap<&'d str, FieldType>,
}

#[derive(Serialize)]
struct DetailsJson<'d> {
    file_name: Option<&'d str>,
    metadata: RawObject,
}

#[derive(Serialize)]
struct AnnotationJson<'d> {
    id: i64,
    completed_by: Value,
    result: Vec<Value>,
    was_cancelled: bool,
    ground_truth: bool,
    created_at: String,
    updated_at: String,
    aprendiz: ReviewExtensionJson<'d>,
}

#[derive(Serialize)]
struct ReviewExtensionJson<'d> {
    source: &'d str,
    source_ref: &'d str,
    fields: &'d BTreeMap<&'d str, ReviewStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'d str>,
}

#[derive(Serialize)]
struct PredictionJson<'d> {
    /// Orders the predictions of a task; ids of Label Studio are not stored.
    id: usize,
    model_version: &'d str,
    score: Option<f64>,
    result: Vec<Value>,
    created_at: String,
    updated_at: String,
}

/// Appends a document as a task. Returns `false` if there was nothing to write.
///
/// # Panics
/// Never: a task is plain data.
pub fn write_task(document: &TaskDocument<'_>, parts: TaskParts, output: &mut Vec<u8>) -> bool {
    let everything = parts == TaskParts::Everything;
    let predictions: Vec<PredictionJson<'_>> = document
        .predictions
        .iter()
        .enumerate()
        .map(|(index, prediction)| prediction_json(index + 1, prediction, &document.fields, everything))
        .filter(|prediction| everything || !prediction.result.is_empty())
        .collect();
    if !everything && predictions.is_empty() {
        return false;
    }
    let (data, meta, details) = data_json(document);
    let task = TaskJson {
        id: format_id(document.task_id),
        project: format_id(document.project),
        data,
        meta,
        annotations: everything.then(|| document.reviews.iter().map(|review| annotation_json(review, &document.fields)).collect()),
        predictions,
        created_at: format_time(document.created_at),
        aprendiz: everything.then_some(TaskExtensionJson { document_id: document.id, details, fields: &document.fields }),
    };
    serde_json::to_writer(&mut *output, &task).expect("a task is plain data");
    true
}

/// Builds `data` and `meta`, and the exact details if the two cannot represent them.
fn data_json<'d>(document: &TaskDocument<'d>) -> (RawObject, Box<RawValue>, Option<DetailsJson<'d>>) {
    // values stay JSON text, so that numbers keep all digits
    let mut data: RawObject = serde_json::from_str(document.metadata.get()).expect("metadata is a JSON object");
    let has_file_name = |key: &str| data.get(key).is_some_and(|raw| raw.get().starts_with('"') && raw.get() != "\"\"");
    let is_lossless = !data.contains_key(TEXT)
        && match document.file_name {
            Some(name) => !name.is_empty() && !data.contains_key("source_file"),
            None => !has_file_name("source_file") && !has_file_name("file_name"),
        };
    let details = (!is_lossless).then(|| DetailsJson { file_name: document.file_name, metadata: data.clone() });
    let is_filled_object = |raw: &RawValue| serde_json::from_str::<RawObject>(raw.get()).is_ok_and(|object| !object.is_empty());
    let meta = match data.get("meta") {
        Some(meta) if is_filled_object(meta) => data.remove("meta"),
        _ => None,
    };
    let meta = meta.unwrap_or_else(|| to_raw(&RawObject::new()));
    if let Some(name) = document.file_name {
        data.insert("source_file".to_owned(), to_raw(name));
    }
    data.insert(TEXT.to_owned(), to_raw(document.text));
    (data, meta, details)
}

fn to_raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    to_raw_value(value).expect("a value is plain data")
}

fn annotation_json<'d>(review: &'d Review<'_>, fields: &BTreeMap<&str, FieldType>) -> AnnotationJson<'d> {
    let mut result = Vec::new();
    for (field, accepted) in &review.values {
        if !accepted.value.is_empty() {
            result.push(control_item(field, is_categorical(fields, field), accepted.value, "manual", None));
        }
        if let Some(spans) = accepted.spans {
            result.extend(span_items(field, spans.get()));
        }
    }
    AnnotationJson {
        id: review.id,
        completed_by: review.reviewer.map_or(Value::Null, format_reviewer),
        result,
        was_cancelled: review.is_undone,
        ground_truth: false,
        created_at: format_time(review.occurred_at),
        updated_at: format_time(review.occurred_at),
        aprendiz: ReviewExtensionJson { source: review.source, source_ref: review.source_ref, fields: &review.fields, note: review.note },
    }
}

fn prediction_json<'d>(
    id: usize,
    prediction: &Prediction<'d>,
    fields: &BTreeMap<&str, FieldType>,
    with_empty_values: bool,
) -> PredictionJson<'d> {
    let values = prediction.values.iter().filter(|predicted| with_empty_values || !predicted.value.is_empty());
    let items = values.map(|predicted| {
        let is_categorical = is_categorical(fields, predicted.field);
        control_item(predicted.field, is_categorical, predicted.value, "prediction", predicted.confidence)
    });
    PredictionJson {
        id,
        model_version: prediction.extractor_version,
        score: prediction.mean_confidence(),
        result: items.collect(),
        created_at: format_time(prediction.predicted_at),
        updated_at: format_time(prediction.predicted_at),
    }
}

impl Prediction<'_> {
    /// Mean confidence over the fields. `None` if any field has none, because it would inherit the mean on import.
    fn mean_confidence(&self) -> Option<f64> {
        let confidences: Option<Vec<f64>> = self.values.iter().map(|value| value.confidence).collect();
        let confidences = confidences?;
        #[expect(clippy::cast_precision_loss, reason = "a document has fewer than 2^52 fields")]
        let count = confidences.len() as f64;
        Some(confidences.iter().sum::<f64>() / count)
    }
}

fn is_categorical(fields: &BTreeMap<&str, FieldType>, field: &str) -> bool {
    fields.get(field).is_some_and(|definition| definition.kind == FieldKind::Categorical)
}

fn format_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
