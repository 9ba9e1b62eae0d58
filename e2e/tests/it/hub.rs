//! Base models from a hub: fetched once where the operator allows it, refused and tried again where they are not what the hub says.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::encoders::{quick, spec, worker};
use crate::objects::sha256;
use crate::site::Site;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub with one model, `someone/tiny`, whose weights lie elsewhere, as large files do.
#[derive(Clone)]
struct Hub {
    endpoint: String,
    /// Bytes by path.
    files: Arc<HashMap<String, Vec<u8>>>,
    /// What was asked for.
    asked: Arc<Mutex<Vec<String>>>,
    /// Answers that are to come first, and are no help.
    troubles: Arc<Mutex<Vec<Trouble>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    Unavailable,
    OtherBytes,
}

impl Hub {
    async fn start(site: &Site) -> Self {
        let dir = site.env.folder().join("on-the-hub");
        encoder::write_random(&dir, 5).expect("the folder can be written");
        fs::write(dir.join("malware.py"), "import os").expect("the folder can be written");
        let mut files = HashMap::new();
        for path in ["config.json", "tokenizer.json", "model.safetensors", "modules.json", "1_Pooling/config.json", "malware.py"] {
            if let Ok(bytes) = fs::read(dir.join(path)) {
                files.insert(path.to_owned(), bytes);
            }
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let hub = Self { endpoint, files: Arc::new(files), asked: Arc::default(), troubles: Arc::default() };
        let routes = Router::new().fallback(answer).with_state(hub.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        hub
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("nobody panicked"))
    }

    fn trouble(&self, trouble: Trouble) {
        self.troubles.lock().expect("nobody panicked").push(trouble);
    }
}

async fn answer(State(hub): State<Hub>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    hub.asked.lock().expect("nobody panicked").push(path.clone());
    let mut troubles = hub.troubles.lock().expect("nobody panicked");
    if troubles.first() == Some(&Trouble::Unavailable) {
        troubles.remove(0);
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
        Some(bytes) if file == Some("model.safetensors") && troubles.first() == Some(&Trouble::OtherBytes) => {
            troubles.remove(0);
            bytes[..bytes.len() / 2].to_vec().into_response()
        }
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn run(site: &Site, base_model: &str) -> Uuid {
    let mut spec = spec(&quick());
    spec["base_model"] = json!(base_model);
    site.create_run(&spec).await
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[tokio::test]
async fn a_base_model_is_fetched_from_the_hub_once_and_only_what_is_read() {
    let site = Site::with(crate::export::contracts()).await;
    let hub = Hub::start(&site).await;
    let folder = site.env.folder().join("weights");
    let worker = worker(&site, "worker", &folder, &[("APRENDIZ_HUB", &hub.endpoint), ("HF_TOKEN", "hf_not_to_be_shown")]);

    // a name that the hub does not have; nothing else is asked for
    let missing = run(&site, "someone/else").await;
    let (code, reason) = site.failed(missing).await;
    assert_eq!(code, "unknown_base_model", "{reason}");
    assert!(reason.contains(&hub.endpoint) && reason.contains("404") && reason.contains("HF_TOKEN"), "{reason}");
    assert_eq!(hub.asked(), ["/api/models/someone/else/revision/main"]);

    // a hub that is away for a moment, and one that sends half of a file, cost an attempt each
    hub.trouble(Trouble::Unavailable);
    hub.trouble(Trouble::OtherBytes);
    let id = run(&site, "someone/tiny").await;
    for words in ["503", "another size"] {
        let is_retrying =
            async || Some(site.run(id).await).filter(|run| run["status"] == "retrying" && run["error_text"].to_string().contains(words));
        let waiting: Value = test_support::wait_until("the retry", crate::site::PATIENCE, is_retrying).await;
        assert_eq!(waiting["error_code"], "hub_unusable", "{waiting}");
        assert!(files(&folder).is_empty(), "{:?}", files(&folder));
        sqlx::raw_sql("UPDATE training_runs SET run_after = clock_timestamp(); UPDATE outbox SET due_at = clock_timestamp()")
            .execute(site.pool())
            .await
            .expect("the pause can be ended");
    }
    site.succeeded(id).await;
    assert_eq!(files(&folder), ["someone"]);
    let fetched = folder.join("someone/tiny");
    assert!(files(&fetched).contains(&"model.safetensors".to_owned()) && !fetched.join("malware.py").exists(), "{:?}", files(&fetched));
    assert!(!hub.asked().iter().any(|path| path.contains("malware")));

    // and from now on it is here
    let again = run(&site, "someone/tiny").await;
    site.succeeded(again).await;
    assert!(hub.asked().is_empty());
    assert!(worker.log().contains("downloading a base model") && !worker.log().contains("hf_not_to_be_shown"), "{}", worker.log());
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn runs_that_want_the_same_base_model_at_once_all_get_it() {
    let site = Site::with(crate::export::contracts()).await;
    let hub = Hub::start(&site).await;
    let folder = site.env.folder().join("weights");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(run(&site, "someone/tiny").await);
    }
    let worker = worker(&site, "worker", &folder, &[("APRENDIZ_HUB", &hub.endpoint), ("APRENDIZ_SLOTS", "3")]);
    for id in ids {
        site.succeeded(id).await;
    }
    assert_eq!(files(&folder), ["someone"], "nothing is left of what came second");
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_worker_without_a_hub_asks_none() {
    let site = Site::with(crate::export::contracts()).await;
    let hub = Hub::start(&site).await;
    let folder = site.env.folder().join("weights");
    let worker = worker(&site, "worker", &folder, &[("HF_ENDPOINT", &hub.endpoint)]);
    let (code, reason) = site.failed(run(&site, "someone/tiny").await).await;
    assert_eq!(code, "unknown_base_model");
    assert!(reason.contains("APRENDIZ_HUB"), "{reason}");
    assert!(hub.asked().is_empty() && !folder.exists());
    drop(worker);
    site.finish().await;
}
