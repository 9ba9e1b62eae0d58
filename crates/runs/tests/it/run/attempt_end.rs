//! Failed and released attempts, and the state of the run afterwards.

use aprendiz_runs::{
    AttemptId, AttemptStatus, EventKind, FailureOutcome, RunPhase, RunStatus, RunsError, delete_published, due_outbox_entries, enter_phase,
    fail_attempt, list_attempts, next_due_in, record_publication, release_attempt, retry_run,
};
use chrono::{TimeDelta, Utc};

use crate::fixture::{Fixture, failure};

async fn fail(fixture: &Fixture, attempt: AttemptId, code: &str, retryable: bool) -> FailureOutcome {
    fail_attempt(&mut *fixture.conn().await, attempt, &failure(code, retryable), 0.5).await.unwrap()
}

/// Claims the next attempt of a retrying run.
async fn claim_again(fixture: &Fixture, attempt: AttemptId) -> AttemptId {
    fixture.make_due(attempt.run_id).await;
    fixture.claim_run(attempt.run_id).await
}

#[tokio::test]
async fn a_retryable_failure_is_retried_until_the_attempts_are_used_up() {
    let fixture = Fixture::new().await;
    let mut attempt = fixture.running().await;
    enter_phase(&mut *fixture.conn().await, attempt, uuid::Uuid::now_v7(), RunPhase::Train).await.unwrap();
    for (number, seconds) in [(1, 5), (2, 10)] {
        fixture.relay().await;
        let requested = Utc::now();
        assert_eq!(fail(&fixture, attempt, "database_away", true).await, FailureOutcome::Retrying);
        let run = fixture.run(attempt.run_id).await;
        assert_eq!((run.status, run.phase, run.attempts_used), (RunStatus::Retrying, None, number));
        assert_eq!(run.error_code.as_deref(), Some("database_away"));
        let waits = run.run_after - requested;
        assert!(waits >= TimeDelta::seconds(seconds) && waits < TimeDelta::seconds(seconds + 5), "{waits}");
        assert_eq!(fixture.outbox_entries(run.id).await, 1);
        assert!(fixture.claim().await.is_none(), "it is not yet due");
        attempt = claim_again(&fixture, attempt).await;
        assert_eq!(fixture.run(attempt.run_id).await.error_code, None);
    }
    fixture.relay().await;
    assert_eq!(fail(&fixture, attempt, "database_away", true).await, FailureOutcome::Failed);
    let run = fixture.run(attempt.run_id).await;
    assert_eq!((run.status, run.error_code.as_deref()), (RunStatus::Failed, Some("database_away")));
    assert_eq!(run.error_text.as_deref(), Some("database_away in words"));
    assert!(run.finished_at.is_some());
    assert_eq!(fixture.outbox_entries(run.id).await, 0);
    assert_eq!(fixture.attempts(run.id).await, [AttemptStatus::Failed; 3]);
    let last = fixture.events(run.id).await.pop().unwrap();
    assert_eq!((last.kind, last.payload["code"].as_str()), (EventKind::End, Some("database_away")));
}

#[tokio::test]
async fn a_permanent_failure_ends_the_run_at_once() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.relay().await;
    assert_eq!(fail(&fixture, attempt, "no_trainable_field", false).await, FailureOutcome::Failed);
    let run = fixture.run(attempt.run_id).await;
    assert_eq!((run.status, run.error_code.as_deref()), (RunStatus::Failed, Some("no_trainable_field")));
    assert_eq!(fixture.outbox_entries(run.id).await, 0);
    let attempt = list_attempts(&mut *fixture.conn().await, run.id).await.unwrap().pop().unwrap();
    assert_eq!((attempt.status, attempt.error_code.as_deref()), (AttemptStatus::Failed, Some("no_trainable_field")));
}

#[tokio::test]
async fn a_child_killed_in_two_attempts_quarantines_the_run() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    assert_eq!(fail(&fixture, attempt, "child_killed", true).await, FailureOutcome::Retrying);
    let attempt = claim_again(&fixture, attempt).await;
    assert_eq!(fail(&fixture, attempt, "child_killed", true).await, FailureOutcome::Failed);
    let run = fixture.run(attempt.run_id).await;
    assert_eq!((run.attempts_used, run.max_attempts), (2, 3), "attempts are left");
    assert_eq!(run.error_code.as_deref(), Some("training_process_killed"));
}

#[tokio::test]
async fn two_kills_count_even_with_other_attempts_between_them() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    assert_eq!(fail(&fixture, attempt, "child_killed", true).await, FailureOutcome::Retrying);
    let attempt = claim_again(&fixture, attempt).await;
    release_attempt(&mut *fixture.conn().await, attempt).await.unwrap();
    let attempt = fixture.claim_run(attempt.run_id).await;
    assert_eq!(fail(&fixture, attempt, "child_killed", true).await, FailureOutcome::Failed);
    assert_eq!(fixture.run(attempt.run_id).await.error_code.as_deref(), Some("training_process_killed"));
}

