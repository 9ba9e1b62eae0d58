//! Moves a review file from the temporary tables to its place. Locks as an import does (`import/settle`).

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::import::error::ImportError;
use crate::import::legacy_csv::error::LegacyCsvError;
use crate::import::legacy_csv::ingest::{Counted, LegacyCsvOptions, SOURCE};
use crate::import::legacy_csv::report::LegacyCsvReport;
use crate::import::legacy_csv::staging;
use crate::import::report::{NewField, Quarantined};
use crate::import::settle::{documents, fields, lock_positions, lock_projects, record, said};
use crate::near_duplicates;

const LISTED: usize = 100;

/// A file that has been read to its end.
pub(super) struct Arrived {
    pub(super) import_id: Uuid,
    pub(super) started_at: DateTime<Utc>,
    pub(super) bytes: u64,
    pub(super) counted: Counted,
}

/// Moves everything and records the import.
pub(super) async fn settle(
    conn: &mut PgConnection,
    options: &LegacyCsvOptions,
    arrived: Arrived,
) -> Result<LegacyCsvReport, LegacyCsvError> {
    let Arrived { import_id, started_at, bytes, mut counted } = arrived;
    lock_projects(conn, SOURCE).await?;
    near_duplicates::create(conn).await?;
    near_duplicates::lock(conn).await?;
    staging::find_documents(conn).await?;
    let rows_matched = count(conn, "SELECT count(*) FROM csv_rows WHERE document_id IS NOT NULL").await?;
    // only the first row of each document that is not there brings it
    sqlx::raw_sql(
        "DELETE FROM staged_tasks t USING csv_rows r WHERE r.row = t.task_index AND r.matches <> 0;
         DELETE FROM staged_tasks t
         USING staged_tasks f
         WHERE f.project = t.project AND f.task_id = t.task_id AND f.task_index < t.task_index;
         ANALYZE staged_tasks (task_index, project, task_id)",
    )
    .execute(&mut *conn)
    .await?;
    near_duplicates::take_in_missing(conn).await?;
    let created = documents::find_targets(conn, SOURCE).await?.created;
    documents::upsert(conn, SOURCE).await?;
    documents::find_near_duplicates(conn, options.ratios).await?;
    sqlx::raw_sql(
        "UPDATE csv_rows r
         SET document_id = t.document_id
         FROM staged_tasks s
         JOIN targets t USING (task_index)
         WHERE r.matches = 0 AND r.has_text AND s.project = coalesce(r.project, 'legacy') AND s.task_id = coalesce(r.task_id, left(r.file_name, 200))",
    )
    .execute(&mut *conn)
    .await?;
    quarantine_unknown(conn, &mut counted).await?;
    let rows_repeated = count(conn, "SELECT count(*) - count(DISTINCT document_id) FROM csv_rows WHERE document_id IS NOT NULL").await?;
    let new_fields = create_fields(conn).await?;
    let predictions_stored = prepare(conn, options.reviewed_at).await?;
    said::hold_states(conn).await?;
    lock_positions(conn).await?;
    refuse_erased(conn).await?;
    documents::insert_texts(conn).await?;
    documents::insert_details(conn).await?;
    fields::insert_definitions(conn, &new_fields).await?;
    near_duplicates::record_exclusions(conn).await?;
    documents::insert_splits(conn).await?;
    let events_created = said::insert(conn, &options.actor).await?;
    // the counts of an import are those of its targets
    sqlx::raw_sql(
        "TRUNCATE targets;
         INSERT INTO targets (task_index, document_id, project, is_new, text_changed, details_changed, changed)
         SELECT min(row), document_id, '', false, false, false, false FROM csv_rows WHERE document_id IS NOT NULL GROUP BY document_id",
    )
    .execute(&mut *conn)
    .await?;
    let report = LegacyCsvReport {
        import_id,
        bytes,
        delimiter: counted.delimiter,
        rows: counted.rows,
        rows_matched,
        rows_repeated,
        documents_created: created.unsigned_abs(),
        events_created,
        predictions_stored,
        quarantined: counted.quarantined,
        quarantined_rows: counted.quarantined_rows.iter().take(LISTED).cloned().collect(),
        fields: record::status_counts(conn).await?,
        new_fields,
        warnings: warnings(&counted),
        columns: counted.columns,
        unknown_statuses: counted.unknown_statuses,
        started_at,
    };
    record_import(conn, options, &report, &counted.quarantined_rows).await?;
    near_duplicates::drop(conn).await?;
    Ok(report)
}

