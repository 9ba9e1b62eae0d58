//! Inserts the rows of an import of a legacy review file into `imports` and `import_quarantine`.

use aprendiz_annotation_types::QuarantinedTask;
use sqlx::PgConnection;

use crate::import::legacy_csv::options::LegacyCsvOptions;
use crate::import::legacy_csv::report::LegacyCsvReport;
use crate::import::legacy_csv::source::SOURCE;
use crate::import::storable::{QuarantineColumns, storable_json};

pub(super) async fn record(
    conn: &mut PgConnection,
    options: &LegacyCsvOptions,
    report: &LegacyCsvReport,
    quarantined: &[QuarantinedTask],
    first_position: i64,
) -> Result<(), sqlx::Error> {
    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query!(
        "INSERT INTO imports (id, source, file_name, actor, bytes, tasks, documents_created, documents_updated, documents_unchanged,
                              events_created, quarantined, report, started_at, first_position, last_position)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11, $12, $13, (SELECT last_value FROM positions))",
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
        storable_json(report),
        report.started_at,
        first_position,
    )
    .execute(&mut *conn)
    .await?;
    let columns = QuarantineColumns::of(quarantined);
    sqlx::query!(
        "INSERT INTO import_quarantine (import_id, task_index, task_id, reason)
         SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[])",
        report.import_id,
        &columns.indexes,
        &columns.ids as &[Option<String>],
        &columns.reasons,
    )
    .execute(conn)
    .await?;
    Ok(())
}
