//! Listing of the fields that wait for review.

use aprendiz_annotations::reviews::{
    Decision, NewReview, WaitingCursor, WaitingFilter, WaitingOrder, acquire_lease, list_waiting, record_review,
};
use aprendiz_db::Scope;
use uuid::Uuid;

use crate::database::with_database;
use crate::reviews::{MINUTE, document_ids, law_review, predicted};

#[tokio::test(flavor = "multi_thread")]
async fn waiting_fields_are_listed_by_document_or_by_confidence() {
    with_database(|pool| async move {
        predicted(&pool, 30).await;
        let mut conn = pool.acquire().await.unwrap();
        let all = document_ids(&pool).await;
        record_review(&mut conn, law_review(all[0], "ana")).await.unwrap();
        record_review(&mut conn, law_review(all[1], "ana")).await.unwrap();
        record_review(&mut conn, NewReview::new(all[1], "law", Decision::Undo, "ana")).await.unwrap();
        acquire_lease(&mut conn, all[2], "bob", "spa", MINUTE).await.unwrap();

        for order in [WaitingOrder::Document, WaitingOrder::Uncertain] {
            let (mut found, mut after): (Vec<(i64, Uuid, String)>, Option<WaitingCursor>) = (Vec::new(), None);
            loop {
                let page = list_waiting(&mut conn, &Scope::All, &WaitingFilter::default(), order, after.as_ref(), 7).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.cursor());
                found.extend(page.into_iter().map(|one| {
                    let rank = if order == WaitingOrder::Uncertain { (one.confidence.unwrap() * 100.0).round() as i64 } else { 0 };
                    (rank, one.document_id, one.field)
                }));
            }
            assert_eq!(found.len(), 59, "one of sixty is reviewed, another review was undone");
            assert!(found.is_sorted(), "{order:?}: {found:?}");
        }
        let filtered = WaitingFilter {
            field: Some("law".to_owned()),
            source: Some("label-studio".to_owned()),
            project: Some("1".to_owned()),
            extractor_version: None,
            min_confidence: Some(0.02),
            below_confidence: Some(0.05),
            free_for: Some("ana".to_owned()),
        };
        let found = list_waiting(&mut conn, &Scope::All, &filtered, WaitingOrder::Uncertain, None, 50).await.unwrap();
        assert_eq!(found.iter().map(|one| one.task_id.as_str()).collect::<Vec<_>>(), ["2", "4"], "bob has the lease of 3");
        assert_eq!((found[0].version, found[0].extractor_version.as_deref()), (3, Some("v1")), "the version for If-Match");
        let own = WaitingFilter { free_for: Some("bob".to_owned()), ..filtered };
        let found = list_waiting(&mut conn, &Scope::All, &own, WaitingOrder::Uncertain, None, 50).await.unwrap();
        assert_eq!(found[1].leased_by.as_deref(), Some("bob"));
        let none = WaitingFilter { project: Some("2".to_owned()), ..WaitingFilter::default() };
        assert!(list_waiting(&mut conn, &Scope::All, &none, WaitingOrder::Document, None, 50).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_without_confidence_come_first_and_replaced_predictions_do_not_count() {
    with_database(|pool| async move {
        predicted(&pool, 10).await;
        let mut conn = pool.acquire().await.unwrap();
        let all = document_ids(&pool).await;
        for (document, statement) in [
            (all[2], "DELETE FROM extractions WHERE document_id = $1 AND field = 'term'"),
            // an undone review without a prediction
            (all[2], "UPDATE annotations SET predicted_value = NULL, event_position = 1 WHERE document_id = $1 AND field = 'term'"),
            (all[6], "UPDATE extractions SET confidence = NULL WHERE document_id = $1 AND field = 'law'"),
            (
                all[4],
                "INSERT INTO extractions (document_id, field, extractor_version, value, confidence, predicted_at) \
                 VALUES ($1, 'law', 'v2', '{Texas}', 0.99, clock_timestamp())",
            ),
        ] {
            assert_eq!(sqlx::query(statement).bind(document).execute(&mut *conn).await.unwrap().rows_affected(), 1);
        }
        let (filter, order) = (WaitingFilter::default(), WaitingOrder::Uncertain);
        let at_once = list_waiting(&mut conn, &Scope::All, &filter, order, None, 20).await.unwrap();
        assert_eq!(at_once.len(), 20, "a full page");
        let mut first = vec![(all[2], "term"), (all[6], "law")];
        first.sort();
        assert_eq!(at_once[..2].iter().map(|one| (one.document_id, one.field.as_str())).collect::<Vec<_>>(), first);
        let last = at_once.last().unwrap();
        assert_eq!((last.document_id, last.extractor_version.as_deref()), (all[4], Some("v2")));
        // a page that is not full is read in another way
        assert_eq!(list_waiting(&mut conn, &Scope::All, &filter, order, None, 50).await.unwrap(), at_once);
        let mut in_pages = Vec::new();
        loop {
            let after = in_pages.last().map(aprendiz_annotations::reviews::WaitingField::cursor);
            let page = list_waiting(&mut conn, &Scope::All, &filter, order, after.as_ref(), 4).await.unwrap();
            if page.is_empty() {
                break;
            }
            in_pages.extend(page);
        }
        assert_eq!(in_pages, at_once);
    })
    .await;
}
