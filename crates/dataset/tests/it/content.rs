//! Which documents come in, in which order, and when two snapshots are the same.

use dataset::{DatasetError, Format, Rehashed, SelectionRequest, build, key, rehash};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::scratch::with_corpus;

#[test]
fn a_snapshot_as_of_a_position_is_the_same_before_and_after_later_edits() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        corpus.review(document, "law", Some("Utah")).await;
        let request = corpus.request(&["law"]).await;
        let before = corpus.try_build(request.clone()).await.unwrap();
        corpus.review(document, "law", Some("Texas")).await;
        corpus.text(document, 2, "b").await;
        let newcomer = corpus.document("train", "c").await;
        corpus.review(newcomer, "law", None).await;
        let after = corpus.try_build(request).await.unwrap();
        assert_eq!(before.snapshot.canonical_hash, after.snapshot.canonical_hash);
        assert_eq!(before.snapshot.files, after.snapshot.files);
        assert_eq!(key(&before.selection, before.snapshot.extent), key(&after.selection, after.snapshot.extent));
        let now = corpus.build(&["law"]).await;
        assert_ne!(now.snapshot.canonical_hash, before.snapshot.canonical_hash);
    });
}

#[test]
fn of_several_versions_of_everything_the_last_up_to_the_position_counts() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        let neighbour = corpus.document("test", "z").await;
        corpus.review(neighbour, "law", Some("Ohio")).await;
        corpus.text(document, 2, "b").await;
        corpus.details(document, 2, Some("b.pdf"), r#"{"pages": 4}"#).await;
        corpus.split(document, 2, "moved", "validation").await;
        for value in ["Utah", "Iowa", "Texas"] {
            corpus.review(document, "law", Some(value)).await;
        }
        let request = corpus.request(&["law"]).await;
        corpus.details(document, 3, None, "{}").await;
        corpus.text(document, 3, "c").await;
        let built = corpus.try_build(request).await.unwrap();
        let examples = built.examples();
        assert_eq!(examples.len(), 2);
        let example = examples.iter().find(|example| example["task_id"] == "1").unwrap();
        assert_eq!((&example["text"], &example["file_name"], &example["metadata"]), (&json!("b"), &json!("b.pdf"), &json!({ "pages": 4 })));
        assert_eq!((&example["split"], &example["group"]), (&json!("validation"), &json!("moved")));
        assert_eq!(example["fields"]["law"]["value"], json!(["Texas"]));
    });
}

#[test]
fn a_snapshot_read_again_after_later_edits_has_the_same_hash() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        corpus.document("train", "nobody reviewed it").await;
        corpus.review(document, "law", Some("Utah")).await;
        let built = corpus.build(&["law"]).await;
        corpus.review(document, "law", Some("Texas")).await;
        corpus.details(document, 2, None, "{}").await;
        let again = rehash(&corpus.database, &built.selection).await.unwrap();
        let snapshot = &built.snapshot;
        let expected = Rehashed {
            canonical_hash: snapshot.canonical_hash.clone(),
            effective_position: snapshot.extent.position,
            examples: snapshot.examples,
        };
        assert_eq!(again, expected);
    });
}

#[test]
fn edits_of_other_fields_and_documents_do_not_change_the_key() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        corpus.categorical("type").await;
        let chosen = corpus.document("train", "a").await;
        let other = corpus.document("train", "b").await;
        corpus.review(chosen, "law", Some("Utah")).await;
        let request =
            async |corpus: &mut crate::corpus::Corpus| SelectionRequest { documents: Some(vec![chosen]), ..corpus.request(&["law"]).await };
        let before = request(corpus).await;
        let before = corpus.try_build(before).await.unwrap();
        corpus.review(other, "law", Some("Utah")).await;
        corpus.review(chosen, "type", Some("Service")).await;
        let after = request(corpus).await;
        let after = corpus.try_build(after).await.unwrap();
        assert!(after.selection.position > before.selection.position);
        assert_eq!(after.snapshot.extent, before.snapshot.extent);
        assert_eq!(after.snapshot.canonical_hash, before.snapshot.canonical_hash);
        assert_eq!(after.snapshot.files, before.snapshot.files, "no file may tell the position that was asked for");
    });
}

#[test]
fn examples_are_ordered_by_split_then_document_and_each_split_has_its_file() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        for (split, text) in [("test", "a"), ("train", "b"), ("validation", "c"), ("train", "d"), ("excluded", "e")] {
            let document = corpus.document(split, text).await;
            corpus.review(document, "law", Some("Utah")).await;
        }
        let built = corpus.build(&["law"]).await;
        assert_eq!(built.tasks(), ["2", "4", "3", "1"]);
        assert_eq!(built.snapshot.examples, 4);
        assert_eq!(built.snapshot.counts["splits"], json!({ "train": 2, "validation": 1, "test": 1 }));
        assert_eq!(built.snapshot.counts["excluded_documents"], json!({ "bridge": 1 }));
        assert!(!built.read("jsonl/train.jsonl").contains(r#""text":"a""#), "a test text must not be in a train file");
        assert_eq!(built.read("jsonl/test.jsonl").lines().count(), 1);
    });
}

