//! The sweeper deletes unused objects from the bucket, and never an object in use.

use aprendiz_test_support::wait_until;
use aws_sdk_s3::types::ChecksumAlgorithm;
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{TIMEOUT, TestApp, objects, training_spec};

/// Sweeps every second what is older than an hour.
const SWEEP: &[(&str, &str)] = &[("APRENDIZ_SWEEP_EVERY_SECONDS", "1"), ("APRENDIZ_SWEEP_AFTER_SECONDS", "3600")];
/// Sweeps every second, regardless of age.
const SWEEP_ALL: &[(&str, &str)] = &[("APRENDIZ_SWEEP_EVERY_SECONDS", "1"), ("APRENDIZ_SWEEP_AFTER_SECONDS", "0")];
/// Never sweeps.
const NO_SWEEP: &[&str] = &["--no-reaper"];

/// An application that does not sweep, with a run that has published a model. No worker is left.
async fn with_published_run() -> (TestApp, Uuid) {
    let app = TestApp::start_with(NO_SWEEP, &[]).await;
    app.import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let run = app.create_run(&training_spec()).await;
    app.wait_for_success(run).await;
    drop(worker);
    (app, run)
}

/// Creates an object whose row has been `pending` for some hours.
async fn create_pending(app: &TestApp, run: Uuid, attempt: i32, hours: i32) -> String {
    let key = format!("models/contracts/run-{run}/attempt-{attempt}/left-{hours}");
    app.put_object(&key, b"bytes").await;
    let row = format!(
        "INSERT INTO objects (key, run_id, attempt_number, created_at)
         VALUES ('{key}', '{run}', {attempt}, clock_timestamp() - interval '{hours} hours')"
    );
    app.execute(&row).await;
    key
}

/// Inserts a running attempt whose lease does not expire during the test.
async fn add_running_attempt(app: &TestApp, run: Uuid) {
    let sql = format!(
        "INSERT INTO attempts (run_id, number, worker_id, lease_expires_at)
         SELECT run_id, 2, worker_id, clock_timestamp() + interval '1 day' FROM attempts WHERE run_id = '{run}' AND number = 1"
    );
    app.execute(&sql).await;
}

#[tokio::test]
async fn only_pending_objects_of_dead_attempts_are_deleted() {
    let (app, run) = with_published_run().await;
    objects::check(&app).await;
    let published = app.env.bucket.keys().await;

    // as a worker leaves them that was killed during an upload
    add_running_attempt(&app, run).await;
    let old = create_pending(&app, run, 1, 2).await;
    let young = create_pending(&app, run, 1, 0).await;
    let running = create_pending(&app, run, 2, 2).await;
    let upload = app.env.bucket.client().create_multipart_upload().bucket(app.env.bucket.name()).key(&old);
    let upload = upload.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.unwrap();
    let upload_id = upload.upload_id().unwrap();
    app.execute(&format!("UPDATE objects SET upload_id = '{upload_id}' WHERE key = '{old}'")).await;

    let sweeping = app.env.serve_with(&[], SWEEP).await;
    wait_until("a swept row", TIMEOUT, async || (app.count("SELECT count(*) FROM objects WHERE state <> 'live'").await == 2).then_some(()))
        .await;
    let mut expected = [&published[..], &[young, running]].concat();
    expected.sort();
    assert_eq!(app.env.bucket.keys().await, expected);
    let part = app.env.bucket.client().upload_part().bucket(app.env.bucket.name()).key(&old).upload_id(upload_id).part_number(1);
    assert!(part.body(b"part".to_vec().into()).send().await.is_err(), "the upload was aborted");
    // the process counts the object after its row is gone
    let page = wait_until("the counter", TIMEOUT, async || {
        let page = sweeping.api().get("/metrics").send().await.ok()?.text().await.ok()?;
        page.contains("aprendiz_swept_objects_total 1\n").then_some(page)
    })
    .await;
    assert!(page.contains("aprendiz_runs{status=\"succeeded\"} 1\n"), "{page}");
    assert!(page.contains("aprendiz_up{service=\"database\"} 1\n"), "{page}");
    drop(sweeping);
    app.finish().await;
}

#[tokio::test]
async fn an_interrupted_sweep_is_completed_by_the_next_process() {
    let app = TestApp::start_with(NO_SWEEP, &[]).await;
    // one with its object, one whose object is deleted already. Their age does not matter, because they are marked for deletion
    app.put_object("models/contracts/half", b"bytes").await;
    let rows = "INSERT INTO objects (key, state) VALUES ('models/contracts/half', 'deleting'), ('models/contracts/gone', 'deleting')";
    app.execute(rows).await;
    let sweeping = app.env.serve_with(&[], SWEEP).await;
    wait_until("no rows", TIMEOUT, async || (app.count("SELECT count(*) FROM objects").await == 0).then_some(())).await;
    assert_eq!(app.env.bucket.keys().await, [] as [String; 0]);
    drop(sweeping);
    app.finish().await;
}

#[tokio::test]
async fn objects_without_a_row_are_deleted_only_if_their_attempt_has_ended() {
    let (app, run) = with_published_run().await;
    let mut kept = app.env.bucket.keys().await;
    add_running_attempt(&app, run).await;

    let other = Uuid::now_v7();
    for key in [
        format!("models/contracts/run-{run}/attempt-2/of-a-running-attempt"),
        format!("models/contracts/run-{run}/attempt-3/of-a-newer-database"),
        format!("models/contracts/run-{other}/attempt-1/of-another-database"),
        "models/readme.txt".to_owned(),
        format!("backups/run-{run}/attempt-1/foreign"),
    ] {
        app.put_object(&key, b"bytes").await;
        kept.push(key);
    }
    for key in [
        format!("models/contracts/run-{run}/attempt-1/late"),
        format!("datasets/{other}/run-{run}/attempt-1/late"),
        format!("checkpoints/run-{run}/attempt-1/late"),
    ] {
        app.put_object(&key, b"bytes").await;
    }
    kept.sort();

    let sweeping = app.env.serve_with(&[], SWEEP_ALL).await;
    wait_until("a warning about unknown keys", TIMEOUT, async || {
        sweeping.process.log().contains("bucket contains objects of unknown runs").then_some(())
    })
    .await;
    assert_eq!(app.env.bucket.keys().await, kept);
    drop(sweeping);
    app.finish().await;
}

#[tokio::test]
async fn checkpoints_of_a_succeeded_run_are_deleted_at_once() {
    let (app, run) = with_published_run().await;
    let key = format!("checkpoints/run-{run}/attempt-1/step-10");
    app.put_object(&key, b"bytes").await;
    let sha256 = objects::sha256(b"bytes");
    let rows = format!(
        "INSERT INTO objects (key, state, run_id, attempt_number, sha256, bytes, live_at)
         VALUES ('{key}', 'live', '{run}', 1, '{sha256}', 5, clock_timestamp());
         INSERT INTO checkpoints (run_id, attempt_number, step, object_key, fingerprint, cpu_kernel)
         VALUES ('{run}', 1, 10, '{key}', '{sha256}', 'avx2')"
    );
    app.execute(&rows).await;
    let sweeping = app.env.serve_with(&[], SWEEP).await;
    wait_until("no checkpoint", TIMEOUT, async || (app.count("SELECT count(*) FROM checkpoints").await == 0).then_some(())).await;
    wait_until("no row", TIMEOUT, async || {
        (app.count("SELECT count(*) FROM objects WHERE key LIKE 'checkpoints/%'").await == 0).then_some(())
    })
    .await;
    objects::check(&app).await;
    drop(sweeping);
    app.finish().await;
}
