//! Downloads of base models from a hub: once, only if the operator configured the hub, and with verification.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aprendiz_test_support::wait_until;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::objects::sha256;
use crate::fixture::{TIMEOUT, TestApp};
use crate::models::tiny_encoder::{encoder_spec, quick_params, start_worker};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub with one model, `someone/tiny`. It redirects the download of the weights, as hubs do for large files.
#[derive(Clone)]
struct Hub {
    endpoint: String,
    /// Bytes by path.
    files: Arc<HashMap<String, Vec<u8>>>,
    /// Paths of all requests.
    requested: Arc<Mutex<Vec<String>>>,
    /// Faults of the next responses.
    faults: Arc<Mutex<Vec<HubFault>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum HubFault {
    Unavailable,
    Truncated,
}

impl Hub {
    async fn start(app: &TestApp) -> Self {
        let dir = app.env.folder().join("hub");
        aprendiz_encoder::write_random(&dir, 5).expect("the folder can be written");
        fs::write(dir.join("malware.py"), "import os").expect("the folder can be written");
        let mut files = HashMap::new();
        for path in ["config.json", "tokenizer.json", "model.safetensors", "modules.json", "1_Pooling/config.json", "malware.py"] {
            if let Ok(bytes) = fs::read(dir.join(path)) {
                files.insert(path.to_owned(), bytes);
            }
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let hub = Self { endpoint, files: Arc::new(files), requested: Arc::default(), faults: Arc::default() };
        let routes = Router::new().fallback(respond).with_state(hub.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        hub
    }

    /// The paths requested since the last call.
    fn take_requested(&self) -> Vec<String> {
        std::mem::take(&mut self.requested.lock().expect("no thread panicked"))
    }

    fn inject(&self, fault: HubFault) {
        self.faults.lock().expect("no thread panicked").push(fault);
    }
}

async fn respond(State(hub): State<Hub>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    hub.requested.lock().expect("no thread panicked").push(path.clone());
    let mut faults = hub.faults.lock().expect("no thread panicked");
    if faults.first() == Some(&HubFault::Unavailable) {
        faults.remove(0);
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if path == "/api/models/someone/tiny/revision/main" {
        let siblings = hub.files.iter().map(|(path, bytes)| match path.as_str() {
            "model.safetensors" => {
                json!({ "rfilename": path, "size": bytes.len(), "lfs": { "sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 1 } })
            }
            _ => json!({ "rfilename": path, "size": bytes.len() }),
        });
        return axum::Json(json!({ "sha": COMMIT, "siblings": siblings.collect::<Vec<_>>() })).into_response();
    }
    let resolve = format!("/someone/tiny/resolve/{COMMIT}/");
    if path == format!("{resolve}model.safetensors") {
        return Redirect::temporary("/elsewhere/weights").into_response();
    }
    let file = if path == "/elsewhere/weights" { Some("model.safetensors") } else { path.strip_prefix(&resolve) };
    match file.and_then(|file| hub.files.get(file)) {
        Some(bytes) if file == Some("model.safetensors") && faults.first() == Some(&HubFault::Truncated) => {
            faults.remove(0);
            bytes[..bytes.len() / 2].to_vec().into_response()
        }
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Starts a run that trains from this base model.
async fn create_run(app: &TestApp, base_model: &str) -> Uuid {
    let mut spec = encoder_spec(&quick_params());
    spec["base_model"] = json!(base_model);
    app.create_run(&spec).await
}

/// Names of the files in a folder, sorted; none if the folder does not exist.
fn file_names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[tokio::test]
async fn a_base_model_is_downloaded_once_and_only_the_files_in_use() {
    let app = TestApp::with_import(contracts()).await;
    let hub = Hub::start(&app).await;
    let folder = app.env.folder().join("weights");
    let worker = start_worker(&app, "worker", &folder, &[("APRENDIZ_HUB", &hub.endpoint), ("HF_TOKEN", "hf_not_to_be_shown")]);

    // the hub does not know this name; nothing else is requested
    let missing = create_run(&app, "someone/else").await;
    let (code, reason) = app.wait_for_failure(missing).await;
    assert_eq!(code, "unknown_base_model", "{reason}");
    assert!(reason.contains(&hub.endpoint) && reason.contains("404") && reason.contains("HF_TOKEN"), "{reason}");
    assert_eq!(hub.take_requested(), ["/api/models/someone/else/revision/main"]);

    // an unavailable hub and a truncated file cost an attempt each
    hub.inject(HubFault::Unavailable);
    hub.inject(HubFault::Truncated);
    let id = create_run(&app, "someone/tiny").await;
    for message in ["503", "another size"] {
        let is_retrying =
            async || Some(app.run(id).await).filter(|run| run["status"] == "retrying" && run["error_text"].to_string().contains(message));
        let waiting: Value = wait_until("the retry", TIMEOUT, is_retrying).await;
        assert_eq!(waiting["error_code"], "hub_unusable", "{waiting}");
        assert!(file_names(&folder).is_empty(), "{:?}", file_names(&folder));
        app.end_retry_delays().await;
    }
    app.wait_for_success(id).await;
    assert_eq!(file_names(&folder), ["someone"]);
    let downloaded = folder.join("someone/tiny");
    assert!(
        file_names(&downloaded).contains(&"model.safetensors".to_owned()) && !downloaded.join("malware.py").exists(),
        "{:?}",
        file_names(&downloaded)
    );
    assert!(!hub.take_requested().iter().any(|path| path.contains("malware")));

    // the next run uses the local files
    let again = create_run(&app, "someone/tiny").await;
    app.wait_for_success(again).await;
    assert!(hub.take_requested().is_empty());
    assert!(worker.log().contains("downloading a base model") && !worker.log().contains("hf_not_to_be_shown"), "{}", worker.log());
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn concurrent_downloads_of_a_base_model_all_succeed() {
    let app = TestApp::with_import(contracts()).await;
    let hub = Hub::start(&app).await;
    let folder = app.env.folder().join("weights");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(create_run(&app, "someone/tiny").await);
    }
    let worker = start_worker(&app, "worker", &folder, &[("APRENDIZ_HUB", &hub.endpoint), ("APRENDIZ_SLOTS", "3")]);
    for id in ids {
        app.wait_for_success(id).await;
    }
    assert_eq!(file_names(&folder), ["someone"], "the later downloads leave nothing behind");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_worker_without_a_configured_hub_sends_no_request() {
    let app = TestApp::with_import(contracts()).await;
    let hub = Hub::start(&app).await;
    let folder = app.env.folder().join("weights");
    let worker = start_worker(&app, "worker", &folder, &[("HF_ENDPOINT", &hub.endpoint)]);
    let (code, reason) = app.wait_for_failure(create_run(&app, "someone/tiny").await).await;
    assert_eq!(code, "unknown_base_model");
    assert!(reason.contains("APRENDIZ_HUB"), "{reason}");
    assert!(hub.take_requested().is_empty() && !folder.exists());
    drop(worker);
    app.finish().await;
}
