//! Verifies that snapshots can be rebuilt from the events.

use aprendiz_dataset::inspect::{InspectError, Verdict, verify};
use sqlx::Connection;
use uuid::Uuid;

use crate::corpus::day;
use crate::inspect::{execute, review_by, snapshot, two_documents};
use crate::test_database::with_corpus;

#[test]
fn a_snapshot_verifies_after_later_edits() {
    with_corpus(async |corpus| {
        let (one, other) = two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        review_by(corpus, "rui", one, "law", Some("Ohio"), day(3)).await;
        // reviewed long ago, recorded only now
        review_by(corpus, "rui", other, "law", None, day(0)).await;
        corpus.text(one, 2, "rewritten").await;
        let _ = corpus.document("train", "a newcomer").await;
        let found = verify(&corpus.database, dataset).await.unwrap();
        assert_eq!((found.verdict, found.differences.len()), (Verdict::Same, 0));
    });
}

#[test]
fn a_change_outside_aprendiz_is_detected_and_listed() {
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
fn a_snapshot_of_another_builder_version_is_not_compared() {
    with_corpus(async |corpus| {
        let _ = two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        execute(corpus, "UPDATE datasets SET builder_version = 2").await;
        assert_eq!(
            verify(&corpus.database, dataset).await.unwrap().verdict,
            Verdict::Same,
            "version 2 wrote other bytes but has the same canonical hash"
        );
        execute(corpus, "UPDATE datasets SET builder_version = 0").await;
        let found = verify(&corpus.database, dataset).await.unwrap();
        assert_eq!((found.verdict, found.builder_version), (Verdict::OtherBuilderVersion, 0));
    });
}

#[test]
fn an_erased_document_is_listed_with_its_hashes() {
    with_corpus(async |corpus| {
        let (one, _) = two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        let mut transaction = corpus.conn.begin().await.unwrap();
        aprendiz_dataset::inspect::erase_document(&mut transaction, one, "admin", "request 7").await.unwrap();
        transaction.commit().await.unwrap();
        let found = verify(&corpus.database, dataset).await.unwrap();
        assert_eq!(found.verdict, Verdict::Erased);
        let [erased] = &found.erased[..] else { panic!("{:?}", found.erased) };
        assert_eq!((erased.document_id, erased.actor.as_str(), erased.reason.as_str()), (one, "admin", "request 7"));
        assert_eq!((erased.proof.len(), erased.proof[0].version, erased.proof[0].sha256.len()), (1, 1, 64));
    });
}

#[test]
fn an_unknown_snapshot_cannot_be_verified() {
    with_corpus(async |corpus| {
        let unknown = verify(&corpus.database, Uuid::nil()).await.unwrap_err();
        assert!(matches!(unknown, InspectError::UnknownDataset(_)));
    });
}

#[test]
fn erasing_a_document_without_reviews_does_not_change_the_verdict() {
    with_corpus(async |corpus| {
        let _ = two_documents(corpus).await;
        let unreviewed = corpus.document("train", "a document without reviews").await;
        let dataset = snapshot(corpus, &["law"]).await;
        let mut transaction = corpus.conn.begin().await.unwrap();
        aprendiz_dataset::inspect::erase_document(&mut transaction, unreviewed, "admin", "request 8").await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(verify(&corpus.database, dataset).await.unwrap().verdict, Verdict::Same);
    });
}

#[test]
fn a_snapshot_read_before_an_erasure_is_not_recorded() {
    with_corpus(async |corpus| {
        let (one, _) = two_documents(corpus).await;
        let built = corpus.build(&["law"]).await;
        let mut transaction = corpus.conn.begin().await.unwrap();
        aprendiz_dataset::inspect::erase_document(&mut transaction, one, "admin", "request 9").await.unwrap();
        transaction.commit().await.unwrap();
        let new = aprendiz_dataset::NewDataset {
            id: Uuid::now_v7(),
            selection: &built.selection,
            snapshot: &built.snapshot,
            object_prefix: "datasets/1",
        };
        let error = aprendiz_dataset::record(&mut corpus.conn, new).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("dataset_erased", true));
        assert!(error.to_string().contains(&one.to_string()), "{error}");
        let again = corpus.build(&["law"]).await;
        assert_eq!(again.snapshot.examples, 1);
    });
}
