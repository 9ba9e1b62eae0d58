//! Snapshot key: requests for the same content share one snapshot.

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::selection::excluded_field::ExcludedField;
use crate::selection::pairs_request::PairsRequest;
use crate::selection::request::Selection;
use crate::selection::watermark::Watermark;

/// Must be incremented whenever the same rows would produce different data files or a different canonical hash.
pub const BUILDER_VERSION: i32 = 4;
/// Snapshots of older builders cannot be verified, because their canonical hash has another form.
pub(crate) const MIN_VERIFIABLE_BUILDER_VERSION: i32 = 2;

/// SHA-256 (lower-case hex) of the canonical JSON of the builder version, the watermark and the selection without its position.
pub fn snapshot_key(selection: &Selection, watermark: Watermark) -> String {
    let identity = serde_json::to_vec(&SnapshotIdentity::new(selection, watermark)).expect("names, numbers and ids always serialise");
    hex::encode(Sha256::digest(identity))
}

/// Input of the key. Its canonical form is JSON with the keys in declaration order and without white space.
#[derive(Serialize)]
pub(crate) struct SnapshotIdentity<'a> {
    builder_version: i32,
    effective_position: i64,
    #[serde(skip_serializing_if = "is_zero")]
    erasures: i64,
    fields: &'a [String],
    untrainable: &'a [ExcludedField],
    documents: Option<&'a [Uuid]>,
    source: Option<&'a str>,
    project: Option<&'a str>,
    min_support: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pairs: Option<&'a PairsRequest>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl<'a> SnapshotIdentity<'a> {
    pub(crate) fn new(selection: &'a Selection, watermark: Watermark) -> Self {
        // exhaustive destructuring: a new field of a selection does not compile until it is handled here
        let Selection { fields, untrainable, documents, source, project, min_support, pairs, position: _ } = selection;
        Self {
            builder_version: BUILDER_VERSION,
            effective_position: watermark.position,
            erasures: watermark.erasures,
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

    const fn at(position: i64) -> Watermark {
        Watermark { position, erasures: 0 }
    }

    #[test]
    fn an_erasure_changes_the_key() {
        assert_ne!(snapshot_key(&selection(), at(850)), snapshot_key(&selection(), Watermark { position: 850, erasures: 870 }));
    }

    #[test]
    fn the_key_depends_on_the_effective_position_not_on_the_requested_one() {
        let later = Selection { position: 1_000, ..selection() };
        assert_eq!(snapshot_key(&selection(), at(850)), snapshot_key(&later, at(850)));
        assert_ne!(snapshot_key(&selection(), at(850)), snapshot_key(&selection(), at(851)));
    }

    #[test]
    fn the_canonical_form_is_fixed() {
        let json = serde_json::to_string(&SnapshotIdentity::new(&selection(), at(850))).unwrap();
        assert_eq!(
            json,
            r#"{"builder_version":4,"effective_position":850,"fields":["governing_law"],"untrainable":[],"documents":null,"source":null,"project":"7","min_support":2}"#
        );
    }

    #[test]
    fn selecting_no_documents_differs_from_selecting_all_documents() {
        let none = Selection { documents: Some(vec![]), ..selection() };
        assert_ne!(snapshot_key(&none, at(850)), snapshot_key(&selection(), at(850)));
    }
}
