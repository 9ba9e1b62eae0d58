//! What changed from one snapshot to another: documents and values, told from the events.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::drift::{Drift, drift};
use crate::inspect::error::InspectError;
use crate::inspect::recorded::{Recorded, recorded};

/// A kind of change, in the order of a listing within a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The document is only in the second snapshot; `new` is its split.
    Added,
    /// The document is only in the first; `old` is its split.
    Removed,
    /// The document is in another split. Splits are kept for ever: this is a fault.
    MovedSplit,
    /// The document has another text; `old` and `new` are their SHA-256.
    TextChanged,
    /// The field had no accepted value and has one.
    Labelled,
    /// The field had an accepted value and has none: its review was undone.
    Unlabelled,
    /// The field has another accepted value.
    Relabelled,
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Change {
    /// The document.
    pub document_id: Uuid,
    /// What happened.
    pub kind: ChangeKind,
    /// The field, where the change is one of a field.
    pub field: Option<String>,
    /// What it was: a list of values (empty = no value), a split or a hash.
    #[schema(value_type = Object)]
    pub old: Option<Value>,
    /// What it is.
    #[schema(value_type = Object)]
    pub new: Option<Value>,
}

/// How often something changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeCount {
    /// What happened.
    pub kind: ChangeKind,
    /// In which field, where the change is one of a field.
    pub field: Option<String>,
    /// Number of changes.
    pub changes: i64,
}

/// Two snapshots compared.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DatasetDiff {
    /// The first.
    pub from: Uuid,
    /// The second.
    pub to: Uuid,
    /// Whether both have the same canonical hash: then nothing changed.
    pub same_content: bool,
    /// Fields of both, which are compared.
    pub fields: Vec<String>,
    /// Fields that only the first has.
    pub fields_removed: Vec<String>,
    /// Fields that only the second has.
    pub fields_added: Vec<String>,
    /// Documents in both.
    pub in_both: i64,
    /// All changes, counted by kind and field.
    pub counts: Vec<ChangeCount>,
    /// Documents that are in another split: must be 0.
    pub moved_split: i64,
    /// How far the labels are distributed otherwise.
    pub drift: Drift,
}

/// Where a page of changes ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffCursor {
    document_id: Uuid,
    rank: i32,
    field: String,
}

impl Change {
    /// The cursor that continues after this change.
    #[must_use]
    pub fn cursor(&self) -> DiffCursor {
        DiffCursor { document_id: self.document_id, rank: self.kind.rank(), field: self.field.clone().unwrap_or_default() }
    }
}

impl ChangeKind {
    const ALL: [Self; 7] =
        [Self::Added, Self::Removed, Self::MovedSplit, Self::TextChanged, Self::Labelled, Self::Unlabelled, Self::Relabelled];

    /// As `snapshot_changes` numbers them, from 1.
    const fn rank(self) -> i32 {
        self as i32 + 1
    }

    fn of_rank(rank: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.rank() == rank)
    }
}

/// Compares two snapshots and counts all changes. Reads both sides once, document by document; memory does not grow with them.
///
/// # Errors
/// [`InspectError::UnknownDataset`], [`InspectError::Erased`] when the content of one is gone.
pub async fn diff(conn: &mut PgConnection, from: Uuid, to: Uuid) -> Result<DatasetDiff, InspectError> {
    let from = recorded(conn, from).await?.with_content()?;
    let to = recorded(conn, to).await?.with_content()?;
    let (a, b) = (&from.selection, &to.selection);
    let common = common_fields(&from, &to);
    let either = documents_of_either(&from, &to);
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
        either.as_deref(),
    )
    .fetch_all(conn)
    .await?;
    let in_both = rows.iter().filter(|row| row.rank == 0).map(|row| row.changes).sum();
    let counts: Vec<ChangeCount> = rows
        .into_iter()
        .filter_map(|row| Some(ChangeCount { kind: ChangeKind::of_rank(row.rank)?, field: row.field, changes: row.changes }))
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

/// At most `limit` changes by document, kind and field, from the start or after a cursor. Stops reading when it has them.
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
    let from = recorded(conn, from).await?.with_content()?;
    let to = recorded(conn, to).await?.with_content()?;
    let (a, b) = (&from.selection, &to.selection);
    let common = common_fields(&from, &to);
    let either = documents_of_either(&from, &to);
    let rows = sqlx::query!(
        r#"
        SELECT document_id AS "document_id!", rank AS "rank!", nullif(field, '') AS field, old, new
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
        either.as_deref(),
        after.map(|cursor| cursor.document_id),
        after.map(|cursor| cursor.rank),
        after.map(|cursor| cursor.field.as_str()),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let change = rows.into_iter().filter_map(|row| {
        Some(Change { document_id: row.document_id, kind: ChangeKind::of_rank(row.rank)?, field: row.field, old: row.old, new: row.new })
    });
    Ok(change.collect())
}

fn common_fields(from: &Recorded, to: &Recorded) -> Vec<String> {
    from.selection.fields.iter().filter(|field| to.selection.fields.contains(field)).cloned().collect()
}

/// The chosen documents of both, when both have some: nothing else need be looked at.
fn documents_of_either(from: &Recorded, to: &Recorded) -> Option<Vec<Uuid>> {
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
    fn kinds_are_numbered_as_the_database_does() {
        for kind in ChangeKind::ALL {
            assert_eq!(ChangeKind::of_rank(kind.rank()), Some(kind));
        }
        assert_eq!(ChangeKind::Relabelled.rank(), 7);
        assert_eq!(ChangeKind::of_rank(0), None);
    }
}
