//! Moves a whole file from the temporary tables to its place, by statements over sets.
//!
//! Locks, in this order: the project (imports into it wait for each other), near-duplicates (imports wait for each other), rows of
//! documents, fields and annotations that change, then positions. A reviewer's write takes its row first and the position lock last as well, so the two cannot wait in a circle.

mod documents;
mod fields;
mod record;
mod reviews;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::import::error::ImportError;
use crate::import::label_studio::SOURCE;
use crate::import::options::ImportOptions;
use crate::import::report::ImportReport;
use crate::import::staging;
use crate::import::tasks::Outcome;
use crate::near_duplicates;

/// A file that has been read to its end.
pub(super) struct Arrival {
    pub(super) import_id: Uuid,
    pub(super) started_at: DateTime<Utc>,
    /// Bytes as they came.
    pub(super) bytes: u64,
    pub(super) outcome: Outcome,
}

/// Moves everything and records the import.
pub(super) async fn settle(conn: &mut PgConnection, options: &ImportOptions, mut arrival: Arrival) -> Result<ImportReport, ImportError> {
    // nobody analyses temporary tables but their owner
    sqlx::raw_sql("ANALYZE staged_tasks (task_index, project, task_id), staged_reviews, staged_answers (task_index, source_ref, field), staged_predictions (task_index, field)")
        .execute(&mut *conn)
        .await?;
    documents::quarantine_repeated(conn, options.limits.quarantine_rows, &mut arrival.outcome).await?;
    lock_projects(conn).await?;
    near_duplicates::create(conn).await?;
    near_duplicates::lock(conn).await?;
    near_duplicates::take_in_missing(conn).await?;
    let documents = documents::find_targets(conn).await?;
    let (new_fields, warnings) = fields::settle(conn).await?;
    documents::upsert(conn).await?;
    documents::find_near_duplicates(conn, options.ratios).await?;
    reviews::prepare(conn).await?;
    lock_positions(conn).await?;
    documents::insert_texts(conn).await?;
    near_duplicates::record_exclusions(conn).await?;
    documents::insert_splits(conn).await?;
    let events_created = reviews::insert(conn).await?;
    let report = record::record(conn, options, arrival, record::Settled { documents, events_created, new_fields, warnings }).await?;
    near_duplicates::drop(conn).await?;
    staging::drop(conn).await?;
    Ok(report)
}

/// Two imports of one file must not both find its documents missing: one waits here until the other has committed.
async fn lock_projects(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    // 7020641 belongs to positions (function next_position), 7020642 to projects; sorted, so that two imports lock in the same order
    sqlx::query(
        "SELECT pg_advisory_xact_lock(7020642, p.key)
         FROM (SELECT DISTINCT hashtext($1 || '/' || project) AS key FROM staged_tasks ORDER BY key) p",
    )
    .bind(SOURCE)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the lock that `next_position()` takes, once for all rows; they then draw from the sequence themselves.
async fn lock_positions(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(7020641, 1)").execute(conn).await?;
    Ok(())
}
