//! How attempts fail or are given back, and what the run becomes.

use chrono::{TimeDelta, Utc};
use runs::{
    AttemptKey, AttemptStatus, EventKind, FailureOutcome, RunPhase, RunStatus, RunsError, announced, attempts_of, due_announcements,
    enter_phase, fail_attempt, next_due_in, release_attempt, retry_run,
};

use crate::fixture::{Fixture, failure};

async fn fail(fixture: &Fixture, key: AttemptKey, code: &str, retryable: bool) -> FailureOutcome {
    fail_attempt(&mut *fixture.conn().await, key, &failure(code, retryable), 0.5).await.unwrap()
}

/// The next attempt of a retrying run.
async fn again(fixture: &Fixture, key: AttemptKey) -> AttemptKey {
    fixture.make_due(key.run_id).await;
    fixture.claim_of(key.run_id).await
}

#[tokio::test]
async fn a_failure_that_may_pass_waits_and_then_fails_for_good() {
    let fixture = Fixture::new().await;
    let mut key = fixture.running().await;
    enter_phase(&mut *fixture.conn().await, key, RunPhase::Train).await.unwrap();
    for (number, seconds) in [(1, 5), (2, 10)] {
        fixture.relay().await;
        let asked = Utc::now();
        assert_eq!(fail(&fixture, key, "database_away", true).await, FailureOutcome::Retrying);
        let run = fixture.run(key.run_id).await;
        assert_eq!((run.status, run.phase, run.attempts_used), (RunStatus::Retrying, None, number));
        assert_eq!(run.error_code.as_deref(), Some("database_away"));
        let waits = run.run_after - asked;
        assert!(waits >= TimeDelta::seconds(seconds) && waits < TimeDelta::seconds(seconds + 5), "{waits}");
        assert_eq!(fixture.announcements(run.id).await, 1);
        assert!(fixture.claim().await.is_none(), "it is not yet due");
        key = again(&fixture, key).await;
        assert_eq!(fixture.run(key.run_id).await.error_code, None);
    }
    fixture.relay().await;
    assert_eq!(fail(&fixture, key, "database_away", true).await, FailureOutcome::Failed);
    let run = fixture.run(key.run_id).await;
    assert_eq!((run.status, run.error_code.as_deref()), (RunStatus::Failed, Some("database_away")));
    assert_eq!(run.error_text.as_deref(), Some("database_away in words"));
    assert!(run.finished_at.is_some());
    assert_eq!(fixture.announcements(run.id).await, 0);
    assert_eq!(fixture.attempts(run.id).await, [AttemptStatus::Failed; 3]);
    let last = fixture.events(run.id).await.pop().unwrap();
    assert_eq!((last.kind, last.payload["code"].as_str()), (EventKind::End, Some("database_away")));
}

#[tokio::test]
async fn a_permanent_failure_ends_the_run_at_once() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    fixture.relay().await;
    assert_eq!(fail(&fixture, key, "no_trainable_field", false).await, FailureOutcome::Failed);
    let run = fixture.run(key.run_id).await;
    assert_eq!((run.status, run.error_code.as_deref()), (RunStatus::Failed, Some("no_trainable_field")));
    assert_eq!(fixture.announcements(run.id).await, 0);
    let attempt = attempts_of(&mut *fixture.conn().await, run.id).await.unwrap().pop().unwrap();
    assert_eq!((attempt.status, attempt.error_code.as_deref()), (AttemptStatus::Failed, Some("no_trainable_field")));
}

#[tokio::test]
async fn a_child_killed_in_two_attempts_quarantines_the_run() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    assert_eq!(fail(&fixture, key, "child_killed", true).await, FailureOutcome::Retrying);
    let key = again(&fixture, key).await;
    assert_eq!(fail(&fixture, key, "child_killed", true).await, FailureOutcome::Failed);
    let run = fixture.run(key.run_id).await;
    assert_eq!((run.attempts_used, run.max_attempts), (2, 3), "its budget was not used up");
    assert_eq!(run.error_code.as_deref(), Some("worker_killed"));
}

#[tokio::test]
async fn two_kills_count_whatever_lies_between_them() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    assert_eq!(fail(&fixture, key, "child_killed", true).await, FailureOutcome::Retrying);
    let key = again(&fixture, key).await;
    release_attempt(&mut *fixture.conn().await, key).await.unwrap();
    let key = fixture.claim_of(key.run_id).await;
    assert_eq!(fail(&fixture, key, "child_killed", true).await, FailureOutcome::Failed);
    assert_eq!(fixture.run(key.run_id).await.error_code.as_deref(), Some("worker_killed"));
}

