//! Accepting predictions in bulk.

use aprendiz_annotations::reviews::{Acceptance, ReviewError, accept_predictions, acquire_lease, record_review};
use aprendiz_db::Scope;

use crate::database::{count, with_database};
use crate::reviews::{MINUTE, document_ids, law_review, predicted};

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
async fn confident_predictions_are_accepted_in_batches_with_reviewer_and_actor() {
    with_database(|pool| async move {
        predicted(&pool, 30).await;
        let mut conn = pool.acquire().await.unwrap();
        let all = document_ids(&pool).await;
        acquire_lease(&mut conn, all[29], "bob", "spa", MINUTE).await.unwrap();
        record_review(&mut conn, law_review(all[28], "bob")).await.unwrap();

        let request = Acceptance { dry_run: true, ..acceptance(0.11) };
        let planned = accept_predictions(&mut conn, &Scope::All, &request).await.unwrap();
        assert_eq!((planned.accepted, planned.dry_run, planned.documents.len(), planned.next), (18, true, 10, None));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 1, "a dry run changes nothing");

        let (mut accepted, mut batches, mut after) = (0, 0, None);
        loop {
            let batch = accept_predictions(&mut conn, &Scope::All, &Acceptance { limit: 7, after, ..acceptance(0.11) }).await.unwrap();
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
        assert_eq!(accept_predictions(&mut conn, &Scope::All, &acceptance(0.11)).await.unwrap().accepted, 0, "nothing is accepted twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_predictions_are_skipped_and_invalid_requests_are_rejected() {
    with_database(|pool| async move {
        predicted(&pool, 3).await;
        sqlx::query("UPDATE fields SET allowed_values = '{Ohio}' WHERE name = 'law'").execute(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let result = accept_predictions(&mut conn, &Scope::All, &acceptance(0.0)).await.unwrap();
        assert_eq!((result.accepted, result.unfit), (0, 3));
        assert!(result.unfit_reason.unwrap().contains("allowed values"));
        for bad in [
            Acceptance { min_confidence: 1.5, ..acceptance(0.0) },
            Acceptance { min_confidence: f64::NAN, ..acceptance(0.0) },
            Acceptance { limit: 1001, ..acceptance(0.0) },
            Acceptance { reviewer: " ".to_owned(), ..acceptance(0.0) },
        ] {
            assert!(matches!(accept_predictions(&mut conn, &Scope::All, &bad).await, Err(ReviewError::Invalid { .. })), "{bad:?}");
        }
        let unknown = Acceptance { field: "unknown".to_owned(), ..acceptance(0.0) };
        assert!(matches!(accept_predictions(&mut conn, &Scope::All, &unknown).await, Err(ReviewError::UnknownField(_))));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 0);
    })
    .await;
}
