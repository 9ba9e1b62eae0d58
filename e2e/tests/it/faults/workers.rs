//! Lost hosts, children out of memory, full disks, wrong clocks.

use aprendiz_test_gate::Point;
use aprendiz_test_support::wait_until;
use rustix::process::Signal;
use serde_json::json;
use uuid::Uuid;

use super::check_published_once;
use crate::fixture::exports::{contracts, many_contracts};
use crate::fixture::{HeldTraining, Hold, SmallDisk, TIMEOUT, TestApp, evaluation_spec, training_spec};

#[tokio::test]
async fn a_run_that_loses_its_host_twice_is_not_quarantined() {
    let app = TestApp::with_import(contracts()).await;
    let id = app.create_run(&training_spec()).await;
    let hold = Hold::at(&app, Point::Step(5));
    for round in 1..=2 {
        let mut worker = app.env.worker(&format!("worker-{round}"), &[]);
        let child = hold.wait_until_reached().await;
        // stops the worker first, so that it does not see the end of its child
        worker.signal(Signal::STOP);
        child.kill();
        worker.kill();
        worker.wait(TIMEOUT).await;
        app.expire_lease(id).await;
        wait_until("the loss", TIMEOUT, async || (app.attempt_statuses(id).await.last()? == "lost").then_some(())).await;
    }
    drop(hold);
    let third = app.env.worker("worker-3", &[]);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["lost", "lost", "succeeded"]);
    check_published_once(&app, id).await;
    drop(third);
    app.finish().await;
}

/// Documents whose training needs more than [`MEMORY_LIMIT`].
const TOO_MANY_DOCUMENTS: u64 = 6000;
/// Option of `prlimit`: enough memory for the worker itself and for small runs.
const MEMORY_LIMIT: &str = "--data=240000000";

#[tokio::test]
async fn a_run_whose_child_runs_out_of_memory_is_quarantined_and_others_continue() {
    let app = TestApp::with_import(many_contracts(TOO_MANY_DOCUMENTS)).await;
    let worker = app.env.worker_under(&["prlimit", MEMORY_LIMIT], "worker-1", &[]);
    let id = app.create_run(&json!({ "model": "contracts", "params": { "char_ngrams": [1, 5] } })).await;
    wait_until("the retry", TIMEOUT, async || (app.run(id).await["status"] == "retrying").then_some(())).await;
    let run = app.run(id).await;
    assert_eq!(run["error_code"], "child_killed", "{run}");
    app.end_retry_delays().await;
    let (code, reason) = app.wait_for_failure(id).await;
    assert_eq!(code, "training_process_killed", "{reason}");
    assert!(reason.contains("SIGABRT") && reason.contains("memory allocation"), "{reason}");
    // the worker is alive, and its next run succeeds
    let documents: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM documents ORDER BY task_id LIMIT 90").fetch_all(app.pool()).await.unwrap();
    let next = app.create_run(&json!({ "model": "contracts", "data": { "documents": documents } })).await;
    app.wait_for_success(next).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_run_whose_child_aborts_twice_is_quarantined() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, child, hold } = HeldTraining::start(&app, &[]).await;
    child.signal(Signal::ABORT);
    app.wait_for_retry(id).await;
    app.end_retry_delays().await;
    hold.wait_until_reached().await.signal(Signal::ABORT);
    let (code, reason) = app.wait_for_failure(id).await;
    assert_eq!(code, "training_process_killed");
    assert!(reason.contains("signal 6"), "{reason}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_deleted_scratch_folder_is_reported_and_created_again() {
    let app = TestApp::with_import(contracts()).await;
    let scratch = app.env.folder().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let hold = Hold::in_folder(&scratch, Point::Step(5));
    let worker = app.env.worker("worker-1", &[("APRENDIZ_SCRATCH", scratch.to_str().unwrap())]);
    let id = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    // this opens the gate too, because its file is in the folder
    std::fs::remove_dir_all(&scratch).unwrap();
    let run = app.wait_for_retry(id).await;
    assert!(run["error_text"].as_str().unwrap().contains(scratch.to_str().unwrap()), "{run}");
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
#[ignore = "needs root: ./dev faults"]
async fn a_full_scratch_folder_is_reported_and_retried() {
    let app = TestApp::with_import(contracts()).await;
    let disk = SmallDisk::mount(64);
    let scratch = disk.path().to_str().unwrap().to_owned();
    disk.fill();
    let worker = app.env.worker("worker-1", &[("APRENDIZ_SCRATCH", scratch.as_str())]);
    // a worker that cannot write to its scratch folder does not start
    app.wait_for_log(&worker, "APRENDIZ_SCRATCH").await;
    drop(worker);
    disk.empty();
    let worker = app.env.worker("worker-1", &[("APRENDIZ_SCRATCH", scratch.as_str())]);
    let hold = Hold::in_folder(disk.path(), Point::Step(5));
    let id = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    disk.fill();
    drop(hold);
    let run = app.wait_for_retry(id).await;
    assert!(run["error_text"].as_str().unwrap().contains(&scratch), "{run}");
    disk.empty();
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

/// Leases and times are those of the database clock.
#[tokio::test]
#[ignore = "needs faketime: ./dev faults"]
async fn a_wrong_and_jumping_clock_of_a_worker_has_no_effect() {
    let app = TestApp::with_import(contracts()).await;
    let clock = app.env.folder().join("clock");
    std::fs::write(&clock, "+10m").unwrap();
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    assert!(std::path::Path::new(library).exists(), "install the package faketime");
    let variables = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let worker = app.env.worker("worker-1", &variables);
    for (number, offset) in ["-10m", "+2h", "-1d"].iter().enumerate() {
        let id = app.create_run(&json!({ "model": "contracts", "seed": number })).await;
        std::fs::write(&clock, offset).unwrap();
        app.wait_for_success(id).await;
        assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    }
    let next = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(next).await;
    let wrong = "SELECT count(*) FROM attempts WHERE started_at NOT BETWEEN clock_timestamp() - interval '5 minutes' AND clock_timestamp()";
    assert_eq!(app.count(wrong).await, 0);
    drop(worker);
    app.finish().await;
}
