//! The bucket is kept clean, and nothing that anything refers to is ever deleted.

use serde_json::json;
use sqlx::AssertSqlSafe;
use test_support::{TestEnv, wait_until};
use uuid::Uuid;

use crate::export::contracts;
use crate::objects;
use crate::site::{PATIENCE, Site};

/// Looks every second; an hour is old.
const SWEEP: &[(&str, &str)] = &[("APRENDIZ_SWEEP_EVERY_SECONDS", "1"), ("APRENDIZ_SWEEP_AFTER_SECONDS", "3600")];
/// Everything is old.
const SWEEP_ALL: &[(&str, &str)] = &[("APRENDIZ_SWEEP_EVERY_SECONDS", "1"), ("APRENDIZ_SWEEP_AFTER_SECONDS", "0")];
/// Nothing is swept.
const NO_SWEEP: &[&str] = &["--no-reaper"];

async fn put(env: &TestEnv, key: &str) {
    let client = env.bucket.client();
    client.put_object().bucket(env.bucket.name()).key(key).body(b"bytes".to_vec().into()).send().await.unwrap();
}

async fn execute(env: &TestEnv, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(env.pool()).await.unwrap();
}

/// A row `pending` for so many hours, and bytes under its key.
async fn pending(env: &TestEnv, run: Uuid, attempt: i32, hours: i32) -> String {
    let key = format!("models/contracts/run-{run}/attempt-{attempt}/left-{hours}");
    put(env, &key).await;
    let row = format!(
        "INSERT INTO objects (key, run_id, attempt_number, created_at)
         VALUES ('{key}', '{run}', {attempt}, clock_timestamp() - interval '{hours} hours')"
    );
    execute(env, row).await;
    key
}

/// An attempt of a run that is not touched by anyone: its lease lasts.
async fn add_running_attempt(env: &TestEnv, run: Uuid) {
    let sql = format!(
        "INSERT INTO attempts (run_id, number, worker_id, lease_expires_at)
         SELECT run_id, 2, worker_id, clock_timestamp() + interval '1 day' FROM attempts WHERE run_id = '{run}' AND number = 1"
    );
    execute(env, sql).await;
}

#[tokio::test]
async fn objects_of_dead_attempts_go_with_their_bytes_and_no_others() {
    let env = TestEnv::start().await;
    let site = Site { server: env.serve_with(NO_SWEEP, &[]).await, env };
    site.import(contracts()).await;
    let worker = site.env.worker("worker", &[]);
    let run = site.create_run(&json!({ "model": "contracts" })).await;
    site.succeeded(run).await;
    objects::check(&site).await;
    let published = site.env.bucket.keys().await;
    drop(worker);

    // as a worker would leave them that died while it uploaded
    add_running_attempt(&site.env, run).await;
    let old = pending(&site.env, run, 1, 2).await;
    let young = pending(&site.env, run, 1, 0).await;
    let running = pending(&site.env, run, 2, 2).await;
    let upload = site.env.bucket.client().create_multipart_upload().bucket(site.env.bucket.name()).key(&old).send().await.unwrap();
    let upload_id = upload.upload_id().unwrap();
    execute(&site.env, format!("UPDATE objects SET upload_id = '{upload_id}' WHERE key = '{old}'")).await;

    let sweeping = site.env.serve_with(&[], SWEEP).await;
    wait_until("a swept row", PATIENCE, async || {
        (site.count("SELECT count(*) FROM objects WHERE state <> 'live'").await == 2).then_some(())
    })
    .await;
    let mut expected = [&published[..], &[young, running]].concat();
    expected.sort();
    assert_eq!(site.env.bucket.keys().await, expected);
    let part = site.env.bucket.client().upload_part().bucket(site.env.bucket.name()).key(&old).upload_id(upload_id).part_number(1);
    assert!(part.body(b"part".to_vec().into()).send().await.is_err(), "the upload was aborted");
    let page = sweeping.api().get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("aprendiz_swept_objects_total 1\n"), "{page}");
    assert!(page.contains("aprendiz_runs{status=\"succeeded\"} 1\n"), "{page}");
    assert!(page.contains("aprendiz_up{service=\"database\"} 1\n"), "{page}");
    drop(sweeping);
    site.finish().await;
}

