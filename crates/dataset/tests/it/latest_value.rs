//! Selects the latest accepted value as of a position.

use serde_json::json;

use crate::corpus::day;
use crate::test_database::with_corpus;

#[test]
fn the_review_time_decides_regardless_of_arrival_order() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        let latest = corpus.event(document, "law", &["Texas"], "NEW", day(9)).await;
        corpus.event(document, "law", &["Utah"], "NEW", day(3)).await; // recorded later, reviewed earlier
        let built = corpus.build(&["law"]).await;
        let review = &built.examples()[0]["fields"]["law"];
        assert_eq!(
            *review,
            json!({ "value": ["Texas"], "status": "NEW", "position": latest, "reviewer": "3", "occurred_at": "2023-11-23T22:13:20.000000Z" })
        );
    });
}

#[test]
fn for_equal_review_times_the_later_position_wins() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        corpus.event(document, "law", &["Utah"], "NEW", day(3)).await;
        corpus.event(document, "law", &["Texas"], "NEW", day(3)).await;
        let built = corpus.build(&["law"]).await;
        assert_eq!(built.examples()[0]["fields"]["law"]["value"], json!(["Texas"]));
    });
}

#[test]
fn a_backdated_event_after_the_position_is_ignored() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        corpus.event(document, "law", &["Utah"], "NEW", day(3)).await;
        let request = corpus.request(&["law"]).await;
        corpus.event(document, "law", &["Texas"], "NEW", day(4)).await;
        let built = corpus.try_build(request).await.unwrap();
        assert_eq!(built.examples()[0]["fields"]["law"]["value"], json!(["Utah"]));
    });
}

#[test]
fn no_value_counts_as_a_review_and_an_undone_review_does_not() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        corpus.categorical("type").await;
        let document = corpus.document("train", "a").await;
        corpus.review(document, "type", None).await;
        corpus.event(document, "law", &["Utah"], "NEW", day(3)).await;
        corpus.event(document, "law", &["Utah"], "UNREVIEWED", day(4)).await;
        let undone = corpus.document("train", "b").await;
        corpus.event(undone, "law", &["Utah"], "NEW", day(3)).await;
        corpus.event(undone, "law", &[], "UNREVIEWED", day(4)).await;
        let built = corpus.build(&["law", "type"]).await;
        let examples = built.examples();
        assert_eq!(examples.len(), 1, "a document without an accepted value is not an example");
        assert_eq!(examples[0]["fields"]["type"]["value"], json!([]));
        assert_eq!(examples[0]["fields"].get("law"), Some(&json!(null)), "unreviewed");
        assert_eq!(built.snapshot.counts["excluded_documents"], json!({ "no_accepted_value": 1 }));
    });
}

#[test]
fn text_and_split_are_taken_as_of_the_position() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "first").await;
        corpus.review(document, "law", Some("Utah")).await;
        let before = corpus.request(&["law"]).await;
        corpus.text(document, 2, "second").await;
        corpus.split(document, 2, "group", "test").await;
        let before = corpus.try_build(before).await.unwrap();
        let after = corpus.build(&["law"]).await;
        assert_eq!(before.examples()[0]["text"], "first");
        assert_eq!(before.examples()[0]["split"], "train");
        assert_eq!(after.examples()[0]["text"], "second");
        assert_eq!(after.examples()[0]["split"], "test");
        assert_eq!(after.examples()[0]["group"], "group");
    });
}
