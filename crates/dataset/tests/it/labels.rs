//! `labels.json`: trainable labels, and why fields are excluded.

use serde_json::json;

use crate::test_database::with_corpus;

#[test]
fn rare_labels_and_untrainable_fields_are_listed() {
    with_corpus(async |corpus| {
        for field in ["law", "same", "unseen"] {
            corpus.categorical(field).await;
        }
        corpus.field("title", "text", "one").await;
        corpus.field("parties", "categorical", "many").await;
        let laws = [Some("Texas"), Some("Texas"), None, None, Some("Utah"), Some("California"), Some("California")];
        for (number, law) in laws.into_iter().enumerate() {
            let split = if number == 1 { "validation" } else { "train" };
            let document = corpus.document(split, &number.to_string()).await;
            corpus.review(document, "law", law).await;
            corpus.review(document, "same", Some("always")).await;
            corpus.review(document, "title", Some(&format!("Agreement {number}"))).await;
            corpus.event(document, "parties", &["A", "B"], "NEW", crate::corpus::day(1)).await;
        }
        let built = corpus.build(&["law", "same", "unseen", "title", "parties"]).await;
        assert_eq!(
            built.json("labels.json"),
            json!({
                "v": 1,
                "fields": {
                    "law": { "labels": ["California", "Texas", null], "excluded": [{ "label": "Utah", "count": 1, "groups": 1, "reason": "min_support" }] },
                },
                "left_out": [
                    { "field": "parties", "reason": "many_values" },
                    { "field": "same", "reason": "one_class" },
                    { "field": "title", "reason": "kind" },
                    { "field": "unseen", "reason": "no_values" },
                ],
            })
        );
        assert_eq!(built.snapshot.trainable_fields, ["law"]);
        let counts = &built.snapshot.counts["fields"];
        assert_eq!(counts["law"]["labels"][1], json!({ "label": "Texas", "train": 1, "validation": 1, "test": 0 }));
        assert_eq!(counts["title"]["labels"], json!([]), "values of untrainable fields are not listed");
        assert_eq!(counts["title"]["reviewed"]["train"], 6);
    });
}

#[test]
fn a_build_without_trainable_fields_succeeds() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        corpus.review(document, "law", Some("Utah")).await;
        let built = corpus.build(&["law"]).await;
        assert!(built.snapshot.trainable_fields.is_empty());
        assert_eq!(built.json("labels.json")["left_out"], json!([{ "field": "law", "reason": "one_class" }]));
        assert_eq!(built.snapshot.examples, 1);
    });
}

#[test]
fn labels_without_train_examples_do_not_make_a_field_trainable() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        for (number, (split, law)) in
            [("train", "Utah"), ("train", "Utah"), ("test", "Texas"), ("validation", "Texas")].into_iter().enumerate()
        {
            let document = corpus.document(split, &number.to_string()).await;
            corpus.review(document, "law", Some(law)).await;
        }
        let built = corpus.build(&["law"]).await;
        assert!(built.snapshot.trainable_fields.is_empty());
    });
}
