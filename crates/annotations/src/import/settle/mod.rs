//! Moves a whole file from the temporary tables to its place, by statements over sets.
//!
//! Locks, in this order: the project (imports into it wait for each other), near-duplicates (imports wait for each other), rows of
//! documents, fields and annotations that change, then positions. Every other writer keeps this order and takes the position lock last:
//! a reviewer's write ([`crate::review`]) its row in `annotations` first, a declared field its row in `fields`, an erasure all rows that
//! it empties. So none wait in a circle.

pub(super) mod documents;
pub(super) mod fields;
mod mirror;
pub(super) mod record;
mod reviews;
pub(super) mod said;

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
    // the joins of an import are done in less time than it takes to compile them
    sqlx::raw_sql("SET LOCAL jit = off").execute(&mut *conn).await?;
    documents::quarantine_repeated(conn, options.limits.quarantine_rows, &mut arrival.outcome).await?;
    lock_projects(conn, SOURCE).await?;
    documents::quarantine_erased(conn, SOURCE, options.limits.quarantine_rows, &mut arrival.outcome).await?;
    near_duplicates::create(conn).await?;
    near_duplicates::lock(conn).await?;
    near_duplicates::take_in_missing(conn).await?;
    raise_memory(conn).await?;
    let documents = documents::find_targets(conn, SOURCE).await?;
    // what a task says of its fields goes before what is guessed
    let mut new_fields = said::find_targets(conn).await?;
    let (guessed, mut warnings) = fields::settle(conn).await?;
    new_fields.extend(guessed);
    documents::upsert(conn, SOURCE).await?;
    documents::find_near_duplicates(conn, options.ratios).await?;
    raise_memory(conn).await?;
    reviews::prepare(conn).await?;
    // an export of ours does not tell what is in Label Studio now; asked before the events that are here already are let go
    let ours = options.mirror && said::any(conn).await?;
    said::hold_states(conn).await?;
    // a task that could not be read may hold the annotations that seem to be gone
    let whole = arrival.outcome.quarantined == 0;
    if options.mirror && !ours {
        mirror::prepare(conn, whole).await?;
    }
    lock_positions(conn).await?;
    documents::refuse_erased(conn).await?;
    documents::insert_texts(conn).await?;
    documents::insert_details(conn).await?;
    fields::insert_definitions(conn, &new_fields).await?;
    near_duplicates::record_exclusions(conn).await?;
    documents::insert_splits(conn).await?;
    let events_created = reviews::insert(conn, &options.actor).await? + said::insert(conn, &options.actor).await?;
    let mut withdrawn = 0;
    if ours {
        warnings.push("the file is an export of Aprendiz and not of Label Studio: nothing was withdrawn".to_owned());
    } else if options.mirror {
        withdrawn = mirror::withdraw(conn, &options.actor, arrival.import_id, arrival.started_at).await?;
        if !whole {
            warnings.push("some tasks could not be taken in: nothing was withdrawn of tasks that seem to be missing".to_owned());
        }
    }
    let settled = record::Settled { documents, events_created, new_fields, warnings, withdrawn };
    let report = record::record(conn, options, arrival, settled).await?;
    near_duplicates::drop(conn).await?;
    staging::drop(conn).await?;
    Ok(report)
}

/// Hash tables and sorts of a whole file stay in memory of the server, up to this. The end of the transaction takes it back.
async fn raise_memory(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SET LOCAL work_mem = '64MB'").execute(conn).await?;
    Ok(())
}

/// Two imports of one file must not both find its documents missing: one waits here until the other has committed.
pub(super) async fn lock_projects(conn: &mut PgConnection, source: &str) -> Result<(), sqlx::Error> {
    // 7020641 belongs to positions (function next_position), 7020642 to projects; sorted, so that two imports lock in the same order
    sqlx::query(
        "SELECT pg_advisory_xact_lock(7020642, p.key)
         FROM (SELECT DISTINCT hashtext($1 || '/' || project) AS key FROM staged_tasks ORDER BY key) p",
    )
    .bind(source)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the lock that `next_position()` takes, once for all rows; they then draw from the sequence themselves.
pub(super) async fn lock_positions(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(7020641, 1)").execute(conn).await?;
    Ok(())
}
