//! A tiny base model with random weights, workers that find it, run specs that train from it, and a worker that is killed while it does.

use std::path::{Path, PathBuf};

use aprendiz_test_gate::Point;
use aprendiz_test_support::Process;
use serde_json::{Value, json};

use crate::fixture::checkpoints::{EVERY_STEP, model_hashes, resumed_steps, wait_until_stored};
use crate::fixture::{Hold, TIMEOUT, TestApp, objects};

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

/// Kills a worker after the checkpoint of this step. Another one must resume there, and publish the files of an uninterrupted run.
pub(super) async fn check_killed_worker(app: &TestApp, spec: &Value, step: i64) {
    let folder = base_models(app);
    let uninterrupted = start_worker(app, "uninterrupted", &folder, &[("APRENDIZ_CHECKPOINT_SECONDS", "86400")]);
    let plain = app.create_run(spec).await;
    app.wait_for_success(plain).await;
    drop(uninterrupted);

    let id = app.create_run(spec).await;
    let hold = Hold::at(app, Point::AfterCheckpoint(step.unsigned_abs()));
    let mut first = start_worker(app, "worker-1", &folder, EVERY_STEP);
    let child = hold.wait_until_reached().await;
    wait_until_stored(app, id, step).await;
    first.kill();
    first.wait(TIMEOUT).await;
    child.wait_for_exit().await;
    drop(hold);
    app.expire_lease(id).await;
    let second = start_worker(app, "worker-2", &folder, &[]);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["lost", "succeeded"]);
    assert_eq!(resumed_steps(app, id).await, [None, Some(step)]);
    assert_eq!(model_hashes(app, id).await, model_hashes(app, plain).await);
    objects::check(app).await;
    drop((first, second));
}
