//! Builds the report of an import, and inserts its rows into `imports` and `import_quarantine`.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{QuarantinedTask, ReasonGroup, ReasonGroups, UNUSABLE_NAME, escape_unprintable};
use aprendiz_label_studio::ReadSummary;
use aprendiz_text::{choose, count, group_digits};
use sqlx::{PgConnection, Row};

use crate::import::error::ImportError;
use crate::import::merge::documents::DocumentCounts;
use crate::import::merge::parsed_import::ParsedImport;
use crate::import::options::ImportOptions;
use crate::import::report::{ImportReport, NewField, StatusCounts};
use crate::import::storable::{QuarantineColumns, storable_json};

/// What was moved.
pub(super) struct MergeSummary {
    pub(super) first_position: i64,
    pub(super) documents: DocumentCounts,
    pub(super) other_documents: u64,
    pub(super) events_created: u64,
    pub(super) new_fields: Vec<NewField>,
    pub(super) warnings: Vec<String>,
    pub(super) reviews_retracted: u64,
}

/// Builds the report and inserts the rows.
pub(super) async fn record(
    conn: &mut PgConnection,
    options: &ImportOptions,
    parsed: ParsedImport,
    merged: MergeSummary,
) -> Result<ImportReport, ImportError> {
    let ReadSummary {
        tasks,
        json_min_continued,
        quarantined,
        quarantined_tasks,
        unknown_controls,
        unknown_keys,
        ignored,
        renamed_fields,
        unusable_names,
        notes,
    } = parsed.summary;
    let mut warnings = merged.warnings;
    for (number, one, many, rest) in [
        (
            ignored.prediction_ids,
            "prediction is only an id",
            "predictions are only ids",
            ", as in a direct export: use a snapshot export to import predictions",
        ),
        (ignored.scores, "score is not between 0 and 1 and was", "scores are not between 0 and 1 and were", " ignored"),
        (
            ignored.statuses_without_value,
            "value has a review status but no value and counts",
            "values have a review status but no value and count",
            " as unreviewed",
        ),
        (
            ignored.not_ground_truth,
            "annotation was ignored because another annotation of its task is",
            "annotations were ignored because other annotations of their tasks are",
            " ground truth",
        ),
        (
            ignored.json_min_without_project,
            "JSON_MIN annotation has no project and was",
            "JSON_MIN annotations have no project and were",
            " imported into project 0: set the project of the import",
        ),
        (
            json_min_continued,
            "JSON_MIN element is another annotation of the task before it: both are",
            "JSON_MIN elements are other annotations of the tasks before them: they are",
            " one document",
        ),
        (
            ignored.displaced_keys,
            "task has unknown keys that were dropped because its data",
            "tasks have unknown keys that were dropped because their data",
            " already has a key `task`",
        ),
    ] {
        if number > 0 {
            warnings.push(format!("{} {}{rest}", group_digits(number), choose(number, one, many)));
        }
    }
    if ignored.without_results == tasks && tasks > 0 {
        warnings.push(
            "no task of the file has annotations or predictions, not even empty ones: only the documents were imported; export the project as \
             JSON if it has annotations"
                .to_owned(),
        );
    }
    for (name, unusable) in &unusable_names {
        let task = unusable.first_task.as_deref().unwrap_or("-");
        warnings.push(format!(
            "`{}` cannot name a field: {} {} left out, the first in task {task}; {UNUSABLE_NAME}",
            escape_unprintable(name),
            count(unusable.results, "result"),
            choose(unusable.results, "was", "were")
        ));
    }
    let unsigned = i64::unsigned_abs;
    let report = ImportReport {
        import_id: parsed.import_id,
        source: Some(options.source.clone()),
        dry_run: options.dry_run,
        bytes: parsed.bytes,
        tasks,
        documents_created: unsigned(merged.documents.created),
        documents_updated: unsigned(merged.documents.updated),
        documents_unchanged: unsigned(merged.documents.unchanged),
        documents_restored: unsigned(merged.documents.restored),
        documents_archived: count_archived(conn).await?,
        splits: count_splits(conn).await?,
        events_created: merged.events_created,
        quarantined,
        other_documents: merged.other_documents,
        quarantined_tasks: quarantined_tasks.iter().take(options.limits.quarantine_listed).map(QuarantinedTask::without_json).collect(),
        fields: count_statuses(conn).await?,
        new_fields: merged.new_fields,
        renamed_fields,
        quarantine_reasons: group_reasons(&quarantined_tasks),
        notes,
        unknown_controls,
        unknown_keys,
        annotations_cancelled: ignored.cancelled,
        drafts_ignored: ignored.drafts,
        reviews_retracted: merged.reviews_retracted,
        warnings,
        started_at: parsed.started_at,
    };
    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query!(
        "INSERT INTO imports (id, source, file_name, actor, bytes, tasks, documents_created, documents_updated, documents_unchanged,
                              events_created, quarantined, report, started_at, retry_of, first_position, last_position)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, (SELECT last_value FROM positions))",
        report.import_id,
        options.source,
        options.file_name,
        options.actor,
        stored(report.bytes),
        stored(report.tasks),
        merged.documents.created,
        merged.documents.updated,
        merged.documents.unchanged,
        stored(report.events_created),
        stored(report.quarantined),
        storable_json(&report),
        report.started_at,
        options.retry_of,
        merged.first_position,
    )
    .execute(&mut *conn)
    .await?;
    let columns = QuarantineColumns::of(&quarantined_tasks);
    sqlx::query!(
        "INSERT INTO import_quarantine (import_id, task_index, task_id, reason, task)
         SELECT $1, q.task_index, q.task_id, q.reason,
                -- nothing is kept of erased documents
                CASE WHEN NOT EXISTS (SELECT FROM erasures e JOIN documents d ON d.id = e.document_id WHERE d.task_id = q.task_id) THEN q.task END
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS q (task_index, task_id, reason, task)",
        report.import_id,
        &columns.indexes,
        &columns.ids as &[Option<String>],
        &columns.reasons,
        &columns.kept as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(report)
}

/// Counts the documents of the file by split.
async fn count_splits(conn: &mut PgConnection) -> Result<BTreeMap<String, u64>, sqlx::Error> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT s.split::text, count(*)
         FROM targets t
         CROSS JOIN LATERAL (SELECT split FROM document_splits v WHERE v.document_id = t.document_id ORDER BY v.version DESC LIMIT 1) s
         GROUP BY s.split",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(split, documents)| (split, documents.unsigned_abs())).collect())
}

async fn count_archived(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let archived: i64 =
        sqlx::query_scalar("SELECT count(*) FROM targets t JOIN documents d ON d.id = t.document_id WHERE d.archived_at IS NOT NULL")
            .fetch_one(conn)
            .await?;
    Ok(archived.unsigned_abs())
}

/// Groups the quarantined tasks by reason.
fn group_reasons(tasks: &[QuarantinedTask]) -> Vec<ReasonGroup> {
    let mut groups = ReasonGroups::default();
    for task in tasks {
        groups.add(&task.reason, || match &task.task_id {
            Some(id) => format!("task at position {} (id {id})", task.task_index),
            None => format!("task at position {}", task.task_index),
        });
    }
    groups.into_groups()
}

/// Counts the documents of the import by review status, for each field.
pub(in crate::import) async fn count_statuses(conn: &mut PgConnection) -> Result<BTreeMap<String, StatusCounts>, sqlx::Error> {
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
