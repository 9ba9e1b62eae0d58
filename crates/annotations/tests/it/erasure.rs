//! Erasure concurrent with a review of the same document, and a later import of it.

use aprendiz_annotations::erasure::{record_erasure, redact_document};
use aprendiz_annotations::fields::{self, Cardinality, FieldDefinition, FieldKind};
use aprendiz_annotations::reviews::{Decision, NewReview, ReviewError, record_review};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::database::{count, import, with_database};
use crate::task_builders::{file, reviewed, task};

async fn document(pool: &PgPool) -> Uuid {
    import(pool, file(&[task(1)])).await.unwrap();
    let definition =
        FieldDefinition { kind: FieldKind::Categorical, cardinality: Cardinality::One, allowed_values: None, normalization: None };
    fields::declare(&mut pool.acquire().await.unwrap(), "law", &definition, None, "ana").await.unwrap();
    sqlx::query_scalar("SELECT id FROM documents").fetch_one(pool).await.unwrap()
}

async fn erase(conn: &mut PgConnection, document: Uuid) {
    let redacted = redact_document(conn, document).await.unwrap().unwrap();
    record_erasure(conn, document, "admin", "request 7", redacted, 0).await.unwrap();
}

fn zebra_review(document: Uuid) -> NewReview {
    NewReview::new(document, "law", Decision::Set(vec!["zebra".to_owned()]), "ana")
}

async fn wait_for_lock_wait(pool: &PgPool) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while count(pool, waits).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_waits_for_a_review_in_progress_and_redacts_it() {
    with_database(|pool| async move {
        let document = document(&pool).await;
        let mut reviewing = pool.begin().await.unwrap();
        record_review(&mut reviewing, zebra_review(document)).await.unwrap();
        let erasing = tokio::spawn({
            let pool = pool.clone();
            async move {
                let mut erasing = pool.begin().await.unwrap();
                erase(&mut erasing, document).await;
                erasing.commit().await.unwrap();
            }
        });
        wait_for_lock_wait(&pool).await;
        reviewing.commit().await.unwrap();
        erasing.await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events e WHERE e::text LIKE '%zebra%'").await, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE erased").await, 1);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_waits_for_an_erasure_in_progress_and_is_rejected() {
    with_database(|pool| async move {
        let document = document(&pool).await;
        let mut erasing = pool.begin().await.unwrap();
        erase(&mut erasing, document).await;
        let reviewing = tokio::spawn({
            let pool = pool.clone();
            async move { record_review(&mut pool.acquire().await.unwrap(), zebra_review(document)).await }
        });
        wait_for_lock_wait(&pool).await;
        erasing.commit().await.unwrap();
        let rejected = reviewing.await.unwrap().unwrap_err();
        assert!(matches!(rejected, ReviewError::Erased { .. }), "{rejected}");
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_not_restore_an_erased_document() {
    with_database(|pool| async move {
        let document = document(&pool).await;
        let mut erasing = pool.begin().await.unwrap();
        erase(&mut erasing, document).await;
        erasing.commit().await.unwrap();
        let report = import(&pool, file(&[reviewed(1, &[("law", "Texas")]), task(2)])).await.unwrap();
        assert_eq!((report.quarantined, report.documents_created, report.events_created), (1, 1, 0));
        assert!(report.quarantined_tasks[0].reason.contains("erased on"), "{}", report.quarantined_tasks[0].reason);
        assert_eq!(count(&pool, "SELECT count(*) FROM document_texts t JOIN erasures e USING (document_id) WHERE t.text <> ''").await, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM document_texts").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quarantine_keeps_nothing_of_an_erased_document() {
    with_database(|pool| async move {
        let document = document(&pool).await;
        let mut bad = task(1);
        bad["data"]["text"] = serde_json::json!(["zebra"]);
        let zebras = "SELECT count(*) FROM import_quarantine WHERE task LIKE '%zebra%'";
        import(&pool, file(&[bad.clone()])).await.unwrap();
        assert_eq!(count(&pool, zebras).await, 1);
        let mut erasing = pool.begin().await.unwrap();
        erase(&mut erasing, document).await;
        erasing.commit().await.unwrap();
        assert_eq!(count(&pool, zebras).await, 0);
        import(&pool, file(&[bad])).await.unwrap();
        assert_eq!(count(&pool, zebras).await, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM import_quarantine").await, 2);
    })
    .await;
}
