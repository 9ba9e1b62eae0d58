//! Review statuses of imported reviews and predictions.

use serde_json::json;

use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{annotation, file, prediction, reviewed, task};

#[tokio::test(flavor = "multi_thread")]
async fn each_status_follows_from_prediction_and_review() {
    with_database(|pool| async move {
        let mut full = reviewed(1, &[("ok", "a"), ("corrected", "a"), ("new", "a")]);
        full["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[("ok", "a"), ("corrected", "b"), ("rejected", "c")])]);
        let mut unreviewed = task(2);
        unreviewed["predictions"] = json!([prediction(2, "v1", "2024-01-01T00:00:00Z", &[("ok", "a")])]);
        let report = import(&pool, file(&[full, unreviewed, reviewed(3, &[("missing", "x")])])).await.unwrap();
        assert_eq!(state(&pool, "1", "ok").await, is(Some(&["a"]), Some(&["a"]), "OK", 1));
        assert_eq!(state(&pool, "1", "corrected").await, is(Some(&["b"]), Some(&["a"]), "CORRECTED", 1));
        assert_eq!(state(&pool, "1", "new").await, is(None, Some(&["a"]), "NEW", 1));
        assert_eq!(state(&pool, "1", "rejected").await, is(Some(&["c"]), Some(&[]), "REJECTED", 1));
        assert_eq!(state(&pool, "1", "missing").await, is(None, Some(&[]), "MISSING", 1));
        assert_eq!(state(&pool, "2", "ok").await, is(Some(&["a"]), None, "UNREVIEWED", 1));
        assert_eq!((report.fields["ok"].ok, report.fields["ok"].unreviewed, report.fields["ok"].missing), (1, 1, 1));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE review_status = 'REJECTED'").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_annotations_of_a_task_become_events_and_the_latest_counts() {
    with_database(|pool| async move {
        let mut twice = task(1);
        twice["annotations"] =
            json!([annotation(2, "2024-03-01T00:00:00Z", &[("law", "late")]), annotation(1, "2024-02-01T00:00:00Z", &[("law", "early")]),]);
        twice["annotations"][1]["ground_truth"] = json!(true);
        twice["annotations"][0]["completed_by"] = json!({"id": 7, "email": "a@example.org"});
        assert_eq!(import(&pool, file(&[twice])).await.unwrap().events_created, 2);
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["late"]), "NEW", 1));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations WHERE reviewer = '7'").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_annotations_and_drafts_are_no_reviews() {
    with_database(|pool| async move {
        let mut skipped = task(1);
        skipped["annotations"] = json!([annotation(1, "2024-02-01T00:00:00Z", &[("law", "x")])]);
        skipped["annotations"][0]["was_cancelled"] = json!(true);
        skipped["drafts"] = json!([{"id": 1, "result": [{"type": "choices", "from_name": "law", "value": {"choices": ["y"]}}]}]);
        let report = import(&pool, file(&[skipped, reviewed(2, &[("law", "Texas")])])).await.unwrap();
        assert_eq!(report.events_created, 1);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_values_are_compared_as_sets() {
    with_database(|pool| async move {
        let parties = |values: &[&str]| json!([{"type": "textarea", "from_name": "parties", "value": {"text": values}}]);
        let mut many = reviewed(1, &[]);
        many["annotations"][0]["result"] = parties(&[" B ", "A", "", "A"]);
        many["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[])]);
        many["predictions"][0]["result"] = parties(&["A", "B"]);
        import(&pool, file(&[many])).await.unwrap();
        assert_eq!(state(&pool, "1", "parties").await, is(Some(&["B", "A"]), Some(&["B", "A"]), "OK", 1));
        let extracted: Vec<String> = sqlx::query_scalar("SELECT value FROM extractions").fetch_one(&pool).await.unwrap();
        assert_eq!(extracted, ["A", "B"], "in the order of the extractor");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_prediction_counts_and_an_older_file_does_not_undo_it() {
    with_database(|pool| async move {
        let mut full = reviewed(1, &[("law", "Texas")]);
        full["predictions"] = json!([
            prediction(2, "v2", "2024-01-02T00:00:00Z", &[("law", "Texas")]),
            prediction(1, "v1", "2024-01-01T00:00:00Z", &[("law", "Ohio")]),
        ]);
        import(&pool, file(&[full.clone()])).await.unwrap();
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Texas"]), Some(&["Texas"]), "OK", 1));

        full["predictions"] = json!([prediction(2, "v2", "2023-12-31T00:00:00Z", &[("law", "Utah")])]);
        import(&pool, file(&[full.clone()])).await.unwrap();
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Texas"]), Some(&["Texas"]), "OK", 1));

        full["predictions"] = json!([prediction(3, "v3", "2024-01-03T00:00:00Z", &[("law", "Utah")]), 99]);
        let report = import(&pool, file(&[full])).await.unwrap();
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Utah"]), Some(&["Texas"]), "CORRECTED", 2));
        assert_eq!(
            count(&pool, "SELECT count(*) FROM annotation_events WHERE review_status = 'OK'").await,
            1,
            "events keep their original status"
        );
        assert!(report.warnings.iter().any(|warning| warning.contains("1 prediction is only an id")), "{:?}", report.warnings);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_is_not_a_value_if_the_field_has_a_control() {
    with_database(|pool| async move {
        let span = json!({"type": "labels", "from_name": "span", "value": {"start": 0, "end": 9, "text": "Agreement", "labels": ["kind"]}});
        let mut spanned = reviewed(1, &[]);
        spanned["annotations"][0]["result"] = json!([span]);
        import(&pool, file(&[spanned, reviewed(2, &[("kind", "Sale")])])).await.unwrap();
        assert_eq!(state(&pool, "1", "kind").await, is(None, Some(&[]), "MISSING", 1));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations WHERE spans IS NOT NULL AND accepted_value = '{}'").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undone_review_stays_undone_when_the_file_is_imported_again() {
    with_database(|pool| async move {
        let export = file(&[reviewed(1, &[("law", "Texas")])]);
        import(&pool, export.clone()).await.unwrap();
        sqlx::query(
            "INSERT INTO annotation_events (position, document_id, field, value, review_status, source, source_ref, occurred_at)
             SELECT next_position(), document_id, field, value, 'UNREVIEWED', 'api', 'undo', occurred_at + interval '1 day'
             FROM annotation_events",
        )
        .execute(&pool)
        .await
        .unwrap();
        let mut predicted = reviewed(1, &[("law", "Texas")]);
        predicted["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[("law", "Texas")])]);
        import(&pool, file(&[predicted])).await.unwrap();
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Texas"]), None, "UNREVIEWED", 2));
    })
    .await;
}
