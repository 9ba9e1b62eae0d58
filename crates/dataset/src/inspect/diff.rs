//! Differences between two snapshots: changed documents and values, computed from the events.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::drift::{Drift, drift};
use crate::inspect::error::InspectError;
use crate::inspect::snapshot_record::{SnapshotRecord, load_snapshot};

/// Kind of a change, in the order in which the changes of a document are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The document is only in the second snapshot; `new` is its split.
    Added,
    /// The document is only in the first snapshot; `old` is its split.
    Removed,
    /// The document is in another split. This indicates a bug, because splits never change.
    MovedSplit,
    /// The text of the document changed; `old` and `new` are the SHA-256 of the texts.
    TextChanged,
    /// The field has an accepted value only in the second snapshot.
    Labelled,
    /// The field has an accepted value only in the first snapshot, because its review was undone.
    Unlabelled,
    /// The accepted value of the field changed.
    Relabelled,
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Change {
    /// Id of the document.
    pub document_id: Uuid,
    /// Its name: `SOURCE/PROJECT/TASK`.
    pub document: String,
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Name of the field, if the change concerns a field.
    pub field: Option<String>,
    /// State in the first snapshot: a list of values (empty means "no value"), a split or a hash.
    pub old: Option<Value>,
    /// State in the second snapshot.
    pub new: Option<Value>,
}

/// Number of changes of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeCount {
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Name of the field, if the changes concern a field.
    pub field: Option<String>,
    /// Number of changes.
    pub changes: i64,
}

/// Comparison of two snapshots.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DatasetDiff {
    /// Id of the first snapshot.
    pub from: Uuid,
    /// Id of the second snapshot.
    pub to: Uuid,
    /// Whether both have the same canonical hash, which means that nothing changed.
    pub same_content: bool,
    /// Fields of both snapshots; only these are compared.
    pub fields: Vec<String>,
    /// Fields that only the first snapshot has.
    pub fields_removed: Vec<String>,
    /// Fields that only the second snapshot has.
    pub fields_added: Vec<String>,
    /// Number of documents in both snapshots.
    pub in_both: i64,
    /// Number of changes by kind and field.
    pub counts: Vec<ChangeCount>,
    /// Number of documents that moved to another split; must be 0.
    pub moved_split: i64,
    /// Change of the label distributions.
    pub drift: Drift,
}

/// Position in the list of changes, for pagination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffCursor {
    document_id: Uuid,
    rank: i32,
    field: String,
}

impl Change {
    /// Cursor of the page after this change.
    #[must_use]
    pub fn cursor(&self) -> DiffCursor {
        DiffCursor { document_id: self.document_id, rank: self.kind.rank(), field: self.field.clone().unwrap_or_default() }
    }
}

impl ChangeKind {
    const ALL: [Self; 7] =
        [Self::Added, Self::Removed, Self::MovedSplit, Self::TextChanged, Self::Labelled, Self::Unlabelled, Self::Relabelled];

    /// Number of the kind in the SQL function `snapshot_changes`, from 1.
    const fn rank(self) -> i32 {
        self as i32 + 1
    }

    fn from_rank(rank: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.rank() == rank)
    }
}

