//! Test fixture: writes documents and reviews to the database, with defaults for whatever a test does not specify.

use aprendiz_dataset::{DatasetError, Format, Selection, SelectionRequest, Snapshot, build};
use aprendiz_db::Session;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) struct Corpus {
    pub(crate) conn: PgConnection,
    pub(crate) database: Session,
    documents: u32,
    reviews: u32,
}

/// A built snapshot and its directory.
pub(crate) struct Built {
    pub(crate) dir: TempDir,
    pub(crate) selection: Selection,
    pub(crate) snapshot: Snapshot,
}

impl Corpus {
    pub(crate) fn new(conn: PgConnection, database: Session) -> Self {
        Self { conn, database, documents: 0, reviews: 0 }
    }

    pub(crate) async fn field(&mut self, name: &str, kind: &str, cardinality: &str) {
        sqlx::query("INSERT INTO fields (name, kind, cardinality) VALUES ($1, $2::field_kind, $3::field_cardinality)")
            .bind(name)
            .bind(kind)
            .bind(cardinality)
            .execute(&mut self.conn)
            .await
            .unwrap();
    }

    /// Adds a single-valued categorical field.
    pub(crate) async fn categorical(&mut self, name: &str) {
        self.field(name, "categorical", "one").await;
    }

    /// Adds a document in a group of its own. Ids increase from call to call.
    pub(crate) async fn document(&mut self, split: &str, text: &str) -> Uuid {
        self.documents += 1;
        let id = Uuid::from_u128(u128::from(self.documents));
        let sha256 = sha256(text);
        sqlx::query("INSERT INTO documents (id, source, project, task_id, checksum, metadata) VALUES ($1, 'label-studio', '7', $2, $3, '{\"pages\": 3}')")
            .bind(id)
            .bind(self.documents.to_string())
            .bind(&sha256)
            .execute(&mut self.conn)
            .await
            .unwrap();
        self.text(id, 1, text).await;
        self.details(id, 1, None, "{\"pages\": 3}").await;
        self.split(id, 1, &id.simple().to_string(), split).await;
        id
    }

    pub(crate) async fn text(&mut self, document: Uuid, version: i32, text: &str) {
        sqlx::query("INSERT INTO document_texts (document_id, version, text, sha256, position) VALUES ($1, $2, $3, $4, next_position())")
            .bind(document)
            .bind(version)
            .bind(text)
            .bind(sha256(text))
            .execute(&mut self.conn)
            .await
            .unwrap();
    }

    pub(crate) async fn details(&mut self, document: Uuid, version: i32, file_name: Option<&str>, metadata: &str) {
        sqlx::query(
            "INSERT INTO document_details (document_id, version, file_name, content_type, metadata, position)
             VALUES ($1, $2, $3, 'text/plain', $4::jsonb, next_position())",
        )
        .bind(document)
        .bind(version)
        .bind(file_name)
        .bind(metadata)
        .execute(&mut self.conn)
        .await
        .unwrap();
    }

    pub(crate) async fn split(&mut self, document: Uuid, version: i32, group: &str, split: &str) {
        let reason = if split == "excluded" { "bridge" } else { "hash" };
        sqlx::query(
            "INSERT INTO document_splits (document_id, version, group_key, split, reason, position) VALUES ($1, $2, $3, $4::split, $5, next_position())",
        )
        .bind(document)
        .bind(version)
        .bind(group)
        .bind(split)
        .bind(reason)
        .execute(&mut self.conn)
        .await
        .unwrap();
    }

    /// Adds a review at a late time; `None` means "no value".
    pub(crate) async fn review(&mut self, document: Uuid, field: &str, value: Option<&str>) -> i64 {
        let status = if value.is_some() { "NEW" } else { "MISSING" };
        self.event(document, field, value.as_slice(), status, day(100)).await
    }

    pub(crate) async fn event(&mut self, document: Uuid, field: &str, value: &[&str], status: &str, occurred_at: DateTime<Utc>) -> i64 {
        self.reviews += 1;
        sqlx::query_scalar(
            "INSERT INTO annotation_events (position, document_id, field, value, review_status, reviewer, source, source_ref, occurred_at)
             VALUES (next_position(), $1, $2, $3, $4::review_status, '3', 'label-studio', $5, $6)
             RETURNING position",
        )
        .bind(document)
        .bind(field)
        .bind(value)
        .bind(status)
        .bind(self.reviews.to_string())
        .bind(occurred_at)
        .fetch_one(&mut self.conn)
        .await
        .unwrap()
    }

    /// The newest position.
    pub(crate) async fn position(&mut self) -> i64 {
        sqlx::query_scalar("SELECT last_value FROM positions").fetch_one(&mut self.conn).await.unwrap()
    }

    /// Requests everything up to now, with a minimum support of two examples.
    pub(crate) async fn request(&mut self, fields: &[&str]) -> SelectionRequest {
        SelectionRequest {
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            min_support: 2,
            position: self.position().await,
            ..SelectionRequest::default()
        }
    }

    pub(crate) async fn try_build(&mut self, request: SelectionRequest) -> Result<Built, DatasetError> {
        let selection = Selection::resolve(&mut self.conn, request).await?;
        let dir = tempfile::tempdir().unwrap();
        let snapshot = build(&self.database, &selection, &Format::ALL, dir.path(), &mut |_| {}, &CancellationToken::new()).await?;
        Ok(Built { dir, selection, snapshot })
    }

    pub(crate) async fn build(&mut self, fields: &[&str]) -> Built {
        let request = self.request(fields).await;
        self.try_build(request).await.unwrap()
    }
}

impl Built {
    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(file)).unwrap()
    }

    pub(crate) fn json(&self, file: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(file)).unwrap()
    }

    /// Parsed JSONL lines of all splits.
    pub(crate) fn examples(&self) -> Vec<serde_json::Value> {
        let lines = ["train", "validation", "test"].map(|split| self.read(&format!("jsonl/{split}.jsonl"))).concat();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Task ids of the examples, in order.
    pub(crate) fn tasks(&self) -> Vec<String> {
        self.examples().iter().map(|example| example["task_id"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) fn day(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::days(day)
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text))
}
