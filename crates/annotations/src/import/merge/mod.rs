//! Merges a staged file into the permanent tables by set-based statements.
//!
//! Lock order: the project (imports into a project wait for each other), near-duplicates (all imports wait for each other), the rows of
//! documents, fields and annotations that change, then positions. Every other writer keeps this order and takes the position lock last: a
//! review ([`crate::reviews`]) first locks its row in `annotations`, a field declaration its row in `fields`, an erasure all rows that it
//! redacts. This prevents deadlocks.

pub(super) mod canonical_values;
pub(super) mod copies;
mod deletions;
pub(super) mod documents;
pub(super) mod erased;
pub(super) mod fields;
mod known_documents;
mod other_documents;
mod parsed_import;
pub(super) mod review_events;
mod reviews;
pub(super) mod splits;
pub(super) mod summary;
pub(super) mod suspicious_values;

use aprendiz_db::AdvisoryLock;
use sqlx::PgConnection;

use crate::import::error::ImportError;
use crate::import::merge::other_documents::OtherDocuments;
pub(super) use crate::import::merge::parsed_import::ParsedImport;
use crate::import::options::ImportOptions;
use crate::import::report::ImportReport;
use crate::import::staging;
use crate::near_duplicates;

/// Merges the staged file, and inserts the rows of the import. Returns its report.
pub(super) async fn merge(conn: &mut PgConnection, options: &ImportOptions, mut parsed: ParsedImport) -> Result<ImportReport, ImportError> {
    // autovacuum does not analyze temporary tables
    sqlx::raw_sql("ANALYZE staged_tasks (task_index, project, task_id), staged_reviews, staged_values (task_index, source_ref, field), staged_predictions (task_index, field)")
        .execute(&mut *conn)
        .await?;
    // the joins of an import take less time than their compilation
    sqlx::raw_sql("SET LOCAL jit = off").execute(&mut *conn).await?;
    let unread = parsed.summary.quarantined;
    erased::quarantine_repeated(conn, options.limits.quarantine_rows, &mut parsed.summary).await?;
    let source = options.source.as_str();
    lock_projects(conn, source).await?;
    erased::quarantine_erased(conn, source, options.limits.quarantine_rows, &mut parsed.summary).await?;
    near_duplicates::create(conn).await?;
    near_duplicates::lock(conn).await?;
    near_duplicates::backfill(conn).await?;
    raise_work_mem(conn).await?;
    // under the lock of the texts, so that no other import changes them
    let others = match options.replace_texts {
        true => OtherDocuments::default(),
        false => other_documents::quarantine(conn, source, options.limits.quarantine_rows, &mut parsed.summary).await?,
    };
    let all_staged = parsed.summary.quarantined == unread;
    known_documents::create(conn).await?;
    let documents = documents::find_targets(conn, source).await?;
    // explicit field definitions take precedence over inferred ones
    let mut new_fields = review_events::find_targets(conn).await?;
    let (inferred, mut warnings) = fields::merge_fields(conn, source).await?;
    new_fields.extend(inferred);
    warnings.extend(suspicious_values::suspicious_values(conn, all_staged).await?);
    documents::upsert(conn, source).await?;
    splits::find_near_duplicates(conn, options.ratios).await?;
    raise_work_mem(conn).await?;
    let mut changed: Vec<_> = reviews::stage(conn, parsed.import_id).await?.into_iter().collect();
    // An Aprendiz export does not reflect the current state of Label Studio, so nothing may be retracted. Checked before `lock_states`
    // drops the events that are already stored.
    let is_aprendiz_export = options.mirror && review_events::any(conn).await?;
    known_documents::find_repeated_events(conn).await?;
    changed.extend(review_events::lock_states(conn).await?);
    // a quarantined task may have the annotations that seem to be deleted
    let is_complete = parsed.summary.quarantined == 0;
    if options.mirror && !is_aprendiz_export {
        // the values of the file replace the stored ones
        changed.clear();
        deletions::stage(conn, source, is_complete).await?;
    }
    AdvisoryLock::Positions.lock(conn).await?;
    let first_position = next_position(conn).await?;
    known_documents::restore_events(conn).await?;
    erased::reject_erased(conn).await?;
    documents::insert_texts(conn).await?;
    documents::insert_details(conn).await?;
    fields::insert_definitions(conn, &new_fields).await?;
    near_duplicates::record_exclusions(conn).await?;
    splits::insert_splits(conn).await?;
    warnings.extend(copies::describe_copies(conn).await?);
    let events_created = reviews::insert(conn, &options.actor).await? + review_events::insert(conn, &options.actor).await?;
    let mut reviews_retracted = 0;
    if is_aprendiz_export {
        warnings.push("the file is an export of Aprendiz, not of Label Studio: nothing was retracted".to_owned());
    } else if options.mirror {
        reviews_retracted = deletions::retract(conn, &options.actor, parsed.import_id, parsed.started_at).await?;
        if !is_complete {
            warnings.push("some tasks are quarantined: no reviews of missing tasks were retracted".to_owned());
        }
    }
    parsed.summary.notes.extend(changed);
    warnings.extend(others.describe());
    let merged = summary::MergeSummary {
        first_position,
        documents,
        other_documents: others.others,
        events_created,
        new_fields,
        warnings,
        reviews_retracted,
    };
    let report = summary::record(conn, options, parsed, merged).await?;
    // refers to the row of the import
    known_documents::record(conn, report.import_id).await?;
    known_documents::drop(conn).await?;
    near_duplicates::drop(conn).await?;
    staging::drop(conn).await?;
    Ok(report)
}

/// Raises the memory for hash tables and sorts over a whole file, until the end of the transaction.
async fn raise_work_mem(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SET LOCAL work_mem = '64MB'").execute(conn).await?;
    Ok(())
}

/// The next position that will be assigned. The position lock must be held.
pub(super) async fn next_position(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT last_value + is_called::int FROM positions").fetch_one(conn).await
}

/// Locks the projects of the staged tasks, so that two imports of one file do not both create its documents.
pub(super) async fn lock_projects(conn: &mut PgConnection, source: &str) -> Result<(), sqlx::Error> {
    // `AdvisoryLock::Project`, in one statement and sorted, so that two imports lock in the same order
    sqlx::query(
        "SELECT pg_advisory_xact_lock($2, p.key)
         FROM (SELECT DISTINCT hashtext($1 || '/' || project) AS key FROM staged_tasks ORDER BY key) p",
    )
    .bind(source)
    .bind(AdvisoryLock::Project(0).class())
    .execute(conn)
    .await?;
    Ok(())
}
