//! Retry of many runs.

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{AttemptId, RetryFilter, RunId, RunStatus, cancel_run, fail_attempt, retry_run, retry_runs};

use crate::fixture::{Fixture, failure};

fn all(status: RunStatus) -> RetryFilter {
    RetryFilter { status, error_code: None, model: None, kind: None, since: None, until: None }
}

async fn failed(fixture: &Fixture, code: &str) -> RunId {
    let AttemptId { run_id, number } = fixture.running().await;
    fail_attempt(&mut *fixture.conn().await, AttemptId { run_id, number }, &failure(code, false), 0.5).await.unwrap();
    run_id
}

/// Moves the end of a run into the past.
async fn ended_ago(fixture: &Fixture, id: RunId, seconds: u32) {
    let sql = format!("UPDATE training_runs SET finished_at = clock_timestamp() - interval '{seconds} s' WHERE id = '{id}'");
    assert_eq!(fixture.execute(&sql).await.unwrap(), 1);
}

#[tokio::test]
async fn runs_are_retried_in_the_order_in_which_they_ended() {
    let fixture = Fixture::new().await;
    let (first, second, third) = (failed(&fixture, "io").await, failed(&fixture, "io").await, failed(&fixture, "io").await);
    ended_ago(&fixture, third, 50).await;
    fixture.relay().await;
    let outcome = retry_runs(&mut *fixture.conn().await, &all(RunStatus::Failed), 2, false, "ana").await.unwrap();
    assert_eq!((outcome.matched, &outcome.retried[..], outcome.more), (3, &[third, first][..], true));
    let rest = retry_runs(&mut *fixture.conn().await, &all(RunStatus::Failed), 2, false, "ana").await.unwrap();
    assert_eq!((rest.matched, &rest.retried[..], rest.more), (1, &[second][..], false));
    for id in [first, second, third] {
        let run = fixture.run(id).await;
        assert_eq!((run.status, run.attempts_used, run.error_code), (RunStatus::Queued, 0, None));
        assert_eq!(fixture.outbox_entries(id).await, 1);
    }
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'training_run.retry' AND actor = 'ana'").await, 3);
}

#[tokio::test]
async fn only_runs_that_match_every_condition_are_retried() {
    let fixture = Fixture::new().await;
    let wanted = failed(&fixture, "object_store").await;
    let other_code = failed(&fixture, "io").await;
    let old = failed(&fixture, "object_store").await;
    ended_ago(&fixture, old, 7_200).await;
    let cancelled = fixture.create_run().await;
    cancel_run(&mut *fixture.conn().await, cancelled, "ana").await.unwrap();
    let waiting = fixture.create_run().await;
    let since = fixture.run(wanted).await.finished_at.map(|at| at - std::time::Duration::from_secs(60));
    let filter = RetryFilter {
        error_code: Some("object_store".to_owned()),
        model: Some("contracts".to_owned()),
        kind: Some(RunKind::Linear),
        since,
        ..all(RunStatus::Failed)
    };
    let nothing = RetryFilter { model: Some("other".to_owned()), ..filter.clone() };
    let outcome = retry_runs(&mut *fixture.conn().await, &nothing, 100, false, "ana").await.unwrap();
    assert_eq!((outcome.matched, outcome.retried.len()), (0, 0));
    let outcome = retry_runs(&mut *fixture.conn().await, &filter, 100, false, "ana").await.unwrap();
    assert_eq!(outcome.retried, [wanted]);
    for (id, status) in
        [(other_code, RunStatus::Failed), (old, RunStatus::Failed), (cancelled, RunStatus::Cancelled), (waiting, RunStatus::Queued)]
    {
        assert_eq!(fixture.run(id).await.status, status);
    }
    let outcome = retry_runs(&mut *fixture.conn().await, &all(RunStatus::Cancelled), 100, false, "ana").await.unwrap();
    assert_eq!(outcome.retried, [cancelled]);
    // other statuses are never retried
    let outcome = retry_runs(&mut *fixture.conn().await, &all(RunStatus::Queued), 100, false, "ana").await.unwrap();
    assert_eq!((outcome.matched, outcome.retried.len()), (0, 0));
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let fixture = Fixture::new().await;
    failed(&fixture, "io").await;
    failed(&fixture, "io").await;
    let before = fixture.rows().await;
    let outcome = retry_runs(&mut *fixture.conn().await, &all(RunStatus::Failed), 1, true, "ana").await.unwrap();
    assert_eq!((outcome.matched, outcome.retried.len(), outcome.more), (2, 0, true));
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn runs_that_fail_again_after_the_first_request_are_left_alone() {
    let fixture = Fixture::new().await;
    let id = failed(&fixture, "io").await;
    let first = retry_runs(&mut *fixture.conn().await, &all(RunStatus::Failed), 100, false, "ana").await.unwrap();
    assert_eq!(first.retried, [id]);
    let attempt = fixture.claim_run(id).await;
    fail_attempt(&mut *fixture.conn().await, attempt, &failure("io", false), 0.5).await.unwrap();
    let again = RetryFilter { until: Some(first.as_of), ..all(RunStatus::Failed) };
    let second = retry_runs(&mut *fixture.conn().await, &again, 100, false, "ana").await.unwrap();
    assert_eq!((second.matched, second.retried.len()), (0, 0));
}

#[tokio::test]
async fn a_run_that_another_request_is_retrying_is_skipped() {
    let fixture = Fixture::new().await;
    let (locked, free) = (failed(&fixture, "io").await, failed(&fixture, "io").await);
    let mut other = fixture.pool().begin().await.unwrap();
    retry_run(&mut other, locked, "bela").await.unwrap();
    let outcome = retry_runs(&mut *fixture.conn().await, &all(RunStatus::Failed), 100, false, "ana").await.unwrap();
    other.commit().await.unwrap();
    assert_eq!((outcome.matched, &outcome.retried[..]), (2, &[free][..]));
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'training_run.retry'").await, 2);
}
