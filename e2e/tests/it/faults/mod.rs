//! What every service can do to us, injected for real. The slow ones are ignored here and run by `./dev faults`.

mod network;
mod object_store;
mod postgres;
mod producers;
mod redis;
mod worker;

use serde_json::{Value, json};
use test_support::Process;
use uuid::Uuid;

use crate::child::long;
use crate::site::Site;

/// Enough documents for a training of some seconds.
const DOCUMENTS: u64 = 250;
/// Short, so that what needs a lost lease does not take long.
const LEASE: &[(&str, &str)] = &[("APRENDIZ_LEASE_SECONDS", "2"), ("APRENDIZ_GRACE_SECONDS", "1"), ("APRENDIZ_CHECKPOINT_SECONDS", "0.3")];

/// A run of a moment: it scores the stored predictions.
fn small() -> Value {
    json!({ "model": "m", "kind": "evaluate" })
}

/// A run in training on a worker with more variables.
async fn training(site: &Site, variables: &[(&str, &str)]) -> (Uuid, Process) {
    let worker = site.env.worker("worker-1", &[LEASE, variables].concat());
    let id = site.create_run(&long()).await;
    site.trains(id).await;
    (id, worker)
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

/// Lets waiting retries come at once, as if their pause were over.
async fn end_pauses(site: &Site) {
    sqlx::raw_sql(
        "UPDATE training_runs SET run_after = clock_timestamp() WHERE status = 'retrying'; UPDATE outbox SET due_at = clock_timestamp()",
    )
    .execute(site.pool())
    .await
    .unwrap();
}
