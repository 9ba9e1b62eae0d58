//! Concurrent reviews of one field, and reviews concurrent with an import.

use aprendiz_annotations::fields::{self, Cardinality, FieldDefinition, FieldKind};
use aprendiz_annotations::reviews::{Decision, Expected, NewReview, ReviewError, record_review};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{file, reviewed, task};

fn law_review(document: Uuid, value: &str, expected: Expected) -> NewReview {
    NewReview { expected, ..NewReview::new(document, "law", Decision::Set(vec![value.to_owned()]), "ana") }
}

/// A document and a field without reviews.
async fn unreviewed(pool: &PgPool) -> Uuid {
    import(pool, file(&[task(1)])).await.unwrap();
    let definition =
        FieldDefinition { kind: FieldKind::Categorical, cardinality: Cardinality::One, allowed_values: None, normalization: None };
    fields::declare(&mut pool.acquire().await.unwrap(), "law", &definition, None, "ana").await.unwrap();
    sqlx::query_scalar("SELECT id FROM documents").fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_reviewers_of_the_same_version_wins_and_the_others_get_the_new_state() {
    with_database(|pool| async move {
        let document = unreviewed(&pool).await;
        for version in 0..3 {
            let reviewing = ["Texas", "Ohio", "Utah"].map(|value| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let mut conn = pool.acquire().await.unwrap();
                    record_review(&mut conn, law_review(document, &format!("{value} {version}"), Expected::Version(version))).await
                })
            });
            let mut written = 0;
            for reviewer in reviewing {
                match reviewer.await.unwrap() {
                    Ok(reviewed) => {
                        written += 1;
                        assert_eq!(reviewed.annotation.version, version + 1);
                    }
                    Err(ReviewError::Stale { current }) => assert_eq!(current.unwrap().version, version + 1),
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!(written, 1);
        }
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_waits_for_a_reviewer_who_writes_the_first_state_of_a_field() {
    with_database(|pool| async move {
        let document = unreviewed(&pool).await;
        let mut open = pool.begin().await.unwrap();
        record_review(&mut open, law_review(document, "Ohio", Expected::Nothing)).await.unwrap();
        let importing = tokio::spawn({
            let pool = pool.clone();
            async move { import(&pool, file(&[reviewed(1, &[("law", "Texas")])])).await }
        });
        // the import waits for the row and does not hold the position lock yet
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        tokio::time::timeout(std::time::Duration::from_secs(30), async {
            while count(&pool, waits).await == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        open.commit().await.unwrap();
        assert_eq!(importing.await.unwrap().unwrap().events_created, 1);
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Ohio"]), "NEW", 1), "the imported review is older");
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_review_leaves_no_trace_in_the_transaction_of_its_caller() {
    with_database(|pool| async move {
        let document = unreviewed(&pool).await;
        let mut transaction = pool.begin().await.unwrap();
        let stale = record_review(&mut transaction, law_review(document, "Ohio", Expected::Version(4))).await.unwrap_err();
        assert!(matches!(stale, ReviewError::Stale { current: None }), "{stale}");
        let undone = record_review(&mut transaction, NewReview::new(document, "law", Decision::Undo, "ana")).await.unwrap_err();
        assert!(matches!(undone, ReviewError::NothingToUndo { .. }), "{undone}");
        transaction.commit().await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations").await, 0);
    })
    .await;
}
