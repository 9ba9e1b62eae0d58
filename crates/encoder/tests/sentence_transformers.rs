//! Tests that directories in the layouts in which people publish models give the vectors of sentence-transformers.
//!
//! `fixtures/variants` was written by `reference/make_variants.py`, `fixtures/families` by `reference/make_families.py`; the vectors of `fixtures/cases` were computed in plain Python.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use aprendiz_encoder::{BaseModel, BaseModelCaches, Encoder, EncoderError};
use burn::tensor::Device;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Expected {
    text: String,
    #[serde(alias = "input_ids")]
    ids: Vec<u32>,
    embedding: Vec<f32>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn case(name: &str) -> PathBuf {
    fixtures().join("cases").join(name)
}

fn expected(path: &Path) -> Vec<Expected> {
    let text = fs::read_to_string(path).unwrap();
    if path.extension().unwrap() == "json" {
        return serde_json::from_str(&text).unwrap();
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Greatest difference of the values of the vectors; infinite if the tokens differ.
fn difference(encoder: &Encoder, expected: &[Expected]) -> f32 {
    if expected.iter().any(|expected| encoder.tokens(&expected.text) != expected.ids) {
        return f32::INFINITY;
    }
    let texts: Vec<&str> = expected.iter().map(|expected| expected.text.as_str()).collect();
    let vectors = encoder.encode(&texts, 2, &Device::flex()).unwrap();
    let pairs = vectors.iter().zip(expected).flat_map(|(vector, expected)| {
        assert_eq!(vector.len(), expected.embedding.len());
        vector.iter().zip(&expected.embedding)
    });
    pairs.map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max)
}

fn load(dir: &Path) -> Encoder {
    Encoder::load(dir, &Device::flex()).unwrap_or_else(|error| panic!("{error}"))
}

fn find(dir: &Path) -> Result<BaseModel, EncoderError> {
    BaseModel::find(dir.to_str().unwrap(), &BaseModelCaches::default())
}

/// The directory and its export give the expected vectors. Returns what was noted about the directory, and the export.
fn check(dir: &Path, expected: &[Expected], tolerance: f32) -> (Vec<String>, tempfile::TempDir) {
    let encoder = load(dir);
    let found = difference(&encoder, expected);
    assert!(found <= tolerance, "{}: {found}", dir.display());
    let base = find(dir).unwrap();
    assert_eq!(base.notes, encoder.notes(), "{}", dir.display());

    let export = tempfile::tempdir().unwrap();
    encoder.write(export.path(), "card\n").unwrap();
    let again = load(export.path());
    assert_eq!(difference(&again, expected).to_bits(), found.to_bits(), "the export of {}", dir.display());
    assert_eq!(again.max_length(), encoder.max_length());
    // for `reference/check_exports.py`
    if let Some(folder) = std::env::var_os("APRENDIZ_TEST_EXPORTS") {
        let name = dir.strip_prefix(fixtures()).unwrap().to_string_lossy().replace('/', "--");
        let target = Path::new(&folder).join(name);
        encoder.write(&target, "card\n").unwrap();
        let lines = expected.iter().map(|expected| json!({"text": expected.text, "embedding": expected.embedding}).to_string() + "\n");
        fs::write(target.join("expected.jsonl"), lines.collect::<String>()).unwrap();
    }
    (base.notes, export)
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A copy of a directory that can be changed.
fn copy(dir: &Path) -> tempfile::TempDir {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            if path.is_dir() { copy_into(&path, &to.join(name)) } else { fs::copy(&path, to.join(name)).map(|_| ()).unwrap() }
        }
    }
    let target = tempfile::tempdir().unwrap();
    copy_into(dir, target.path());
    target
}

fn change_json(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = read_json(path);
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// The vectors have six decimals.
const EXACT: f32 = 2e-6;

/// Outputs of bare models are not of length 1, so their errors are larger.
const EXACT_UNNORMALIZED: f32 = 2e-5;

#[test]
fn every_family_pooling_and_module_gives_the_vectors_of_sentence_transformers() {
    let families = fixtures().join("families");
    let mut names: Vec<String> = fs::read_dir(&families).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 16);
    for name in names {
        let dir = families.join(&name);
        let tolerance =
            if name.ends_with("max") || name.ends_with("sqrt") || name.ends_with("-dense") { EXACT_UNNORMALIZED } else { EXACT };
        check(&dir, &expected(&dir.join("expected.jsonl")), tolerance);
    }
}

#[test]
fn every_variant_of_published_models_gives_the_vectors_of_sentence_transformers() {
    let notes: Vec<(&str, &[&str])> = vec![
        ("accents-kept", &[]),
        ("added-token", &["no maximum length"]),
        ("bare", &["no modules.json", "no maximum length"]),
        ("bare-and-short", &["no modules.json", "no layer_norm_eps", "no hidden_act"]),
        ("bf16-and-classifier", &["`classifier` (2)", "BF16 and used as F32"]),
        ("cased", &[]),
        ("f64", &["F64 and used as F32"]),
        ("holes", &[]),
        ("lowercase-and-accents", &["do_lower_case"]),
        ("lowercase-and-prompt", &["\"QUERY: \"", "similarity_fn_name is `dot`", "do_lower_case"]),
        ("newer-layout", &[]),
        ("old-names-in-f16-shards", &["`classifier` (1), `cls` (2), `dropout` (1)", "F16 and used as F32"]),
        ("old-names-without-prefix", &["`classifier` (1), `cls` (2), `dropout` (1)"]),
        ("prompt-left-out", &["\"Law, query: \"", "do not count in the mean"]),
        ("prompt-of-old-layout", &["\"fee: \""]),
        ("prompts-without-default", &["none of the prompts (query)"]),
        ("shared-ids", &["`law` and `unknown`", "`of` and `the`"]),
        ("word-list", &["a WordPiece tokenizer is built from vocab.txt"]),
        ("word-list-cased", &["a WordPiece tokenizer is built from vocab.txt"]),
        ("word-list-without-settings", &["no modules.json", "a WordPiece tokenizer is built from vocab.txt"]),
    ];
    let mut names: Vec<String> =
        fs::read_dir(fixtures().join("variants")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, notes.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
    for (name, parts) in notes {
        let dir = fixtures().join("variants").join(name);
        let (found, _) = check(&dir, &expected(&dir.join("expected.jsonl")), EXACT_UNNORMALIZED);
        let text = found.join("\n");
        assert!(parts.iter().all(|part| text.contains(part)), "{name}: {text}");
        let without_length = found.iter().filter(|note| !note.contains("no maximum length")).count();
        assert!(!parts.is_empty() || without_length == 0, "{name}: {text}");
    }
}

#[test]
fn weights_under_old_names_with_heads_in_half_precision_or_in_shards_are_read() {
    let dir = case("bert-weights-variants");
    for (name, vectors, tolerance) in [
        ("plain", "expected.json", EXACT),
        ("bert-prefix-only", "expected.json", EXACT),
        ("gamma-beta-and-heads", "expected.json", EXACT),
        ("two-shards", "expected.json", EXACT),
        ("f16", "expected-f16.json", EXACT),
        ("bf16", "expected-bf16.json", EXACT),
    ] {
        let (notes, export) = check(&dir.join(name), &expected(&dir.join(vectors)), tolerance);
        let expected_notes = usize::from(["gamma-beta-and-heads", "f16", "bf16"].contains(&name));
        assert_eq!(notes.len(), expected_notes, "{notes:?}");
        assert!(export.path().join("model.safetensors").is_file());
    }
    let hashes = ["plain", "bert-prefix-only", "two-shards"].map(|name| find(&dir.join(name)).unwrap().hash);
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
}

#[test]
fn an_export_names_the_type_and_the_architecture_of_its_weights() {
    for (name, key) in [("old-names-in-f16-shards", "torch_dtype"), ("bf16-and-classifier", "dtype")] {
        let dir = fixtures().join("variants").join(name);
        change_and_export(
            &dir,
            |dir| change_json(&dir.join("config.json"), |config| config["architectures"] = json!(["BertForPreTraining"])),
            |export| {
                let config = read_json(&export.join("config.json"));
                assert_eq!((&config[key], &config["architectures"]), (&json!("float32"), &json!(["BertModel"])), "{config}");
            },
        );
    }
}

fn change_and_export(dir: &Path, change: impl FnOnce(&Path), check: impl FnOnce(&Path)) {
    let copy = copy(dir);
    change(copy.path());
    let export = tempfile::tempdir().unwrap();
    load(copy.path()).write(export.path(), "card\n").unwrap();
    check(export.path());
}

#[test]
fn do_lower_case_beside_a_cased_tokenizer_is_honoured_and_exported() {
    let dir = case("lowercase-outside-tokenizer");
    let (notes, export) = check(&dir.join("model"), &expected(&dir.join("expected.json")), EXACT);
    assert!(notes.iter().any(|note| note.contains("do_lower_case")), "{notes:?}");
    assert_eq!(difference(&load(&dir.join("model")), &expected(&dir.join("wrong-if-the-flag-is-ignored.json"))), f32::INFINITY);
    assert_eq!(read_json(&export.path().join("sentence_bert_config.json"))["do_lower_case"], true);
    assert_eq!(read_json(&export.path().join("tokenizer_config.json"))["do_lower_case"], false);
}

#[test]
fn the_default_prompt_is_put_before_every_text_and_exported() {
    let dir = case("default-prompt");
    let (notes, export) = check(&dir.join("model"), &expected(&dir.join("expected.json")), EXACT);
    assert_eq!(notes, ["the default prompt `query`, \"query: \", is put before every text"]);
    let wrong = expected(&dir.join("wrong-if-the-prompt-is-ignored.json"));
    let vectors = load(&dir.join("model")).encode(&[&wrong[0].text], 1, &Device::flex()).unwrap();
    assert!(vectors[0].iter().zip(&wrong[0].embedding).any(|(found, wrong)| (found - wrong).abs() > 0.01));
    let config = read_json(&export.path().join("config_sentence_transformers.json"));
    assert_eq!(config["prompts"], json!({"query": "query: ", "document": "fee: "}));
    assert_eq!((&config["default_prompt_name"], &config["similarity_fn_name"]), (&json!("query"), &json!("cosine")));
}

#[test]
fn a_bare_directory_is_the_mean_of_its_tokens_without_normalization() {
    let dir = case("model-directory-incomplete");
    let (notes, export) = check(&dir.join("three-files-only"), &expected(&dir.join("three-files-only.expected.json")), EXACT_UNNORMALIZED);
    assert!(notes[0].contains("no modules.json") && notes[0].contains("not normalized"), "{notes:?}");
    assert!(!export.path().join("2_Normalize").exists() && read_json(&export.path().join("modules.json")).as_array().unwrap().len() == 2);
    // a card of sentence-transformers is a sign that files were not copied
    let notes = find(&dir.join("cls-pooling-lost")).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("README.md") && note.contains("copy the whole directory")), "{notes:?}");
}

