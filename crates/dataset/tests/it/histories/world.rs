//! Applies commands to the database and reads it, through the public functions of the crates.

use std::collections::BTreeMap;

use aprendiz_annotations::fields::{Cardinality, FieldDefinition, FieldKind, declare};
use aprendiz_annotations::import::{
    CreatedDocument, ImportError, ImportOptions, NewDocument, SOURCE, create_document, import_label_studio,
};
use aprendiz_annotations::reviews::{Expected, NewReview, RecordedReview, ReviewError, current_state, record_review};
use aprendiz_annotations::{AsOf, SplitRatios, as_of};
use aprendiz_dataset::{DatasetError, Format, ReviewedPredictions, Selection, SelectionRequest, build, reviewed_predictions};
use aprendiz_db::Session;
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::command::{Decision, Form, Review, Task, text, value_strings};
use super::{FIELDS, PROJECT};

/// An event as stored in the database.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct EventRow {
    pub(super) position: i64,
    pub(super) task_id: String,
    pub(super) field: String,
    pub(super) value: Vec<String>,
    pub(super) status: String,
    pub(super) source_ref: String,
    pub(super) occurred_at: chrono::DateTime<chrono::Utc>,
}

/// Deletes everything except the sequence of positions.
pub(super) async fn empty(conn: &mut PgConnection) {
    sqlx::raw_sql("TRUNCATE documents, fields, annotation_events, annotations, extractions, text_sketches, sketch_hashes, imports CASCADE")
        .execute(&mut *conn)
        .await
        .unwrap();
    for field in 0..FIELDS.len() {
        redefine(conn, field, Form::Categorical).await;
    }
}

/// Returns the position from which the definition is valid.
pub(super) async fn redefine(conn: &mut PgConnection, field: usize, form: Form) -> i64 {
    let (kind, cardinality) = match form {
        Form::Categorical => (FieldKind::Categorical, Cardinality::One),
        Form::ManyValues => (FieldKind::Categorical, Cardinality::Many),
        Form::Text => (FieldKind::Text, Cardinality::One),
    };
    declare(conn, FIELDS[field], &FieldDefinition { kind, cardinality, allowed_values: None, normalization: None }, None, "test")
        .await
        .unwrap();
    aprendiz_annotations::fields::history(conn, FIELDS[field]).await.unwrap().last().unwrap().position
}

pub(super) async fn import(conn: &mut PgConnection, tasks: &[Task]) -> Result<(), ImportError> {
    let file = Value::Array(tasks.iter().map(task_json).collect());
    let mut options = ImportOptions::new("test");
    options.replace_texts = true;
    let report = import_label_studio(conn, std::io::Cursor::new(serde_json::to_vec(&file).unwrap()), &options, |_| {}).await?;
    assert_eq!(report.quarantined, 0, "{report:?}");
    Ok(())
}

fn task_json(task: &Task) -> Value {
    let items = |values: &[super::command::Value; FIELDS.len()]| -> Vec<Value> {
        let given = FIELDS.iter().zip(values).filter(|(_, value)| value.is_some());
        given
            .map(|(field, value)| json!({ "type": "choices", "from_name": field, "value": { "choices": value_strings(*value) } }))
            .collect()
    };
    let annotations: Vec<Value> = task
        .annotations
        .iter()
        .map(|(id, at, values)| {
            json!({ "id": 100 * task.document + usize::from(*id), "completed_by": 1, "updated_at": at.time(), "result": items(values) })
        })
        .collect();
    let predictions: Vec<Value> = task
        .prediction
        .iter()
        .map(|(version, at, values)| json!({ "id": 1, "model_version": format!("v{version}"), "created_at": at.time(), "result": items(values) }))
        .collect();
    json!({
        "id": task.document, "project": PROJECT, "annotations": annotations, "predictions": predictions,
        "data": { "text": text(task.document, task.text), "title": task.title },
    })
}

pub(super) async fn create(conn: &mut PgConnection, document: usize, wording: u8, title: u8) -> Result<CreatedDocument, ImportError> {
    let metadata = serde_json::from_value(json!({ "title": title })).unwrap();
    let new = NewDocument {
        source: SOURCE.to_owned(),
        project: PROJECT.to_owned(),
        task_id: document.to_string(),
        file_name: None,
        metadata,
        text: text(document, wording),
    };
    create_document(conn, new, SplitRatios::default()).await
}

pub(super) async fn document_id(conn: &mut PgConnection, document: usize) -> Option<Uuid> {
    sqlx::query_scalar("SELECT id FROM documents WHERE task_id = $1").bind(document.to_string()).fetch_optional(conn).await.unwrap()
}

