//! Faults of Redis: unavailable, empty, full, wrong password, read-only, hanging. None may disturb a training or lose a run.

use aprendiz_test_support::wait_until;
use serde_json::json;
use uuid::Uuid;

use super::check_published_once;
use crate::fixture::exports::{contracts, reviewed};
use crate::fixture::{HeldTraining, TIMEOUT, TestApp, evaluation_spec, queue_entries};

/// Waits until the relay logs that it cannot publish, with this cause.
async fn wait_for_relay_error(app: &TestApp, cause: &str) {
    wait_until("the error of the relay", TIMEOUT, async || {
        let log = app.server.process.log();
        log.lines().any(|line| line.contains("relay cannot publish wake-ups") && line.contains(cause)).then_some(())
    })
    .await;
}

/// Executes a command that must return OK.
async fn redis(app: &TestApp, command: &str) {
    let answer = app.env.redis.command(command).await;
    assert_eq!(answer.as_deref(), Some("+OK\r\n"), "{command}");
}

#[tokio::test]
async fn a_restart_of_redis_does_not_disturb_a_training() {
    let mut app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[]).await;
    app.env.redis.stop();
    app.wait_for_log(&worker, "queue unavailable").await;
    let waiting = app.create_run(&evaluation_spec()).await;
    wait_for_relay_error(&app, "").await;
    assert_eq!(app.attempt_statuses(id).await, ["running"]);
    drop(hold);
    app.env.redis.resume().await;
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    app.wait_for_success(waiting).await;
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_hanging_redis_does_not_disturb_a_training() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[]).await;
    app.env.redis.freeze();
    drop(hold);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    let waiting = app.create_run(&evaluation_spec()).await;
    app.env.redis.thaw();
    app.wait_for_success(waiting).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_full_redis_delays_wake_ups_until_there_is_room() {
    let app = TestApp::with_import(contracts()).await;
    redis(&app, "CONFIG SET maxmemory-policy noeviction").await;
    redis(&app, "CONFIG SET maxmemory 1mb").await;
    let id = app.create_run(&evaluation_spec()).await;
    wait_for_relay_error(&app, "OOM").await;
    assert_eq!(app.run(id).await["status"], "queued");
    redis(&app, "CONFIG SET maxmemory 0").await;
    wait_until("the wake-up", TIMEOUT, async || app.run(id).await["wakeup_published_at"].is_string().then_some(())).await;
    let worker = app.env.worker("worker-1", &[]);
    app.wait_for_success(id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_rejected_redis_password_is_reported_and_retried() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker-1", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    let first = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(first).await;
    // affects new connections only, so existing ones are closed
    app.env.redis.lock_out().await;
    let id = app.create_run(&evaluation_spec()).await;
    wait_for_relay_error(&app, "Password authentication failed").await;
    app.wait_for_log(&worker, "queue unavailable").await;
    for log in [worker.log(), app.server.process.log()] {
        assert!(!log.contains(&app.env.redis.url()), "a log holds the password");
    }
    app.env.redis.let_in().await;
    app.wait_for_success(id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_read_only_redis_replica_is_reported_and_retried() {
    let app = TestApp::with_import(contracts()).await;
    redis(&app, "REPLICAOF 127.0.0.1 1").await;
    let id = app.create_run(&evaluation_spec()).await;
    wait_for_relay_error(&app, "read only").await;
    redis(&app, "REPLICAOF NO ONE").await;
    wait_until("the wake-up", TIMEOUT, async || app.run(id).await["wakeup_published_at"].is_string().then_some(())).await;
    let worker = app.env.worker("worker-1", &[]);
    app.wait_for_success(id).await;
    drop(worker);
    app.finish().await;
}

/// Redis answers reads but rejects writes: server and worker report the reason, each warns once, runs start by polling, and all recovers.
async fn check_rejected_writes(break_redis: impl AsyncFnOnce(&TestApp), repair: &str, code: &str) {
    let app = TestApp::with_import(contracts()).await;
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let worker = app.env.worker("worker-1", &[("APRENDIZ_PROBE_LISTEN", &address), ("APRENDIZ_POLL_SECONDS", "1")]);
    let worker_url: &str = &format!("http://{address}/readyz");
    let page = async |url: &str| reqwest::get(url).await.ok()?.text().await.ok();
    let server_url: &str = &format!("{}/readyz", app.server.url());
    let metrics_url: &str = &format!("{}/metrics", app.server.url());
    let wait_for = async |url: &str, needle: &str| {
        wait_until(&format!("{needle} at {url}"), TIMEOUT, async || page(url).await.filter(|page| page.contains(needle))).await
    };
    wait_for(worker_url, "\"status\":\"ok\"").await;
    break_redis(&app).await;
    for url in [worker_url, server_url] {
        let health = wait_for(url, code).await;
        assert!(health.contains("\"status\":\"degraded\""), "{health}");
    }
    wait_for(metrics_url, "aprendiz_up{service=\"redis\"} 0\n").await;
    let queue = app.api().json("/v1/queue").await;
    assert!(queue["redis"]["error"].as_str().is_some_and(|error| error.contains(code)), "{queue}");
    let id = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(id).await;
    // the outbox is empty again, and the relay has tried several times
    let attempts = |page: &str| page.lines().find_map(|line| line.strip_prefix("aprendiz_relay_errors_total ")?.parse::<u32>().ok());
    wait_until("further attempts", TIMEOUT, async || attempts(&page(metrics_url).await?).filter(|attempts| *attempts >= 4)).await;
    let lines = |log: &str, needle: &str| log.lines().filter(|line| line.contains(needle)).count();
    let (server_log, worker_log) = (app.server.process.log(), worker.log());
    assert_eq!(lines(&server_log, "relay cannot publish wake-ups"), 1, "{server_log}");
    assert_eq!(lines(&server_log, "relay has recovered"), 0, "{server_log}");
    assert_eq!(lines(&worker_log, "queue unavailable"), 1, "{worker_log}");
    assert_eq!(lines(&worker_log, "listening for wake-ups"), 1, "{worker_log}");
    assert_eq!((lines(&worker_log, " ERROR "), lines(&worker_log, " WARN ")), (0, 1), "{worker_log}");

    redis(&app, repair).await;
    wait_for(worker_url, "\"status\":\"ok\"").await;
    wait_for(server_url, "\"status\":\"ok\"").await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_full_redis_is_reported_everywhere_with_one_warning() {
    check_rejected_writes(async |app| redis(app, "CONFIG SET maxmemory 1").await, "CONFIG SET maxmemory 0", "OOM").await;
}

#[tokio::test]
async fn a_redis_that_cannot_save_is_reported_everywhere_with_one_warning() {
    check_rejected_writes(async |app| app.env.redis.fail_snapshots().await, "CONFIG SET save \"\"", "MISCONF").await;
}

#[tokio::test]
async fn malformed_queue_entries_are_dropped_with_one_log_line_each() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker-1", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    let first = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(first).await;
    let unknown_run = format!(r#"'{{"v":1,"run_id":"{}"}}'"#, Uuid::now_v7());
    let malformed = ["garbage", r#"'{"v":9,"run_id":"x"}'"#, r#"'{"v":1}'"#, r#"'[]'"#, "''", &unknown_run];
    for (number, text) in malformed.iter().enumerate() {
        queue_entries::push(&app, number, Some(text)).await;
    }
    wake_workers(&app).await;
    let count_lines = |needle: &str| worker.log().lines().filter(|line| line.contains(needle)).count();
    wait_until("warnings", TIMEOUT, async || (count_lines("dropping a malformed queue entry") >= 5).then_some(())).await;

    // entries whose data was evicted, around a complete one
    queue_entries::push(&app, 100, None).await;
    queue_entries::push(&app, 101, Some(&unknown_run)).await;
    queue_entries::push(&app, 102, None).await;
    wake_workers(&app).await;
    wait_until("a warning", TIMEOUT, async || (count_lines("dropped queue entries that have lost their data") >= 1).then_some(())).await;

    // and the next run starts
    let id = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(id).await;
    assert_eq!(count_lines("dropping a malformed queue entry"), 5, "{}", worker.log());
    // one line for entries consumed together; the first may be consumed before the last is there
    assert!((1..=2).contains(&count_lines("dropped queue entries that have lost their data")), "{}", worker.log());
    drop(worker);
    app.finish().await;
}

/// Publishes on the channel on which workers wait.
async fn wake_workers(app: &TestApp) {
    let receivers = app.env.redis.command("PUBLISH aprendiz:wake x").await;
    assert!(receivers.is_some_and(|receivers| receivers.starts_with(':')), "PUBLISH failed");
}

async fn survives_flushes(runs: usize) {
    let app = TestApp::with_import(reviewed(40, |number| if number % 2 == 0 { "red" } else { "blue" })).await;
    let workers = [1, 2, 3].map(|number| app.env.worker(&format!("worker-{number}"), &[]));
    let mut ids = Vec::new();
    for number in 0..runs {
        ids.push(app.create_run(&json!({ "model": "tiny", "seed": number, "params": { "folds": 2 } })).await);
        if number % (runs / 4) == runs / 8 {
            redis(&app, "FLUSHALL").await;
        }
    }
    redis(&app, "FLUSHALL").await;
    for id in &ids {
        app.wait_for_success(*id).await;
    }
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, runs as i64);
    assert_eq!(app.count("SELECT max(number)::bigint FROM model_versions").await, runs as i64);
    // released: runs that awaited the snapshot of the first one
    assert_eq!(app.count("SELECT count(*) FROM attempts WHERE status <> 'released'").await, runs as i64);
    drop(workers);
    app.finish().await;
}

#[tokio::test]
async fn forty_runs_survive_an_emptied_redis() {
    survives_flushes(40).await;
}

#[tokio::test]
#[ignore = "minutes: ./dev faults"]
async fn a_thousand_runs_survive_an_emptied_redis() {
    survives_flushes(1000).await;
}
