//! Tests with a tiny random encoder.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

use std::{fs, path::Path};

use aprendiz_encoder::{BaseModel, BaseModelCaches, EmbeddingCache, Encoder, EncoderError, embeddings_fingerprint, write_random};
use burn::tensor::Device;

const TEXTS: [&str; 5] =
    ["governed by the laws of the state", "a", "", "the other party shall not assign this agreement to another 12345", "in or on"];

fn tiny() -> (tempfile::TempDir, Encoder) {
    let dir = tempfile::tempdir().unwrap();
    write_random(dir.path(), 7).unwrap();
    let encoder = Encoder::load(dir.path(), &Device::flex()).unwrap();
    (dir, encoder)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn vectors_are_normalized_and_differ_between_texts() {
    let (_dir, encoder) = tiny();
    let vectors = encoder.encode(&TEXTS, 32, &Device::flex()).unwrap();
    for vector in &vectors {
        assert_eq!(vector.len(), 32);
        assert!((vector.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert!(cosine(&vectors[0], &vectors[3]) < 0.9999);
}

#[test]
fn a_vector_does_not_depend_on_the_other_texts_of_the_batch() {
    let (_dir, encoder) = tiny();
    let together = encoder.encode(&TEXTS, 32, &Device::flex()).unwrap();
    for (text, vector) in TEXTS.iter().zip(&together) {
        let alone = encoder.encode(&[text], 1, &Device::flex()).unwrap();
        assert!(cosine(&alone[0], vector) > 0.999_999_9, "{text}");
    }
}

/// Cached vectors must equal computed ones, whatever the other texts of the batch are.
#[test]
fn a_vector_is_bit_identical_in_every_batch_on_flex() {
    let (_dir, encoder) = tiny();
    let many: Vec<String> =
        (0..40).map(|number| format!("{} the laws {}", TEXTS[number % 5], "of the state ".repeat(number % 7))).collect();
    let together = encoder.encode(&many, 40, &Device::flex()).unwrap();
    for batch in [1, 3, 16] {
        assert!(encoder.encode(&many, batch, &Device::flex()).unwrap() == together, "batches of {batch}");
    }
}

#[test]
fn cached_vectors_are_not_computed_again() {
    let (dir, encoder) = tiny();
    let device = Device::flex();
    let tokens: Vec<Vec<u32>> = TEXTS.iter().map(|text| encoder.tokens(text)).collect();
    let mut embeddings = EmbeddingCache::new(32);
    let first = encoder.encode_cached(&tokens[..3], 2, &device, &mut embeddings).unwrap();
    assert_eq!((embeddings.found(), embeddings.computed()), (0, 3));
    let file = dir.path().join("vectors");
    embeddings.write_computed(&file).unwrap();

    let mut embeddings = EmbeddingCache::new(32);
    embeddings.add_file(&file);
    // the first vector is computed again to verify the file, and counts as found
    encoder.encode_cached(&tokens[..1], 2, &device, &mut embeddings).unwrap();
    let all = encoder.encode_cached(&tokens, 2, &device, &mut embeddings).unwrap();
    assert_eq!((embeddings.found(), embeddings.computed(), embeddings.rejected().len()), (4, 2, 0));
    assert!(all[..3] == first[..] && all == encoder.encode(&TEXTS, 2, &device).unwrap());
}

#[test]
fn vectors_of_another_model_or_kernel_have_another_fingerprint() {
    let (dir, encoder) = tiny();
    let find = |dir: &Path| BaseModel::find(dir.to_str().unwrap(), &BaseModelCaches::default()).unwrap();
    let name = |dir: &Path, kernel| embeddings_fingerprint(&find(dir).hash, kernel);
    let first = name(dir.path(), "avx2");
    assert_eq!(first, name(dir.path(), "avx2"));
    assert_ne!(first, name(dir.path(), "avx512"));
    let plain = tempfile::tempdir().unwrap();
    encoder.write(plain.path(), "card\n").unwrap();
    assert_eq!(first, name(plain.path(), "avx2"));
    let modules: serde_json::Value = serde_json::from_slice(&fs::read(plain.path().join("modules.json")).unwrap()).unwrap();
    fs::write(plain.path().join("modules.json"), serde_json::json!(modules.as_array().unwrap()[..2]).to_string()).unwrap();
    assert_ne!(first, name(plain.path(), "avx2"), "not normalized");
}

#[test]
fn a_text_beyond_the_maximum_length_is_truncated() {
    let (_dir, encoder) = tiny();
    let long = "the laws of the state ".repeat(100);
    assert_eq!(encoder.tokens(&long).len(), 64);
    let longer = format!("{long} and more");
    let vectors = encoder.encode(&[long, longer], 1, &Device::flex()).unwrap();
    assert_eq!(vectors[0], vectors[1]);
}

#[test]
fn a_written_encoder_is_read_back_bit_identical() {
    let (dir, encoder) = tiny();
    let copy = tempfile::tempdir().unwrap();
    encoder.write(copy.path(), "card\n").unwrap();
    let manifest = Encoder::seal(copy.path()).unwrap();
    assert!(
        ["1_Pooling/config.json", "modules.json", "vocab.txt", "README.md"]
            .iter()
            .all(|path| manifest.files.iter().any(|file| file.path == *path))
    );
    for file in ["model.safetensors", "tokenizer.json", "config.json", "modules.json"] {
        assert_eq!(fs::read(dir.path().join(file)).unwrap(), fs::read(copy.path().join(file)).unwrap(), "{file}");
    }
    let again = Encoder::load(copy.path(), &Device::flex()).unwrap();
    assert_eq!(encoder.encode(&TEXTS, 2, &Device::flex()).unwrap(), again.encode(&TEXTS, 2, &Device::flex()).unwrap());
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn load_error(corrupt: impl FnOnce(&Path)) -> String {
    let (dir, _) = tiny();
    corrupt(dir.path());
    let error = Encoder::load(dir.path(), &Device::flex()).unwrap_err();
    assert!(matches!(error, EncoderError::Rejected { .. } | EncoderError::Io { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn an_unsupported_directory_is_rejected_with_the_file_and_the_reason() {
    let cases: [(&str, &str, &str, &str); 5] = [
        ("config.json", "\"gelu\"", "\"relu\"", "hidden_act is `relu`"),
        ("config.json", "\"hidden_size\": 32", "\"hidden_size\": 36", "has the shape"),
        ("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "has no tensor `encoder.layer.2."),
        ("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "has an unexpected tensor `encoder.layer.1."),
        ("1_Pooling/config.json", "tokens\": true", "tokens\": false", "pooling mode is []"),
    ];
    for (file, from, to, reason) in cases {
        let message = load_error(|dir| replace(&dir.join(file), from, to));
        assert!(message.contains(reason), "{message} instead of {reason}");
    }
    for file in ["config.json", "model.safetensors"] {
        assert!(load_error(|dir| fs::remove_file(dir.join(file)).unwrap()).contains(file));
    }
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        assert!(load_error(|dir| fs::write(dir.join(file), "{").unwrap()).contains(file));
    }
    // without tokenizer.json, the vocabulary is read
    let no_tokenizer = |dir: &Path| ["tokenizer.json", "vocab.txt"].iter().for_each(|file| fs::remove_file(dir.join(file)).unwrap());
    assert!(load_error(no_tokenizer).contains("tokenizer.json"));
}

#[test]
fn the_hash_of_a_directory_covers_the_files_that_determine_its_vectors() {
    let (dir, _) = tiny();
    let hash = |dir: &Path| BaseModel::find(dir.to_str().unwrap(), &BaseModelCaches::default()).unwrap().hash;
    let before = hash(dir.path());
    fs::write(dir.path().join("README.md"), "another card").unwrap();
    assert_eq!(hash(dir.path()), before);
    write_random(dir.path(), 8).unwrap();
    assert_ne!(hash(dir.path()), before);
}
