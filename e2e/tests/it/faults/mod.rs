//! Real faults of every service and process. `./dev faults` runs the ignored ones too, which take minutes or need root.

mod clients;
mod memory;
mod network;
mod object_store;
mod postgres;
mod redis;
mod roles;
mod servers;
mod sessions;
mod workers;

use uuid::Uuid;

use crate::fixture::{TestApp, objects};

/// Checks that the last attempt, and only it, succeeded and published one model version, its metrics and its files.
async fn check_published_once(app: &TestApp, id: Uuid) {
    let attempts = app.attempt_statuses(id).await;
    assert_eq!(attempts.iter().filter(|status| *status == "succeeded").count(), 1, "{attempts:?}");
    assert_eq!(attempts.last().map(String::as_str), Some("succeeded"), "{attempts:?}");
    let last = i32::try_from(attempts.len()).unwrap();
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT attempt_number FROM model_versions WHERE run_id = $1").bind(id).fetch_all(app.pool()).await.unwrap();
    assert_eq!(versions, [last]);
    for sql in [
        "SELECT count(*) FROM metrics WHERE run_id = $1 AND attempt_number <> $2",
        "SELECT count(*) FROM objects WHERE run_id = $1 AND attempt_number <> $2 AND state = 'live' AND key LIKE 'models/%'",
        "SELECT count(*) FROM attempts WHERE run_id = $1 AND number <> $2 AND status = 'running'",
    ] {
        let count: i64 = sqlx::query_scalar(sql).bind(id).bind(last).fetch_one(app.pool()).await.unwrap();
        assert_eq!(count, 0, "{sql}");
    }
    objects::check(app).await;
}
