//! Documents as tasks of Label Studio, in the form that it imports and that our importer reads back without loss.
//!
//! An annotation holds what counted for the whole document after it, because that is what one means there. What a review was about, and
//! what else a task file cannot say, stands under `aprendiz` (`import/marks.rs` reads it): Label Studio drops it.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::export::document::ExportedDocument;
use crate::export::predictions::{Prediction, predictions_of};
use crate::export::reviews::{Review, reviews_of};
use crate::export::shapes::FieldShape;
use crate::fields::FieldKind;
use crate::review_status::ReviewStatus;

/// Key of `data` that holds the text, and name of the object that is labelled.
const TEXT: &str = "text";
/// Name of the control of labelled spans.
const SPANS: &str = "span";

/// What tasks are written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskParts {
    /// Annotations and predictions.
    Everything,
    /// Predictions only, to label with their help. A document without any has no task.
    Predictions,
}

#[derive(Serialize)]
struct Task<'d> {
    id: Value,
    project: Value,
    data: Map<String, Value>,
    meta: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Vec<AnnotationOut<'d>>>,
    predictions: Vec<PredictionOut<'d>>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aprendiz: Option<TaskMarks<'d>>,
}

#[derive(Serialize)]
struct TaskMarks<'d> {
    document_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<DetailMarks>,
    /// What its fields are.
    fields: BTreeMap<&'d str, FieldShape>,
}

#[derive(Serialize)]
struct DetailMarks {
    file_name: Option<String>,
    metadata: Map<String, Value>,
}

#[derive(Serialize)]
struct AnnotationOut<'d> {
    id: i64,
    completed_by: Value,
    result: Vec<Value>,
    was_cancelled: bool,
    ground_truth: bool,
    created_at: String,
    updated_at: String,
    aprendiz: ReviewMarks<'d>,
}

#[derive(Serialize)]
struct ReviewMarks<'d> {
    source: &'d str,
    source_ref: &'d str,
    fields: BTreeMap<&'d str, ReviewStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'d str>,
}

#[derive(Serialize)]
struct PredictionOut<'d> {
    /// Orders predictions; theirs in Label Studio are not kept.
    id: usize,
    model_version: &'d str,
    score: Option<f64>,
    result: Vec<Value>,
    created_at: String,
    updated_at: String,
}

/// Appends a document as a task. Returns whether there was something to write.
///
/// # Panics
/// Never: a task is plain data.
pub fn write_task(document: &ExportedDocument, shapes: &HashMap<String, FieldShape>, parts: TaskParts, to: &mut Vec<u8>) -> bool {
    let whole = parts == TaskParts::Everything;
    let predictions: Vec<PredictionOut<'_>> = predictions_of(document)
        .into_iter()
        .enumerate()
        .map(|(number, prediction)| prediction_out(number + 1, &prediction, shapes, whole))
        .filter(|prediction| whole || !prediction.result.is_empty())
        .collect();
    if !whole && predictions.is_empty() {
        return false;
    }
    let (data, meta, details) = data_of(document);
    let fields = document.fields.keys().filter_map(|field| Some((field.as_str(), *shapes.get(field)?))).collect();
    let task = Task {
        id: id_out(&document.task_id),
        project: id_out(&document.project),
        data,
        meta,
        annotations: whole.then(|| reviews_of(document).iter().map(|review| annotation_out(review, shapes)).collect()),
        predictions,
        created_at: time_out(document.created_at),
        aprendiz: whole.then_some(TaskMarks { document_id: document.id, details, fields }),
    };
    serde_json::to_writer(&mut *to, &task).expect("a task is plain data");
    true
}