#[test]
fn a_directory_without_its_pooling_is_rejected_by_name() {
    let dir = case("model-directory-incomplete").join("without-pooling-folder");
    let error = find(&dir).unwrap_err();
    assert_eq!(error.code(), "bad_base_model");
    let message = error.to_string();
    assert!(message.contains("1_Pooling/config.json: is missing, although modules.json lists its folder"), "{message}");
}

#[test]
fn the_old_layout_with_a_folder_for_the_network_is_read() {
    let dir = case("model-directory-incomplete");
    let (notes, _) = check(&dir.join("old-layout"), &expected(&dir.join("old-layout.expected.json")), EXACT);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn without_a_length_of_its_own_a_directory_has_that_of_its_tokenizer() {
    let dir = case("model-directory-incomplete");
    let (notes, export) = check(&dir.join("no-longest-text"), &expected(&dir.join("no-longest-text.expected.json")), EXACT);
    assert!(notes.is_empty() && load(export.path()).max_length() == 16, "{notes:?}");
}

#[test]
fn unused_ids_keep_their_lines_in_the_exported_vocabulary() {
    let dir = case("vocabulary-with-holes");
    let (_, export) = check(&dir.join("model"), &expected(&dir.join("expected.json")), EXACT);
    let lines: Vec<String> = fs::read_to_string(export.path().join("vocab.txt")).unwrap().lines().map(str::to_owned).collect();
    let tokenizer = read_json(&dir.join("model/tokenizer.json"));
    let vocab = tokenizer["model"]["vocab"].as_object().unwrap();
    for (token, id) in vocab {
        assert_eq!(lines[id.as_u64().unwrap() as usize], *token);
    }
    assert_eq!(lines.iter().filter(|line| !vocab.contains_key(*line)).count(), lines.len() - vocab.len());
    assert!(lines.len() == vocab.len() + 2, "{}", lines.len());
}

#[test]
fn every_file_that_changes_vectors_changes_the_hash() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 9] = [
        ("sentence_bert_config.json", |path| fs::write(path, r#"{"max_seq_length": 20}"#).unwrap()),
        ("config_sentence_transformers.json", |path| fs::write(path, r#"{"prompts": {"a": "law "}, "default_prompt_name": "a"}"#).unwrap()),
        ("tokenizer_config.json", |path| change_json(path, |settings| settings["model_max_length"] = json!(20))),
        ("modules.json", |path| change_json(path, |modules| drop(modules.as_array_mut().unwrap().pop()))),
        ("1_Pooling/config.json", |path| change_json(path, |pooling| pooling["include_prompt"] = json!(true))),
        ("2_Normalize/config.json", |path| {
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }),
        ("added_tokens.json", |path| fs::write(path, r#"{"law": 67}"#).unwrap()),
        ("config.json", |path| change_json(path, |config| config["layer_norm_eps"] = json!(1e-5))),
        ("tokenizer.json", |path| change_json(path, |tokenizer| tokenizer["model"]["max_input_chars_per_word"] = json!(5))),
    ];
    let variant = fixtures().join("variants/accents-kept");
    let mut hashes = vec![find(&variant).unwrap().hash];
    for (file, change) in changes {
        let copy = copy(&variant);
        if file == "added_tokens.json" {
            let id = read_json(&copy.path().join("tokenizer.json"))["model"]["vocab"]["law"].clone();
            fs::write(copy.path().join(file), json!({"law": id}).to_string()).unwrap();
        } else {
            change(&copy.path().join(file));
        }
        let hash = find(copy.path()).unwrap_or_else(|error| panic!("{file}: {error}")).hash;
        assert!(!hashes.contains(&hash), "{file}");
        hashes.push(hash);
    }
    let copy = copy(&variant);
    fs::write(copy.path().join("README.md"), "---\nlibrary_name: sentence-transformers\n---\n").unwrap();
    fs::write(copy.path().join("optimizer.pt"), "").unwrap();
    assert!(hashes.contains(&find(copy.path()).unwrap().hash), "files that are not read do not matter");
}

#[test]
fn what_is_not_understood_is_rejected_by_file_and_name_before_the_weights_are_read() {
    type Change = fn(&Path);
    let cases: [(&str, Change, &str); 18] = [
        ("old-names-in-f16-shards", |dir| fs::remove_file(dir.join("model-00002-of-00003.safetensors")).unwrap(), "model-00002-of-00003"),
        (
            "old-names-in-f16-shards",
            |dir| {
                change_json(&dir.join("model.safetensors.index.json"), |index| {
                    index["weight_map"]["bert.embeddings.LayerNorm.gamma"] = json!("../x.safetensors");
                })
            },
            "lists \"../x.safetensors\"",
        ),
        (
            "cased",
            |dir| fs::write(dir.join("model.safetensors"), &fs::read(dir.join("model.safetensors")).unwrap()[..9000]).unwrap(),
            "not copied completely",
        ),
        ("cased", |dir| fs::write(dir.join("adapter_config.json"), "{}").unwrap(), "adapter_config.json: adapters are not supported"),
        ("cased", |dir| fs::write(dir.join("added_tokens.json"), r#"{"[NEW]": 90}"#).unwrap(), "added_tokens.json: adds the token `[NEW]`"),
        (
            "cased",
            |dir| fs::remove_file(dir.join("tokenizer.json")).unwrap(),
            "tokenizer.json: is missing, and so is vocab.txt: write it with",
        ),
        (
            "cased",
            |dir| {
                fs::remove_file(dir.join("tokenizer.json")).unwrap();
                fs::write(dir.join("sentencepiece.bpe.model"), "").unwrap();
            },
            "sentencepiece.bpe.model is not read: write tokenizer.json",
        ),
        (
            "word-list",
            |dir| {
                change_json(&dir.join("tokenizer_config.json"), |settings| settings["tokenizer_class"] = json!("BertJapaneseTokenizer"));
            },
            "vocab.txt: belongs to the tokenizer_class \"BertJapaneseTokenizer\"",
        ),
        ("word-list", |dir| fs::write(dir.join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\nlaw\n").unwrap(), "vocab.txt: has no token `[SEP]`"),
        ("cased", |dir| fs::remove_file(dir.join("config.json")).unwrap(), "config.json: is missing"),
        (
            "cased",
            |dir| fs::write(dir.join("config_sentence_transformers.json"), r#"{"default_prompt_name": "q"}"#).unwrap(),
            "default_prompt_name is `q`",
        ),
        (
            "cased",
            |dir| change_json(&dir.join("tokenizer_config.json"), |settings| settings["do_lower_case"] = json!(true)),
            "do_lower_case is true",
        ),
        ("cased", |dir| change_json(&dir.join("config.json"), |config| config["is_decoder"] = json!(true)), "`is_decoder` is true"),
        ("cased", |dir| change_json(&dir.join("config.json"), |config| config["vocab_size"] = json!(60)), "vocab_size is 60"),
        (
            "added-token",
            |dir| {
                change_json(&dir.join("tokenizer.json"), |tokenizer| {
                    tokenizer["added_tokens"][5]["id"] = json!(99);
                })
            },
            "`unknown!`",
        ),
        (
            "holes",
            |dir| change_json(&dir.join("tokenizer.json"), |tokenizer| tokenizer["model"]["vocab"]["texas"] = json!(4000)),
            "`texas` has id 4000",
        ),
        ("bare", |dir| fs::create_dir(dir.join("1_Pooling")).unwrap(), "modules.json: is missing, although there is 1_Pooling"),
        (
            "newer-layout",
            |dir| change_json(&dir.join("1_Pooling/config.json"), |pooling| pooling["pooling_mode"] = json!("lasttoken")),
            "lasttoken",
        ),
    ];
    for (variant, change, reason) in cases {
        let copy = copy(&fixtures().join("variants").join(variant));
        change(copy.path());
        let error = find(copy.path()).unwrap_err();
        assert!(
            ["bad_base_model", "io"].contains(&error.code()) && error.to_string().contains(reason),
            "{variant}: {error} instead of {reason}"
        );
        assert_eq!(Encoder::load(copy.path(), &Device::flex()).unwrap_err().to_string(), error.to_string());
    }
}
