//! Whether a snapshot can still be made from the events.

use dataset::inspect::{InspectError, Verdict, verify};
use sqlx::Connection;
use uuid::Uuid;

use crate::corpus::day;
use crate::inspecting::{execute, review_by, snapshot, two_documents};
use crate::scratch::with_corpus;

#[test]
fn a_snapshot_is_the_same_also_after_later_edits() {
    with_corpus(async |corpus| {
        let (one, other) = two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        review_by(corpus, "rui", one, "law", Some("Ohio"), day(3)).await;
        // decided long ago, recorded only now
        review_by(corpus, "rui", other, "law", None, day(0)).await;
        corpus.text(one, 2, "rewritten").await;
        let _ = corpus.document("train", "a newcomer").await;
        let found = verify(&corpus.database, dataset).await.unwrap();
        assert_eq!((found.verdict, found.differences.len()), (Verdict::Same, 0));
    });
}

#[test]
fn a_change_past_aprendiz_is_found_and_named() {
    with_corpus(async |corpus| {
        let (one, _) = two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        execute(
            corpus,
            format!(
                "ALTER TABLE annotation_events DISABLE TRIGGER USER;
                 DELETE FROM annotation_events WHERE document_id = '{one}';
                 ALTER TABLE annotation_events ENABLE TRIGGER USER"
            ),
        )
        .await;
        let found = verify(&corpus.database, dataset).await.unwrap();
        assert_eq!(found.verdict, Verdict::Different);
        let named: Vec<&str> = found.differences.iter().map(|difference| difference.what).collect();
        assert!(named.contains(&"canonical_hash") && named.contains(&"examples"), "{named:?}");
        let examples = found.differences.iter().find(|difference| difference.what == "examples").unwrap();
        assert_eq!((examples.recorded.as_i64(), examples.rebuilt.as_i64()), (Some(2), Some(1)));
    });
}

#[test]
fn a_snapshot_of_another_builder_is_not_compared() {
    with_corpus(async |corpus| {
        let _ = two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        execute(corpus, "UPDATE datasets SET builder_version = 2").await;
        assert_eq!(
            verify(&corpus.database, dataset).await.unwrap().verdict,
            Verdict::Same,
            "it wrote other bytes, but hashed the same rows"
        );
        execute(corpus, "UPDATE datasets SET builder_version = 0").await;
        let found = verify(&corpus.database, dataset).await.unwrap();
        assert_eq!((found.verdict, found.builder_version), (Verdict::OtherBuilderVersion, 0));
    });
}

#[test]
fn an_erased_document_is_named_with_its_proof() {
    with_corpus(async |corpus| {
        let (one, _) = two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        let mut transaction = corpus.conn.begin().await.unwrap();
        dataset::inspect::erase_document(&mut transaction, one, "admin", "request 7").await.unwrap();
        transaction.commit().await.unwrap();
        let found = verify(&corpus.database, dataset).await.unwrap();
        assert_eq!(found.verdict, Verdict::Erased);
        let [erased] = &found.erased[..] else { panic!("{:?}", found.erased) };
        assert_eq!((erased.document_id, erased.actor.as_str(), erased.reason.as_str()), (one, "admin", "request 7"));
        assert_eq!((erased.proof.len(), erased.proof[0].version, erased.proof[0].sha256.len()), (1, 1, 64));
    });
}

#[test]
fn what_is_not_there_cannot_be_verified() {
    with_corpus(async |corpus| {
        let unknown = verify(&corpus.database, Uuid::nil()).await.unwrap_err();
        assert!(matches!(unknown, InspectError::UnknownDataset(_)));
    });
}

#[test]
fn an_erasure_elsewhere_changes_no_verdict_but_asks_for_another_snapshot() {
    with_corpus(async |corpus| {
        let _ = two_documents(corpus).await;
        let unreviewed = corpus.document("train", "nobody said anything about it").await;
        let dataset = snapshot(corpus, &["law"]).await;
        let mut transaction = corpus.conn.begin().await.unwrap();
        dataset::inspect::erase_document(&mut transaction, unreviewed, "admin", "request 8").await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(verify(&corpus.database, dataset).await.unwrap().verdict, Verdict::Same);
    });
}

#[test]
fn a_snapshot_read_before_an_erasure_is_not_recorded_after_it() {
    with_corpus(async |corpus| {
        let (one, _) = two_documents(corpus).await;
        let built = corpus.build(&["law"]).await;
        let mut transaction = corpus.conn.begin().await.unwrap();
        dataset::inspect::erase_document(&mut transaction, one, "admin", "request 9").await.unwrap();
        transaction.commit().await.unwrap();
        let new =
            dataset::NewDataset { id: Uuid::now_v7(), selection: &built.selection, snapshot: &built.snapshot, object_prefix: "datasets/1" };
        let error = dataset::record(&mut corpus.conn, new).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("dataset_erased", true));
        assert!(error.to_string().contains(&one.to_string()), "{error}");
        let again = corpus.build(&["law"]).await;
        assert_eq!(again.snapshot.examples, 1);
    });
}
