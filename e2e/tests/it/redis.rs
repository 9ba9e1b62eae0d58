//! Redis is the doorbell and nothing more: away, emptied or restarted, it loses no run.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::{Process, TestEnv, TestRedis, wait_until};
use uuid::Uuid;

use crate::export::contracts;
use crate::site::{PATIENCE, Site};

/// A run of a moment: it scores the stored predictions.
fn small() -> Value {
    json!({ "model": "m", "kind": "evaluate" })
}

/// A worker that has worked and now waits for the bell: by itself it would look again after an hour.
async fn idle_worker(site: &Site) -> Process {
    // there is something to do at its first look: that needs no announcement
    let run = site.create_run(&small()).await;
    let worker = site.env.worker("worker", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    site.succeeded(run).await;
    worker
}

#[tokio::test]
async fn a_run_created_while_redis_is_away_starts_once_it_is_back() {
    let mut site = Site::on(TestEnv::with_redis(TestRedis::absent()).await).await;
    site.import(contracts()).await;
    assert_eq!(site.api().json("/readyz").await["status"], "degraded");
    let worker = idle_worker(&site).await;

    let id = site.create_run(&small()).await;
    wait_until("a failed announcement", PATIENCE, async || {
        site.server.process.log().contains("relay cannot publish wake-ups").then_some(())
    })
    .await;
    assert_eq!(site.run(id).await["status"], "queued");
    wait_until("a worker that hears nothing", PATIENCE, async || worker.log().contains("queue unavailable").then_some(())).await;

    site.env.redis.resume().await;
    // a worker looks for work as soon as it listens again, which may be before the relay is back
    site.succeeded(id).await;
    an_announcement_wakes(&site).await;
    wait_until("a ready server", PATIENCE, async || (site.api().json("/readyz").await["status"] == "ok").then_some(())).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_redis_that_was_emptied_under_an_idle_worker_still_wakes_it() {
    let mut site = Site::with(contracts()).await;
    let worker = idle_worker(&site).await;

    assert_eq!(site.env.redis.command("FLUSHALL").await.as_deref(), Some("+OK\r\n"));
    an_announcement_wakes(&site).await;

    // restarted, and with that empty, too
    site.env.redis.stop();
    let id = site.create_run(&small()).await;
    site.env.redis.resume().await;
    // a worker looks for work as soon as it listens again, which may be before the relay is back
    site.succeeded(id).await;
    an_announcement_wakes(&site).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_run_whose_announcement_was_lost_is_announced_again() {
    let site = Site::with(contracts()).await;
    let id = site.create_run(&small()).await;
    // entries that no worker has fetched
    let waiting = async || site.env.redis.command("HLEN aprendiz:runs:data").await;
    wait_until("the announcement", PATIENCE, async || (waiting().await? == ":1\r\n").then_some(())).await;
    wait_until("an empty outbox", PATIENCE, async || (site.count("SELECT count(*) FROM outbox").await == 0).then_some(())).await;
    site.env.redis.command("FLUSHALL").await.expect("Redis answers");
    assert_eq!(waiting().await.as_deref(), Some(":0\r\n"));

    // as if the minute had passed after which the reaper becomes impatient
    let earlier = "UPDATE training_runs SET created_at = created_at - interval '2 minutes', run_after = run_after - interval '2 minutes',
        announced_at = announced_at - interval '2 minutes'";
    sqlx::raw_sql(earlier).execute(site.pool()).await.unwrap();
    wait_until("a second announcement", PATIENCE, async || (waiting().await? == ":1\r\n").then_some(())).await;
    assert_eq!(site.run(id).await["status"], "queued");

    let worker = site.env.worker("worker", &[]);
    site.succeeded(id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn an_entry_of_the_queue_that_is_no_message_stops_nobody() {
    let site = Site::with(contracts()).await;
    let worker = idle_worker(&site).await;
    // twice what a worker fetches at once, half of it in the shape of a message
    for number in 0..200 {
        let id = format!("01M7YJDGTDYWCKQHA39Z{number:06}");
        let text = if number % 2 == 0 { "garbage" } else { r#"'{"v":9,"run_id":"x"}'"# };
        for command in [
            format!("HSET aprendiz:runs:meta:{id} attempts 0 max_attempts 5 status Pending"),
            format!("HSET aprendiz:runs:data {id} {text}"),
            format!("RPUSH aprendiz:runs:active {id}"),
        ] {
            let answer = site.env.redis.command(&command).await;
            assert!(answer.as_deref().is_some_and(|answer| answer.starts_with(':')), "{command}: {answer:?}");
        }
    }
    let run = site.create_run(&small()).await;
    site.succeeded(run).await;
    wait_until("a warning about the garbage", PATIENCE, async || worker.log().contains("dropping a malformed queue entry").then_some(()))
        .await;
    // and the next run starts as ever
    an_announcement_wakes(&site).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_run_for_later_waits_for_its_time_and_goes_by_priority() {
    let site = Site::with(contracts()).await;
    let later = time_from_now(&site, Duration::from_secs(3)).await;
    let mut spec = small();
    spec["run_after"] = json!(later);
    let late = site.create_run(&spec).await;
    let mut ids = Vec::new();
    for priority in [0, 50, -50] {
        let mut spec = small();
        spec["priority"] = json!(priority);
        ids.push(site.create_run(&spec).await);
    }
    let worker = site.env.worker("worker", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    for id in ids.iter().chain([&late]) {
        site.succeeded(*id).await;
    }
    let order: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM training_runs ORDER BY started_at").fetch_all(site.pool()).await.unwrap();
    assert_eq!(order, [ids[1], ids[0], ids[2], late]);
    let (early, rung_early): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE started_at < run_after), count(*) FILTER (WHERE announced_at < run_after) FROM training_runs",
    )
    .fetch_one(site.pool())
    .await
    .unwrap();
    assert_eq!((early, rung_early), (0, 0));
    drop(worker);
    site.finish().await;
}

/// A time from now, by the database clock.
async fn time_from_now(site: &Site, ahead: Duration) -> String {
    let sql = "SELECT to_char((clock_timestamp() + make_interval(secs => $1)) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    sqlx::query_scalar(sql).bind(ahead.as_secs_f64()).fetch_one(site.pool()).await.unwrap()
}

/// Runs start, and one of them not before it was announced: an earlier one may be found by a worker that looks for work for another
/// reason, such as an announcement that came late.
async fn an_announcement_wakes(site: &Site) {
    wait_until("a run that starts after its announcement", PATIENCE, async || {
        let id = site.create_run(&small()).await;
        site.succeeded(id).await;
        started_after_its_announcement(site, id).await.then_some(())
    })
    .await;
}

/// Whether it was the announcement that brought the run to a worker.
async fn started_after_its_announcement(site: &Site, id: Uuid) -> bool {
    let sql =
        "SELECT coalesce(a.started_at >= r.announced_at, false) FROM training_runs r JOIN attempts a ON a.run_id = r.id WHERE r.id = $1";
    sqlx::query_scalar(sql).bind(id).fetch_one(site.pool()).await.unwrap()
}
