//! That the fused operations compute what the plain ones do, forwards and backwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up shall fail")]

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Gradients, Tensor},
};
use encoder::{Bert, Encoder, write_random};

/// Texts of one to many word pieces, in several parts.
fn texts() -> Vec<String> {
    let words = ["governed", "by", "the", "laws", "of", "state", "party", "shall", "not", "assign", "12345", "agreement"];
    (0..40).map(|text| (0..text * 7 % 45).map(|word| words[(word * 5 + text) % words.len()]).collect::<Vec<_>>().join(" ")).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_into_vec_as::<f32>().unwrap()
}

/// Greatest distance, as a share of the length of what is expected.
fn apart(found: &[f32], expected: &[f32]) -> f64 {
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

fn gradients(model: &Bert, gradients: &mut Gradients) -> BTreeMap<String, Vec<f32>> {
    let mut collector = Collector(Vec::new(), gradients, BTreeMap::new());
    model.visit(&mut collector);
    collector.2
}

#[test]
fn vectors_and_gradients_are_those_of_plain_operations() {
    let dir = tempfile::tempdir().unwrap();
    write_random(dir.path(), 5).unwrap();
    let device = Device::flex().autodiff();
    let encoder = Encoder::load(dir.path(), &device).unwrap();
    let tokens: Vec<Vec<u32>> = texts().iter().map(|text| encoder.tokens(text)).collect();
    let batch = encoder.batch(&tokens);

    // any loss to which every number of every vector matters differently
    let loss = |vectors: Tensor<2>| {
        let [rows, size] = vectors.dims();
        let weights: Vec<f32> = (0..rows * size).map(|place| ((place * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let weights = Tensor::<1>::from_floats(weights.as_slice(), &device).reshape([rows, size]);
        (vectors * weights).sum()
    };
    let plain = encoder.forward_plain(&encoder.model, &batch, &device);
    let expected_vectors = values(plain.clone());
    let expected = gradients(&encoder.model, &mut loss(plain).backward());

    let (vectors, words) = encoder.forward_learning(&encoder.model, &batch, &device);
    assert!(apart(&values(vectors.clone()), &expected_vectors) < 1e-5);
    let words = words.unwrap();
    let mut found_gradients = loss(vectors).backward();
    let rows = words.rows.grad_remove(&mut found_gradients).unwrap().try_into_vec_as::<f32>().unwrap();
    let mut found = gradients(&encoder.model, &mut found_gradients);

    let (table, expected_table) = ("word_embeddings.weight", &expected["word_embeddings.weight"]);
    let size = rows.len() / words.ids.len();
    let mut spread = vec![0.0; expected_table.len()];
    for (id, row) in words.ids.iter().zip(rows.chunks_exact(size)) {
        spread[*id as usize * size..][..size].copy_from_slice(row);
    }
    assert!(found.insert(table.to_owned(), spread).is_none(), "the table itself learns nothing");
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, expected) in &expected {
        // the bias of keys changes no share: all of its gradient is rounding
        if name.ends_with("key.bias") {
            continue;
        }
        assert!(apart(&found[name], expected) < 1e-5, "{name}: {}", apart(&found[name], expected));
    }
}

#[test]
fn one_thread_or_three_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write_random(dir.path(), 5).unwrap();
    let device = Device::flex().autodiff();
    let encoder = Encoder::load(dir.path(), &device).unwrap();
    let tokens: Vec<Vec<u32>> = texts().iter().map(|text| encoder.tokens(text)).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (vectors, words) = encoder.forward_learning(&encoder.model, &encoder.batch(&tokens), &device);
            let mut found = vectors.clone().square().sum().backward();
            let rows = words.unwrap().rows.grad_remove(&mut found).unwrap();
            (values(vectors), values(rows), gradients(&encoder.model, &mut found))
        })
    };
    assert_eq!(run(1), run(3));
}
