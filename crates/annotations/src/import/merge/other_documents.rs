//! Quarantines known tasks whose text has nothing in common with the stored one: most likely, another Label Studio uses the same numbers.

use std::collections::BTreeMap;

use aprendiz_label_studio::ReadSummary;
use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::import::merge::erased;
use crate::near_duplicates::Likeness;

/// Known tasks of the file, and those that are other documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OtherDocuments {
    pub(super) known: u64,
    pub(super) others: u64,
}

impl OtherDocuments {
    /// All of them in one sentence, for the report.
    pub(super) fn describe(self) -> Option<String> {
        let Self { known, others } = self;
        (others > 0).then(|| {
            let have = if others == 1 { "has" } else { "have" };
            format!(
                "{others} of {known} known tasks {have} a wholly different text and were not imported: another Label Studio? Import the \
                 file with --source NAME (or with --replace-texts, if the texts of these tasks were replaced)"
            )
        })
    }
}

struct ChangedTask {
    task_index: i64,
    likeness: Likeness,
}

/// Deletes the staged tasks that are other documents than the stored ones, and adds them to the summary. Only texts whose hash differs are
/// compared; withdrawn and erased documents are not known. Memory holds two texts.
pub(super) async fn quarantine(
    conn: &mut PgConnection,
    source: &str,
    limit: usize,
    summary: &mut ReadSummary,
) -> Result<OtherDocuments, sqlx::Error> {
    let known: i64 = sqlx::query_scalar(
        "SELECT count(*)
         FROM staged_tasks s
         JOIN documents d ON d.source = $1 AND d.project = s.project AND d.task_id = s.task_id
         WHERE d.withdrawn_at IS NULL",
    )
    .bind(source)
    .fetch_one(&mut *conn)
    .await?;
    let changed = compare(conn, source).await?;
    let mut indexes = Vec::new();
    for tasks in changed.values() {
        let others = tasks.iter().filter(|task| task.likeness.is_other_document()).count();
        // among many other documents, some share a template with the stored ones
        let is_other = |task: &&ChangedTask| task.likeness.is_other_document() || 2 * others >= tasks.len() && task.likeness.is_doubtful();
        indexes.extend(tasks.iter().filter(is_other).map(|task| task.task_index));
    }
    let found = OtherDocuments { known: known.unsigned_abs(), others: indexes.len() as u64 };
    if !indexes.is_empty() {
        let gone = sqlx::query(
            "WITH gone AS (
                 DELETE FROM staged_tasks t
                 USING unnest($1::bigint[]) AS other (task_index)
                 WHERE t.task_index = other.task_index
                 RETURNING t.task_index, t.task_id, t.project
             )
             SELECT task_index, task_id, project, count(*) OVER () AS total
             FROM gone
             ORDER BY task_index
             LIMIT $2",
        )
        .bind(&indexes)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(conn)
        .await?;
        erased::add_to_summary(&gone, limit, summary, |row| {
            let project: String = row.try_get("project")?;
            Ok(format!(
                "other_document: the stored text of this task of {source}/{project} has nothing in common with it: import the file with \
                 --source NAME if it is from another Label Studio, or with --replace-texts if the text was replaced"
            ))
        })?;
    }
    Ok(found)
}

/// Compares the changed texts of known documents with the stored ones; the result is by project.
async fn compare(conn: &mut PgConnection, source: &str) -> Result<BTreeMap<String, Vec<ChangedTask>>, sqlx::Error> {
    let mut rows = sqlx::query(
        "SELECT s.task_index, s.project, x.text, stored.text AS stored
         FROM staged_tasks s
         JOIN documents d ON d.source = $1 AND d.project = s.project AND d.task_id = s.task_id
         JOIN staged_texts x USING (task_index)
         CROSS JOIN LATERAL (SELECT t.text FROM document_texts t WHERE t.document_id = d.id ORDER BY t.version DESC LIMIT 1) stored
         WHERE d.checksum <> s.checksum AND d.withdrawn_at IS NULL",
    )
    .bind(source)
    .fetch(conn);
    let mut changed: BTreeMap<String, Vec<ChangedTask>> = BTreeMap::new();
    while let Some(row) = rows.try_next().await? {
        let (stored, new): (String, String) = (row.try_get("stored")?, row.try_get("text")?);
        let compared = tokio::task::spawn_blocking(move || Likeness::of(&stored, &new)).await;
        let likeness = compared.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        changed.entry(row.try_get("project")?).or_default().push(ChangedTask { task_index: row.try_get("task_index")?, likeness });
    }
    Ok(changed)
}
