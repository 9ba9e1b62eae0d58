//! Text pairs for training an encoder.

use aprendiz_dataset::{PairSide, PairsRequest, SelectionRequest, snapshot_key};
use serde_json::Value;

use crate::corpus::Corpus;
use crate::test_database::with_corpus;

async fn leases_and_loans(corpus: &mut Corpus) {
    corpus.categorical("type").await;
    for (split, count) in [("train", 6), ("test", 4)] {
        for number in 0..count {
            let label = if number % 2 == 0 { "Lease" } else { "Loan" };
            let document = corpus.document(split, &format!("{label} {split} {number} with a long end")).await;
            corpus.review(document, "type", Some(label)).await;
        }
    }
    let without = corpus.document("train", "no type at all").await;
    corpus.review(without, "type", None).await;
}

async fn request(corpus: &mut Corpus, pairs: Option<PairsRequest>) -> SelectionRequest {
    SelectionRequest { pairs, ..corpus.request(&["type"]).await }
}

#[test]
fn pairs_are_balanced_truncated_and_within_one_split() {
    with_corpus(async |corpus| {
        leases_and_loans(corpus).await;
        let request = request(corpus, Some(PairsRequest { max_chars: 15, ..PairsRequest::default() })).await;
        let built = corpus.try_build(request).await.unwrap();
        for split in ["train", "test"] {
            let lines = built.read(&format!("pairs/{split}.jsonl"));
            let pairs: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let same = pairs.iter().filter(|pair| pair["label"] == 1.0).count();
            assert!(same >= 4 && 2 * same == pairs.len(), "{split}: {lines}");
            for pair in &pairs {
                let (a, b) = (pair["text_a"].as_str().unwrap(), pair["text_b"].as_str().unwrap());
                assert!(a.len() <= 15 && b.len() <= 15 && b.contains(split), "{pair}");
                let label = |text: &str| text.split(' ').next().unwrap().to_owned();
                assert_eq!(label(a) == label(b), pair["label"] == 1.0, "{pair}");
                assert_eq!((&pair["field"], &pair["split"]), (&Value::from("type"), &Value::from(split)));
            }
        }
        assert_eq!(built.read("pairs/validation.jsonl"), "");
        let named: Vec<&str> =
            built.snapshot.files.iter().map(|file| file.path.as_str()).filter(|path| path.starts_with("pairs/")).collect();
        assert_eq!(named.len(), 6);
        let lines = built.read("pairs/train.jsonl").lines().count() + built.read("pairs/test.jsonl").lines().count();
        assert_eq!(built.snapshot.counts["pairs"], lines);
    });
}

#[test]
fn equal_requests_yield_equal_bytes_and_different_requests_another_key() {
    with_corpus(async |corpus| {
        leases_and_loans(corpus).await;
        let request =
            request(corpus, Some(PairsRequest { of: vec![PairSide::Texts, PairSide::Values, PairSide::Texts], ..PairsRequest::default() }))
                .await;
        let one = corpus.try_build(request.clone()).await.unwrap();
        let other = corpus.try_build(SelectionRequest { pairs: Some(PairsRequest::default()), ..request.clone() }).await.unwrap();
        assert_eq!(one.snapshot.files, other.snapshot.files);
        let watermark = one.snapshot.watermark;
        assert_eq!(snapshot_key(&one.selection, watermark), snapshot_key(&other.selection, watermark));
        let without = corpus.try_build(SelectionRequest { pairs: None, ..request.clone() }).await.unwrap();
        assert_ne!(snapshot_key(&one.selection, watermark), snapshot_key(&without.selection, watermark));
        assert_eq!(one.snapshot.canonical_hash, without.snapshot.canonical_hash, "the examples are the same");
        let seed = Some(PairsRequest { seed: 7, ..PairsRequest::default() });
        let drawn_anew = corpus.try_build(SelectionRequest { pairs: seed, ..request }).await.unwrap();
        assert_ne!(one.read("pairs/train.jsonl"), drawn_anew.read("pairs/train.jsonl"));
    });
}