/// Prepares a review as a client does: it reads the state first, which may be outdated when the review is written.
pub(super) async fn request(conn: &mut PgConnection, review: &Review, reference: &str) -> Result<NewReview, ReviewError> {
    let id = document_id(conn, review.document).await.unwrap_or_else(Uuid::nil);
    let version = current_state(conn, id, FIELDS[review.field]).await?.map_or(0, |state| state.version);
    let decision = match review.decision {
        Decision::Set(value) => aprendiz_annotations::reviews::Decision::Set(value_strings(value)),
        Decision::Undo => aprendiz_annotations::reviews::Decision::Undo,
    };
    Ok(NewReview {
        occurred_at: review.at.map(|minutes| super::command::Moment::Early(minutes).time()),
        source_ref: Some(reference.to_owned()),
        expected: Expected::Version(if review.up_to_date { version } else { version + 1 }),
        ..NewReview::new(id, FIELDS[review.field], decision, "test")
    })
}

pub(super) async fn write(conn: &mut PgConnection, new: NewReview) -> Result<RecordedReview, ReviewError> {
    record_review(conn, new).await
}

pub(super) async fn newest_position(conn: &mut PgConnection) -> i64 {
    aprendiz_runs::resolve_position(conn, None).await.unwrap()
}

pub(super) async fn events_after(conn: &mut PgConnection, position: i64) -> Vec<EventRow> {
    sqlx::query_as(
        "SELECT e.position, d.task_id, e.field, e.value, e.review_status::text AS status, e.source_ref, e.occurred_at
         FROM annotation_events e JOIN documents d ON d.id = e.document_id
         WHERE e.position > $1
         ORDER BY e.position",
    )
    .bind(position)
    .fetch_all(conn)
    .await
    .unwrap()
}

/// Positions, task ids and contents of the texts, then of the metadata, that are newer than a position.
pub(super) async fn versions_after(conn: &mut PgConnection, position: i64) -> [Vec<(i64, String, String)>; 2] {
    let texts = "SELECT t.position, d.task_id, t.text FROM document_texts t JOIN documents d ON d.id = t.document_id WHERE t.position > $1 ORDER BY 1";
    let titles = "SELECT v.position, d.task_id, v.metadata->>'title' FROM document_details v JOIN documents d ON d.id = v.document_id WHERE v.position > $1 ORDER BY 1";
    [
        sqlx::query_as(texts).bind(position).fetch_all(&mut *conn).await.unwrap(),
        sqlx::query_as(titles).bind(position).fetch_all(conn).await.unwrap(),
    ]
}

pub(super) async fn accepted_as_of(conn: &mut PgConnection, document: Uuid, field: usize, position: i64) -> Option<AsOf> {
    as_of(conn, document, FIELDS[field], position).await.unwrap()
}

/// Selects all fields of the project as of a position.
pub(super) async fn selection(conn: &mut PgConnection, position: i64) -> Selection {
    let request = SelectionRequest {
        fields: FIELDS.map(str::to_owned).to_vec(),
        project: Some(PROJECT.to_owned()),
        min_support: 1,
        position,
        ..SelectionRequest::default()
    };
    match Selection::resolve(conn, request.clone()).await {
        // the filter is checked against the documents of today; a history may begin without one
        Err(DatasetError::NoExamples { .. }) => Selection::resolve(conn, SelectionRequest { project: None, ..request }).await.unwrap(),
        resolved => resolved.unwrap(),
    }
}

/// Reviewed fields as of a position, in any order.
pub(super) async fn scored(conn: &mut PgConnection, selection: &Selection) -> Vec<(String, Vec<String>, Option<Vec<String>>)> {
    let rows: Vec<ReviewedPredictions> = reviewed_predictions(conn, selection).try_collect().await.unwrap();
    let documents = |row: ReviewedPredictions| {
        let count = usize::try_from(row.documents).unwrap();
        std::iter::repeat_n((row.field, row.accepted, row.predicted), count)
    };
    let mut rows: Vec<_> = rows.into_iter().flat_map(documents).collect();
    rows.sort();
    rows
}

/// Builds a snapshot. Returns its canonical hash and its examples by task id, or `None` if there are no examples.
pub(super) async fn snapshot(database: &Session, selection: &Selection) -> Option<(String, BTreeMap<String, Value>)> {
    let dir = tempfile::tempdir().unwrap();
    let built = match build(database, selection, &[Format::Jsonl], dir.path(), &mut |_| {}, &CancellationToken::new()).await {
        Ok(built) => built,
        Err(DatasetError::NoExamples { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    let mut examples = BTreeMap::new();
    for split in ["train", "validation", "test"] {
        let lines = std::fs::read_to_string(dir.path().join(format!("jsonl/{split}.jsonl"))).unwrap();
        for line in lines.lines() {
            let example: Value = serde_json::from_str(line).unwrap();
            examples.insert(example["task_id"].as_str().unwrap().to_owned(), example);
        }
    }
    Some((built.canonical_hash, examples))
}
