//! Differences between two snapshots.

use aprendiz_dataset::inspect::{Change, ChangeKind, InspectError, changes, diff};
use serde_json::json;
use uuid::Uuid;

use crate::corpus::day;
use crate::inspect::{count, execute, review_by, snapshot};
use crate::test_database::with_corpus;

#[test]
fn every_kind_of_change_is_listed_once_and_counted() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        corpus.categorical("kind").await;
        let [kept, relabelled, labelled, rewritten] = ["a", "b", "c", "d"];
        let mut documents = Vec::new();
        for text in [kept, relabelled, labelled, rewritten] {
            let document = corpus.document("train", text).await;
            review_by(corpus, "ana", document, "law", Some("Utah"), day(1)).await;
            documents.push(document);
        }
        let unlabelled = corpus.document("test", "e").await;
        review_by(corpus, "ana", unlabelled, "law", Some("Texas"), day(1)).await;
        review_by(corpus, "ana", unlabelled, "kind", Some("lease"), day(1)).await;
        let removed = corpus.document("validation", "f").await;
        review_by(corpus, "ana", removed, "law", None, day(1)).await;
        let before = snapshot(corpus, &["law", "kind"]).await;

        review_by(corpus, "rui", documents[1], "law", None, day(2)).await;
        review_by(corpus, "rui", documents[2], "kind", Some("sale"), day(2)).await;
        corpus.text(documents[3], 2, "d, changed").await;
        corpus.event(unlabelled, "kind", &[], "UNREVIEWED", day(2)).await;
        corpus.event(removed, "law", &[], "UNREVIEWED", day(2)).await;
        let added = corpus.document("test", "g").await;
        review_by(corpus, "ana", added, "law", Some("Utah"), day(2)).await;
        // never happens in practice
        corpus.split(documents[0], 2, "another", "validation").await;
        let after = snapshot(corpus, &["law", "kind"]).await;

        let found = diff(&mut corpus.conn, before, after).await.unwrap();
        assert!(!found.same_content);
        assert_eq!((found.in_both, found.moved_split), (5, 1));
        let counts: Vec<_> = found.counts.iter().map(|count| (count.kind, count.field.as_deref(), count.changes)).collect();
        assert_eq!(
            counts,
            [
                (ChangeKind::Added, None, 1),
                (ChangeKind::Removed, None, 1),
                (ChangeKind::MovedSplit, None, 1),
                (ChangeKind::TextChanged, None, 1),
                (ChangeKind::Labelled, Some("kind"), 1),
                (ChangeKind::Unlabelled, Some("kind"), 1),
                (ChangeKind::Relabelled, Some("law"), 1),
            ]
        );
        let all = changes(&mut corpus.conn, before, after, None, 100).await.unwrap();
        let listed = |document: Uuid| -> Vec<&Change> { all.iter().filter(|change| change.document_id == document).collect() };
        assert_eq!(all.len(), 7);
        for change in &all {
            let name = "SELECT concat_ws('/', source, project, task_id) FROM documents WHERE id = $1";
            let name: String = sqlx::query_scalar(name).bind(change.document_id).fetch_one(&mut corpus.conn).await.unwrap();
            assert_eq!(change.document, name, "{change:?}");
        }
        assert_eq!(listed(documents[1])[0].old, Some(json!(["Utah"])));
        assert_eq!(listed(documents[1])[0].new, Some(json!([])));
        assert_eq!((&listed(documents[2])[0].old, &listed(documents[2])[0].new), (&None, &Some(json!(["sale"]))));
        assert_eq!(listed(documents[0])[0].new, Some(json!("validation")));
        assert_eq!(listed(removed)[0].old, Some(json!("validation")));
        assert_eq!(listed(added)[0].new, Some(json!("test")));

        // paging yields the same list
        let (mut paged, mut cursor) = (Vec::new(), None);
        loop {
            let page = changes(&mut corpus.conn, before, after, cursor.as_ref(), 2).await.unwrap();
            cursor = page.last().map(Change::cursor);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all);

        // in the opposite direction
        let back = diff(&mut corpus.conn, after, before).await.unwrap();
        assert_eq!(back.counts.iter().map(|count| count.changes).sum::<i64>(), 7);
        let law = back.drift.fields.iter().find(|field| field.field == "law").unwrap();
        assert_eq!((law.examples_from, law.examples_to), (6, 6));
    });
}

#[test]
fn a_snapshot_has_no_changes_to_itself() {
    with_corpus(async |corpus| {
        let _ = crate::inspect::two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        let found = diff(&mut corpus.conn, dataset, dataset).await.unwrap();
        assert!(found.same_content && found.counts.is_empty());
        assert_eq!(found.in_both, 2);
        assert_eq!(found.drift.fields[0].total_variation, 0.0);
        assert!(changes(&mut corpus.conn, dataset, dataset, None, 10).await.unwrap().is_empty());
    });
}

#[test]
fn reordering_several_values_is_not_a_change() {
    with_corpus(async |corpus| {
        corpus.field("parties", "categorical", "many").await;
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        review_by(corpus, "ana", document, "law", Some("Utah"), day(1)).await;
        corpus.event(document, "parties", &["A", "B"], "NEW", day(1)).await;
        let before = snapshot(corpus, &["law", "parties"]).await;
        corpus.event(document, "parties", &["B", "A"], "NEW", day(2)).await;
        let after = snapshot(corpus, &["law", "parties"]).await;
        assert!(changes(&mut corpus.conn, before, after, None, 10).await.unwrap().is_empty());
    });
}

#[test]
fn unknown_and_erased_snapshots_cannot_be_compared() {
    with_corpus(async |corpus| {
        let _ = crate::inspect::two_documents(corpus).await;
        let dataset = snapshot(corpus, &["law"]).await;
        let unknown = diff(&mut corpus.conn, dataset, Uuid::nil()).await.unwrap_err();
        assert!(matches!(unknown, InspectError::UnknownDataset(id) if id.is_nil()));
        execute(corpus, "UPDATE datasets SET erased_at = now()").await;
        assert_eq!(count(corpus, "SELECT count(*) FROM datasets WHERE erased_at IS NOT NULL").await, 1);
        let erased = diff(&mut corpus.conn, dataset, dataset).await.unwrap_err();
        assert!(matches!(erased, InspectError::Erased { id, .. } if id == dataset));
    });
}