/// `data` and `meta`, and the details where the two cannot tell them.
fn data_of(document: &ExportedDocument) -> (Map<String, Value>, Value, Option<DetailMarks>) {
    let mut data: Map<String, Value> = serde_json::from_str(document.metadata.get()).unwrap_or_default();
    let names_a_file = |key: &str| data.get(key).and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let tells_all = !data.contains_key(TEXT)
        && match &document.file_name {
            Some(name) => !name.is_empty() && !data.contains_key("source_file"),
            None => !names_a_file("source_file") && !names_a_file("file_name"),
        };
    let details = (!tells_all).then(|| DetailMarks { file_name: document.file_name.clone(), metadata: data.clone() });
    let meta = match data.get("meta") {
        Some(Value::Object(meta)) if !meta.is_empty() => data.remove("meta").unwrap_or_default(),
        _ => Value::Object(Map::new()),
    };
    if let Some(name) = &document.file_name {
        data.insert("source_file".to_owned(), Value::from(name.as_str()));
    }
    data.insert(TEXT.to_owned(), Value::from(document.text.as_str()));
    (data, meta, details)
}

fn annotation_out<'d>(review: &Review<'d>, shapes: &HashMap<String, FieldShape>) -> AnnotationOut<'d> {
    let mut result = Vec::new();
    for (field, event) in &review.state {
        if !event.value.is_empty() {
            result.push(control_item(field, shapes, &event.value, "manual", None));
        }
        if let Some(spans) = &event.spans {
            result.extend(span_items(field, spans.get()));
        }
    }
    let key = &review.key;
    AnnotationOut {
        id: review.id,
        completed_by: key.reviewer.map_or(Value::Null, reviewer_out),
        result,
        was_cancelled: key.undone,
        ground_truth: false,
        created_at: time_out(key.occurred_at),
        updated_at: time_out(key.occurred_at),
        aprendiz: ReviewMarks { source: key.source, source_ref: key.source_ref, fields: review.fields.clone(), note: key.note },
    }
}

fn prediction_out<'d>(id: usize, prediction: &Prediction<'d>, shapes: &HashMap<String, FieldShape>, whole: bool) -> PredictionOut<'d> {
    let values = prediction.values.iter().filter(|(_, value)| whole || !value.value.is_empty());
    let items = values.map(|(field, value)| control_item(field, shapes, &value.value, "prediction", value.confidence));
    PredictionOut {
        id,
        model_version: prediction.extractor_version,
        score: prediction.score(),
        result: items.collect(),
        created_at: time_out(prediction.predicted_at),
        updated_at: time_out(prediction.predicted_at),
    }
}

fn control_item(field: &str, shapes: &HashMap<String, FieldShape>, value: &[String], origin: &str, score: Option<f64>) -> Value {
    let choices = shapes.get(field).is_some_and(|shape| shape.kind == FieldKind::Categorical);
    let (control, key) = if choices { ("choices", "choices") } else { ("textarea", "text") };
    let mut item = serde_json::json!({
        "id": field, "from_name": control_name(field, choices), "to_name": TEXT, "type": control, "origin": origin,
        "value": { key: value },
    });
    if let Some(score) = score {
        item["score"] = Value::from(score);
    }
    item
}

/// The importer takes `_gold` away from a name, and hears a verdict in choices whose name ends with `_status`: neither happens to a name
/// with one `_gold` more.
fn control_name(field: &str, choices: bool) -> String {
    if field.ends_with("_gold") || (choices && field.ends_with("_status")) { format!("{field}_gold") } else { field.to_owned() }
}

/// A place in the text as an event holds it.
#[derive(Deserialize)]
struct Held {
    start: u64,
    end: u64,
    text: String,
}

fn span_items(field: &str, spans: &str) -> Vec<Value> {
    let spans: Vec<Held> = serde_json::from_str(spans).unwrap_or_default();
    let items = spans.into_iter().enumerate().map(|(number, Held { start, end, text })| {
        serde_json::json!({
            "id": format!("{field}#{}", number + 1), "from_name": SPANS, "to_name": TEXT, "type": "labels", "origin": "manual",
            "value": { "start": start, "end": end, "text": text, "labels": [field] },
        })
    });
    items.collect()
}

/// A user id is a number there; anybody else is named as an address would be.
fn reviewer_out(reviewer: &str) -> Value {
    match id_out(reviewer) {
        Value::Number(id) => Value::Number(id),
        _ => serde_json::json!({ "email": reviewer }),
    }
}

/// A number where the id is written like one.
fn id_out(id: &str) -> Value {
    match id.parse::<i64>() {
        Ok(number) if number.to_string() == id => Value::from(number),
        _ => Value::from(id),
    }
}

fn time_out(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
