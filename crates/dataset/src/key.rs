//! The key of a snapshot: equal requests that would read equal content share one snapshot.

use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::label::LeftOut;
use crate::pairs::PairsRequest;
use crate::selection::Selection;

/// Raised whenever the same rows would give other files or another canonical hash.
pub const BUILDER_VERSION: i32 = 2;

/// The last position that matters to the snapshot: of events of its fields, texts, details and splits of its documents, up to the
/// selection's own, and of erasures of its documents, whenever they were. 0 when there is nothing.
///
/// Later edits elsewhere do not move it, so a snapshot as of today can be one that was built last week. An erasure does, so that
/// a snapshot from before it is not used again.
pub async fn effective_position(conn: &mut PgConnection, selection: &Selection) -> Result<i64, DatasetError> {
    if selection.is_everything() { of_everything(conn, selection).await } else { of_part(conn, selection).await }
}

/// Each maximum is the end of an index.
async fn of_everything(conn: &mut PgConnection, selection: &Selection) -> Result<i64, DatasetError> {
    let position = sqlx::query_scalar!(
        r#"
        SELECT coalesce(greatest(
            (SELECT max(position) FROM annotation_events WHERE position <= $1 AND field = ANY($2)),
            (SELECT max(position) FROM document_texts WHERE position <= $1),
            (SELECT max(position) FROM document_details WHERE position <= $1),
            (SELECT max(position) FROM document_splits WHERE position <= $1),
            (SELECT max(position) FROM erasures)
        ), 0) AS "position!"
        "#,
        selection.position,
        &selection.fields,
    )
    .fetch_one(conn)
    .await?;
    Ok(position)
}

/// Document by document: reads what belongs to the selection and nothing else.
async fn of_part(conn: &mut PgConnection, selection: &Selection) -> Result<i64, DatasetError> {
    let position = sqlx::query_scalar!(
        r#"
        SELECT coalesce(max(greatest(e.position, t.position, c.position, s.position, x.position)), 0) AS "position!"
        FROM documents d
        CROSS JOIN LATERAL (
            SELECT max(position) AS position FROM annotation_events
            WHERE document_id = d.id AND field = ANY($5) AND position <= $1
        ) e
        CROSS JOIN LATERAL (SELECT max(position) AS position FROM document_texts WHERE document_id = d.id AND position <= $1) t
        CROSS JOIN LATERAL (SELECT max(position) AS position FROM document_details WHERE document_id = d.id AND position <= $1) c
        CROSS JOIN LATERAL (SELECT max(position) AS position FROM document_splits WHERE document_id = d.id AND position <= $1) s
        LEFT JOIN erasures x ON x.document_id = d.id
        WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch_one(conn)
    .await?;
    Ok(position)
}

/// SHA-256 (lower-case hex) over the canonical JSON of selection without position, builder version and effective position.
pub fn key(selection: &Selection, effective_position: i64) -> String {
    let identity = serde_json::to_vec(&Identity::new(selection, effective_position)).expect("names, numbers and ids always serialise");
    hex::encode(Sha256::digest(identity))
}

/// What the key is made of. Keys in the order of declaration, no white space: that is the canonical form.
#[derive(Serialize)]
pub(crate) struct Identity<'a> {
    builder_version: i32,
    effective_position: i64,
    fields: &'a [String],
    untrainable: &'a [LeftOut],
    documents: Option<&'a [Uuid]>,
    source: Option<&'a str>,
    project: Option<&'a str>,
    min_support: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pairs: Option<&'a PairsRequest>,
}

impl<'a> Identity<'a> {
    pub(crate) fn new(selection: &'a Selection, effective_position: i64) -> Self {
        // taken apart in full, so that a new part of a selection cannot be forgotten here
        let Selection { fields, untrainable, documents, source, project, min_support, pairs, position: _ } = selection;
        Self {
            builder_version: BUILDER_VERSION,
            effective_position,
            fields,
            untrainable,
            documents: documents.as_deref(),
            source: source.as_deref(),
            project: project.as_deref(),
            min_support: *min_support,
            pairs: pairs.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection() -> Selection {
        Selection {
            fields: vec!["governing_law".into()],
            untrainable: vec![],
            documents: None,
            source: None,
            project: Some("7".into()),
            min_support: 2,
            pairs: None,
            position: 900,
        }
    }

    #[test]
    fn the_position_asked_for_does_not_count_but_the_effective_one_does() {
        let later = Selection { position: 1_000, ..selection() };
        assert_eq!(key(&selection(), 850), key(&later, 850));
        assert_ne!(key(&selection(), 850), key(&selection(), 851));
    }

    #[test]
    fn the_canonical_form_is_fixed() {
        let json = serde_json::to_string(&Identity::new(&selection(), 850)).unwrap();
        assert_eq!(
            json,
            r#"{"builder_version":2,"effective_position":850,"fields":["governing_law"],"untrainable":[],"documents":null,"source":null,"project":"7","min_support":2}"#
        );
    }

    #[test]
    fn no_documents_and_all_documents_are_different_selections() {
        let none = Selection { documents: Some(vec![]), ..selection() };
        assert_ne!(key(&none, 850), key(&selection(), 850));
    }
}
