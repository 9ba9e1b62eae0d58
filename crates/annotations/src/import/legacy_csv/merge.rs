//! Merges a staged review file into the permanent tables. The lock order is that of [`crate::import::merge`].

use aprendiz_annotation_types::QuarantinedTask;
use aprendiz_db::AdvisoryLock;
use aprendiz_legacy_csv::ReadSummary;
use aprendiz_text::{choose, group_digits};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::import::error::ImportError;
use crate::import::legacy_csv::error::LegacyCsvError;
use crate::import::legacy_csv::options::LegacyCsvOptions;
use crate::import::legacy_csv::record::record;
use crate::import::legacy_csv::report::LegacyCsvReport;
use crate::import::legacy_csv::source::SOURCE;
use crate::import::legacy_csv::staging;
use crate::import::merge::{
    canonical_values, copies, documents, fields, lock_projects, next_position, review_events, splits, summary, suspicious_values,
};
use crate::import::report::NewField;
use crate::near_duplicates;

/// Maximum number of quarantined rows kept in `import_quarantine`.
const MAX_QUARANTINED_ROWS: usize = 10_000;
/// Maximum number of quarantined rows listed in the report.
const MAX_LISTED_ROWS: usize = 100;

/// A file whose rows are all in the temporary tables.
pub(super) struct StagedImport {
    pub(super) import_id: Uuid,
    pub(super) started_at: DateTime<Utc>,
    pub(super) summary: ReadSummary,
}

/// Merges the staged file, and inserts the rows of the import. Returns its report.
pub(super) async fn merge(
    conn: &mut PgConnection,
    options: &LegacyCsvOptions,
    staged: StagedImport,
) -> Result<LegacyCsvReport, LegacyCsvError> {
    let StagedImport { import_id, started_at, summary: mut read } = staged;
    lock_projects(conn, SOURCE).await?;
    near_duplicates::create(conn).await?;
    near_duplicates::lock(conn).await?;
    staging::find_documents(conn).await?;
    let other_texts = count(
        conn,
        "SELECT count(*)
         FROM csv_rows r
         JOIN staged_tasks t ON t.task_index = r.row
         JOIN documents d ON d.id = r.document_id
         WHERE r.matches = 1 AND d.checksum <> t.checksum",
    )
    .await?;
    let rows_matched = count(conn, "SELECT count(*) FROM csv_rows WHERE document_id IS NOT NULL").await?;
    // a new document is created by its first row
    sqlx::raw_sql(
        "DELETE FROM staged_tasks t USING csv_rows r WHERE r.row = t.task_index AND r.matches <> 0;
         DELETE FROM staged_tasks t
         USING staged_tasks f
         WHERE f.project = t.project AND f.task_id = t.task_id AND f.task_index < t.task_index;
         ANALYZE staged_tasks (task_index, project, task_id)",
    )
    .execute(&mut *conn)
    .await?;
    near_duplicates::backfill(conn).await?;
    let created = documents::find_targets(conn, SOURCE).await?.created;
    documents::upsert(conn, SOURCE).await?;
    splits::find_near_duplicates(conn, options.ratios).await?;
    sqlx::raw_sql(
        "UPDATE csv_rows r
         SET document_id = t.document_id
         FROM staged_tasks s
         JOIN targets t USING (task_index)
         WHERE r.matches = 0 AND r.has_text AND s.project = coalesce(r.project, 'legacy') AND s.task_id = coalesce(r.task_id, left(r.file_name, 200))",
    )
    .execute(&mut *conn)
    .await?;
    quarantine_unidentified(conn, &mut read).await?;
    let rows_repeated = count(conn, "SELECT count(*) - count(DISTINCT document_id) FROM csv_rows WHERE document_id IS NOT NULL").await?;
    let new_fields = create_fields(conn).await?;
    canonical_values::canonicalize_cells(conn).await?;
    let similar = suspicious_values::similar_fields(conn, read.columns.keys().map(String::as_str)).await?;
    let contradicting = count(
        conn,
        "SELECT count(*)
         FROM (
             SELECT FROM csv_cells c
             JOIN csv_rows r USING (row)
             WHERE r.document_id IS NOT NULL AND c.accepted IS NOT NULL
             GROUP BY r.document_id, c.field, r.reviewed_at
             HAVING count(DISTINCT comparable_values(c.accepted)) > 1
         ) several",
    )
    .await?;
    let suspicious = suspicious_values::suspicious_cells(conn).await?;
    let predictions_stored = stage_reviews(conn, import_id, options.reviewed_at).await?;
    let changed = review_events::lock_states(conn).await?;
    AdvisoryLock::Positions.lock(conn).await?;
    let first_position = next_position(conn).await?;
    reject_erased(conn).await?;
    documents::insert_texts(conn).await?;
    documents::insert_details(conn).await?;
    fields::insert_definitions(conn, &new_fields).await?;
    near_duplicates::record_exclusions(conn).await?;
    splits::insert_splits(conn).await?;
    let copies = copies::describe_copies(conn).await?;
    let events_created = review_events::insert(conn, &options.actor).await?;
    // status counts are those of the targets
    sqlx::raw_sql(
        "TRUNCATE targets;
         INSERT INTO targets (task_index, document_id, project, is_new, text_changed, details_changed, changed)
         SELECT min(row), document_id, '', false, false, false, false FROM csv_rows WHERE document_id IS NOT NULL GROUP BY document_id",
    )
    .execute(&mut *conn)
    .await?;
    let report = LegacyCsvReport {
        import_id,
        bytes: read.bytes,
        delimiter: read.delimiter,
        rows: read.rows,
        rows_matched,
        rows_repeated,
        documents_created: created.unsigned_abs(),
        events_created,
        predictions_stored,
        quarantined: read.quarantined,
        quarantined_rows: read.quarantined_rows.iter().take(MAX_LISTED_ROWS).cloned().collect(),
        fields: summary::count_statuses(conn).await?,
        new_fields,
        warnings: warnings(&read, other_texts, contradicting)
            .into_iter()
            .chain(similar)
            .chain(suspicious)
            .chain(copies)
            .chain(changed.map(|changed| changed.to_string()))
            .collect(),
        columns: read.columns,
        unknown_statuses: read.unknown_statuses,
        started_at,
    };
    record(conn, options, &report, &read.quarantined_rows, first_position).await?;
    near_duplicates::drop(conn).await?;
    Ok(report)
}

