//! Tests that the vectors of all-MiniLM-L6-v2 equal those of sentence-transformers.
//!
//! `APRENDIZ_TEST_ENCODER` is the directory of the weights (`./dev weights` prints it). The test is skipped without it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use aprendiz_encoder::Encoder;
use burn::tensor::Device;
use serde::Deserialize;

/// Minimum cosine similarity of a vector and its reference.
const MIN_COSINE: f64 = 0.99999;

#[derive(Deserialize)]
struct Golden {
    text: String,
    input_ids: Vec<u32>,
    embedding: Vec<f64>,
}

fn weights() -> Option<PathBuf> {
    let dir = std::env::var_os("APRENDIZ_TEST_ENCODER").map(PathBuf::from);
    if dir.is_none() {
        let line = "SKIPPED: parity with sentence-transformers: APRENDIZ_TEST_ENCODER is not set (./dev weights)";
        eprintln!("{line}");
        // ./dev test lists the lines of this file; the crate has no services, so it does not use test-support
        if let Some(file) = std::env::var_os("APRENDIZ_SKIPPED_FILE") {
            let mut file = std::fs::File::options().create(true).append(true).open(file).expect("the list of skipped tests can be written");
            writeln!(file, "{line}").expect("the list of skipped tests can be written");
        }
    }
    dir
}

fn cosine(a: &[f32], b: &[f64]) -> f64 {
    let norm = |sum: f64| sum.sqrt();
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum();
    dot / norm(a.iter().map(|value| f64::from(*value).powi(2)).sum()) / norm(b.iter().map(|value| value * value).sum())
}

#[test]
fn tokens_and_vectors_equal_those_of_sentence_transformers() {
    let Some(weights) = weights() else { return };
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/all-MiniLM-L6-v2.jsonl")];
    files.extend(std::env::var_os("APRENDIZ_TEST_GOLDEN").map(PathBuf::from));
    let device = Device::flex();
    let encoder = Encoder::load(&weights, &device).unwrap();
    for file in files {
        let golden: Vec<Golden> = std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut minimum = f64::INFINITY;
        let texts: Vec<&str> = golden.iter().map(|golden| golden.text.as_str()).collect();
        let vectors = encoder.encode(&texts, 8, &device).unwrap();
        for (golden, vector) in golden.iter().zip(&vectors) {
            assert_eq!(encoder.tokens(&golden.text), golden.input_ids, "{}", golden.text);
            let cosine = cosine(vector, &golden.embedding);
            assert!(cosine >= MIN_COSINE, "{cosine} for {}", golden.text);
            minimum = minimum.min(cosine);
        }
        eprintln!("RAN: {} texts of {}, minimum cosine similarity {minimum:.9}", golden.len(), file.display());
    }
}