async fn count(conn: &mut PgConnection, query: &'static str) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query_scalar::<_, i64>(query).fetch_one(conn).await?.unsigned_abs())
}

/// Rows whose document is not known, or is not the only one.
async fn quarantine_unknown(conn: &mut PgConnection, counted: &mut Counted) -> Result<(), sqlx::Error> {
    let unknown = sqlx::query(
        "SELECT row, coalesce(task_id, file_name, given_id::text) AS name, matches, has_text, count(*) OVER () AS total
         FROM csv_rows
         WHERE document_id IS NULL
         ORDER BY row
         LIMIT 10000",
    )
    .fetch_all(conn)
    .await?;
    if let Some(row) = unknown.first() {
        counted.quarantined += row.try_get::<i64, _>("total")?.unsigned_abs();
    }
    for row in &unknown {
        let (name, matches): (Option<String>, i64) = (row.try_get("name")?, row.try_get("matches")?);
        let shown = name.as_deref().unwrap_or("-");
        let reason = match matches {
            -1 => format!("document `{shown}` was erased: it stays away for ever"),
            0 => format!("there is no document `{shown}`, and the row has no text to create it from: import its text first"),
            many => format!("{many} documents are called `{shown}`: name the project, or say which by document_id"),
        };
        counted.quarantined_rows.push(Quarantined { task_index: row.try_get::<i64, _>("row")?.unsigned_abs(), task_id: name, reason });
    }
    counted.quarantined_rows.sort_by_key(|row| row.task_index);
    counted.quarantined_rows.truncate(10_000);
    Ok(())
}

/// Creates the fields that are new. A file says nothing about kinds: values that repeat seem to be classes.
async fn create_fields(conn: &mut PgConnection) -> Result<Vec<NewField>, sqlx::Error> {
    let created = sqlx::query(
        "INSERT INTO fields (name, kind, cardinality)
         SELECT field,
                CASE WHEN count(value) = 0 THEN 'text'
                     WHEN bool_and(value ~ '^\\d{4}-\\d\\d-\\d\\d$') THEN 'date'
                     WHEN bool_and(value ~ '^[+-]?\\d+(\\.\\d+)?$') THEN 'number'
                     WHEN count(DISTINCT value) * 2 <= count(value) THEN 'categorical'
                     ELSE 'text' END::field_kind,
                'one'
         FROM (
             SELECT c.field, v.value
             FROM csv_cells c
             JOIN csv_rows r ON r.row = c.row AND r.document_id IS NOT NULL
             LEFT JOIN LATERAL unnest(coalesce(c.accepted, '{}') || coalesce(c.predicted, '{}')) AS v (value) ON true
         ) cells
         GROUP BY field
         ORDER BY field
         ON CONFLICT (name) DO NOTHING
         RETURNING name, kind, cardinality",
    )
    .fetch_all(conn)
    .await?;
    created
        .iter()
        .map(|row| Ok(NewField { name: row.try_get("name")?, kind: row.try_get("kind")?, cardinality: row.try_get("cardinality")? }))
        .collect()
}

