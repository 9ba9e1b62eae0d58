//! What every service can do to us, injected for real. The slow ones are ignored here and run by `./dev faults`.

mod network;
mod object_store;
mod postgres;
mod producers;
mod redis;
mod worker;

use aprendiz_test_gate::Point;
use serde_json::{Value, json};
use test_support::Process;
use uuid::Uuid;

use crate::child::Child;
use crate::hold::Hold;
use crate::site::Site;

/// A run that trains a model on the sample.
fn contract_run() -> Value {
    json!({ "model": "contracts" })
}

/// A run of a moment: it scores the stored predictions.
fn small() -> Value {
    json!({ "model": "m", "kind": "evaluate" })
}

/// A run whose training on `worker-1` is held in the middle.
struct Training {
    id: Uuid,
    worker: Process,
    child: Child,
    hold: Hold,
}

async fn training(site: &Site, variables: &[(&str, &str)]) -> Training {
    let hold = Hold::at(site, Point::Step(5));
    let worker = site.env.worker("worker-1", variables);
    let id = site.create_run(&contract_run()).await;
    let child = hold.reached().await;
    Training { id, worker, child, hold }
}

/// Exactly one version of the run, of its last attempt, which succeeded; no other attempt wrote a number or a live file of a model.
async fn check_published_once(site: &Site, id: Uuid) {
    let attempts = site.attempts(id).await;
    assert_eq!(attempts.iter().filter(|status| *status == "succeeded").count(), 1, "{attempts:?}");
    assert_eq!(attempts.last().map(String::as_str), Some("succeeded"), "{attempts:?}");
    let last = i32::try_from(attempts.len()).unwrap();
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT attempt_number FROM model_versions WHERE run_id = $1").bind(id).fetch_all(site.pool()).await.unwrap();
    assert_eq!(versions, [last]);
    for others in [
        "SELECT count(*) FROM metrics WHERE run_id = $1 AND attempt_number <> $2",
        "SELECT count(*) FROM objects WHERE run_id = $1 AND attempt_number <> $2 AND state = 'live' AND key LIKE 'models/%'",
        "SELECT count(*) FROM attempts WHERE run_id = $1 AND number <> $2 AND status = 'running'",
    ] {
        let count: i64 = sqlx::query_scalar(others).bind(id).bind(last).fetch_one(site.pool()).await.unwrap();
        assert_eq!(count, 0, "{others}");
    }
    crate::objects::check(site).await;
}
