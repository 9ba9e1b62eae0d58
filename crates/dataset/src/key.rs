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
pub const BUILDER_VERSION: i32 = 3;
/// Builders from this version on hash equal rows alike: what they built can be verified.
pub(crate) const FIRST_OF_CANONICAL_FORM: i32 = 2;

/// How far what a snapshot reads reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The last position that matters: of events of its fields, texts, details and splits of its documents, up to the selection's own.
    /// 0 when there is nothing.
    ///
    /// Later edits elsewhere do not move it, so a snapshot as of today can be one that was built last week.
    pub position: i64,
    /// Position of the newest erasure among its documents, whenever it was; 0 when there is none. A snapshot from before it is not used again.
    pub erasures: i64,
}

/// Looks how far the selection reaches today.
pub async fn extent(conn: &mut PgConnection, selection: &Selection) -> Result<Extent, DatasetError> {
    if selection.is_everything() { of_everything(conn, selection).await } else { of_part(conn, selection).await }
}

/// Each maximum is the end of an index.
async fn of_everything(conn: &mut PgConnection, selection: &Selection) -> Result<Extent, DatasetError> {
    let extent = sqlx::query_as!(
        Extent,
        r#"
        SELECT coalesce(greatest(
            (SELECT max(position) FROM annotation_events WHERE position <= $1 AND field = ANY($2)),
            (SELECT max(position) FROM document_texts WHERE position <= $1),
            (SELECT max(position) FROM document_details WHERE position <= $1),
            (SELECT max(position) FROM document_splits WHERE position <= $1)
        ), 0) AS "position!",
        coalesce((SELECT max(position) FROM erasures), 0) AS "erasures!"
        "#,
        selection.position,
        &selection.fields,
    )
    .fetch_one(conn)
    .await?;
    Ok(extent)
}

/// Document by document: reads what belongs to the selection and nothing else.
async fn of_part(conn: &mut PgConnection, selection: &Selection) -> Result<Extent, DatasetError> {
    let extent = sqlx::query_as!(
        Extent,
        r#"
        SELECT coalesce(max(greatest(e.position, t.position, c.position, s.position)), 0) AS "position!",
               coalesce(max(x.position), 0) AS "erasures!"
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
    Ok(extent)
}

/// SHA-256 (lower-case hex) over the canonical JSON of selection without position, builder version and extent.
pub fn key(selection: &Selection, extent: Extent) -> String {
    let identity = serde_json::to_vec(&Identity::new(selection, extent)).expect("names, numbers and ids always serialise");
    hex::encode(Sha256::digest(identity))
}

/// What the key is made of. Keys in the order of declaration, no white space: that is the canonical form.
#[derive(Serialize)]
pub(crate) struct Identity<'a> {
    builder_version: i32,
    effective_position: i64,
    #[serde(skip_serializing_if = "is_zero")]
    erasures: i64,
    fields: &'a [String],
    untrainable: &'a [LeftOut],
    documents: Option<&'a [Uuid]>,
    source: Option<&'a str>,
    project: Option<&'a str>,
    min_support: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pairs: Option<&'a PairsRequest>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl<'a> Identity<'a> {
    pub(crate) fn new(selection: &'a Selection, extent: Extent) -> Self {
        // taken apart in full, so that a new part of a selection cannot be forgotten here
        let Selection { fields, untrainable, documents, source, project, min_support, pairs, position: _ } = selection;
        Self {
            builder_version: BUILDER_VERSION,
            effective_position: extent.position,
            erasures: extent.erasures,
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

    const fn at(position: i64) -> Extent {
        Extent { position, erasures: 0 }
    }

    #[test]
    fn an_erasure_makes_another_snapshot() {
        assert_ne!(key(&selection(), at(850)), key(&selection(), Extent { position: 850, erasures: 870 }));
    }

    #[test]
    fn the_position_asked_for_does_not_count_but_the_effective_one_does() {
        let later = Selection { position: 1_000, ..selection() };
        assert_eq!(key(&selection(), at(850)), key(&later, at(850)));
        assert_ne!(key(&selection(), at(850)), key(&selection(), at(851)));
    }

    #[test]
    fn the_canonical_form_is_fixed() {
        let json = serde_json::to_string(&Identity::new(&selection(), at(850))).unwrap();
        assert_eq!(
            json,
            r#"{"builder_version":3,"effective_position":850,"fields":["governing_law"],"untrainable":[],"documents":null,"source":null,"project":"7","min_support":2}"#
        );
    }

    #[test]
    fn no_documents_and_all_documents_are_different_selections() {
        let none = Selection { documents: Some(vec![]), ..selection() };
        assert_ne!(key(&none, at(850)), key(&selection(), at(850)));
    }
}
