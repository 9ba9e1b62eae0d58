//! Faults of PostgreSQL in the middle of training: crash, lost connections, read-only mode, no free connection, full disk.

use aprendiz_test_gate::Point;
use aprendiz_test_support::{TestEnv, TestPostgres, wait_until};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::check_published_once;
use crate::fixture::exports::{contracts, many_contracts};
use crate::fixture::{HeldTraining, LONG_LEASE, SmallDisk, TIMEOUT, TestApp, evaluation_spec};

/// Executes a statement as administrator in another database of the server. `{name}` stands for the database of the test.
async fn administer(app: &TestApp, sql: &str) {
    let url = app.env.database.url();
    let (server, name) = url.rsplit_once('/').unwrap();
    let name = name.split('?').next().unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.replace("{name}", name))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
}

/// Terminates all connections to the database of the test.
async fn cut_connections(app: &TestApp) {
    administer(app, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'").await;
}

#[tokio::test]
async fn a_training_survives_a_crash_of_postgres() {
    let mut app = TestApp::start_on(TestEnv::with_postgres(TestPostgres::start().await).await).await;
    app.import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[LONG_LEASE]).await;
    app.env.postgres.as_mut().unwrap().crash().await;
    app.wait_for_log(&worker, "lease renewal failed").await;
    app.env.postgres.as_mut().unwrap().resume().await;
    drop(hold);
    app.wait_for_server().await;
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn repeatedly_terminated_connections_lose_no_run() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[LONG_LEASE]).await;
    for phase in ["evaluate", "upload", "publish"] {
        cut_connections(&app).await;
        hold.move_to(Point::Phase(phase));
        hold.wait_until_reached().await;
    }
    drop(hold);
    loop {
        let before = wait_until("the run's progress", TIMEOUT, async || progress(&app, id).await).await;
        if ["succeeded", "failed"].contains(&before.1.as_str()) {
            break;
        }
        // at any point of the run
        cut_connections(&app).await;
        app.end_retry_delays().await;
        wait_until("progress", TIMEOUT, async || progress(&app, id).await.filter(|now| *now != before)).await;
    }
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"], "statements are retried");
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

/// Sequence number of the last event, and status of a run; `None` while the database is unavailable.
async fn progress(app: &TestApp, id: uuid::Uuid) -> Option<(i64, String)> {
    sqlx::query_as("SELECT last_event_sequence, status::text FROM training_runs WHERE id = $1").bind(id).fetch_one(app.pool()).await.ok()
}

#[tokio::test]
async fn a_temporarily_read_only_database_loses_no_run() {
    let app = TestApp::with_import(contracts()).await;
    // a worker renews its lease after a third of it
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[("APRENDIZ_LEASE_SECONDS", "15")]).await;
    administer(&app, "ALTER DATABASE {name} SET default_transaction_read_only = on").await;
    cut_connections(&app).await;
    app.wait_for_log(&worker, "read-only transaction").await;
    let refused = app.api().post("/v1/training-runs").json(&evaluation_spec()).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 503, "{}", refused.text().await.unwrap());
    administer(&app, "ALTER DATABASE {name} RESET default_transaction_read_only").await;
    cut_connections(&app).await;
    drop(hold);
    app.wait_for_server().await;
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_database_server_without_free_connections_loses_no_run() {
    let app = TestApp::start_on(TestEnv::with_postgres(TestPostgres::start().await).await).await;
    app.import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[LONG_LEASE]).await;
    let mut admin = PgConnection::connect(app.env.database.url()).await.unwrap();
    let mut taken = Vec::new();
    wait_until("a worker without a connection", TIMEOUT, async || {
        // takes every connection that the others lose
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'aprendiz%'";
        sqlx::raw_sql(cut).execute(&mut admin).await.unwrap();
        while let Ok(conn) = PgConnection::connect(app.env.database.url()).await {
            taken.push(conn);
        }
        let log = worker.log();
        (log.contains("too many clients") || log.contains("remaining connection slots") || log.contains("pool timed out")).then_some(())
    })
    .await;
    admin.close().await.unwrap();
    drop(taken);
    drop(hold);
    app.wait_for_server().await;
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn two_connections_are_enough_for_four_slots() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker-1", &[("APRENDIZ_DATABASE_CONNECTIONS", "2"), ("APRENDIZ_SLOTS", "4")]);
    let mut ids = Vec::new();
    for seed in 0..4 {
        ids.push(app.create_run(&serde_json::json!({ "model": "contracts", "seed": seed })).await);
    }
    for id in ids {
        app.wait_for_success(id).await;
        let mut attempts = app.attempt_statuses(id).await;
        // runs released because they awaited the snapshot of another one
        attempts.retain(|attempt| attempt != "released");
        assert_eq!(attempts, ["succeeded"]);
    }
    drop(worker);
    app.finish().await;
}

#[tokio::test]
#[ignore = "needs root: ./dev faults"]
async fn a_full_disk_of_postgres_is_reported_and_survived() {
    let disk = SmallDisk::mount(256);
    let app = TestApp::start_on(TestEnv::with_postgres(TestPostgres::start_in(disk.folder()).await).await).await;
    app.import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[LONG_LEASE]).await;
    disk.fill();
    // enough rows to need new pages: some insert meets the full disk
    let refused = wait_until("a refused import", TIMEOUT, async || {
        let response = app.api().post("/v1/imports").body(many_contracts(1000)).send().await.ok()?;
        (!response.status().is_success()).then(|| response.status().as_u16())
    })
    .await;
    assert_eq!(refused, 503);
    disk.empty();
    drop(hold);
    app.wait_for_server().await;
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
    drop(disk);
}
