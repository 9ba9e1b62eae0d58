//! Review leases.

use std::time::Duration;

use aprendiz_annotations::reviews::{Decision, NewReview, ReviewError, acquire_lease, current_lease, record_review, release_lease};
use uuid::Uuid;

use crate::database::{count, import, with_database};
use crate::reviews::{MINUTE, document_ids, law_review};
use crate::task_builders::{file, reviewed, task};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_holder_of_a_lease_reviews_until_it_ends() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Ohio")]), task(2)])).await.unwrap();
        let document = document_ids(&pool).await[0];
        let mut conn = pool.acquire().await.unwrap();
        let first = acquire_lease(&mut conn, document, "ana", "spa", MINUTE).await.unwrap();
        let renewed = acquire_lease(&mut conn, document, "ana", "spa", 2 * MINUTE).await.unwrap();
        assert!(renewed.acquired_at == first.acquired_at && renewed.expires_at > first.expires_at);

        let refused = |error: ReviewError| match error {
            ReviewError::Leased(lease) => assert_eq!((lease.reviewer.as_str(), lease.expires_at), ("ana", renewed.expires_at)),
            other => panic!("{other}"),
        };
        refused(acquire_lease(&mut conn, document, "bob", "spa", MINUTE).await.unwrap_err());
        refused(release_lease(&mut conn, document, "bob").await.unwrap_err());
        refused(record_review(&mut conn, law_review(document, "bob")).await.unwrap_err());
        refused(record_review(&mut conn, NewReview::new(document, "law", Decision::Undo, "bob")).await.unwrap_err());
        record_review(&mut conn, law_review(document, "ana")).await.unwrap();
        let report = import(&pool, file(&[reviewed(1, &[("law", "Ohio"), ("term", "long")])])).await.unwrap();
        assert_eq!(report.quarantined, 0, "imports ignore leases");

        // an expired lease blocks no one
        sqlx::query("UPDATE review_leases SET acquired_at = acquired_at - interval '1 hour', expires_at = expires_at - interval '1 hour'")
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(current_lease(&mut conn, document).await.unwrap(), None);
        record_review(&mut conn, law_review(document, "bob")).await.unwrap();
        let taken = acquire_lease(&mut conn, document, "bob", "cli", MINUTE).await.unwrap();
        assert!(taken.reviewer == "bob" && taken.acquired_at > first.acquired_at);
        assert!(release_lease(&mut conn, document, "bob").await.unwrap());
        assert!(!release_lease(&mut conn, document, "bob").await.unwrap(), "it was released before");
        assert_eq!(count(&pool, "SELECT count(*) FROM review_leases").await, 0);

        for (document, reviewer, time) in [(document, " ", MINUTE), (document, "ana", Duration::ZERO), (document, "ana", MINUTE * 10_000)] {
            assert!(matches!(acquire_lease(&mut conn, document, reviewer, "spa", time).await, Err(ReviewError::Invalid { .. })));
        }
        assert!(matches!(acquire_lease(&mut conn, Uuid::nil(), "ana", "spa", MINUTE).await, Err(ReviewError::UnknownDocument(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_concurrent_reviewers_gets_the_lease() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1)])).await.unwrap();
        let document = document_ids(&pool).await[0];
        let acquire = |reviewer: &'static str| {
            let pool = pool.clone();
            async move { acquire_lease(&mut pool.acquire().await.unwrap(), document, reviewer, "spa", MINUTE).await.is_ok() }
        };
        for _ in 0..20 {
            let got = tokio::join!(acquire("ana"), acquire("bob"), acquire("eve"));
            assert_eq!([got.0, got.1, got.2].into_iter().filter(|got| *got).count(), 1);
            sqlx::query("DELETE FROM review_leases").execute(&pool).await.unwrap();
        }
    })
    .await;
}
