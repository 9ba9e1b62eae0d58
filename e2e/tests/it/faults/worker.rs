//! Hosts that are lost, children that die of memory, disks that are full, clocks that are wrong.

use aprendiz_test_gate::Point;
use rustix::process::Signal;
use serde_json::json;
use test_support::wait_until;
use uuid::Uuid;

use super::{Training, check_published_once, contract_run, small, training};
use crate::disk::SmallDisk;
use crate::export::{contracts, many_contracts};
use crate::hold::Hold;
use crate::site::{PATIENCE, Site};

#[tokio::test]
async fn a_run_that_loses_its_host_twice_is_not_put_into_quarantine() {
    let site = Site::with(contracts()).await;
    let id = site.create_run(&contract_run()).await;
    let hold = Hold::at(&site, Point::Step(5));
    for round in 1..=2 {
        let mut worker = site.env.worker(&format!("worker-{round}"), &[]);
        let child = hold.reached().await;
        // everything of the host at once: the worker must not see that its child is dead
        worker.signal(Signal::STOP);
        child.kill();
        worker.kill();
        worker.wait(PATIENCE).await;
        site.expire_lease(id).await;
        wait_until("the loss", PATIENCE, async || (site.attempts(id).await.last()? == "lost").then_some(())).await;
    }
    drop(hold);
    let third = site.env.worker("worker-3", &[]);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["lost", "lost", "succeeded"]);
    check_published_once(&site, id).await;
    drop(third);
    site.finish().await;
}

/// Documents whose training needs more memory than the limit below, which is plenty for the worker itself and for small runs.
const TOO_MANY_DOCUMENTS: u64 = 6000;
const MEMORY: &str = "--data=240000000";

#[tokio::test]
async fn a_child_that_runs_out_of_memory_is_put_into_quarantine_and_others_go_on() {
    let site = Site::with(many_contracts(TOO_MANY_DOCUMENTS)).await;
    let worker = site.env.worker_under(&["prlimit", MEMORY], "worker-1", &[]);
    let id = site.create_run(&json!({ "model": "contracts", "params": { "char_ngrams": [1, 5] } })).await;
    wait_until("the retry", PATIENCE, async || (site.run(id).await["status"] == "retrying").then_some(())).await;
    let run = site.run(id).await;
    assert_eq!(run["error_code"], "child_killed", "{run}");
    site.end_retry_delays().await;
    let (code, reason) = site.failed(id).await;
    assert_eq!(code, "training_process_killed", "{reason}");
    assert!(reason.contains("signal 6"), "{reason}");
    // the worker lives, and its next run is well
    let documents: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM documents ORDER BY task_id LIMIT 90").fetch_all(site.pool()).await.unwrap();
    let next = site.create_run(&json!({ "model": "contracts", "data": { "documents": documents } })).await;
    site.succeeded(next).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_child_that_aborts_twice_is_put_into_quarantine() {
    let site = Site::with(contracts()).await;
    let Training { id, worker, child, hold } = training(&site, &[]).await;
    child.signal(Signal::ABORT);
    site.retrying(id).await;
    site.end_retry_delays().await;
    hold.reached().await.signal(Signal::ABORT);
    let (code, reason) = site.failed(id).await;
    assert_eq!(code, "training_process_killed");
    assert!(reason.contains("signal 6"), "{reason}");
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_scratch_folder_that_vanishes_is_named_and_made_again() {
    let site = Site::with(contracts()).await;
    let scratch = site.env.folder().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let hold = Hold::within(&scratch, Point::Step(5));
    let worker = site.env.worker("worker-1", &[("APRENDIZ_SCRATCH", scratch.to_str().unwrap())]);
    let id = site.create_run(&contract_run()).await;
    hold.reached().await;
    // the gate goes with the folder
    std::fs::remove_dir_all(&scratch).unwrap();
    let run = site.retrying(id).await;
    assert!(run["error_text"].as_str().unwrap().contains(scratch.to_str().unwrap()), "{run}");
    site.end_retry_delays().await;
    site.succeeded(id).await;
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
#[ignore = "needs root: ./dev faults"]
async fn a_full_scratch_folder_is_named_and_tried_again() {
    let site = Site::with(contracts()).await;
    let disk = SmallDisk::mount(64);
    let scratch = disk.path().to_str().unwrap().to_owned();
    disk.fill();
    let worker = site.env.worker("worker-1", &[("APRENDIZ_SCRATCH", scratch.as_str())]);
    // a worker that cannot write a byte does not start at all
    site.logged(&worker, "APRENDIZ_SCRATCH").await;
    drop(worker);
    disk.empty();
    let worker = site.env.worker("worker-1", &[("APRENDIZ_SCRATCH", scratch.as_str())]);
    let hold = Hold::within(disk.path(), Point::Step(5));
    let id = site.create_run(&contract_run()).await;
    hold.reached().await;
    disk.fill();
    drop(hold);
    let run = site.retrying(id).await;
    assert!(run["error_text"].as_str().unwrap().contains(&scratch), "{run}");
    disk.empty();
    site.end_retry_delays().await;
    site.succeeded(id).await;
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

/// The clock of the worker alone is wrong, and jumps: leases and times are those of the database.
#[tokio::test]
#[ignore = "needs faketime: ./dev faults"]
async fn a_worker_whose_clock_is_wrong_and_jumps_is_like_any_other() {
    let site = Site::with(contracts()).await;
    let clock = site.env.folder().join("clock");
    std::fs::write(&clock, "+10m").unwrap();
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    assert!(std::path::Path::new(library).exists(), "install the package faketime");
    let variables = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let worker = site.env.worker("worker-1", &variables);
    for (number, offset) in ["-10m", "+2h", "-1d"].iter().enumerate() {
        let id = site.create_run(&json!({ "model": "contracts", "seed": number })).await;
        std::fs::write(&clock, offset).unwrap();
        site.succeeded(id).await;
        assert_eq!(site.attempts(id).await, ["succeeded"]);
    }
    let next = site.create_run(&small()).await;
    site.succeeded(next).await;
    let wrong = "SELECT count(*) FROM attempts WHERE started_at NOT BETWEEN clock_timestamp() - interval '5 minutes' AND clock_timestamp()";
    assert_eq!(site.count(wrong).await, 0);
    drop(worker);
    site.finish().await;
}
