//! Who reviews what at the moment, what waits, and predictions accepted many at once.

use std::time::Duration;

use annotations::review::{
    Acceptance, NewReview, ReviewError, Said, WaitingFilter, WaitingOrder, WaitingPlace, accept_predictions, acquire_lease, lease_of,
    release_lease, review, waiting,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{count, import, with_database};
use crate::export::{file, prediction, reviewed, task};

const MINUTE: Duration = Duration::from_secs(60);

async fn documents(pool: &PgPool) -> Vec<Uuid> {
    sqlx::query_scalar("SELECT id FROM documents ORDER BY id").fetch_all(pool).await.unwrap()
}

/// Documents with a prediction of `law` and of `term`, whose confidence is their number in hundredths.
async fn predicted(pool: &PgPool, count: u64) {
    let tasks: Vec<Value> = (1..=count)
        .map(|id| {
            let mut task = task(id);
            let mut said = prediction(id, "v1", "2024-01-01T00:00:00Z", &[("law", "Texas"), ("term", "long")]);
            said["score"] = json!(id as f64 / 100.0);
            task["predictions"] = json!([said]);
            task
        })
        .collect();
    import(pool, file(&tasks)).await.unwrap();
}

fn said(document: Uuid, reviewer: &str) -> NewReview {
    NewReview::new(document, "law", Said::Value(vec!["Texas".to_owned()]), reviewer)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_lease_reviews_and_others_wait_until_it_ends() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Ohio")]), task(2)])).await.unwrap();
        let document = documents(&pool).await[0];
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
        refused(review(&mut conn, said(document, "bob")).await.unwrap_err());
        refused(review(&mut conn, NewReview::new(document, "law", Said::Undone, "bob")).await.unwrap_err());
        review(&mut conn, said(document, "ana")).await.unwrap();
        let report = import(&pool, file(&[reviewed(1, &[("law", "Ohio"), ("term", "long")])])).await.unwrap();
        assert_eq!(report.quarantined, 0, "an import is not held up");

        // expired: no lease any more, for nobody
        sqlx::query("UPDATE review_leases SET acquired_at = acquired_at - interval '1 hour', expires_at = expires_at - interval '1 hour'")
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(lease_of(&mut conn, document).await.unwrap(), None);
        review(&mut conn, said(document, "bob")).await.unwrap();
        let taken = acquire_lease(&mut conn, document, "bob", "cli", MINUTE).await.unwrap();
        assert!(taken.reviewer == "bob" && taken.acquired_at > first.acquired_at);
        assert!(release_lease(&mut conn, document, "bob").await.unwrap());
        assert!(!release_lease(&mut conn, document, "bob").await.unwrap(), "there is none any more");
        assert_eq!(count(&pool, "SELECT count(*) FROM review_leases").await, 0);

        for (document, reviewer, time) in [(document, " ", MINUTE), (document, "ana", Duration::ZERO), (document, "ana", MINUTE * 10_000)] {
            assert!(matches!(acquire_lease(&mut conn, document, reviewer, "spa", time).await, Err(ReviewError::Invalid { .. })));
        }
        assert!(matches!(acquire_lease(&mut conn, Uuid::nil(), "ana", "spa", MINUTE).await, Err(ReviewError::UnknownDocument(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_reviewers_at_once_one_gets_the_lease() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1)])).await.unwrap();
        let document = documents(&pool).await[0];
        let take = |reviewer: &'static str| {
            let pool = pool.clone();
            async move { acquire_lease(&mut pool.acquire().await.unwrap(), document, reviewer, "spa", MINUTE).await.is_ok() }
        };
        for _ in 0..20 {
            let got = tokio::join!(take("ana"), take("bob"), take("eve"));
            assert_eq!([got.0, got.1, got.2].into_iter().filter(|got| *got).count(), 1);
            sqlx::query("DELETE FROM review_leases").execute(&pool).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_listed_by_document_or_the_least_sure_first() {
    with_database(|pool| async move {
        predicted(&pool, 30).await;
        let mut conn = pool.acquire().await.unwrap();
        let all = documents(&pool).await;
        review(&mut conn, said(all[0], "ana")).await.unwrap();
        review(&mut conn, said(all[1], "ana")).await.unwrap();
        review(&mut conn, NewReview::new(all[1], "law", Said::Undone, "ana")).await.unwrap();
        acquire_lease(&mut conn, all[2], "bob", "spa", MINUTE).await.unwrap();

        for order in [WaitingOrder::Document, WaitingOrder::Uncertain] {
            let (mut found, mut after): (Vec<(i64, Uuid, String)>, Option<WaitingPlace>) = (Vec::new(), None);
            loop {
                let page = waiting(&mut conn, &WaitingFilter::default(), order, after.as_ref(), 7).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.place());
                found.extend(page.into_iter().map(|one| {
                    let place = if order == WaitingOrder::Uncertain { (one.confidence.unwrap() * 100.0).round() as i64 } else { 0 };
                    (place, one.document_id, one.field)
                }));
            }
            assert_eq!(found.len(), 59, "one of sixty is reviewed, one was undone");
            assert!(found.is_sorted(), "{order:?}: {found:?}");
        }
        let filtered = WaitingFilter {
            field: Some("law".to_owned()),
            source: Some("label-studio".to_owned()),
            project: Some("1".to_owned()),
            min_confidence: Some(0.02),
            below_confidence: Some(0.05),
            free_for: Some("ana".to_owned()),
        };
        let found = waiting(&mut conn, &filtered, WaitingOrder::Uncertain, None, 50).await.unwrap();
        assert_eq!(found.iter().map(|one| one.task_id.as_str()).collect::<Vec<_>>(), ["2", "4"], "bob is at work on 3");
        assert_eq!((found[0].version, found[0].extractor_version.as_deref()), (3, Some("v1")), "what If-Match must name");
        let own = WaitingFilter { free_for: Some("bob".to_owned()), ..filtered };
        let found = waiting(&mut conn, &own, WaitingOrder::Uncertain, None, 50).await.unwrap();
        assert_eq!(found[1].leased_by.as_deref(), Some("bob"));
        let none = WaitingFilter { project: Some("2".to_owned()), ..WaitingFilter::default() };
        assert!(waiting(&mut conn, &none, WaitingOrder::Document, None, 50).await.unwrap().is_empty());
    })
    .await;
}

fn acceptance(min_confidence: f64) -> Acceptance {
    Acceptance {
        field: "law".to_owned(),
        min_confidence,
        source: None,
        project: None,
        extractor_version: None,
        reviewer: "ana".to_owned(),
        actor: "spa".to_owned(),
        note: None,
        after: None,
        limit: 1000,
        dry_run: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sure_predictions_are_accepted_batch_by_batch_with_who_did_it() {
    with_database(|pool| async move {
        predicted(&pool, 30).await;
        let mut conn = pool.acquire().await.unwrap();
        let all = documents(&pool).await;
        acquire_lease(&mut conn, all[29], "bob", "spa", MINUTE).await.unwrap();
        review(&mut conn, said(all[28], "bob")).await.unwrap();

        let asked = Acceptance { dry_run: true, ..acceptance(0.11) };
        let would = accept_predictions(&mut conn, &asked).await.unwrap();
        assert_eq!((would.accepted, would.dry_run, would.documents.len(), would.next), (18, true, 10, None));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 1, "a question changes nothing");

        let (mut accepted, mut batches, mut after) = (0, 0, None);
        loop {
            let batch = accept_predictions(&mut conn, &Acceptance { limit: 7, after, ..acceptance(0.11) }).await.unwrap();
            (accepted, batches, after) = (accepted + batch.accepted, batches + 1, batch.next);
            if after.is_none() {
                break;
            }
        }
        assert_eq!((accepted, batches), (18, 3));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations WHERE field = 'law' AND review_status = 'OK'").await, 19);
        let events =
            "SELECT count(*) FROM annotation_events WHERE reviewer = 'ana' AND actor = 'spa' AND source = 'api' AND review_status = 'OK'
                      AND value = '{Texas}' AND note LIKE '%0.11' AND source_ref = 'position/' || position";
        assert_eq!(count(&pool, events).await, 18);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations WHERE field = 'term' AND review_status <> 'UNREVIEWED'").await, 0);
        assert_eq!(accept_predictions(&mut conn, &acceptance(0.11)).await.unwrap().accepted, 0, "nothing is accepted twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_its_field_is_left_alone_and_bounds_are_told() {
    with_database(|pool| async move {
        predicted(&pool, 3).await;
        sqlx::query("UPDATE fields SET allowed_values = '{Ohio}' WHERE name = 'law'").execute(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let left = accept_predictions(&mut conn, &acceptance(0.0)).await.unwrap();
        assert_eq!((left.accepted, left.unfit), (0, 3));
        assert!(left.unfit_reason.unwrap().contains("allowed values"));
        for bad in [
            Acceptance { min_confidence: 1.5, ..acceptance(0.0) },
            Acceptance { min_confidence: f64::NAN, ..acceptance(0.0) },
            Acceptance { limit: 1001, ..acceptance(0.0) },
            Acceptance { reviewer: " ".to_owned(), ..acceptance(0.0) },
        ] {
            assert!(matches!(accept_predictions(&mut conn, &bad).await, Err(ReviewError::Invalid { .. })), "{bad:?}");
        }
        let unheard = Acceptance { field: "unheard".to_owned(), ..acceptance(0.0) };
        assert!(matches!(accept_predictions(&mut conn, &unheard).await, Err(ReviewError::UnknownField(_))));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 0);
    })
    .await;
}
