//! Counts of stored predictions by accepted and predicted value.

use std::collections::BTreeMap;

use aprendiz_dataset::{Selection, different_predictions, review_slices, reviewed_predictions, sliced_predictions, stored_predictions};
use futures::TryStreamExt as _;
use uuid::Uuid;

use crate::corpus::{Corpus, day};
use crate::test_database::with_corpus;

async fn predict(corpus: &mut Corpus, document: Uuid, field: &str, version: &str, value: &[&str]) {
    sqlx::query("INSERT INTO extractions (document_id, field, extractor_version, value, predicted_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(document)
        .bind(field)
        .bind(version)
        .bind(value)
        .bind(day(version.len().try_into().unwrap()))
        .execute(&mut corpus.conn)
        .await
        .unwrap();
}

#[test]
fn equal_pairs_are_counted_and_a_group_of_near_duplicates_counts_once_in_each_field() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        corpus.categorical("type").await;
        let mut documents = Vec::new();
        for number in 0..5 {
            documents.push(corpus.document("train", &format!("text {number}")).await);
        }
        // the first three documents are copies; the values of one differ
        for document in &documents[..3] {
            corpus.split(*document, 2, "copies", "train").await;
        }
        for (index, document) in documents.iter().enumerate() {
            corpus.review(*document, "law", Some(if index == 2 { "Utah" } else { "Texas" })).await;
            predict(corpus, *document, "law", "1", &["Ohio"]).await;
            predict(corpus, *document, "law", "22", &["Texas"]).await;
        }
        corpus.review(documents[0], "type", None).await;
        corpus.review(documents[1], "type", None).await;

        let request = corpus.request(&["type", "law"]).await;
        let selection = Selection::resolve(&mut corpus.conn, request).await.unwrap();
        let rows: Vec<_> = reviewed_predictions(&mut corpus.conn, &selection).try_collect().await.unwrap();
        let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
        assert_eq!(fields, ["law", "law", "type"]);
        let mut law: Vec<_> =
            rows[..2].iter().map(|row| (row.accepted_label(), row.predicted_label(), row.documents, row.groups)).collect();
        law.sort();
        let label = |text: &str| Some(text.to_owned());
        // the first document of the group is in the row of its value
        assert_eq!(law, [(label("Texas"), label("Texas"), 4, 3), (label("Utah"), label("Texas"), 1, 0)]);
        let kind = &rows[2];
        assert_eq!((kind.accepted_label(), kind.predicted_label(), kind.documents, kind.groups), (None, None, 2, 1));
    });
}

#[test]
fn wrong_predictions_are_listed_with_their_documents_and_erased_documents_count_nowhere() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let mut documents = Vec::new();
        for number in 0..5 {
            documents.push(corpus.document("train", &format!("text {number}")).await);
        }
        for (index, accepted) in [Some("Texas"), Some("Utah"), None, Some("New  York"), Some("Ohio")].into_iter().enumerate() {
            corpus.review(documents[index], "law", accepted).await;
        }
        predict(corpus, documents[0], "law", "1", &["Texas"]).await;
        predict(corpus, documents[1], "law", "1", &["Texas"]).await;
        predict(corpus, documents[2], "law", "1", &["Texas"]).await;
        // differs in its form only
        predict(corpus, documents[3], "law", "1", &["New York"]).await;
        let mut transaction = sqlx::Connection::begin(&mut corpus.conn).await.unwrap();
        aprendiz_dataset::inspect::erase_document(&mut transaction, documents[4], "admin", "request").await.unwrap();
        transaction.commit().await.unwrap();

        let request = corpus.request(&["law"]).await;
        let selection = Selection::resolve(&mut corpus.conn, request).await.unwrap();
        let rows: Vec<_> = different_predictions(&mut corpus.conn, &selection).try_collect().await.unwrap();
        let mut wrong: Vec<Uuid> = rows.iter().filter(|row| row.is_wrong()).map(|row| row.document_id).collect();
        wrong.sort_unstable();
        assert_eq!(wrong, documents[1..3]);
        let counted: Vec<_> = reviewed_predictions(&mut corpus.conn, &selection).try_collect().await.unwrap();
        assert_eq!(counted.iter().map(|row| row.documents).sum::<i64>(), 4);
    });
}