#[tokio::test]
async fn a_sweep_that_was_broken_off_is_finished_by_the_next_process() {
    let env = TestEnv::start().await;
    let site = Site { server: env.serve_with(NO_SWEEP, &[]).await, env };
    // one with its bytes, one whose bytes are gone already; both young: whoever condemned them knew why
    put(&site.env, "models/contracts/half").await;
    let rows = "INSERT INTO objects (key, state) VALUES ('models/contracts/half', 'deleting'), ('models/contracts/gone', 'deleting')";
    execute(&site.env, rows.to_owned()).await;
    let sweeping = site.env.serve_with(&[], SWEEP).await;
    wait_until("no rows", PATIENCE, async || (site.count("SELECT count(*) FROM objects").await == 0).then_some(())).await;
    assert_eq!(site.env.bucket.keys().await, [] as [String; 0]);
    drop(sweeping);
    site.finish().await;
}

#[tokio::test]
async fn bytes_without_a_row_go_only_if_their_attempt_is_known_to_have_ended() {
    let env = TestEnv::start().await;
    let site = Site { server: env.serve_with(NO_SWEEP, &[]).await, env };
    site.import(contracts()).await;
    let worker = site.env.worker("worker", &[]);
    let run = site.create_run(&json!({ "model": "contracts" })).await;
    site.succeeded(run).await;
    drop(worker);
    let mut kept = site.env.bucket.keys().await;
    add_running_attempt(&site.env, run).await;

    let other = Uuid::now_v7();
    for key in [
        format!("models/contracts/run-{run}/attempt-2/of-a-running-attempt"),
        format!("models/contracts/run-{run}/attempt-3/of-a-newer-database"),
        format!("models/contracts/run-{other}/attempt-1/of-another-database"),
        "models/readme.txt".to_owned(),
        format!("backups/run-{run}/attempt-1/not-ours"),
    ] {
        put(&site.env, &key).await;
        kept.push(key);
    }
    for key in [
        format!("models/contracts/run-{run}/attempt-1/late"),
        format!("datasets/{other}/run-{run}/attempt-1/late"),
        format!("checkpoints/run-{run}/attempt-1/late"),
    ] {
        put(&site.env, &key).await;
    }
    kept.sort();

    let sweeping = site.env.serve_with(&[], SWEEP_ALL).await;
    wait_until("a warning about unknown keys", PATIENCE, async || {
        sweeping.process.log().contains("bucket contains objects of unknown runs").then_some(())
    })
    .await;
    assert_eq!(site.env.bucket.keys().await, kept);
    drop(sweeping);
    site.finish().await;
}

#[tokio::test]
async fn checkpoints_of_a_succeeded_run_go_at_once() {
    let env = TestEnv::start().await;
    let site = Site { server: env.serve_with(NO_SWEEP, &[]).await, env };
    site.import(contracts()).await;
    let worker = site.env.worker("worker", &[]);
    let run = site.create_run(&json!({ "model": "contracts" })).await;
    site.succeeded(run).await;
    drop(worker);
    let key = format!("checkpoints/run-{run}/attempt-1/step-10");
    put(&site.env, &key).await;
    let sha256 = objects::sha256(b"bytes");
    let rows = format!(
        "INSERT INTO objects (key, state, run_id, attempt_number, sha256, bytes, live_at)
         VALUES ('{key}', 'live', '{run}', 1, '{sha256}', 5, clock_timestamp());
         INSERT INTO checkpoints (run_id, attempt_number, step, object_key, fingerprint, cpu_kernel)
         VALUES ('{run}', 1, 10, '{key}', '{sha256}', 'avx2')"
    );
    execute(&site.env, rows).await;
    let sweeping = site.env.serve_with(&[], SWEEP).await;
    wait_until("no checkpoint", PATIENCE, async || (site.count("SELECT count(*) FROM checkpoints").await == 0).then_some(())).await;
    wait_until("no row", PATIENCE, async || {
        (site.count("SELECT count(*) FROM objects WHERE key LIKE 'checkpoints/%'").await == 0).then_some(())
    })
    .await;
    objects::check(&site).await;
    drop(sweeping);
    site.finish().await;
}
