//! The vectors of the real all-MiniLM-L6-v2 are those of sentence-transformers.
//!
//! Needs the weights: `APRENDIZ_TEST_ENCODER` names their directory (`./dev weights` says it). Without it the test says so and is skipped.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use encoder::Encoder;
use serde::Deserialize;

/// Least cosine between a vector and its reference.
const LEAST_COSINE: f64 = 0.99999;

#[derive(Deserialize)]
struct Golden {
    text: String,
    input_ids: Vec<u32>,
    embedding: Vec<f64>,
}

fn weights() -> Option<PathBuf> {
    let named = std::env::var_os("APRENDIZ_TEST_ENCODER").map(PathBuf::from);
    if named.is_none() {
        eprintln!(
            "SKIPPED: parity with sentence-transformers was not checked, APRENDIZ_TEST_ENCODER names no directory of all-MiniLM-L6-v2"
        );
    }
    named
}

fn cosine(a: &[f32], b: &[f64]) -> f64 {
    let norm = |sum: f64| sum.sqrt();
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum();
    dot / norm(a.iter().map(|value| f64::from(*value).powi(2)).sum()) / norm(b.iter().map(|value| value * value).sum())
}

#[test]
fn word_pieces_and_vectors_are_those_of_sentence_transformers() {
    let Some(weights) = weights() else { return };
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/all-MiniLM-L6-v2.jsonl")];
    files.extend(std::env::var_os("APRENDIZ_TEST_GOLDEN").map(PathBuf::from));
    let device = Device::flex();
    let encoder = Encoder::load(&weights, &device).unwrap();
    for file in files {
        let golden: Vec<Golden> = std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut least = f64::INFINITY;
        let texts: Vec<&str> = golden.iter().map(|golden| golden.text.as_str()).collect();
        let vectors = encoder.encode(&texts, 8, &device).unwrap();
        for (golden, vector) in golden.iter().zip(&vectors) {
            assert_eq!(encoder.tokens(&golden.text), golden.input_ids, "{}", golden.text);
            let cosine = cosine(vector, &golden.embedding);
            assert!(cosine >= LEAST_COSINE, "{cosine} for {}", golden.text);
            least = least.min(cosine);
        }
        eprintln!("RAN: {} texts of {}, least cosine {least:.9}", golden.len(), file.display());
    }
}
