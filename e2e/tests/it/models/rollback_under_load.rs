//! Promotions and rollbacks while predictions run: no request fails, and no answer mixes versions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aprendiz_test_support::Api;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::fixture::exports::{LEASE_TEXT, SUPPLY_TEXT};
use crate::fixture::two_versions::{LABELS, train_two_versions};
use crate::fixture::{TestApp, expect_json};

const CHAMPION: &str = "/v1/models/m/aliases/champion";
/// Clients that predict at the same time.
const CLIENTS: usize = 8;
/// Requests of each client.
const REQUESTS: usize = 100;
/// Interval of the requests of one client: 8 clients send 200 requests a second, if the machine can.
const PACE: Duration = Duration::from_millis(40);
/// Texts per request: a mix of versions within an answer would show.
const TEXTS: usize = 8;

/// Predicts leases and supply contracts by turns. Returns the version that answered.
async fn predict(api: &Api) -> Result<i64, String> {
    let texts: Vec<&str> = [LEASE_TEXT, SUPPLY_TEXT].into_iter().cycle().take(TEXTS).collect();
    let response = api.post("/v1/models/m/predict").json(&json!({ "texts": texts })).send().await.map_err(|error| error.to_string())?;
    let status = response.status();
    let answer: Value = response.json().await.map_err(|error| format!("{status}: {error}"))?;
    let number = answer["number"].as_i64().filter(|number| [1, 2].contains(number)).ok_or_else(|| format!("{status}: {answer}"))?;
    let labels = if number == 1 { LABELS[0] } else { LABELS[1] };
    let predictions = answer["predictions"].as_array().ok_or("no predictions")?;
    let found: Vec<&Value> = predictions.iter().map(|prediction| &prediction["fields"][0]["value"][0]).collect();
    let expected: Vec<&str> = labels.into_iter().cycle().take(TEXTS).collect();
    if found != expected {
        return Err(format!("version {number} answers {expected:?}, not {found:?}"));
    }
    Ok(number)
}

#[tokio::test]
async fn no_request_fails_and_no_answer_mixes_versions() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    train_two_versions(&app).await;
    drop(worker);
    let api = app.api();
    assert_eq!(predict(&api).await, Ok(1));
    // the same requests with a challenger beside the champion: it disturbs nothing
    expect_json(api.request(Method::PUT, "/v1/models/m/aliases/challenger").json(&json!({ "number": 2 })), 200).await;

    let finished = AtomicUsize::new(0);
    let client = async || {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outcomes = Vec::new();
        for _ in 0..REQUESTS {
            pace.tick().await;
            outcomes.push(predict(&api).await);
        }
        finished.fetch_add(1, Ordering::Relaxed);
        outcomes
    };
    let changes = async {
        let mut changes = 0;
        while changes == 0 || finished.load(Ordering::Relaxed) < CLIENTS {
            let promotion = json!({ "number": 2, "override": true, "reason": "a test under load" });
            assert_eq!(expect_json(api.request(Method::PUT, CHAMPION).json(&promotion), 200).await["number"], 2);
            // the answer after a change is by the new version, whatever the other clients do
            assert_eq!(predict(&api).await, Ok(2));
            assert_eq!(expect_json(api.post(&format!("{CHAMPION}/rollback")).json(&json!({})), 200).await["number"], 1);
            assert_eq!(predict(&api).await, Ok(1));
            changes += 1;
        }
        changes
    };
    let (outcomes, changes) = tokio::join!(join_all((0..CLIENTS).map(|_| client())), changes);
    let outcomes: Vec<Result<i64, String>> = outcomes.into_iter().flatten().collect();
    let failures: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(failures.is_empty(), "{} of {} failed, {changes} changes: {failures:?}", failures.len(), outcomes.len());
    assert_eq!(outcomes.len(), CLIENTS * REQUESTS);
    let promoted = app.count("SELECT count(*) FROM alias_events WHERE alias = 'champion' AND action = 'promoted' AND overridden").await;
    let rolled_back = app.count("SELECT count(*) FROM alias_events WHERE action = 'rolled_back'").await;
    assert_eq!((promoted, rolled_back), (changes, changes));
    app.finish().await;
}