#[test]
fn a_subset_of_documents_and_a_project_narrow_the_snapshot() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let mut documents = Vec::new();
        for text in ["a", "b", "c"] {
            let document = corpus.document("train", text).await;
            corpus.review(document, "law", Some("Utah")).await;
            documents.push(document);
        }
        let request =
            SelectionRequest { documents: Some(vec![documents[2], documents[0], documents[2]]), ..corpus.request(&["law"]).await };
        let built = corpus.try_build(request).await.unwrap();
        assert_eq!(built.tasks(), ["1", "3"]);
        assert_eq!(built.selection.documents.as_deref(), Some(&[documents[0], documents[2]][..]));

        let request = SelectionRequest { project: Some("8".into()), ..corpus.request(&["law"]).await };
        let error = corpus.try_build(request).await.err().unwrap();
        assert_eq!(error.code(), "no_examples");
        assert!(error.to_string().contains("project \"8\""), "{error}");
    });
}

#[test]
fn an_empty_database_is_a_permanent_error_in_words() {
    with_corpus(async |corpus| {
        let request = corpus.request(&[]).await;
        let error = corpus.try_build(request).await.err().unwrap();
        assert_eq!((error.code(), error.is_retryable()), ("no_examples", false));

        corpus.categorical("law").await;
        let request = corpus.request(&["law"]).await;
        let error = corpus.try_build(request).await.err().unwrap();
        assert_eq!(error.to_string(), "none of all documents has an accepted value for law up to position 1 (there are no such documents)");
    });
}

#[test]
fn equal_texts_in_two_splits_fail_the_build_and_are_named() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let train = corpus.document("train", "same").await;
        let test = corpus.document("test", "same").await;
        corpus.document("test", "other").await;
        corpus.review(train, "law", Some("Utah")).await;
        let request = corpus.request(&["law"]).await;
        let error = corpus.try_build(request).await.err().unwrap();
        let DatasetError::SplitLeak { documents } = error else { panic!("{error}") };
        assert_eq!(documents, format!("{train} (train) and {test} (test) share 100 % of the 8-word shingles of the smaller one"));
    });
}

/// Fifty words of a number.
fn passage(number: u32) -> String {
    (0..50).map(|word| format!("w{number}x{word} ")).collect()
}

#[test]
fn near_duplicates_in_two_splits_fail_the_build_and_both_are_named() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let train = corpus.document("train", &passage(1)).await;
        let test = corpus.document("test", &format!("{} {} {}", passage(2), passage(1).to_uppercase(), passage(3))).await;
        corpus.document("validation", &passage(4)).await;
        corpus.review(train, "law", Some("Utah")).await;
        let request = corpus.request(&["law"]).await;
        let before = request.clone();
        let error = corpus.try_build(request).await.err().unwrap();
        assert_eq!((error.code(), error.is_retryable()), ("split_leak", false));
        let DatasetError::SplitLeak { documents } = error else { panic!("{error}") };
        assert_eq!(documents, format!("{train} (train) and {test} (test) share 100 % of the 8-word shingles of the smaller one"));

        // the way out; a snapshot of before stays refused
        annotations::near_duplicates::index_missing(&mut corpus.conn).await.unwrap();
        assert_eq!(corpus.try_build(before).await.err().unwrap().code(), "split_leak");
        assert_eq!(corpus.build(&["law"]).await.tasks(), ["1"]);
    });
}

#[test]
fn a_group_in_two_splits_fails_the_build_and_at_most_ten_pairs_are_named() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let mut first = None;
        for number in 0..12 {
            let train = corpus.document("train", &passage(number)).await;
            let test = corpus.document("test", &passage(100 + number)).await;
            corpus.split(test, 2, &train.simple().to_string(), "test").await;
            first = first.or(Some((train, test)));
        }
        let (train, test) = first.unwrap();
        corpus.review(train, "law", Some("Utah")).await;
        let request = corpus.request(&["law"]).await;
        let error = corpus.try_build(request).await.err().unwrap().to_string();
        assert!(error.contains(&format!("{train} (train) and {test} (test) share one group")), "{error}");
        assert!(error.matches(" share ").count() == 10 && error.contains("and 2 more"), "{error}");
    });
}

#[test]
fn a_cancelled_build_ends_as_cancelled() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document: Uuid = corpus.document("train", "a").await;
        corpus.review(document, "law", Some("Utah")).await;
        let selection = corpus.build(&["law"]).await.selection;
        let dir = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        // the first report of progress comes before the first example
        let mut cancel_at_once = |_| cancel.cancel();
        let error = build(&corpus.database, &selection, &Format::ALL, dir.path(), &mut cancel_at_once, &cancel).await.unwrap_err();
        assert_eq!(error.code(), "cancelled");
        assert!(!dir.path().join("manifest.json").exists());
    });
}
