//! Field classifiers predict through the inference process: the same numbers as in evaluation, a process that is killed, a promotion.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use aprendiz_test_support::wait_until;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::child::Child;
use crate::fixture::exports::{LEASE_TEXT, SUPPLY_TEXT, two_kinds};
use crate::fixture::{TIMEOUT, TestApp, expect_json, get_bytes, parse_json_lines, text};
use crate::models::tiny_encoder::{base_models, start_worker};

const CHAMPION: &str = "/v1/models/m/aliases/champion";

async fn start(with_inference: bool) -> (TestApp, PathBuf) {
    let env = aprendiz_test_support::TestEnv::start().await;
    let socket = env.folder().join("inference.sock");
    let variables = [("APRENDIZ_INFERENCE_SOCKET", socket.to_str().expect("a plain path"))];
    let arguments: &[&str] = if with_inference { &["--with-inference"] } else { &[] };
    (TestApp { server: env.serve_with(arguments, &variables).await, env }, socket)
}

/// Trains versions of the model `m`, each from a project of its own. The first one is the champion.
async fn train(app: &TestApp, versions: u64) -> Vec<Uuid> {
    let worker = start_worker(app, "worker", &base_models(app), &[]);
    let mut runs = Vec::new();
    for number in 1..=versions {
        app.import(two_kinds(number, 66, ["lease", "supply"])).await;
        let spec = json!({
            "model": "m", "kind": "field-classifier", "base_model": "tiny",
            "params": { "chunk_tokens": 24, "chunk_overlap": 6, "max_chunks": 4, "epochs": 10, "folds": 2 },
            "data": { "filter": { "source": "label-studio", "project": number.to_string() } },
        });
        let id = app.create_run(&spec).await;
        assert_eq!(app.wait_for_success(id).await["model_version"], number);
        runs.push(id);
    }
    drop(worker);
    runs
}

async fn predict(app: &TestApp, body: &Value) -> Result<Value, (u16, String)> {
    let response = app.api().post("/v1/models/m/predict").json(body).send().await.expect("the server answers");
    let status = response.status();
    let retry_after = response.headers().get("retry-after").cloned();
    let answer: Value = response.json().await.expect("the answer is JSON");
    if status.is_success() {
        return Ok(answer);
    }
    assert_eq!(retry_after.is_some(), status.as_u16() == 503, "{answer}");
    Err((status.as_u16(), text(&answer["code"])))
}

/// Waits until the inference process answers, and returns its health.
async fn health(socket: &Path) -> Value {
    let client = reqwest::Client::builder().unix_socket(socket).build().expect("the client can be built");
    wait_until("the inference process", TIMEOUT, async || client.get("http://inference/healthz").send().await.ok()?.json().await.ok()).await
}

async fn process_id(socket: &Path) -> i32 {
    i32::try_from(health(socket).await["process_id"].as_i64().expect("a process id")).expect("a process id")
}

#[tokio::test]
async fn predictions_are_those_of_evaluation_whatever_the_batch() {
    let (app, socket) = start(true).await;
    let id = train(&app, 1).await[0];
    health(&socket).await;
    let examples = parse_json_lines(&get_bytes(&app.api(), &format!("/v1/training-runs/{id}/dataset?format=jsonl&split=test")).await);
    let scored = parse_json_lines(&get_bytes(&app.api(), &format!("/v1/training-runs/{id}/model?file=test_predictions.jsonl")).await);
    assert!(examples.len() > 5 && examples.len() <= 64 && !scored.is_empty(), "{}", examples.len());
    let texts: Vec<&Value> = examples.iter().map(|example| &example["text"]).collect();
    let together = predict(&app, &json!({ "texts": texts })).await.expect("predictions");
    let mut alone = Vec::new();
    // some at the same time, so that the process puts them into batches
    for texts in texts.chunks(3) {
        alone.extend(join_all(texts.iter().map(async |text| predict(&app, &json!({ "text": text })).await.expect("a prediction"))).await);
    }
    for ((example, from_all), from_one) in examples.iter().zip(together["predictions"].as_array().expect("a list")).zip(&alone) {
        assert_eq!(*from_all, from_one["predictions"][0], "{example}");
        let Some(line) = scored.iter().find(|line| line["document_id"] == example["document_id"]) else { continue };
        let fields = from_all["fields"].as_array().expect("a list");
        let answer = fields.iter().find(|answer| answer["field"] == line["field"]).expect("the field");
        let value: Vec<&Value> = Some(&line["value"]).filter(|value| !value.is_null()).into_iter().collect();
        assert_eq!(
            (&answer["value"], &answer["confidence"], &answer["answered"], &answer["evidence"]),
            (&json!(value), &line["confidence"], &line["answered"], &line["evidence"]),
            "{line}"
        );
    }

    let file = app.env.folder().join("contract.txt");
    fs::write(&file, text(texts[0])).expect("the folder can be written");
    let path = file.to_str().expect("a plain path");
    assert_eq!(app.cli(&["predict", "--model", "m", path])["predictions"][0], together["predictions"][0]);
    let shown = app.env.cli(&app.server, &["predict", "--model", "m", path]);
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(shown.contains("evidence") && (shown.contains("tenant") || shown.contains("goods")), "{shown}");

    // a changed threshold holds at once, as for other kinds
    let thresholds = app.api().json("/v1/models/m/versions/1/thresholds").await;
    let change = json!({ "target": 0.5, "revision": thresholds["revision"] });
    let changed = expect_json(app.api().request(Method::PUT, "/v1/models/m/versions/1/thresholds").json(&change), 200).await;
    let answer = predict(&app, &json!({ "text": texts[0] })).await.expect("a prediction");
    assert_eq!(answer["predictions"][0]["fields"][0]["threshold"], changed["fields"][0]["current"]["threshold"]);

    // refused as for other kinds
    let many = vec!["a"; 65];
    assert_eq!(predict(&app, &json!({ "texts": many })).await, Err((422, "invalid_body".to_owned())));
    app.finish().await;
}