#[test]
fn predictions_are_counted_by_the_attributes_of_their_documents_and_reviews() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        corpus.categorical("type").await;
        let mut documents = Vec::new();
        for number in 0..5 {
            documents.push(corpus.document("train", &format!("text {number}")).await);
        }
        let long = "é".repeat(1_000);
        corpus.text(documents[1], 2, &long).await;
        let metadata =
            [r#"{"customer": "ACME"}"#, r#"{"customer": "ACME"}"#, r#"{"customer": 7}"#, r#"{"customer": null}"#, r#"{"customer": ""}"#];
        for (document, metadata) in documents.iter().zip(metadata) {
            corpus.details(*document, 2, None, metadata).await;
        }
        // two copies in one slice of `customer`
        for document in &documents[..2] {
            corpus.split(*document, 2, "copies", "train").await;
        }
        for (index, document) in documents.iter().enumerate() {
            corpus.review(*document, "law", Some("Texas")).await;
            predict(corpus, *document, "law", "1", &[if index == 2 { "Utah" } else { "Texas" }]).await;
        }
        corpus.review(documents[2], "type", None).await;

        let request = corpus.request(&["law", "type"]).await;
        let selection = Selection::resolve(&mut corpus.conn, request).await.unwrap();
        let keys = ["customer".to_owned()];
        let rows: Vec<_> = sliced_predictions(&mut corpus.conn, &selection, &keys, 20).try_collect().await.unwrap();
        let order: Vec<_> = rows.iter().map(|row| (row.field.clone(), row.dimension, row.value.clone())).collect();
        assert!(order.is_sorted(), "{order:?}");
        let counts = |field: &str, dimension: i64| -> BTreeMap<String, (i64, i64)> {
            let mut counts: BTreeMap<String, (i64, i64)> = BTreeMap::new();
            for row in rows.iter().filter(|row| row.field == field && row.dimension == dimension) {
                let entry = counts.entry(row.value.clone()).or_default();
                *entry = (entry.0 + row.documents, entry.1 + row.groups);
            }
            counts
        };
        let quarter = day(100).format("%Y").to_string() + "-Q" + &(chrono::Datelike::month0(&day(100)) / 3 + 1).to_string();
        let expected = |values: &[(&str, i64, i64)]| -> BTreeMap<String, (i64, i64)> {
            values.iter().map(|(value, documents, groups)| ((*value).to_owned(), (*documents, *groups))).collect()
        };
        assert_eq!(counts("law", 0), expected(&[("3", 5, 4)]));
        assert_eq!(counts("law", 1), expected(&[("label-studio", 5, 4)]));
        assert_eq!(counts("law", 2), expected(&[("label-studio/7", 5, 4)]));
        assert_eq!(counts("law", 3), expected(&[("under-1k", 4, 4), ("1k-5k", 1, 1)]));
        assert_eq!(counts("law", 4), expected(&[(quarter.as_str(), 5, 4)]));
        assert_eq!(counts("law", 5), expected(&[("ACME", 2, 1), ("7", 1, 1), ("(none)", 2, 2)]));
        assert_eq!(counts("type", 5), expected(&[("7", 1, 1)]));
        let wrong: Vec<_> = rows.iter().filter(|row| row.field == "law" && row.accepted_label() != row.predicted_label()).collect();
        assert!(wrong.len() == 6 && wrong.iter().all(|row| row.documents == 1), "{wrong:?}");

        // over both fields, `(none)`, `7` and `ACME` have two reviews each: the first by its bytes stays
        let rows: Vec<_> = sliced_predictions(&mut corpus.conn, &selection, &keys, 1).try_collect().await.unwrap();
        let customers: Vec<_> = rows
            .iter()
            .filter(|row| row.dimension == 5 && row.field == "law")
            .map(|row| (row.value.as_str(), row.dimension_values))
            .collect();
        assert_eq!(customers, [("(none)", 3), ("(other)", 3), ("(other)", 3)]);

        let found =
            review_slices(&mut corpus.conn, selection.position, &[documents[1]], &["law".to_owned()], &keys).await.unwrap().remove(0);
        assert_eq!((found.document_id, found.field.as_str()), (documents[1], "law"));
        assert_eq!(found.values, ["3", "label-studio", "label-studio/7", "1k-5k", &quarter, "ACME"]);
    });
}

#[test]
fn the_newest_prediction_counts_among_those_that_were_stored_in_time() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        corpus.categorical("type").await;
        let document = corpus.document("test", "a text").await;
        let other = corpus.document("test", "another text").await;
        predict(corpus, document, "law", "1", &["Texas"]).await;
        predict(corpus, document, "law", "22", &["New  York"]).await;
        predict(corpus, document, "type", "1", &["lease"]).await;
        predict(corpus, other, "law", "1", &["Ohio"]).await;
        let until: chrono::DateTime<chrono::Utc> =
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut corpus.conn).await.unwrap();
        predict(corpus, document, "law", "333", &["Utah"]).await;

        let found = stored_predictions(&mut corpus.conn, &[document], &["law".to_owned()], until).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| (row.document_id, row.extractor_version.as_str(), row.label())).collect();
        assert_eq!(found, [(document, "22", Some("New York".to_owned()))]);
    });
}
