//! The report of an import, and its rows in `imports` and `import_quarantine`.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use crate::import::error::ImportError;
use crate::import::label_studio::SOURCE;
use crate::import::options::ImportOptions;
use crate::import::report::{ImportReport, NewField, StatusCounts};
use crate::import::settle::Arrival;
use crate::import::settle::documents::DocumentCounts;
use crate::import::tasks::Outcome;

/// What was moved.
pub(super) struct Settled {
    pub(super) documents: DocumentCounts,
    pub(super) events_created: u64,
    pub(super) new_fields: Vec<NewField>,
    pub(super) warnings: Vec<String>,
    pub(super) withdrawn: u64,
}

/// Writes the rows and returns the report.
pub(super) async fn record(
    conn: &mut PgConnection,
    options: &ImportOptions,
    arrival: Arrival,
    settled: Settled,
) -> Result<ImportReport, ImportError> {
    let Outcome { tasks, quarantined, quarantined_tasks, unknown_controls, unknown_keys, ignored } = arrival.outcome;
    let mut warnings = settled.warnings;
    for (number, what) in [
        (ignored.prediction_ids, "predictions are only ids, as in a direct export: values need an export with whole predictions"),
        (ignored.scores, "scores are not between 0 and 1 and were left out"),
        (ignored.verdicts, "answers have a status but no value and count as unreviewed"),
        (ignored.not_ground_truth, "annotations were left out, because others of their tasks are ground truth"),
        (ignored.flat_without_project, "annotations of JSON_MIN name no project and went into project 0: name the project of the import"),
        (ignored.displaced_keys, "tasks have unknown keys that were not kept, because their data has a key `task` itself"),
    ] {
        if number > 0 {
            warnings.push(format!("{number} {what}"));
        }
    }
    let count = i64::unsigned_abs;
    let report = ImportReport {
        import_id: arrival.import_id,
        bytes: arrival.bytes,
        tasks,
        documents_created: count(settled.documents.created),
        documents_updated: count(settled.documents.updated),
        documents_unchanged: count(settled.documents.unchanged),
        events_created: settled.events_created,
        quarantined,
        quarantined_tasks: quarantined_tasks.iter().take(options.limits.quarantine_listed).map(|refused| refused.task.clone()).collect(),
        fields: status_counts(conn).await?,
        new_fields: settled.new_fields,
        unknown_controls,
        unknown_keys,
        annotations_cancelled: ignored.cancelled,
        drafts_ignored: ignored.drafts,
        reviews_withdrawn: settled.withdrawn,
        warnings,
        started_at: arrival.started_at,
    };
    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query!(
        "INSERT INTO imports (id, source, file_name, actor, bytes, tasks, documents_created, documents_updated, documents_unchanged,
                              events_created, quarantined, report, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        report.import_id,
        SOURCE,
        options.file_name,
        options.actor,
        stored(report.bytes),
        stored(report.tasks),
        settled.documents.created,
        settled.documents.updated,
        settled.documents.unchanged,
        stored(report.events_created),
        stored(report.quarantined),
        serde_json::to_value(&report).expect("a report is plain data"),
        report.started_at,
    )
    .execute(&mut *conn)
    .await?;
    let indexes: Vec<i64> = quarantined_tasks.iter().map(|refused| stored(refused.task.task_index)).collect();
    let ids: Vec<Option<&str>> = quarantined_tasks.iter().map(|refused| refused.task.task_id.as_deref()).collect();
    let reasons: Vec<&str> = quarantined_tasks.iter().map(|refused| refused.task.reason.as_str()).collect();
    let tasks: Vec<Option<&str>> = quarantined_tasks.iter().map(|refused| refused.json.as_deref()).collect();
    sqlx::query!(
        "INSERT INTO import_quarantine (import_id, task_index, task_id, reason, task)
         SELECT $1, q.task_index, q.task_id, q.reason,
                -- nothing is kept of what was erased
                CASE WHEN NOT EXISTS (SELECT FROM erasures e JOIN documents d ON d.id = e.document_id WHERE d.task_id = q.task_id) THEN q.task END
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS q (task_index, task_id, reason, task)",
        report.import_id,
        &indexes,
        &ids as &[Option<&str>],
        &reasons as &[&str],
        &tasks as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(report)
}

/// Documents of the targets by field and status.
pub(in crate::import) async fn status_counts(conn: &mut PgConnection) -> Result<BTreeMap<String, StatusCounts>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT a.field,
                count(*) FILTER (WHERE a.review_status = 'OK') AS ok,
                count(*) FILTER (WHERE a.review_status = 'CORRECTED') AS corrected,
                count(*) FILTER (WHERE a.review_status = 'NEW') AS new,
                count(*) FILTER (WHERE a.review_status = 'REJECTED') AS rejected,
                count(*) FILTER (WHERE a.review_status = 'MISSING') AS missing,
                count(*) FILTER (WHERE a.review_status = 'UNREVIEWED') AS unreviewed
         FROM targets t
         JOIN annotations a USING (document_id)
         GROUP BY a.field",
    )
    .fetch_all(conn)
    .await?;
    let mut counts = BTreeMap::new();
    for row in &rows {
        let status = StatusCounts {
            ok: row.try_get("ok")?,
            corrected: row.try_get("corrected")?,
            new: row.try_get("new")?,
            rejected: row.try_get("rejected")?,
            missing: row.try_get("missing")?,
            unreviewed: row.try_get("unreviewed")?,
        };
        counts.insert(row.try_get("field")?, status);
    }
    Ok(counts)
}
