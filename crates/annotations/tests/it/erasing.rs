//! An erasure beside a review of the same document, and an import of it afterwards.

use annotations::erasure::{empty_document, record_erasure};
use annotations::fields::{self, Cardinality, FieldDefinition, FieldKind};
use annotations::review::{NewReview, ReviewError, Said, review};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::database::{count, import, with_database};
use crate::export::{file, reviewed, task};

async fn document(pool: &PgPool) -> Uuid {
    import(pool, file(&[task(1)])).await.unwrap();
    let definition =
        FieldDefinition { kind: FieldKind::Categorical, cardinality: Cardinality::One, allowed_values: None, normalization: None };
    fields::declare(&mut pool.acquire().await.unwrap(), "law", &definition, "ana").await.unwrap();
    sqlx::query_scalar("SELECT id FROM documents").fetch_one(pool).await.unwrap()
}

async fn erase(conn: &mut PgConnection, document: Uuid) {
    let emptied = empty_document(conn, document).await.unwrap().unwrap();
    record_erasure(conn, document, "admin", "request 7", emptied, 0).await.unwrap();
}

fn says_zebra(document: Uuid) -> NewReview {
    NewReview::new(document, "law", Said::Value(vec!["zebra".to_owned()]), "ana")
}

async fn somebody_waits(pool: &PgPool) {
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
async fn an_erasure_waits_for_a_review_under_way_and_empties_it() {
    with_database(|pool| async move {
        let document = document(&pool).await;
        let mut reviewing = pool.begin().await.unwrap();
        review(&mut reviewing, says_zebra(document)).await.unwrap();
        let erasing = tokio::spawn({
            let pool = pool.clone();
            async move {
                let mut erasing = pool.begin().await.unwrap();
                erase(&mut erasing, document).await;
                erasing.commit().await.unwrap();
            }
        });
        somebody_waits(&pool).await;
        reviewing.commit().await.unwrap();
        erasing.await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events e WHERE e::text LIKE '%zebra%'").await, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE erased").await, 1);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_waits_for_an_erasure_under_way_and_is_refused() {
    with_database(|pool| async move {
        let document = document(&pool).await;
        let mut erasing = pool.begin().await.unwrap();
        erase(&mut erasing, document).await;
        let reviewing = tokio::spawn({
            let pool = pool.clone();
            async move { review(&mut pool.acquire().await.unwrap(), says_zebra(document)).await }
        });
        somebody_waits(&pool).await;
        erasing.commit().await.unwrap();
        let refused = reviewing.await.unwrap().unwrap_err();
        assert!(matches!(refused, ReviewError::Erased { .. }), "{refused}");
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_not_bring_an_erased_document_back() {
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
async fn nothing_is_kept_of_an_erased_document_in_quarantine() {
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