#[tokio::test]
async fn kills_before_a_retry_by_hand_are_forgiven() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    fail(&fixture, key, "child_killed", true).await;
    let key = again(&fixture, key).await;
    fail(&fixture, key, "child_killed", true).await;
    retry_run(&mut *fixture.conn().await, key.run_id, "ana").await.unwrap();
    let key = fixture.claim_of(key.run_id).await;
    assert_eq!(key.number, 3);
    assert_eq!(fail(&fixture, key, "child_killed", true).await, FailureOutcome::Retrying);
    let key = again(&fixture, key).await;
    assert_eq!(fail(&fixture, key, "child_killed", true).await, FailureOutcome::Failed);
}

#[tokio::test]
async fn a_released_attempt_is_not_spent() {
    let fixture = Fixture::new().await;
    let id = fixture.queued_with(|spec| spec.max_attempts = 1).await;
    for number in 1..=3 {
        let key = fixture.claim_of(id).await;
        assert_eq!(key.number, number);
        fixture.relay().await;
        release_attempt(&mut *fixture.conn().await, key).await.unwrap();
        let run = fixture.run(id).await;
        assert_eq!((run.status, run.phase, run.attempts_used, run.attempt_number), (RunStatus::Queued, None, 0, number));
        assert_eq!(fixture.announcements(id).await, 1);
    }
    assert_eq!(fixture.attempts(id).await, [AttemptStatus::Released; 3]);
}

#[tokio::test]
async fn a_retry_by_hand_gives_the_same_run_a_full_budget() {
    let fixture = Fixture::new().await;
    let id = fixture.queued_with(|spec| spec.max_attempts = 1).await;
    let key = fixture.claim_of(id).await;
    fail(&fixture, key, "database_away", true).await;
    fixture.relay().await;
    let run = retry_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    assert_eq!((run.status, run.attempts_used, run.attempt_number), (RunStatus::Queued, 0, 1));
    assert_eq!((run.error_code, run.error_text, run.finished_at), (None, None, None));
    assert_eq!(fixture.announcements(id).await, 1);
    let key = fixture.claim_of(id).await;
    assert_eq!(key.number, 2);
    assert_eq!(fixture.publish(key).await, 1);
    let error = retry_run(&mut *fixture.conn().await, id, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::WrongState { status: RunStatus::Succeeded, .. }), "{error}");
}

#[tokio::test]
async fn only_a_run_that_ended_badly_can_be_retried() {
    let fixture = Fixture::new().await;
    let queued = fixture.queued().await;
    let before = fixture.rows().await;
    let error = retry_run(&mut *fixture.conn().await, queued, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::WrongState { status: RunStatus::Queued, .. }), "{error}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn announcements_are_due_when_the_run_is_and_go_once_made() {
    let fixture = Fixture::new().await;
    assert_eq!(next_due_in(&mut *fixture.conn().await).await.unwrap(), None);
    let key = fixture.running().await;
    let urgent = fixture.queued_with(|spec| spec.priority = 5).await;
    let queued = fixture.queued().await;

    let mut relay = fixture.pool().begin().await.unwrap();
    let due = due_announcements(&mut relay, 10).await.unwrap();
    assert_eq!(due.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [urgent, queued], "the claimed run needs none");
    relay.commit().await.unwrap();
    assert_eq!(fixture.announcements(key.run_id).await, 0);

    let mut relay = fixture.pool().begin().await.unwrap();
    let mut second = fixture.pool().begin().await.unwrap();
    let (outbox_ids, run_ids): (Vec<_>, Vec<_>) = due_announcements(&mut relay, 10).await.unwrap().into_iter().unzip();
    assert_eq!(due_announcements(&mut second, 10).await.unwrap(), [], "a second relay finds them taken, and does not wait");
    announced(&mut relay, &outbox_ids, &run_ids).await.unwrap();
    relay.commit().await.unwrap();
    second.rollback().await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 0);
    assert!(fixture.run(urgent).await.announced_at.is_some());

    fail(&fixture, key, "database_away", true).await;
    assert_eq!(due_announcements(&mut *fixture.conn().await, 10).await.unwrap(), []);
    let due_in = next_due_in(&mut *fixture.conn().await).await.unwrap().unwrap();
    assert!(due_in.as_secs_f64() > 3.0 && due_in.as_secs_f64() <= 5.0, "{due_in:?}");
    fixture.make_due(key.run_id).await;
    assert_eq!(due_announcements(&mut *fixture.conn().await, 10).await.unwrap().len(), 1);
}