#[tokio::test]
async fn a_killed_process_costs_only_its_requests_and_is_started_again() {
    let (app, socket) = start(true).await;
    train(&app, 1).await;
    let request = json!({ "texts": [LEASE_TEXT, SUPPLY_TEXT] });
    let first = process_id(&socket).await;
    let expected = predict(&app, &request).await.expect("predictions");
    let (answered, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let client = async || {
        // until the process was killed, and answers again
        while refused.load(Ordering::Relaxed) == 0 || answered.load(Ordering::Relaxed) < 50 {
            match predict(&app, &request).await {
                Ok(answer) => {
                    assert_eq!(answer, expected);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    assert_eq!(error, (503, "inference_unavailable".to_owned()));
                    refused.fetch_add(1, Ordering::Relaxed);
                    answered.store(0, Ordering::Relaxed);
                }
            }
        }
    };
    let kill = async {
        wait_until("predictions", TIMEOUT, async || (answered.load(Ordering::Relaxed) >= 10).then_some(())).await;
        Child::with_id(first).kill();
    };
    tokio::join!(join_all((0..4).map(|_| client())), kill);
    assert_ne!(process_id(&socket).await, first);
    assert!(app.server.process.log().contains("the inference process has ended"));
    // the server itself was never in danger
    assert!(app.api().get("/readyz").send().await.expect("the server answers").status().is_success());
    app.finish().await;
}

#[tokio::test]
async fn a_promotion_swaps_versions_and_both_fit_into_memory() {
    let (app, socket) = start(true).await;
    train(&app, 2).await;
    health(&socket).await;
    let request = json!({ "text": LEASE_TEXT });
    assert_eq!(predict(&app, &request).await.expect("a prediction")["number"], 1);
    for number in [2, 1, 2] {
        let promotion = json!({ "number": number, "override": true, "reason": "a test" });
        expect_json(app.api().request(Method::PUT, CHAMPION).json(&promotion), 200).await;
        assert_eq!(predict(&app, &request).await.expect("a prediction")["number"], number);
    }
    let models = health(&socket).await["models"].clone();
    let numbers: Vec<&Value> = models.as_array().expect("a list").iter().map(|model| &model["number"]).collect();
    assert_eq!(numbers, [1, 2], "the earlier version stays until it is idle");

    // a challenger of this kind predicts through the same process
    expect_json(app.api().request(Method::PUT, "/v1/models/m/aliases/challenger").json(&json!({ "number": 1 })), 200).await;
    wait_until("a comparison", TIMEOUT, async || {
        predict(&app, &json!({ "text": format!("{LEASE_TEXT} {}", Uuid::new_v4()) })).await.expect("a prediction");
        (app.count("SELECT coalesce(sum(compared), 0)::bigint FROM shadow_counts").await > 0).then_some(())
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn without_the_process_the_error_shows_the_way_out() {
    let (app, socket) = start(false).await;
    train(&app, 1).await;
    let request = json!({ "text": LEASE_TEXT });
    assert_eq!(predict(&app, &request).await, Err((503, "inference_unavailable".to_owned())));
    let ready = app.api().json("/readyz").await;
    let check = ready["checks"].as_array().expect("a list").iter().find(|check| check["name"] == "inference").expect("the check");
    assert_eq!((&ready["status"], &check["state"]), (&json!("degraded"), &json!("degraded")));

    // started by hand; the server finds it without a restart
    let mut command = app.env.command("aprendiz-worker");
    command.args(["serve-models", "--socket"]).arg(&socket);
    let mut process = aprendiz_test_support::Process::start("inference", &mut command, app.env.folder());
    health(&socket).await;
    assert_eq!(predict(&app, &request).await.expect("a prediction")["number"], 1);
    process.terminate();
    assert!(process.wait(TIMEOUT).await.success());
    assert!(!socket.exists(), "the socket is removed");
    assert_eq!(predict(&app, &request).await, Err((503, "inference_unavailable".to_owned())));

    let other = app.env.serve(&[]).await;
    let refused = expect_json(other.api().post("/v1/models/m/predict").json(&request), 409).await;
    assert_eq!(refused["code"], "needs_inference");
    assert!(text(&refused["detail"]).contains("--with-inference"), "{refused}");
    drop(other);
    app.finish().await;
}
