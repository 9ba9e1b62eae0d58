//! Inspection of recorded snapshots, with the fixtures that its tests share.

mod diff;
mod erase;
mod lineage;
mod report;
mod verify;

use aprendiz_dataset::{NewDataset, record};
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use crate::corpus::{Built, Corpus, day};

/// Builds and records a snapshot as of now, as a worker does.
pub(crate) async fn snapshot(corpus: &mut Corpus, fields: &[&str]) -> Uuid {
    let built = corpus.build(fields).await;
    record_snapshot(corpus, &built).await
}

pub(crate) async fn record_snapshot(corpus: &mut Corpus, built: &Built) -> Uuid {
    let id = Uuid::now_v7();
    let prefix = format!("datasets/{id}");
    let new = NewDataset { id, selection: &built.selection, snapshot: &built.snapshot, object_prefix: &prefix };
    let mut transaction = corpus.conn.begin().await.unwrap();
    let dataset = record(&mut transaction, new).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(dataset.id, id, "the snapshot is new");
    id
}

/// Adds a review by the given reviewer; `None` means "no value".
pub(crate) async fn review_by(corpus: &mut Corpus, reviewer: &str, document: Uuid, field: &str, value: Option<&str>, at: DateTime<Utc>) {
    let status = if value.is_some() { "NEW" } else { "MISSING" };
    sqlx::query(
        "INSERT INTO annotation_events (position, document_id, field, value, review_status, reviewer, source, source_ref, occurred_at)
         VALUES (next_position(), $1, $2, $3, $4::review_status, $5, 'label-studio', gen_random_uuid()::text, $6)",
    )
    .bind(document)
    .bind(field)
    .bind(value.as_slice())
    .bind(status)
    .bind(reviewer)
    .bind(at)
    .execute(&mut corpus.conn)
    .await
    .unwrap();
}

/// Adds two labelled documents, the minimum for a build.
pub(crate) async fn two_documents(corpus: &mut Corpus) -> (Uuid, Uuid) {
    corpus.categorical("law").await;
    let one = corpus.document("train", "the first text of all").await;
    let other = corpus.document("test", "another text").await;
    review_by(corpus, "ana", one, "law", Some("Utah"), day(1)).await;
    review_by(corpus, "rui", other, "law", Some("Texas"), day(2)).await;
    (one, other)
}

pub(crate) async fn execute(corpus: &mut Corpus, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut corpus.conn).await.unwrap();
}

pub(crate) async fn count(corpus: &mut Corpus, sql: impl Into<String>) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.into())).fetch_one(&mut corpus.conn).await.unwrap()
}

/// Adds a succeeded run that read the snapshot, and the version it published. Returns the id of the run.
pub(crate) async fn publish_version(corpus: &mut Corpus, dataset: Uuid, number: i32) -> Uuid {
    let (run, worker) = (Uuid::now_v7(), Uuid::now_v7());
    let hash = "0".repeat(64);
    execute(
        corpus,
        format!(
            "INSERT INTO workers (id, host, version, slots, backend, cpu_kernel) VALUES ('{worker}', 'h', '0', 1, 'flex', 'avx2');
             INSERT INTO training_runs (id, kind, model, spec, position, status, attempt_number, dataset_id, created_by, finished_at)
             VALUES ('{run}', 'linear', 'contracts', '{{}}', 1, 'succeeded', 1, '{dataset}', 'me', now());
             INSERT INTO attempts (run_id, number, worker_id, status, lease_expires_at, finished_at)
             VALUES ('{run}', 1, '{worker}', 'succeeded', now(), now());
             INSERT INTO models (name) VALUES ('contracts') ON CONFLICT DO NOTHING;
             INSERT INTO model_versions (id, model, number, run_id, attempt_number, dataset_id, object_prefix, manifest_sha256, files, card)
             VALUES (gen_random_uuid(), 'contracts', {number}, '{run}', 1, '{dataset}', 'p', '{hash}',
                     '[{{\"path\": \"test_predictions.jsonl\", \"bytes\": 1, \"sha256\": \"{hash}\"}}]', '{{}}')"
        ),
    )
    .await;
    run
}
