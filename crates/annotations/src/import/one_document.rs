//! Takes in one document by itself, along the way of an import: the same checks, near-duplicates, split and versions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::import::batch::Batch;
use crate::import::error::ImportError;
use crate::import::parsed::ParsedTask;
use crate::import::scalars::LONGEST_ID;
use crate::import::settle::{documents, lock_positions, lock_projects};
use crate::import::staging;
use crate::near_duplicates::{self, Sketch};
use crate::split::{SplitRatios, group_key_of};

/// Bytes of the text of one document, as for an import.
const MOST_TEXT_BYTES: usize = 10 << 20;
const MOST_METADATA_BYTES: usize = 1 << 20;
const LONGEST_SOURCE: usize = 100;
const LONGEST_FILE_NAME: usize = 1_000;

/// A document to be taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// Where it comes from, for example `api`; 1 to 100 characters without `/`.
    pub source: String,
    /// Project within the source, 1 to 200 characters.
    pub project: String,
    /// Id within the project, 1 to 200 characters.
    pub task_id: String,
    /// Original file name; never a feature.
    pub file_name: Option<String>,
    /// Other things known about it; never features.
    pub metadata: Map<String, Value>,
    /// Its text; not empty, 10 MiB at most.
    pub text: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedDocument {
    /// Its id.
    pub id: Uuid,
    /// Whether it is new; else it was there with the same content.
    pub created: bool,
}

/// Takes in a document, unless it is there with the same text, file name and metadata.
///
/// Runs in a transaction of its own (a savepoint when `conn` is in one already, which then must be committed soon: it holds the locks of
/// an import).
///
/// # Errors
/// When the document cannot be, is there with other content or was erased, or Postgres does not answer. Nothing is changed then.
pub async fn create_document(conn: &mut PgConnection, new: NewDocument, ratios: SplitRatios) -> Result<CreatedDocument, ImportError> {
    let source = new.source.clone();
    let task = task_of(new, ratios)?;
    let name = format!("{source}/{}/{}", task.project, task.task_id);
    let mut batch = Batch::default();
    batch.push(0, task);

    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    staging::create(conn).await?;
    staging::insert(conn, &batch).await?;
    lock_projects(conn, &source).await?;
    near_duplicates::create(conn).await?;
    near_duplicates::lock(conn).await?;
    near_duplicates::take_in_missing(conn).await?;
    documents::find_targets(conn, &source).await?;
    let (id, is_new, changed): (Uuid, bool, bool) =
        sqlx::query_as("SELECT document_id, is_new, changed FROM targets").fetch_one(&mut *conn).await?;
    if !is_new {
        documents::refuse_erased(conn).await?;
        if changed {
            return Err(ImportError::DocumentExists { document: name, id });
        }
        transaction.rollback().await?;
        return Ok(CreatedDocument { id, created: false });
    }
    documents::upsert(conn, &source).await?;
    documents::find_near_duplicates(conn, ratios).await?;
    lock_positions(conn).await?;
    documents::insert_texts(conn).await?;
    documents::insert_details(conn).await?;
    near_duplicates::record_exclusions(conn).await?;
    documents::insert_splits(conn).await?;
    near_duplicates::drop(conn).await?;
    staging::drop(conn).await?;
    transaction.commit().await?;
    Ok(CreatedDocument { id, created: true })
}

pub(super) fn task_of(new: NewDocument, ratios: SplitRatios) -> Result<ParsedTask, ImportError> {
    let invalid = |part: &'static str, reason: String| Err(ImportError::InvalidDocument { part, reason });
    for (part, name, longest) in
        [("source", &new.source, LONGEST_SOURCE), ("project", &new.project, LONGEST_ID), ("task_id", &new.task_id, LONGEST_ID)]
    {
        if name.trim().is_empty() || name.chars().count() > longest || name.contains(char::is_control) {
            return invalid(part, format!("give 1 to {longest} characters, no control characters among them"));
        }
    }
    if new.source.contains('/') {
        return invalid("source", "leave out the `/`: documents are called SOURCE/PROJECT/TASK".to_owned());
    }
    if new.file_name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > LONGEST_FILE_NAME || name.contains('\0')) {
        return invalid("file_name", format!("give 1 to {LONGEST_FILE_NAME} characters without NUL, or leave it out"));
    }
    if new.text.trim().is_empty() {
        return invalid("text", "it is empty".to_owned());
    }
    if new.text.len() > MOST_TEXT_BYTES {
        return invalid("text", format!("it has {} bytes, more than the {MOST_TEXT_BYTES} allowed", new.text.len()));
    }
    if new.text.contains('\0') {
        return invalid("text", "it holds a NUL character, which the database cannot keep".to_owned());
    }
    let metadata = Value::Object(new.metadata);
    if holds_nul(&metadata) {
        return invalid("metadata", "it holds a NUL character, which the database cannot keep".to_owned());
    }
    let metadata = metadata.to_string();
    if metadata.len() > MOST_METADATA_BYTES {
        return invalid("metadata", format!("it has {} bytes, more than the {MOST_METADATA_BYTES} allowed", metadata.len()));
    }
    let group_key = group_key_of(&new.text);
    Ok(ParsedTask {
        project: new.project,
        task_id: new.task_id,
        file_name: new.file_name,
        metadata,
        checksum: hex::encode(Sha256::digest(new.text.as_bytes())),
        split: ratios.split_of(&group_key),
        group_key,
        sketch: Sketch::of(&new.text),
        text: new.text,
        reviews: Vec::new(),
        predictions: Vec::new(),
        said: Vec::new(),
        fields: BTreeMap::new(),
        is_flat: false,
    })
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(items) => items.iter().any(|(key, item)| key.contains('\0') || holds_nul(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
