//! Tests that the fused operations compute the same as the plain ones, forward and backward.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

use std::collections::BTreeMap;

use aprendiz_encoder::{Encoder, Network, write_random};
use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Gradients, Tensor},
};

/// Texts of different lengths, enough for several parts.
fn texts() -> Vec<String> {
    let words = ["governed", "by", "the", "laws", "of", "state", "party", "shall", "not", "assign", "12345", "agreement"];
    (0..40).map(|text| (0..text * 7 % 45).map(|word| words[(word * 5 + text) % words.len()]).collect::<Vec<_>>().join(" ")).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_into_vec_as::<f32>().unwrap()
}

/// Relative distance to the expected values.
fn relative_distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let distance = found.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    let length = expected.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    distance / length.max(1e-12)
}

struct Collector<'a>(Vec<String>, &'a mut Gradients, BTreeMap<String, Vec<f32>>);

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(self.1) {
            self.2.insert(self.0.join("."), gradient.try_into_vec_as::<f32>().unwrap());
        }
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.0.pop();
    }
}

fn gradients(model: &Network, gradients: &mut Gradients) -> BTreeMap<String, Vec<f32>> {
    let mut collector = Collector(Vec::new(), gradients, BTreeMap::new());
    model.visit(&mut collector);
    collector.2
}

#[test]
fn vectors_and_gradients_equal_those_of_plain_operations() {
    let dir = tempfile::tempdir().unwrap();
    write_random(dir.path(), 5).unwrap();
    check(dir.path());
    // a prompt whose tokens do not count in the mean
    let prompts = r#"{"prompts": {"query": "the laws of: "}, "default_prompt_name": "query"}"#;
    std::fs::write(dir.path().join("config_sentence_transformers.json"), prompts).unwrap();
    std::fs::write(dir.path().join("1_Pooling/config.json"), r#"{"pooling_mode_mean_tokens": true, "include_prompt": false}"#).unwrap();
    check(dir.path());
}

#[test]
fn families_and_poolings_equal_those_of_plain_operations() {
    for name in [
        "distilbert",
        "mpnet",
        "xlm-roberta",
        "bert-cls",
        "bert-max",
        "bert-weighted-mean-without-prompt",
        "bert-mean-sqrt",
        "bert-two-dense",
    ] {
        check(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families").join(name));
    }
}

fn check(dir: &std::path::Path) {
    let device = Device::flex().autodiff();
    let encoder = Encoder::load(dir, &device).unwrap();
    let tokens: Vec<Vec<u32>> = texts().iter().map(|text| encoder.tokens(text)).collect();
    let batch = encoder.batch(&tokens);

    // a loss to which every value contributes with a different weight
    let loss = |vectors: Tensor<2>| {
        let [rows, size] = vectors.dims();
        let weights: Vec<f32> = (0..rows * size).map(|index| ((index * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let weights = Tensor::<1>::from_floats(weights.as_slice(), &device).reshape([rows, size]);
        (vectors * weights).sum()
    };
    let plain = encoder.forward_plain(&encoder.model, &batch, &device);
    let expected_vectors = values(plain.clone());
    let expected = gradients(&encoder.model, &mut loss(plain).backward());

    let (vectors, token_rows) = encoder.forward_training(&encoder.model, &batch, &device);
    assert!(relative_distance(&values(vectors.clone()), &expected_vectors) < 1e-5);
    let token_rows = token_rows.unwrap();
    let mut found_gradients = loss(vectors).backward();
    let rows = token_rows.rows.grad_remove(&mut found_gradients).unwrap().try_into_vec_as::<f32>().unwrap();
    let mut found = gradients(&encoder.model, &mut found_gradients);

    let (table, expected_table) = ("word_embeddings.weight", &expected["word_embeddings.weight"]);
    let size = rows.len() / token_rows.ids.len();
    let mut table_gradient = vec![0.0; expected_table.len()];
    for (id, row) in token_rows.ids.iter().zip(rows.chunks_exact(size)) {
        table_gradient[*id as usize * size..][..size].copy_from_slice(row);
    }
    assert!(found.insert(table.to_owned(), table_gradient).is_none(), "the table itself has no gradient");
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, expected) in &expected {
        // the bias of keys does not affect attention weights: its gradient is only rounding noise
        if name.ends_with("key.bias") {
            continue;
        }
        assert!(relative_distance(&found[name], expected) < 1e-5, "{name}: {}", relative_distance(&found[name], expected));
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    write_random(dir.path(), 5).unwrap();
    let device = Device::flex().autodiff();
    let encoder = Encoder::load(dir.path(), &device).unwrap();
    let tokens: Vec<Vec<u32>> = texts().iter().map(|text| encoder.tokens(text)).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (vectors, token_rows) = encoder.forward_training(&encoder.model, &encoder.batch(&tokens), &device);
            let mut found = vectors.clone().square().sum().backward();
            let rows = token_rows.unwrap().rows.grad_remove(&mut found).unwrap();
            (values(vectors), values(rows), gradients(&encoder.model, &mut found))
        })
    };
    assert_eq!(run(1), run(3));
}
