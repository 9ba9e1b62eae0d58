//! Sharing of dataset builds between runs.

use aprendiz_runs::{
    AttemptId, AttemptStatus, DatasetBuild, FailureOutcome, RunStatus, RunsError, begin_dataset_build, cancel_run, end_dataset_builds,
    fail_attempt, reap_expired_leases,
};
use serde_json::json;

use crate::fixture::{Fixture, failure};

const KEY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async fn begin(fixture: &Fixture, attempt: AttemptId) -> DatasetBuild {
    begin_dataset_build(&mut *fixture.conn().await, attempt, KEY).await.unwrap()
}

/// One run that builds, and one that waits for it.
async fn builder_and_waiting(fixture: &Fixture) -> (AttemptId, AttemptId) {
    let (builder, waiting) = (fixture.running().await, fixture.running().await);
    assert_eq!(begin(fixture, builder).await, DatasetBuild::Started);
    assert_eq!(begin(fixture, waiting).await, DatasetBuild::BuiltBy(builder.run_id));
    (builder, waiting)
}

#[tokio::test]
async fn the_second_run_is_released_and_waits_without_using_an_attempt() {
    let fixture = Fixture::new().await;
    let (builder, waiting) = builder_and_waiting(&fixture).await;
    let run = fixture.run(waiting.run_id).await;
    assert_eq!((run.status, run.attempts_used), (RunStatus::Queued, 0));
    assert_eq!(fixture.attempts(run.id).await, [AttemptStatus::Released]);
    assert!(fixture.claim().await.is_none(), "it waits");
    let event = fixture.events(run.id).await.pop().unwrap();
    assert_eq!((&event.payload["awaits"], &event.payload["built_by"]), (&json!("dataset"), &json!(builder.run_id)));
    // the builder may repeat the request, for example after a lost answer
    assert_eq!(begin(&fixture, builder).await, DatasetBuild::Started);
    let late = begin_dataset_build(&mut *fixture.conn().await, waiting, KEY).await.unwrap_err();
    assert!(matches!(late, RunsError::LeaseLost { .. }), "{late}");
}

#[tokio::test]
async fn a_recorded_snapshot_wakes_waiting_runs_while_the_builder_continues() {
    let fixture = Fixture::new().await;
    let (builder, waiting) = builder_and_waiting(&fixture).await;
    fixture.relay().await;
    end_dataset_builds(&mut *fixture.conn().await, builder).await.unwrap();
    assert!(fixture.outbox_entries(waiting.run_id).await >= 1);
    assert_eq!(fixture.claim().await.unwrap().run.id, waiting.run_id);
    assert_eq!(fixture.run(builder.run_id).await.status, RunStatus::Running);
    assert_eq!(fixture.number("SELECT count(*) FROM training_runs WHERE awaited_dataset_key IS NOT NULL").await, 0);
}

#[tokio::test]
async fn a_build_that_fails_wakes_the_next_builder() {
    let fixture = Fixture::new().await;
    let (builder, waiting) = builder_and_waiting(&fixture).await;
    let outcome = fail_attempt(&mut *fixture.conn().await, builder, &failure("snapshot_io", true), 0.5).await.unwrap();
    assert_eq!(outcome, FailureOutcome::Retrying);
    let next = fixture.claim().await.unwrap().attempt;
    assert_eq!(next.run_id, waiting.run_id);
    assert_eq!(begin(&fixture, next).await, DatasetBuild::Started);
}

#[tokio::test]
async fn a_builder_with_an_expired_lease_blocks_nothing() {
    let fixture = Fixture::new().await;
    let (builder, waiting) = builder_and_waiting(&fixture).await;
    fixture.expire(builder).await;
    // not reaped yet, but no obstacle
    let third = fixture.running().await;
    assert_eq!(begin(&fixture, third).await, DatasetBuild::Started);
    reap_expired_leases(&mut *fixture.conn().await, 100).await.unwrap();
    assert_eq!(fixture.attempts(builder.run_id).await, [AttemptStatus::Lost]);
    assert_eq!(fixture.number("SELECT count(*) FROM dataset_builds").await, 1, "that of the third");
    fail_attempt(&mut *fixture.conn().await, third, &failure("no_examples", false), 0.5).await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM dataset_builds").await, 0);
    assert_eq!(
        fixture.number(&format!("SELECT count(*) FROM training_runs WHERE id = '{}' AND run_after <= now()", waiting.run_id)).await,
        1
    );
}

#[tokio::test]
async fn a_cancelling_run_does_not_wait() {
    let fixture = Fixture::new().await;
    let (builder, waiting) = (fixture.running().await, fixture.running().await);
    assert_eq!(begin(&fixture, builder).await, DatasetBuild::Started);
    cancel_run(&mut *fixture.conn().await, waiting.run_id, "ana").await.unwrap();
    assert_eq!(begin(&fixture, waiting).await, DatasetBuild::BuiltBy(builder.run_id));
    assert_eq!(fixture.run(waiting.run_id).await.status, RunStatus::Cancelled);
    assert_eq!(fixture.attempts(waiting.run_id).await, [AttemptStatus::Cancelled]);
}
