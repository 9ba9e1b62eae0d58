//! Reports on the content of a snapshot and the quality of its labels.

use aprendiz_dataset::inspect::{Conflict, conflicts, load_snapshot, report};

use crate::corpus::day;
use crate::inspect::{review_by, snapshot};
use crate::test_database::with_corpus;

#[test]
fn the_report_lists_labels_and_marks_rare_ones() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        for (number, law) in [Some("Utah"), Some("Utah"), Some("Texas"), None, None].into_iter().enumerate() {
            let document = corpus.document("train", &format!("text {number}")).await;
            review_by(corpus, "ana", document, "law", law, day(1)).await;
        }
        let dataset = snapshot(corpus, &["law"]).await;
        let found = report(&mut corpus.conn, dataset).await.unwrap();
        let law = &found.fields["law"];
        assert_eq!((found.examples, law.reviewed, law.rare_labels), (5, 5, 1));
        let rare: Vec<_> = law.labels.iter().filter(|label| label.rare).map(|label| label.label.as_deref()).collect();
        assert_eq!(rare, [Some("Texas")]);
        assert!(found.conflicts.is_empty() && found.agreement.fields.is_empty());
    });
}

#[test]
fn equal_texts_with_different_values_are_conflicts() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        corpus.categorical("kind").await;
        let mut texts = Vec::new();
        for (text, law) in [
            ("the same words", "Utah"),
            ("the same words", "Texas"),
            ("the same words", "Utah"),
            ("Other  WORDS here", "Utah"),
            ("other words here", "Ohio"),
            ("agreed words", "Utah"),
            ("agreed words", "Utah"),
        ] {
            let document = corpus.document("train", text).await;
            review_by(corpus, "ana", document, "law", Some(law), day(1)).await;
            review_by(corpus, "ana", document, "kind", Some("lease"), day(1)).await;
            texts.push(document);
        }
        let dataset = snapshot(corpus, &["law", "kind"]).await;
        let found = report(&mut corpus.conn, dataset).await.unwrap();
        assert_eq!((found.conflicts_total, found.conflicts.len()), (2, 2));
        let equal = found.conflicts.iter().find(|conflict| conflict.equal_text).unwrap();
        assert_eq!((equal.field.as_str(), equal.documents), ("law", 3));
        let values: Vec<_> = equal.values.iter().map(|value| (value.value[0].as_str(), value.documents)).collect();
        assert_eq!(values, [("Utah", 2), ("Texas", 1)]);
        assert_eq!(equal.values[0].examples, [texts[0], texts[2]]);
        let spaced = found.conflicts.iter().find(|conflict| !conflict.equal_text).unwrap();
        assert_eq!(spaced.documents, 2);

        let snapshot = load_snapshot(&mut corpus.conn, dataset).await.unwrap();
        let first = conflicts(&mut corpus.conn, &snapshot, None, 1).await.unwrap();
        let second = conflicts(&mut corpus.conn, &snapshot, first.last().map(Conflict::cursor).as_ref(), 1).await.unwrap();
        assert_eq!([first, second].concat(), found.conflicts);
        let cursor = found.conflicts.last().map(Conflict::cursor);
        assert!(conflicts(&mut corpus.conn, &snapshot, cursor.as_ref(), 1).await.unwrap().is_empty());
    });
}

#[test]
fn agreement_matches_the_literature() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        // Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section A: alpha is 0.095
        let (meg, owen) = ("0100000010", "1110010000");
        for (number, (one, other)) in meg.chars().zip(owen.chars()).enumerate() {
            let document = corpus.document("train", &format!("text {number}")).await;
            // earlier reviews by the same reviewer do not count, nor do documents with a single reviewer
            review_by(corpus, "meg", document, "law", Some("before"), day(0)).await;
            review_by(corpus, "meg", document, "law", Some(&one.to_string()), day(1)).await;
            review_by(corpus, "owen", document, "law", Some(&other.to_string()), day(2)).await;
        }
        let alone = corpus.document("train", "seen by one").await;
        review_by(corpus, "meg", alone, "law", Some("1"), day(1)).await;
        let dataset = snapshot(corpus, &["law"]).await;
        let found = report(&mut corpus.conn, dataset).await.unwrap().agreement;
        let [law] = &found.fields[..] else { panic!("{found:?}") };
        assert_eq!((law.documents, law.reviewers, law.pairs), (10, 2, 10));
        assert!((law.observed_agreement.unwrap() - 0.6).abs() < 1e-12);
        assert!((law.krippendorff_alpha.unwrap() - 0.095).abs() < 0.0005, "{law:?}");
        let [pair] = &found.most_disagreeing[..] else { panic!("{found:?}") };
        assert_eq!((pair.reviewer.as_str(), pair.other.as_str(), pair.judged, pair.disagreements), ("meg", "owen", 10, 4));
    });
}
