//! Which documents a snapshot contains, in which order, and when two snapshots are equal.

use aprendiz_dataset::{DatasetError, Format, RehashResult, SelectionRequest, build, rehash, snapshot_key};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::test_database::with_corpus;

#[test]
fn later_edits_do_not_change_a_snapshot_as_of_a_position() {
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
        assert_eq!(snapshot_key(&before.selection, before.snapshot.watermark), snapshot_key(&after.selection, after.snapshot.watermark));
        let now = corpus.build(&["law"]).await;
        assert_ne!(now.snapshot.canonical_hash, before.snapshot.canonical_hash);
    });
}

#[test]
fn the_latest_versions_up_to_the_position_are_used() {
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
        assert_eq!(
            (&example["text"], &example["file_name"], &example["metadata"]),
            (&json!("b"), &json!("b.pdf"), &json!("{\"pages\": 4}"))
        );
        assert_eq!((&example["split"], &example["group"]), (&json!("validation"), &json!("moved")));
        assert_eq!(example["fields"]["law"]["value"], json!(["Texas"]));
    });
}

#[test]
fn rehashing_after_later_edits_gives_the_same_hash() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        corpus.document("train", "a document without reviews").await;
        corpus.review(document, "law", Some("Utah")).await;
        let built = corpus.build(&["law"]).await;
        corpus.review(document, "law", Some("Texas")).await;
        corpus.details(document, 2, None, "{}").await;
        let again = rehash(&corpus.database, &built.selection).await.unwrap();
        let snapshot = &built.snapshot;
        let expected = RehashResult {
            canonical_hash: snapshot.canonical_hash.clone(),
            effective_position: snapshot.watermark.position,
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
        assert_eq!(after.snapshot.watermark, before.snapshot.watermark);
        assert_eq!(after.snapshot.canonical_hash, before.snapshot.canonical_hash);
        assert_eq!(after.snapshot.files, before.snapshot.files, "files must not depend on the requested position");
    });
}

#[test]
fn examples_are_ordered_by_split_and_document_and_every_split_has_a_file() {
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
fn document_ids_and_project_filter_the_snapshot() {
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
        assert_eq!(error.to_string(), "project `8` has no documents (projects: label-studio/7)");
    });
}

#[test]
fn a_build_without_documents_fails_permanently_with_a_clear_message() {
    with_corpus(async |corpus| {
        let request = corpus.request(&[]).await;
        let error = corpus.try_build(request).await.err().unwrap();
        assert_eq!((error.code(), error.is_retryable()), ("no_examples", false));

        corpus.categorical("law").await;
        let request = corpus.request(&["law"]).await;
        let error = corpus.try_build(request).await.err().unwrap();
        assert_eq!(error.to_string(), "no accepted value for law in all documents as of position 1 (no documents match)");
    });
}

#[test]
fn equal_texts_in_two_splits_fail_the_build_and_are_listed() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let train = corpus.document("train", "same").await;
        let test = corpus.document("test", "same").await;
        corpus.document("test", "other").await;
        corpus.review(train, "law", Some("Utah")).await;
        let request = corpus.request(&["law"]).await;
        let error = corpus.try_build(request).await.err().unwrap();
        let DatasetError::SplitLeak { documents } = error else { panic!("{error}") };
        assert_eq!(documents, format!("{train} (train) and {test} (test) share 100 % of the 8-word shingles of the shorter text"));
    });
}

/// Fifty words that are unique to the number.
fn passage(number: u32) -> String {
    (0..50).map(|word| format!("w{number}x{word} ")).collect()
}

#[test]
fn near_duplicates_in_two_splits_fail_the_build_and_are_listed() {
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
        assert_eq!(documents, format!("{train} (train) and {test} (test) share 100 % of the 8-word shingles of the shorter text"));

        // indexing resolves the leak for later positions, but not for earlier ones
        aprendiz_annotations::near_duplicates::backfill_index(&mut corpus.conn).await.unwrap();
        assert_eq!(corpus.try_build(before).await.err().unwrap().code(), "split_leak");
        assert_eq!(corpus.build(&["law"]).await.tasks(), ["1"]);
    });
}

#[test]
fn a_group_in_two_splits_fails_the_build_and_ten_pairs_are_listed() {
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
        assert!(error.contains(&format!("{train} (train) and {test} (test) share a group")), "{error}");
        assert!(error.matches(" share ").count() == 10 && error.contains("and 2 more"), "{error}");
    });
}

#[test]
fn a_cancelled_build_returns_cancelled() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document: Uuid = corpus.document("train", "a").await;
        corpus.review(document, "law", Some("Utah")).await;
        let selection = corpus.build(&["law"]).await.selection;
        let dir = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        // progress is first reported before the first example is read
        let mut cancel_at_once = |_| cancel.cancel();
        let error = build(&corpus.database, &selection, &Format::ALL, dir.path(), &mut cancel_at_once, &cancel).await.unwrap_err();
        assert_eq!(error.code(), "cancelled");
        assert!(!dir.path().join("manifest.json").exists());
    });
}
