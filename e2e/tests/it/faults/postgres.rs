//! PostgreSQL restarted, cut off, read-only, full, without a free connection, in the middle of a training.

use aprendiz_test_gate::Point;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::{TestEnv, TestPostgres, wait_until};

use super::{Training, check_published_once, small, training};
use crate::disk::SmallDisk;
use crate::export::{contracts, many_contracts};
use crate::site::{LONG_LEASE, PATIENCE, Site};

/// An administrator's statement, from another database of the server; `{name}` in it is that of the test's database.
async fn administer(site: &Site, sql: &str) {
    let url = site.env.database.url();
    let (server, name) = url.rsplit_once('/').unwrap();
    let name = name.split('?').next().unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.replace("{name}", name))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
}

/// Ends every connection to the database of the test.
async fn cut_connections(site: &Site) {
    administer(site, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'").await;
}

#[tokio::test]
async fn a_training_survives_that_postgres_crashes_and_comes_back() {
    let mut site = Site::on(TestEnv::with_postgres(TestPostgres::start().await).await).await;
    site.import(contracts()).await;
    let Training { id, worker, hold, .. } = training(&site, &[LONG_LEASE]).await;
    site.env.postgres.as_mut().unwrap().crash().await;
    site.logged(&worker, "lease renewal failed").await;
    site.env.postgres.as_mut().unwrap().resume().await;
    drop(hold);
    site.wait_for_server().await;
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn connections_that_are_cut_again_and_again_lose_no_run() {
    let site = Site::with(contracts()).await;
    let Training { id, worker, hold, .. } = training(&site, &[LONG_LEASE]).await;
    for phase in ["evaluate", "upload", "publish"] {
        cut_connections(&site).await;
        hold.move_to(Point::Phase(phase));
        hold.reached().await;
    }
    drop(hold);
    loop {
        let before = wait_until("the run's progress", PATIENCE, async || progress(&site, id).await).await;
        if ["succeeded", "failed"].contains(&before.1.as_str()) {
            break;
        }
        // in whatever the run does at that moment
        cut_connections(&site).await;
        site.end_retry_delays().await;
        wait_until("something new", PATIENCE, async || progress(&site, id).await.filter(|now| *now != before)).await;
    }
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["succeeded"], "what is asked of the database is asked again");
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

/// How many events the run has, and how it stands.
async fn progress(site: &Site, id: uuid::Uuid) -> Option<(i64, String)> {
    sqlx::query_as("SELECT last_event_sequence, status::text FROM training_runs WHERE id = $1").bind(id).fetch_one(site.pool()).await.ok()
}

#[tokio::test]
async fn a_database_that_is_read_only_for_a_while_loses_no_run() {
    let site = Site::with(contracts()).await;
    // a lease is renewed every third of its time
    let Training { id, worker, hold, .. } = training(&site, &[("APRENDIZ_LEASE_SECONDS", "15")]).await;
    administer(&site, "ALTER DATABASE {name} SET default_transaction_read_only = on").await;
    cut_connections(&site).await;
    site.logged(&worker, "read-only transaction").await;
    let refused = site.api().post("/v1/training-runs").json(&small()).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 503, "{}", refused.text().await.unwrap());
    administer(&site, "ALTER DATABASE {name} RESET default_transaction_read_only").await;
    cut_connections(&site).await;
    drop(hold);
    site.wait_for_server().await;
    site.end_retry_delays().await;
    site.succeeded(id).await;
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_server_without_a_free_connection_loses_no_run() {
    let site = Site::on(TestEnv::with_postgres(TestPostgres::start().await).await).await;
    site.import(contracts()).await;
    let Training { id, worker, hold, .. } = training(&site, &[LONG_LEASE]).await;
    let mut admin = PgConnection::connect(site.env.database.url()).await.unwrap();
    let mut taken = Vec::new();
    wait_until("a worker that finds no connection", PATIENCE, async || {
        // whatever the others lose is taken at once
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'aprendiz%'";
        sqlx::raw_sql(cut).execute(&mut admin).await.unwrap();
        while let Ok(conn) = PgConnection::connect(site.env.database.url()).await {
            taken.push(conn);
        }
        let log = worker.log();
        (log.contains("too many clients") || log.contains("remaining connection slots") || log.contains("pool timed out")).then_some(())
    })
    .await;
    admin.close().await.unwrap();
    drop(taken);
    drop(hold);
    site.wait_for_server().await;
    site.end_retry_delays().await;
    site.succeeded(id).await;
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn two_connections_are_enough_for_four_slots() {
    let site = Site::with(contracts()).await;
    let worker = site.env.worker("worker-1", &[("APRENDIZ_DATABASE_CONNECTIONS", "2"), ("APRENDIZ_SLOTS", "4")]);
    let mut ids = Vec::new();
    for seed in 0..4 {
        ids.push(site.create_run(&serde_json::json!({ "model": "contracts", "seed": seed })).await);
    }
    for id in ids {
        site.succeeded(id).await;
        let mut attempts = site.attempts(id).await;
        // those that came second waited for the snapshot of the first
        attempts.retain(|attempt| attempt != "released");
        assert_eq!(attempts, ["succeeded"]);
    }
    drop(worker);
    site.finish().await;
}

/// A file system of its own for the server, small enough to be filled: needs the right to mount.
#[tokio::test]
#[ignore = "needs root: ./dev faults"]
async fn a_full_disk_of_postgres_is_told_and_survived() {
    let disk = SmallDisk::mount(256);
    let site = Site::on(TestEnv::with_postgres(TestPostgres::start_in(disk.folder()).await).await).await;
    site.import(contracts()).await;
    let Training { id, worker, hold, .. } = training(&site, &[LONG_LEASE]).await;
    disk.fill();
    // rows that need new pages: some insert meets the full disk
    let refused = wait_until("a refused import", PATIENCE, async || {
        let answer = site.api().post("/v1/imports").body(many_contracts(1000)).send().await.ok()?;
        (!answer.status().is_success()).then(|| answer.status().as_u16())
    })
    .await;
    assert_eq!(refused, 503);
    disk.empty();
    drop(hold);
    site.wait_for_server().await;
    site.end_retry_delays().await;
    site.succeeded(id).await;
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
    drop(disk);
}
