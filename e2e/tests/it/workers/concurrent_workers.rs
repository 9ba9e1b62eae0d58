//! Several relays, reapers and workers, and duplicate wake-ups: nothing is executed twice.

use aprendiz_test_support::wait_until;
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{SHORT_LEASE, TIMEOUT, TestApp, evaluation_spec};

#[tokio::test]
async fn a_run_with_ten_duplicate_wake_ups_is_executed_once() {
    let app = TestApp::with_import(contracts()).await;
    let id = app.create_run(&evaluation_spec()).await;
    sqlx::query("INSERT INTO outbox (run_id) SELECT $1 FROM generate_series(1, 10)").bind(id).execute(app.pool()).await.unwrap();
    wait_until("the wake-ups", TIMEOUT, async || (app.count("SELECT count(*) FROM outbox").await == 0).then_some(())).await;
    assert_eq!(app.env.redis.command("HLEN aprendiz:runs:data").await.as_deref(), Some(":11\r\n"));
    let workers = [app.env.worker("worker-1", &[]), app.env.worker("worker-2", &[])];
    app.wait_for_success(id).await;
    // every entry is consumed; the duplicates wake workers that find nothing to claim
    let length = "LLEN aprendiz:runs:active";
    wait_until("an empty queue", TIMEOUT, async || (app.env.redis.command(length).await? == ":0\r\n").then_some(())).await;
    let next = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(next).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    drop(workers);
    app.finish().await;
}

#[tokio::test]
async fn two_relays_and_two_reapers_lose_and_duplicate_nothing() {
    const RUNS: usize = 60;
    let app = TestApp::with_import(contracts()).await;
    let second = app.env.serve(&[]).await;
    let mut workers = vec![app.env.worker("worker-1", &[]), app.env.worker("worker-2", &[]), app.env.worker("worker-3", &[SHORT_LEASE])];
    let mut ids: Vec<Uuid> = Vec::new();
    for number in 0..RUNS {
        ids.push(app.create_run(&evaluation_spec()).await);
        if number == RUNS / 2 {
            // a worker and a server are killed; the server may be the one that runs the reaper
            workers.pop().unwrap().kill();
            second.process.kill();
        }
    }
    for id in &ids {
        app.wait_for_success(*id).await;
    }
    let per_run = "SELECT count(*) FROM (SELECT run_id FROM attempts WHERE status = 'succeeded' GROUP BY run_id HAVING count(*) = 1) t";
    assert_eq!(app.count(per_run).await, RUNS as i64);
    assert_eq!(app.count("SELECT count(*) FROM attempts WHERE status NOT IN ('succeeded', 'lost')").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM run_events WHERE kind = 'end'").await, RUNS as i64);
    drop(workers);
    drop(second);
    app.finish().await;
}
