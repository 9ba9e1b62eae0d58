//! Files of a snapshot.

use std::fs::File;
use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use crate::corpus::{Built, Corpus, day};
use crate::test_database::with_corpus;

async fn sample(corpus: &mut Corpus) {
    corpus.categorical("law").await;
    corpus.categorical("text").await; // also the name of a column
    for (split, text) in [("train", "first \"quoted\"\n\u{1F600}"), ("train", "second"), ("test", "third")] {
        let document = corpus.document(split, text).await;
        corpus.review(document, "law", Some("Utah")).await;
    }
    let document = corpus.document("train", "fourth").await;
    corpus.review(document, "text", None).await;
}

#[test]
fn every_file_is_listed_with_its_hash_and_the_manifest_is_last() {
    with_corpus(async |corpus| {
        sample(corpus).await;
        let built = corpus.build(&["law", "text"]).await;
        let paths: Vec<_> = built.snapshot.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "data/train-00000-of-00001.parquet",
                "data/validation-00000-of-00001.parquet",
                "data/test-00000-of-00001.parquet",
                "jsonl/train.jsonl",
                "jsonl/validation.jsonl",
                "jsonl/test.jsonl",
                "labels.json",
                "README.md",
                "manifest.json",
            ]
        );
        for file in &built.snapshot.files {
            let bytes = std::fs::read(built.dir.path().join(&file.path)).unwrap();
            assert_eq!((file.bytes, &file.sha256), (bytes.len() as u64, &hex::encode(Sha256::digest(&bytes))), "{}", file.path);
        }
        let manifest = built.json("manifest.json");
        assert_eq!(manifest["canonical_hash"], built.snapshot.canonical_hash);
        assert_eq!(manifest["files"], serde_json::to_value(&built.snapshot.files[..8]).unwrap());
    });
}

#[test]
fn a_jsonl_line_holds_the_document_and_its_reviews() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        let position = corpus.event(document, "law", &["Utah"], "OK", day(0)).await;
        let built = corpus.build(&["law"]).await;
        let expected = format!(
            concat!(
                r#"{{"document_id":"{id}","split":"train","group":"{group}","source":"label-studio","project":"7","task_id":"1","#,
                r#""file_name":null,"metadata":"{{\"pages\": 3}}","text":"a","fields":{{"law":{{"value":["Utah"],"status":"OK","#,
                r#""position":{position},"reviewer":"3","occurred_at":"2023-11-14T22:13:20.000000Z"}}}}}}"#,
                "\n"
            ),
            id = document,
            group = document.simple(),
            position = position,
        );
        assert_eq!(built.read("jsonl/train.jsonl"), expected);
        assert_eq!(built.read("jsonl/test.jsonl"), "");
    });
}

#[test]
fn parquet_and_jsonl_hold_the_same_examples() {
    with_corpus(async |corpus| {
        sample(corpus).await;
        let built = corpus.build(&["law", "text"]).await;
        for split in ["train", "validation", "test"] {
            let lines = built.read(&format!("jsonl/{split}.jsonl"));
            let expected: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(parquet_rows(&built, split), expected, "{split}");
        }
    });
}

#[test]
fn building_twice_yields_the_same_bytes() {
    with_corpus(async |corpus| {
        sample(corpus).await;
        let (one, other) = (corpus.build(&["law", "text"]).await, corpus.build(&["law", "text"]).await);
        for file in &one.snapshot.files {
            let read = |dir: &Path| std::fs::read(dir.join(&file.path)).unwrap();
            assert_eq!(read(one.dir.path()), read(other.dir.path()), "{}", file.path);
        }
    });
}

#[test]
fn the_card_lists_the_files_and_features_of_each_split() {
    with_corpus(async |corpus| {
        sample(corpus).await;
        let built = corpus.build(&["law", "text"]).await;
        let card = built.read("README.md");
        assert!(card.starts_with(
            "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-00000-of-00001.parquet\n"
        ));
        assert!(card.contains("\n    - name: \"law\"\n      struct:\n      - name: value\n        list: string\n"), "{card}");
        assert!(card.contains(&built.snapshot.canonical_hash));
    });
}

/// Rows of a Parquet file in the form of the JSONL.
fn parquet_rows(built: &Built, split: &str) -> Vec<serde_json::Value> {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, TimestampMicrosecondType};
    use serde_json::{Map, Value, json};

    let file = File::open(built.dir.path().join(format!("data/{split}-00000-of-00001.parquet"))).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let string = |name: &str| {
                let column = batch.column_by_name(name).unwrap().as_string::<i32>();
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            let fields = batch.column_by_name("fields").unwrap().as_struct();
            let mut reviews = Map::new();
            for (name, column) in fields.column_names().into_iter().zip(fields.columns()) {
                let review = column.as_struct();
                if review.is_null(row) {
                    reviews.insert(name.to_owned(), Value::Null);
                    continue;
                }
                let part = |name: &str| review.column_by_name(name).unwrap();
                let values = part("value").as_list::<i32>().value(row);
                let values: Vec<_> = values.as_string::<i32>().iter().map(Option::unwrap).collect();
                let micros = part("occurred_at").as_primitive::<TimestampMicrosecondType>().value(row);
                let time = chrono::DateTime::from_timestamp_micros(micros).unwrap();
                let review = json!({
                    "value": values,
                    "status": part("status").as_string::<i32>().value(row),
                    "position": part("position").as_primitive::<Int64Type>().value(row),
                    "reviewer": part("reviewer").as_string::<i32>().value(row),
                    "occurred_at": time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
                });
                reviews.insert(name.to_owned(), review);
            }
            let mut example = Map::new();
            for name in ["document_id", "split", "group", "source", "project", "task_id", "file_name", "metadata", "text"] {
                example.insert(name.to_owned(), json!(string(name)));
            }
            example.insert("fields".to_owned(), Value::Object(reviews));
            rows.push(Value::Object(example));
        }
    }
    rows
}
