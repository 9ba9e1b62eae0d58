//! Resolving what was asked for.

use dataset::{LeftOut, LeftOutReason, Selection, SelectionRequest};
use uuid::Uuid;

use crate::scratch::with_corpus;

#[test]
fn no_fields_mean_every_categorical_field_reviewed_by_then() {
    with_corpus(async |corpus| {
        let document = corpus.document("train", "a").await;
        for name in ["type", "law", "later"] {
            corpus.categorical(name).await;
        }
        corpus.field("title", "text", "one").await;
        corpus.review(document, "type", Some("Service")).await;
        corpus.review(document, "law", None).await;
        corpus.review(document, "title", Some("An agreement")).await;
        let request = corpus.request(&[]).await;
        corpus.review(document, "later", Some("x")).await;
        let selection = Selection::resolve(&mut corpus.conn, request).await.unwrap();
        assert_eq!(selection.fields, ["law", "type"]);
    });
}

#[test]
fn fields_that_cannot_be_trained_stay_with_the_reason() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        corpus.field("title", "text", "one").await;
        corpus.field("parties", "categorical", "many").await;
        let request = corpus.request(&["title", "law", "parties", "law"]).await;
        let selection = Selection::resolve(&mut corpus.conn, request).await.unwrap();
        assert_eq!(selection.fields, ["law", "parties", "title"]);
        assert_eq!(
            selection.untrainable,
            [
                LeftOut { field: "parties".into(), reason: LeftOutReason::ManyValues },
                LeftOut { field: "title".into(), reason: LeftOutReason::Kind },
            ]
        );
    });
}

#[test]
fn unknown_fields_and_documents_are_named() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let request = corpus.request(&["law", "lore"]).await;
        let error = Selection::resolve(&mut corpus.conn, request).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("unknown_field", false));
        assert_eq!(error.to_string(), "unknown field \"lore\"; known fields: law");

        let stranger = Uuid::from_u128(77);
        let request = SelectionRequest { documents: Some(vec![stranger]), ..corpus.request(&["law"]).await };
        let error = Selection::resolve(&mut corpus.conn, request).await.unwrap_err();
        assert_eq!(error.to_string(), format!("unknown documents in the selection: {stranger}"));
    });
}