#[tokio::test]
async fn kills_before_a_manual_retry_do_not_count() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fail(&fixture, attempt, "child_killed", true).await;
    let attempt = claim_again(&fixture, attempt).await;
    fail(&fixture, attempt, "child_killed", true).await;
    retry_run(&mut *fixture.conn().await, attempt.run_id, "ana").await.unwrap();
    let attempt = fixture.claim_run(attempt.run_id).await;
    assert_eq!(attempt.number, 3);
    assert_eq!(fail(&fixture, attempt, "child_killed", true).await, FailureOutcome::Retrying);
    let attempt = claim_again(&fixture, attempt).await;
    assert_eq!(fail(&fixture, attempt, "child_killed", true).await, FailureOutcome::Failed);
}

#[tokio::test]
async fn a_released_attempt_does_not_count() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run_with(|spec| spec.max_attempts = 1).await;
    for number in 1..=3 {
        let attempt = fixture.claim_run(id).await;
        assert_eq!(attempt.number, number);
        fixture.relay().await;
        release_attempt(&mut *fixture.conn().await, attempt).await.unwrap();
        let run = fixture.run(id).await;
        assert_eq!((run.status, run.phase, run.attempts_used, run.attempt_number), (RunStatus::Queued, None, 0, number));
        assert_eq!(fixture.outbox_entries(id).await, 1);
    }
    assert_eq!(fixture.attempts(id).await, [AttemptStatus::Released; 3]);
}

#[tokio::test]
async fn a_manual_retry_gives_the_same_run_a_full_budget() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run_with(|spec| spec.max_attempts = 1).await;
    let attempt = fixture.claim_run(id).await;
    fail(&fixture, attempt, "database_away", true).await;
    fixture.relay().await;
    let run = retry_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    assert_eq!((run.status, run.attempts_used, run.attempt_number), (RunStatus::Queued, 0, 1));
    assert_eq!((run.error_code, run.error_text, run.finished_at), (None, None, None));
    assert_eq!(fixture.outbox_entries(id).await, 1);
    let attempt = fixture.claim_run(id).await;
    assert_eq!(attempt.number, 2);
    assert_eq!(fixture.publish(attempt).await, 1);
    let error = retry_run(&mut *fixture.conn().await, id, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::WrongState { status: RunStatus::Succeeded, .. }), "{error}");
}

#[tokio::test]
async fn only_a_failed_or_cancelled_run_can_be_retried() {
    let fixture = Fixture::new().await;
    let queued = fixture.create_run().await;
    let before = fixture.rows().await;
    let error = retry_run(&mut *fixture.conn().await, queued, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::WrongState { status: RunStatus::Queued, .. }), "{error}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn outbox_entries_are_due_with_the_run_and_deleted_once_published() {
    let fixture = Fixture::new().await;
    assert_eq!(next_due_in(&mut *fixture.conn().await).await.unwrap(), None);
    let attempt = fixture.running().await;
    let urgent = fixture.create_run_with(|spec| spec.priority = 5).await;
    let queued = fixture.create_run().await;

    let mut relay = fixture.pool().begin().await.unwrap();
    let due = due_outbox_entries(&mut relay, 10).await.unwrap();
    assert_eq!(due.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [urgent, queued], "the claimed run needs no wake-up");
    relay.commit().await.unwrap();
    assert_eq!(fixture.outbox_entries(attempt.run_id).await, 0);

    let mut relay = fixture.pool().begin().await.unwrap();
    let mut second = fixture.pool().begin().await.unwrap();
    let (outbox_ids, run_ids): (Vec<_>, Vec<_>) = due_outbox_entries(&mut relay, 10).await.unwrap().into_iter().unzip();
    assert_eq!(due_outbox_entries(&mut second, 10).await.unwrap(), [], "a second relay skips locked entries without waiting");
    record_publication(&mut relay, &run_ids).await.unwrap();
    delete_published(&mut relay, &outbox_ids).await.unwrap();
    relay.commit().await.unwrap();
    second.rollback().await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 0);
    assert!(fixture.run(urgent).await.wakeup_published_at.is_some());

    fail(&fixture, attempt, "database_away", true).await;
    assert_eq!(due_outbox_entries(&mut *fixture.conn().await, 10).await.unwrap(), []);
    let due_in = next_due_in(&mut *fixture.conn().await).await.unwrap().unwrap();
    assert!(due_in.as_secs_f64() > 3.0 && due_in.as_secs_f64() <= 5.0, "{due_in:?}");
    fixture.make_due(attempt.run_id).await;
    assert_eq!(due_outbox_entries(&mut *fixture.conn().await, 10).await.unwrap().len(), 1);
}
