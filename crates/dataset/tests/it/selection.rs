//! Resolves selection requests.

use aprendiz_dataset::{ExcludedField, ExclusionReason, Selection, SelectionRequest};
use uuid::Uuid;

use crate::test_database::with_corpus;

#[test]
fn a_request_without_fields_selects_every_reviewed_categorical_field() {
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
fn untrainable_fields_are_kept_with_the_reason() {
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
                ExcludedField { field: "parties".into(), reason: ExclusionReason::ManyValues },
                ExcludedField { field: "title".into(), reason: ExclusionReason::Kind },
            ]
        );
    });
}

#[test]
fn unknown_fields_and_documents_are_listed() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let request = corpus.request(&["law", "lore"]).await;
        let error = Selection::resolve(&mut corpus.conn, request).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("unknown_field", false));
        assert_eq!(error.to_string(), "unknown field `lore`; known fields: law");

        let unknown = Uuid::from_u128(77);
        let request = SelectionRequest { documents: Some(vec![unknown]), ..corpus.request(&["law"]).await };
        let error = Selection::resolve(&mut corpus.conn, request).await.unwrap_err();
        assert_eq!(error.to_string(), format!("unknown documents in the selection: {unknown}"));
    });
}
