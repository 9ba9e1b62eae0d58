//! Several of everything: relays, reapers, workers, announcements. Nothing happens twice.

use serde_json::{Value, json};
use test_support::wait_until;
use uuid::Uuid;

use crate::export::contracts;
use crate::site::{PATIENCE, SHORT_LEASE, Site};

fn small() -> Value {
    json!({ "model": "m", "kind": "evaluate" })
}

#[tokio::test]
async fn a_run_announced_ten_times_over_runs_once() {
    let site = Site::with(contracts()).await;
    let id = site.create_run(&small()).await;
    sqlx::query("INSERT INTO outbox (run_id) SELECT $1 FROM generate_series(1, 10)").bind(id).execute(site.pool()).await.unwrap();
    wait_until("the announcements", PATIENCE, async || (site.count("SELECT count(*) FROM outbox").await == 0).then_some(())).await;
    assert_eq!(site.env.redis.command("HLEN aprendiz:runs:data").await.as_deref(), Some(":11\r\n"));
    let workers = [site.env.worker("worker-1", &[]), site.env.worker("worker-2", &[])];
    site.succeeded(id).await;
    // every one of the entries is taken, and wakes a worker that finds nothing
    let waiting = "LLEN aprendiz:runs:active";
    wait_until("an empty queue", PATIENCE, async || (site.env.redis.command(waiting).await? == ":0\r\n").then_some(())).await;
    let next = site.create_run(&small()).await;
    site.succeeded(next).await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    drop(workers);
    site.finish().await;
}

#[tokio::test]
async fn two_relays_and_two_reapers_lose_nothing_and_double_nothing() {
    const RUNS: usize = 60;
    let site = Site::with(contracts()).await;
    let second = site.env.serve(&[]).await;
    let mut workers = vec![site.env.worker("worker-1", &[]), site.env.worker("worker-2", &[]), site.env.worker("worker-3", &[SHORT_LEASE])];
    let mut ids: Vec<Uuid> = Vec::new();
    for number in 0..RUNS {
        ids.push(site.create_run(&small()).await);
        if number == RUNS / 2 {
            // in the middle of it one worker dies, and one of the servers too, which may be the one that reaps
            workers.pop().unwrap().kill();
            second.process.kill();
        }
    }
    for id in &ids {
        site.succeeded(*id).await;
    }
    let per_run = "SELECT count(*) FROM (SELECT run_id FROM attempts WHERE status = 'succeeded' GROUP BY run_id HAVING count(*) = 1) t";
    assert_eq!(site.count(per_run).await, RUNS as i64);
    assert_eq!(site.count("SELECT count(*) FROM attempts WHERE status NOT IN ('succeeded', 'lost')").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM run_events WHERE kind = 'end'").await, RUNS as i64);
    drop(workers);
    drop(second);
    site.finish().await;
}
