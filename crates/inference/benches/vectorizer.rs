//! Throughput of the vectorizer.

use std::hint::black_box;

use aprendiz_inference::{DocumentFrequencies, FEATURES_VERSION, FeatureConfig, NgramCounter};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A deterministic contract-like text of about `length` characters.
fn text(length: usize, mut state: u64) -> String {
    let words = ["the", "agreement", "party", "license", "shall", "terminate", "governing", "law", "of", "fee"];
    let mut text = String::new();
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.push_str(words[(state >> 33) as usize % words.len()]);
        text.push_str(&format!("{} ", (state >> 40) % 500));
    }
    text
}

fn vectorizer(criterion: &mut Criterion) {
    let config = FeatureConfig {
        version: FEATURES_VERSION,
        word_ngrams: [1, 2],
        char_ngrams: [2, 5],
        word_pairs: 0,
        lead_chars: 0,
        sublinear_tf: true,
        min_df: 1,
        max_features: 1 << 18,
    };
    let text = text(34_000, 7);
    let mut counter = NgramCounter::new();
    let mut frequencies = DocumentFrequencies::new();
    frequencies.add(&counter.count(&config, &text));
    let vectorizer = frequencies.into_vectorizer(config);

    let mut group = criterion.benchmark_group("vectorizer");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("contract of 34,000 characters", |bencher| {
        bencher.iter(|| vectorizer.vectorize(&mut counter, black_box(&text)));
    });
    group.finish();
}

criterion_group!(benches, vectorizer);
criterion_main!(benches);
