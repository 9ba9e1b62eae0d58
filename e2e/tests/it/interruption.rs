//! Workers that die, stop, hang, and runs that are cancelled, all in the middle of training.

use aprendiz_test_gate::Point;
use rustix::process::Signal;
use serde_json::{Value, json};
use test_support::Process;
use uuid::Uuid;

use crate::child::Child;
use crate::export::contracts;
use crate::hold::Hold;
use crate::objects;
use crate::site::{SHORT_LEASE, Site, answered};

/// Where trainings are held: after some steps, and long before the last one.
const MIDDLE: Point<'static> = Point::Step(5);

fn spec() -> Value {
    json!({ "model": "contracts" })
}

/// A run that `worker-1` trains, held in the middle.
struct Training {
    id: Uuid,
    worker: Process,
    child: Child,
    hold: Hold,
}

async fn training(site: &Site, variables: &[(&str, &str)]) -> Training {
    let hold = Hold::at(site, MIDDLE);
    let worker = site.env.worker("worker-1", variables);
    let id = site.create_run(&spec()).await;
    let child = hold.reached().await;
    Training { id, worker, child, hold }
}

/// The run ended well by its second attempt, and by nothing else.
async fn check_second_attempt(site: &Site, id: Uuid, first: &str) {
    assert_eq!(site.attempts(id).await, [first, "succeeded"]);
    let versions: Vec<(Uuid, i32, i32)> =
        sqlx::query_as("SELECT run_id, number, attempt_number FROM model_versions").fetch_all(site.pool()).await.unwrap();
    assert_eq!(versions, [(id, 1, 2)]);
    assert_eq!(site.count("SELECT count(*) FROM metrics WHERE attempt_number <> 2").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 1);
    objects::check(site).await;
}

#[tokio::test]
async fn a_killed_worker_loses_its_attempt_and_another_one_ends_the_run() {
    let site = Site::with(contracts()).await;
    let Training { id, mut worker, child, hold } = training(&site, &[]).await;
    worker.kill();
    worker.wait(crate::site::PATIENCE).await;
    child.is_gone().await;
    drop(hold);

    site.expire_lease(id).await;
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    check_second_attempt(&site, id, "lost").await;
    // a lost host is no fault of the run, but it counts
    assert_eq!(site.run(id).await["attempts_used"], 2);
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_hands_its_run_back_at_no_cost() {
    let site = Site::with(contracts()).await;
    // the training is held, so it cannot save a checkpoint within the grace time
    let Training { id, mut worker, child, hold } = training(&site, &[("APRENDIZ_GRACE_SECONDS", "0.1")]).await;
    worker.terminate();
    let status = worker.wait(crate::site::PATIENCE).await;
    assert!(status.success(), "{status}");
    child.is_gone().await;
    let run = site.run(id).await;
    assert_eq!((&run["status"], &run["attempts_used"]), (&json!("queued"), &json!(0)), "{run}");
    assert_eq!(site.count("SELECT count(*) FROM workers WHERE stopped_at IS NULL").await, 0);
    drop(hold);

    let second = site.env.worker("worker-2", &[]);
    let run = site.succeeded(id).await;
    assert_eq!(run["attempts_used"], 1);
    check_second_attempt(&site, id, "released").await;
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_run_is_cancelled_in_the_middle_of_its_training() {
    let site = Site::with(contracts()).await;
    let Training { id, worker, child, hold } = training(&site, &[]).await;
    let run = answered(site.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(run["status"], "cancelling");
    // the training is held: nothing but its death can end the run
    let run = site.ended(id).await;
    assert_eq!(run["status"], "cancelled");
    child.is_gone().await;
    assert_eq!(site.attempts(id).await, ["cancelled"]);
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE key LIKE 'models/%'").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM metrics").await, 0);
    drop(hold);

    // cancelling it again changes nothing; retried by hand it is a run like any other, on the snapshot that was built
    assert_eq!(answered(site.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await["status"], "cancelled");
    answered(site.api().post(&format!("/v1/training-runs/{id}/retry")), 202).await;
    site.succeeded(id).await;
    check_second_attempt(&site, id, "cancelled").await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_hung_beyond_its_lease_changes_nothing_when_it_goes_on() {
    let site = Site::with(contracts()).await;
    let Training { id, worker, child, hold } = training(&site, &[SHORT_LEASE]).await;
    worker.signal(Signal::STOP);
    // the child does not know and trains on: what it reports comes too late
    drop(hold);
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    let before = site.state().await;

    worker.signal(Signal::CONT);
    site.logged(&worker, "lease lost").await;
    child.is_gone().await;
    assert_eq!(site.state().await, before);
    check_second_attempt(&site, id, "lost").await;

    // and it is of use again
    drop(second);
    let next = site.create_run(&json!({ "model": "contracts", "kind": "evaluate" })).await;
    site.succeeded(next).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_child_that_is_killed_twice_puts_its_run_into_quarantine() {
    let site = Site::with(contracts()).await;
    let Training { id, worker, child, hold } = training(&site, &[]).await;
    child.kill();
    let run = site.retrying(id).await;
    assert_eq!(run["error_code"], "child_killed", "{run}");
    site.end_retry_delays().await;
    hold.reached().await.kill();
    let (code, reason) = site.failed(id).await;
    assert_eq!(code, "training_process_killed");
    assert!(reason.contains("signal 9"), "{reason}");
    assert_eq!(site.attempts(id).await, ["failed", "failed"]);
    drop(worker);
    site.finish().await;
}
