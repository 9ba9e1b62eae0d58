//! Lineage of snapshots and documents.

use aprendiz_dataset::inspect::{DatasetValue, InspectError, document_lineage, lineage, load_snapshot, values};
use aprendiz_dataset::{SelectionRequest, Split};
use aprendiz_db::Scope;
use uuid::Uuid;

use crate::corpus::day;
use crate::inspect::{publish_version, record_snapshot, review_by, snapshot, two_documents};
use crate::test_database::with_corpus;

#[test]
fn snapshot_lineage_lists_reviewers_sources_runs_and_versions() {
    with_corpus(async |corpus| {
        let (one, _) = two_documents(corpus).await;
        corpus.categorical("kind").await;
        review_by(corpus, "ana", one, "kind", Some("lease"), day(5)).await;
        let dataset = snapshot(corpus, &["law", "kind"]).await;
        let run = publish_version(corpus, dataset, 1).await;
        // later reviews do not count
        review_by(corpus, "eva", one, "law", Some("Ohio"), day(9)).await;
        let found = lineage(&mut corpus.conn, &Scope::All, dataset).await.unwrap();
        let reviewers: Vec<_> = found.reviewers.iter().map(|reviewer| (reviewer.reviewer.as_deref().unwrap(), reviewer.values)).collect();
        assert_eq!(reviewers, [("ana", 2), ("rui", 1)]);
        assert_eq!((found.reviewers[0].first_at, found.reviewers[0].last_at), (day(1), day(5)));
        assert_eq!((found.documents[0].project.as_str(), found.documents[0].documents), ("7", 2));
        assert_eq!((found.values[0].source.as_str(), found.values[0].values), ("label-studio", 3));
        assert_eq!((found.runs[0].id, found.versions[0].number), (run, 1));

        let snapshot = load_snapshot(&mut corpus.conn, dataset).await.unwrap();
        let all = values(&mut corpus.conn, &snapshot, None, 10).await.unwrap();
        let listed: Vec<_> = all.iter().map(|value| (value.field.as_str(), value.reviewer.as_deref().unwrap(), value.split)).collect();
        assert_eq!(listed, [("kind", "ana", Split::Train), ("law", "ana", Split::Train), ("law", "rui", Split::Test)]);
        let first = values(&mut corpus.conn, &snapshot, None, 1).await.unwrap();
        let rest = values(&mut corpus.conn, &snapshot, first.last().map(DatasetValue::cursor).as_ref(), 10).await.unwrap();
        assert_eq!(rest, all[1..]);
    });
}

#[test]
fn document_lineage_lists_only_the_snapshots_that_contain_the_document() {
    with_corpus(async |corpus| {
        let (one, other) = two_documents(corpus).await;
        corpus.categorical("kind").await;
        review_by(corpus, "ana", other, "kind", Some("lease"), day(1)).await;
        let excluded = corpus.document("excluded", "a bridge").await;
        review_by(corpus, "ana", excluded, "law", Some("Utah"), day(1)).await;
        let all = snapshot(corpus, &["law"]).await;
        let kinds = snapshot(corpus, &["kind"]).await;
        let request = SelectionRequest { documents: Some(vec![other]), ..corpus.request(&["law"]).await };
        let built = corpus.try_build(request).await.unwrap();
        let chosen = record_snapshot(corpus, &built).await;
        let run = publish_version(corpus, all, 1).await;
        publish_version(corpus, kinds, 2).await;

        let found = document_lineage(&mut corpus.conn, &Scope::All, one).await.unwrap();
        assert_eq!(found.snapshots.iter().map(|snapshot| snapshot.dataset_id).collect::<Vec<_>>(), [all]);
        assert_eq!(found.snapshots[0].runs[0].id, run);
        assert_eq!(found.retire.iter().map(|version| (version.number, version.split)).collect::<Vec<_>>(), [(1, Split::Train)]);
        assert!(found.retire[0].reason.starts_with("trained on this document"), "{:?}", found.retire);

        let found = document_lineage(&mut corpus.conn, &Scope::All, other).await.unwrap();
        assert_eq!(found.snapshots.iter().map(|snapshot| snapshot.dataset_id).collect::<Vec<_>>(), [all, kinds, chosen]);
        assert!(found.retire.iter().all(|version| version.reason.contains("test_predictions.jsonl")), "{:?}", found.retire);
        assert_eq!(found.retire.len(), 2);

        assert!(document_lineage(&mut corpus.conn, &Scope::All, excluded).await.unwrap().snapshots.is_empty());
        let unknown = document_lineage(&mut corpus.conn, &Scope::All, Uuid::nil()).await.unwrap_err();
        assert!(matches!(unknown, InspectError::UnknownDocument(_)));
    });
}