async fn count(conn: &mut PgConnection, query: &'static str) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query_scalar::<_, i64>(query).fetch_one(conn).await?.unsigned_abs())
}

/// Quarantines rows whose document does not exist, is ambiguous or erased.
async fn quarantine_unidentified(conn: &mut PgConnection, read: &mut ReadSummary) -> Result<(), sqlx::Error> {
    let unidentified = sqlx::query(
        "SELECT row, coalesce(task_id, file_name, given_id::text) AS name, matches, has_text, count(*) OVER () AS total
         FROM csv_rows
         WHERE document_id IS NULL
         ORDER BY row
         LIMIT $1",
    )
    .bind(i64::try_from(MAX_QUARANTINED_ROWS).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await?;
    if let Some(row) = unidentified.first() {
        read.quarantined += row.try_get::<i64, _>("total")?.unsigned_abs();
    }
    for row in &unidentified {
        let (name, matches): (Option<String>, i64) = (row.try_get("name")?, row.try_get("matches")?);
        let shown = name.as_deref().unwrap_or("-");
        let reason = match matches {
            -1 => format!("document `{shown}` is permanently erased"),
            -2 => {
                format!("another row of the file has the id `{shown}` and another text: rows about different documents need different ids")
            }
            0 => format!("there is no document `{shown}`, and the row has no text to create it from: import its text first"),
            count => format!("{count} documents are called `{shown}`: set the project, or identify the document by document_id"),
        };
        read.quarantined_rows.push(QuarantinedTask {
            task_index: row.try_get::<i64, _>("row")?.unsigned_abs(),
            task_id: name,
            reason,
            json: None,
        });
    }
    read.quarantined_rows.sort_by_key(|row| row.task_index);
    read.quarantined_rows.truncate(MAX_QUARANTINED_ROWS);
    Ok(())
}

/// Creates new fields. The file does not define kinds: a field with repeated values is inferred to be categorical.
async fn create_fields(conn: &mut PgConnection) -> Result<Vec<NewField>, sqlx::Error> {
    sqlx::query_as(
        "INSERT INTO fields (name, kind, cardinality)
         SELECT field,
                CASE WHEN count(value) = 0 THEN 'text'
                     WHEN bool_and(value ~ '^\\d{4}-\\d\\d-\\d\\d([T ]00:00(:00([.]0+)?)?(Z|[+]00:00)?)?$') THEN 'date'
                     -- leading zeros mean a code
                     WHEN bool_and(value ~ '^-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d{1,2})?$') THEN 'number'
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
    .await
}

/// Stores predictions and stages new reviews. Returns the number of predictions stored.
async fn stage_reviews(conn: &mut PgConnection, import: Uuid, reviewed_at: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let stored: i64 = sqlx::query_scalar(
        "WITH stored AS (
             INSERT INTO extractions AS x (document_id, field, extractor_version, value, confidence, predicted_at, import_id)
             SELECT DISTINCT ON (r.document_id, c.field) r.document_id, c.field, $1, c.predicted, NULL, coalesce(r.reviewed_at, $2), $3
             FROM csv_cells c
             JOIN csv_rows r USING (row)
             WHERE r.document_id IS NOT NULL AND c.predicted IS NOT NULL
             ORDER BY r.document_id, c.field, c.row DESC
             ON CONFLICT (document_id, field, extractor_version) DO UPDATE
             SET value = excluded.value, predicted_at = excluded.predicted_at, import_id = excluded.import_id
             WHERE x.run_id IS NULL AND x.predicted_at <= excluded.predicted_at AND x.value <> excluded.value
             RETURNING x.document_id, x.field
         ), touched AS (
             INSERT INTO touched_by_review_events (document_id, field) SELECT document_id, field FROM stored
         )
         SELECT count(*) FROM stored",
    )
    .bind(SOURCE)
    .bind(reviewed_at)
    .bind(import)
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO staged_review_events (task_index, document_id, field, value, reviewer, source, source_ref, occurred_at)
         SELECT r.row, r.document_id, c.field, c.accepted, r.reviewer, $1, 'row/' || r.row,
                -- of several rows about a document the later one counts
                coalesce(r.reviewed_at, $2) + r.row * interval '1 microsecond'
         FROM csv_cells c
         JOIN csv_rows r USING (row)
         WHERE r.document_id IS NOT NULL AND c.accepted IS NOT NULL
           -- skip a review that equals the last one of such a file
           AND NOT EXISTS (
               SELECT FROM (
                   SELECT e.value, e.reviewer
                   FROM annotation_events e
                   WHERE e.document_id = r.document_id AND e.field = c.field AND e.source = $1
                     AND (e.withdrawals IS NULL OR cardinality(e.withdrawals) % 2 = 0)
                   ORDER BY e.occurred_at DESC, octet_length(e.source_ref) DESC, e.source_ref COLLATE \"C\" DESC, e.source COLLATE \"C\" DESC
                   LIMIT 1
               ) last
               WHERE comparable_values(last.value) = comparable_values(c.accepted) AND last.reviewer IS NOT DISTINCT FROM r.reviewer
           )",
    )
    .bind(SOURCE)
    .bind(reviewed_at)
    .execute(conn)
    .await?;
    Ok(stored.unsigned_abs())
}

/// Fails if a document is erased. The position lock must be held: an erasure is either visible here, or runs after this import and erases
/// its content as well.
async fn reject_erased(conn: &mut PgConnection) -> Result<(), LegacyCsvError> {
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

fn warnings(read: &ReadSummary, other_texts: u64, contradicting: u64) -> Vec<String> {
    let mut warnings = read.warnings();
    let counted = [
        (
            read.contradictions,
            "cell has a status that contradicts its values",
            "cells have a status that contradicts their values",
            ": the values decided, unless the status means \"no value\"",
        ),
        (
            contradicting,
            "field of a document has",
            "fields of documents have",
            " different values in several rows of the same time: the last of these rows counts",
        ),
        (
            other_texts,
            "row has another text than its document",
            "rows have another text than their document",
            ": the text of the document was kept",
        ),
        (
            read.missing_values,
            "cell has a status that implies a value but is empty: it counts",
            "cells have a status that implies a value but are empty: they count",
            " as unreviewed",
        ),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, many, rest)| format!("{} {}{rest}", group_digits(number), choose(number, one, many)));
    warnings.extend(counted);
    warnings
}
