//! Wake-ups through Redis: no run is lost if Redis is unavailable, emptied or restarted.

use std::time::Duration;

use aprendiz_test_support::{Process, TestEnv, TestRedis, wait_until};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{TIMEOUT, TestApp, evaluation_spec, queue_entries};

/// A worker that has completed a run and waits for a wake-up. It would poll again after an hour.
async fn idle_worker(app: &TestApp) -> Process {
    // its first poll finds this run, without a wake-up
    let run = app.create_run(&evaluation_spec()).await;
    let worker = app.env.worker("worker", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    app.wait_for_success(run).await;
    worker
}

#[tokio::test]
async fn a_run_created_during_a_redis_outage_starts_after_it() {
    let mut app = TestApp::start_on(TestEnv::with_redis(TestRedis::absent()).await).await;
    app.import(contracts()).await;
    assert_eq!(app.api().json("/readyz").await["status"], "degraded");
    let worker = idle_worker(&app).await;

    let id = app.create_run(&evaluation_spec()).await;
    wait_until("a failed wake-up", TIMEOUT, async || app.server.process.log().contains("relay cannot publish wake-ups").then_some(()))
        .await;
    assert_eq!(app.run(id).await["status"], "queued");
    wait_until("a disconnected worker", TIMEOUT, async || worker.log().contains("queue unavailable").then_some(())).await;

    app.env.redis.resume().await;
    // a worker polls as soon as it is connected again, which may be before the relay is
    app.wait_for_success(id).await;
    wait_for_a_wake_up(&app).await;
    wait_until("a ready server", TIMEOUT, async || (app.api().json("/readyz").await["status"] == "ok").then_some(())).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn an_idle_worker_is_woken_after_redis_was_emptied() {
    let mut app = TestApp::with_import(contracts()).await;
    let worker = idle_worker(&app).await;

    assert_eq!(app.env.redis.command("FLUSHALL").await.as_deref(), Some("+OK\r\n"));
    wait_for_a_wake_up(&app).await;

    // the same after a restart, which empties it too
    app.env.redis.stop();
    let id = app.create_run(&evaluation_spec()).await;
    app.env.redis.resume().await;
    // a worker polls as soon as it is connected again, which may be before the relay is
    app.wait_for_success(id).await;
    wait_for_a_wake_up(&app).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_lost_wake_up_is_published_again() {
    let app = TestApp::with_import(contracts()).await;
    let id = app.create_run(&evaluation_spec()).await;
    // entries that no worker has consumed
    let entries = async || app.env.redis.command("HLEN aprendiz:runs:data").await;
    wait_until("the wake-up", TIMEOUT, async || (entries().await? == ":1\r\n").then_some(())).await;
    wait_until("an empty outbox", TIMEOUT, async || (app.count("SELECT count(*) FROM outbox").await == 0).then_some(())).await;
    app.env.redis.command("FLUSHALL").await.expect("Redis answers");
    assert_eq!(entries().await.as_deref(), Some(":0\r\n"));

    // moves the times back, as if the minute had passed after which the reaper publishes again
    let earlier = "UPDATE training_runs SET created_at = created_at - interval '2 minutes', run_after = run_after - interval '2 minutes',
        wakeup_published_at = wakeup_published_at - interval '2 minutes'";
    sqlx::raw_sql(earlier).execute(app.pool()).await.unwrap();
    wait_until("a second wake-up", TIMEOUT, async || (entries().await? == ":1\r\n").then_some(())).await;
    assert_eq!(app.run(id).await["status"], "queued");

    let worker = app.env.worker("worker", &[]);
    app.wait_for_success(id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn malformed_queue_entries_do_not_stop_a_worker() {
    let app = TestApp::with_import(contracts()).await;
    let worker = idle_worker(&app).await;
    // twice as many as a worker fetches at once; half of them have the shape of a message
    for number in 0..200 {
        let text = if number % 2 == 0 { "garbage" } else { r#"'{"v":9,"run_id":"x"}'"# };
        queue_entries::push(&app, number, Some(text)).await;
    }
    let run = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(run).await;
    wait_until("a warning about the garbage", TIMEOUT, async || worker.log().contains("dropping a malformed queue entry").then_some(()))
        .await;
    // and the next run starts
    wait_for_a_wake_up(&app).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn runs_start_by_priority_and_not_before_their_time() {
    let app = TestApp::with_import(contracts()).await;
    let later = time_from_now(&app, Duration::from_secs(3)).await;
    let mut spec = evaluation_spec();
    spec["run_after"] = json!(later);
    let late = app.create_run(&spec).await;
    let mut ids = Vec::new();
    for priority in [0, 50, -50] {
        let mut spec = evaluation_spec();
        spec["priority"] = json!(priority);
        ids.push(app.create_run(&spec).await);
    }
    let worker = app.env.worker("worker", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    for id in ids.iter().chain([&late]) {
        app.wait_for_success(*id).await;
    }
    let order: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM training_runs ORDER BY started_at").fetch_all(app.pool()).await.unwrap();
    assert_eq!(order, [ids[1], ids[0], ids[2], late]);
    let (early, published_early): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE started_at < run_after), count(*) FILTER (WHERE wakeup_published_at < run_after) FROM training_runs",
    )
    .fetch_one(app.pool())
    .await
    .unwrap();
    assert_eq!((early, published_early), (0, 0));
    drop(worker);
    app.finish().await;
}

/// A future time, by the database clock.
async fn time_from_now(app: &TestApp, ahead: Duration) -> String {
    let sql = "SELECT to_char((clock_timestamp() + make_interval(secs => $1)) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    sqlx::query_scalar(sql).bind(ahead.as_secs_f64()).fetch_one(app.pool()).await.unwrap()
}

/// Creates runs until one starts after its wake-up was published. A run may start earlier, because a worker may poll for another reason,
/// such as a late wake-up.
async fn wait_for_a_wake_up(app: &TestApp) {
    wait_until("a run that starts after its wake-up", TIMEOUT, async || {
        let id = app.create_run(&evaluation_spec()).await;
        app.wait_for_success(id).await;
        started_after_its_wake_up(app, id).await.then_some(())
    })
    .await;
}

/// Whether the wake-up was published before the run started.
async fn started_after_its_wake_up(app: &TestApp, id: Uuid) -> bool {
    let sql = "SELECT coalesce(a.started_at >= r.wakeup_published_at, false) FROM training_runs r JOIN attempts a ON a.run_id = r.id WHERE r.id = $1";
    sqlx::query_scalar(sql).bind(id).fetch_one(app.pool()).await.unwrap()
}
