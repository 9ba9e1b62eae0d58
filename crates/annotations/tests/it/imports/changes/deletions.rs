//! Later files of a project in which annotations were deleted.

use aprendiz_annotations::import::ImportOptions;
use aprendiz_annotations::reviews::{Decision, NewReview, record_review};
use serde_json::json;
use uuid::Uuid;

use crate::database::{contents, count, import, import_with, is, state, with_database};
use crate::task_builders::{annotation, file, prediction, reviewed, task};

fn mirror_options() -> ImportOptions {
    let mut options = ImportOptions::new("test");
    options.mirror = true;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_of_deleted_annotations_are_retracted_only_with_mirror() {
    with_database(|pool| async move {
        let mut two = task(1);
        two["annotations"] =
            json!([annotation(1, "2024-02-01T00:00:00Z", &[("law", "Ohio")]), annotation(2, "2024-02-02T00:00:00Z", &[("law", "Texas")]),]);
        two["predictions"] = json!([prediction(1, "v", "2024-01-01T00:00:00Z", &[("law", "Ohio")])]);
        let whole = file(&[two.clone(), reviewed(2, &[("law", "Iowa")]), reviewed(3, &[("law", "Utah")])]);
        import(&pool, whole.clone()).await.unwrap();
        // the later annotation of task 1, the only one of task 2, and task 3 are missing
        two["annotations"].as_array_mut().unwrap().pop();
        let later = file(&[two, task(2)]);
        let report = import(&pool, later.clone()).await.unwrap();
        assert_eq!((report.events_created, report.reviews_retracted), (0, 0));
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Ohio"]), Some(&["Texas"]), "CORRECTED", 1));

        let report = import_with(&pool, later.clone(), &mirror_options()).await.unwrap();
        assert_eq!((report.events_created, report.reviews_retracted), (0, 3));
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Ohio"]), Some(&["Ohio"]), "OK", 2));
        assert_eq!(state(&pool, "2", "law").await, is(None, None, "UNREVIEWED", 2));
        assert_eq!(state(&pool, "3", "law").await, is(None, None, "UNREVIEWED", 2));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 4 + 3, "events are never deleted");

        let before = contents(&pool).await;
        assert_eq!(import_with(&pool, later, &mirror_options()).await.unwrap().reviews_retracted, 0);
        assert!(before == contents(&pool).await, "the same file again changes nothing");

        // and back, if the annotations exist again
        assert_eq!(import_with(&pool, whole, &mirror_options()).await.unwrap().reviews_retracted, 3);
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Ohio"]), Some(&["Texas"]), "CORRECTED", 3));
        assert_eq!(state(&pool, "3", "law").await, is(None, Some(&["Utah"]), "NEW", 3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_from_other_sources_are_not_retracted() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Ohio")])])).await.unwrap();
        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        record_review(&mut conn, NewReview::new(document, "law", Decision::Set(vec!["Texas".to_owned()]), "ana")).await.unwrap();
        drop(conn);
        let report = import_with(&pool, file(&[task(1)]), &mirror_options()).await.unwrap();
        assert_eq!(report.reviews_retracted, 0);
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Texas"]), "NEW", 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_quarantined_tasks_retracts_nothing_of_missing_tasks() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Ohio")]), reviewed(2, &[("law", "Utah")])])).await.unwrap();
        let mut bad = reviewed(2, &[("law", "Utah")]);
        bad["data"]["text"] = json!(7);
        let report = import_with(&pool, file(&[task(1), bad]), &mirror_options()).await.unwrap();
        assert_eq!((report.quarantined, report.reviews_retracted), (1, 1));
        assert_eq!(state(&pool, "2", "law").await.1.as_deref(), Some(&["Utah".to_owned()][..]));
        assert!(report.warnings.iter().any(|warning| warning.contains("retracted")), "{:?}", report.warnings);
    })
    .await;
}
