//! Versions of documents and field definitions, for snapshots of earlier positions; and the import of erased documents.

use aprendiz_annotations::AnnotationsError;
use aprendiz_annotations::fields::{self, Cardinality, FieldDefinition, FieldKind};
use serde_json::json;

use crate::database::{count, import, with_database};
use crate::task_builders::{file, reviewed};

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_name_or_metadata_is_a_new_version_and_a_repetition_is_not() {
    with_database(|pool| async move {
        let first = reviewed(1, &[("law", "Texas")]);
        import(&pool, file(std::slice::from_ref(&first))).await.unwrap();
        import(&pool, file(std::slice::from_ref(&first))).await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM document_details").await, 1, "a repetition changes nothing");

        let mut renamed = first.clone();
        renamed["data"]["file_name"] = json!("other.pdf");
        import(&pool, file(std::slice::from_ref(&renamed))).await.unwrap();
        renamed["data"]["title"] = json!("Other");
        import(&pool, file(std::slice::from_ref(&renamed))).await.unwrap();
        let mut rewritten = renamed;
        rewritten["data"]["text"] = json!("an entirely different text");
        import(&pool, file(&[rewritten])).await.unwrap();
        assert_eq!(
            count(&pool, "SELECT count(*) FROM document_details v WHERE version = 3 AND file_name = 'other.pdf' AND metadata->>'title' = 'Other'").await,
            1
        );
        assert_eq!(count(&pool, "SELECT max(version)::bigint FROM document_details").await, 3, "a text is not a detail");
        assert_eq!(count(&pool, "SELECT max(version)::bigint FROM document_texts").await, 2);
        assert_eq!(
            count(&pool, "SELECT count(*) FROM documents d JOIN document_details v ON v.document_id = d.id AND v.version = 3 WHERE (d.file_name, d.metadata) = (v.file_name, v.metadata)").await,
            1,
            "documents holds the newest version"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_definition_of_a_field_is_kept_with_its_actor() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas")])])).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let many =
            FieldDefinition { kind: FieldKind::Categorical, cardinality: Cardinality::Many, allowed_values: None, normalization: None };
        for _ in 0..2 {
            assert_eq!(
                fields::declare(&mut conn, "law", &many, None, "ana").await.unwrap().version,
                2,
                "an equal definition is not a new version"
            );
        }
        let text = FieldDefinition { kind: FieldKind::Text, ..many.clone() };
        assert_eq!(fields::declare(&mut conn, "law", &text, None, "rui").await.unwrap().version, 3);
        assert_eq!(fields::declare(&mut conn, "new_field", &many, Some(0), "rui").await.unwrap().version, 1);
        // a change of a definition that was replaced meanwhile is refused, and so is a second creation
        for stale in [0, 2] {
            let error = fields::declare(&mut conn, "law", &many, Some(stale), "rui").await.unwrap_err();
            assert!(matches!(error, AnnotationsError::StaleDefinition { version: 3, .. }), "{error}");
        }

        let history = fields::history(&mut conn, "law").await.unwrap();
        let versions: Vec<_> =
            history.iter().map(|version| (version.version, version.actor.as_str(), version.declared, version.kind)).collect();
        let (categorical, text) = (FieldKind::Categorical, FieldKind::Text);
        assert_eq!(versions, [(1, "import", false, categorical), (2, "ana", true, categorical), (3, "rui", true, text)]);
        assert!(history.windows(2).all(|pair| pair[0].position < pair[1].position), "{history:?}");
        assert!(fields::history(&mut conn, "unknown").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_state_has_the_time_and_the_actor_of_its_event() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas")])])).await.unwrap();
        let both = "SELECT count(*) FROM annotations a JOIN annotation_events e ON e.position = a.event_position
                    WHERE a.occurred_at = e.occurred_at AND e.actor = 'test'";
        assert_eq!(count(&pool, both).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_document_is_quarantined_when_its_export_is_imported_again() {
    with_database(|pool| async move {
        let export = file(&[reviewed(1, &[("law", "Texas")]), reviewed(2, &[("law", "Ohio")])]);
        import(&pool, export.clone()).await.unwrap();
        sqlx::query(
            "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets, erased_at)
             SELECT id, 'ana', 'asked for', next_position(), 1, 1, 0, '2026-03-04T23:30:00Z' FROM documents WHERE task_id = '1'",
        )
        .execute(&pool)
        .await
        .unwrap();
        let mut newer = reviewed(1, &[("law", "Utah")]);
        newer["data"]["text"] = json!("content that must not come back");
        let report = import(&pool, file(&[newer, reviewed(2, &[("law", "Ohio")])])).await.unwrap();
        assert_eq!((report.quarantined, report.documents_unchanged, report.events_created), (1, 1, 0));
        assert_eq!(report.quarantined_tasks[0].task_id.as_deref(), Some("1"));
        assert!(report.quarantined_tasks[0].reason.starts_with("erased on 2026-03-04: "), "{:?}", report.quarantined_tasks);
        assert_eq!(count(&pool, "SELECT count(*) FROM document_texts WHERE text LIKE '%come back%'").await, 0);
    })
    .await;
}
