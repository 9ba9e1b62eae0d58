//! Rules that the schema enforces.

use sqlx::Row as _;

use crate::fixture::{Fixture, SHA256};

/// The constraint, or else the message, of a rejected statement.
async fn rejection(fixture: &Fixture, sql: &str) -> String {
    let error = fixture.execute(sql).await.expect_err(sql);
    let error = error.as_database_error().unwrap_or_else(|| panic!("{sql}: {error}"));
    error.constraint().map_or_else(|| error.message().to_owned(), str::to_owned)
}

#[tokio::test]
async fn a_run_has_an_end_time_exactly_when_it_has_ended() {
    let fixture = Fixture::new().await;
    fixture.running().await;
    for sql in [
        "UPDATE training_runs SET status = 'succeeded'",
        "UPDATE training_runs SET status = 'failed', error_code = 'x', error_text = 'x'",
        "UPDATE training_runs SET status = 'cancelled', cancel_requested_at = now()",
        "UPDATE training_runs SET finished_at = now()",
    ] {
        assert_eq!(rejection(&fixture, sql).await, "final_states_have_a_time", "{sql}");
    }
    assert_eq!(rejection(&fixture, "UPDATE attempts SET status = 'lost'").await, "ended_attempts_have_a_time");
    assert_eq!(rejection(&fixture, "UPDATE attempts SET finished_at = now()").await, "ended_attempts_have_a_time");
}

#[tokio::test]
async fn states_require_their_columns() {
    let fixture = Fixture::new().await;
    fixture.create_run().await;
    for (sql, constraint) in [
        ("UPDATE training_runs SET status = 'failed', finished_at = now()", "failed_has_a_code"),
        ("UPDATE training_runs SET status = 'running'", "running_has_an_attempt"),
        ("UPDATE training_runs SET status = 'cancelled', finished_at = now()", "cancelling_was_asked"),
        ("UPDATE training_runs SET attempts_used = 1", "attempts_used_at_most_started"),
        ("INSERT INTO objects (key, state) VALUES ('k', 'live')", "live_objects_are_known"),
    ] {
        assert_eq!(rejection(&fixture, sql).await, constraint, "{sql}");
    }
}

#[tokio::test]
async fn a_run_never_has_two_running_attempts() {
    let fixture = Fixture::new().await;
    fixture.running().await;
    let sql =
        "INSERT INTO attempts (run_id, number, worker_id, lease_expires_at) SELECT run_id, 2, worker_id, lease_expires_at FROM attempts";
    assert_eq!(rejection(&fixture, sql).await, "attempts_one_running");
}

#[tokio::test]
async fn a_run_never_has_two_model_versions() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.publish(attempt).await;
    let sql = "INSERT INTO model_versions
        SELECT gen_random_uuid(), model, 2, run_id, attempt_number, dataset_id, object_prefix, manifest_sha256, files, card FROM model_versions";
    assert_eq!(rejection(&fixture, sql).await, "model_versions_run_id_key");
    // nor can a version refer to an unknown attempt
    let sql = "UPDATE model_versions SET attempt_number = 9";
    assert_eq!(rejection(&fixture, sql).await, "model_versions_run_id_attempt_number_fkey");
}

#[tokio::test]
async fn history_cannot_be_rewritten() {
    let fixture = Fixture::new().await;
    let document = fixture.document().await;
    fixture.create_run().await;
    fixture
        .execute(&format!(
            "INSERT INTO fields (name, kind) VALUES ('kind', 'categorical');
             INSERT INTO document_texts (document_id, version, text, sha256, position) VALUES ('{document}', 1, '', '{SHA256}', next_position());
             INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
             VALUES ('{document}', 1, 'g', 'train', 'hash', next_position());
             INSERT INTO annotation_events (position, document_id, field, value, review_status, source, source_ref, occurred_at)
             VALUES (next_position(), '{document}', 'kind', '{{NDA}}', 'OK', 'test', '1', now())"
        ))
        .await
        .unwrap();
    let before = fixture.rows().await;
    for (table, column) in [
        ("annotation_events", "reviewer = 'eve'"),
        ("audit_log", "actor = 'eve'"),
        ("document_texts", "text = 'other'"),
        ("document_splits", "split = 'test'"),
    ] {
        for sql in [format!("UPDATE {table} SET {column}"), format!("DELETE FROM {table}")] {
            let message = rejection(&fixture, &sql).await;
            assert!(message.starts_with(&format!("{table} is append-only")), "{sql}: {message}");
        }
    }
    let message = rejection(&fixture, "UPDATE run_events SET payload = '{}'").await;
    assert!(message.starts_with("run_events is append-only"), "{message}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn every_reference_column_has_a_foreign_key() {
    // ids of other systems
    const FOREIGN: [(&str, &str); 4] =
        [("documents", "task_id"), ("import_quarantine", "task_id"), ("objects", "upload_id"), ("sketch_hashes", "sketch_id")];
    // a lock on the document would wait for an erasure; the erasure deletes the rows
    const DELETED_BY_ERASURE: (&str, &str) = ("run_errors", "document_id");
    // written before the row of the import, in the same transaction: a check per prediction would cost more than it finds
    const BEFORE_ITS_IMPORT: (&str, &str) = ("extractions", "import_id");
    // checked by the statement instead of row by row
    const BY_TRIGGER: [(&str, &str); 3] =
        [("annotation_events", "document_id"), ("annotations", "document_id"), ("extractions", "document_id")];
    let fixture = Fixture::new().await;
    for (table, column) in BY_TRIGGER {
        let has_trigger: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::regclass AND tgfoid = 'check_references'::regproc AND tgenabled = 'O')",
        )
        .bind(table)
        .fetch_one(fixture.pool())
        .await
        .unwrap();
        assert!(has_trigger, "{table}.{column}");
    }
    let columns = sqlx::query(
        "SELECT c.table_name::text, c.column_name::text,
            EXISTS (
                SELECT FROM pg_constraint k
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                WHERE k.contype = 'f' AND k.conrelid = format('%I.%I', c.table_schema, c.table_name)::regclass AND a.attname = c.column_name
            )
         FROM information_schema.columns c
         JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.column_name ~ '_id$'
         ORDER BY 1, 2",
    )
    .fetch_all(fixture.pool())
    .await
    .unwrap();
    let columns: Vec<(String, String, bool)> = columns.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert!(columns.iter().filter(|(_, column, _)| column == "run_id").count() >= 8, "{columns:?}");
    for (table, column, has_key) in &columns {
        let column_of = (table.as_str(), column.as_str());
        let is_exempt =
            FOREIGN.contains(&column_of) || BY_TRIGGER.contains(&column_of) || [DELETED_BY_ERASURE, BEFORE_ITS_IMPORT].contains(&column_of);
        assert_eq!(*has_key, !is_exempt, "{table}.{column}");
    }
}

#[tokio::test]
async fn every_table_has_a_comment() {
    let fixture = Fixture::new().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname !~ '^_' AND obj_description(c.oid, 'pg_class') IS NULL",
    )
    .fetch_all(fixture.pool())
    .await
    .unwrap();
    assert_eq!(silent, [] as [String; 0]);
}
