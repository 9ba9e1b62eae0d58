//! Times in the future: a review dated ahead would win over every review until then, so every way in rejects it alike.

use aprendiz_annotations::import::legacy_csv::{LegacyCsvError, LegacyCsvOptions};
use aprendiz_annotations::reviews::{Decision, Expected, NewReview, ReviewError, record_review};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::csv::legacy_csv::{csv, csv_with, options};
use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{annotation, file, prediction, reviewed, task};

fn in_minutes(minutes: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::minutes(minutes)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotation_in_the_future_is_quarantined_with_its_id_and_the_way_out() {
    with_database(|pool| async move {
        let mut tasks = Vec::new();
        for (id, time) in [(1, "9999-12-31T23:59:59Z".to_owned()), (2, in_minutes(60).to_rfc3339()), (3, in_minutes(1).to_rfc3339())] {
            let mut task = task(id);
            task["annotations"] = json!([annotation(10 * id, &time, &[("law", "Texas")])]);
            tasks.push(task);
        }
        // an export of Aprendiz itself, made by a server whose clock was wrong
        let mut exported = task(4);
        exported["annotations"] = json!([annotation(40, "9999-01-01T00:00:00Z", &[("law", "Texas")])]);
        exported["annotations"][0]["aprendiz"] = json!({"version": 1, "source": "api", "source_ref": "a", "fields": {"law": "NEW"}});
        tasks.push(exported);
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((report.quarantined, report.events_created), (3, 1), "{report:?}");
        for (found, id) in report.quarantined_tasks.iter().zip([10, 20, 40]) {
            let expected = format!("annotation {id}: its time ");
            assert!(found.reason.starts_with(&expected), "{}", found.reason);
            assert!(found.reason.contains("is in the future: the clock of the database shows"), "{}", found.reason);
            assert!(found.reason.contains("correct `updated_at`"), "{}", found.reason);
        }
        assert_eq!(state(&pool, "3", "law").await, is(None, Some(&["Texas"]), "NEW", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_in_the_future_is_left_out_and_costs_no_review() {
    with_database(|pool| async move {
        let mut one = reviewed(1, &[("law", "Texas")]);
        one["predictions"] = json!([
            prediction(5, "v1", "2024-01-01T00:00:00Z", &[("law", "Texas")]),
            prediction(6, "v1", "9999-01-01T00:00:00Z", &[("law", "Ohio")]),
        ]);
        let report = import(&pool, file(&[one])).await.unwrap();
        assert_eq!((report.quarantined, report.events_created), (0, 1));
        let notes = format!("{:?}", report.notes);
        assert!(notes.contains("prediction 6") && notes.contains("in the future"), "{notes}");
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Texas"]), Some(&["Texas"]), "OK", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_review_file_in_the_future_are_quarantined() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1), task(2)])).await.unwrap();
        let soon = in_minutes(1).to_rfc3339();
        let bytes = format!("task_id,law_gold,reviewed_at\n1,Texas,9999-12-31\n2,Ohio,{soon}\n");
        let report = csv(&pool, bytes).await.unwrap();
        assert_eq!((report.quarantined, report.events_created), (1, 1), "{report:?}");
        let row = &report.quarantined_rows[0];
        assert!(row.task_index == 1 && row.reason.contains("9999-12-31T00:00:00Z is in the future"), "{}", row.reason);

        let later = LegacyCsvOptions { reviewed_at: in_minutes(60), ..options() };
        let error = csv_with(&pool, "task_id,law_gold\n1,Texas\n", &later).await.unwrap_err();
        assert!(matches!(error, LegacyCsvError::FutureReviews { .. }) && error.to_string().contains("in the future"), "{error}");
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_in_the_future_is_rejected() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas")])])).await.unwrap();
        let document = sqlx::query_scalar("SELECT id FROM documents").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let review = |occurred_at| NewReview {
            occurred_at: Some(occurred_at),
            expected: Expected::Anything,
            ..NewReview::new(document, "law".to_owned(), Decision::Set(vec!["Ohio".to_owned()]), "ana")
        };
        let error = record_review(&mut conn, review("9999-12-31T23:59:59Z".parse().unwrap())).await.unwrap_err();
        assert!(matches!(&error, ReviewError::Invalid { part: "occurred_at", reason } if reason.contains("in the future")), "{error}");
        assert!(record_review(&mut conn, review(in_minutes(1))).await.unwrap().is_current);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_without_a_time_is_later_than_the_state_it_changes() {
    with_database(|pool| async move {
        // within the tolerance: the clock of that host was four minutes fast
        let mut one = task(1);
        one["annotations"] = json!([annotation(10, &in_minutes(4).to_rfc3339(), &[("law", "Texas")])]);
        import(&pool, file(&[one])).await.unwrap();
        let document = sqlx::query_scalar("SELECT id FROM documents").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let review = |decision, version| NewReview {
            expected: Expected::Version(version),
            ..NewReview::new(document, "law".to_owned(), decision, "ana")
        };
        let corrected = record_review(&mut conn, review(Decision::Set(vec!["Ohio".to_owned()]), 1)).await.unwrap();
        assert!(corrected.is_current && corrected.annotation.accepted_value == Some(vec!["Ohio".to_owned()]), "{corrected:?}");
        let undone = record_review(&mut conn, review(Decision::Undo, 2)).await.unwrap();
        assert!(undone.is_current && undone.annotation.accepted_value.is_none(), "{undone:?}");
    })
    .await;
}