/// Compares two snapshots and counts all changes. Reads both once, document by document, in constant memory.
///
/// # Errors
/// [`InspectError::UnknownDataset`], [`InspectError::Erased`].
pub async fn diff(conn: &mut PgConnection, from: Uuid, to: Uuid) -> Result<DatasetDiff, InspectError> {
    let from = load_snapshot(conn, from).await?.with_content()?;
    let to = load_snapshot(conn, to).await?.with_content()?;
    let (a, b) = (&from.selection, &to.selection);
    let common = common_fields(&from, &to);
    let documents = selected_documents(&from, &to);
    let rows = sqlx::query!(
        r#"
        SELECT rank AS "rank!", nullif(field, '') AS field, count(*) AS "changes!"
        FROM snapshot_changes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        WHERE $14::uuid[] IS NULL OR document_id = ANY($14)
        GROUP BY rank, field
        ORDER BY rank, field COLLATE "C"
        "#,
        a.position,
        a.documents.as_deref(),
        a.source,
        a.project,
        &a.fields,
        from.created_at,
        b.position,
        b.documents.as_deref(),
        b.source,
        b.project,
        &b.fields,
        to.created_at,
        &common,
        documents.as_deref(),
    )
    .fetch_all(conn)
    .await?;
    let in_both = rows.iter().filter(|row| row.rank == 0).map(|row| row.changes).sum();
    let counts: Vec<ChangeCount> = rows
        .into_iter()
        .filter_map(|row| Some(ChangeCount { kind: ChangeKind::from_rank(row.rank)?, field: row.field, changes: row.changes }))
        .collect();
    let only = |one: &[String], other: &[String]| one.iter().filter(|field| !other.contains(field)).cloned().collect();
    Ok(DatasetDiff {
        from: from.id,
        to: to.id,
        same_content: from.canonical_hash == to.canonical_hash,
        fields_removed: only(&a.fields, &b.fields),
        fields_added: only(&b.fields, &a.fields),
        moved_split: counts.iter().filter(|count| count.kind == ChangeKind::MovedSplit).map(|count| count.changes).sum(),
        drift: drift(&from, &to)?,
        fields: common,
        in_both,
        counts,
    })
}

/// Returns at most `limit` changes ordered by document, kind and field, from the start or after a cursor. Reads no more than needed.
///
/// # Errors
/// As [`diff`].
pub async fn changes(
    conn: &mut PgConnection,
    from: Uuid,
    to: Uuid,
    after: Option<&DiffCursor>,
    limit: i64,
) -> Result<Vec<Change>, InspectError> {
    let from = load_snapshot(conn, from).await?.with_content()?;
    let to = load_snapshot(conn, to).await?.with_content()?;
    let (a, b) = (&from.selection, &to.selection);
    let common = common_fields(&from, &to);
    let documents = selected_documents(&from, &to);
    let rows = sqlx::query!(
        r#"
        SELECT document_id AS "document_id!", rank AS "rank!", nullif(field, '') AS field, old, new,
               (SELECT d.source || '/' || d.project || '/' || d.task_id FROM documents d WHERE d.id = document_id) AS "document!"
        FROM snapshot_changes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        WHERE rank > 0
          AND ($14::uuid[] IS NULL OR document_id = ANY($14))
          AND ($15::uuid IS NULL OR document_id >= $15)
          AND ($15::uuid IS NULL OR (document_id, rank, field COLLATE "C") > ($15, $16::int, $17::text))
        ORDER BY document_id, rank, field COLLATE "C"
        LIMIT $18
        "#,
        a.position,
        a.documents.as_deref(),
        a.source,
        a.project,
        &a.fields,
        from.created_at,
        b.position,
        b.documents.as_deref(),
        b.source,
        b.project,
        &b.fields,
        to.created_at,
        &common,
        documents.as_deref(),
        after.map(|cursor| cursor.document_id),
        after.map(|cursor| cursor.rank),
        after.map(|cursor| cursor.field.as_str()),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let change = rows.into_iter().filter_map(|row| {
        Some(Change {
            document_id: row.document_id,
            document: row.document,
            kind: ChangeKind::from_rank(row.rank)?,
            field: row.field,
            old: row.old,
            new: row.new,
        })
    });
    Ok(change.collect())
}

fn common_fields(from: &SnapshotRecord, to: &SnapshotRecord) -> Vec<String> {
    from.selection.fields.iter().filter(|field| to.selection.fields.contains(field)).cloned().collect()
}

/// Union of the selected documents, if both snapshots select documents by id; no other document can differ.
fn selected_documents(from: &SnapshotRecord, to: &SnapshotRecord) -> Option<Vec<Uuid>> {
    let mut documents = from.selection.documents.clone()?;
    documents.extend(to.selection.documents.as_deref()?);
    documents.sort_unstable();
    documents.dedup();
    Some(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_match_the_database() {
        for kind in ChangeKind::ALL {
            assert_eq!(ChangeKind::from_rank(kind.rank()), Some(kind));
        }
        assert_eq!(ChangeKind::Relabelled.rank(), 7);
        assert_eq!(ChangeKind::from_rank(0), None);
    }
}
