//! Model directories: round trip, and rejection of invalid ones with the file and the reason.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::{fs, path::Path};

use aprendiz_inference::{
    CONFIG_FILE, DocumentFrequencies, FEATURES_VERSION, FORMAT_VERSION, FeatureConfig, FieldConfig, FieldWeights, KIND_LINEAR, Model,
    ModelConfig, NgramCounter, ThresholdStatus, TrainingInfo, WEIGHTS_FILE, Weights, manifest,
};

fn features() -> FeatureConfig {
    FeatureConfig {
        version: FEATURES_VERSION,
        word_ngrams: [1, 2],
        char_ngrams: [2, 3],
        word_pairs: 0,
        lead_chars: 0,
        sublinear_tf: true,
        min_df: 1,
        max_features: 100,
    }
}

fn write_model(dir: &Path) -> (ModelConfig, Weights) {
    write_model_with(dir, features())
}

/// Writes a model with two classes over the n-grams of one text.
fn write_model_with(dir: &Path, features: FeatureConfig) -> (ModelConfig, Weights) {
    let mut frequencies = DocumentFrequencies::new();
    frequencies.add(&NgramCounter::new().count(&features, "governing law"));
    let vectorizer = frequencies.into_vectorizer(features.clone());
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind: KIND_LINEAR.to_owned(),
        features,
        feature_count: vectorizer.len(),
        fields: vec![FieldConfig {
            name: "law".to_owned(),
            labels: vec![Some("Utah".to_owned()), None],
            train_counts: vec![3, 1],
            unlearnable: vec![],
            l2: 0.3,
            threshold: Some(0.5),
            threshold_status: ThresholdStatus::Ok,
        }],
        target_accuracy: 0.95,
        seed: 1,
        training: TrainingInfo {
            train_documents: 4,
            validation_documents: 0,
            backend: "flex".to_owned(),
            cpu_kernel: "avx2".to_owned(),
            version: "0".to_owned(),
            params: serde_json::json!({}),
        },
    };
    let head = FieldWeights { weight: [1.0, -1.0].repeat(vectorizer.len()), bias: vec![0.0, 0.5] };
    let weights = Weights { keys: vectorizer.keys().to_vec(), idf: vectorizer.idf().to_vec(), fields: vec![head] };
    weights.write(dir, &config).unwrap();
    config.write(dir).unwrap();
    manifest::write(dir).unwrap();
    (config, weights)
}

fn load_error(dir: &Path) -> String {
    Model::load_unpublished(dir).unwrap_err().to_string()
}

fn edit_config(dir: &Path, edit: impl Fn(&mut serde_json::Value)) {
    let path = dir.join(CONFIG_FILE);
    let mut config = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    edit(&mut config);
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn written_models_are_read_back_and_predict() {
    let dir = tempfile::tempdir().unwrap();
    let (config, weights) = write_model(dir.path());
    assert_eq!(ModelConfig::read(dir.path()).unwrap(), config);
    assert_eq!(Weights::read(dir.path(), &config).unwrap(), weights);
    let model = Model::load(dir.path()).unwrap();
    assert_eq!(model.field("law").unwrap().majority(), Some(&Some("Utah".to_owned())));
    let known = &model.predict("the governing law")[0];
    assert!(known.value.as_deref() == Some("Utah") && known.answered);
}

#[test]
fn a_text_without_known_features_is_never_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (mut config, _) = write_model(dir.path());
    // a threshold that every confidence reaches
    config.fields[0].threshold = Some(0.0);
    config.write(dir.path()).unwrap();
    let model = Model::load_unpublished(dir.path()).unwrap();
    for text in ["", " \n", "…", "合意書", "12", "🙂", "\u{200B}\u{301}"] {
        let prediction = &model.predict(text)[0];
        assert!(prediction.no_known_feature && !prediction.answered, "{text:?}: {prediction:?}");
        // three of four training examples
        assert_eq!((prediction.value.as_deref(), prediction.confidence), (Some("Utah"), 0.75), "{text:?}");
    }
    let known = &model.predict("the law")[0];
    assert!(known.answered && !known.no_known_feature);
}

#[test]
fn the_contributions_of_words_sum_up_to_the_log_odds_of_the_two_classes() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path());
    let model = Model::load(dir.path()).unwrap();
    let text = "São: the GOVERNING law, (law)";
    let mut counter = NgramCounter::new();
    let explained = model.predict_with_evidence(&mut counter, text);
    let (prediction, words) = &explained[0];
    assert_eq!(*prediction, model.predict_with(&mut counter, text)[0], "the same numbers as without evidence");
    let shown: Vec<(&str, Option<(usize, usize)>)> = words.iter().map(|word| (word.text.as_str(), word.place)).collect();
    assert_eq!(shown, [("GOVERNING", Some((9, 18))), ("law", Some((19, 22)))]);
    let sum: f64 = words.iter().map(|word| word.contribution).sum();
    let log_odds = (prediction.top[0].probability / prediction.top[1].probability).ln();
    // the biases are 0 and 0.5
    assert!((sum - 0.5 - log_odds).abs() < 1e-6, "{sum} {log_odds}");
    assert!(model.predict_with_evidence(&mut counter, "…")[0].1.is_empty());
    // composed when it is read, so the places in the text are those of its words
    let decomposed = "governing law e\u{301}".to_owned();
    assert_eq!(model.predict_with_evidence(&mut counter, &decomposed)[0].1[0].place, Some((0, 9)));
}

