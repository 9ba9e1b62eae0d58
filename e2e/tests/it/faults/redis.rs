//! Redis away, empty, full, locked, read-only, hanging. It is the doorbell: none of it may touch a training or lose a run.

use serde_json::json;
use test_support::wait_until;
use uuid::Uuid;

use super::{Training, check_published_once, small, training};
use crate::export::{contracts, reviewed};
use crate::site::{PATIENCE, Site};

/// The relay says once what is the matter, and nothing else is.
async fn relay_complains(site: &Site, word: &str) {
    wait_until("the complaint of the relay", PATIENCE, async || {
        let log = site.server.process.log();
        log.lines().any(|line| line.contains("relay cannot publish wake-ups") && line.contains(word)).then_some(())
    })
    .await;
}

async fn redis(site: &Site, command: &str) {
    let answer = site.env.redis.command(command).await;
    assert_eq!(answer.as_deref(), Some("+OK\r\n"), "{command}");
}

#[tokio::test]
async fn a_redis_that_restarts_empty_does_not_disturb_a_training() {
    let mut site = Site::with(contracts()).await;
    let Training { id, worker, hold, .. } = training(&site, &[]).await;
    site.env.redis.stop();
    site.logged(&worker, "queue unavailable").await;
    let waiting = site.create_run(&small()).await;
    relay_complains(&site, "").await;
    assert_eq!(site.attempts(id).await, ["running"]);
    drop(hold);
    site.env.redis.resume().await;
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    site.succeeded(waiting).await;
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_redis_that_hangs_does_not_disturb_a_training() {
    let site = Site::with(contracts()).await;
    let Training { id, worker, hold, .. } = training(&site, &[]).await;
    site.env.redis.freeze();
    drop(hold);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    let waiting = site.create_run(&small()).await;
    site.env.redis.thaw();
    site.succeeded(waiting).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_full_redis_holds_announcements_back_until_there_is_room() {
    let site = Site::with(contracts()).await;
    redis(&site, "CONFIG SET maxmemory-policy noeviction").await;
    redis(&site, "CONFIG SET maxmemory 1mb").await;
    let id = site.create_run(&small()).await;
    relay_complains(&site, "OOM").await;
    assert_eq!(site.run(id).await["status"], "queued");
    redis(&site, "CONFIG SET maxmemory 0").await;
    wait_until("the announcement", PATIENCE, async || site.run(id).await["announced_at"].is_string().then_some(())).await;
    let worker = site.env.worker("worker-1", &[]);
    site.succeeded(id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_redis_that_refuses_the_password_is_told_and_tried_again() {
    let site = Site::with(contracts()).await;
    let worker = site.env.worker("worker-1", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    let first = site.create_run(&small()).await;
    site.succeeded(first).await;
    // it takes effect for new connections: the old ones are closed
    site.env.redis.lock_out().await;
    let id = site.create_run(&small()).await;
    relay_complains(&site, "Password authentication failed").await;
    site.logged(&worker, "queue unavailable").await;
    for log in [worker.log(), site.server.process.log()] {
        assert!(!log.contains(&site.env.redis.url()), "a log holds the password");
    }
    site.env.redis.let_in().await;
    site.succeeded(id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_redis_that_became_a_read_only_replica_is_told_and_tried_again() {
    let site = Site::with(contracts()).await;
    redis(&site, "REPLICAOF 127.0.0.1 1").await;
    let id = site.create_run(&small()).await;
    relay_complains(&site, "read only").await;
    redis(&site, "REPLICAOF NO ONE").await;
    wait_until("the announcement", PATIENCE, async || site.run(id).await["announced_at"].is_string().then_some(())).await;
    let worker = site.env.worker("worker-1", &[]);
    site.succeeded(id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn poison_in_the_queue_is_dropped_with_one_line_each() {
    let site = Site::with(contracts()).await;
    let worker = site.env.worker("worker-1", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    let first = site.create_run(&small()).await;
    site.succeeded(first).await;
    let unknown_run = format!(r#"'{{"v":1,"run_id":"{}"}}'"#, Uuid::now_v7());
    let poison = ["garbage", r#"'{"v":9,"run_id":"x"}'"#, r#"'{"v":1}'"#, r#"'[]'"#, "''", &unknown_run];
    for (number, text) in poison.iter().enumerate() {
        push(&site, number, Some(text)).await;
    }
    ring(&site).await;
    let lines = |words: &str| worker.log().lines().filter(|line| line.contains(words)).count();
    wait_until("warnings", PATIENCE, async || (lines("dropping a malformed queue entry") >= 5).then_some(())).await;

    // entries whose data was evicted, among one that is well
    push(&site, 100, None).await;
    push(&site, 101, Some(&unknown_run)).await;
    push(&site, 102, None).await;
    ring(&site).await;
    wait_until("a warning", PATIENCE, async || (lines("dropped queue entries that have lost their data") >= 1).then_some(())).await;

    // and the next run starts as ever
    let id = site.create_run(&small()).await;
    site.succeeded(id).await;
    assert_eq!(lines("dropping a malformed queue entry"), 5, "{}", worker.log());
    // one line for those that are found together; the first may be found before the last is there
    assert!((1..=2).contains(&lines("dropped queue entries that have lost their data")), "{}", worker.log());
    drop(worker);
    site.finish().await;
}

async fn ring(site: &Site) {
    let heard = site.env.redis.command("PUBLISH aprendiz:wake x").await;
    assert!(heard.is_some_and(|heard| heard.starts_with(':')), "nobody listens");
}

/// An entry as apalis stores it, with or without its data.
async fn push(site: &Site, number: usize, text: Option<&str>) {
    let id = format!("01M7YJDGTDYWCKQHA39Z{number:06}");
    let mut commands = vec![format!("HSET aprendiz:runs:meta:{id} attempts 0 max_attempts 5 status Pending")];
    commands.extend(text.map(|text| format!("HSET aprendiz:runs:data {id} {text}")));
    commands.push(format!("RPUSH aprendiz:runs:active {id}"));
    for command in commands {
        let answer = site.env.redis.command(&command).await;
        assert!(answer.as_deref().is_some_and(|answer| answer.starts_with(':')), "{command}: {answer:?}");
    }
}

async fn survives_flushes(runs: usize) {
    let site = Site::with(reviewed(40, |number| if number % 2 == 0 { "red" } else { "blue" })).await;
    let workers = [1, 2, 3].map(|number| site.env.worker(&format!("worker-{number}"), &[]));
    let mut ids = Vec::new();
    for number in 0..runs {
        ids.push(site.create_run(&json!({ "model": "tiny", "seed": number, "params": { "folds": 2 } })).await);
        if number % (runs / 4) == runs / 8 {
            redis(&site, "FLUSHALL").await;
        }
    }
    redis(&site, "FLUSHALL").await;
    for id in &ids {
        site.succeeded(*id).await;
    }
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, runs as i64);
    assert_eq!(site.count("SELECT max(number)::bigint FROM model_versions").await, runs as i64);
    // released: those that waited for the snapshot of the first
    assert_eq!(site.count("SELECT count(*) FROM attempts WHERE status <> 'released'").await, runs as i64);
    drop(workers);
    site.finish().await;
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