/// Stores predictions, and finds out which answers are new. Returns the number of predictions.
async fn prepare(conn: &mut PgConnection, reviewed_at: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let stored: i64 = sqlx::query_scalar(
        "WITH stored AS (
             INSERT INTO extractions AS x (document_id, field, extractor_version, value, confidence, predicted_at)
             SELECT DISTINCT ON (r.document_id, c.field) r.document_id, c.field, $1, c.predicted, NULL, coalesce(r.reviewed_at, $2)
             FROM csv_cells c
             JOIN csv_rows r USING (row)
             WHERE r.document_id IS NOT NULL AND c.predicted IS NOT NULL
             ORDER BY r.document_id, c.field, c.row DESC
             ON CONFLICT (document_id, field, extractor_version) DO UPDATE
             SET value = excluded.value, predicted_at = excluded.predicted_at
             WHERE x.predicted_at <= excluded.predicted_at AND x.value <> excluded.value
             RETURNING x.document_id, x.field
         ), noted AS (
             INSERT INTO touched_by_said (document_id, field) SELECT document_id, field FROM stored
         )
         SELECT count(*) FROM stored",
    )
    .bind(SOURCE)
    .bind(reviewed_at)
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO staged_said (task_index, document_id, field, value, reviewer, source, source_ref, occurred_at)
         SELECT r.row, r.document_id, c.field, c.accepted, r.reviewer, $1, 'row/' || r.row,
                -- of rows about one document the later one counts
                coalesce(r.reviewed_at, $2) + r.row * interval '1 microsecond'
         FROM csv_cells c
         JOIN csv_rows r USING (row)
         WHERE r.document_id IS NOT NULL AND c.accepted IS NOT NULL
           -- what such a file said last is not said again
           AND NOT EXISTS (
               SELECT FROM (
                   SELECT e.value, e.reviewer
                   FROM annotation_events e
                   WHERE e.document_id = r.document_id AND e.field = c.field AND e.source = $1
                   ORDER BY e.occurred_at DESC, e.position DESC
                   LIMIT 1
               ) last
               WHERE last.value = c.accepted AND last.reviewer IS NOT DISTINCT FROM r.reviewer
           )",
    )
    .bind(SOURCE)
    .bind(reviewed_at)
    .execute(conn)
    .await?;
    Ok(stored.unsigned_abs())
}

/// The position lock must be held: an erasure is either seen here, or comes after this and erases what this wrote.
async fn refuse_erased(conn: &mut PgConnection) -> Result<(), LegacyCsvError> {
    let erased: Option<String> = sqlx::query_scalar(
        "SELECT d.source || '/' || d.project || '/' || d.task_id
         FROM csv_rows r
         JOIN erasures e USING (document_id)
         JOIN documents d ON d.id = r.document_id
         LIMIT 1",
    )
    .fetch_optional(conn)
    .await?;
    erased.map_or(Ok(()), |document| Err(ImportError::Erased { document }.into()))
}

fn warnings(counted: &Counted) -> Vec<String> {
    [
        (
            counted.contradictions,
            "cells have a status that contradicts their values: the values decided, or \"no value\" where the status says so",
        ),
        (counted.without_value, "cells have a status that promises a value and hold none: they count as unreviewed"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect()
}

async fn record_import(
    conn: &mut PgConnection,
    options: &LegacyCsvOptions,
    report: &LegacyCsvReport,
    quarantined: &[Quarantined],
) -> Result<(), sqlx::Error> {
    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query!(
        "INSERT INTO imports (id, source, file_name, actor, bytes, tasks, documents_created, documents_updated, documents_unchanged,
                              events_created, quarantined, report, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11, $12)",
        report.import_id,
        SOURCE,
        options.file_name,
        options.actor,
        stored(report.bytes),
        stored(report.rows),
        stored(report.documents_created),
        stored(report.rows_matched),
        stored(report.events_created),
        stored(report.quarantined),
        serde_json::to_value(report).expect("a report is plain data"),
        report.started_at,
    )
    .execute(&mut *conn)
    .await?;
    let indexes: Vec<i64> = quarantined.iter().map(|row| stored(row.task_index)).collect();
    let ids: Vec<Option<&str>> = quarantined.iter().map(|row| row.task_id.as_deref()).collect();
    let reasons: Vec<&str> = quarantined.iter().map(|row| row.reason.as_str()).collect();
    sqlx::query!(
        "INSERT INTO import_quarantine (import_id, task_index, task_id, reason)
         SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[])",
        report.import_id,
        &indexes,
        &ids as &[Option<&str>],
        &reasons as &[&str],
    )
    .execute(conn)
    .await?;
    Ok(())
}
