//! A tiny base model with random weights, workers that find it, and run specs that train from it.

use std::path::{Path, PathBuf};

use aprendiz_test_support::Process;
use serde_json::{Value, json};

use crate::fixture::TestApp;

/// The folder of base models. It contains `tiny`.
pub(super) fn base_models(app: &TestApp) -> PathBuf {
    let folder = app.env.folder().join("base-models");
    if !folder.exists() {
        aprendiz_encoder::write_random(&folder.join("tiny"), 3).expect("the folder can be written");
    }
    folder
}

/// Starts a worker that finds base models in one folder only.
pub(super) fn start_worker(app: &TestApp, name: &str, folder: &Path, variables: &[(&str, &str)]) -> Process {
    let folder = folder.display().to_string();
    let base_models = [("APRENDIZ_BASE_MODELS", folder.as_str()), ("HF_HOME", "/nonexistent"), ("HF_HUB_CACHE", "/nonexistent")];
    app.env.worker(name, &[&base_models, variables].concat())
}

/// A run that trains from `tiny`.
pub(super) fn encoder_spec(params: &Value) -> Value {
    json!({
        "model": "contracts-encoder", "kind": "sentence-transformer", "base_model": "tiny", "params": params,
        "data": { "fields": ["contract_type", "managed_by"], "pairs": { "per_label": 6, "max_chars": 200 } },
    })
}

/// Parameters of a training of about a second.
pub(super) fn quick_params() -> Value {
    json!({ "epochs": 2, "learning_rate": 0.002, "evaluation_documents": 60 })
}