#[test]
fn models_of_format_version_1_are_read_with_their_features() {
    let dir = tempfile::tempdir().unwrap();
    let (config, weights) = write_model_with(dir.path(), FeatureConfig { version: 1, ..features() });
    edit_config(dir.path(), |config| {
        config["format_version"] = 1.into();
        config["features"].as_object_mut().unwrap().remove("version");
    });
    let read = ModelConfig::read(dir.path()).unwrap();
    assert_eq!((read.format_version, &read.features), (1, &config.features));
    assert_eq!(Weights::read(dir.path(), &read).unwrap(), weights);
    edit_config(dir.path(), |config| config["features"]["version"] = 2.into());
    assert!(load_error(dir.path()).contains("format version 1 with version 2 of the features"));
    edit_config(dir.path(), |config| {
        config["format_version"] = 2.into();
        config["features"]["version"] = 3.into();
    });
    assert!(load_error(dir.path()).contains("unsupported version 3 of the features"));
}

#[test]
fn models_without_lead_chars_keep_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = write_model(dir.path());
    let written = fs::read_to_string(dir.path().join(CONFIG_FILE)).unwrap();
    assert!(!written.contains("lead_chars") && !written.contains("word_pairs"), "{written}");
    assert_eq!(ModelConfig::read(dir.path()).unwrap(), config);
    // keys of the first release: all bits but the family bit belong to the hash
    let first = xxhash_rust::xxh3::xxh3_64(b"governing") & !(1 << 63);
    assert!(first & (1 << 62) != 0 || xxhash_rust::xxh3::xxh3_64(b"law") & (1 << 62) != 0, "a word whose hash has the second-highest bit");
    assert!(Model::load(dir.path()).unwrap().vectorizer().keys().contains(&first));
}

#[test]
fn models_with_lead_chars_are_read_back_and_limits_enforced() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = write_model_with(dir.path(), FeatureConfig { lead_chars: 9, word_pairs: 3, ..features() });
    assert_eq!(ModelConfig::read(dir.path()).unwrap(), config);
    let prediction = Model::load(dir.path()).unwrap().predict("governing nothing")[0].clone();
    assert_eq!(prediction.value.as_deref(), Some("Utah"));
    edit_config(dir.path(), |config| config["features"]["lead_chars"] = 2_000_000.into());
    assert!(load_error(dir.path()).contains("lead_chars must be from 0 to"));
}

#[test]
fn missing_manifests_and_changed_files_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path());
    edit_config(dir.path(), |config| config["seed"] = 2.into());
    assert!(Model::load(dir.path()).unwrap_err().to_string().contains(CONFIG_FILE));
    fs::remove_file(dir.path().join("manifest.json")).unwrap();
    assert!(Model::load(dir.path()).unwrap_err().to_string().contains("manifest.json"));
}

#[test]
fn other_versions_and_kinds_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path());
    edit_config(dir.path(), |config| {
        config["format_version"] = 3.into();
        config["extra"] = 1.into();
    });
    assert!(load_error(dir.path()).contains("unsupported format version 3"));
    write_model(dir.path());
    edit_config(dir.path(), |config| config["kind"] = "forest".into());
    assert!(load_error(dir.path()).contains("unsupported kind `forest`"));
    write_model(dir.path());
    edit_config(dir.path(), |config| config["extra"] = 1.into());
    assert!(load_error(dir.path()).contains("extra"));
}

#[test]
fn inconsistent_labels_and_thresholds_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path());
    edit_config(dir.path(), |config| config["fields"][0]["labels"] = serde_json::json!([null, "Utah"]));
    assert!(load_error(dir.path()).contains("not sorted"));
    write_model(dir.path());
    edit_config(dir.path(), |config| config["fields"][0]["threshold"] = serde_json::Value::Null);
    assert!(load_error(dir.path()).contains("without a threshold"));
    write_model(dir.path());
    edit_config(dir.path(), |config| config["fields"][0]["threshold_status"] = "target_unreachable".into());
    assert!(load_error(dir.path()).contains("although its status is not ok"));
}

#[test]
fn missing_extra_and_misshapen_tensors_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = write_model(dir.path());
    edit_config(dir.path(), |config| config["feature_count"] = 3.into());
    let error = load_error(dir.path());
    assert!(error.contains(WEIGHTS_FILE) && error.contains("vocabulary.keys") && error.contains("expected U64 [3]"), "{error}");

    let mut renamed = config.clone();
    renamed.fields[0].name = "place".to_owned();
    renamed.write(dir.path()).unwrap();
    assert!(load_error(dir.path()).contains("missing tensor `fields.place.weight`"));

    let (config, mut weights) = write_model(dir.path());
    let mut two = config.clone();
    two.fields.push(FieldConfig { name: "type".to_owned(), ..config.fields[0].clone() });
    weights.fields.push(weights.fields[0].clone());
    weights.write(dir.path(), &two).unwrap();
    assert!(load_error(dir.path()).contains("`fields.type."));
}

#[test]
fn invalid_safetensors_files_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path());
    let path = dir.path().join(WEIGHTS_FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    assert!(load_error(dir.path()).contains("invalid safetensors file"));
    fs::write(&path, b"\x80\x04K\x01.").unwrap();
    assert!(load_error(dir.path()).contains("invalid safetensors file"));
}

#[test]
fn non_finite_weights_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let (config, mut weights) = write_model(dir.path());
    weights.fields[0].bias[0] = f32::NAN;
    assert!(weights.write(dir.path(), &config).unwrap_err().to_string().contains("not finite"));
}
